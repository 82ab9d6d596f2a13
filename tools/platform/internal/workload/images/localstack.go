package images

import (
	"context"
	_ "embed"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/cache"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/debian"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/image"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/versions"
)

// localStackHook finishes the root file system. It expects the variable PACKAGES (a folder made by
// `pip install --target`).
//
//go:embed localstack.sh
var localStackHook string

func localStack(ctx context.Context, c *cache.Cache, s *progress.Step) (image.Archive, error) {
	packages, err := localStackSet.Install(ctx, c, s)
	if err != nil {
		return image.Archive{}, err
	}
	root := debian.RootFS{
		Name: "rootfs-localstack", Suite: "bookworm",
		Include: []string{"python3", "ca-certificates", "libffi8"},
		Hooks:   []string{fmt.Sprintf("PACKAGES='%s'\n%s", packages, localStackHook)},
	}
	tarball, err := root.Build(ctx, c, s)
	if err != nil {
		return image.Archive{}, err
	}
	return writeArchive(ctx, c, image.Image{
		Ref: "localhost/localstack:" + versions.LocalStack,
		Config: v1.Config{
			User: "1000:1000",
			Env: []string{
				image.Path, "LANG=C.UTF-8", "PYTHONPATH=/opt/localstack", "PYTHONUNBUFFERED=1",
				// The home folder, which must be writable.
				"HOME=/tmp",
				// It would look for signs of Docker and, finding none, keep its files beside its code.
				"OVERRIDE_IN_DOCKER=1",
			},
			Entrypoint: []string{"python3", "-m", "localstack.runtime.main"},
		},
		Layers: []image.Layer{image.Tar(tarball)},
	}, "image-localstack", root.Key())
}
