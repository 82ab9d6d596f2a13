package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/cache"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/engine"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/kindcluster"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/state"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/workload"
)

// platform is what every command works on.
type platform struct {
	*progress.Reporter
	clone string // root of the clone that calls
	state state.Dir
	cache *cache.Cache
	// record tells what was started; nil where nothing was.
	record *state.Record
}

// moduleRoot is the folder of tools/platform in the clone.
func (p *platform) moduleRoot() string { return filepath.Join(p.clone, "tools", "platform") }

func (p *platform) engine() engine.Engine {
	return engine.Engine{Dir: p.state.Engine(), Data: filepath.Join(p.cache.Dir(), "docker")}
}

// cluster is the platform's, reached where the record says.
func (p *platform) cluster() kindcluster.Cluster {
	return kindcluster.Cluster{Dir: string(p.state), Kubeconfig: p.state.Kubeconfig(), Address: p.record.Address}
}

// workload is what runs in the cluster.
func (p *platform) workload() *workload.Workload {
	return &workload.Workload{
		Reporter:   p.Reporter,
		Cache:      p.cache,
		ModuleRoot: p.moduleRoot(),
		StateDir:   string(p.state),
		Kubeconfig: p.state.Kubeconfig(),
		Context:    "kind-" + kindcluster.Name,
		Address:    p.record.Address,
	}
}

// builtEngine tells whether the platform runs on an engine of its own.
func (p *platform) builtEngine() bool { return p.record != nil && p.record.Images == imagesBuilt }

// useEngine makes this process talk to the Docker engine that the platform was started on.
func (p *platform) useEngine() error {
	if p.builtEngine() {
		return p.engine().UseEnvironment()
	}
	if p.record != nil && p.record.DockerHost != "" {
		return os.Setenv("DOCKER_HOST", p.record.DockerHost)
	}
	return nil
}

// open finds the folders that a command works with. Nothing is locked yet, and no record read.
func open(cmd *cobra.Command) (*platform, error) { return openTelling(cmd, os.Stdout) }

// openTelling is open for a command whose steps are told on out.
func openTelling(cmd *cobra.Command, out io.Writer) (*platform, error) {
	clone, err := cmd.Flags().GetString("clone")
	if err != nil {
		return nil, err
	}
	if clone, err = cloneRoot(clone); err != nil {
		return nil, err
	}
	p := &platform{clone: clone}
	if p.state, err = state.Open(); err != nil {
		return nil, err
	}
	if p.cache, err = cache.Open(); err != nil {
		return nil, err
	}
	// Not in the state's folder: how long a step took and why it failed is asked after the platform is down, too.
	p.Reporter, err = progress.New(out, filepath.Join(p.cache.Dir(), "progress"))
	return p, err
}

// lock waits until no other run changes the platform.
func (p *platform) lock(ctx context.Context, what string) (func(), error) {
	return p.state.Lock(ctx, what, func(holder string) {
		p.Say("another run has the platform (%s): waiting for it", holder)
	})
}

// load reads what was started.
func (p *platform) load() (err error) {
	p.record, err = p.state.Load()
	return err
}

// cloneRoot returns dir made absolute, or, where it is empty, the clone that the working folder is in.
func cloneRoot(dir string) (string, error) {
	if dir != "" {
		dir, err := filepath.Abs(dir)
		if err == nil && !isClone(dir) {
			err = fmt.Errorf("%s is no clone of the provider: it has no tools/platform", dir)
		}
		return dir, err
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if isClone(dir) {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("the working folder is in no clone of the provider: name one with --clone")
		}
	}
}

func isClone(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "tools", "platform", "go.mod"))
	return err == nil
}
