package nodeimage

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/containerd/content/local"
	"github.com/containerd/containerd/images"
	"github.com/containerd/containerd/metadata"
	"github.com/containerd/containerd/namespaces"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	bolt "go.etcd.io/bbolt"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/image"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
)

var imageLine = regexp.MustCompile(`(?:image: |--helper-image=)(\S+)`)

func TestManifestsNameImagesThatAreMade(t *testing.T) {
	t.Parallel()
	made := []string{podNetworkRef, provisionerRef, storageHelperRef}
	for _, manifest := range []string{cniManifest, storageManifest} {
		found := imageLine.FindAllStringSubmatch(manifest, -1)
		if len(found) == 0 {
			t.Error("no image in a manifest")
		}
		for _, m := range found {
			if !slices.Contains(made, m[1]) {
				t.Errorf("a manifest names %s, which is not made (%v)", m[1], made)
			}
		}
	}
}

func TestNodeFilesAreKindsWithOurSettings(t *testing.T) {
	t.Parallel()
	base, err := kindBase(t.Context(), filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	files, err := parts{kindBase: base}.nodeFiles("example.org/pause:1")
	if err != nil {
		t.Fatal(err)
	}
	byDest := map[string]image.File{}
	for _, f := range files {
		byDest[f.Dest] = f
	}
	if mode := byDest["/usr/local/bin/entrypoint"].Mode; mode != 0o755 {
		t.Errorf("the entrypoint has mode %s", mode)
	}
	if mode := byDest["/etc/systemd/system/kubelet.service"].Mode; mode != 0o644 {
		t.Errorf("the kubelet's unit has mode %s", mode)
	}
	config := string(byDest["/etc/containerd/config.toml"].Data)
	for _, want := range []string{`sandbox_image = "example.org/pause:1"`, "restrict_oom_score_adj = true", "SystemdCgroup = true"} {
		if !strings.Contains(config, want) {
			t.Errorf("containerd's configuration lacks %s:\n%s", want, config)
		}
	}
}

func TestImportAllFillsAStoreThatContainerdReads(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	shared := image.Files{{Dest: "/shared", Data: []byte("shared")}}
	var archives []image.Archive
	for _, name := range []string{"one", "two"} {
		a := image.Archive{Ref: "localhost/" + name + ":1", Path: filepath.Join(dir, name+".tar")}
		img := image.Image{
			Ref: a.Ref, Config: v1.Config{Cmd: []string{name}},
			Layers: []image.Layer{shared, image.Files{{Dest: "/own", Data: []byte(name)}}},
		}
		if err := img.Write(t.Context(), a.Path); err != nil {
			t.Fatal(err)
		}
		archives = append(archives, a)
	}

	store := filepath.Join(dir, "containerd")
	layers, err := importAll(t.Context(), step(t), store, archives)
	if err != nil {
		t.Fatal(err)
	}
	if want := len(archives) + 1; len(layers) != want {
		t.Fatalf("%d layers, want %d: one for each archive and the database's", len(layers), want)
	}
	// Of the second archive only what the first did not bring: not the shared layer.
	first, isFirst := layers[0].(image.Files)
	second, isSecond := layers[1].(image.Files)
	if !isFirst || !isSecond || len(second) != len(first)-1 {
		t.Errorf("the first archive brought %d blobs, the second %d", len(first), len(second))
	}

	bdb, err := bolt.Open(filepath.Join(store, metadataDir, "meta.db"), 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer bdb.Close()
	content, err := local.NewStore(filepath.Join(store, contentDir))
	if err != nil {
		t.Fatal(err)
	}
	db := metadata.NewDB(bdb, content, nil)
	ctx := namespaces.WithNamespace(t.Context(), "k8s.io")
	for _, a := range archives {
		img, err := metadata.NewImageStore(db).Get(ctx, a.Ref)
		if err != nil {
			t.Errorf("%s: %v", a.Ref, err)
			continue
		}
		// Every blob is there, and what refers to it says so to the garbage collector.
		err = images.Walk(ctx, images.ChildrenHandler(db.ContentStore()), img.Target)
		if err != nil {
			t.Errorf("%s: %v", a.Ref, err)
		}
		info, err := db.ContentStore().Info(ctx, img.Target.Digest)
		if err != nil {
			t.Fatal(err)
		}
		for _, label := range []string{"config", "l.0", "l.1"} {
			if info.Labels["containerd.io/gc.ref.content."+label] == "" {
				t.Errorf("%s: the manifest has no reference %s: %v", a.Ref, label, info.Labels)
			}
		}
	}
}

func TestImportAllRefusesTwoImagesOfOneName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := image.Archive{Ref: "localhost/one:1", Path: filepath.Join(dir, "one.tar")}
	img := image.Image{Ref: a.Ref, Layers: []image.Layer{image.Files{{Dest: "/x", Mode: fs.ModeDir | 0o755}}}}
	if err := img.Write(t.Context(), a.Path); err != nil {
		t.Fatal(err)
	}
	_, err := importAll(t.Context(), step(t), filepath.Join(dir, "containerd"), []image.Archive{a, a})
	if err == nil || !strings.Contains(err.Error(), "two archives hold localhost/one:1") {
		t.Errorf("got %v", err)
	}
}

func step(t *testing.T) *progress.Step {
	t.Helper()
	return &progress.Step{}
}
