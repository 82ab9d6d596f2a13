package recovery

import (
	"fmt"
	"time"
)

// Status is the state of a base backup.
type Status string

// The states that barman writes to backup.info, and two of our own for folders without a readable one.
const (
	StatusDone           Status = "DONE"
	StatusFailed         Status = "FAILED"
	StatusEmpty          Status = "EMPTY"
	StatusStarted        Status = "STARTED"
	StatusWaitingForWALs Status = "WAITING_FOR_WALS"
	StatusSyncing        Status = "SYNCING"
	// StatusIncomplete is a folder without backup.info: a backup that is running (older barman writes the file only
	// at the end) or was killed.
	StatusIncomplete Status = "INCOMPLETE"
	// StatusUnreadable is a backup.info that barman could not load either, or something that is no backup.
	StatusUnreadable Status = "UNREADABLE"
)

// Ended tells whether the state is final: in all others a backup runs, or whoever took it was killed.
func (s Status) Ended() bool {
	return s == StatusDone || s == StatusFailed || s == StatusUnreadable
}

// Tablespace is one tablespace that a base backup holds besides the data directory.
type Tablespace struct {
	Name     string
	OID      uint32
	Location string
}

// Backup is one base backup as its backup.info tells it. Zero values stand for what the file does not say.
type Backup struct {
	ID          string // the name of its folder, such as 20260326T142040
	Name        string // the name it was given when it was taken
	Status      Status
	BeginTime   time.Time
	EndTime     time.Time // when PostgreSQL ended the backup: the earliest instant it can be restored to
	BeginWAL    string
	EndWAL      string
	BeginLSN    LSN
	EndLSN      LSN
	Timeline    uint32
	SegmentSize SegmentSize
	SystemID    string
	// ServerVersion is PostgreSQL's server_version_num, such as 170005.
	ServerVersion int
	// ClusterSize is the size of the data directory and tablespaces in bytes when the backup began; nil where an
	// older barman did not write it.
	ClusterSize *int64
	Compression string
	Encryption  string
	Tablespaces []Tablespace
	// Error is what barman wrote about its failure.
	Error string
	// Message is our own remark on an entry that cannot be used or read.
	Message string
	// SupersededBy is the ID of a later backup that is done, of one that has not ended: a database is backed up by one backup
	// after the other, so this one is over. "" where there is none, or nobody looked for it, see [Supersede].
	SupersededBy string
}

// Supersede notes on backups that have not ended which later one of the same archive is done.
func Supersede(backups []Backup) {
	newest := ""
	for _, b := range backups {
		if _, dated := ParseBackupID(b.ID); dated && b.Status == StatusDone && b.ID > newest {
			newest = b.ID
		}
	}
	for i := range backups {
		backups[i].Supersede(newest)
	}
}

// Supersede notes that a backup is done, where this one began before it and has not ended.
func (b *Backup) Supersede(done string) {
	if _, dated := ParseBackupID(b.ID); dated && !b.Status.Ended() && b.ID < done {
		b.SupersededBy = done
	}
}

// ParseBackupID reads the time in the name that barman gives to a backup's folder, such as 20260326T142040: that at which it
// was started, by the clock of the machine that it ran on, taken for UTC here. False for any other name.
func ParseBackupID(id string) (time.Time, bool) {
	t, err := time.Parse("20060102T150405", id)
	return t, err == nil
}

// Major is PostgreSQL's major version, such as 17; 0 where it is unknown.
func (b *Backup) Major() int {
	if b.ServerVersion < 100000 { // 9.6 and older counted otherwise
		return b.ServerVersion / 100
	}
	return b.ServerVersion / 10000
}

// of tells whether the backup may be the database's: older barman did not write the system identifier.
func (b *Backup) of(systemID string) bool { return b.SystemID == systemID || b.SystemID == "" }

// mayLeadTo tells whether the backup ended before the target, as far as it says that itself: of one that cannot be read, its name
// tells when it began.
func (b *Backup) mayLeadTo(t Target) bool {
	began, dated := ParseBackupID(b.ID)
	switch {
	case t.Kind == TargetTime && !b.EndTime.IsZero():
		return !b.EndTime.After(t.Time)
	case t.Kind == TargetTime:
		return dated && !began.After(t.Time)
	case t.Kind == TargetLSN && b.EndLSN != 0:
		return b.EndLSN <= t.LSN
	}
	return dated
}

// segments is the range of WAL that the backup needs to become consistent, as barman names it.
func (b *Backup) segments(size SegmentSize) (begin, end Segment, err error) {
	if b.SegmentSize != 0 && b.SegmentSize != size {
		return begin, end, fmt.Errorf("its WAL segments are %d bytes long, those of the archive %d", b.SegmentSize, size)
	}
	if begin, err = ParseSegment(b.BeginWAL, size); err != nil {
		return begin, end, fmt.Errorf("its first WAL segment is unknown: %w", err)
	}
	if end, err = ParseSegment(b.EndWAL, size); err != nil {
		return begin, end, fmt.Errorf("its last WAL segment is unknown: %w", err)
	}
	if begin.Timeline != end.Timeline || end.Number < begin.Number {
		return begin, end, fmt.Errorf("its WAL range %s to %s runs backwards or over two timelines", b.BeginWAL, b.EndWAL)
	}
	if b.Timeline != 0 && b.Timeline != begin.Timeline {
		return begin, end, fmt.Errorf("it says timeline %d but begins in WAL segment %s", b.Timeline, b.BeginWAL)
	}
	return begin, end, nil
}
