// Package kindcluster makes, checks and deletes the platform's Kubernetes cluster with kind as a library, on
// whichever Docker engine the environment names.
package kindcluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/cluster/nodeutils"
	kinderrors "sigs.k8s.io/kind/pkg/errors"
	kindexec "sigs.k8s.io/kind/pkg/exec"
)

// Name is the cluster's; its kubeconfig context is "kind-" and the name.
const Name = "pgplatform"

// Cluster is the platform's cluster, made or not.
type Cluster struct {
	// Dir is a folder for what the cluster needs of the host's files while it exists.
	Dir string
	// Kubeconfig is the file that is written to reach it.
	Kubeconfig string
	// Address is where the host reaches the API server and the published ports.
	Address string
}

// Create makes the cluster out of the node image. The API server answers then; its pods may not be ready yet.
// A cluster of that name that exists is deleted first.
func (c Cluster) Create(ctx context.Context, image string, log io.Writer) error {
	if err := c.Delete(ctx, log); err != nil {
		return err
	}
	config, err := c.config()
	if err != nil {
		return err
	}
	return inBackground(ctx, func() error {
		return kind(log).Create(Name,
			cluster.CreateWithV1Alpha4Config(config),
			cluster.CreateWithNodeImage(image),
			cluster.CreateWithKubeconfigPath(c.Kubeconfig),
			// What failed can be looked at; the next attempt deletes it.
			cluster.CreateWithRetain(true),
		)
	})
}

// Delete removes the cluster's containers, if there are any, and its kubeconfig.
func (c Cluster) Delete(ctx context.Context, log io.Writer) error {
	if err := inBackground(ctx, func() error { return kind(log).Delete(Name, c.Kubeconfig) }); err != nil {
		return fmt.Errorf("delete the kind cluster: %w", err)
	}
	return os.RemoveAll(c.patchDir())
}

// DeleteNetwork removes Docker's network that kind makes for its clusters, unless another cluster uses it.
func DeleteNetwork(ctx context.Context, log io.Writer) {
	cmd := exec.CommandContext(ctx, "docker", "network", "rm", "kind")
	cmd.Stdout, cmd.Stderr = log, log
	// Docker refuses while the network is in use; then it is not ours to remove.
	_ = cmd.Run()
}

// Exists tells whether a container of the cluster is there, running or not.
func Exists(ctx context.Context) (bool, error) {
	var names []string
	err := inBackground(ctx, func() (err error) {
		names, err = kind(io.Discard).List()
		return err
	})
	if err != nil {
		return false, fmt.Errorf("list the kind clusters: %w", err)
	}
	return slices.Contains(names, Name), nil
}

// Start starts the node's container if it stands still, as after Docker was killed.
func Start(ctx context.Context) error {
	all, err := kind(io.Discard).ListNodes(Name)
	if err != nil {
		return fmt.Errorf("list the cluster's nodes: %w", err)
	}
	if len(all) == 0 {
		return errors.New("the cluster has no node")
	}
	for _, node := range all {
		if out, err := exec.CommandContext(ctx, "docker", "start", node.String()).CombinedOutput(); err != nil {
			return fmt.Errorf("start the node %s: %s", node, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

// LoadImage gives the nodes an image that the Docker engine has.
func LoadImage(ctx context.Context, ref string, log io.Writer) error {
	all, err := kind(log).ListInternalNodes(Name)
	if err != nil {
		return fmt.Errorf("list the cluster's nodes: %w", err)
	}
	for _, node := range all {
		save := exec.CommandContext(ctx, "docker", "save", ref)
		save.Stderr = log
		archive, err := save.StdoutPipe()
		if err != nil {
			return err
		}
		if err := save.Start(); err != nil {
			return fmt.Errorf("docker save: %w", err)
		}
		err = nodeutils.LoadImageArchive(node, archive)
		// Closed first: what nobody reads any more would be waited for.
		if err := errors.Join(err, archive.Close(), save.Wait()); err != nil {
			return fmt.Errorf("load the image %s into the node %s: %w", ref, node, err)
		}
	}
	return nil
}

// ExportLogs writes the nodes' journals, container logs and descriptions to dir.
func ExportLogs(ctx context.Context, dir string, log io.Writer) error {
	return inBackground(ctx, func() error {
		k := kind(log)
		missed, err := withoutCrictl(k.CollectLogs(Name, dir))
		if !missed {
			return err
		}
		return errors.Join(err, listImages(k, dir))
	})
}

// withoutCrictl takes out of kind's errors that a node's images could not be listed with crictl, and tells whether that was among them.
func withoutCrictl(err error) (missed bool, others error) {
	if all := kinderrors.Errors(err); len(all) > 0 {
		for _, err := range all {
			m, rest := withoutCrictl(err)
			missed, others = missed || m, errors.Join(others, rest)
		}
		return missed, others
	}
	var failed *kindexec.RunError
	if errors.As(err, &failed) && slices.Contains(failed.Command, "crictl") {
		return true, nil
	}
	return false, err
}

// listImages has containerd's own program write the list of each node's images where kind would have it: the node image that is
// built has no crictl.
func listImages(k *cluster.Provider, dir string) error {
	nodes, err := k.ListNodes(Name)
	if err != nil {
		return err
	}
	var missed []error
	for _, node := range nodes {
		list, err := os.Create(filepath.Join(dir, node.String(), "images.log"))
		if err != nil {
			missed = append(missed, err)
			continue
		}
		missed = append(missed, node.Command("ctr", "--namespace", "k8s.io", "images", "list").SetStdout(list).SetStderr(list).Run(), list.Close())
	}
	return errors.Join(missed...)
}

func kind(log io.Writer) *cluster.Provider {
	return cluster.NewProvider(cluster.ProviderWithDocker(), cluster.ProviderWithLogger(logger{log}))
}

// inBackground returns when work does or ctx ends: kind's calls know no context.
func inBackground(ctx context.Context, work func() error) error {
	done := make(chan error, 1)
	go func() { done <- work() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
