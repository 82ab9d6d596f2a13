package images

import (
	"archive/tar"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/barman"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/image"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/python"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/versions"
)

func TestPythonPackagesArePinned(t *testing.T) {
	t.Parallel()
	pinned := regexp.MustCompile(`^[A-Za-z0-9._-]+==[0-9][^ ]*$`)
	for _, set := range []python.Set{barman.Set("3.11"), localStackSet} {
		for line := range strings.Lines(set.Requirements) {
			line = strings.TrimSpace(line)
			if line != "" && !strings.HasPrefix(line, "#") && !pinned.MatchString(line) {
				t.Errorf("%s: %q is not pinned", set.Name, line)
			}
		}
	}
	if !strings.Contains(localStackRequirements, "localstack-core=="+versions.LocalStack+"\n") {
		t.Error("the requirements do not pin the version that the image is named for")
	}
}

func TestVersionOfInstalledPackage(t *testing.T) {
	t.Parallel()
	status := `Package: postgresql-client-15
Version: 1

Package: postgresql-15
Status: install ok installed
Version: 15.18-0+deb12u1
Description: object-relational SQL database
 Version: no field of its own
`
	got, err := versionIn(strings.NewReader(status), "postgresql-15")
	if err != nil || got != "15.18-0+deb12u1" {
		t.Errorf("the version is %q, %v", got, err)
	}
	if _, err := versionIn(strings.NewReader(status), "postgresql-17"); err == nil {
		t.Error("a package that is not installed has a version")
	}
}

func TestImagesAreListedOnce(t *testing.T) {
	t.Parallel()
	n := Names{
		Postgres15Old: "15", Postgres15: "15", Postgres17: "17", Postgres17Upgrade: "17u",
		Operator: "o", Plugin: "p", PluginSidecar: "s", LocalStack: "l", VersityGW: "v", LoopVolumes: "g",
	}
	if got := strings.Join(n.All(), " "); got != "15 17 17u o p s l v g" {
		t.Errorf("all images are %q", got)
	}
}

// What is missing comes by the names that programs ask for, each with its file.
func TestMissingLibraries(t *testing.T) {
	t.Parallel()
	older := rootFS(t, map[string]string{
		"usr/lib/x86_64-linux-gnu/libldap-2.5.so.0":     "libldap-2.5.so.0.1.8",
		"usr/lib/x86_64-linux-gnu/libldap-2.5.so.0.1.8": "",
		"usr/lib/x86_64-linux-gnu/libz.so.1":            "libz.so.1.2.13",
		"usr/lib/x86_64-linux-gnu/libz.so.1.2.13":       "",
		"usr/lib/x86_64-linux-gnu/libblas.so.3":         "/etc/alternatives/libblas.so.3",
		"usr/bin/awk":                                   "mawk",
	})
	newer := rootFS(t, map[string]string{
		"usr/lib/x86_64-linux-gnu/libz.so.1":     "libz.so.1.3.1",
		"usr/lib/x86_64-linux-gnu/libz.so.1.3.1": "",
	})
	layer, err := librariesMissing(older, newer)
	if err != nil {
		t.Fatal(err)
	}
	got := layer.Entries
	slices.Sort(got)
	if want := []string{"usr/lib/x86_64-linux-gnu/libldap-2.5.so.0", "usr/lib/x86_64-linux-gnu/libldap-2.5.so.0.1.8"}; !slices.Equal(got, want) {
		t.Errorf("missing are %q, not %q", got, want)
	}
	path := filepath.Join(t.TempDir(), "image.tar")
	if err := (image.Image{Ref: "localhost/both:1", Layers: []image.Layer{newer, layer}}).Write(t.Context(), path); err != nil {
		t.Error(err)
	}
	layer.Entries = append(layer.Entries, "usr/lib/x86_64-linux-gnu/libnone.so.1")
	if err := (image.Image{Ref: "localhost/both:1", Layers: []image.Layer{layer}}).Write(t.Context(), path); err == nil || !strings.Contains(err.Error(), "libnone.so.1") {
		t.Errorf("what the root file system has not: %v", err)
	}
}

// rootFS is a root file system of links, and of files where a link would lead nowhere.
func rootFS(t *testing.T, links map[string]string) image.Tar {
	t.Helper()
	file := filepath.Join(t.TempDir(), "root.tar.zst")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewWriter(f)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	for name, link := range links {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: "./" + name, Mode: 0o644}
		if link != "" {
			h.Typeflag, h.Linkname = tar.TypeSymlink, link
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return image.Tar(file)
}
