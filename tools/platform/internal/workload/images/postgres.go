package images

import (
	"archive/tar"
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/zstd"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/barman"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/cache"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/debian"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/image"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
)

// postgres is the recipe of a PostgreSQL image in the manner of CloudNativePG's "system" images: user 26, and
// barman-cloud inside. Its tag begins with the version that Debian's suites had when it was made.
type postgres struct {
	name   string // names its entries in the cache
	major  string
	suite  string
	python string // the suite's version of Python
	frozen bool   // without the suite's updates and security fixes
}

// Debian's security archive is usually a minor version ahead of its last point release.
var (
	postgres15    = postgres{name: "postgres-15", major: "15", suite: "bookworm", python: "3.11"}
	postgres15Old = postgres{name: "postgres-15-old", major: "15", suite: "bookworm", python: "3.11", frozen: true}
	postgres17    = postgres{name: "postgres-17", major: "17", suite: "trixie", python: "3.13"}
)

// postgresHook finishes the root file system. It expects the variables MAJOR and BARMAN (a folder made by
// `pip install --target`).
//
//go:embed postgres.sh
var postgresHook string

func (p postgres) build(ctx context.Context, c *cache.Cache, s *progress.Step) (image.Archive, error) {
	packages, err := barman.Set(p.python).Install(ctx, c, s)
	if err != nil {
		return image.Archive{}, err
	}
	root := debian.RootFS{
		Name: "rootfs-" + p.name, Suite: p.suite, Frozen: p.frozen,
		Include: []string{
			"postgresql-" + p.major, "python3", "python3-psycopg2", "python3-lz4", "python3-zstandard",
			"ca-certificates", "locales",
		},
		Hooks: []string{fmt.Sprintf("MAJOR=%s BARMAN='%s'\n%s", p.major, packages, postgresHook)},
	}

	folder, err := c.Get(ctx, "image-"+p.name, root.Key(), func(ctx context.Context, path string) error {
		tarball, err := root.Build(ctx, c, s)
		if err != nil {
			return err
		}
		version, err := packageVersion(tarball, "postgresql-"+p.major)
		if err != nil {
			return err
		}
		if err := os.Mkdir(path, 0o755); err != nil {
			return err
		}
		upstream, _, _ := strings.Cut(version, "-")
		img := image.Image{
			Ref: fmt.Sprintf("%s:%s-system-%s", postgresRepository, upstream, p.suite),
			Config: v1.Config{
				User: "26",
				Env: []string{
					"PATH=/usr/lib/postgresql/" + p.major + "/bin:" + strings.TrimPrefix(image.Path, "PATH="),
					"LANG=C.UTF-8",
				},
			},
			Layers: []image.Layer{image.Tar(tarball)},
		}
		if err := img.Write(ctx, filepath.Join(path, archiveFile)); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(path, refFile), []byte(img.Ref), 0o644)
	})
	if err != nil {
		return image.Archive{}, err
	}
	ref, err := os.ReadFile(filepath.Join(folder, refFile))
	if err != nil {
		return image.Archive{}, err
	}
	return image.Archive{Ref: string(ref), Path: filepath.Join(folder, archiveFile)}, nil
}

// The entry of a PostgreSQL image is a folder, since its name is known only once it is made.
const (
	archiveFile = "image.tar"
	refFile     = "ref"
)

// packageVersion finds the version of an installed package in the tar, compressed with zstd, of a Debian root
// file system.
func packageVersion(tarball, pkg string) (string, error) {
	f, err := os.Open(tarball)
	if err != nil {
		return "", err
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		return "", err
	}
	defer z.Close()

	t := tar.NewReader(z)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return "", fmt.Errorf("%s has no package database", tarball)
		}
		if err != nil {
			return "", fmt.Errorf("read %s: %w", tarball, err)
		}
		if filepath.Clean(h.Name) == "var/lib/dpkg/status" {
			return versionIn(t, pkg)
		}
	}
}

func versionIn(status io.Reader, pkg string) (string, error) {
	current := ""
	lines := bufio.NewScanner(status)
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch {
		case field == "Package":
			current = value
		case field == "Version" && current == pkg:
			return value, nil
		}
	}
	return "", errors.Join(fmt.Errorf("package %s is not installed", pkg), lines.Err())
}
