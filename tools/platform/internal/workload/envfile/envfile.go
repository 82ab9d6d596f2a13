// Package envfile writes files of environment variables for `source` in a shell.
package envfile

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// File is the content of such a file.
type File struct {
	comment []string
	pathDir string
	groups  []group
}

type group struct {
	title string
	vars  []variable
}

type variable struct{ name, value string }

// New begins a file with a comment of some lines. pathDir is a folder that comes first on the PATH.
func New(pathDir string, comment ...string) *File {
	return &File{comment: comment, pathDir: pathDir}
}

// Group begins a group of variables under a title.
func (f *File) Group(title string) { f.groups = append(f.groups, group{title: title}) }

// Set adds a variable to the group begun last. There must be one.
func (f *File) Set(name, value string) {
	g := &f.groups[len(f.groups)-1]
	g.vars = append(g.vars, variable{name, value})
}

// Write writes the file whole or not at all, readable by its owner only. Folders are made.
func (f *File) Write(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	partial := path + ".partial"
	if err := os.WriteFile(partial, f.bytes(), 0o600); err != nil {
		return err
	}
	return os.Rename(partial, path)
}

func (f *File) bytes() []byte {
	var b bytes.Buffer
	for _, line := range f.comment {
		fmt.Fprintf(&b, "# %s\n", line)
	}
	dir := quote(f.pathDir)
	// Sourced twice, the PATH does not grow.
	fmt.Fprintf(&b, "\ncase \":$PATH:\" in\n*:%s:*) ;;\n*) export PATH=%s:\"$PATH\" ;;\nesac\n", dir, dir)
	for _, g := range f.groups {
		fmt.Fprintf(&b, "\n# %s\n", g.title)
		for _, v := range g.vars {
			fmt.Fprintf(&b, "export %s=%s\n", v.name, quote(v.value))
		}
	}
	return b.Bytes()
}

// quote makes a word that every shell takes literally.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
