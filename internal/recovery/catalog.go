package recovery

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Catalog is what one server's archive folder holds.
type Catalog struct {
	Server    string
	Backups   []Backup // newest first, see [SortBackups]
	WAL       *WAL     // at least from the begin of the first usable backup on
	Histories []History
}

// SortBackups orders backups newest first: by ID, which is the time at which the backup was taken. What has another name, and so
// was not made by barman, comes last.
func SortBackups(backups []Backup) {
	slices.SortFunc(backups, func(a, b Backup) int {
		return cmp.Or(cmp.Compare(rank(a.ID), rank(b.ID)), cmp.Compare(b.ID, a.ID))
	})
}

func rank(id string) int {
	if _, ok := ParseBackupID(id); ok {
		return 0
	}
	return 1
}

// Empty tells that nothing was ever archived under this server's name.
func (c *Catalog) Empty() bool {
	return len(c.Backups) == 0 && len(c.Histories) == 0 && len(c.WAL.Ranges()) == 0
}

// Backup is the backup with this ID, or nil.
func (c *Catalog) Backup(id string) *Backup {
	for i := range c.Backups {
		if c.Backups[i].ID == id {
			return &c.Backups[i]
		}
	}
	return nil
}

// SystemID is the identifier of the database that wrote last into the archive: that of the newest backup that is
// done, or "" where none says. A folder can hold backups of several databases when a safety check was overridden;
// their WAL cannot be told apart by name, so only the last one's can be trusted.
func (c *Catalog) SystemID() string {
	for _, b := range c.Backups {
		if b.Status == StatusDone && b.SystemID != "" {
			return b.SystemID
		}
	}
	return ""
}

// SystemIDs lists the identifiers of all databases whose backups are in the archive, that of the newest backup first.
func (c *Catalog) SystemIDs() []string {
	var ids []string
	for _, b := range c.Backups {
		if b.SystemID != "" && !slices.Contains(ids, b.SystemID) {
			ids = append(ids, b.SystemID)
		}
	}
	return ids
}

// Window is a span of time whose every instant can be restored from one unbroken run of WAL.
type Window struct {
	// Earliest is the end of the first usable base backup.
	Earliest time.Time
	// EarliestLSN is the location at which the first of its backups ends.
	EarliestLSN LSN
	// Latest is when the newest WAL segment that can be reached without a gap was uploaded, or, where that was copied later, the time
	// before which a later backup shows it to have been written. It is an upper bound:
	// the last commit in that segment is older, and PostgreSQL can only stop at an instant that a later commit proves
	// to have passed.
	Latest time.Time
	// FirstBackupID and LastBackupID are the usable base backups at its ends.
	FirstBackupID string
	LastBackupID  string
	// LatestWAL is the name of the newest reachable segment, LatestLSN the location right behind it.
	LatestWAL string
	LatestLSN LSN
	// Timeline is the one that a recovery ends on.
	Timeline uint32
	// Gap is what ends the window although there is later WAL; nil at the end of the archive.
	Gap *Gap

	written, ended time.Time // when its newest segment was written at the latest, and its last backup ended
}

// Contains tells whether an instant lies in the window, ends included.
func (w Window) Contains(t time.Time) bool { return !t.Before(w.Earliest) && !t.After(w.Latest) }

// String prints the window in UTC.
func (w Window) String() string { return w.In(time.UTC) }

// In prints the window in a time zone.
func (w Window) In(zone *time.Location) string {
	return fmt.Sprintf("%s to about %s", formatTime(w.Earliest, zone), formatTime(w.Latest, zone))
}

// Window is the newest window of the database that wrote last into the archive; false where nothing can be restored.
// Without gaps it reaches from the first usable backup to the end of the archive; behind a gap it begins anew with
// the first backup that ended after it.
func (c *Catalog) Window() (Window, bool) {
	windows := c.Windows()
	if len(windows) == 0 {
		return Window{}, false
	}
	return windows[len(windows)-1], true
}

// Windows lists the windows of the database that wrote last into the archive, in the order in which they end. There
// is more than one where WAL is missing between backups.
func (c *Catalog) Windows() []Window {
	system := c.SystemID()
	windows := map[Segment]*Window{}
	for i := range c.Backups {
		b := &c.Backups[i]
		if !b.of(system) {
			continue
		}
		u, err := c.use(b, 0)
		if err != nil {
			continue
		}
		w := windows[u.reach.last]
		if w == nil {
			first := u.window(c.WAL.SegmentSize())
			windows[u.reach.last] = &first
			continue
		}
		w.extend(u)
	}
	list := make([]Window, 0, len(windows))
	for _, w := range windows {
		list = append(list, *w)
	}
	slices.SortFunc(list, func(a, b Window) int {
		return cmp.Or(a.Latest.Compare(b.Latest), cmp.Compare(a.LatestLSN, b.LatestLSN), cmp.Compare(a.Timeline, b.Timeline))
	})
	return list
}

// extend takes another backup whose WAL leads to the same end into the window.
func (w *Window) extend(u usable) {
	b := u.backup
	if b.EndTime.Before(w.Earliest) {
		w.Earliest, w.FirstBackupID = b.EndTime, b.ID
	}
	w.EarliestLSN = min(w.EarliestLSN, b.EndLSN)
	if b.ID > w.LastBackupID {
		w.LastBackupID = b.ID
	}
	// What one backup tells of the end of the WAL holds for the other one too; and the end of each can be reached.
	if u.reach.modified.Before(w.written) {
		w.written = u.reach.modified
	}
	if b.EndTime.After(w.ended) {
		w.ended = b.EndTime
	}
	if w.Latest = w.written; w.Latest.Before(w.ended) {
		w.Latest = w.ended
	}
}

// Gaps lists what is missing between the first usable backup and the end of the archive, oldest first.
func (c *Catalog) Gaps() []Gap {
	var gaps []Gap
	for _, w := range c.Windows() {
		if w.Gap != nil {
			gaps = append(gaps, *w.Gap)
		}
	}
	return gaps
}

// Usable tells whether a restore can start from the backup: it is done, its WAL is there from begin to end, and it
// lies on the way to the newest timeline that can be reached from it. The error says why not.
func (c *Catalog) Usable(b *Backup) error {
	_, err := c.use(b, 0)
	return err
}

// LeadsTo tells whether a restore that starts from the backup with this ID finds all WAL up to the end of a segment, on the
// segment's timeline. The error says what is missing.
func (c *Catalog) LeadsTo(id, segment string) error {
	to, err := ParseSegment(segment, c.WAL.SegmentSize())
	if err != nil {
		return err
	}
	b := c.Backup(id)
	if b == nil {
		return &BackupNotFoundError{ID: id}
	}
	u, err := c.use(b, to.Timeline)
	switch {
	case err != nil:
		return err
	case u.reach.last.Number >= to.Number:
		return nil
	case u.reach.gap != nil:
		return fmt.Errorf("%s missing", verb(*u.reach.gap))
	}
	return fmt.Errorf("the archive ends with WAL segment %s", u.reach.last.Name(c.WAL.SegmentSize()))
}

// Obstacle is a history that cannot be read, without which the newest timeline cannot be reached from a backup, the oldest of those it
// is needed for; nil where there is none.
func (c *Catalog) Obstacle() (*History, *Backup) {
	system := c.SystemID()
	for i := len(c.Backups) - 1; i >= 0; i-- {
		b := &c.Backups[i]
		begin, _, err := b.segments(c.WAL.SegmentSize())
		if b.Status != StatusDone || !b.of(system) || err != nil {
			continue
		}
		newest := c.newestTimeline(begin.Timeline)
		if h, ok := c.history(newest); ok && h.Message != "" && newest != begin.Timeline {
			return &h, b
		}
	}
	return nil, nil
}

// usable is a backup that a restore can start from, and how far it leads.
type usable struct {
	backup   *Backup
	timeline uint32
	reach    reach
	// pending tells that WAL of the backup itself is missing, of the timeline that its source writes if it lives: the reach is what it
	// will be once that is archived.
	pending bool
}

// until is the upper bound of the instants that can be restored from the backup. Clocks of store and database may
// differ, but the backup's own end was reached in any case.
func (u usable) until() time.Time {
	if u.reach.modified.Before(u.backup.EndTime) {
		return u.backup.EndTime
	}
	return u.reach.modified
}

func (u usable) window(size SegmentSize) Window {
	return Window{
		Earliest: u.backup.EndTime, EarliestLSN: u.backup.EndLSN, Latest: u.until(), FirstBackupID: u.backup.ID, LastBackupID: u.backup.ID,
		LatestWAL: u.reach.last.Name(size), LatestLSN: u.reach.last.Next().Start(size),
		Timeline: u.timeline, Gap: u.reach.gap, written: u.reach.modified, ended: u.backup.EndTime,
	}
}

// use checks that a restore to a timeline can start from the backup; timeline 0 is the newest one. With the error that tells of WAL
// that the source may yet archive comes what the backup will be then.
func (c *Catalog) use(b *Backup, timeline uint32) (usable, error) {
	refuse := func(format string, args ...any) (usable, error) {
		return usable{}, &BackupUnusableError{ID: b.ID, Status: b.Status, Reason: fmt.Sprintf(format, args...)}
	}
	if b.Status != StatusDone {
		if detail := cmp.Or(b.Error, b.Message); detail != "" {
			return refuse("its status is %s: %s", b.Status, detail)
		}
		return refuse("its status is %s", b.Status)
	}
	if b.EndTime.IsZero() {
		return refuse("backup.info does not say when it ended")
	}
	size := c.WAL.SegmentSize()
	begin, end, err := b.segments(size)
	if err != nil {
		return refuse("%s", err)
	}
	if timeline == 0 {
		timeline = c.newestTimeline(begin.Timeline)
	}
	p := c.pathTo(timeline)
	i := p.legOf(begin.Timeline)
	if h, ok := c.history(timeline); ok && h.Message != "" && i < 0 {
		return refuse("the history of timeline %d cannot be read: %s", timeline, h.Message)
	}
	if i < 0 {
		return refuse("timeline %d does not descend from its timeline %d", timeline, begin.Timeline)
	}
	if b.EndLSN > p[i].end {
		return refuse("it ended at %s on timeline %d, which timeline %d left before, at %s", b.EndLSN, begin.Timeline, timeline, p[i].end)
	}
	reached, ok := c.followBackup(p, i, begin)
	missing, reason := p.timelineOf(reached.missing), ""
	switch {
	case !c.begun(begin):
		missing, reason = begin.Timeline, fmt.Sprintf("its first WAL segment %s is not in the archive", b.BeginWAL)
	case ok && reached.last.Number >= end.Number:
		reached.modified = c.writtenBy(p, reached.last, b.SystemID, reached.modified)
		return usable{backup: b, timeline: timeline, reach: reached}, nil
	case reached.gap != nil:
		reason = fmt.Sprintf("it needs %s, not in the archive", reached.gap)
	default:
		reason = fmt.Sprintf("it needs WAL up to %s; the archive ends before", b.EndWAL)
	}
	u := usable{backup: b, timeline: timeline, reach: reach{last: end, modified: b.EndTime, gap: reached.gap}, pending: missing == timeline && !c.left(timeline)}
	return u, &BackupUnusableError{ID: b.ID, Status: b.Status, Reason: reason, Pending: u.pending && u.reach.gap == nil}
}

// begun tells whether the archive has a segment, whole or as far as it was written when its timeline was left.
func (c *Catalog) begun(s Segment) bool {
	_, partial := c.WAL.partial(s)
	return partial || c.WAL.Has(s)
}

// writtenBy is when a segment was written at the latest. The time of its upload is that of the last copy where an archive was copied,
// while backups keep their times: what lies before the segment that one begins in was written before its begin, and what lies before
// the segment that it ends in before its end. In that one itself PostgreSQL may go on writing for long, where the backup was taken
// of a standby.
func (c *Catalog) writtenBy(p path, segment Segment, system string, uploaded time.Time) time.Time {
	name := segment.Name(c.WAL.SegmentSize())
	for i := range c.Backups {
		b := &c.Backups[i]
		// Names without their timeline are in the order of the WAL: most backups need no closer look.
		if b.Status != StatusDone || b.SystemID != system || len(b.EndWAL) != len(name) || b.EndWAL[8:] <= name[8:] {
			continue
		}
		begin, end, err := b.segments(c.WAL.SegmentSize())
		if err != nil || p.timelineOf(begin.Number) != begin.Timeline || p.timelineOf(end.Number) != end.Timeline {
			continue
		}
		at := b.EndTime
		if begin.Number > segment.Number {
			at = b.BeginTime
		}
		if at = at.Add(settle); b.BeginTime.IsZero() || b.EndTime.IsZero() || at.After(uploaded) {
			continue
		}
		uploaded = at
	}
	return uploaded
}

// followBackup replays from a backup's first segment. Where that is the one in which the timeline was left, the
// path reads it from the child.
func (c *Catalog) followBackup(p path, i int, begin Segment) (reach, bool) {
	for i < len(p)-1 && begin.Number >= p[i].to {
		i++
	}
	return c.WAL.follow(p, i, begin.Number)
}
