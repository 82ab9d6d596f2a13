package recovery

import (
	"fmt"
	"math"
	"time"
)

// leg is the part of a recovery that runs on one timeline: the segments from to (to excluded) are read from it. The
// segment in which a timeline was left belongs to the child, which begins with a copy of it, and PostgreSQL asks for
// the child's.
type leg struct {
	timeline uint32
	from, to uint64
	end      LSN // where the timeline was left; the largest LSN on the last leg
}

// path is how PostgreSQL walks through the archive to reach a timeline, oldest leg first.
type path []leg

// pathTo is the path to a timeline, from its history. A timeline above 1 without a readable history is reached from
// itself alone.
func (c *Catalog) pathTo(timeline uint32) path {
	size := c.WAL.SegmentSize()
	var p path
	var from uint64
	if h, ok := c.history(timeline); ok {
		for _, s := range h.Switches {
			to := size.SegmentAt(s.At)
			p = append(p, leg{timeline: s.Parent, from: from, to: to, end: s.At})
			from = to
		}
	}
	return append(p, leg{timeline: timeline, from: from, to: math.MaxUint64, end: math.MaxUint64})
}

// newestTimeline is where recovery_target_timeline = latest leads from a backup's timeline: PostgreSQL probes for the
// history of each following number and stops at the first that is missing.
func (c *Catalog) newestTimeline(from uint32) uint32 {
	for {
		if _, ok := c.history(from + 1); !ok {
			return from
		}
		from++
	}
}

func (c *Catalog) history(timeline uint32) (History, bool) {
	for _, h := range c.Histories {
		if h.Timeline == timeline {
			return h, true
		}
	}
	return History{}, false
}

// legOf is the index of the leg on a timeline, or -1.
func (p path) legOf(timeline uint32) int {
	for i, l := range p {
		if l.timeline == timeline {
			return i
		}
	}
	return -1
}

// reach is how far WAL can be replayed without a gap.
type reach struct {
	last     Segment
	modified time.Time
	missing  uint64 // number of the first segment that is not there as a whole one
	// gap is what stopped it where there is more WAL behind; nil at the end of the archive.
	gap *Gap
}

// follow replays from a segment that must be present on the timeline of p[i]; false where it is not.
func (w *WAL) follow(p path, i int, start uint64) (reach, bool) {
	var at reach
	found := false
	next := start
	for ; i < len(p); i++ {
		for next < p[i].to {
			r, ok := w.runWith(Segment{Timeline: p[i].timeline, Number: next})
			if !ok {
				return w.stop(at, found, p, i, next)
			}
			last := min(r.last(), p[i].to-1)
			at.last, found = Segment{Timeline: p[i].timeline, Number: last}, true
			at.modified, _ = w.Modified(at.last)
			next = last + 1
		}
	}
	return at, found
}

// stop ends a replay that found no whole segment number next on leg i: the segment may still be there in the form
// that a promotion left it, whole or partial on the parent's timeline or partial on this one, good up to the switch.
func (w *WAL) stop(at reach, found bool, p path, i int, next uint64) (reach, bool) {
	tail := []Segment{{Timeline: p[i].timeline, Number: next}}
	for j := i - 1; j >= 0 && p[j].to == next; j-- {
		tail = append(tail, Segment{Timeline: p[j].timeline, Number: next})
	}
	for _, s := range tail {
		modified, ok := w.Modified(s)
		if !ok {
			modified, ok = w.partial(s)
		}
		if ok {
			at.last, at.modified, found = s, modified, true
			break
		}
	}
	at.missing, at.gap = next, w.gapAt(at, p, i, next)
	return at, found
}

// gapAt describes the gap that begins with a missing segment on leg i; nil where nothing follows on the path.
func (w *WAL) gapAt(at reach, p path, i int, missing uint64) *Gap {
	for ; i < len(p); i++ {
		from := max(missing, p[i].from)
		r, ok := w.runFrom(Segment{Timeline: p[i].timeline, Number: from})
		if !ok || max(r.first, from) >= p[i].to {
			continue
		}
		first := Segment{Timeline: p[i].timeline, Number: max(r.first, from)}
		after, _ := w.Modified(first)
		return &Gap{
			Timeline: p.timelineOf(missing), First: missing, Last: first.Number - 1,
			Before: at.modified, After: after, size: w.SegmentSize(), newest: w.newestOn(p),
		}
	}
	return nil
}

// newestOn is the number of the newest whole segment on a path.
func (w *WAL) newestOn(p path) uint64 {
	var newest uint64
	for _, l := range p {
		if t := w.timelines[l.timeline]; t != nil && len(t.runs) > 0 {
			newest = max(newest, min(t.runs[len(t.runs)-1].last(), l.to-1))
		}
	}
	return newest
}

// timelineOf is the timeline on which the path reads a segment.
func (p path) timelineOf(number uint64) uint32 {
	for _, l := range p {
		if number < l.to {
			return l.timeline
		}
	}
	return p[len(p)-1].timeline
}

// Gap is a run of WAL segments that the archive lacks although it holds later ones.
type Gap struct {
	Timeline    uint32 // on which the first missing segment would be
	First, Last uint64 // numbers of the missing segments
	// Before is when the last segment before the gap was uploaded, zero where there is none; After when the first
	// one behind it was.
	Before, After time.Time

	size   SegmentSize
	newest uint64 // number of the newest segment behind it
}

// arrives tells whether it may be no more than the order in which segments arrive that are uploaded at the same time: PostgreSQL has
// one segment archived after the other, and CNPG uploads with it the next ones that are there, parallel in all, and again with
// each further try. So none further behind than that, and none that was uploaded before since, comes before what is missing.
func (g *Gap) arrives(parallel int, since time.Time) bool {
	return g != nil && parallel > 1 && g.newest-g.First < uint64(parallel) && !g.After.Before(since)
}

// FirstName and LastName are the file names of the first and last missing segment.
func (g Gap) FirstName() string {
	return Segment{Timeline: g.Timeline, Number: g.First}.Name(g.size)
}

// LastName is the file name of the last missing segment.
func (g Gap) LastName() string { return Segment{Timeline: g.Timeline, Number: g.Last}.Name(g.size) }

// String names the missing segments.
func (g Gap) String() string {
	if g.First == g.Last {
		return "WAL segment " + g.FirstName()
	}
	return fmt.Sprintf("WAL segments %s to %s (%d)", g.FirstName(), g.LastName(), g.Last-g.First+1)
}
