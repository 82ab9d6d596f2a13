package archive_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

// The files in testdata were written by the barman releases that their names tell, through barman's own classes.
func TestParseBackupInfoWrittenByBarman(t *testing.T) {
	t.Parallel()
	size := int64(23453191)
	begin := time.Date(2026, 3, 26, 14, 20, 41, 123456000, time.UTC)
	done := recovery.Backup{
		ID: "id", Name: "backup-20260326142040", Status: recovery.StatusDone, BeginTime: begin,
		EndTime: time.Date(2026, 3, 26, 14, 20, 43, 0, time.UTC), BeginWAL: "000000010000000000000005", EndWAL: "000000010000000000000006",
		BeginLSN: 0x5000028, EndLSN: 0x6000120, Timeline: 1, SegmentSize: 16 << 20, SystemID: "7388012345678901234", ServerVersion: 170005,
		ClusterSize: &size,
	}
	tablespaces := done
	tablespaces.BeginTime = begin.Truncate(time.Second)
	tablespaces.Compression = "gzip"
	tablespaces.Tablespaces = []recovery.Tablespace{
		{Name: `fast's "one"`, OID: 16387, Location: "/var/lib/postgresql/tablespaces/fäst/data"}, {Name: "b", OID: 16388, Location: `/b\c`},
	}
	failed := done
	failed.Status, failed.EndTime, failed.EndWAL, failed.EndLSN = recovery.StatusFailed, time.Time{}, "", 0
	failed.Error = "failure uploading data (An error occurred (NoSuchBucket) when calling the UploadPart operation: key=a=b)"
	started := recovery.Backup{
		ID: "id", Status: recovery.StatusStarted, BeginTime: begin, BeginLSN: 0x5000028, SegmentSize: 16 << 20,
		SystemID: "7388012345678901234", ServerVersion: 170005,
	}
	want := map[string]recovery.Backup{
		"done": done, "tablespaces": tablespaces, "failed": failed, "started": started,
		"empty": {ID: "id", Status: recovery.StatusEmpty, SegmentSize: 16 << 20},
	}
	files, err := filepath.Glob("testdata/barman-*.info")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		kind := strings.TrimSuffix(file[strings.LastIndex(file, "-")+1:], ".info")
		expected := want[kind]
		if !strings.Contains(file, "barman-3.19") { // older ones wrote fewer keys
			expected.ClusterSize = nil
		}
		if strings.Contains(file, "barman-2.") {
			expected.Name, expected.Compression = "", ""
		}
		if got := archive.ParseBackupInfo("id", text); !reflect.DeepEqual(got, expected) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", file, got, expected)
		}
	}
}

func TestParseBackupInfoTimes(t *testing.T) {
	t.Parallel()
	want := time.Date(2026, 3, 26, 12, 0, 7, 0, time.UTC)
	for text, offset := range map[string]time.Duration{
		"2026-03-26 12:00:07+00:00":             0,
		"2026-03-26 12:00:07.000001+00:00":      time.Microsecond,
		"2026-03-26 12:00:07.5-03:30":           3*time.Hour + 30*time.Minute + 500*time.Millisecond,
		"2026-03-26 12:00:07Z":                  0,
		"2026-03-26 12:00:07+02":                -2 * time.Hour,
		"2026-03-26 12:00:07+0200":              -2 * time.Hour,
		"2026-03-26 12:00:07+00:53:28":          -53*time.Minute - 28*time.Second,
		"2026-03-26 12:00:07":                   0,
		"2026-03-26 12:00:07.123456":            123456 * time.Microsecond,
		"2026-03-26T12:00:07+01:00":             -time.Hour,
		"Thu Mar 26 12:00:07 2026":              0,
		"Thu, 26 Mar 2026 12:00:07 +0100":       -time.Hour,
		" 2026-03-26 12:00:07.123456789+00:00 ": 123456789 * time.Nanosecond,
	} {
		b := archive.ParseBackupInfo("id", []byte("status=DONE\nend_time="+text+"\n"))
		if b.Status != recovery.StatusDone || !b.EndTime.Equal(want.Add(offset)) {
			t.Errorf("%q: got %s, %s %s", text, b.EndTime, b.Status, b.Message)
		}
	}
}

func TestParseBackupInfoThatBarmanCouldNotLoad(t *testing.T) {
	t.Parallel()
	for text, message := range map[string]string{
		"status=DONE\x00\xff\n":               "not UTF-8",
		"status=DONE\nnonsense\n":             `"nonsense" is no line`,
		"status=DONE\nend_time=yesterday\n":   `end_time: "yesterday" is no time`,
		"status=DONE\nend_time=\n":            `end_time: "" is no time`,
		"status=DONE\nversion=17.5\n":         `version: "17.5" is no whole number`,
		"status=DONE\ntimeline=-1\n":          `timeline: "-1" is no whole number`,
		"status=DONE\nbegin_xlog=here\n":      "begin_xlog: ",
		"status=DONE\ntablespaces=[('a',\n":   "tablespaces: ",
		"status=DONE\ntablespaces=('a')\n":    "tablespaces: ",
		"status=DONE\ntablespaces=[('a')]\n":  "tablespaces: ",
		"status=DONE\nbackup_label='START\n":  "backup_label: a Python string that does not end",
		"status=DONE\ncopy_stats={'a' 1}\n":   "copy_stats: a Python dictionary without a colon",
		"status=DONE\ncopy_stats={'a':1 2}\n": "copy_stats: a Python dictionary without a comma",
		"status=DONE\ncopy_stats={'a':1e}\n":  "copy_stats: \"1e\" is no number",
		"status=DONE\nbegin_offset=x\n":       `begin_offset: "x" is no whole number`,
		"status=DONE\nsize=1__0\n":            `size: "1__0" is no whole number`,
		"status=DONE\n # indented\n":          `"# indented" is no line`,
		"<html>" + strings.Repeat("x", 9999):  "…",
	} {
		b := archive.ParseBackupInfo("id", []byte(text))
		if b.Status != recovery.StatusUnreadable || !strings.Contains(b.Message, message) || len(b.Message) > 200 {
			t.Errorf("%.40q: got %s %q, want %q", text, b.Status, b.Message, message)
		}
	}
}

func TestParseEmptyBackupInfo(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\n \n"} {
		if b := archive.ParseBackupInfo("id", []byte(text)); b.Status != recovery.StatusEmpty || b.Message != "backup.info is empty" {
			t.Errorf("%q: got %+v", text, b)
		}
	}
}

func TestParseBackupInfoIsLenient(t *testing.T) {
	t.Parallel()
	b := archive.ParseBackupInfo("id", []byte("# a comment\r\n\r\n version = 17_0005 \r\nstatus=DONE\r\nfrom_the_future={'a': 1}\r\ntablespaces=None\r\nsystemid=None\r\nxlog_segment_size=1048576"))
	if b.Status != recovery.StatusDone || b.ServerVersion != 170005 || b.SystemID != "" || b.SegmentSize != 1<<20 {
		t.Errorf("got %+v", b)
	}
}

func FuzzParseBackupInfo(f *testing.F) {
	files, _ := filepath.Glob("testdata/barman-*.info")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, seed := range []string{
		"", "status=DONE", "copy_stats={'a': [1.5e-3, True, {}], 'b': b'x'}", "copy_stats={", "size=_1", "=", "==\n", "tablespaces=[(u'a', 1L, 'b\\x41\\u00e9\\'')]", "tablespaces=" + strings.Repeat("[", 99),
		"end_time=9999-12-31 23:59:60+99:99", "version=99999999999999999999", "xlog_segment_size=0", "begin_xlog=FFFFFFFF/FFFFFFFF",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		b := archive.ParseBackupInfo("id", text)
		if b.ID != "id" {
			t.Errorf("ID is %q", b.ID)
		}
		if b.Status == recovery.StatusUnreadable && b.Message == "" && !strings.Contains(string(text), "UNREADABLE") {
			t.Error("unreadable for no reason")
		}
		// What comes back must be safe to judge.
		c := recovery.Catalog{Backups: []recovery.Backup{b}}
		_ = fmt.Sprint(c.Usable(&b))
		_, _ = c.Window()
		_ = b.Major()
	})
}
