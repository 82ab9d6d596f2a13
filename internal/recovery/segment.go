package recovery

import (
	"fmt"
	"math/bits"
)

// SegmentSize is the size of one WAL segment in bytes: a power of two from 1 MiB to 1 GiB, fixed when a PostgreSQL
// instance is initialised (initdb --wal-segsize).
type SegmentSize uint64

// The bounds that PostgreSQL sets, and its default.
const (
	MinSegmentSize     SegmentSize = 1 << 20
	DefaultSegmentSize SegmentSize = 16 << 20
	MaxSegmentSize     SegmentSize = 1 << 30
)

// Valid tells whether PostgreSQL could have been initialised with this size.
func (s SegmentSize) Valid() bool {
	return s >= MinSegmentSize && s <= MaxSegmentSize && bits.OnesCount64(uint64(s)) == 1
}

// PerLog is the number of segments in one log of 4 GiB, which is also the number in one folder of an archive:
// 256 at 16 MiB.
func (s SegmentSize) PerLog() uint64 { return 1 << 32 / uint64(s) }

// SegmentAt is the number of the segment that holds the byte at lsn, counted from the beginning of the WAL.
func (s SegmentSize) SegmentAt(lsn LSN) uint64 { return uint64(lsn) / uint64(s) }

// Segment is one WAL segment of one timeline. Its number counts from the beginning of the WAL, so that numbers
// follow each other without the jumps that file names have; a file name needs the segment size too.
type Segment struct {
	Timeline uint32
	Number   uint64
}

// ParseSegment reads a bare segment name such as "000000010000000000000007": 24 hexadecimal digits, no suffix.
func ParseSegment(name string, size SegmentSize) (Segment, error) {
	if !size.Valid() {
		return Segment{}, fmt.Errorf("%d bytes is no WAL segment size: want a power of two from 1 MiB to 1 GiB", size)
	}
	f, ok := ParseWALFile(name)
	if !ok || f.Kind != WALSegment || f.Suffix != "" {
		return Segment{}, fmt.Errorf("%q is no WAL segment name: want 24 hexadecimal digits", name)
	}
	s, ok := f.Segment(size)
	if !ok {
		return Segment{}, fmt.Errorf("%q is no WAL segment name: there are only %d segments of %d bytes in a log", name, size.PerLog(), size)
	}
	return s, nil
}

// Name is the file name of the segment.
func (s Segment) Name(size SegmentSize) string {
	perLog := size.PerLog()
	return fmt.Sprintf("%08X%08X%08X", s.Timeline, s.Number/perLog, s.Number%perLog)
}

// Folder is the name of the archive folder that holds the segment: timeline and log, 16 hexadecimal digits.
func (s Segment) Folder(size SegmentSize) string {
	return fmt.Sprintf("%08X%08X", s.Timeline, s.Number/size.PerLog())
}

// Next is the segment that follows on the same timeline.
func (s Segment) Next() Segment { return Segment{Timeline: s.Timeline, Number: s.Number + 1} }

// Start is the location of the first byte in the segment.
func (s Segment) Start(size SegmentSize) LSN { return LSN(s.Number * uint64(size)) }
