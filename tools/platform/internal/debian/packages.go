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
	"syscall"

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
	if err := install(ctx, s, missing); err == nil || ctx.Err() != nil {
		return err
	}
	// The package lists may be absent or older than the archive.
	if err := progress.Explain(apt(ctx, s, "update").Run(), "apt-get update"); err != nil {
		return fmt.Errorf("install %s: %w", strings.Join(missing, ", "), err)
	}
	if err := install(ctx, s, missing); err != nil {
		return fmt.Errorf("%w; try by hand: apt-get update && %s", err, command)
	}
	return nil
}

// install downloads packages, which can be interrupted, and then installs them, which goes on to its end whatever becomes of ctx:
// a dpkg that is killed leaves a machine on which nothing can be installed until somebody repairs it.
func install(ctx context.Context, s *progress.Step, pkgs []string) error {
	args := append([]string{"install", "--yes", "--no-install-recommends"}, pkgs...)
	if err := progress.Explain(apt(ctx, s, append(args, "--download-only")...).Run(), "apt-get install"); err != nil {
		return err
	}
	cmd := apt(context.WithoutCancel(ctx), s, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // what a terminal sends at Ctrl-C does not reach it
	if err := progress.Explain(cmd.Run(), "apt-get install"); err != nil {
		return err
	}
	return ctx.Err()
}

func installed(ctx context.Context, pkg string) bool {
	out, err := exec.CommandContext(ctx, "dpkg-query", "--show", "--showformat=${db:Status-Status}", pkg).Output()
	return err == nil && string(out) == "installed"
}

func apt(ctx context.Context, s *progress.Step, args ...string) *exec.Cmd {
	cmd := s.Command(ctx, "apt-get", append([]string{"--option", "DPkg::Lock::Timeout=300"}, args...)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_SUSPEND=1")
	return cmd
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
