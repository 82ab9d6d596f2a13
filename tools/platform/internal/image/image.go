// Package image writes container images as files: reproducible, with no container engine.
package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Epoch is the time of every file that is made here, so that equal content makes equal bytes.
var Epoch = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// Path is the PATH that images set unless they have reason not to.
const Path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Archive is an image in a file, in the form of `docker save`.
type Archive struct {
	Ref  string // "localhost/localstack:4.13.1"
	Path string
}

// Image is what an archive is made from.
type Image struct {
	Ref    string
	Config v1.Config // Env, User, Entrypoint, Cmd, StopSignal, WorkingDir …
	Layers []Layer   // bottom first
	// Plain leaves the layers uncompressed, for `docker load` of any version. Otherwise they are compressed
	// with zstd, which containerd and Docker from 23 on read.
	Plain bool
}

// Write makes the archive at path. On error, and when ctx ends, what is there is not whole.
func (i Image) Write(ctx context.Context, path string) error {
	if err := i.write(ctx, path); err != nil {
		return fmt.Errorf("write the image %s: %w", i.Ref, err)
	}
	return nil
}

func (i Image) write(ctx context.Context, path string) error {
	tag, err := name.NewTag(i.Ref)
	if err != nil {
		return err
	}
	img := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	img = mutate.ConfigMediaType(img, types.OCIConfigJSON)
	for _, l := range i.Layers {
		blob, err := newBlob(ctx, l, i.Plain)
		if err != nil {
			return err
		}
		if img, err = mutate.AppendLayers(img, blob); err != nil {
			return err
		}
	}
	file, err := img.ConfigFile()
	if err != nil {
		return err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", runtime.GOARCH
	file.Created = v1.Time{Time: Epoch}
	file.Config = i.Config
	if img, err = mutate.ConfigFile(img, file); err != nil {
		return err
	}

	f, err := os.Create(path)
	if err != nil {
		return err
	}
	err = tarball.Write(tag, img, &untilDone{ctx: ctx, w: f})
	return errors.Join(err, f.Close())
}

// untilDone is a writer that fails when its context ends.
type untilDone struct {
	ctx context.Context
	w   io.Writer
}

func (u *untilDone) Write(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.w.Write(p)
}
