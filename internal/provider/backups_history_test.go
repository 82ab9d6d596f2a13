package provider_test

import (
	"testing"
	"time"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
)

// A history that cannot be read takes backups out of the window. That is told, with the file and the reason.
func TestBackupsTellOfAnUnreadableHistory(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		history string
		more    func(a s3test.Archive)
		window  string // its begin; "" where there is none
		warning []string
	}{
		"readable":  {history: "1\t0/11000028\tno recovery target specified\n", window: "2026-03-26T10:00:00Z"},
		"no window": {history: "rubbish", warning: []string{"Timeline History Cannot Be Read", "wals/00000002.history:", `no location: "rubbish"`, "from the base backup 20260326T095900 on", "recovery_window is null"}},
		"a later window": {
			history: "rubbish", window: "2026-03-26T15:00:00Z",
			more: func(a s3test.Archive) {
				a.Segments(2, 17, 4, onTheDay(14, 30), 15*time.Minute)
				a.Backup("20260326T145900", onTheDay(15, 0), s3test.Segment(2, 18), s3test.Segment(2, 18), nil)
			},
			warning: []string{"Timeline History Cannot Be Read", "wals/00000002.history:", "recovery_window begins behind it"},
		},
		"of a timeline that no backup needs": {
			history: "1\t0/11000028\tno recovery target specified\n", window: "2026-03-26T10:00:00Z",
			more: func(a s3test.Archive) { a.Put("wals/00000004.history", "rubbish", onTheDay(14, 0)) },
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, a := withSource(t)
			a.History(2, test.history, onTheDay(13, 30))
			if test.more != nil {
				test.more(a)
			}
			s := onStage(t, f)
			for _, config := range ofMyDB {
				values, warnings := s.read(s.config(config), allBackups)
				window := ""
				if !values["recovery_window"].IsNull() {
					window = values["recovery_window"].GetAttr("earliest").AsString()
				}
				if window != test.window || test.warning == nil && warnings != "" || !says(test.warning...).MatchString(warnings) {
					t.Errorf("the window begins at %q, want %q\nwarnings: %s", window, test.window, warnings)
				}
			}
		})
	}
}
