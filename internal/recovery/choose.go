package recovery

import (
	"cmp"
	"errors"
	"slices"
	"time"
)

// settle is how long after a backup's recorded end a target may still fall before the point where the backup is
// consistent: barman records the start of the call that ends a backup, and commits go on until PostgreSQL has
// written the end into the WAL. A target that close is reached from the backup before, where there is one.
const settle = 2 * time.Second

// Request says what to restore.
type Request struct {
	Target Target
	// BackupID is the base backup to start from; "" lets Choose pick it.
	BackupID string
	// SystemID is the database whose backups count; "" is the one that wrote last into the archive.
	SystemID string
	// Major is the major version that will run the restored database; 0 takes any.
	Major int
	// Live says that the source still archives, so that a target behind the last archived WAL may yet be reached.
	Live bool
	// Parallel is how many segments a live source uploads at the same time, so that one may arrive before those that it follows.
	Parallel int
	// ArrivingSince is when the first segment behind a gap must have been uploaded at the earliest for the gap to close yet.
	ArrivingSince time.Time
}

// arriving is a gap that may close yet; nil where there is none.
func (r Request) arriving(gap *Gap) *Gap {
	if r.Live && gap.arrives(r.Parallel, r.ArrivingSince) {
		return gap
	}
	return nil
}

// Choice is the base backup to start from.
type Choice struct {
	Backup *Backup
	// Timeline is the one that the recovery ends on.
	Timeline uint32
	// Window is what can be restored from this backup alone.
	Window Window
	// Covered tells that the archive already holds WAL from at or after the target, as far as times and locations of
	// segments can tell; false only where the source is live and the target waits for WAL to come.
	Covered bool
	// Last tells that the target is a location in the newest segment that the archive holds, or behind it. PostgreSQL stops at the first
	// record behind a location, and nobody can tell whether that segment holds one: it may have been ended right there.
	Last bool
	// Pending tells that WAL which the backup itself needs is not archived yet, as after one that was taken of a standby: PostgreSQL
	// waits for it on a primary alone. Only a live source archives it.
	Pending bool
	// Arriving is a gap behind the backup that a live source may close yet, since it uploads several segments at the same time; nil
	// where nothing is missing.
	Arriving *Gap
}

// Choose picks the base backup for a target: the newest that is done, of the right database and major version, on
// the way to the target's timeline, that ended before the target, and whose WAL leads to it without a gap.
// The error is one of the typed errors of this package and says why there is none.
func (c *Catalog) Choose(r Request) (Choice, error) {
	if err := c.knownTimeline(r.Target.Timeline); err != nil {
		return Choice{}, err
	}
	candidates, unusable, err := c.candidates(r)
	if err != nil {
		return Choice{}, err
	}
	before := slices.DeleteFunc(slices.Clone(candidates), func(u usable) bool { return !u.endsBefore(r.Target) })
	if len(before) == 0 {
		oldest := slices.MinFunc(candidates, func(a, b usable) int { return a.backup.EndTime.Compare(b.backup.EndTime) })
		w := c.windowOf(oldest)
		if r.BackupID != "" {
			w = oldest.window(c.WAL.SegmentSize())
		}
		older := slices.DeleteFunc(unusable, func(b *BackupUnusableError) bool {
			return b.ID > oldest.backup.ID || !c.Backup(b.ID).mayLeadTo(r.Target)
		})
		return Choice{}, &BeforeWindowError{Target: r.Target, BackupID: r.BackupID, Window: w, Unusable: older}
	}
	u, covered := c.newest(before, r)
	arriving := r.arriving(u.reach.gap)
	if covered || arriving != nil {
		return c.choice(u, r, covered, arriving), nil
	}
	switch {
	case u.reach.gap != nil:
		newer := slices.DeleteFunc(unusable, func(b *BackupUnusableError) bool {
			return b.ID < u.backup.ID || !c.Backup(b.ID).mayLeadTo(r.Target)
		})
		return Choice{}, &GapError{Target: r.Target, Gap: *u.reach.gap, Window: c.windowOf(u), Next: c.windowAfter(u, candidates), Unusable: newer}
	case !r.Live || c.left(u.timeline):
		return Choice{}, &PastEndError{Target: r.Target, Window: c.windowOf(u), Left: c.left(u.timeline)}
	}
	return c.choice(u, r, false, nil), nil
}

func (c *Catalog) choice(u usable, r Request, covered bool, arriving *Gap) Choice {
	size := c.WAL.SegmentSize()
	return Choice{
		Backup: u.backup, Timeline: u.timeline, Window: u.window(size), Covered: covered, Arriving: arriving,
		Pending: u.pending, Last: r.Target.Kind == TargetLSN && size.SegmentAt(r.Target.LSN) >= u.reach.last.Number,
	}
}

// candidates are the usable backups that the request allows, newest first, never none, and those of the same database that are
// not usable.
func (c *Catalog) candidates(r Request) ([]usable, []*BackupUnusableError, error) {
	if r.BackupID != "" {
		found, err := c.requested(r)
		return found, nil, err
	}
	system := cmp.Or(r.SystemID, c.SystemID())
	if r.SystemID != "" && !slices.Contains(c.SystemIDs(), r.SystemID) && len(c.SystemIDs()) > 0 {
		return nil, nil, &SystemMismatchError{Want: r.SystemID, Have: c.SystemIDs()}
	}
	var found []usable
	var unusable []*BackupUnusableError
	var mismatch *MajorMismatchError
	for i := range c.Backups {
		b := &c.Backups[i]
		if b.Status == StatusDone && !b.of(system) {
			continue
		}
		u, err := c.useOf(b, r)
		if err != nil {
			var why *BackupUnusableError
			if errors.As(err, &why) {
				unusable = append(unusable, why)
			}
			continue
		}
		if err := checkMajor(b, r.Major); err != nil {
			mismatch = cmp.Or(mismatch, err)
			continue
		}
		found = append(found, u)
	}
	switch {
	case len(found) > 0:
		return found, unusable, nil
	case mismatch != nil:
		return nil, nil, mismatch
	}
	return nil, nil, &NoBackupError{Unusable: unusable}
}

// requested is the one backup that the request names.
func (c *Catalog) requested(r Request) ([]usable, error) {
	b := c.Backup(r.BackupID)
	if b == nil {
		missing := &BackupNotFoundError{ID: r.BackupID}
		for i := range c.Backups {
			if c.Usable(&c.Backups[i]) == nil {
				missing.Available = append(missing.Available, c.Backups[i].ID)
			}
		}
		return nil, missing
	}
	if r.SystemID != "" && !b.of(r.SystemID) {
		return nil, &SystemMismatchError{Want: r.SystemID, Have: []string{b.SystemID}}
	}
	u, err := c.useOf(b, r)
	if err != nil {
		return nil, err
	}
	if err := checkMajor(b, r.Major); err != nil {
		return nil, err
	}
	return []usable{u}, nil
}

// useOf is use for a request: a live source may yet archive what follows the end of its archive.
func (c *Catalog) useOf(b *Backup, r Request) (usable, error) {
	u, err := c.use(b, r.Target.Timeline)
	if u.pending && r.Live && (u.reach.gap == nil || r.arriving(u.reach.gap) != nil) {
		return u, nil
	}
	return u, err
}

func checkMajor(b *Backup, want int) *MajorMismatchError {
	if have := b.Major(); want != 0 && have != 0 && have != want {
		return &MajorMismatchError{BackupID: b.ID, Have: have, Want: want}
	}
	return nil
}

// newest picks among backups that end before the target: the newest whose WAL covers it, else the newest. Of backups
// that end within settle of the target the one before is taken, if it covers the target too.
func (c *Catalog) newest(before []usable, r Request) (usable, bool) {
	size := c.WAL.SegmentSize()
	byEnd := func(a, b usable) int {
		return cmp.Or(a.backup.EndTime.Compare(b.backup.EndTime), cmp.Compare(a.backup.ID, b.backup.ID))
	}
	covering := slices.DeleteFunc(slices.Clone(before), func(u usable) bool { return !u.covers(r.Target, size) })
	if len(covering) == 0 {
		return slices.MaxFunc(before, byEnd), false
	}
	if r.Target.Kind == TargetTime {
		settled := slices.DeleteFunc(slices.Clone(covering), func(u usable) bool {
			return r.Target.Time.Sub(u.backup.EndTime) < settle
		})
		if len(settled) > 0 {
			covering = settled
		}
	}
	return slices.MaxFunc(covering, byEnd), true
}

// endsBefore tells whether the backup is consistent before the target.
func (u usable) endsBefore(t Target) bool {
	switch t.Kind {
	case TargetTime:
		return !u.backup.EndTime.After(t.Time)
	case TargetLSN:
		return u.backup.EndLSN <= t.LSN
	default:
		return true
	}
}

// covers tells whether the WAL that follows the backup reaches the target.
func (u usable) covers(t Target, size SegmentSize) bool {
	if u.pending {
		return false
	}
	switch t.Kind {
	case TargetTime:
		return !t.Time.After(u.until())
	case TargetLSN:
		return size.SegmentAt(t.LSN) <= u.reach.last.Number
	case TargetLatest:
		return u.reach.gap == nil
	default:
		return true
	}
}

// windowOf is the window that a usable backup lies in: that of the whole archive where it has the same end, so that
// errors print what a reader sees elsewhere.
func (c *Catalog) windowOf(u usable) Window {
	own := u.window(c.WAL.SegmentSize())
	for _, w := range c.Windows() {
		if w.LatestWAL == own.LatestWAL {
			return w
		}
	}
	return own
}

// windowAfter is the window of the oldest backup that leads further than u.
func (c *Catalog) windowAfter(u usable, candidates []usable) *Window {
	further := slices.DeleteFunc(slices.Clone(candidates), func(o usable) bool { return o.reach.last.Number <= u.reach.last.Number })
	if len(further) == 0 {
		return nil
	}
	w := c.windowOf(slices.MinFunc(further, func(a, b usable) int { return a.backup.EndTime.Compare(b.backup.EndTime) }))
	return &w
}

// knownTimeline refuses a timeline that the archive has neither WAL nor history of.
func (c *Catalog) knownTimeline(timeline uint32) error {
	known := c.Timelines()
	if timeline == 0 || slices.Contains(known, timeline) {
		return nil
	}
	return &TimelineNotFoundError{Want: timeline, Have: known}
}

// left tells whether a timeline ends where another one began, so that nobody archives WAL of it any more.
func (c *Catalog) left(timeline uint32) bool {
	return slices.ContainsFunc(c.Histories, func(h History) bool {
		return slices.ContainsFunc(h.Switches, func(s Switch) bool { return s.Parent == timeline })
	})
}

// Timelines lists the timelines that the archive has WAL or a history of, in ascending order.
func (c *Catalog) Timelines() []uint32 {
	var known []uint32
	for _, r := range c.WAL.Ranges() {
		known = append(known, r.Timeline)
	}
	for _, h := range c.Histories {
		known = append(known, h.Timeline)
	}
	slices.Sort(known)
	return slices.Compact(known)
}
