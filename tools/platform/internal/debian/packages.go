// Package debian gets what the platform needs from Debian: missing packages onto this machine, and whole
// root file systems for images.
package debian

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
)

// Ensure installs the packages that are missing on this machine. Their services are not started.
// Where that cannot be done the error has the command to type.
func Ensure(ctx context.Context, s *progress.Step, pkgs ...string) error {
	var missing []string
	for _, p := range pkgs {
		if !installed(ctx, p) {
			missing = append(missing, p)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	command := "apt-get install --no-install-recommends " + strings.Join(missing, " ")
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("this machine lacks %s and has no apt-get to install it", strings.Join(missing, ", "))
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("this machine lacks %s; run: sudo %s", strings.Join(missing, ", "), command)
	}

	allow, err := forbidServices()
	if err != nil {
		return err
	}
	defer allow()
	install := append([]string{"install", "--yes", "--no-install-recommends"}, missing...)
	if err := apt(ctx, s, install...); err == nil {
		return nil
	}
	// The package lists may be absent or older than the archive.
	if err := apt(ctx, s, "update"); err != nil {
		return fmt.Errorf("install %s: %w", strings.Join(missing, ", "), err)
	}
	if err := apt(ctx, s, install...); err != nil {
		return fmt.Errorf("%w; try by hand: apt-get update && %s", err, command)
	}
	return nil
}

func installed(ctx context.Context, pkg string) bool {
	out, err := exec.CommandContext(ctx, "dpkg-query", "--show", "--showformat=${db:Status-Status}", pkg).Output()
	return err == nil && string(out) == "installed"
}

func apt(ctx context.Context, s *progress.Step, args ...string) error {
	cmd := s.Command(ctx, "apt-get", append([]string{"--option", "DPkg::Lock::Timeout=300"}, args...)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_SUSPEND=1")
	return progress.Explain(cmd.Run(), "apt-get "+args[0])
}

const policyFile = "/usr/sbin/policy-rc.d"

// forbidServices keeps packages from starting their daemons (docker.io would start one in the machine's
// network namespace) and returns what allows it again. A policy that is there already is left as it is.
func forbidServices() (func(), error) {
	f, err := os.OpenFile(policyFile, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if errors.Is(err, os.ErrExist) {
		return func() {}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("keep packages from starting services: %w", err)
	}
	remove := func() { _ = os.Remove(policyFile) }
	_, err = f.WriteString("#!/bin/sh\nexit 101\n")
	if err := errors.Join(err, f.Close()); err != nil {
		remove()
		return nil, fmt.Errorf("keep packages from starting services: %w", err)
	}
	return remove, nil
}
