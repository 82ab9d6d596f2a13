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
	"path"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/barman"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/cache"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/debian"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/image"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
)

// postgres is the recipe of a PostgreSQL image in the manner of CloudNativePG's "system" images: user 26, and
// barman-cloud inside. Its tag begins with the version that Debian's suites had when it was made.
type postgres struct {
	name   string // names its root file system in the cache
	major  string
	suite  string
	python string // the suite's version of Python
	frozen bool   // without the suite's updates and security fixes
	// upgrades is what databases run that this image is to upgrade. The operator copies that version's programs into the
	// new image, where they need the libraries that they were built with.
	upgrades *postgres
}

// Debian's security archive is usually a minor version ahead of its last point release.
var (
	postgres15    = postgres{name: "postgres-15", major: "15", suite: "bookworm", python: "3.11"}
	postgres15Old = postgres{name: "postgres-15-old", major: "15", suite: "bookworm", python: "3.11", frozen: true}
	postgres17    = postgres{name: "postgres-17", major: "17", suite: "trixie", python: "3.13"}
	// Debian has no release with both major versions. This one is named for bookworm, as CloudNativePG's own image is
	// that has the libraries.
	postgres17Upgrade = postgres{name: "postgres-17", major: "17", suite: "trixie", python: "3.13", upgrades: &postgres15}
)

// postgresHook finishes the root file system. It expects the variables MAJOR and BARMAN (a folder made by
// `pip install --target`).
//
//go:embed postgres.sh
var postgresHook string

func (p postgres) build(ctx context.Context, c *cache.Cache, s *progress.Step) (image.Archive, error) {
	root, err := p.rootFS(ctx, c, s)
	if err != nil {
		return image.Archive{}, err
	}
	entry, key := "image-"+p.name, root.Key()
	var older debian.RootFS
	if p.upgrades != nil {
		if older, err = p.upgrades.rootFS(ctx, c, s); err != nil {
			return image.Archive{}, err
		}
		entry, key = entry+"-upgrade", cache.Key(key, older.Key())
	}

	folder, err := c.Get(ctx, entry, key, func(ctx context.Context, path string) error {
		tarball, err := root.Build(ctx, c, s)
		if err != nil {
			return err
		}
		layers, release := []image.Layer{image.Tar(tarball)}, p.suite
		if p.upgrades != nil {
			from, err := older.Build(ctx, c, s)
			if err != nil {
				return err
			}
			libraries, err := librariesMissing(image.Tar(from), image.Tar(tarball))
			if err != nil {
				return err
			}
			layers, release = append(layers, libraries), p.upgrades.suite
		}
		version, err := packageVersion(image.Tar(tarball), "postgresql-"+p.major)
		if err != nil {
			return err
		}
		if err := os.Mkdir(path, 0o755); err != nil {
			return err
		}
		upstream, _, _ := strings.Cut(version, "-")
		img := image.Image{
			Ref: fmt.Sprintf("%s:%s-system-%s", postgresRepository, upstream, release),
			Config: v1.Config{
				User: "26",
				Env: []string{
					"PATH=/usr/lib/postgresql/" + p.major + "/bin:" + strings.TrimPrefix(image.Path, "PATH="),
					"LANG=C.UTF-8",
				},
			},
			Layers: layers,
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

func (p postgres) rootFS(ctx context.Context, c *cache.Cache, s *progress.Step) (debian.RootFS, error) {
	packages, err := barman.Set(p.python).Install(ctx, c, s)
	if err != nil {
		return debian.RootFS{}, err
	}
	return debian.RootFS{
		Name: "rootfs-" + p.name, Suite: p.suite, Frozen: p.frozen,
		Include: []string{
			"postgresql-" + p.major, "python3", "python3-psycopg2", "python3-lz4", "python3-zstandard",
			"ca-certificates", "locales",
		},
		Hooks: []string{fmt.Sprintf("MAJOR=%s BARMAN='%s'\n%s", p.major, packages, postgresHook)},
	}, nil
}

// The entry of a PostgreSQL image is a folder, since its name is known only once it is made.
const (
	archiveFile = "image.tar"
	refFile     = "ref"
)

// packageVersion finds the version of an installed package in a Debian root file system.
func packageVersion(root image.Tar, pkg string) (string, error) {
	var version string
	err := root.EachEntry(func(name string, _ *tar.Header, content io.Reader) (err error) {
		if name == "var/lib/dpkg/status" {
			version, err = versionIn(content, pkg)
		}
		return err
	})
	if err == nil && version == "" {
		err = fmt.Errorf("%s has no package database", root)
	}
	return version, err
}

// librariesMissing is a layer of the shared libraries that one root file system has and another has not, by the names that
// programs ask for: symbolic links, which name the version of the interface, to files beside them.
func librariesMissing(from, in image.Tar) (image.Part, error) {
	there, err := libraries(in)
	if err != nil {
		return image.Part{}, err
	}
	all, err := libraries(from)
	if err != nil {
		return image.Part{}, err
	}
	part := image.Part{Of: from}
	for link, file := range all {
		if _, ok := there[link]; !ok {
			part.Entries = append(part.Entries, link, file)
		}
	}
	return part, nil
}

// libraries are the shared libraries of a root file system, links and the files that they are links to.
func libraries(root image.Tar) (map[string]string, error) {
	links := map[string]string{}
	err := root.EachEntry(func(name string, h *tar.Header, _ io.Reader) error {
		library, err := path.Match("usr/lib/*-linux-gnu/lib*.so.*", name)
		if library && h.Typeflag == tar.TypeSymlink && !strings.Contains(h.Linkname, "/") {
			links[name] = path.Join(path.Dir(name), h.Linkname)
		}
		return err
	})
	return links, err
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
