package archive

import (
	"context"
	"sync"

	"golang.org/x/sync/singleflight"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

// endedBackups keeps what was read of backups that have ended, by the keys of their files: barman writes no backup.info again after
// that. So those who read one archive after or beside another read each file once, and all the same see what there is when they
// look: which folders there are is listed anew each time, and what has not ended is read anew.
type endedBackups struct {
	known sync.Map // to recovery.Backup
	reads singleflight.Group
}

// backup is what is known of a backup, or what read says.
func (e *endedBackups) backup(ctx context.Context, key string, read func(context.Context) (recovery.Backup, error, error)) (b recovery.Backup, denied, err error) {
	own := false
	_, _, _ = e.reads.Do(key, func() (any, error) {
		own = true
		if known, ok := e.known.Load(key); ok {
			b = known.(recovery.Backup) //nolint:forcetypeassert // only stored below
			return nil, nil             //nolint:nilnil // b is the result
		}
		if b, denied, err = read(ctx); err == nil && (b.Status == recovery.StatusDone || b.Status == recovery.StatusFailed) {
			e.known.Store(key, b)
		}
		return nil, nil //nolint:nilnil // b is the result
	})
	if own {
		return b, denied, err
	}
	// Another's read may have begun before the backup ended, and fails when the other one is cancelled.
	if known, ok := e.known.Load(key); ok {
		return known.(recovery.Backup), nil, nil //nolint:forcetypeassert // only stored above
	}
	return read(ctx)
}
