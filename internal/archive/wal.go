package archive

import (
	"cmp"
	"context"
	"path"
	"slices"
	"strings"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
	"golang.org/x/sync/errgroup"
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

// shard is a run of neighbouring folders that one listing reads: as many as fill a page.
type shard struct {
	startAfter string
	last       string // key of the last folder; what sorts behind it is the next shard's
}

// wal lists the WAL from the first backup on that could be restored. Without one it lists the newest folder alone,
// for the newest segment.
func (r *reader) wal(ctx context.Context, folders []walFolder, backups []recovery.Backup, size recovery.SegmentSize) ([]recovery.WALObject, error) {
	first, ok := firstSegment(backups, size)
	if !ok {
		return r.newestWAL(ctx, folders)
	}
	// Locations only grow along every path of timelines, so nothing before the segment is of use on any timeline.
	log := first.Number / size.PerLog()
	folders = slices.DeleteFunc(folders, func(f walFolder) bool { return uint64(f.log) < log })
	shards := r.shards(folders, first, size)
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
		return nil, err
	}
	return slices.Concat(found...), nil
}

// firstSegment is the earliest segment that any restorable backup begins with.
func firstSegment(backups []recovery.Backup, size recovery.SegmentSize) (recovery.Segment, bool) {
	var first recovery.Segment
	var ok bool
	for _, b := range backups {
		if b.Status != recovery.StatusDone {
			continue
		}
		s, err := recovery.ParseSegment(b.BeginWAL, size)
		if err == nil && (!ok || cmp.Or(cmp.Compare(s.Number, first.Number), cmp.Compare(s.Timeline, first.Timeline)) < 0) {
			first, ok = s, true
		}
	}
	return first, ok
}

// shards cuts neighbouring folders into runs that fill about one page each, so that they can be listed at the same
// time without more requests than listing them one after the other would take.
func (r *reader) shards(folders []walFolder, first recovery.Segment, size recovery.SegmentSize) []shard {
	perPage := max(1, pageSize*9/10/int(size.PerLog())) //nolint:gosec // at most 4096 segments in a log
	var shards []shard
	for i := 0; i < len(folders); {
		n := 1
		for n < perPage && i+n < len(folders) && folders[i+n].timeline == folders[i].timeline && folders[i+n].log == folders[i+n-1].log+1 {
			n++
		}
		// The keys of a folder sort behind its own key with the slash.
		s := shard{startAfter: folders[i].key, last: folders[i+n-1].key}
		if folders[i].key == r.loc.walFolder(r.server, first, size) {
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
