package cnpg

import (
	"strings"
	"testing"
)

func TestRecoveryJournal(t *testing.T) {
	t.Parallel()
	whole := fixture(t, "recovered.log")
	until := func(line string) string {
		before, after, found := strings.Cut(whole, line)
		if !found {
			t.Fatalf("the log has no line with %q", line)
		}
		end, _, _ := strings.Cut(after, "\n")
		return before + line + end + "\n"
	}
	course := Course{FirstWAL: "000000010000000000000003", LastWAL: "000000010000000000000028", Bytes: 3 << 29}
	tests := map[string]struct {
		log    string
		course Course
		want   string
	}{
		"nothing yet":                {until("checking the first wal"), course, ""},
		"base backup":                {until("Starting barman-cloud-restore"), course, "copying the base backup (1.5 GiB)"},
		"base backup of no size":     {until("Starting barman-cloud-restore"), Course{}, "copying the base backup"},
		"base backup is there":       {until("Restore completed"), course, "starting PostgreSQL on the base backup"},
		"WAL":                        {until(`restored log file \"000000010000000000000004\"`), course, "replaying WAL, segment 000000010000000000000004 (2 of at most 38)"},
		"WAL of no course":           {until(`restored log file \"000000010000000000000004\"`), Course{}, "replaying WAL, segment 000000010000000000000004"},
		"WAL without an end":         {until(`restored log file \"000000010000000000000004\"`), Course{FirstWAL: course.FirstWAL}, "replaying WAL, segment 000000010000000000000004 (2 so far)"},
		"more than there was before": {until(`restored log file \"000000010000000000000004\"`), Course{FirstWAL: course.FirstWAL, LastWAL: course.FirstWAL}, "replaying WAL, segment 000000010000000000000004 (2 so far)"},
		"location": {
			until(`restored log file \"000000010000000000000004\"`) +
				`{"logger":"postgres","msg":"record","record":{"error_severity":"LOG","message":"redo in progress, elapsed time: 10.00 s, current LSN: 0/40427B8"}}` + "\n",
			course, "replaying WAL, segment 000000010000000000000004 (2 of at most 38), at 0/40427B8",
		},
		"over": {whole, course, "recovered; configuring the database"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var journal recoveryJournal
			lines := strings.SplitAfter(test.log, "\n")
			for i := range lines { // as it grows, and is read again and again
				journal.add(strings.NewReader(strings.Join(lines[max(0, i-5):i+1], "")))
			}
			if got := journal.stage(test.course); got != test.want {
				t.Errorf("stage is %q, want %q", got, test.want)
			}
			if journal.paused != nil {
				t.Errorf("it is paused: %+v", journal.paused)
			}
		})
	}
}

func TestBytesText(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{900: "900 bytes", 40 << 20: "40 MiB", 3 << 29: "1.5 GiB", 5 << 40: "5120 GiB"} {
		if got := SizeText(n); got != want {
			t.Errorf("SizeText(%d) = %q, want %q", n, got, want)
		}
	}
}
