package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
)

func holdCommand() *cobra.Command {
	var images string
	var keep bool
	cmd := &cobra.Command{
		Use:   "hold [flags] -- command [argument...]",
		Short: "Bring the platform up for as long as a command runs",
		Long: `Bring the platform up, run a command, and take the platform down again.

It stays up where platform up was called for it before or meanwhile, and while others hold it, of whom the last one
takes it down. Where the command fails, the platform's logs are collected first. The exit code is the command's.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := open(cmd)
			if err != nil {
				return err
			}
			return p.hold(cmd.Context(), images, keep, args)
		},
	}
	cmd.Flags().SetInterspersed(false)
	imagesFlag(cmd, &images)
	cmd.Flags().BoolVar(&keep, "keep", false, "leave the platform up, as platform up does")
	return cmd
}

// hold runs the command with the platform up, and ends with the command's error.
func (p *platform) hold(ctx context.Context, images string, keep bool, command []string) error {
	unlock, err := p.lock(ctx, "hold")
	if err != nil {
		// There is nothing to leave, and leaving would wait for the same lock.
		return err
	}
	release, err := p.upAndHold(ctx, images, keep, strings.Join(command, " ")+" in "+p.clone)
	unlock()
	if err == nil {
		err = runHolding(ctx, command)
	}
	// What is left to do is done after an interrupt, too; a second one ends that at once.
	after := context.WithoutCancel(ctx)
	if err != nil && ctx.Err() == nil && p.record != nil {
		if logs := p.newLogsDir(); p.collect(after, logs) == nil {
			p.Say("the platform's logs: %s", logs)
		}
	}
	release()
	if leaveErr := p.leave(after); leaveErr != nil {
		// Joined to the command's exit code it would not be printed.
		p.Say("the platform was not brought down: %v", leaveErr)
		err = cmp.Or[error](err, errSilent)
	}
	return err
}

// upAndHold leaves no moment in which the platform is up for this process and could be taken down by another: whoever
// calls has the lock. Release is never nil.
func (p *platform) upAndHold(ctx context.Context, images string, keep bool, what string) (release func(), err error) {
	release = func() {}
	if err := p.up(ctx, images, !keep); err != nil {
		return release, err
	}
	held, err := p.state.Hold(what)
	if err != nil {
		return release, err
	}
	return held, nil
}

// runHolding runs the command in a process group of its own, without input, so that an interrupt reaches all of it, and
// once: this process hands it on. Env is what the command's environment has beyond this process's.
func runHolding(ctx context.Context, command []string, env ...string) error {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	group := func(signal syscall.Signal) error { return syscall.Kill(-cmd.Process.Pid, signal) }
	cmd.Cancel = func() error { return group(syscall.SIGINT) }
	cmd.WaitDelay = 2 * time.Minute // Terraform saves its state, tests remove what they made
	err := cmd.Run()
	if ctx.Err() != nil && cmd.Process != nil {
		_ = group(syscall.SIGKILL) // where something is left
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exitCode(max(exit.ExitCode(), 1))
	}
	if err != nil {
		return fmt.Errorf("run %s: %w", command[0], err)
	}
	return nil
}

// leave takes the platform down where it was brought up only for commands like this one, and none of them runs any more.
// It says something only when that fails, so that the last lines that people see are the command's.
func (p *platform) leave(ctx context.Context) error {
	unlock, err := p.lock(ctx, "down")
	if err != nil {
		return err
	}
	defer unlock()
	if err := p.load(); err != nil {
		return err
	}
	if p.record == nil {
		return p.state.Remove() // the lock has made the folder
	}
	holders, err := p.state.Holders()
	if err != nil || len(holders) > 0 || !p.record.Temporary {
		return err
	}
	var said bytes.Buffer
	told := p.Reporter
	if p.Reporter, err = progress.New(&said, filepath.Dir(told.LogDir())); err != nil {
		return err
	}
	if err := p.Run(ctx, "Bring the platform down", p.remove); err != nil {
		told.Say("%s", strings.TrimSpace(said.String()))
		return err
	}
	return nil
}

// exitCode is the failure of a held command, which has said itself what there is to say.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }
