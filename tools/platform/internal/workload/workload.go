// Package workload is what runs in the platform's cluster: the CloudNativePG operator, LocalStack and versitygw.
// It has their images, deploys them, makes buckets and accounts, and writes the file that tells how to reach it all.
package workload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/cache"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/image"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/workload/images"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/workload/kube"
)

// Namespaces are those that Deploy fills.
var Namespaces = []string{operatorNamespace, localStackName, versityName}

// Workload is what runs in one cluster.
type Workload struct {
	*progress.Reporter
	Cache      *cache.Cache
	ModuleRoot string // folder of tools/platform in the clone

	// StateDir is a folder, kept as long as the platform, for keys and names of images.
	StateDir string
	// Kubeconfig is a file whose current context is the cluster; Context is the name of that context.
	Kubeconfig, Context string
	// Address is where this machine reaches the published ports: "10.213.77.2".
	Address string
	// Keep leaves what was applied as it is, also where these sources would apply something else. What is not there
	// at all is applied.
	Keep bool
}

// Archives makes the images from packages, for a node that cannot pull them, and notes their names.
// A platform for which this was never called runs public images.
func (w *Workload) Archives(ctx context.Context) ([]image.Archive, error) {
	built, err := images.Build(ctx, w.Cache, w.Reporter, w.ModuleRoot)
	if err != nil {
		return nil, err
	}
	if err := writeJSON(w.namesFile(), built.Names); err != nil {
		return nil, fmt.Errorf("note the names of the images: %w", err)
	}
	return built.Archives, nil
}

func (w *Workload) names() (images.Names, error) {
	b, err := os.ReadFile(w.namesFile())
	if errors.Is(err, fs.ErrNotExist) {
		return images.Public(), nil
	}
	if err != nil {
		return images.Names{}, fmt.Errorf("read the names of the images: %w", err)
	}
	var n images.Names
	if err := json.Unmarshal(b, &n); err != nil {
		return images.Names{}, fmt.Errorf("read the names of the images from %s: %w", w.namesFile(), err)
	}
	return n, nil
}

// builtImages tells whether Archives was called for this platform.
func (w *Workload) builtImages() bool {
	_, err := os.Stat(w.namesFile())
	return err == nil
}

func (w *Workload) namesFile() string       { return filepath.Join(w.StateDir, "images.json") }
func (w *Workload) credentialsFile() string { return filepath.Join(w.StateDir, "keys.json") }

// Deploy makes everything run in the cluster that is to run there, and waits until it answers. Where it runs
// already that takes a second or two.
func (w *Workload) Deploy(ctx context.Context) error {
	names, err := w.names()
	if err != nil {
		return err
	}
	keys, err := loadCredentials(w.credentialsFile())
	if err != nil {
		return err
	}
	client, err := kube.Connect(w.Kubeconfig)
	if err != nil {
		return err
	}

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return w.Run(ctx, "CloudNativePG "+operatorVersion, func(ctx context.Context, s *progress.Step) error {
			return w.deployOperator(ctx, s, client, names)
		})
	})
	g.Go(func() error {
		return w.Run(ctx, "LocalStack with the bucket "+Bucket, func(ctx context.Context, s *progress.Step) error {
			return w.deployLocalStack(ctx, s, client, names.LocalStack, keys)
		})
	})
	g.Go(func() error {
		return w.Run(ctx, "versitygw with two accounts", func(ctx context.Context, s *progress.Step) error {
			return w.deployVersityGW(ctx, s, client, names.VersityGW, keys)
		})
	})
	return g.Wait()
}
