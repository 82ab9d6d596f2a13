package images

import (
	"bytes"
	"context"
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/cache"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/debian"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/gobuild"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/image"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
)

const (
	loopVolumesRepository = "localhost/loop-volumes"
	loopVolumesPath       = "/usr/local/bin/loopvolumes"
)

// xfsTools is what the provisioner calls. Its packages are only unpacked: there is no dpkg in it. What they have beside
// the tools, the libraries of Python scripts above all, is left out.
var xfsTools = debian.RootFS{
	Name:    "rootfs-xfstools",
	Suite:   "bookworm",
	Variant: "extract",
	Include: []string{"xfsprogs"},
	Exclude: []string{
		"/etc/*", "/usr/share/*", "/var/*", "/usr/bin/*", "/usr/lib/python3*", "/usr/lib/*/gconv/*",
		"/usr/lib/*/libicu*", "/usr/lib/*/libcrypto*", "/usr/lib/*/libssl*", "/usr/lib/*/libsqlite*",
	},
}

// loopVolumes is the provisioner over the tools.
func loopVolumes(ctx context.Context, c *cache.Cache, s *progress.Step, moduleRoot string) (image.Archive, error) {
	binary, err := gobuild.Build(ctx, c, s, moduleRoot, gobuild.LoopVolumes)
	if err != nil {
		return image.Archive{}, err
	}
	tools, err := xfsTools.Build(ctx, c, s)
	if err != nil {
		return image.Archive{}, err
	}
	key := cache.Key(entry(binary), xfsTools.Key())
	return writeArchive(ctx, c, image.Image{
		Ref:    loopVolumesRepository + ":" + key,
		Config: v1.Config{Env: []string{image.Path}, Entrypoint: []string{loopVolumesPath}},
		Layers: []image.Layer{image.Tar(tools), image.Files{{Dest: loopVolumesPath, Source: binary, Mode: 0o755}}},
	}, "image-loop-volumes", key)
}

//go:embed loop-volumes.Dockerfile
var loopVolumesDockerfile []byte

// LoopVolumesByDocker makes the same image with the Docker engine of the environment, from a base image that it pulls, and
// returns its name there. It serves machines that pull the other images.
func LoopVolumesByDocker(ctx context.Context, c *cache.Cache, s *progress.Step, moduleRoot string) (string, error) {
	binary, err := gobuild.Build(ctx, c, s, moduleRoot, gobuild.LoopVolumes)
	if err != nil {
		return "", err
	}
	ref := loopVolumesRepository + ":" + cache.Key(entry(binary), string(loopVolumesDockerfile))
	if exec.CommandContext(ctx, "docker", "image", "inspect", ref).Run() == nil {
		return ref, nil
	}
	// The binary lies alone in its folder.
	build := s.Command(ctx, "docker", "build", "--tag", ref, "--file", "-", filepath.Dir(binary))
	build.Stdin = bytes.NewReader(loopVolumesDockerfile)
	// They would make an index of it, which kind does not load.
	build.Env = append(os.Environ(), "BUILDX_NO_DEFAULT_ATTESTATIONS=1")
	return ref, progress.Explain(build.Run(), "docker build")
}
