//go:build !linux

package apiserver

import "syscall"

// endingWithUs starts a process in a group of its own. Elsewhere no kernel ends it when this one is killed.
func endingWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
