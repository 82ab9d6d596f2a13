package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/gobuild"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/kindcluster"
)

func logsCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "logs",
		Short: "Collect what one needs when something is stuck into a folder",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := open(cmd)
			if err != nil {
				return err
			}
			if err := p.load(); err != nil {
				return err
			}
			if p.record == nil {
				return errors.New("no platform is up")
			}
			if output == "" {
				output = p.newLogsDir()
			}
			if err := p.collect(cmd.Context(), output); err != nil {
				return err
			}
			p.Say("collected in %s", output)
			return nil
		},
	}
	cmd.Flags().StringVar(&output, "output", "", "the folder to make (default: .platform/logs-<time> in the clone)")
	return cmd
}

// newLogsDir is a folder of the clone that is not there yet.
func (p *platform) newLogsDir() string {
	return filepath.Join(p.clone, ".platform", "logs-"+time.Now().UTC().Format("20060102-150405"))
}

// described are the kinds of objects of which describe tells more than a dump.
var described = []string{
	"nodes", "pods", "jobs", "persistentvolumeclaims", "deployments",
	"clusters.postgresql.cnpg.io", "backups.postgresql.cnpg.io", "scheduledbackups.postgresql.cnpg.io", "objectstores.barmancloud.cnpg.io",
}

// collect writes everything that can be had to dir, whatever state the platform is in. What is not to be had is
// named and does not keep the rest from being collected.
func (p *platform) collect(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := p.useEngine(); err != nil {
		return err
	}
	part := func(what string, err error) {
		if err != nil {
			p.Say("not whole: %s: %v", what, err)
		}
	}

	_, status := p.status(ctx)
	part("the status", os.WriteFile(filepath.Join(dir, "status.txt"), []byte(status), 0o644))
	part("the steps' logs", os.CopyFS(filepath.Join(dir, "steps"), os.DirFS(p.LogDir())))
	if p.builtEngine() {
		part("the Docker engine's logs", p.engine().CopyLogs(filepath.Join(dir, "engine")))
		if !p.engine().Running(ctx) {
			part("the cluster", errors.New("the Docker engine does not run"))
			return nil
		}
	}

	kubectl, err := gobuild.Get(ctx, p.cache, p.Reporter, p.moduleRoot(), gobuild.Kubectl)
	if err != nil {
		part("kubectl", err)
	} else {
		// Objects, events and every container's log, of all namespaces.
		part("the cluster's dump", p.kubectlTo(ctx, kubectl, filepath.Join(dir, "cluster", "dump.txt"),
			"cluster-info", "dump", "--all-namespaces", "--output-directory", filepath.Join(dir, "cluster")))
		part("the events", p.kubectlTo(ctx, kubectl, filepath.Join(dir, "events.txt"),
			"get", "events", "--all-namespaces", "--sort-by=.lastTimestamp"))
		for _, kind := range described {
			part(kind, p.kubectlTo(ctx, kubectl, filepath.Join(dir, "describe", kind+".txt"),
				"describe", kind, "--all-namespaces"))
		}
	}
	// The nodes' journals, and the logs of containers that are gone by now.
	part("the nodes' logs", kindcluster.ExportLogs(ctx, filepath.Join(dir, "nodes"), os.Stderr))

	return ctx.Err()
}

// kubectlTo runs kubectl with its output in a file.
func (p *platform) kubectlTo(ctx context.Context, kubectl, path string, args ...string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	args = append([]string{"--kubeconfig", p.state.Kubeconfig(), "--cache-dir", p.state.Path("kubectl-cache"), "--request-timeout=30s"}, args...)
	cmd := exec.CommandContext(ctx, kubectl, args...)
	cmd.Stdout, cmd.Stderr = f, f
	return errors.Join(cmd.Run(), f.Close())
}
