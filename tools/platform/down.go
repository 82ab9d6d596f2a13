package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/kindcluster"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
)

func downCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Remove the platform from the machine, unless somebody holds it; what was built stays in the cache",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := open(cmd)
			if err != nil {
				return err
			}
			return p.down(cmd.Context(), force)
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "remove it under those who hold it, too")
	return cmd
}

// down removes whatever there is of the platform, whole or not. Without force it leaves what somebody holds.
func (p *platform) down(ctx context.Context, force bool) error {
	unlock, err := p.lock(ctx, "down")
	if err != nil {
		return err
	}
	defer unlock()
	holders, err := p.state.Holders()
	if err != nil {
		return err
	}
	if len(holders) > 0 && !force {
		return fmt.Errorf("the platform is in use (platform down --force removes it all the same):\n  %s", strings.Join(holders, "\n  "))
	}
	if err := p.load(); err != nil {
		// Without the record the platform is taken for one with an engine of its own.
		p.Say("%v", err)
	}
	nothing := p.record == nil
	if err := p.Run(ctx, "Bring the platform down", p.remove); err != nil {
		return err
	}
	if nothing {
		p.Say("no platform was up")
	}
	return nil
}

func (p *platform) remove(ctx context.Context, s *progress.Step) error {
	if p.record == nil || p.builtEngine() {
		if err := p.removeEngine(ctx, s); err != nil {
			return err
		}
	} else {
		if err := p.useEngine(); err != nil {
			return err
		}
		if err := p.cluster().Delete(ctx, s.Log); err != nil {
			return err
		}
		kindcluster.DeleteNetwork(ctx, s.Log)
	}
	if err := os.Remove(p.envFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return p.state.Remove()
}

// removeEngine removes the engine with what runs in it. The node image stays loaded in its data where the
// cluster could be deleted in good order; else all data goes.
func (p *platform) removeEngine(ctx context.Context, s *progress.Step) error {
	e := p.engine()
	if p.record != nil && e.Running(ctx) {
		if err := e.UseEnvironment(); err != nil {
			return err
		}
		orderly, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		if err := p.cluster().Delete(orderly, s.Log); err == nil {
			kindcluster.DeleteNetwork(orderly, s.Log)
		} else if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if err := e.Stop(ctx); err != nil {
		return err
	}
	if e.Tidy() {
		return nil
	}
	return e.RemoveData()
}
