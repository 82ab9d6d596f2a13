package recovery

import (
	"fmt"
	"strings"
	"time"
)

// BackupUnusableError says why a restore cannot start from a backup.
type BackupUnusableError struct {
	ID     string
	Status Status
	Reason string
	// Pending tells that it needs WAL which its source may yet archive, if it lives.
	Pending bool
}

func (e *BackupUnusableError) Error() string {
	return fmt.Sprintf("backup %s cannot be used: %s", e.ID, e.Reason)
}

// BackupNotFoundError says that the archive has no backup with the given ID.
type BackupNotFoundError struct {
	ID        string
	Available []string // IDs of usable backups, newest first
}

func (e *BackupNotFoundError) Error() string {
	if len(e.Available) == 0 {
		return fmt.Sprintf("there is no backup %s, and no other that could be restored", e.ID)
	}
	return fmt.Sprintf("there is no backup %s; those that can be restored: %s", e.ID, list(e.Available, 10))
}

// NoBackupError says that the archive has no base backup that a restore can start from.
type NoBackupError struct {
	Unusable []*BackupUnusableError // newest first
}

func (e *NoBackupError) Error() string {
	if len(e.Unusable) == 0 {
		return "the archive has no base backup"
	}
	return fmt.Sprintf("none of the %d base backups can be restored: %s", len(e.Unusable), reasons(e.Unusable, 5))
}

// reasons says of at most n backups why they cannot be used.
func reasons(unusable []*BackupUnusableError, n int) string {
	texts := make([]string, len(unusable))
	for i, u := range unusable {
		texts[i] = u.ID + ": " + u.Reason
	}
	return list(texts, n)
}

// wouldLead says which backups are there for a target and cannot be used, behind what else an error says; "" for none.
func wouldLead(unusable []*BackupUnusableError) string {
	switch len(unusable) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("; a base backup that would lead to it is there, but cannot be used: %s", reasons(unusable, 1))
	}
	return fmt.Sprintf("; %d base backups that would lead to it are there, but cannot be used: %s", len(unusable), reasons(unusable, 3))
}

// BeforeWindowError says that the target lies before the end of the first backup that could lead to it.
type BeforeWindowError struct {
	Target   Target
	BackupID string // the backup that was asked for, or "" where none was
	Window   Window
	// Unusable are older backups, newest first, that would lead to the target if they could be used.
	Unusable []*BackupUnusableError
}

func (e *BeforeWindowError) Error() string {
	if e.BackupID != "" {
		return fmt.Sprintf("the target %s lies before the end of backup %s, which can be restored to %s",
			e.Target, e.BackupID, e.Target.window(e.Window))
	}
	return fmt.Sprintf("the target %s lies before the recovery window, which is %s%s", e.Target, e.Target.window(e.Window), wouldLead(e.Unusable))
}

// PastEndError says that the target lies behind the last WAL of an archive, or of a timeline in it, that does not grow any more.
type PastEndError struct {
	Target Target
	Window Window
	// Left tells that nobody writes the timeline any more, also where the source lives.
	Left bool
}

func (e *PastEndError) Error() string {
	grown := "the archive"
	if e.Target.Timeline != 0 {
		grown = fmt.Sprintf("timeline %d", e.Target.Timeline)
	}
	return fmt.Sprintf("the target %s lies after the end of %s, whose last WAL segment is %s; the recovery window is %s",
		e.Target, grown, e.Window.LatestWAL, e.Target.window(e.Window))
}

// GapError says that the target lies where WAL is missing.
type GapError struct {
	Target Target
	Gap    Gap
	Window Window // the window that the gap ends
	// Next is the window behind the gap; nil where there is none.
	Next *Window
	// Unusable are backups behind the gap, newest first, that would lead to the target if they could be used.
	Unusable []*BackupUnusableError
}

func (e *GapError) Error() string {
	next := ""
	if e.Next != nil {
		next = ", and behind the gap " + e.Target.window(*e.Next)
	}
	return fmt.Sprintf("the target %s lies in a gap: %s missing from the archive; what can be restored is %s%s%s",
		e.Target, verb(e.Gap), e.Target.window(e.Window), next, wouldLead(e.Unusable))
}

func verb(g Gap) string {
	if g.First == g.Last {
		return g.String() + " is"
	}
	return g.String() + " are"
}

// MajorMismatchError says that the backups were taken by another major version of PostgreSQL: data files of one
// major cannot be read by another.
type MajorMismatchError struct {
	BackupID   string
	Have, Want int
}

func (e *MajorMismatchError) Error() string {
	return fmt.Sprintf("backup %s was taken by PostgreSQL %d and cannot be restored by PostgreSQL %d", e.BackupID, e.Have, e.Want)
}

// SystemMismatchError says that the archive holds no backup of the wanted database.
type SystemMismatchError struct {
	Want string
	Have []string
}

func (e *SystemMismatchError) Error() string {
	return fmt.Sprintf("the archive has no backup of the database with system identifier %s, only of %s", e.Want, list(e.Have, 5))
}

// TimelineNotFoundError says that the archive knows nothing of the wanted timeline.
type TimelineNotFoundError struct {
	Want uint32
	Have []uint32
}

func (e *TimelineNotFoundError) Error() string {
	have := make([]string, len(e.Have))
	for i, t := range e.Have {
		have[i] = fmt.Sprint(t)
	}
	return fmt.Sprintf("the archive has no timeline %d; it has %s", e.Want, list(have, 20))
}

// list joins at most n items and counts the rest.
func list(items []string, n int) string {
	if len(items) == 0 {
		return "none"
	}
	if len(items) <= n {
		return strings.Join(items, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(items[:n], ", "), len(items)-n)
}

// formatTime prints an instant in UTC, followed by the same in a zone where that differs.
func formatTime(t time.Time, zone *time.Location) string {
	const layout = "2006-01-02 15:04:05.999999"
	utc := t.UTC().Format(layout) + " UTC"
	if _, offset := t.In(zone).Zone(); offset == 0 {
		return utc
	}
	return utc + " (" + t.In(zone).Format(layout+"-07:00") + ")"
}
