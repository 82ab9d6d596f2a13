package archive

import (
	"context"
	"fmt"
	"path"
	"slices"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

// SystemID is the identifier of the database that took the newest base backup in a server's folder; "" where no backup
// tells. It costs one listing per 1,000 backups and, as a rule, one read.
func (c *Client) SystemID(ctx context.Context, loc Location, server string) (string, error) {
	r := newReader(c, loc, server)
	id, err := r.systemID(ctx)
	if err != nil {
		return "", fmt.Errorf("reading the newest backup of %s in %s: %w", server, loc, err)
	}
	return id, nil
}

func (r *reader) systemID(ctx context.Context) (string, error) {
	listed, err := r.client.listAll(ctx, listing{bucket: r.loc.Bucket, prefix: r.loc.base(r.server), delimiter: "/"})
	if err != nil {
		return "", err
	}
	slices.Sort(listed.folders)
	for _, folder := range slices.Backward(listed.folders) {
		backup, denied, err := r.backup(ctx, path.Base(folder))
		switch {
		case err != nil:
			return "", err
		case denied != nil:
			return "", denied
		case backup.Status == recovery.StatusDone && backup.SystemID != "":
			return backup.SystemID, nil
		}
	}
	return "", nil
}
