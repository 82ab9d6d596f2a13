package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/kindcluster"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/versions"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/workload"
)

func statusCommand() *cobra.Command {
	var quiet bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Tell what runs; the exit code is 0 where the platform is up and whole",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := open(cmd)
			if err != nil {
				return err
			}
			if err := p.load(); err != nil {
				return err
			}
			whole, report := p.status(cmd.Context())
			if !quiet {
				fmt.Print(report)
			}
			if !whole {
				return errSilent
			}
			return nil
		},
	}
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print nothing: the exit code tells")
	return cmd
}

// status tells whether the platform is up and whole, and what there is of it.
func (p *platform) status(ctx context.Context) (bool, string) {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	line := func(name, format string, a ...any) {
		fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, a...))
	}
	own := append([]string{"node"}, append(kindcluster.Namespaces, workload.Namespaces...)...)
	finish := func(whole bool) (bool, string) {
		_ = w.Flush() // a strings.Builder takes everything
		return whole, b.String()
	}
	if p.record == nil {
		line("platform", "down")
		return finish(false)
	}

	whole := p.record.Complete
	if whole {
		line("platform", "up since %s", p.record.Since.Local().Format(time.DateTime))
	} else {
		line("platform", "not whole: platform up was interrupted, failed, or is at work")
	}
	holders, err := p.state.Holders()
	if err != nil {
		line("held by", "%v", err)
	}
	for _, holder := range holders {
		line("held by", "%s", holder)
	}
	line("images", "%s", p.record.Images)
	if p.builtEngine() {
		if !p.engine().Running(ctx) {
			line("Docker engine", "its own, %s: does not run; platform up starts it again", p.record.DockerHost)
			return finish(false)
		}
		line("Docker engine", "its own, %s", p.record.DockerHost)
	}
	line("node image", "%s", p.record.NodeImage)
	line("API server", "https://%s:%d", p.record.Address, kindcluster.APIServerPort)
	line("LocalStack", "http://%s:%d", p.record.Address, workload.LocalStackPort)
	line("versitygw", "http://%s:%d, https://%[1]s:%[3]d", p.record.Address, workload.VersityGWPort, workload.VersityGWTLSPort)
	line("kubeconfig", "%s", p.state.Kubeconfig())
	line("versions", "Kubernetes %s, CloudNativePG %s, its Barman Cloud plugin %s, LocalStack %s, versitygw %s",
		versions.Kubernetes, versions.Operator(), versions.BarmanCloudPlugin, versions.LocalStack, versions.VersityGW)

	notReady, err := p.cluster().NotReady(ctx)
	if err != nil {
		line("cluster", "does not answer: %v", err)
		return finish(false)
	}
	line("cluster", "%s", map[bool]string{true: "every node and pod is ready", false: "not ready:"}[len(notReady) == 0])
	for _, what := range notReady {
		line("", "%s", what)
		// Databases of tests come and go; the platform is what is its own.
		if namespace, _, _ := strings.Cut(what, "/"); slices.Contains(own, namespace) {
			whole = false
		}
	}
	return finish(whole)
}
