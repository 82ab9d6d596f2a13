//go:build !linux

package ociruntime

import (
	"errors"
	"io"
)

var errNotLinux = errors.New("containers are a matter of Linux")

// Run needs Linux.
func Run([]string) error { return errNotLinux }

// Guard needs Linux.
func Guard(io.Reader) error { return errNotLinux }
