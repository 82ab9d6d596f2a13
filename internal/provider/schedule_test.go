package provider

import (
	"strings"
	"testing"
	"time"

	"github.com/robfig/cron"
)

func TestRenderSchedule(t *testing.T) {
	t.Parallel()
	tests := []struct{ written, want, wrong string }{
		{written: "0 2 * * *", want: "0 0 2 * * *"},
		{written: "0 1 * * 0", want: "0 0 1 * * 0"},
		{written: "0 1 * * 7", want: "0 0 1 * * 0"},
		{written: "0 1 * * 5,7", want: "0 0 1 * * 5,0"},
		{written: "0 1 * * 7,5", want: "0 0 1 * * 0,5"},
		{written: "0 1 * * SUN", want: "0 0 1 * * SUN"},
		{written: "0 1 * * 5-7", want: "0 0 1 * * 5,6,0"},
		{written: "0 1 * * 1-7", want: "0 0 1 * * 1,2,3,4,5,6,0"},
		{written: "0 1 * * 0-7", want: "0 0 1 * * 0,1,2,3,4,5,6"},
		{written: "0 1 * * 7-7", want: "0 0 1 * * 0"},
		{written: "0 1 * * FRI-7,3", want: "0 0 1 * * 5,6,0,3"},
		{written: "0 1 * * 1-7/2", want: "0 0 1 * * 1,3,5,0"},
		{written: "0 1 * * 2-7/2", want: "0 0 1 * * 2,4,6"},
		{written: "*/15 8-18 * * MON-FRI", want: "0 */15 8-18 * * MON-FRI"},
		{written: "30 0 2 * * *", want: "30 0 2 * * *"},
		{written: "  0   2 * * * ", want: "0 0 2 * * *"},
		{written: "@daily", want: "@daily"},
		{written: "@every 1h30m", want: "@every 1h30m"},

		{written: "", wrong: "cannot be empty"},
		{written: "0 2 * *", wrong: "has 4 fields"},
		{written: "0 0 0 2 * * *", wrong: "has 7 fields"},
		{written: "61 * * * *", wrong: `"61 * * * *" is no schedule`},
		{written: "0 24 * * *", wrong: "is no schedule"},
		{written: "0 2 * * X-7", wrong: "is no schedule"},
		{written: "0 2 * * foo-7", wrong: "is no schedule"},
		{written: "0 2 * * 8", wrong: "is no schedule"},
		{written: "@hourlyish", wrong: "is no schedule"},
		{written: "TZ=Europe/Berlin 0 2 * * *", wrong: "is no schedule"},
	}
	for _, test := range tests {
		t.Run(test.written, func(t *testing.T) {
			t.Parallel()
			got, err := renderSchedule(test.written)
			if test.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), test.wrong) {
					t.Errorf("renderSchedule = %q, %v; want an error with %q", got, err, test.wrong)
				}
				return
			}
			if err != nil || got != test.want {
				t.Errorf("renderSchedule = %q, %v; want %q", got, err, test.want)
			}
		})
	}
}

// What CNPG makes of a rendered schedule is what the five fields mean to everybody: its parser takes five fields too,
// and reads them otherwise.
func TestRenderedScheduleRunsWhenItSays(t *testing.T) {
	t.Parallel()
	rendered, err := renderSchedule("30 2 * * 7")
	if err != nil {
		t.Fatal(err)
	}
	schedule, err := cron.Parse(rendered)
	if err != nil {
		t.Fatal(err)
	}
	thursday := time.Date(2026, 3, 26, 12, 0, 0, 0, time.UTC)
	if next, want := schedule.Next(thursday), time.Date(2026, 3, 29, 2, 30, 0, 0, time.UTC); !next.Equal(want) {
		t.Errorf("runs next at %s, want %s", next, want)
	}
}

// Whatever is accepted has one meaning, and rendering it again changes nothing.
func FuzzRenderSchedule(f *testing.F) {
	for _, seed := range []string{"0 2 * * *", "30 0 2 * * *", "@daily", "0 1 * * 7", "61 * * * *", "* * * * * 7-7", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, written string) {
		rendered, err := renderSchedule(written)
		if err != nil {
			return
		}
		again, err := renderSchedule(rendered)
		if err != nil || again != rendered {
			t.Errorf("%q is rendered as %q, and that as %q (%v)", written, rendered, again, err)
		}
		if !kindSchedule.same(written, rendered) {
			t.Errorf("%q does not mean the same as %q", written, rendered)
		}
	})
}
