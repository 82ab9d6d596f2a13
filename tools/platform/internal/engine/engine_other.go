//go:build !linux

package engine

import (
	"context"
	"errors"
	"syscall"
)

// Elsewhere the platform runs on an ordinary Docker engine only: Check refuses before any of these is reached,
// but for disconnect, which finds nothing to wait for.
var errNotLinux = errors.New("a Docker engine of its own takes Linux")

func connect(int) error { return errNotLinux }

func disconnect(context.Context) error { return nil }

func ownNamespaces() *syscall.SysProcAttr { return nil }

func ownMounts() error { return errNotLinux }
