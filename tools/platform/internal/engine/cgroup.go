package engine

import (
	"bufio"
	"context"
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

// removeCgroups removes the containers' cgroups from every hierarchy: the kernel keeps empty ones.
func removeCgroups(ctx context.Context) error {
	mounts, err := cgroupMounts()
	if err != nil {
		return fmt.Errorf("list the cgroup hierarchies: %w", err)
	}
	for _, mount := range mounts {
		root := filepath.Join(mount, cgroupParent)
		// Processes of the engine that just ended may take a moment to leave theirs.
		err := poll(ctx, 10*time.Second, func() (bool, error) {
			err := removeCgroup(root)
			if errors.Is(err, unix.EBUSY) {
				return false, nil
			}
			return err == nil, err
		})
		if err != nil {
			return fmt.Errorf("remove the cgroup %s: %w", root, err)
		}
	}
	return nil
}

func cgroupMounts() ([]string, error) {
	f, err := os.Open("/proc/self/mounts")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var mounts []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		// device, mount point, type, …
		fields := strings.Fields(lines.Text())
		if len(fields) > 2 && (fields[2] == "cgroup" || fields[2] == "cgroup2") {
			mounts = append(mounts, fields[1])
		}
	}
	return mounts, lines.Err()
}

// removeCgroup removes a folder of cgroups from the leaves up. The files in them cannot and need not be removed.
func removeCgroup(root string) error {
	var dirs []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, dir := range slices.Backward(dirs) {
		if err := unix.Rmdir(dir); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return nil
}
