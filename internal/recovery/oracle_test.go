package recovery_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

// world is a random archive in the plainest form there is: a map of every file. The oracle below replays it segment
// by segment as PostgreSQL does, with nothing taken from the package but its types.
type world struct {
	size           recovery.SegmentSize
	whole, partial map[file]time.Time
	switches       map[uint32][]recovery.Switch // by timeline
	backups        []recovery.Backup
}

type file struct {
	timeline uint32
	number   uint64
}

// perLog is how many segments there are in 4 GiB.
func (w world) perLog() uint64 { return (4 << 30) / uint64(w.size) }

func (w world) name(timeline uint32, n uint64) string {
	return fmt.Sprintf("%08X%08X%08X", timeline, n/w.perLog(), n%w.perLog())
}

// number is what name is made from; false for anything else.
func (w world) number(name string) (uint64, bool) {
	if len(name) != 24 {
		return 0, false
	}
	log, err1 := strconv.ParseUint(name[8:16], 16, 32)
	seg, err2 := strconv.ParseUint(name[16:], 16, 32)
	return log*w.perLog() + seg, err1 == nil && err2 == nil && seg < w.perLog()
}

// TestWindowAndChoiceAgainstAnOracle compares windows, usability and choices on random archives.
func TestWindowAndChoiceAgainstAnOracle(t *testing.T) {
	t.Parallel()
	archives := 10_000
	if testing.Short() {
		archives = 1_000
	}
	outcomes := map[string]int{}
	for seed := range archives {
		random := rand.New(rand.NewPCG(uint64(seed), 42))
		w := randomWorld(random)
		c := w.catalog(random)
		if got, want := fmt.Sprint(summary(c.Windows())), fmt.Sprint(w.windows()); got != want {
			t.Fatalf("seed %d: windows are %s\nwant %s\n%s", seed, got, want, w)
		}
		for _, b := range w.backups {
			_, usable := w.replay(b, 0)
			if err := c.Usable(&b); (err == nil) != usable {
				t.Fatalf("seed %d: usable %t: %s: %v\n%s", seed, usable, b.ID, err, w)
			}
		}
		for range 8 {
			r := randomRequest(random, w)
			want := w.choose(r)
			got, err := c.Choose(r)
			if outcome(got, err) != want {
				t.Fatalf("seed %d: %+v: got %s (%v)\nwant %s\n%s", seed, r, outcome(got, err), err, want, w)
			}
			if err != nil {
				outcomes[want]++
			} else {
				outcomes[fmt.Sprintf("chosen, covered %t, arriving %t, pending %t", got.Covered, got.Arriving != nil, got.Pending)]++
			}
		}
	}
	// The comparison is worth nothing where the random archives do not come to it.
	for _, o := range []string{
		"chosen, covered true, arriving false, pending false", "chosen, covered false, arriving false, pending false",
		"chosen, covered true, arriving true, pending false", "chosen, covered false, arriving true, pending false",
		"chosen, covered false, arriving false, pending true", "chosen, covered false, arriving true, pending true", "before", "gap", "past", "none", "major", "system", "timeline", "unusable", "unknown",
	} {
		if outcomes[o] < archives/500 {
			t.Errorf("only %d cases of %q: %v", outcomes[o], o, outcomes)
		}
	}
	t.Log(outcomes)
}

func randomWorld(r *rand.Rand) world {
	sizes := []recovery.SegmentSize{16 << 20, 16 << 20, 1 << 20, 64 << 20, 1 << 30}
	w := world{size: sizes[r.IntN(len(sizes))], whole: map[file]time.Time{}, partial: map[file]time.Time{}, switches: map[uint32][]recovery.Switch{}}
	timelines := uint32(1 + r.IntN(3))
	begin := uint64(1 + r.IntN(3))
	if r.IntN(2) == 0 {
		begin += w.perLog() - min(6, w.perLog()) // across the end of a log
	}
	holes := []int{0, 0, 1, 10}[r.IntN(4)] // percent
	clock := day
	tick := func() time.Time {
		clock = clock.Add(time.Duration(1+r.IntN(4000)) * time.Millisecond)
		return clock
	}
	starts := map[uint32]uint64{1: begin}
	for tl := uint32(1); tl <= timelines; tl++ {
		n := starts[tl]
		for range 1 + r.IntN(14) {
			if r.IntN(100) >= holes {
				w.whole[file{tl, n}] = tick()
			}
			n++
		}
		if r.IntN(3) == 0 {
			w.partial[file{tl, n}] = tick()
		}
		if tl == timelines {
			break
		}
		// The child leaves its parent somewhere in what the parent has written, or right behind.
		parent := tl
		if tl > 1 && r.IntN(4) == 0 {
			parent = tl - 1
		}
		at := starts[parent] + uint64(r.IntN(int(n-starts[parent])+1))
		lsn := recovery.LSN(at*uint64(w.size)) + recovery.LSN(r.IntN(3))*recovery.LSN(w.size)/3
		var line []recovery.Switch
		for _, s := range w.switches[parent] {
			if s.At <= lsn {
				line = append(line, s)
			}
		}
		starts[tl+1] = at
		if r.IntN(8) > 0 { // histories get lost too
			w.switches[tl+1] = append(slices.Clone(line), recovery.Switch{Parent: parent, At: lsn})
		}
	}
	for i := range r.IntN(6) {
		w.backups = append(w.backups, w.randomBackup(r, i, timelines, starts))
	}
	return w
}

func (w world) randomBackup(r *rand.Rand, i int, timelines uint32, starts map[uint32]uint64) recovery.Backup {
	tl := uint32(1 + r.IntN(int(timelines)))
	begin := starts[tl] + uint64(r.IntN(12))
	end := begin + uint64(r.IntN(3))
	b := done(fmt.Sprintf("2026%02d", i), tl, begin, end)
	b.SegmentSize, b.BeginWAL, b.EndWAL = w.size, w.name(tl, begin), w.name(tl, end)
	b.BeginLSN, b.EndLSN = recovery.LSN(begin*uint64(w.size)+0x28), recovery.LSN(end*uint64(w.size)+0x120)
	b.EndTime = day.Add(time.Duration(r.IntN(40_000)) * time.Millisecond)
	if uploaded, ok := w.whole[file{tl, begin}]; ok && r.IntN(4) > 0 {
		b.EndTime = uploaded.Add(time.Duration(r.IntN(3000)-1500) * time.Millisecond)
	}
	b.BeginTime = b.EndTime.Add(-time.Duration(r.IntN(5000)) * time.Millisecond)
	switch r.IntN(12) {
	case 0:
		b.Status = []recovery.Status{recovery.StatusFailed, recovery.StatusStarted, recovery.StatusWaitingForWALs}[r.IntN(3)]
	case 1:
		b.SystemID = "8"
	case 2:
		b.SystemID = ""
	case 3:
		b.ServerVersion = 160004
	case 4:
		b.EndTime = time.Time{}
	case 5:
		b.EndWAL = "rubbish"
	case 6:
		b.SegmentSize = 32 << 20 // another database's
	}
	return b
}

func (w world) catalog(r *rand.Rand) *recovery.Catalog {
	var objects []recovery.WALObject
	add := func(f file, suffix string, modified time.Time) {
		parsed, ok := recovery.ParseWALFile(w.name(f.timeline, f.number) + suffix)
		if !ok {
			panic("the test's own name")
		}
		objects = append(objects, recovery.WALObject{File: parsed, Bytes: 1, Modified: modified})
	}
	for f, modified := range w.whole {
		add(f, []string{"", ".gz", ".zst"}[r.IntN(3)], modified)
		if r.IntN(20) == 0 {
			add(f, ".bz2", modified.Add(-time.Hour)) // an older copy
		}
	}
	for f, modified := range w.partial {
		add(f, ".partial", modified)
	}
	r.Shuffle(len(objects), func(i, j int) { objects[i], objects[j] = objects[j], objects[i] })
	c := &recovery.Catalog{Server: "my-db", Backups: slices.Clone(w.backups), WAL: recovery.NewWAL(w.size, objects)}
	recovery.SortBackups(c.Backups)
	for tl, s := range w.switches {
		c.Histories = append(c.Histories, recovery.History{Timeline: tl, Switches: s})
	}
	return c
}

// ancestors are the timelines on the way to one, oldest first, each with the location at which it begins and ends.
type ancestor struct {
	timeline   uint32
	begin, end recovery.LSN
}

func (w world) ancestors(timeline uint32) []ancestor {
	var list []ancestor
	var begin recovery.LSN
	for _, s := range w.switches[timeline] {
		list = append(list, ancestor{s.Parent, begin, s.At})
		begin = s.At
	}
	return append(list, ancestor{timeline, begin, ^recovery.LSN(0)})
}

// end is where a replay stops.
type end struct {
	file
	modified time.Time
	gap      bool
	missing  string // numbers of the first and last missing segment of the gap
	first    uint64 // the first of them
	behind   uint64 // the newest segment behind the gap
	after    time.Time
	timeline uint32 // the one that was aimed at
	pending  bool   // WAL of the backup itself is missing, where the timeline that was aimed at is written
}

// replay asks for one segment after the other as PostgreSQL would, each on the newest timeline that it can be on.
func (w world) replay(b recovery.Backup, timeline uint32) (end, bool) {
	begin, ok1 := w.number(b.BeginWAL)
	last, ok2 := w.number(b.EndWAL)
	if b.Status != recovery.StatusDone || b.EndTime.IsZero() || b.SegmentSize != w.size || !ok1 || !ok2 {
		return end{}, false
	}
	if timeline == 0 {
		timeline = b.Timeline
		for {
			if _, ok := w.switches[timeline+1]; !ok {
				break
			}
			timeline++
		}
	}
	list := w.ancestors(timeline)
	own := slices.IndexFunc(list, func(a ancestor) bool { return a.timeline == b.Timeline })
	if own < 0 || b.EndLSN > list[own].end {
		return end{}, false
	}
	_, whole := w.whole[file{b.Timeline, begin}]
	_, partial := w.partial[file{b.Timeline, begin}]
	owner := func(n uint64) int {
		i := len(list) - 1
		for i > 0 && uint64(list[i].begin)/uint64(w.size) > n {
			i--
		}
		return i
	}
	e := end{timeline: timeline}
	n := begin
	for ; ; n++ {
		f := file{list[owner(n)].timeline, n}
		modified, ok := w.whole[f]
		if !ok {
			break
		}
		e.file, e.modified = f, modified
	}
	// The segment that is missing may be there unfinished, or on a timeline that was left within it.
	for i := owner(n); i >= 0; i-- {
		if i < owner(n) && uint64(list[i].end)/uint64(w.size) != n {
			break
		}
		f := file{list[i].timeline, n}
		modified, ok := w.whole[f]
		if !ok {
			modified, ok = w.partial[f]
		}
		if ok {
			e.file, e.modified = f, modified
			break
		}
	}
	next := ^uint64(0)
	for f := range w.whole {
		if f.number > n && f.timeline == list[owner(f.number)].timeline {
			e.gap = true
			if f.number < next {
				next, e.after = f.number, w.whole[f]
			}
			e.first, e.behind = n, max(e.behind, f.number)
		}
	}
	if e.gap {
		e.missing = fmt.Sprintf(" without %d-%d", n, next-1)
	}
	// Who copies an archive changes the times of its files, not those in them: what a backup begins or ends behind was there then.
	for _, o := range w.backups {
		first, ok1 := w.number(o.BeginWAL)
		final, ok2 := w.number(o.EndWAL)
		if o.Status != recovery.StatusDone || o.EndTime.IsZero() || o.SystemID != b.SystemID || o.SegmentSize != w.size || !ok1 || !ok2 ||
			list[owner(first)].timeline != o.Timeline || list[owner(final)].timeline != o.Timeline {
			continue
		}
		for n, at := range map[uint64]time.Time{first: o.BeginTime, final: o.EndTime} {
			if first == final {
				at = o.BeginTime
			}
			if n > e.number && (n == first || first <= e.number) && at.Add(2*time.Second).Before(e.modified) {
				e.modified = at.Add(2 * time.Second)
			}
		}
	}
	if (whole || partial) && e.file != (file{}) && e.number >= last {
		return e, true
	}
	e.file, e.modified = file{list[owner(last)].timeline, last}, b.EndTime
	e.pending = list[owner(n)].timeline == timeline
	if !whole && !partial { // the timeline of the backup itself has it, or none
		e.pending = b.Timeline == timeline
	}
	return e, false
}

// written tells whether a timeline may grow yet: nobody writes to one that was left.
func (w world) written(timeline uint32) bool {
	for _, switches := range w.switches {
		for _, s := range switches {
			if s.Parent == timeline {
				return false
			}
		}
	}
	return true
}

func (w world) system() string {
	for _, b := range slices.Backward(w.backups) {
		if b.Status == recovery.StatusDone && b.SystemID != "" {
			return b.SystemID
		}
	}
	return ""
}

func (w world) windows() []string {
	type span struct {
		earliest, written, ended time.Time
		missing                  string
	}
	spans := map[file]span{}
	for _, b := range w.backups {
		e, ok := w.replay(b, 0)
		if !ok || b.SystemID != "" && b.SystemID != w.system() {
			continue
		}
		s, ok := spans[e.file]
		if !ok || b.EndTime.Before(s.earliest) {
			s.earliest = b.EndTime
		}
		s.missing = e.missing
		if s.written.IsZero() || e.modified.Before(s.written) {
			s.written = e.modified
		}
		if b.EndTime.After(s.ended) {
			s.ended = b.EndTime
		}
		spans[e.file] = s
	}
	var list []string
	for f, s := range spans {
		latest := slices.MaxFunc([]time.Time{s.written, s.ended}, time.Time.Compare)
		list = append(list, fmt.Sprintf("%s %s %s%s", w.name(f.timeline, f.number), s.earliest.UTC(), latest.UTC(), s.missing))
	}
	slices.Sort(list)
	return list
}

func summary(windows []recovery.Window) []string {
	var list []string
	for i, w := range windows {
		if i > 0 && w.Latest.Before(windows[i-1].Latest) {
			panic("windows out of order")
		}
		missing := ""
		if w.Gap != nil {
			missing = fmt.Sprintf(" without %d-%d", w.Gap.First, w.Gap.Last)
		}
		list = append(list, fmt.Sprintf("%s %s %s%s", w.LatestWAL, w.Earliest.UTC(), w.Latest.UTC(), missing))
	}
	slices.Sort(list)
	return list
}

func randomRequest(r *rand.Rand, w world) recovery.Request {
	var q recovery.Request
	switch r.IntN(4) {
	case 0, 1:
		q.Target = recovery.AtTime(day.Add(time.Duration(r.IntN(60_000)-2000) * time.Millisecond))
	case 2:
		q.Target = recovery.AtLSN(recovery.LSN((uint64(r.IntN(30)) + []uint64{0, w.perLog() - min(6, w.perLog())}[r.IntN(2)]) * uint64(w.size)))
	}
	q.Live = r.IntN(2) == 0
	if r.IntN(2) == 0 {
		q.Parallel = 1 + r.IntN(8)
	}
	if r.IntN(2) == 0 {
		q.ArrivingSince = day.Add(time.Duration(r.IntN(60_000)) * time.Millisecond)
	}
	if r.IntN(6) == 0 {
		q.Target.Timeline = uint32(1 + r.IntN(4))
	}
	if r.IntN(5) == 0 {
		q.Major = 15 + r.IntN(3)
	}
	if r.IntN(8) == 0 {
		q.SystemID = []string{"7", "8", "9"}[r.IntN(3)]
	}
	if r.IntN(6) == 0 && len(w.backups) > 0 {
		q.BackupID = w.backups[r.IntN(len(w.backups))].ID
		if r.IntN(8) == 0 {
			q.BackupID = "20261231"
		}
	}
	return q
}

// choose is what Choose must come to, in one word or the ID of the backup.
func (w world) choose(q recovery.Request) string {
	if tl := q.Target.Timeline; tl != 0 {
		_, known := w.switches[tl]
		for f := range w.whole {
			known = known || f.timeline == tl
		}
		if !known {
			return "timeline"
		}
	}
	var systems []string
	for _, b := range w.backups {
		if b.SystemID != "" {
			systems = append(systems, b.SystemID)
		}
	}
	system := q.SystemID
	if system == "" {
		system = w.system()
	} else if q.BackupID == "" && len(systems) > 0 && !slices.Contains(systems, system) {
		return "system"
	}
	var usable []recovery.Backup
	ends := map[string]end{}
	otherMajor, found := false, false
	for _, b := range w.backups {
		if q.BackupID != "" && b.ID != q.BackupID {
			continue
		}
		found = true
		mine := b.SystemID == "" || b.SystemID == system
		if q.BackupID != "" && q.SystemID == "" {
			mine = true
		}
		if q.BackupID != "" && !mine {
			return "system"
		}
		e, ok := w.replay(b, q.Target.Timeline)
		comes := e.pending && q.Live && w.written(e.timeline) && (!e.gap || e.arrives(q) != "")
		if !ok && !comes || !mine {
			continue
		}
		if q.Major != 0 && b.ServerVersion/10000 != q.Major {
			otherMajor = true
			continue
		}
		usable = append(usable, b)
		ends[b.ID] = e
	}
	switch {
	case q.BackupID != "" && !found:
		return "unknown"
	case len(usable) == 0 && otherMajor:
		return "major"
	case len(usable) == 0 && q.BackupID != "":
		return "unusable"
	case len(usable) == 0:
		return "none"
	}
	// The best of the backups that end before the target, in the order of preference: settled and covering, covering, any.
	best, rank := recovery.Backup{}, 0
	for _, b := range usable {
		e := ends[b.ID]
		mine := 3
		switch q.Target.Kind {
		case recovery.TargetTime:
			until := e.modified
			if b.EndTime.After(until) {
				until = b.EndTime
			}
			switch {
			case b.EndTime.After(q.Target.Time):
				mine = 0
			case q.Target.Time.After(until):
				mine = 1
			case q.Target.Time.Before(b.EndTime.Add(2 * time.Second)):
				mine = 2
			}
		case recovery.TargetLSN:
			if b.EndLSN > q.Target.LSN {
				mine = 0
			} else if uint64(q.Target.LSN)/uint64(w.size) > e.number {
				mine = 1
			}
		default:
			if e.gap {
				mine = 1
			}
		}
		if e.pending {
			mine = min(mine, 1)
		}
		later := b.EndTime.After(best.EndTime) || b.EndTime.Equal(best.EndTime) && b.ID > best.ID
		if mine > rank || mine == rank && later {
			best, rank = b, mine
		}
	}
	switch {
	case rank == 0:
		return "before"
	case rank > 1:
		return best.ID + " true" + ends[best.ID].arrives(q)
	case ends[best.ID].arrives(q) != "":
		return best.ID + " false" + ends[best.ID].arrives(q)
	case ends[best.ID].gap:
		return "gap"
	case !q.Live:
		return "past"
	}
	if !w.written(ends[best.ID].timeline) {
		return "past"
	}
	if ends[best.ID].pending {
		return best.ID + " false pending"
	}
	return best.ID + " false"
}

// arrives tells of a gap that a source may close yet which uploads the first missing segment and the next ones at the same time.
func (e end) arrives(q recovery.Request) string {
	if !e.gap || !q.Live || e.behind >= e.first+uint64(q.Parallel) || e.after.Before(q.ArrivingSince) {
		return ""
	}
	return " arriving" + e.missing
}

func outcome(c recovery.Choice, err error) string {
	if err == nil && c.Pending && c.Arriving == nil {
		return fmt.Sprintf("%s %t pending", c.Backup.ID, c.Covered)
	}
	if err == nil && c.Arriving != nil {
		return fmt.Sprintf("%s %t arriving without %d-%d", c.Backup.ID, c.Covered, c.Arriving.First, c.Arriving.Last)
	}
	if err == nil {
		return fmt.Sprintf("%s %t", c.Backup.ID, c.Covered)
	}
	for word, target := range map[string]any{
		"before": new(*recovery.BeforeWindowError), "gap": new(*recovery.GapError), "past": new(*recovery.PastEndError),
		"none": new(*recovery.NoBackupError), "major": new(*recovery.MajorMismatchError), "system": new(*recovery.SystemMismatchError),
		"timeline": new(*recovery.TimelineNotFoundError), "unusable": new(*recovery.BackupUnusableError), "unknown": new(*recovery.BackupNotFoundError),
	} {
		if errors.As(err, target) {
			return word
		}
	}
	return err.Error()
}

func (w world) String() string {
	var lines []string
	for f, modified := range w.whole {
		lines = append(lines, fmt.Sprintf("%s %s", w.name(f.timeline, f.number), modified.Format("04:05.000")))
	}
	for f, modified := range w.partial {
		lines = append(lines, fmt.Sprintf("%s.partial %s", w.name(f.timeline, f.number), modified.Format("04:05.000")))
	}
	slices.Sort(lines)
	out := ""
	for _, l := range lines {
		out += l + "\n"
	}
	for tl, s := range w.switches {
		out += fmt.Sprintf("history %d: %v\n", tl, s)
	}
	for _, b := range w.backups {
		out += fmt.Sprintf("%s %s t%d %s-%s end %s %s system %s version %d\n",
			b.ID, b.Status, b.Timeline, b.BeginWAL, b.EndWAL, b.EndLSN, b.EndTime.Format("04:05.000"), b.SystemID, b.ServerVersion)
	}
	return out
}
