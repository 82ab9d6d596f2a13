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
	"regexp"
	"slices"
	"strings"
	"testing"


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
