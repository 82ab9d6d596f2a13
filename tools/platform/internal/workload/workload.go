// Package workload is what runs in the platform's cluster: the CloudNativePG operator and its plugin for backups,
// LocalStack, versitygw and a storage class.
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
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/versions"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/workload/images"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/workload/kube"
)

// Namespaces are those that Deploy fills.
var Namespaces = []string{operatorNamespace, localStackName, versityName, loopVolumesName}

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
func (w *Workload) Archives(ctx context.Context) ([]image.Archive, error) {
	built, err := images.Build(ctx, w.Cache, w.Reporter, w.ModuleRoot)
	if err != nil {
		return nil, err
	}
	return built.Archives, w.noteNames(noted{Names: built.Names, Built: true})
}

// OwnImage makes the one image that no registry has, for a node that pulls the others, and notes its name. The Docker
// engine of the environment has it then, the node has not.
func (w *Workload) OwnImage(ctx context.Context, s *progress.Step) (string, error) {
	n := images.Public()
	var err error
	if n.LoopVolumes, err = images.LoopVolumesByDocker(ctx, w.Cache, s, w.ModuleRoot); err != nil {
		return "", err
	}
	return n.LoopVolumes, w.noteNames(noted{Names: n})
}

// noted is what is kept of the images.
type noted struct {
	images.Names
	// Built is set where all of them are made from packages.
	Built bool `json:"built"`
}

func (w *Workload) noteNames(n noted) error {
	if err := writeJSON(w.namesFile(), n); err != nil {
		return fmt.Errorf("note the names of the images: %w", err)
	}
	return nil
}

// noted reads what is noted of the images. A platform for which nothing was noted runs public ones.
func (w *Workload) noted() (noted, error) {
	b, err := os.ReadFile(w.namesFile())
	if errors.Is(err, fs.ErrNotExist) {
		return noted{Names: images.Public()}, nil
	}
	if err != nil {
		return noted{}, fmt.Errorf("read the names of the images: %w", err)
	}
	var n noted
	if err := json.Unmarshal(b, &n); err != nil {
		return noted{}, fmt.Errorf("read the names of the images from %s: %w", w.namesFile(), err)
	}
	return n, nil
}

func (w *Workload) namesFile() string       { return filepath.Join(w.StateDir, "images.json") }
func (w *Workload) credentialsFile() string { return filepath.Join(w.StateDir, "keys.json") }

// Deploy makes everything run in the cluster that is to run there, and waits until it answers. Where it runs
// already that takes a second or two.
func (w *Workload) Deploy(ctx context.Context) error {
	names, err := w.noted()
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
		err := w.Run(ctx, "CloudNativePG "+versions.Operator(), func(ctx context.Context, s *progress.Step) error {
			return w.deployOperator(ctx, s, client, names.Names)
		})
		if err != nil || names.Plugin == "" {
			return err
		}
		return w.Run(ctx, "Barman Cloud plugin "+pluginVersion, func(ctx context.Context, s *progress.Step) error {
			return w.deployPlugin(ctx, s, client, names.Names)
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
	if names.LoopVolumes != "" {
		g.Go(func() error {
			return w.Run(ctx, "Storage class "+GrowingClass, func(ctx context.Context, s *progress.Step) error {
				return w.deployLoopVolumes(ctx, s, client, names.LoopVolumes)
			})
		})
	}
	return g.Wait()
}
