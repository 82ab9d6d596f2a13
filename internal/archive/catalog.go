package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

// maxBackupInfo bounds what is read as a backup.info; copy statistics can make it some hundred kilobytes long.
const maxBackupInfo = 4 << 20

// Catalog reads what a server's archive folder holds now: all base backups, timelines, and the WAL from the first
// backup on that could be restored. A server that has archived nothing has an empty catalogue. Broken and foreign
// files are entries with a status and a message, never an error.
//
// It costs one listing per 1,000 backups and per 1,000 WAL folders, one read per backup and per history, and one listing per 1,000
// WAL files with at most one more for each run of folders that is listed beside others, see shards. 16 reads are made at once.
func (c *Client) Catalog(ctx context.Context, loc Location, server string) (*recovery.Catalog, error) {
	r := newReader(c, loc, server)
	catalog, err := r.read(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the archive of %s in %s: %w", server, loc, err)
	}
	return catalog, nil
}

// reader reads one archive once.
type reader struct {
	client *Client
	loc    Location
	server string
	files  chan struct{} // one for each file that is being read
}

func newReader(c *Client, loc Location, server string) *reader {
	return &reader{client: c, loc: loc, server: server, files: make(chan struct{}, concurrency)}
}

// get reads a file when there are fewer than 16 that are being read.
func (r *reader) get(ctx context.Context, key string, limit int64) ([]byte, error) {
	select {
	case r.files <- struct{}{}:
		defer func() { <-r.files }()
		return r.client.get(ctx, r.loc.Bucket, key, limit)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (r *reader) read(ctx context.Context) (*recovery.Catalog, error) {
	var backups []recovery.Backup
	var wals walFiles
	var wal walRead
	oldest := make(chan walStart, 1)
	group, inner := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		backups, err = r.backups(inner, oldest)
		return err
	})
	group.Go(func() (err error) {
		if wals, err = r.walFiles(inner); err != nil {
			return err
		}
		select {
		case <-inner.Done():
			return inner.Err()
		case start := <-oldest:
			wal, err = r.wal(inner, wals.folders, start)
			return err
		}
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	// The oldest backup by name is the one with the oldest WAL, unless clocks or databases changed in between.
	if startOf(backups).before(wal.start) {
		return r.catalogOf(ctx, backups, wals)
	}
	return r.catalog(backups, wals, wal), nil
}

// catalogOf lists the WAL that the backups need, and puts everything together.
func (r *reader) catalogOf(ctx context.Context, backups []recovery.Backup, wals walFiles) (*recovery.Catalog, error) {
	wal, err := r.wal(ctx, wals.folders, startOf(backups))
	if err != nil {
		return nil, err
	}
	return r.catalog(backups, wals, wal), nil
}

func (r *reader) catalog(backups []recovery.Backup, wals walFiles, wal walRead) *recovery.Catalog {
	return &recovery.Catalog{
		Server: r.server, Backups: backups, WAL: recovery.NewWAL(wal.start.size, wal.objects), Histories: wals.histories,
	}
}

// entries lists what lies right under base: the names of backups' folders, in ascending order, and an entry for each file,
// which is no backup.
func (r *reader) entries(ctx context.Context) (folders []string, files []recovery.Backup, err error) {
	base := r.loc.base(r.server)
	listed, err := r.client.listAll(ctx, listing{bucket: r.loc.Bucket, prefix: base, delimiter: "/"})
	if err != nil {
		return nil, nil, err
	}
	for _, folder := range listed.folders {
		folders = append(folders, path.Base(folder))
	}
	slices.Sort(folders)
	for _, o := range listed.objects {
		if o.key != base { // the folder's own marker, which some tools make
			files = append(files, recovery.Backup{
				ID: strings.TrimPrefix(o.key, base), Status: recovery.StatusUnreadable, Message: "is a file, not a backup's folder",
			})
		}
	}
	return folders, files, nil
}

// backups reads every backup.info, newest first. Where the WAL of the oldest one begins goes to oldest as soon as it
// is known, so that the WAL can be listed meanwhile.
func (r *reader) backups(ctx context.Context, oldest chan<- walStart) ([]recovery.Backup, error) {
	folders, files, err := r.entries(ctx)
	if err != nil {
		return nil, err
	}
	backups := make([]recovery.Backup, len(folders))
	denied := make([]error, len(folders))
	progress := newProgress(backups, oldest)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for i, folder := range folders {
		group.Go(func() (err error) {
			backups[i], denied[i], err = r.knownBackup(ctx, folder)
			if err == nil {
				progress.read(i)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	// One refused file is that file's matter; all of them are a missing right.
	if len(denied) > 0 && !slices.Contains(denied, nil) {
		return nil, denied[0]
	}
	backups = append(backups, files...)
	recovery.SortBackups(backups)
	return backups, nil
}

// knownBackup is backup without a read for one that was read before and had ended by then.
func (r *reader) knownBackup(ctx context.Context, id string) (b recovery.Backup, denied, err error) {
	key := r.loc.Bucket + "/" + r.loc.backupInfo(r.server, id)
	return r.client.ended.backup(ctx, key, func(ctx context.Context) (recovery.Backup, error, error) { return r.backup(ctx, id) })
}

// backup reads one backup.info. The first error is a refusal that only concerns this file.
func (r *reader) backup(ctx context.Context, id string) (b recovery.Backup, denied, err error) {
	text, err := r.get(ctx, r.loc.backupInfo(r.server, id), maxBackupInfo)
	switch {
	case err == nil:
		return ParseBackupInfo(id, text), nil, nil
	case errors.Is(err, errNotThere):
		return recovery.Backup{
			ID: id, Status: recovery.StatusIncomplete,
			Message: "the folder has no backup.info: the backup is still running, was killed, or is none",
		}, nil, nil
	}
	message, denied, err := ofOneFile(err)
	return recovery.Backup{ID: id, Status: recovery.StatusUnreadable, Message: message}, denied, err
}

// ofOneFile tells an error that only concerns the file that was read, which is then a message, from one that concerns the
// whole archive, which is err. denied is the error again where the file is refused: where all are, it is a missing right.
func ofOneFile(err error) (message string, denied, whole error) {
	var refused *AccessDeniedError
	var large *tooLargeError
	var bucket *BucketNotFoundError
	var region *WrongRegionError
	var credentials *CredentialsError
	switch {
	case errors.As(err, &refused):
		return err.Error(), err, nil
	case errors.As(err, &large):
		return err.Error(), nil, nil
	case errors.As(err, &bucket), errors.As(err, &region), errors.As(err, &credentials), Unreachable(err):
		return "", nil, err
	}
	switch code, status := codeOf(err); {
	case code == "InvalidObjectState":
		return fmt.Sprintf("it has been moved to cold storage: %s", err), nil, nil
	case status >= http.StatusBadRequest && status < http.StatusInternalServerError:
		return err.Error(), nil, nil // such as one that is encrypted with a key that is not ours, or is disabled
	}
	return "", nil, err
}

// walFiles is what lies right under wals: folders of segments, and histories.
type walFiles struct {
	folders   []walFolder
	histories []recovery.History
}

func (r *reader) walFiles(ctx context.Context) (walFiles, error) {
	top, err := r.client.listAll(ctx, listing{bucket: r.loc.Bucket, prefix: r.loc.wals(r.server), delimiter: "/"})
	if err != nil {
		return walFiles{}, err
	}
	histories, err := r.histories(ctx, top.objects)
	return walFiles{folders: r.folders(top.folders), histories: histories}, err
}

// histories reads the histories among the files right under wals.
func (r *reader) histories(ctx context.Context, objects []object) ([]recovery.History, error) {
	var found []recovery.History
	var keys []string
	var suffixes []string
	for _, o := range objects {
		if f, ok := recovery.ParseWALFile(path.Base(o.key)); ok && f.Kind == recovery.WALHistory && o.bytes > 0 {
			found = append(found, recovery.History{Timeline: f.Timeline, File: path.Base(o.key)})
			keys = append(keys, o.key)
			suffixes = append(suffixes, f.Suffix)
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for i := range found {
		group.Go(func() error {
			content, err := r.get(ctx, keys[i], maxHistory)
			if err != nil && !errors.Is(err, errNotThere) {
				var whole error
				found[i].Message, _, whole = ofOneFile(err)
				return whole
			}
			if err == nil {
				content, err = decompress(suffixes[i], content)
			}
			if err == nil {
				var h recovery.History
				h, err = recovery.ParseHistory(found[i].Timeline, content)
				found[i].Switches = h.Switches
			}
			if err != nil {
				found[i].Message = err.Error()
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	slices.SortFunc(found, func(a, b recovery.History) int { return cmp.Compare(a.Timeline, b.Timeline) })
	return found, nil
}
