package images

import (
	"context"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/cache"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/gobuild"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/image"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
)

// pluginPath is where the plugin's releases have their one program. The sidecar's probes name it.
const pluginPath = "/manager"

// barmanCloudPlugin is the part of the plugin that the operator talks to.
func barmanCloudPlugin(ctx context.Context, c *cache.Cache, s *progress.Step, moduleRoot string) (image.Archive, error) {
	binary, err := gobuild.Build(ctx, c, s, moduleRoot, gobuild.BarmanCloudPlugin)
	if err != nil {
		return image.Archive{}, err
	}
	return writeArchive(ctx, c, image.Image{
		Ref:    plugin,
		Config: v1.Config{Env: []string{image.Path}, Entrypoint: []string{pluginPath}, User: "10001:10001"},
		Layers: []image.Layer{pluginLayer(binary)},
	}, "image-plugin", entry(binary))
}

// barmanCloudSidecar is the part that calls barman beside PostgreSQL. A PostgreSQL image has barman and its Python already:
// nodes, which have that, keep only one layer more.
func barmanCloudSidecar(ctx context.Context, c *cache.Cache, s *progress.Step, moduleRoot string) (image.Archive, error) {
	binary, err := gobuild.Build(ctx, c, s, moduleRoot, gobuild.BarmanCloudPlugin)
	if err != nil {
		return image.Archive{}, err
	}
	root, err := postgres17.rootFS(ctx, c, s)
	if err != nil {
		return image.Archive{}, err
	}
	tarball, err := root.Build(ctx, c, s)
	if err != nil {
		return image.Archive{}, err
	}
	return writeArchive(ctx, c, image.Image{
		Ref:    pluginSidecar,
		Config: v1.Config{Env: []string{image.Path, "LANG=C.UTF-8"}, Entrypoint: []string{pluginPath}, User: "26:26"},
		Layers: []image.Layer{image.Tar(tarball), pluginLayer(binary)},
	}, "image-plugin-sidecar", cache.Key(root.Key(), entry(binary)))
}

func pluginLayer(binary string) image.Layer {
	return image.Files{{Dest: pluginPath, Source: binary, Mode: 0o755}}
}
