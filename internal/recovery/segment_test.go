package recovery_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

func TestLSN(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]recovery.LSN{
		"0/0": 0, "16/B374D848": 0x16_B374D848, "FFFFFFFF/FFFFFFFF": 1<<64 - 1, "0/a": 10, "00000001/00000000": 1 << 32,
	} {
		if got, err := recovery.ParseLSN(text); err != nil || got != want {
			t.Errorf("%s: got %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "/", "1", "1/", "/1", "1/2/3", "g/0", "-1/0", "0x1/0", "123456789/0", "1_0/0", " 1/0"} {
		if got, err := recovery.ParseLSN(text); err == nil {
			t.Errorf("%q passed for %s", text, got)
		}
	}
	if got := recovery.LSN(0x16_0374D848).String(); got != "16/374D848" {
		t.Error(got)
	}
}

func TestSegmentNames(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	tests := []struct {
		size       recovery.SegmentSize
		name, next string
		start      string
	}{
		{16 * mib, "000000010000000000000001", "000000010000000000000002", "0/1000000"},
		{16 * mib, "0000000100000000000000FF", "000000010000000100000000", "0/FF000000"},
		{16 * mib, "0000000A00000016000000B3", "0000000A00000016000000B4", "16/B3000000"},
		{1 * mib, "000000010000000000000FFF", "000000010000000100000000", "0/FFF00000"},
		{64 * mib, "00000001000000000000003F", "000000010000000100000000", "0/FC000000"},
		{1024 * mib, "000000010000000000000003", "000000010000000100000000", "0/C0000000"},
	}
	for _, test := range tests {
		s, err := recovery.ParseSegment(test.name, test.size)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if s.Name(test.size) != test.name || s.Next().Name(test.size) != test.next || s.Start(test.size).String() != test.start || s.Folder(test.size) != test.name[:16] {
			t.Errorf("%s at %d: name %s, next %s, start %s, folder %s", test.name, test.size, s.Name(test.size), s.Next().Name(test.size), s.Start(test.size), s.Folder(test.size))
		}
		if test.size.SegmentAt(s.Start(test.size)+recovery.LSN(test.size)-1) != s.Number {
			t.Errorf("%s: its last byte lies elsewhere", test.name)
		}
	}
	bad := []struct {
		size recovery.SegmentSize
		name string
	}{
		{16 * mib, "000000010000000000000100"}, {64 * mib, "000000010000000000000040"}, {16 * mib, "00000001000000000000001"},
		{16 * mib, "000000010000000000000001.gz"}, {16 * mib, "000000010000000000000001.partial"}, {16 * mib, "00000002.history"},
		{16 * mib, "00000001000000000000000g"}, {17 * mib, "000000010000000000000001"}, {2048 * mib, "000000010000000000000001"}, {0, "000000010000000000000001"},
	}
	for _, test := range bad {
		if s, err := recovery.ParseSegment(test.name, test.size); err == nil {
			t.Errorf("%s at %d passed for %v", test.name, test.size, s)
		}
	}
}

func TestParseWALFile(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]recovery.WALFile{
		"000000010000000000000001":                    {Kind: recovery.WALSegment, Timeline: 1, Seg: 1},
		"0000000A0000000B0000000C.zst":                {Kind: recovery.WALSegment, Timeline: 10, Log: 11, Seg: 12, Suffix: ".zst"},
		"000000010000000000000001.partial.gz":         {Kind: recovery.WALPartial, Timeline: 1, Seg: 1, Suffix: ".gz"},
		"000000010000000000000001.00000028.backup":    {Kind: recovery.WALLabel, Timeline: 1, Seg: 1, Offset: 0x28},
		"000000010000000000000001.00000028.backup.xz": {Kind: recovery.WALLabel, Timeline: 1, Seg: 1, Offset: 0x28, Suffix: ".xz"},
		"00000002.history":                            {Kind: recovery.WALHistory, Timeline: 2},
		"00000002.history.lz4":                        {Kind: recovery.WALHistory, Timeline: 2, Suffix: ".lz4"},
	} {
		if got, ok := recovery.ParseWALFile(name); !ok || got != want {
			t.Errorf("%s: got %+v, %t", name, got, ok)
		}
	}
	for _, name := range []string{
		"", "x", "00000002", "00000002.histor", "0000000100000000", "000000010000000000000001.gz.gz", "000000010000000000000001.rar",
		"000000010000000000000001.backup", "000000010000000000000001.0000028.backup", "000000010000000000000001.0000002g.backup",
		"00000001000000000000000１", "000000010000000000000001.partial.partial", "-0000010000000000000001",
		"00000001000000000000000a", "0000000a.history", "000000010000000000000001.0000002a.backup",
	} {
		if got, ok := recovery.ParseWALFile(name); ok {
			t.Errorf("%q passed for %+v", name, got)
		}
	}
}

func FuzzParseWALFile(f *testing.F) {
	for _, seed := range []string{
		"000000010000000000000001", "000000010000000000000001.partial.gz", "000000010000000000000001.00000028.backup", "00000002.history.bz2",
		"0000000100000000", "FFFFFFFFFFFFFFFFFFFFFFFF", "00000000000000000000000g",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		file, ok := recovery.ParseWALFile(name)
		if !ok {
			return
		}
		if !strings.HasPrefix(name, fmt.Sprintf("%08X", file.Timeline)) || !strings.HasSuffix(name, file.Suffix) {
			t.Errorf("%q became %+v", name, file)
		}
		for size := recovery.MinSegmentSize; size <= recovery.MaxSegmentSize; size *= 2 {
			s, ok := file.Segment(size)
			if !ok {
				continue
			}
			if got := s.Name(size); got != name[:24] {
				t.Errorf("%q at %d became %s", name, size, got)
			}
		}
	})
}

func TestParseHistory(t *testing.T) {
	t.Parallel()
	h, err := recovery.ParseHistory(4, []byte("1\t0/3000000\tno recovery target specified\n\n# a remark\n2\t0/5000100\tbefore 2026-03-26 12:00:07.5+00\r\n3 0/5000100"))
	if err != nil || len(h.Switches) != 3 || h.Switches[1] != (recovery.Switch{Parent: 2, At: 0x5000100, Reason: "before 2026-03-26 12:00:07.5+00"}) {
		t.Errorf("got %+v, %v", h, err)
	}
	for text, want := range map[string]string{
		"1":                        "no location",
		"one\t0/3000000\tx":        "is no timeline",
		"1\tthree\tx":              "no WAL location",
		"2\t0/3000000\n1\t0/4":     "goes back",
		"1\t0/3000000\n2\t0/2":     "goes back",
		"4\t0/3000000":             "names 4 as its ancestor",
		strings.Repeat("x", 1<<17): "reading the history",
	} {
		if _, err := recovery.ParseHistory(4, []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: got %v, want %q", text, err, want)
		}
	}
}

func FuzzParseHistory(f *testing.F) {
	f.Add([]byte("1\t0/3000000\tno recovery target specified\n"))
	f.Add([]byte("# x\n1 0/1\n2 0/2 because\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		h, err := recovery.ParseHistory(9, text)
		if err != nil {
			return
		}
		last := uint32(0)
		for i, s := range h.Switches {
			if i > 0 && s.Parent <= last || s.Parent >= 9 {
				t.Errorf("%q became %+v", text, h)
			}
			last = s.Parent
		}
	})
}
