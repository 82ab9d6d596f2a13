package archive_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

// daily is an archive with a backup at noon of each of so many days, ten segments of WAL a day, and no gap.
func daily(srv *s3test.Server, days int) s3test.Archive {
	a := srv.Archive("backups", "pg", "my-db")
	start := at("00:00:00")
	a.Segments(1, 1, uint64(10*days), start, 144*time.Minute)
	for i := range days {
		noon := start.AddDate(0, 0, i).Add(12 * time.Hour)
		wal := s3test.Segment(1, uint64(10*i+5))
		a.Backup(noon.Format("20060102T150405"), noon.Add(time.Minute), wal, wal, nil)
	}
	return a
}

func TestListReadsNoMoreThanTheQueryNeeds(t *testing.T) {
	t.Parallel()
	srv, c, loc := store(t)
	daily(srv, 100)
	whole, err := c.Catalog(context.Background(), loc, "my-db")
	if err != nil {
		t.Fatal(err)
	}
	window, _ := whole.Window()
	day := func(n int) time.Time { return at("12:00:00").AddDate(0, 0, n) }
	id := func(n int) string { return day(n).Format("20060102T150405") }
	tests := map[string]struct {
		query archive.Query
		want  []string // the newest and the oldest
		n     int
		gets  int
	}{
		"everything":         {archive.Query{}, []string{id(99), id(0)}, 100, 100},
		"the newest":         {archive.Query{Limit: 1}, []string{id(99), id(99)}, 1, 2},
		"the newest five":    {archive.Query{Limit: 5}, []string{id(99), id(95)}, 5, 6},
		"more than there is": {archive.Query{Limit: 1000}, []string{id(99), id(0)}, 100, 100},
		// Names of two and a half days around the span count as well: their zone is unknown, and a checkpoint can take its time.
		// Beside them the oldest backup and the newest one are read for the window.
		"a span":              {archive.Query{StartedAfter: day(49), StartedBefore: day(52).Add(time.Second)}, []string{id(52), id(50)}, 3, 7},
		"since":               {archive.Query{StartedAfter: day(90)}, []string{id(99), id(91)}, 9, 12},
		"until":               {archive.Query{StartedBefore: day(3).Add(time.Second)}, []string{id(3), id(0)}, 4, 5},
		"the newest until":    {archive.Query{StartedBefore: day(3).Add(time.Second), Limit: 1}, []string{id(3), id(3)}, 1, 5},
		"an end that is over": {archive.Query{StartedBefore: day(-9)}, nil, 0, 2},
		"one in a hundred": {
			archive.Query{Limit: 1, Keep: func(b *recovery.Backup) bool { return b.ID == id(60) }}, []string{id(60), id(60)}, 1, 49,
		},
	}
	for label, test := range tests { //nolint:paralleltest // the requests to one server are counted
		t.Run(label, func(t *testing.T) {
			srv.Reset()
			c := client(t, config(srv)) // which has read nothing yet
			got, err := c.List(context.Background(), loc, "my-db", test.query)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Backups) != test.n || test.n > 0 && (got.Backups[0].ID != test.want[0] || got.Backups[test.n-1].ID != test.want[1]) {
				t.Errorf("got %d backups: %v", len(got.Backups), got.Backups)
			}
			if got.Window == nil || got.Window.Earliest != window.Earliest || got.Window.Latest != window.Latest || got.Window.LatestWAL != window.LatestWAL {
				t.Errorf("window is %+v, want %+v", got.Window, window)
			}
			// base/, wals/, and four folders in two runs.
			if gets, lists := srv.Count("GetObject"), srv.Count("ListObjects"); gets != test.gets || lists != 4 {
				t.Errorf("took %d reads and %d listings, want %d and 4", gets, lists, test.gets)
			}
		})
	}
}

// What no name and no backup.info dates is listed last, and left out where there is a bound.
func TestListOfEntriesWithoutATime(t *testing.T) {
	t.Parallel()
	srv, c, loc := store(t)
	a := daily(srv, 2)
	a.Put("base/20260327T180000/data.tar", "x", at("18:00:00")) // runs
	a.Put("base/lost+found/x", "x", at("00:00:00"))
	ids := func(q archive.Query) []string {
		t.Helper()
		got, err := c.List(context.Background(), loc, "my-db", q)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, b := range got.Backups {
			all = append(all, b.ID)
		}
		return all
	}
	if got := ids(archive.Query{}); !slices.Equal(got, []string{"20260327T180000", "20260327T120000", "20260326T120000", "lost+found"}) {
		t.Errorf("all are %v", got)
	}
	if got := ids(archive.Query{Limit: 2}); !slices.Equal(got, []string{"20260327T180000", "20260327T120000"}) {
		t.Errorf("the two newest are %v", got)
	}
	if got := ids(archive.Query{StartedAfter: at("13:00:00")}); !slices.Equal(got, []string{"20260327T180000", "20260327T120000"}) {
		t.Errorf("those since one o'clock are %v", got)
	}
}

func TestListThatMayReadNothing(t *testing.T) {
	t.Parallel()
	srv, c, loc := store(t)
	daily(srv, 3)
	srv.Fail(func(r s3test.Request) *s3test.Fault {
		if r.Op == "GetObject" {
			return &s3test.Fault{Status: http.StatusForbidden, Code: "AccessDenied", Message: "Access Denied"}
		}
		return nil
	})
	_, err := c.List(context.Background(), loc, "my-db", archive.Query{Limit: 1})
	var denied *archive.AccessDeniedError
	if !errors.As(err, &denied) || denied.Action != "s3:GetObject" {
		t.Errorf("got %v", err)
	}
}

// The window does not depend on what is left out, whatever lies in the archive: it is that of the whole catalogue.
func TestListFindsTheWindowOfTheWholeArchive(t *testing.T) {
	t.Parallel()
	few, windows := 0, 0
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 7))
		srv, c, loc := store(t)
		n := oddArchive(srv, random)
		whole, err := c.Catalog(context.Background(), loc, "my-db")
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range []archive.Query{{Limit: 1}, {Limit: 3}, {StartedAfter: at("06:00:00")}, {StartedBefore: at("06:00:00"), Limit: 2}} {
			srv.Reset()
			got, err := client(t, config(srv)).List(context.Background(), loc, "my-db", q)
			if err != nil {
				t.Fatal(err)
			}
			want := "none"
			if w, ok := whole.Window(); ok {
				want = fmt.Sprint(w.Earliest, w.Latest, w.LatestWAL, w.FirstBackupID, w.Timeline, w.Gap)
				windows++
			}
			have := "none"
			if w := got.Window; w != nil {
				have = fmt.Sprint(w.Earliest, w.Latest, w.LatestWAL, w.FirstBackupID, w.Timeline, w.Gap)
			}
			if have != want {
				t.Fatalf("seed %d, %+v: window is %s\nwant %s\n%s", seed, q, have, want, strings.Join(srv.Keys("backups", ""), "\n"))
			}
			if srv.Count("GetObject") < n {
				few++
			}
		}
	}
	if few < 80 || windows < 300 {
		t.Errorf("%d listings read only a part, and %d found a window: the archives are too odd to show anything", few, windows)
	}
}

// oddArchive writes a random archive with everything that makes one odd, and returns the number of its backups.
func oddArchive(srv *s3test.Server, random *rand.Rand) int {
	a := srv.Archive("backups", "pg", "my-db")
	clock := at("00:00:00")
	timeline, segment := uint32(1), uint64(1+random.IntN(300))
	history := ""
	backups := 0
	suffix := []string{"", ".gz", ".bz2", ".snappy", ".lz4", ".zst", ".xz"}[random.IntN(7)]
	holes := []int{0, 0, 0, 2}[random.IntN(4)]
	for range 20 + random.IntN(60) {
		clock = clock.Add(time.Duration(1+random.IntN(900)) * time.Second)
		name := s3test.Segment(timeline, segment)
		switch random.IntN(8) {
		case 0, 1:
			backups++
			overrides := map[string]string{}
			switch random.IntN(30) {
			case 0:
				overrides["status"] = []string{"FAILED", "EMPTY", "STARTED", "WAITING_FOR_WALS"}[random.IntN(4)]
			case 1:
				overrides["end_time"] = "never"
			case 2:
				overrides["systemid"] = "None"
			}
			a.Backup(clock.Format("20060102T150405"), clock.Add(time.Second), name, name, overrides)
		case 2:
			if random.IntN(8) == 0 {
				a.WAL(name+".partial", clock)
				timeline++
				history += fmt.Sprintf("%d\t%X/%X\tno recovery target specified\n", timeline-1, segment>>8, segment<<24&0xFFFFFFFF|0x28)
				if random.IntN(5) > 0 { // histories get lost too
					a.History(timeline, history, clock)
				}
				name = s3test.Segment(timeline, segment)
			}
		}
		switch hole := random.IntN(100) < holes; {
		case hole && random.IntN(2) == 0:
			a.Put("wals/"+name[:16]+"/"+name, "", clock)
		case !hole:
			a.WAL(name+suffix, clock)
		}
		segment++
	}
	return backups
}
