// Package cache keeps what the platform builds (binaries, root file systems, images) in a folder outside
// the clone, keyed by the recipe that made it. An entry is either whole or absent: it is built under a
// temporary name and renamed when done, so an interrupted build leaves nothing that is taken for a result.
package cache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// EnvDir overrides the folder of the cache.
const EnvDir = "PGPLATFORM_CACHE"

// Cache is a folder of entries named <name>-<key>.
type Cache struct{ dir string }

// Open returns the cache in $PGPLATFORM_CACHE, else in ~/.cache/pgplatform. The folder is made.
func Open() (*Cache, error) {
	dir := os.Getenv(EnvDir)
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("find the cache folder: %w (set %s)", err, EnvDir)
		}
		dir = filepath.Join(base, "pgplatform")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the cache folder: %w", err)
	}
	return &Cache{dir: dir}, nil
}

// Dir is the absolute path of the cache's folder.
func (c *Cache) Dir() string { return c.dir }

// Key hashes the parts of a recipe: versions, file contents, keys of the entries it builds on.
func Key(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s,", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil))[:keyLength]
}

const keyLength = 16

// Path is where the entry of that name and key lies once it is built.
func (c *Cache) Path(name, key string) string {
	return filepath.Join(c.dir, name+"-"+key)
}

// Has tells whether the entry is there, whole.
func (c *Cache) Has(name, key string) bool {
	_, err := os.Lstat(c.Path(name, key))
	return err == nil
}

// Get returns the path of the entry, building it first where it is missing. build makes a file or a folder
// at the path it is given. Two processes that want one entry build it once: the second waits for the first.
// Older entries of the same name that nobody has used for a month are removed.
func (c *Cache) Get(ctx context.Context, name, key string, build func(ctx context.Context, path string) error) (string, error) {
	final := c.Path(name, key)
	if c.Has(name, key) {
		now := time.Now()
		_ = os.Chtimes(final, now, now)
		return final, nil
	}
	unlock, err := c.Lock(ctx, name, func() {})
	if err != nil {
		return "", err
	}
	defer unlock()
	if c.Has(name, key) {
		return final, nil
	}

	partial := filepath.Join(c.dir, ".partial-"+name)
	if err := removeAll(partial); err != nil {
		return "", fmt.Errorf("remove the half result %s: %w", partial, err)
	}
	if err := build(ctx, partial); err != nil {
		return "", errors.Join(err, removeAll(partial))
	}
	if err := os.Rename(partial, final); err != nil {
		return "", fmt.Errorf("keep %s: %w", name, err)
	}
	c.prune(name, key)
	return final, nil
}

const unusedFor = 30 * 24 * time.Hour

func (c *Cache) prune(name, keep string) {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		key, ours := strings.CutPrefix(e.Name(), name+"-")
		if !ours || len(key) != len(keep) || key == keep {
			continue
		}
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > unusedFor {
			_ = removeAll(filepath.Join(c.dir, e.Name()))
		}
	}
}

// KeepNewest removes all but the n entries of the name that were used last: for what is too big to be kept
// for a month.
func (c *Cache) KeepNewest(name string, n int) {
	type used struct {
		path string
		at   time.Time
	}
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return
	}
	var all []used
	for _, e := range entries {
		key, ours := strings.CutPrefix(e.Name(), name+"-")
		if info, err := e.Info(); err == nil && ours && len(key) == keyLength {
			all = append(all, used{path: filepath.Join(c.dir, e.Name()), at: info.ModTime()})
		}
	}
	slices.SortFunc(all, func(a, b used) int { return b.at.Compare(a.at) })
	for _, old := range all[min(n, len(all)):] {
		_ = removeAll(old.path)
	}
}

// Lock waits until no other process has the lock of that name, and says so where it has to.
func (c *Cache) Lock(ctx context.Context, name string, waiting func()) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(c.dir, ".lock-"+name), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for told := false; ; {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			_ = f.Close()
			return nil, fmt.Errorf("lock the cache entry %s: %w", name, err)
		}
		if !told {
			waiting()
			told = true
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// removeAll removes a tree in which a package manager left folders without write permission.
func removeAll(path string) error {
	if err := os.RemoveAll(path); err == nil {
		return nil
	}
	_ = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(p, 0o700)
		}
		return nil
	})
	return os.RemoveAll(path)
}
