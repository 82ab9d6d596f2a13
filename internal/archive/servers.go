package archive

import (
	"context"
	"fmt"
	"path"

	"golang.org/x/sync/errgroup"
)

// Servers lists the folders in the location that hold backups or WAL, by name.
//
// It costs one listing per 1,000 folders, and one or two that ask for a single key for each folder; a folder that this client
// has seen to be an archive is not asked for again.
func (c *Client) Servers(ctx context.Context, loc Location) ([]string, error) {
	top, err := c.listAll(ctx, listing{bucket: loc.Bucket, prefix: loc.folder(), delimiter: "/"})
	if err != nil {
		return nil, fmt.Errorf("listing the servers in %s: %w", loc, err)
	}
	found := make([]bool, len(top.folders))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for i, folder := range top.folders {
		group.Go(func() (err error) {
			found[i], err = c.isArchive(ctx, loc.Bucket, folder)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("listing the servers in %s: %w", loc, err)
	}
	var servers []string
	for i, folder := range top.folders {
		if found[i] {
			servers = append(servers, path.Base(folder))
		}
	}
	return servers, nil
}

// isArchive tells whether anything lies in a folder where barman puts base backups or WAL.
func (c *Client) isArchive(ctx context.Context, bucket, folder string) (bool, error) {
	key := bucket + "/" + folder
	if _, known := c.archives.Load(key); known {
		return true, nil
	}
	for _, inside := range []string{"base/", "wals/"} {
		p, err := c.list(ctx, listing{bucket: bucket, prefix: folder + inside, max: 1})
		if err != nil {
			return false, err
		}
		if len(p.objects) > 0 {
			c.archives.Store(key, true)
			return true, nil
		}
	}
	return false, nil
}
