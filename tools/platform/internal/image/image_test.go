package image

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/klauspost/compress/zstd"
)

func TestWriteMakesAnArchiveOfTheGivenFiles(t *testing.T) {
	t.Parallel()
	for name, plain := range map[string]bool{"compressed": false, "plain": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			img := sample(t)
			img.Plain = plain
			path := filepath.Join(t.TempDir(), "image.tar")
			if err := img.Write(t.Context(), path); err != nil {
				t.Fatal(err)
			}

			read, err := tarball.ImageFromPath(path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if plain { // validate knows no zstd
				if err := validate.Image(read); err != nil {
					t.Errorf("the archive is broken: %v", err)
				}
			}
			config, err := read.ConfigFile()
			if err != nil {
				t.Fatal(err)
			}
			if got := config.Config.StopSignal; got != "SIGRTMIN+3" {
				t.Errorf("stop signal %q", got)
			}
			manifest, err := tarball.LoadManifest(func() (io.ReadCloser, error) { return os.Open(path) })
			if err != nil {
				t.Fatal(err)
			}
			if tags := manifest[0].RepoTags; len(tags) != 1 || tags[0] != img.Ref {
				t.Errorf("tags %v, want %s", tags, img.Ref)
			}

			content := entries(t, mutate.Extract(read))
			for entry, want := range map[string]tar.Header{
				"below":    {Typeflag: tar.TypeReg, Mode: 0o644, Size: 3},
				"bin/tool": {Typeflag: tar.TypeReg, Mode: 0o755, Size: 5},
				"bin/link": {Typeflag: tar.TypeSymlink, Mode: 0o777, Linkname: "tool"},
				"tmp":      {Typeflag: tar.TypeDir, Mode: 0o1777},
				"data":     {Typeflag: tar.TypeDir, Mode: 0o700, Uid: 26, Gid: 26},
			} {
				got, ok := content[entry]
				if !ok {
					t.Errorf("no %s among %v", entry, content)
					continue
				}
				if got.Typeflag != want.Typeflag || got.Mode != want.Mode || got.Size != want.Size ||
					got.Linkname != want.Linkname || got.Uid != want.Uid || got.Gid != want.Gid {
					t.Errorf("%s is %+v, want %+v", entry, got, want)
				}
			}
		})
	}
}

func TestWriteMakesTheSameBytesAgain(t *testing.T) {
	t.Parallel()
	img := sample(t)
	var archives [2][]byte
	for i := range archives {
		path := filepath.Join(t.TempDir(), "image.tar")
		if err := img.Write(t.Context(), path); err != nil {
			t.Fatal(err)
		}
		var err error
		if archives[i], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("two archives of one image differ")
	}
}

func TestWriteStopsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := sample(t).Write(ctx, filepath.Join(t.TempDir(), "image.tar"))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestFolderKeepsModesAndLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "sub", "run"), []byte("x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("sub/run", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	files, err := Folder(dir, "/opt")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := files.writeTar(&b); err != nil {
		t.Fatal(err)
	}
	got := entries(t, &b)
	if h := got["opt/sub"]; h.Mode != 0o750 {
		t.Errorf("folder: %+v", h)
	}
	if h := got["opt/sub/run"]; h.Mode != 0o700 || h.Size != 1 {
		t.Errorf("file: %+v", h)
	}
	if h := got["opt/link"]; h.Linkname != "sub/run" {
		t.Errorf("link: %+v", h)
	}
}

// sample is an image of a layer from a file and a layer of files.
func sample(t *testing.T) Image {
	t.Helper()
	dir := t.TempDir()
	tool := filepath.Join(dir, "tool")
	if err := os.WriteFile(tool, []byte("tool\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var below bytes.Buffer
	z, err := zstd.NewWriter(&below)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(Files{{Dest: "/below", Data: []byte("abc")}}.writeTar(z), z.Close()); err != nil {
		t.Fatal(err)
	}
	layer := filepath.Join(dir, "below")
	if err := os.WriteFile(layer, below.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return Image{
		Ref:    "localhost/sample:1",
		Config: v1.Config{Env: []string{Path}, StopSignal: "SIGRTMIN+3"},
		Layers: []Layer{
			Tar(layer),
			Files{
				{Dest: "/bin/tool", Source: tool, Mode: 0o755},
				{Dest: "/bin/link", Link: "tool"},
				{Dest: "/tmp", Mode: fs.ModeDir | fs.ModeSticky | 0o777},
				{Dest: "/data", Mode: fs.ModeDir | 0o700, UID: 26, GID: 26},
			},
		},
	}
}

func entries(t *testing.T, r io.Reader) map[string]*tar.Header {
	t.Helper()
	found := map[string]*tar.Header{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		found[strings.TrimSuffix(h.Name, "/")] = h
	}
}
