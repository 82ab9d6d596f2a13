package archive

import (
	"cmp"
	"context"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

// walFolder is one folder of WAL: a log of 4 GiB on one timeline.
type walFolder struct {
	key      string // with the slash behind it
	timeline uint32
	log      uint32
}

// folders are the WAL folders among those right under wals, in the order of their keys.
func (r *reader) folders(keys []string) []walFolder {
	var folders []walFolder
	for _, key := range keys {
		if timeline, log, ok := recovery.ParseWALFolder(path.Base(key)); ok {
			folders = append(folders, walFolder{key: key, timeline: timeline, log: log})
		}
	}
	return folders
}

// shard is a run of neighbouring folders that one listing reads, page by page.
type shard struct {
	startAfter string
	last       string // key of the last folder; what sorts behind it is the next shard's
}

// walStart is the segment from which on WAL is of use.
type walStart struct {
	segment recovery.Segment
	known   bool // false where no backup can be restored
	size    recovery.SegmentSize
}

// startOf is the earliest segment that any of the backups, newest first, begins with, if it could be restored. The
// segment size is that of the newest.
func startOf(backups []recovery.Backup) walStart {
	start := walStart{size: recovery.DefaultSegmentSize}
	for _, b := range backups {
		if b.Status == recovery.StatusDone && b.SegmentSize.Valid() {
			start.size = b.SegmentSize
			break
		}
	}
	for _, b := range backups {
		if b.Status != recovery.StatusDone {
			continue
		}
		s, err := recovery.ParseSegment(b.BeginWAL, start.size)
		if err == nil && (!start.known || compareSegments(s, start.segment) < 0) {
			start.segment, start.known = s, true
		}
	}
	return start
}

// before tells whether a listing from s on holds anything that one from other on does not.
func (s walStart) before(other walStart) bool {
	if s.known != other.known || s.size != other.size {
		return true
	}
	return compareSegments(s.segment, other.segment) < 0
}

// compareSegments orders by location: a lower one can lie on a higher timeline.
func compareSegments(a, b recovery.Segment) int {
	return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.Timeline, b.Timeline))
}

// progress watches backups come in, in any order, for the oldest one that could be restored.
type progress struct {
	mu      sync.Mutex
	backups []recovery.Backup // oldest first
	done    []bool
	next    int // the oldest that has not come in
	oldest  chan<- walStart
	told    bool
}

func newProgress(backups []recovery.Backup, oldest chan<- walStart) *progress {
	p := &progress{backups: backups, done: make([]bool, len(backups)), oldest: oldest}
	p.tell()
	return p
}

// read takes note that a backup has come in.
func (p *progress) read(i int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done[i] = true
	p.tell()
}

// tell sends the start of the oldest restorable backup once it is known, or that there is none.
func (p *progress) tell() {
	for ; !p.told; p.next++ {
		start := walStart{size: recovery.DefaultSegmentSize}
		if p.next < len(p.backups) {
			if !p.done[p.next] {
				return
			}
			if start = startOf(p.backups[p.next : p.next+1]); !start.known {
				continue
			}
		}
		p.oldest <- start
		p.told = true
	}
}

// walRead is WAL as it was listed.
type walRead struct {
	start   walStart
	objects []recovery.WALObject
}

// wal lists the WAL from a start on. Without one it lists the newest folder alone, for the newest segment.
func (r *reader) wal(ctx context.Context, folders []walFolder, start walStart) (walRead, error) {
	read := walRead{start: start}
	if !start.known {
		var err error
		read.objects, err = r.newestWAL(ctx, folders)
		return read, err
	}
	// Locations only grow along every path of timelines, so nothing before the segment is of use on any timeline.
	shards := r.shards(folders, start.segment, start.size)
	found := make([][]recovery.WALObject, len(shards))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for i, s := range shards {
		group.Go(func() (err error) {
			found[i], err = r.listShard(ctx, s)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return walRead{}, err
	}
	read.objects = slices.Concat(found...)
	return read, nil
}

// shards cuts folders, which are in the order of their keys, into runs of neighbours, each of whole pages where the folders are full: as
// many as are listed at the same time, and one more for each place where folders are left out, over which a run does not go on.
// All together they cost at most one page for each run more than a single listing would, since only the last page of a run is not full.
func (r *reader) shards(all []walFolder, first recovery.Segment, size recovery.SegmentSize) []shard {
	log, perLog := first.Number/size.PerLog(), int(size.PerLog()) //nolint:gosec // at most 4096 segments in a log
	wanted := func(f walFolder) bool { return uint64(f.log) >= log }
	n := 0
	for _, f := range all {
		if wanted(f) {
			n++
		}
	}
	// A page has room for some labels and copies beside the segments.
	const room = pageSize * 98 / 100
	pages := (n*perLog + concurrency*room - 1) / (concurrency * room)
	most := max(1, pages*room/perLog, (n+concurrency-1)/concurrency)
	var shards []shard
	for i := 0; i < len(all); {
		if !wanted(all[i]) {
			i++
			continue
		}
		n := 1
		for n < most && i+n < len(all) && wanted(all[i+n]) {
			n++
		}
		// The keys of a folder sort behind its own key with the slash.
		s := shard{startAfter: all[i].key, last: all[i+n-1].key}
		if all[i].key == r.loc.walFolder(r.server, first, size) {
			// Begins at most 15 segments early: what StartAfter names is left out itself, and the file may have a suffix.
			name := first.Name(size)
			s.startAfter += name[:len(name)-1]
		}
		shards = append(shards, s)
		i += n
	}
	return shards
}

// listShard lists the files of a run of folders.
func (r *reader) listShard(ctx context.Context, s shard) ([]recovery.WALObject, error) {
	var found []recovery.WALObject
	wals := r.loc.wals(r.server)
	l := listing{bucket: r.loc.Bucket, prefix: wals, startAfter: s.startAfter}
	for {
		p, err := r.client.list(ctx, l)
		if err != nil {
			return nil, err
		}
		for _, o := range p.objects {
			folder, name, _ := strings.Cut(strings.TrimPrefix(o.key, wals), "/")
			if wals+folder+"/" > s.last {
				return found, nil
			}
			if f, ok := recovery.ParseWALFile(name); ok && strings.HasPrefix(name, folder) {
				found = append(found, recovery.WALObject{File: f, Bytes: o.bytes, Modified: o.modified})
			}
		}
		if p.next == "" {
			return found, nil
		}
		l.token = p.next
	}
}

// newestFolders is how many folders are searched for the newest segment: the last one can hold labels alone.
const newestFolders = 3

// newestWAL lists the newest folder that holds a segment.
func (r *reader) newestWAL(ctx context.Context, folders []walFolder) ([]recovery.WALObject, error) {
	for n := range min(newestFolders, len(folders)) {
		key := folders[len(folders)-1-n].key
		found, err := r.listShard(ctx, shard{startAfter: key, last: key})
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(found, func(o recovery.WALObject) bool { return o.File.Kind == recovery.WALSegment && o.Bytes > 0 }) {
			return found, nil
		}
	}
	return nil, nil
}
