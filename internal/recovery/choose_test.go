package recovery_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

const size = recovery.DefaultSegmentSize

// day is the instant that all tests count minutes from.
var day = time.Date(2026, 3, 26, 12, 0, 0, 0, time.UTC)

func minute(n float64) time.Time { return day.Add(time.Duration(n * float64(time.Minute))) }

// segments are those from first to last, segment n uploaded at minute n, without those in missing.
func segments(timeline uint32, first, last uint64, missing ...uint64) []recovery.WALObject {
	var objects []recovery.WALObject
	for n := first; n <= last; n++ {
		bytes := int64(size)
		for _, m := range missing {
			if m == n {
				bytes = 0 // as good as missing
			}
		}
		file, _ := recovery.ParseWALFile(name(timeline, n))
		objects = append(objects, recovery.WALObject{File: file, Bytes: bytes, Modified: minute(float64(n))})
	}
	return objects
}

// copies are objects as a copy of them has them.
func copies(objects []recovery.WALObject) []recovery.WALObject {
	for i := range objects {
		objects[i].Modified = day.AddDate(0, 0, 1)
	}
	return objects
}

func name(timeline uint32, n uint64) string {
	return recovery.Segment{Timeline: timeline, Number: n}.Name(size)
}

func partial(timeline uint32, n uint64) recovery.WALObject {
	file, _ := recovery.ParseWALFile(name(timeline, n) + ".partial")
	return recovery.WALObject{File: file, Bytes: 1, Modified: minute(float64(n))}
}

// done is a backup that ended within the segment end, half a minute before that was uploaded.
func done(id string, timeline uint32, begin, end uint64) recovery.Backup {
	return recovery.Backup{
		ID: id, Status: recovery.StatusDone, BeginTime: minute(float64(begin) - 0.5), EndTime: minute(float64(end) - 0.5),
		BeginWAL: name(timeline, begin), EndWAL: name(timeline, end), BeginLSN: recovery.LSN(begin*uint64(size) + 0x28),
		EndLSN: recovery.LSN(end*uint64(size) + 0x120), Timeline: timeline, SegmentSize: size, SystemID: "7", ServerVersion: 170005,
	}
}

func catalog(objects []recovery.WALObject, backups ...recovery.Backup) *recovery.Catalog {
	c := &recovery.Catalog{Server: "my-db", Backups: backups, WAL: recovery.NewWAL(size, objects)}
	recovery.SortBackups(c.Backups)
	return c
}

func history(timeline uint32, text string) recovery.History {
	h, err := recovery.ParseHistory(timeline, []byte(text))
	if err != nil {
		panic(err)
	}
	return h
}

func TestChoose(t *testing.T) {
	t.Parallel()
	plain := catalog(segments(1, 1, 20), done("A", 1, 3, 4), done("B", 1, 10, 11))
	failed := done("C", 1, 15, 16)
	failed.Status, failed.Error = recovery.StatusFailed, "no space"
	withFailed := catalog(segments(1, 1, 20), done("A", 1, 3, 4), failed)
	gap := catalog(segments(1, 1, 20, 7, 8), done("A", 1, 3, 4), done("B", 1, 10, 11))
	arriving := catalog(segments(1, 1, 20, 17, 19), done("A", 1, 3, 4))
	// Archives whose objects were all copied a day later: what is lost of them can only be told by the times of backups.
	copied := catalog(copies(segments(1, 1, 20, 7, 8)), done("A", 1, 3, 4), done("B", 1, 10, 11))
	cutOff := catalog(copies(segments(1, 1, 12)), done("A", 1, 3, 4), done("B", 1, 15, 16))
	cutWithin := catalog(copies(segments(1, 1, 12)), done("A", 1, 3, 4), done("B", 1, 11, 14))
	left := catalog(copies(append(segments(1, 1, 12, 7, 8), segments(2, 10, 15)...)), done("A", 1, 3, 4), done("B", 1, 11, 12))
	left.Histories = []recovery.History{history(2, "1\t0/A000100\tx")}
	foreigner := done("B", 1, 15, 16)
	foreigner.SystemID = "8"
	others := catalog(copies(segments(1, 1, 12)), foreigner, done("C", 1, 3, 4))
	lost := catalog(segments(1, 1, 20, 7, 8), done("A", 1, 3, 4))
	old := done("B", 1, 10, 11)
	old.ServerVersion = 160009
	majors := catalog(segments(1, 1, 20), done("A", 1, 3, 4), old)
	foreign := done("A", 1, 3, 4)
	foreign.SystemID = "8"
	systems := catalog(segments(1, 1, 20), foreign, done("B", 1, 10, 11))
	const dated, later = "20260326T120230", "20260326T121130"
	unreadable := recovery.Backup{ID: dated, Status: recovery.StatusUnreadable, Message: "no UTF-8"}
	unread := catalog(segments(1, 1, 20), unreadable, done("20260326T120300", 1, 3, 4), failed)
	brokenBehind := recovery.Backup{ID: later, Status: recovery.StatusUnreadable, Message: "no UTF-8"}
	broken := catalog(segments(1, 1, 20, 7, 8), done("20260326T120300", 1, 3, 4), brokenBehind)
	lacking := catalog(segments(1, 5, 20), done("20260326T120100", 1, 1, 2), done("20260326T120200", 1, 2, 3), done("20260326T120500", 1, 5, 6))
	forked := catalog(append(append(segments(1, 1, 12), segments(2, 10, 15)...), partial(1, 13)), done("A", 1, 3, 4), done("B", 1, 11, 12), done("C", 2, 13, 14))
	forked.Histories = []recovery.History{history(2, "1\t0/A000100\tx")}
	// Backups that were taken of a standby, which the WAL that they need follows.
	pending := catalog(segments(1, 1, 3), done("A", 1, 3, 4))
	pendingBeside := catalog(segments(1, 1, 4), done("A", 1, 2, 3), done("B", 1, 4, 5))
	pendingBehind := catalog(segments(1, 1, 9, 6), done("A", 1, 3, 4), done("B", 1, 10, 11))
	pendingArriving := catalog(segments(1, 1, 5, 3, 4), done("A", 1, 3, 4))
	pendingLeft := catalog(append(segments(1, 1, 3), segments(2, 4, 5)...), done("A", 1, 3, 4))
	pendingLeft.Histories = []recovery.History{history(2, "1\t0/4001000\tx")}

	tests := map[string]struct {
		catalog *recovery.Catalog
		request recovery.Request
		want    string // ID of the backup, "" for an error
		waits   bool   // not yet covered
		pending bool   // WAL of the backup itself is to come
		arrives string // the gap that may close yet
		last    bool   // in the newest segment
		err     any
		text    string
		lacks   string // in the error
	}{
		"latest":                           {catalog: plain, want: "B"},
		"latest on a live source":          {catalog: plain, request: recovery.Request{Live: true}, want: "B"},
		"time behind both":                 {catalog: plain, request: recovery.Request{Target: recovery.AtTime(minute(15))}, want: "B"},
		"time between both":                {catalog: plain, request: recovery.Request{Target: recovery.AtTime(minute(9))}, want: "A"},
		"time at the end of a backup":      {catalog: plain, request: recovery.Request{Target: recovery.AtTime(minute(3.5))}, want: "A"},
		"time right behind a backup":       {catalog: plain, request: recovery.Request{Target: recovery.AtTime(minute(10.5).Add(time.Second))}, want: "A"},
		"time 2 s behind a backup":         {catalog: plain, request: recovery.Request{Target: recovery.AtTime(minute(10.5).Add(2 * time.Second))}, want: "B"},
		"time at the end of the WAL":       {catalog: plain, request: recovery.Request{Target: recovery.AtTime(minute(20))}, want: "B"},
		"time past the end, live":          {catalog: plain, request: recovery.Request{Target: recovery.AtTime(minute(21)), Live: true}, want: "B", waits: true},
		"location":                         {catalog: plain, request: recovery.Request{Target: recovery.AtLSN(0x9000000)}, want: "A"},
		"location in the last segment":     {catalog: plain, request: recovery.Request{Target: recovery.AtLSN(0x14000028)}, want: "B", last: true},
		"location before that":             {catalog: plain, request: recovery.Request{Target: recovery.AtLSN(0x13FFFFFF)}, want: "B"},
		"location at a backup's end":       {catalog: plain, request: recovery.Request{Target: recovery.AtLSN(0xB000120)}, want: "B"},
		"a named backup":                   {catalog: plain, request: recovery.Request{BackupID: "A", Target: recovery.Immediate()}, want: "A"},
		"a named backup and a time":        {catalog: plain, request: recovery.Request{BackupID: "A", Target: recovery.AtTime(minute(15))}, want: "A"},
		"a transaction":                    {catalog: plain, request: recovery.Request{BackupID: "A", Target: recovery.AtXID("771")}, want: "A"},
		"a failed backup is passed":        {catalog: withFailed, request: recovery.Request{Target: recovery.AtTime(minute(18))}, want: "A"},
		"before the gap":                   {catalog: gap, request: recovery.Request{Target: recovery.AtTime(minute(6))}, want: "A"},
		"behind the gap":                   {catalog: gap, request: recovery.Request{Target: recovery.AtTime(minute(12))}, want: "B"},
		"latest behind the gap":            {catalog: gap, want: "B"},
		"before a gap, copied":             {catalog: copied, request: recovery.Request{Target: recovery.AtTime(minute(6))}, want: "A"},
		"before the next backup, copied":   {catalog: copied, request: recovery.Request{Target: recovery.AtTime(minute(9.5))}, want: "A"},
		"behind a gap, copied":             {catalog: copied, request: recovery.Request{Target: recovery.AtTime(minute(12))}, want: "B"},
		"before the end, copied":           {catalog: cutOff, request: recovery.Request{Target: recovery.AtTime(minute(12))}, want: "A"},
		"another database's, copied":       {catalog: others, request: recovery.Request{SystemID: "7", Target: recovery.AtTime(minute(18))}, want: "C"},
		"a timeline that was left, copied": {catalog: left, request: recovery.Request{Target: recovery.AtTime(minute(12))}, want: "A"},
		"older major":                      {catalog: majors, request: recovery.Request{Major: 17}, want: "A"},
		"any major":                        {catalog: majors, want: "B"},
		"the last writer's backups":        {catalog: systems, request: recovery.Request{Target: recovery.AtTime(minute(15))}, want: "B"},
		"another system's backup":          {catalog: systems, request: recovery.Request{SystemID: "8"}, want: "A"},
		"over a timeline switch":           {catalog: forked, request: recovery.Request{Target: recovery.AtTime(minute(13))}, want: "A"},
		"the abandoned timeline":           {catalog: forked, request: recovery.Request{Target: recovery.Target{Kind: recovery.TargetTime, Time: minute(12), Timeline: 1}}, want: "B"},
		"the partial segment's end":        {catalog: forked, request: recovery.Request{Target: recovery.Target{Kind: recovery.TargetTime, Time: minute(13), Timeline: 1}}, want: "B"},
		"latest on the child timeline":     {catalog: forked, want: "C"},
		"past the living timeline's":       {catalog: forked, request: recovery.Request{Live: true, Target: recovery.Target{Kind: recovery.TargetTime, Time: minute(16), Timeline: 2}}, want: "C", waits: true},
		"latest, arriving in any order":    {catalog: arriving, request: recovery.Request{Live: true, Parallel: 4}, want: "A", waits: true, arrives: "17-17"},
		"a time in what arrives":           {catalog: arriving, request: recovery.Request{Target: recovery.AtTime(minute(17)), Live: true, Parallel: 4, ArrivingSince: minute(18)}, want: "A", waits: true, arrives: "17-17"},
		"pending, live":                    {catalog: pending, request: recovery.Request{Live: true}, want: "A", waits: true, pending: true},
		"pending, named":                   {catalog: pending, request: recovery.Request{Live: true, BackupID: "A", Target: recovery.Immediate()}, want: "A", waits: true, pending: true},
		"pending, beside one that leads":   {catalog: pendingBeside, request: recovery.Request{Live: true}, want: "A"},
		"pending, behind a gap":            {catalog: pendingBehind, request: recovery.Request{Live: true}, want: "B", waits: true, pending: true},
		"pending, arriving":                {catalog: pendingArriving, request: recovery.Request{Live: true, Parallel: 4}, want: "A", waits: true, pending: true, arrives: "3-4"},
		"a time before what arrives":       {catalog: arriving, request: recovery.Request{Target: recovery.AtTime(minute(15)), Live: true, Parallel: 4}, want: "A", arrives: "17-17"},

		"before the window": {
			catalog: plain, request: recovery.Request{Target: recovery.AtTime(minute(3.5).Add(-time.Microsecond).In(time.FixedZone("", 3600)))},
			err: new(*recovery.BeforeWindowError),
			text: "the target 2026-03-26 12:03:29.999999 UTC (2026-03-26 13:03:29.999999+01:00) lies before the recovery window, which is " +
				"2026-03-26 12:03:30 UTC (2026-03-26 13:03:30+01:00) to about 2026-03-26 12:20:00 UTC (2026-03-26 13:20:00+01:00)",
			lacks: "cannot be used",
		},
		"before the window and before a backup that cannot be read": {
			catalog: unread, request: recovery.Request{Target: recovery.AtTime(minute(2))}, err: new(*recovery.BeforeWindowError), lacks: "cannot be used",
		},
		"in the gap, before a backup that cannot be read": {
			catalog: broken, request: recovery.Request{Target: recovery.AtTime(minute(7))}, err: new(*recovery.GapError), lacks: "cannot be used",
		},
		"location before the window": {catalog: plain, request: recovery.Request{Target: recovery.AtLSN(0x4000000)}, err: new(*recovery.BeforeWindowError), text: "which is 0/4000120 to 0/15000000 (2026-03-26 12:03:30 UTC to about"},
		"before the named backup": {
			catalog: plain, request: recovery.Request{BackupID: "B", Target: recovery.AtTime(minute(9))},
			err: new(*recovery.BeforeWindowError), text: "lies before the end of backup B, which can be restored to 2026-03-26 12:10:30 UTC",
		},
		"before the window, for a backup that cannot be read": {
			catalog: unread, request: recovery.Request{Target: recovery.AtTime(minute(3))}, err: new(*recovery.BeforeWindowError),
			text: "to about 2026-03-26 12:20:00 UTC; a base backup that would lead to it is there, but cannot be used: " + dated + ": its status is UNREADABLE: no UTF-8",
		},
		"location before the window, for a backup that cannot be read": {
			catalog: unread, request: recovery.Request{Target: recovery.AtLSN(0x3800000)}, err: new(*recovery.BeforeWindowError), text: dated + ": its status is UNREADABLE: no UTF-8",
		},
		"before the window, for lack of WAL": {
			catalog: lacking, request: recovery.Request{Target: recovery.AtTime(minute(4))}, err: new(*recovery.BeforeWindowError),
			text: "; 2 base backups that would lead to it are there, but cannot be used: 20260326T120200: its first WAL segment 000000010000000000000002 is not in the archive, 20260326T120100: its first",
		},
		"in the gap, for a backup that cannot be read": {
			catalog: broken, request: recovery.Request{Target: recovery.AtTime(minute(15))}, err: new(*recovery.GapError),
			text: "to about 2026-03-26 12:06:00 UTC; a base backup that would lead to it is there, but cannot be used: " + later + ": its status is UNREADABLE: no UTF-8",
		},
		"past the end": {
			catalog: plain, request: recovery.Request{Target: recovery.AtTime(minute(21))}, err: new(*recovery.PastEndError), text: "last WAL segment is 000000010000000000000014",
		},
		"in a gap, copied":                     {catalog: copied, request: recovery.Request{Target: recovery.AtTime(minute(9.6))}, err: new(*recovery.GapError), text: "to about 2026-03-26 12:09:32 UTC, and behind"},
		"past the end, copied":                 {catalog: cutOff, request: recovery.Request{Target: recovery.AtTime(minute(15))}, err: new(*recovery.PastEndError), text: "to about 2026-03-26 12:14:32 UTC"},
		"past the end within a backup, copied": {catalog: cutWithin, request: recovery.Request{Target: recovery.AtTime(minute(14))}, err: new(*recovery.PastEndError), text: "to about 2026-03-26 12:13:32 UTC"},
		"location past the end":                {catalog: plain, request: recovery.Request{Target: recovery.AtLSN(0x15000000)}, err: new(*recovery.PastEndError)},
		"past the end of the abandoned timeline, live": {
			catalog: forked, request: recovery.Request{Live: true, Target: recovery.Target{Kind: recovery.TargetTime, Time: minute(14), Timeline: 1}},
			err: new(*recovery.PastEndError), text: "lies after the end of timeline 1, whose last WAL segment is 00000001000000000000000D",
		},
		"in the gap": {
			catalog: gap, request: recovery.Request{Target: recovery.AtTime(minute(7)), Live: true}, err: new(*recovery.GapError),
			text: "WAL segments 000000010000000000000007 to 000000010000000000000008 (2) are missing from the archive; what can be restored is " +
				"2026-03-26 12:03:30 UTC to about 2026-03-26 12:06:00 UTC, and behind the gap 2026-03-26 12:10:30 UTC to about 2026-03-26 12:20:00 UTC",
		},
		"a gap of a source that is gone":            {catalog: arriving, request: recovery.Request{Parallel: 4}, err: new(*recovery.GapError)},
		"a gap of a source that uploads in order":   {catalog: arriving, request: recovery.Request{Live: true, Parallel: 1}, err: new(*recovery.GapError)},
		"a gap too far from the end to be arriving": {catalog: arriving, request: recovery.Request{Live: true, Parallel: 3}, err: new(*recovery.GapError)},
		"a gap that is too old to be arriving":      {catalog: arriving, request: recovery.Request{Live: true, Parallel: 4, ArrivingSince: minute(18.1)}, err: new(*recovery.GapError)},
		"latest with a gap behind the last backup":  {catalog: lost, request: recovery.Request{Live: true}, err: new(*recovery.GapError), text: "the target latest lies in a gap"},
		"no such backup":                            {catalog: gap, request: recovery.Request{BackupID: "Z"}, err: new(*recovery.BackupNotFoundError), text: "those that can be restored: B, A"},
		"a failed backup named":                     {catalog: withFailed, request: recovery.Request{BackupID: "C"}, err: new(*recovery.BackupUnusableError), text: "its status is FAILED: no space"},
		"another major named":                       {catalog: majors, request: recovery.Request{BackupID: "B", Major: 17}, err: new(*recovery.MajorMismatchError), text: "taken by PostgreSQL 16 and cannot be restored by PostgreSQL 17"},
		"only other majors":                         {catalog: majors, request: recovery.Request{Major: 15}, err: new(*recovery.MajorMismatchError)},
		"unknown system":                            {catalog: systems, request: recovery.Request{SystemID: "9"}, err: new(*recovery.SystemMismatchError), text: "only of 7, 8"},
		"unknown timeline":                          {catalog: forked, request: recovery.Request{Target: recovery.Target{Timeline: 3}}, err: new(*recovery.TimelineNotFoundError), text: "it has 1, 2"},
		"nothing":                                   {catalog: catalog(nil), err: new(*recovery.NoBackupError), text: "the archive has no base backup"},
		"WAL of the backup gone":                    {catalog: catalog(segments(1, 4, 9), done("A", 1, 3, 4)), err: new(*recovery.NoBackupError), text: "A: its first WAL segment 000000010000000000000003 is not in the archive"},
		"WAL of the backup incomplete":              {catalog: catalog(segments(1, 1, 3), done("A", 1, 3, 4)), err: new(*recovery.NoBackupError), text: "the archive ends before"},
		"WAL of the backup broken":                  {catalog: catalog(segments(1, 1, 9, 4), done("A", 1, 3, 5)), err: new(*recovery.NoBackupError), text: "it needs WAL segment 000000010000000000000004, not in the archive"},
		"pending, on a timeline that was left": {
			catalog: pendingLeft, request: recovery.Request{Live: true, Target: recovery.Target{Timeline: 1}},
			err: new(*recovery.NoBackupError), text: "needs WAL up to 000000010000000000000004; the archive ends before",
		},
		"backup of the abandoned timeline": {
			catalog: forked, request: recovery.Request{BackupID: "B"}, err: new(*recovery.BackupUnusableError),
			text: "it ended at 0/C000120 on timeline 1, which timeline 2 left before, at 0/A000100",
		},
	}
	for label, test := range tests {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			got, err := test.catalog.Choose(test.request)
			if test.err != nil {
				if err == nil || !errors.As(err, test.err) || !strings.Contains(err.Error(), test.text) || strings.Contains(err.Error(), test.lacks) && test.lacks != "" {
					t.Fatalf("got %v, %v (%T)\nwant %T %q", got.Backup, err, err, test.err, test.text)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			arrives := ""
			if got.Arriving != nil {
				arrives = fmt.Sprintf("%d-%d", got.Arriving.First, got.Arriving.Last)
			}
			if got.Backup.ID != test.want || got.Covered == test.waits || arrives != test.arrives || got.Last != test.last || got.Pending != test.pending {
				t.Errorf("got %s, covered %t, arriving %s, last %t, pending %t", got.Backup.ID, got.Covered, arrives, got.Last, got.Pending)
			}
		})
	}
}

func TestWindows(t *testing.T) {
	t.Parallel()
	late := done("B", 1, 10, 11)
	late.EndTime = minute(30) // a store whose clock is behind
	tests := map[string]struct {
		catalog *recovery.Catalog
		want    []string
	}{
		"none":        {catalog(nil), nil},
		"no backup":   {catalog(segments(1, 1, 9)), nil},
		"one":         {catalog(segments(1, 1, 9), done("A", 1, 3, 4)), []string{"3.5-9 A-A t1 000000010000000000000009"}},
		"two backups": {catalog(segments(1, 1, 20), done("A", 1, 3, 4), done("B", 1, 10, 11)), []string{"3.5-20 A-B t1 000000010000000000000014"}},
		"a gap between": {
			catalog(segments(1, 1, 20, 7), done("A", 1, 3, 4), done("B", 1, 10, 11)),
			[]string{"3.5-6 A-A t1 000000010000000000000006 gap 7-7", "10.5-20 B-B t1 000000010000000000000014"},
		},
		"first backup's WAL gone": {catalog(segments(1, 5, 20), done("A", 1, 3, 4), done("B", 1, 10, 11)), []string{"10.5-20 B-B t1 000000010000000000000014"}},
		"clocks apart":            {catalog(segments(1, 1, 20), late), []string{"30-30 B-B t1 000000010000000000000014"}},
	}
	for label, test := range tests {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, w := range test.catalog.Windows() {
				s := fmt.Sprintf("%v-%v %s-%s t%d %s", w.Earliest.Sub(day).Minutes(), w.Latest.Sub(day).Minutes(), w.FirstBackupID, w.LastBackupID, w.Timeline, w.LatestWAL)
				if w.Gap != nil {
					s += fmt.Sprintf(" gap %d-%d", w.Gap.First, w.Gap.Last)
				}
				got = append(got, s)
			}
			if fmt.Sprint(got) != fmt.Sprint(test.want) {
				t.Errorf("got %q\nwant %q", got, test.want)
			}
		})
	}
}
