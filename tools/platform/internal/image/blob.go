package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// blob is a layer as go-containerregistry sees it. Nothing is held in memory or on disk: the layer is
// written once to learn its digests and once into the archive.
type blob struct {
	layer          Layer
	plain          bool
	digest, diffID v1.Hash
	size           int64
}

var _ v1.Layer = (*blob)(nil)

func newBlob(ctx context.Context, l Layer, plain bool) (*blob, error) {
	b := &blob{layer: l, plain: plain}
	content := &meter{hash: sha256.New()}
	if err := l.writeTar(&untilDone{ctx: ctx, w: content}); err != nil {
		return nil, err
	}
	b.diffID = content.sum()
	b.digest, b.size = b.diffID, content.size
	if !plain {
		stored := &meter{hash: sha256.New()}
		if err := writeCompressed(l, &untilDone{ctx: ctx, w: stored}); err != nil {
			return nil, err
		}
		b.digest, b.size = stored.sum(), stored.size
	}
	return b, nil
}

func (b *blob) Digest() (v1.Hash, error) { return b.digest, nil }
func (b *blob) DiffID() (v1.Hash, error) { return b.diffID, nil }
func (b *blob) Size() (int64, error)     { return b.size, nil }

func (b *blob) MediaType() (types.MediaType, error) {
	if b.plain {
		return types.OCIUncompressedLayer, nil
	}
	return types.OCILayerZStd, nil
}

// Compressed is the layer as it is stored.
func (b *blob) Compressed() (io.ReadCloser, error) {
	if b.plain {
		return b.Uncompressed()
	}
	return pipe(func(w io.Writer) error { return writeCompressed(b.layer, w) }), nil
}

// Uncompressed is the layer's tar.
func (b *blob) Uncompressed() (io.ReadCloser, error) { return pipe(b.layer.writeTar), nil }

func pipe(write func(io.Writer) error) io.ReadCloser {
	r, w := io.Pipe()
	go func() { _ = w.CloseWithError(write(w)) }()
	return r
}

// meter counts and hashes what is written to it.
type meter struct {
	hash hash.Hash
	size int64
}

func (m *meter) Write(p []byte) (int, error) {
	m.size += int64(len(p))
	return m.hash.Write(p)
}

func (m *meter) sum() v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(m.hash.Sum(nil))}
}
