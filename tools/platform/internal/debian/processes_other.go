//go:build !linux

package debian

import "syscall"

// ownProcesses does nothing: mmdebstrap runs on Linux only.
func ownProcesses() *syscall.SysProcAttr { return nil }
