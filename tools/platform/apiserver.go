package main

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/apiserver"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/gobuild"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/workload"
)

func apiserverCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "apiserver -- command [argument...]",
		Short: "Run a Kubernetes API server alone, with the definitions of CloudNativePG and its plugin, for as long as a command runs",
		Long: `Run etcd and a Kubernetes API server on loopback for as long as a command runs, and remove them.

The API server knows the kinds of CloudNativePG and its Barman Cloud plugin, but there is no operator, no node and no controller: objects are stored, and
nothing happens. It has nothing to do with the platform and can run beside it. The command finds it by KUBECONFIG and
KUBE_CONFIG_PATH. One runs at a time; a second waits. The exit code is the command's.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			// What the command prints may be meant for another program.
			p, err := openTelling(cmd, os.Stderr)
			if err != nil {
				return err
			}
			return p.withAPIServer(cmd.Context(), args)
		},
	}
	cmd.Flags().SetInterspersed(false)
	return cmd
}

// withAPIServer runs the command beside an API server, and ends with the command's error.
func (p *platform) withAPIServer(ctx context.Context, command []string) error {
	etcd, err := gobuild.Get(ctx, p.cache, p.Reporter, p.moduleRoot(), gobuild.Etcd)
	if err != nil {
		return err
	}
	program, err := gobuild.Get(ctx, p.cache, p.Reporter, p.moduleRoot(), gobuild.APIServer)
	if err != nil {
		return err
	}
	// The folder is always the same one, so that what a killed run leaves goes with the next.
	const name = "apiserver"
	unlock, err := p.cache.Lock(ctx, name, func() { p.Say("another run has its API server up: waiting for its end") })
	if err != nil {
		return err
	}
	defer unlock()
	server := &apiserver.Server{Dir: filepath.Join(p.cache.Dir(), name), Etcd: etcd, APIServer: program}

	err = p.Run(ctx, "Start an API server", func(ctx context.Context, s *progress.Step) error {
		if err := server.Start(ctx, s); err != nil {
			return err
		}
		w := &workload.Workload{Cache: p.cache, ModuleRoot: p.moduleRoot(), Kubeconfig: server.Kubeconfig()}
		return w.Define(ctx, s)
	})
	if err == nil {
		err = runHolding(ctx, command, "KUBECONFIG="+server.Kubeconfig(), "KUBE_CONFIG_PATH="+server.Kubeconfig())
	}
	if stopErr := server.Stop(); stopErr != nil {
		// Joined to the command's exit code it would not be printed.
		p.Say("the API server was not removed: %v", stopErr)
		err = cmp.Or[error](err, errSilent)
	}
	if ctx.Err() != nil && !errors.As(err, new(exitCode)) {
		return errSilent // the steps have told where it was interrupted
	}
	return err
}
