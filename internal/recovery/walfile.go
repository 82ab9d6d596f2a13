package recovery

import "strings"

// WALKind tells what a file in an archive's wals folder holds.
type WALKind int

// The kinds that PostgreSQL hands to its archive_command.
const (
	WALSegment WALKind = iota + 1 // a whole segment
	WALPartial                    // the unfinished last segment of a timeline that was left by a promotion
	WALLabel                      // the backup history file: a base backup's label and end
	WALHistory                    // a timeline's history
)

// WALFile is the name of a file in an archive's wals folder, taken apart.
type WALFile struct {
	Kind     WALKind
	Timeline uint32
	Log      uint32 // unset for a history
	Seg      uint32 // number of the segment within its log; unset for a history
	Offset   uint32 // only for a label: where in the segment the backup began
	Suffix   string // the compression's suffix with its dot, or ""
}

// compressionSuffixes are those that barman-cloud appends to the names of compressed WAL files.
var compressionSuffixes = []string{".gz", ".bz2", ".xz", ".snappy", ".zst", ".lz4"}

// CompressionSuffixes lists the suffixes, dot included, that barman-cloud appends to compressed WAL files.
func CompressionSuffixes() []string { return append([]string(nil), compressionSuffixes...) }

// ParseWALFile takes a file name (no folder) apart; false for names that no PostgreSQL and no barman writes.
func ParseWALFile(name string) (WALFile, bool) {
	var f WALFile
	for _, suffix := range compressionSuffixes {
		if bare, ok := strings.CutSuffix(name, suffix); ok {
			name, f.Suffix = bare, suffix
			break
		}
	}
	if len(name) < 8 {
		return WALFile{}, false
	}
	var ok bool
	if f.Timeline, ok = hex8(name[:8]); !ok {
		return WALFile{}, false
	}
	if name[8:] == ".history" {
		f.Kind = WALHistory
		return f, true
	}
	if len(name) < 24 {
		return WALFile{}, false
	}
	if f.Log, ok = hex8(name[8:16]); !ok {
		return WALFile{}, false
	}
	if f.Seg, ok = hex8(name[16:24]); !ok {
		return WALFile{}, false
	}
	switch rest := name[24:]; {
	case rest == "":
		f.Kind = WALSegment
	case rest == ".partial":
		f.Kind = WALPartial
	case len(rest) == len(".00000028.backup") && rest[0] == '.' && rest[9:] == ".backup":
		if f.Offset, ok = hex8(rest[1:9]); !ok {
			return WALFile{}, false
		}
		f.Kind = WALLabel
	default:
		return WALFile{}, false
	}
	return f, true
}

// Segment is the segment that a file of kind WALSegment, WALPartial or WALLabel belongs to; false for a history and
// for a name that cannot exist with this segment size.
func (f WALFile) Segment(size SegmentSize) (Segment, bool) {
	if f.Kind == WALHistory || !size.Valid() || uint64(f.Seg) >= size.PerLog() {
		return Segment{}, false
	}
	return Segment{Timeline: f.Timeline, Number: uint64(f.Log)*size.PerLog() + uint64(f.Seg)}, true
}

// ParseWALFolder reads the name of a folder in wals: timeline and log, 16 hexadecimal digits.
func ParseWALFolder(name string) (timeline, log uint32, ok bool) {
	if len(name) != 16 {
		return 0, 0, false
	}
	if timeline, ok = hex8(name[:8]); !ok {
		return 0, 0, false
	}
	if log, ok = hex8(name[8:]); !ok {
		return 0, 0, false
	}
	return timeline, log, true
}

// hex8 reads exactly eight hexadecimal digits, in upper case: PostgreSQL writes no others, and asks for its files by these names.
// It is written out because an archive has very many of them.
func hex8(s string) (uint32, bool) {
	if len(s) != 8 {
		return 0, false
	}
	var n uint32
	for i := range 8 {
		c := s[i]
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		n = n<<4 | uint32(c)
	}
	return n, true
}
