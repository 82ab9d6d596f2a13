package archive

import (
	"context"
	"errors"
	"fmt"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

// ErrNoBackup is an archive that does not hold the base backup that was asked for, or not its backup.info.
var ErrNoBackup = errors.New("there is no such base backup")

// Backup reads one base backup of a server's archive in one request. A backup.info that cannot be parsed gives an entry
// that says so, as in a [Client.Catalog]; where there is none the error is [ErrNoBackup].
func (c *Client) Backup(ctx context.Context, loc Location, server, id string) (*recovery.Backup, error) {
	r := newReader(c, loc, server)
	backup, denied, err := r.backup(ctx, id)
	if err = errors.Join(denied, err); err == nil && backup.Status == recovery.StatusIncomplete {
		err = ErrNoBackup
	}
	if err != nil {
		return nil, fmt.Errorf("reading the base backup %s of %s in %s: %w", id, server, loc, err)
	}
	return &backup, nil
}
