package main

import (
	"path/filepath"
	"testing"
)

func TestFit(t *testing.T) {
	t.Parallel()
	for bytes, want := range map[int64]int64{
		0: 300 * mebi, 300 * mebi: 300 * mebi, 300*mebi + 1: 301 * mebi, 1 << 30: 1 << 30,
	} {
		if got := Fit(bytes); got != want {
			t.Errorf("Fit(%d) = %d, want %d", bytes, got, want)
		}
	}
}

func TestIsMounted(t *testing.T) {
	t.Parallel()
	if mounted, err := isMounted("/proc"); err != nil || !mounted {
		t.Errorf("/proc is mounted: %t, %v", mounted, err)
	}
	if mounted, err := isMounted(t.TempDir()); err != nil || mounted {
		t.Errorf("a folder is mounted: %t, %v", mounted, err)
	}
}

// Kubernetes asks again for what it has not seen to be gone.
func TestRemoveOfNothing(t *testing.T) {
	t.Parallel()
	d := Disks{Folder: filepath.Join(t.TempDir(), "volumes")}
	if err := d.Remove("pvc-1"); err != nil {
		t.Error(err)
	}
	if err := d.MountAll(); err != nil {
		t.Error(err)
	}
}
