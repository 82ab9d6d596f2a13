package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	mebi = 1 << 20
	// smallest is the least that mkfs.xfs makes a file system of.
	smallest = 300 * mebi
)

// Disks are file systems of fixed sizes in one folder of the node: each an XFS in a sparse file, mounted by a loop
// device that goes with its last mount. It is XFS, since the kernel lets nobody without CAP_SYS_RESOURCE grow an ext4 that
// is mounted, and some machines withhold that even from root.
type Disks struct{ Folder string }

func (d Disks) files() string { return filepath.Join(d.Folder, "files") }

func (d Disks) file(name string) string { return filepath.Join(d.files(), name+".xfs") }

func (d Disks) mount(name string) string { return filepath.Join(d.Folder, "mounts", name) }

// Path is the folder in a disk that is a pod's. Unlike the mount point it is not there while the disk is not mounted, so
// that no pod begins anew in an empty folder.
func (d Disks) Path(name string) string { return filepath.Join(d.mount(name), "data") }

// Fit is the size of a disk that has at least that many bytes.
func Fit(bytes int64) int64 { return max(smallest, (bytes+mebi-1)/mebi*mebi) }

// Make makes a disk of that size and mounts it. What of it is there already stays.
func (d Disks) Make(ctx context.Context, name string, size int64) error {
	if err := os.MkdirAll(d.files(), 0o700); err != nil {
		return err
	}
	if _, err := os.Stat(d.file(name)); errors.Is(err, fs.ErrNotExist) {
		// It gets its name when it is whole.
		partial := d.file(name) + ".partial"
		if err := format(ctx, partial, size); err != nil {
			return err
		}
		if err := os.Rename(partial, d.file(name)); err != nil {
			return err
		}
	}
	if err := d.Mount(name); err != nil {
		return err
	}
	if err := os.MkdirAll(d.Path(name), 0o777); err != nil {
		return err
	}
	// Whoever the pod runs as; the umask has taken some of it.
	return os.Chmod(d.Path(name), 0o777)
}

// format makes a file with an empty file system.
func format(ctx context.Context, file string, size int64) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(size), f.Close()); err != nil {
		return err
	}
	return run(ctx, "mkfs.xfs", "-q", "-f", file)
}

// Mount mounts the disk where it is not.
func (d Disks) Mount(name string) error {
	mount := d.mount(name)
	if err := os.MkdirAll(mount, 0o755); err != nil {
		return err
	}
	if mounted, err := isMounted(mount); mounted || err != nil {
		return err
	}
	// Held open until it is mounted: a loop device goes with whoever used it last.
	device, err := attach(d.file(name))
	if err != nil {
		return fmt.Errorf("attach a loop device to %s: %w", d.file(name), err)
	}
	defer device.Close()
	if err := unix.Mount(device.Name(), mount, "xfs", unix.MS_NOATIME, ""); err != nil {
		return fmt.Errorf("mount %s: %w", d.file(name), err)
	}
	return nil
}

// MountAll mounts every disk that there is, as after a restart of the node.
func (d Disks) MountAll() error {
	files, err := filepath.Glob(d.file("*"))
	if err != nil {
		return err
	}
	var errs []error
	for _, f := range files {
		errs = append(errs, d.Mount(strings.TrimSuffix(filepath.Base(f), ".xfs")))
	}
	return errors.Join(errs...)
}

// Enlarge gives the disk's file that size where it is smaller. The file system does not see it yet.
func (d Disks) Enlarge(name string, size int64) error {
	info, err := os.Stat(d.file(name))
	if err != nil {
		return err
	}
	if info.Size() >= size {
		return nil
	}
	return os.Truncate(d.file(name), size)
}

// Extend grows the mounted file system to the size of its file.
func (d Disks) Extend(ctx context.Context, name string) error {
	mount := d.mount(name)
	if mounted, err := isMounted(mount); !mounted {
		return errors.Join(fmt.Errorf("%s is not mounted", name), err)
	}
	if err := setCapacity(mount); err != nil {
		return fmt.Errorf("set the capacity of the loop device of %s: %w", mount, err)
	}
	return run(ctx, "xfs_growfs", "-d", mount)
}

// Remove unmounts the disk, with which its loop device goes, and removes its file.
func (d Disks) Remove(name string) error {
	mount := d.mount(name)
	mounted, err := isMounted(mount)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if mounted {
		if err := unix.Unmount(mount, 0); err != nil {
			return fmt.Errorf("unmount %s: %w", mount, err)
		}
	}
	for _, path := range []string{mount, d.file(name), d.file(name) + ".partial"} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// isMounted tells whether something is mounted on the folder: then it is on another device than the folder above.
func isMounted(folder string) (bool, error) {
	var here, above unix.Stat_t
	if err := unix.Stat(folder, &here); err != nil {
		return false, err
	}
	if err := unix.Stat(filepath.Dir(folder), &above); err != nil {
		return false, err
	}
	return here.Dev != above.Dev, nil
}

func run(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(out)))
	}
	return nil
}
