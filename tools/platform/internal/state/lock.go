package state

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const lookAgain = 300 * time.Millisecond

// Lock waits until nobody else changes the platform and returns what releases it. While another run has it,
// waiting is called once with a description of that run.
func (d Dir) Lock(ctx context.Context, what string, waiting func(holder string)) (func(), error) {
	told := false
	for {
		f, err := d.tryLock()
		if err != nil {
			return nil, fmt.Errorf("lock the platform: %w", err)
		}
		if f != nil {
			// Only a hint for those who wait: losing it does no harm.
			_ = f.Truncate(0)
			_, _ = fmt.Fprintf(f, "%q, process %d, since %s", what, os.Getpid(), time.Now().Format(time.TimeOnly))
			return func() { _ = f.Close() }, nil
		}
		if !told {
			waiting(d.holder())
			told = true
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(lookAgain):
		}
	}
}

// tryLock returns nil where another process holds the lock. The file counts only while it is the one that the
// path names: bringing the platform down removes the folder, and the lock with it, under those who wait.
func (d Dir) tryLock() (*os.File, error) {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(d.lockFile(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, f.Close()
	}
	if err == nil {
		var have, named os.FileInfo
		if have, err = f.Stat(); err == nil {
			if named, _ = os.Stat(d.lockFile()); named != nil && os.SameFile(have, named) {
				return f, nil
			}
		}
	}
	return nil, errors.Join(err, f.Close())
}

func (d Dir) holder() string {
	f, err := os.Open(d.lockFile())
	if err != nil {
		return "another run"
	}
	defer f.Close()
	b, _ := io.ReadAll(f)
	if s := strings.TrimSpace(string(b)); s != "" {
		return s
	}
	return "another run"
}

func (d Dir) lockFile() string { return d.Path("lock") }
