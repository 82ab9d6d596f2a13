package archive

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

// Query narrows a listing of backups. The zero value asks for all of them.
type Query struct {
	// StartedAfter and StartedBefore leave out backups that began at or outside of them; zero is no bound. Where
	// backup.info does not say when a backup began, the name of its folder does. An entry of which nobody can say it is
	// left out where there is a bound.
	StartedAfter  time.Time
	StartedBefore time.Time
	// Keep leaves out what it returns false for; nil keeps everything. It is told by what a backup is superseded.
	Keep func(*recovery.Backup) bool
	// Limit is how many backups are wanted at most, the newest ones; 0 is no limit.
	Limit int
}

// Listing is what was found for a query.
type Listing struct {
	Backups []recovery.Backup // newest first
	// Window is what can be restored, whatever the query leaves out; nil where nothing can.
	Window *recovery.Window
	// Unread is a history that cannot be read, and UnreadFrom the ID of the first backup that the window lacks for it; nil where
	// it lacks none.
	Unread     *recovery.History
	UnreadFrom string
	// Empty tells that nothing at all was archived under this server's name.
	Empty bool
}

// List finds backups of a server and its window with as few reads as the query allows. Folders whose names put them out of the
// query's span are never read, and reading stops with the limit. The window then takes the oldest backup that is done,
// and all the others only where WAL is missing behind it; its LastBackupID stays empty where not all were read.
func (c *Client) List(ctx context.Context, loc Location, server string, q Query) (*Listing, error) {
	r := newReader(c, loc, server)
	listing, err := r.list(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("reading the archive of %s in %s: %w", server, loc, err)
	}
	return listing, nil
}

func (r *reader) list(ctx context.Context, q Query) (*Listing, error) {
	if q.StartedAfter.IsZero() && q.StartedBefore.IsZero() && q.Limit == 0 {
		catalog, err := r.read(ctx)
		if err != nil {
			return nil, err
		}
		return q.listing(catalog), nil
	}
	var infos *infos
	var wals walFiles
	group, inner := errgroup.WithContext(ctx)
	group.Go(func() error {
		folders, files, err := r.entries(inner)
		if err != nil {
			return err
		}
		infos = newInfos(r, folders, files)
		return infos.find(inner, q)
	})
	group.Go(func() (err error) {
		wals, err = r.walFiles(inner)
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	catalog, exact, err := r.oldestToNewest(ctx, infos, wals)
	if err != nil {
		return nil, err
	}
	if !exact {
		if err := infos.read(ctx, infos.folders); err != nil {
			return nil, err
		}
		if catalog, err = r.catalogOf(ctx, infos.entries(), wals); err != nil {
			return nil, err
		}
	}
	if err := infos.refusal(); err != nil {
		return nil, err
	}
	listing := q.listing(catalog)
	if listing.Window != nil && !infos.complete() {
		listing.Window.LastBackupID = ""
	}
	return listing, nil
}

// oldestToNewest is the catalogue with what has been read and the oldest and the newest backup that are done; true where
// its window is that of the whole archive: where no WAL is missing from the oldest one on to the very last segment.
func (r *reader) oldestToNewest(ctx context.Context, infos *infos, wals walFiles) (*recovery.Catalog, bool, error) {
	newest, err := infos.first(ctx, slices.Backward(infos.times), func(b *recovery.Backup) bool {
		return b.Status == recovery.StatusDone && b.SystemID != ""
	})
	if err != nil || newest == nil {
		return nil, false, err
	}
	oldest, err := infos.first(ctx, slices.All(infos.times), func(b *recovery.Backup) bool {
		return b.Status == recovery.StatusDone && (b.SystemID == newest.SystemID || b.SystemID == "")
	})
	if err != nil {
		return nil, false, err
	}
	catalog, err := r.catalogOf(ctx, infos.entries(), wals)
	if err != nil {
		return nil, false, err
	}
	window, ok := catalog.Window()
	last, _ := catalog.WAL.Newest()
	exact := ok && window.FirstBackupID == oldest.ID && window.Gap == nil && window.LatestWAL == last.Name(catalog.WAL.SegmentSize())
	return catalog, exact, nil
}

// listing is what of a catalogue the query asks for.
func (q Query) listing(catalog *recovery.Catalog) *Listing {
	listing := &Listing{Empty: catalog.Empty()}
	recovery.Supersede(catalog.Backups) // the newest one that is done has been read in any case
	if window, ok := catalog.Window(); ok {
		listing.Window = &window
	}
	if history, backup := catalog.Obstacle(); history != nil {
		listing.Unread, listing.UnreadFrom = history, backup.ID
	}
	for i := range catalog.Backups {
		if q.Limit > 0 && len(listing.Backups) == q.Limit {
			break
		}
		if q.matches(&catalog.Backups[i]) {
			listing.Backups = append(listing.Backups, catalog.Backups[i])
		}
	}
	return listing
}

// matches tells whether a backup that was read is one of those that are asked for.
func (q Query) matches(b *recovery.Backup) bool {
	if !q.StartedAfter.IsZero() || !q.StartedBefore.IsZero() {
		start := b.BeginTime
		if start.IsZero() {
			start, _ = recovery.ParseBackupID(b.ID)
		}
		switch {
		case start.IsZero(),
			!q.StartedAfter.IsZero() && !start.After(q.StartedAfter),
			!q.StartedBefore.IsZero() && !start.Before(q.StartedBefore):
			return false
		}
	}
	return q.Keep == nil || q.Keep(b)
}

// A folder's name is the time at which barman was started, by the clock on that machine's wall: in some zone, and before
// PostgreSQL began the backup, which a checkpoint can delay.
const (
	zonesEast = 14 * time.Hour
	zonesWest = 12 * time.Hour
	delay     = 24 * time.Hour
)

// may tells by its name, a time, whether a backup can be one of those that are asked for.
func (q Query) may(id string) bool {
	at, _ := recovery.ParseBackupID(id)
	switch {
	case !q.StartedAfter.IsZero() && at.Before(q.StartedAfter.Add(-zonesWest-delay)):
		return false
	case !q.StartedBefore.IsZero() && at.After(q.StartedBefore.Add(zonesEast)):
		return false
	}
	return true
}

// infos are the backups of one archive, each read when it is asked for.
type infos struct {
	reader  *reader
	folders []string // all names
	times   []string // those that are times, oldest first
	foreign []string // the others
	files   []recovery.Backup

	mu     sync.Mutex
	known  map[string]*recovery.Backup
	denied []error // nil for one that was not refused
}

func newInfos(r *reader, folders []string, files []recovery.Backup) *infos {
	i := &infos{reader: r, folders: folders, files: files, known: map[string]*recovery.Backup{}}
	for _, id := range folders {
		if _, ok := recovery.ParseBackupID(id); ok {
			i.times = append(i.times, id)
		} else {
			i.foreign = append(i.foreign, id)
		}
	}
	return i
}

// read reads those among the folders that are not yet known, 16 at once.
func (i *infos) read(ctx context.Context, folders []string) error {
	unknown := slices.DeleteFunc(slices.Clone(folders), func(id string) bool { return i.known[id] != nil })
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for _, id := range unknown {
		group.Go(func() error {
			b, denied, err := i.reader.knownBackup(ctx, id)
			if err != nil {
				return err
			}
			i.mu.Lock()
			defer i.mu.Unlock()
			i.known[id] = &b
			i.denied = append(i.denied, denied)
			return nil
		})
	}
	return group.Wait()
}

// find reads the newest backups until the query is answered, and beside them the oldest one, which the window begins with,
// those that no name dates, which it may begin with, and the newest one, which tells what is superseded.
func (i *infos) find(ctx context.Context, q Query) error {
	var candidates []string
	for _, id := range slices.Backward(i.times) {
		if q.may(id) {
			candidates = append(candidates, id)
		}
	}
	candidates = append(candidates, i.foreign...)
	filtered := q.Keep != nil || !q.StartedAfter.IsZero() || !q.StartedBefore.IsZero()
	ends := i.times
	if len(ends) > 2 {
		ends = []string{ends[0], ends[len(ends)-1]}
	}
	missing, beside := q.Limit, slices.Concat(ends, i.foreign)
	for len(candidates) > 0 && (q.Limit == 0 || missing > 0) {
		n := missing
		switch {
		case q.Limit == 0:
			n = len(candidates)
		case filtered: // reading one is as quick as reading sixteen
			n = max(n, concurrency)
		}
		batch := candidates[:min(n, len(candidates))]
		candidates = candidates[len(batch):]
		if err := i.read(ctx, slices.Concat(batch, without(beside, batch))); err != nil {
			return err
		}
		beside = nil
		if err := i.supersede(ctx, q, batch); err != nil {
			return err
		}
		for _, id := range batch {
			if q.matches(i.known[id]) {
				missing--
			}
		}
	}
	return i.read(ctx, beside)
}

// supersede notes what of a batch is superseded, where the query is to judge by it.
func (i *infos) supersede(ctx context.Context, q Query, batch []string) error {
	ended := func(id string) bool { return i.known[id].Status.Ended() }
	if q.Keep == nil || !slices.ContainsFunc(batch, func(id string) bool { return !ended(id) }) {
		return nil
	}
	done, err := i.first(ctx, slices.Backward(i.times), func(b *recovery.Backup) bool { return b.Status == recovery.StatusDone })
	if err != nil || done == nil {
		return err
	}
	for _, id := range batch {
		i.known[id].Supersede(done.ID)
	}
	return nil
}

func without(ids, others []string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return slices.Contains(others, id) })
}

// first is the first backup in an order that fulfils a condition, nil where none does. The first one is read alone, since as
// a rule it does, and the others 16 at once.
func (i *infos) first(ctx context.Context, order func(func(int, string) bool), wanted func(*recovery.Backup) bool) (*recovery.Backup, error) {
	var ids []string
	for _, id := range order {
		ids = append(ids, id)
	}
	for n := 1; len(ids) > 0; n = concurrency {
		batch := ids[:min(n, len(ids))]
		ids = ids[len(batch):]
		if err := i.read(ctx, batch); err != nil {
			return nil, err
		}
		for _, id := range batch {
			if wanted(i.known[id]) {
				return i.known[id], nil
			}
		}
	}
	return nil, nil //nolint:nilnil // there need not be one
}

// entries are what has been read, and what is no backup's folder, newest first.
func (i *infos) entries() []recovery.Backup {
	all := slices.Clone(i.files)
	for _, b := range i.known {
		all = append(all, *b)
	}
	recovery.SortBackups(all)
	return all
}

func (i *infos) complete() bool { return len(i.known) == len(i.folders) }

// refusal is the error where nothing at all could be read: one refused file is that file's matter, all of them are a
// missing right.
func (i *infos) refusal() error {
	if len(i.denied) > 0 && !slices.Contains(i.denied, nil) {
		return i.denied[0]
	}
	return nil
}
