package archive

import (
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"fmt"
	"io"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
)

// maxHistory bounds the size of a timeline's history, compressed or not: it has one short line per promotion.
const maxHistory = 1 << 20

// decompress undoes the compression that a WAL file's suffix names.
func decompress(suffix string, content []byte) ([]byte, error) {
	plain, err := decompressor(suffix, bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("decompressing: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(plain, maxHistory))
	if err != nil {
		return nil, fmt.Errorf("decompressing: %w", err)
	}
	return text, nil
}

// decompressor reads through the compression that barman uses for a suffix; snappy means its framing format.
func decompressor(suffix string, r io.Reader) (io.Reader, error) {
	switch suffix {
	case "":
		return r, nil
	case ".gz":
		return gzip.NewReader(r)
	case ".bz2":
		return bzip2.NewReader(r), nil
	case ".snappy":
		return snappy.NewReader(r), nil
	case ".zst":
		// Without its own goroutines, so that nothing is left to close.
		return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20))
	case ".lz4":
		return lz4.NewReader(r), nil
	case ".xz":
		return xz.NewReader(r)
	}
	return nil, fmt.Errorf("compression %s is unknown", suffix)
}
