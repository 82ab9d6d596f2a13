package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// Layer is the content of an image's layer: something that writes a tar. It writes the same bytes every time.
type Layer interface {
	writeTar(w io.Writer) error
}

// File is an entry of a layer: a regular file with the content of Source or else Data, a symbolic link to
// Link, or, when Mode has fs.ModeDir, a folder. Folders above it that are not listed are made with mode 755.
type File struct {
	Dest     string // absolute path in the image
	Source   string // path on this machine
	Data     []byte
	Link     string
	Mode     fs.FileMode // permissions, setuid and sticky bits; 0 for a regular file: 644
	UID, GID int
}

// Files is a layer of single files, all of them dated Epoch.
type Files []File

// Folder lists what lies in the folder source, to be put under dest and owned by root.
func Folder(source, dest string) (Files, error) {
	var files Files
	err := filepath.WalkDir(source, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(source, p)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		f := File{Dest: path.Join(dest, filepath.ToSlash(rel)), Mode: info.Mode()}
		switch {
		case info.Mode().IsRegular():
			f.Source = p
		case info.Mode()&fs.ModeSymlink != 0:
			if f.Link, err = os.Readlink(p); err != nil {
				return err
			}
		case !info.IsDir():
			return fmt.Errorf("%s is neither file, folder nor symbolic link", p)
		}
		files = append(files, f)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the folder %s: %w", source, err)
	}
	return files, nil
}

func (fl Files) writeTar(w io.Writer) error {
	sorted := make(Files, len(fl))
	copy(sorted, fl)
	sort.SliceStable(sorted, func(a, b int) bool { return sorted[a].Dest < sorted[b].Dest })

	t := tar.NewWriter(w)
	made := map[string]bool{"": true}
	for _, f := range sorted {
		name := strings.Trim(path.Clean(f.Dest), "/")
		if made[name] && f.Mode.IsDir() {
			continue
		}
		if err := makeParents(t, path.Dir(name), made); err != nil {
			return err
		}
		made[name] = true
		if err := f.writeEntry(t, name); err != nil {
			return fmt.Errorf("add %s: %w", f.Dest, err)
		}
	}
	return t.Close()
}

func makeParents(t *tar.Writer, dir string, made map[string]bool) error {
	if dir == "." || made[dir] {
		return nil
	}
	if err := makeParents(t, path.Dir(dir), made); err != nil {
		return err
	}
	made[dir] = true
	return File{Mode: fs.ModeDir | 0o755}.writeEntry(t, dir)
}

func (f File) writeEntry(t *tar.Writer, name string) error {
	h := &tar.Header{Name: name, Mode: tarMode(f.Mode), Uid: f.UID, Gid: f.GID, ModTime: Epoch, Format: tar.FormatPAX}
	var content io.Reader
	switch {
	case f.Mode.IsDir():
		h.Typeflag, h.Name = tar.TypeDir, name+"/"
	case f.Link != "":
		h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, f.Link, 0o777
	case f.Source != "":
		src, err := os.Open(f.Source)
		if err != nil {
			return err
		}
		defer src.Close()
		info, err := src.Stat()
		if err != nil {
			return err
		}
		h.Typeflag, h.Size, content = tar.TypeReg, info.Size(), src
	default:
		h.Typeflag, h.Size, content = tar.TypeReg, int64(len(f.Data)), bytes.NewReader(f.Data)
	}
	if h.Mode == 0 {
		h.Mode = 0o644
	}
	if err := t.WriteHeader(h); err != nil {
		return err
	}
	if content == nil {
		return nil
	}
	_, err := io.Copy(t, content)
	return err
}

func tarMode(m fs.FileMode) int64 {
	mode := int64(m.Perm())
	for bit, value := range map[fs.FileMode]int64{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if m&bit != 0 {
			mode |= value
		}
	}
	return mode
}

// Tar is a layer that lies in a file: a tar compressed with zstd.
type Tar string

func (t Tar) writeTar(w io.Writer) error {
	return t.unpack(func(content io.Reader) error {
		_, err := io.Copy(w, content)
		return err
	})
}

func (t Tar) unpack(read func(io.Reader) error) error {
	f, err := os.Open(string(t))
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		return err
	}
	defer z.Close()
	if err := read(z); err != nil {
		return fmt.Errorf("unpack %s: %w", t, err)
	}
	return nil
}

// Part is a layer of some entries of another one, the parts of an image's root file system for example. An entry that
// is not there is an error.
type Part struct {
	Of      Tar
	Entries []string // paths without a leading slash
}

func (p Part) writeTar(w io.Writer) error {
	missing := map[string]bool{}
	for _, e := range p.Entries {
		missing[e] = true
	}
	out := tar.NewWriter(w)
	err := p.Of.EachEntry(func(name string, h *tar.Header, content io.Reader) error {
		if !missing[name] {
			return nil
		}
		delete(missing, name)
		if err := out.WriteHeader(h); err != nil {
			return err
		}
		_, err := io.Copy(out, content)
		return err
	})
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return fmt.Errorf("%s has no %v", p.Of, slices.Sorted(maps.Keys(missing)))
	}
	return out.Close()
}

// EachEntry reads the tar from its beginning to its end, with the path of each entry as "usr/bin/env".
func (t Tar) EachEntry(visit func(name string, h *tar.Header, content io.Reader) error) error {
	return t.unpack(func(content io.Reader) error {
		in := tar.NewReader(content)
		for {
			h, err := in.Next()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if err := visit(strings.TrimPrefix(path.Clean(h.Name), "/"), h, in); err != nil {
				return err
			}
		}
	})
}

// writeCompressed writes the layer compressed with zstd.
func writeCompressed(l Layer, w io.Writer) error {
	if t, ok := l.(Tar); ok {
		return t.copyTo(w)
	}
	// One worker: more of them need not write the same bytes twice.
	z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	return errors.Join(l.writeTar(z), z.Close())
}

func (t Tar) copyTo(w io.Writer) error {
	f, err := os.Open(string(t))
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}
