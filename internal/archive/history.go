package archive

import (
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"fmt"
	"io"
)

// maxHistory bounds the size of a timeline's history once it is decompressed: one short line per promotion.
const maxHistory = 1 << 20

// decompress undoes the compression that a WAL file's suffix names.
func decompress(suffix string, content []byte) ([]byte, error) {
	var plain io.Reader = bytes.NewReader(content)
	switch suffix {
	case "":
	case ".gz":
		unzip, err := gzip.NewReader(plain)
		if err != nil {
			return nil, fmt.Errorf("decompressing: %w", err)
		}
		plain = unzip
	case ".bz2":
		plain = bzip2.NewReader(plain)
	default:
		return nil, fmt.Errorf("compression %s is not supported here", suffix)
	}
	text, err := io.ReadAll(io.LimitReader(plain, maxHistory))
	if err != nil {
		return nil, fmt.Errorf("decompressing: %w", err)
	}
	return text, nil
}
