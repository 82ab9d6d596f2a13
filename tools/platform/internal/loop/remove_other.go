//go:build !linux

package loop

// Remove has nothing to remove: loop devices are a matter of Linux.
func Remove(int) error { return nil }
