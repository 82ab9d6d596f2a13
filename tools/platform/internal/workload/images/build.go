// Package images makes the images of what runs in the cluster, from packages: PostgreSQL with barman, the
// CloudNativePG operator and its plugin for backups, LocalStack, versitygw and the provisioner of growing volumes. It serves
// machines that cannot pull images.
package images

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/cache"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/gobuild"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/image"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/versions"
)

// Built are the names of the images and their archives, each once.
type Built struct {
	Names    Names
	Archives []image.Archive
}

// atOnce bounds how many images are made side by side: making one keeps about one processor busy.
const atOnce = 2

// Build makes what the cache lacks. moduleRoot is the folder of tools/platform in the clone.
func Build(ctx context.Context, c *cache.Cache, r *progress.Reporter, moduleRoot string) (Built, error) {
	recipes := []struct {
		name string
		make func(ctx context.Context, s *progress.Step) (image.Archive, error)
	}{
		{"PostgreSQL 15", func(ctx context.Context, s *progress.Step) (image.Archive, error) {
			return postgres15.build(ctx, c, s)
		}},
		{"PostgreSQL 15, one minor back", func(ctx context.Context, s *progress.Step) (image.Archive, error) {
			return postgres15Old.build(ctx, c, s)
		}},
		{"PostgreSQL 17", func(ctx context.Context, s *progress.Step) (image.Archive, error) {
			return postgres17.build(ctx, c, s)
		}},
		{"PostgreSQL 17, for upgrades of 15", func(ctx context.Context, s *progress.Step) (image.Archive, error) {
			return postgres17Upgrade.build(ctx, c, s)
		}},
		{"LocalStack", func(ctx context.Context, s *progress.Step) (image.Archive, error) {
			return localStack(ctx, c, s)
		}},
		{"versitygw", func(ctx context.Context, s *progress.Step) (image.Archive, error) {
			return versityGW(ctx, c, s, moduleRoot)
		}},
		{"CloudNativePG operator", func(ctx context.Context, s *progress.Step) (image.Archive, error) {
			return cnpgOperator(ctx, c, s, moduleRoot)
		}},
		{"the growing volumes' provisioner", func(ctx context.Context, s *progress.Step) (image.Archive, error) {
			return loopVolumes(ctx, c, s, moduleRoot)
		}},
		{"the Barman Cloud plugin", func(ctx context.Context, s *progress.Step) (image.Archive, error) {
			return barmanCloudPlugin(ctx, c, s, moduleRoot)
		}},
		{"the Barman Cloud plugin's sidecar", func(ctx context.Context, s *progress.Step) (image.Archive, error) {
			return barmanCloudSidecar(ctx, c, s, moduleRoot)
		}},
	}

	made := make([]image.Archive, len(recipes))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i, recipe := range recipes {
		g.Go(func() error {
			return r.Run(ctx, "image of "+recipe.name, func(ctx context.Context, s *progress.Step) (err error) {
				made[i], err = recipe.make(ctx, s)
				return err
			})
		})
	}
	if err := g.Wait(); err != nil {
		return Built{}, err
	}

	b := Built{Names: Names{
		Postgres15: made[0].Ref, Postgres15Old: made[1].Ref, Postgres17: made[2].Ref, Postgres17Upgrade: made[3].Ref,
		LocalStack: made[4].Ref, VersityGW: made[5].Ref, Operator: made[6].Ref, LoopVolumes: made[7].Ref,
		Plugin: made[8].Ref, PluginSidecar: made[9].Ref,
	}}
	seen := map[string]bool{}
	for _, a := range made {
		if !seen[a.Ref] {
			seen[a.Ref] = true
			b.Archives = append(b.Archives, a)
		}
	}
	return b, nil
}

// versityGW puts the binary where the public image has it.
func versityGW(ctx context.Context, c *cache.Cache, s *progress.Step, moduleRoot string) (image.Archive, error) {
	binary, err := gobuild.Build(ctx, c, s, moduleRoot, gobuild.VersityGW)
	if err != nil {
		return image.Archive{}, err
	}
	const path = "/usr/local/bin/versitygw"
	return writeArchive(ctx, c, image.Image{
		Ref:    "localhost/versitygw:" + versions.VersityGW,
		Config: v1.Config{Env: []string{image.Path}, Entrypoint: []string{path}, User: "65532:65532"},
		Layers: []image.Layer{image.Files{{Dest: path, Source: binary, Mode: 0o755}}},
	}, "image-versitygw", entry(binary))
}

// cnpgOperator is laid out as the public image: the operator copies itself from /operator into instance pods.
func cnpgOperator(ctx context.Context, c *cache.Cache, s *progress.Step, moduleRoot string) (image.Archive, error) {
	binary, err := gobuild.Build(ctx, c, s, moduleRoot, gobuild.CNPGManager)
	if err != nil {
		return image.Archive{}, err
	}
	return writeArchive(ctx, c, image.Image{
		Ref: operator,
		Config: v1.Config{
			Env: []string{image.Path}, Entrypoint: []string{"/manager"}, WorkingDir: "/", User: "65532:65532",
		},
		Layers: []image.Layer{image.Files{
			{Dest: "/operator/manager_" + runtime.GOARCH, Source: binary, Mode: 0o755},
			{Dest: "/manager", Link: "operator/manager_" + runtime.GOARCH},
		}},
	}, "image-cnpg-operator", entry(binary))
}

// entry names the cache's entry that a built binary lies in, which changes with its recipe.
func entry(binary string) string { return filepath.Base(filepath.Dir(binary)) }

// writeArchive keeps the image in the cache. key identifies what it is made from.
func writeArchive(ctx context.Context, c *cache.Cache, img image.Image, name, key string) (image.Archive, error) {
	path, err := c.Get(ctx, name, cache.Key(key, img.Ref, fmt.Sprint(img.Config)), img.Write)
	if err != nil {
		return image.Archive{}, err
	}
	return image.Archive{Ref: img.Ref, Path: path}, nil
}
