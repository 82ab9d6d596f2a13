package nodeimage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/containerd/containerd/content/local"
	"github.com/containerd/containerd/errdefs"
	"github.com/containerd/containerd/images"
	"github.com/containerd/containerd/images/archive"
	"github.com/containerd/containerd/metadata"
	"github.com/containerd/containerd/namespaces"
	bolt "go.etcd.io/bbolt"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/image"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
)

// Where containerd of the node's Debian release (1.6, whose library this package uses) keeps images.
const (
	storeInNode = "/var/lib/containerd"
	contentDir  = "io.containerd.content.v1.content"
	metadataDir = "io.containerd.metadata.v1.bolt"
	// namespace is the one of Kubernetes' container runtime interface.
	namespace = "k8s.io"
)

// importAll does what `ctr images import` does, with no containerd running: it writes the archives into a
// content store in the folder dir and returns layers that hold this store in the node, one for each archive
// and one for the database.
func importAll(ctx context.Context, s *progress.Step, dir string, archives []image.Archive) ([]image.Layer, error) {
	for _, d := range []string{contentDir, metadataDir} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, err
		}
	}
	store, err := local.NewStore(filepath.Join(dir, contentDir))
	if err != nil {
		return nil, fmt.Errorf("open a content store: %w", err)
	}
	file := filepath.Join(dir, metadataDir, "meta.db")
	bdb, err := bolt.Open(file, 0o644, nil)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	defer bdb.Close()
	db := metadata.NewDB(bdb, store, nil)
	if err := db.Init(ctx); err != nil {
		return nil, fmt.Errorf("open %s: %w", file, err)
	}

	var layers []image.Layer
	blobs := newBlobs(dir)
	for _, a := range archives {
		fmt.Fprintf(s.Log, "import %s from %s\n", a.Ref, a.Path)
		if err := importImage(namespaces.WithNamespace(ctx, namespace), db, a); err != nil {
			return nil, fmt.Errorf("import the image %s: %w", a.Ref, err)
		}
		added, err := blobs.added()
		if err != nil {
			return nil, err
		}
		layers = append(layers, added)
	}
	if err := bdb.Close(); err != nil {
		return nil, err
	}
	return append(layers, image.Files{
		{Dest: filepath.Join(storeInNode, metadataDir), Mode: fs.ModeDir | 0o700},
		{Dest: filepath.Join(storeInNode, metadataDir, "meta.db"), Source: file, Mode: 0o644},
	}), nil
}

func importImage(ctx context.Context, db *metadata.DB, a image.Archive) error {
	f, err := os.Open(a.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	store := db.ContentStore()
	index, err := archive.ImportIndex(ctx, store, f)
	if err != nil {
		return err
	}
	// The labels keep containerd's garbage collector away from an image's manifest, configuration and layers.
	handler := images.SetChildrenLabels(store, images.ChildrenHandler(store))
	manifests, err := images.Children(ctx, store, index)
	if err != nil {
		return err
	}
	if err := images.Walk(ctx, handler, manifests...); err != nil {
		return err
	}

	imageStore := metadata.NewImageStore(db)
	for _, m := range manifests {
		img := images.Image{Name: m.Annotations[images.AnnotationImageName], Target: m}
		if _, err := imageStore.Create(ctx, img); err != nil {
			if errdefs.IsAlreadyExists(err) {
				return fmt.Errorf("two archives hold %s", img.Name)
			}
			return err
		}
	}
	return nil
}

// blobs lists the files that come into a content store.
type blobs struct {
	dir  string // of the store's blobs
	seen map[string]bool
}

func newBlobs(dir string) *blobs {
	return &blobs{dir: filepath.Join(dir, contentDir, "blobs", "sha256"), seen: map[string]bool{}}
}

func (b *blobs) added() (image.Files, error) {
	entries, err := os.ReadDir(b.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var files image.Files
	for _, e := range entries {
		if b.seen[e.Name()] {
			continue
		}
		b.seen[e.Name()] = true
		files = append(files, image.File{
			Dest:   filepath.Join(storeInNode, contentDir, "blobs", "sha256", e.Name()),
			Source: filepath.Join(b.dir, e.Name()),
			Mode:   0o444,
		})
	}
	return files, nil
}
