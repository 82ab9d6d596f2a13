package provider_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// ending is the end of a transaction, as the WAL holds it.
type ending struct {
	at  time.Time
	row int // the one that it committed; 0 where it committed none, or rolled back
}

// instant is a target of a recovery.
type instant struct {
	kind      string    // what it was chosen for
	at        time.Time // zero for the latest state
	exclusive bool
}

func (i instant) String() string {
	if i.at.IsZero() {
		return i.kind
	}
	return i.kind + ", " + i.at.UTC().Format("15:04:05.000000")
}

// stops tells whether a recovery to the target stops before what was committed at a time.
func (i instant) stops(committed time.Time) bool {
	return committed.After(i.at) || i.exclusive && committed.Equal(i.at)
}

// keeps are the rows whose commit timestamps lie before the target, or on it where that is inclusive.
func (i instant) keeps(rows []ending) []int {
	var kept []int
	for _, r := range rows {
		if !i.stops(r.at) {
			kept = append(kept, r.row)
		}
	}
	slices.Sort(kept)
	return kept
}

// replays is what PostgreSQL keeps of transactions in the order of the WAL: it stops at the first end that lies behind the
// target, whatever comes after that. last is the time of the end before.
func (i instant) replays(endings []ending) (kept []int, last time.Time) {
	for _, e := range endings {
		if i.stops(e.at) {
			break
		}
		last = e.at
		if e.row != 0 {
			kept = append(kept, e.row)
		}
	}
	slices.Sort(kept)
	return kept, last
}

// sameRows compares ascending numbers, and tells where they differ.
func sameRows(got, want []int) error {
	if slices.Equal(got, want) {
		return nil
	}
	only := func(a, b []int) string {
		var found []string
		for _, n := range a {
			if _, there := slices.BinarySearch(b, n); !there {
				found = append(found, fmt.Sprint(n))
			}
		}
		if len(found) > 5 {
			found = append(found[:5], fmt.Sprintf("and %d more", len(found)-5))
		}
		return "[" + strings.Join(found, " ") + "]"
	}
	return fmt.Errorf("%d rows instead of %d: %s too many, %s too few", len(got), len(want), only(got, want), only(want, got))
}

// instants chooses targets at random between a time and the last of the rows, which are in the order of their commits.
func instants(random *rand.Rand, rows []ending, from time.Time, count int) []instant {
	begin, _ := slices.BinarySearchFunc(rows, from, func(r ending, from time.Time) int { return r.at.Compare(from) })
	within := rows[begin:]
	chosen := make([]instant, 0, count)
	for len(chosen) < count {
		target := instant{kind: kinds[len(chosen)%len(kinds)]}
		i := random.IntN(len(within) - 1)
		target.at = within[i].at
		switch {
		case strings.HasPrefix(target.kind, onCommit):
		case strings.HasPrefix(target.kind, between):
			gap := within[i+1].at.Sub(target.at).Microseconds()
			if gap < 2 {
				continue // nothing lies between them
			}
			target.at = target.at.Add(time.Duration(1+random.Int64N(gap-1)) * time.Microsecond)
		default:
			span := within[len(within)-1].at.Sub(from).Microseconds()
			target.at = from.Add(time.Duration(random.Int64N(span)) * time.Microsecond)
		}
		target.exclusive = strings.HasSuffix(target.kind, exclusive)
		chosen = append(chosen, target)
	}
	return chosen
}

// kinds are those of targets, the first of which few targets are.
var kinds = []string{onCommit, onCommit + exclusive, between, anywhere, anywhere + exclusive, between + exclusive}

const (
	onCommit  = "on a commit"
	between   = "between two commits"
	anywhere  = "any microsecond"
	exclusive = ", exclusive"
)

func TestExactOracle(t *testing.T) {
	t.Parallel()
	at := func(microseconds int) time.Time {
		return time.Date(2026, 3, 26, 12, 0, 0, microseconds*1000, time.UTC)
	}
	// Row 3 was committed later than row 4 and comes before it in the WAL; rows 5 and 6 in the same microsecond.
	wal := []ending{{at(10), 1}, {at(20), 2}, {at(25), 0}, {at(40), 3}, {at(39), 4}, {at(50), 5}, {at(50), 6}, {at(60), 7}}
	for name, test := range map[string]struct {
		target      instant
		timestamps  []int
		replayed    []int
		newestInWAL int
	}{
		"before all":                 {instant{at: at(9)}, nil, nil, -1},
		"on the first":               {instant{at: at(10)}, []int{1}, []int{1}, 10},
		"exclusive on the first":     {instant{at: at(10), exclusive: true}, nil, nil, -1},
		"a microsecond before":       {instant{at: at(19)}, []int{1}, []int{1}, 10},
		"on the second":              {instant{at: at(20)}, []int{1, 2}, []int{1, 2}, 20},
		"behind one without rows":    {instant{at: at(30)}, []int{1, 2}, []int{1, 2}, 25},
		"before what the WAL passed": {instant{at: at(39)}, []int{1, 2, 4}, []int{1, 2}, 25},
		"on the later of the two":    {instant{at: at(40)}, []int{1, 2, 3, 4}, []int{1, 2, 3, 4}, 39},
		"on two at once":             {instant{at: at(50)}, []int{1, 2, 3, 4, 5, 6}, []int{1, 2, 3, 4, 5, 6}, 50},
		"exclusive on two at once":   {instant{at: at(50), exclusive: true}, []int{1, 2, 3, 4}, []int{1, 2, 3, 4}, 39},
		"behind all":                 {instant{at: at(99)}, []int{1, 2, 3, 4, 5, 6, 7}, []int{1, 2, 3, 4, 5, 6, 7}, 60},
	} {
		var rows []ending
		for _, e := range wal {
			if e.row != 0 {
				rows = append(rows, e)
			}
		}
		if err := sameRows(test.target.keeps(rows), test.timestamps); err != nil {
			t.Errorf("%s: by the timestamps: %v", name, err)
		}
		kept, last := test.target.replays(wal)
		if err := sameRows(kept, test.replayed); err != nil {
			t.Errorf("%s: in the order of the WAL: %v", name, err)
		}
		if want := test.newestInWAL; want < 0 && !last.IsZero() || want >= 0 && !last.Equal(at(want)) {
			t.Errorf("%s: the newest end is of %s", name, last)
		}
	}
}

// The comparison that the restores are judged by notices a single row, wherever it is.
func TestExactOracle_positiveControl(t *testing.T) {
	t.Parallel()
	want := []int{1, 2, 3, 4}
	for text, got := range map[string][]int{
		"": {1, 2, 3, 4},
		"3 rows instead of 4: [] too many, [4] too few":                     {1, 2, 3},
		"3 rows instead of 4: [] too many, [2] too few":                     {1, 3, 4},
		"5 rows instead of 4: [5] too many, [] too few":                     {1, 2, 3, 4, 5},
		"4 rows instead of 4: [9] too many, [4] too few":                    {1, 2, 3, 9},
		"0 rows instead of 4: [] too many, [1 2 3 4] too few":               nil,
		"12 rows instead of 4: [5 6 7 8 9 and 3 more] too many, [] too few": {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
	} {
		err := sameRows(got, want)
		if err == nil && text != "" || err != nil && err.Error() != text {
			t.Errorf("%v for %v: %v", got, want, err)
		}
	}
	// A target that is a microsecond off is another set, where a commit lies there.
	rows := []ending{{at: time.UnixMicro(10), row: 1}, {at: time.UnixMicro(20), row: 2}}
	on := instant{at: time.UnixMicro(20)}
	for name, off := range map[string]instant{
		"a microsecond earlier": {at: time.UnixMicro(19)},
		"exclusive":             {at: on.at, exclusive: true},
	} {
		if sameRows(off.keeps(rows), on.keeps(rows)) == nil {
			t.Errorf("%s is not told from the commit itself", name)
		}
	}
}

// Each kind of target is what its name says, and all lie in the window.
func TestExactTargets(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(6, 6))
	var rows []ending
	at := time.UnixMicro(1_000_000)
	for n := range 1000 {
		rows = append(rows, ending{at: at, row: n + 1})
		at = at.Add(time.Duration(1+random.IntN(5)) * time.Microsecond)
	}
	commits := map[time.Time]bool{}
	for _, r := range rows {
		commits[r.at] = true
	}
	from := rows[500].at.Add(-time.Microsecond)
	chosen := instants(random, rows, from, 500)
	for i, target := range chosen {
		switch {
		case target.kind != kinds[i%len(kinds)] || target.exclusive != strings.HasSuffix(target.kind, exclusive):
			t.Errorf("%d: %s", i, target)
		case target.at.Before(from) || target.at.After(rows[len(rows)-1].at):
			t.Errorf("%s lies outside of the window", target)
		case strings.HasPrefix(target.kind, onCommit) && !commits[target.at], strings.HasPrefix(target.kind, between) && commits[target.at]:
			t.Errorf("%s is not that", target)
		}
	}
	if len(chosen) != 500 {
		t.Errorf("%d targets", len(chosen))
	}
}
