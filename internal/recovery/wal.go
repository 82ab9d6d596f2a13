package recovery

import (
	"cmp"
	"slices"
	"time"
)

// WALObject is one WAL file seen in an archive. Only whole and partial segments matter to [NewWAL].
type WALObject struct {
	File     WALFile
	Bytes    int64
	Modified time.Time
}

// Range is an unbroken run of segments on one timeline, both ends included.
type Range struct {
	Timeline    uint32
	First, Last uint64
}

// WAL knows which segments an archive holds. It keeps runs of segments rather than their names, so that an archive
// of 100,000 segments takes less than a megabyte. The zero value is an empty archive.
type WAL struct {
	size      SegmentSize
	timelines map[uint32]*timelineWAL
}

// timelineWAL is what one timeline has: disjoint runs in ascending order, never adjacent, and partial segments.
type timelineWAL struct {
	runs     []run
	partials map[uint64]int64
}

type run struct {
	first    uint64
	modified []int64 // per segment, Unix microseconds
}

func (r run) last() uint64 { return r.first + uint64(len(r.modified)) - 1 }

// NewWAL indexes objects in any order. Objects that hold no WAL are passed over: other kinds, names that cannot exist
// with this segment size, and those of zero bytes, which some stores leave behind when an upload breaks.
// Of two copies of a segment (compressed in two ways, say) the newer one counts.
func NewWAL(size SegmentSize, objects []WALObject) *WAL {
	w := &WAL{size: size, timelines: map[uint32]*timelineWAL{}}
	type stamped struct {
		Segment
		modified int64
	}
	whole := make([]stamped, 0, len(objects))
	for _, o := range objects {
		if o.Bytes <= 0 || o.File.Kind != WALSegment && o.File.Kind != WALPartial {
			continue
		}
		s, ok := o.File.Segment(size)
		if !ok {
			continue
		}
		if o.File.Kind == WALSegment {
			whole = append(whole, stamped{s, o.Modified.UnixMicro()})
			continue
		}
		t := w.timeline(s.Timeline)
		if t.partials == nil {
			t.partials = map[uint64]int64{}
		}
		t.partials[s.Number] = max(t.partials[s.Number], o.Modified.UnixMicro())
	}
	slices.SortFunc(whole, func(a, b stamped) int {
		return cmp.Or(cmp.Compare(a.Timeline, b.Timeline), cmp.Compare(a.Number, b.Number), cmp.Compare(a.modified, b.modified))
	})
	for i, s := range whole {
		t := w.timeline(s.Timeline)
		var last *run
		if n := len(t.runs); n > 0 {
			last = &t.runs[n-1]
		}
		switch {
		case i > 0 && whole[i-1].Segment == s.Segment:
			last.modified[len(last.modified)-1] = s.modified
		case last != nil && last.last()+1 == s.Number:
			last.modified = append(last.modified, s.modified)
		default:
			t.runs = append(t.runs, run{first: s.Number, modified: []int64{s.modified}})
		}
	}
	return w
}

// SegmentSize is the size that the names were read with.
func (w *WAL) SegmentSize() SegmentSize {
	if w == nil || w.size == 0 {
		return DefaultSegmentSize
	}
	return w.size
}

// Has tells whether the archive holds the whole segment.
func (w *WAL) Has(s Segment) bool {
	_, ok := w.Modified(s)
	return ok
}

// Modified is when the whole segment was uploaded, to the microsecond.
func (w *WAL) Modified(s Segment) (time.Time, bool) {
	r, ok := w.runWith(s)
	if !ok {
		return time.Time{}, false
	}
	return time.UnixMicro(r.modified[s.Number-r.first]).UTC(), true
}

// partial is when the unfinished segment was uploaded.
func (w *WAL) partial(s Segment) (time.Time, bool) {
	if w == nil || w.timelines[s.Timeline] == nil {
		return time.Time{}, false
	}
	micros, ok := w.timelines[s.Timeline].partials[s.Number]
	return time.UnixMicro(micros).UTC(), ok
}

// Ranges lists all runs of whole segments, by timeline and number.
func (w *WAL) Ranges() []Range {
	var ranges []Range
	if w == nil {
		return nil
	}
	for id, t := range w.timelines {
		for _, r := range t.runs {
			ranges = append(ranges, Range{Timeline: id, First: r.first, Last: r.last()})
		}
	}
	slices.SortFunc(ranges, func(a, b Range) int {
		return cmp.Or(cmp.Compare(a.Timeline, b.Timeline), cmp.Compare(a.First, b.First))
	})
	return ranges
}

// Newest is the last whole segment of the highest timeline that has any.
func (w *WAL) Newest() (Segment, bool) {
	ranges := w.Ranges()
	if len(ranges) == 0 {
		return Segment{}, false
	}
	last := ranges[len(ranges)-1]
	return Segment{Timeline: last.Timeline, Number: last.Last}, true
}

func (w *WAL) timeline(id uint32) *timelineWAL {
	t := w.timelines[id]
	if t == nil {
		t = &timelineWAL{}
		w.timelines[id] = t
	}
	return t
}

// runWith is the run that holds the segment.
func (w *WAL) runWith(s Segment) (run, bool) {
	r, ok := w.runFrom(s)
	return r, ok && r.first <= s.Number
}

// runFrom is the first run that ends at or after the segment.
func (w *WAL) runFrom(s Segment) (run, bool) {
	if w == nil || w.timelines[s.Timeline] == nil {
		return run{}, false
	}
	runs := w.timelines[s.Timeline].runs
	i, _ := slices.BinarySearchFunc(runs, s.Number, func(r run, n uint64) int { return cmp.Compare(r.last(), n) })
	if i == len(runs) {
		return run{}, false
	}
	return runs[i], true
}
