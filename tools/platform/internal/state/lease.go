package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Hold notes that this process needs the platform, for which what is a name that people understand, until release is
// called or the process ends, in whatever way. A process holds it once. Whoever calls has the lock.
func (d Dir) Hold(what string) (release func(), err error) {
	if err := os.MkdirAll(d.leases(), 0o700); err != nil {
		return nil, fmt.Errorf("hold the platform: %w", err)
	}
	// Locked before it gets its name, so that nobody takes it for one whose process is gone.
	f, err := os.CreateTemp(d.leases(), ".new-*")
	if err != nil {
		return nil, fmt.Errorf("hold the platform: %w", err)
	}
	path := filepath.Join(d.leases(), strconv.Itoa(os.Getpid()))
	_, err = fmt.Fprintf(f, "%s (process %d, since %s)", what, os.Getpid(), time.Now().Format(time.TimeOnly))
	if err == nil {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("hold the platform: %w", err), os.Remove(f.Name()), f.Close())
	}
	return func() {
		_ = os.Remove(path) // gone already where the platform was taken down all the same
		_ = f.Close()
	}, nil
}

// Holders tells who holds the platform now.
func (d Dir) Holders() ([]string, error) {
	entries, err := os.ReadDir(d.leases())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("see who holds the platform: %w", err)
	}
	var holders []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		holder, err := readLease(filepath.Join(d.leases(), e.Name()))
		if err != nil {
			return nil, fmt.Errorf("see who holds the platform: %w", err)
		}
		if holder != "" {
			holders = append(holders, holder)
		}
	}
	return holders, nil
}

// readLease returns "" for a lease that was given back, or whose process is gone.
func readLease(path string) (string, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	// Shared, so that two who look at once do not take each other for the holder.
	err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if !errors.Is(err, unix.EWOULDBLOCK) {
		return "", err
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(text), err
}

func (d Dir) leases() string { return d.Path("leases") }
