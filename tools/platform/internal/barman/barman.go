// Package barman gets barman's cloud commands: into the images of PostgreSQL, and onto this machine for tests that compare
// the provider with them.
package barman

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/cache"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/python"
)

//go:embed requirements.txt
var requirements string

// old is the release in Debian 12, which most of what lies in buckets was written by.
const old = "3.4.0"

// Debian's PostgreSQL images get these from Debian.
const psycopg = "psycopg2-binary==2.9.13\n"

// What barman took from Python until 3.12.
const distutils = "setuptools==75.8.0\n"

// Set are the packages for an image whose Python has this version.
func Set(version string) python.Set {
	return python.Set{Name: "barman", Python: version, Requirements: requirements, Finish: onlyS3}
}

// Release is barman as it was installed.
type Release struct {
	Version string
	Dir     string // to be put on the module search path of this machine's Python
}

var pin = regexp.MustCompile(`(?m)^barman==(.*)$`)

// Install gets an old release and the one of the images, for this machine's Python.
func Install(ctx context.Context, c *cache.Cache, s *progress.Step) ([]Release, error) {
	version, err := python.Version(ctx, s)
	if err != nil {
		return nil, err
	}
	pinned := pin.FindStringSubmatch(requirements)
	if pinned == nil {
		return nil, fmt.Errorf("the requirements do not pin barman")
	}
	releases := []Release{{Version: old}, {Version: pinned[1]}}
	for i, r := range releases {
		set := python.Set{
			Name: "barman-" + r.Version, Python: version, Finish: asOnOldPython,
			Requirements: strings.TrimRight(pin.ReplaceAllString(requirements, "barman=="+r.Version), "\n") + "\n" + psycopg + distutils,
		}
		if releases[i].Dir, err = set.Install(ctx, c, s); err != nil {
			return nil, err
		}
	}
	return releases, nil
}

// asOnOldPython makes distutils importable for Python 3.12 and later: setuptools brings it, and puts it in place only where
// it is installed as a whole environment.
func asOnOldPython(dir string) error {
	const hook = "import _distutils_hack\n\n_distutils_hack.add_shim()\n"
	if err := os.WriteFile(filepath.Join(dir, "sitecustomize.py"), []byte(hook), 0o644); err != nil {
		return err
	}
	return onlyS3(dir)
}

// onlyS3 removes the descriptions of the hundreds of services that barman does not use, most of botocore's size.
func onlyS3(dir string) error {
	data := filepath.Join(dir, "botocore", "data")
	entries, err := os.ReadDir(data)
	if err != nil {
		return err
	}
	wanted := map[string]bool{"s3": true, "sts": true, "sso": true, "sso-oidc": true}
	for _, e := range entries {
		if !e.IsDir() || wanted[e.Name()] || strings.HasPrefix(e.Name(), "_") {
			continue
		}
		if err := os.RemoveAll(filepath.Join(data, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
