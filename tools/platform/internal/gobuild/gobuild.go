// Package gobuild builds static binaries from the Go modules under tools/platform/build: pinned third-party
// programs, and the small ones that the platform's nodes need of our own.
package gobuild

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/cache"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
)

// Target is one binary.
type Target struct {
	Module  string   // the folder of its module under tools/platform/build
	Package string   // the main package: an import path, or "./x" where its source lies in the module's folder
	Name    string   // file name of the binary
	LDFlags []string // beyond -s -w
	OS      string   // what it runs on; empty: this machine
}

// Get returns the path of the target's binary: a static, stripped executable alone in its folder, so that
// the folder can be put on a PATH. Where the cache has none it is built, which is a step of its own.
// moduleRoot is the folder of tools/platform in the clone.
func Get(ctx context.Context, c *cache.Cache, r *progress.Reporter, moduleRoot string, t Target) (string, error) {
	key, err := t.key(ctx, moduleRoot)
	if err != nil {
		return "", fmt.Errorf("build %s: %w", t.Name, err)
	}
	if c.Has(t.Name, key) {
		return t.get(ctx, c, nil, moduleRoot, key)
	}
	var path string
	err = r.Run(ctx, "Build "+t.Name, func(ctx context.Context, s *progress.Step) (err error) {
		path, err = t.get(ctx, c, s, moduleRoot, key)
		return err
	})
	return path, err
}

// Build is Get inside of a step.
func Build(ctx context.Context, c *cache.Cache, s *progress.Step, moduleRoot string, t Target) (string, error) {
	key, err := t.key(ctx, moduleRoot)
	if err != nil {
		return "", fmt.Errorf("build %s: %w", t.Name, err)
	}
	return t.get(ctx, c, s, moduleRoot, key)
}

func (t Target) get(ctx context.Context, c *cache.Cache, s *progress.Step, moduleRoot, key string) (string, error) {
	folder, err := c.Get(ctx, t.Name, key, func(ctx context.Context, path string) error {
		cmd := s.Command(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", t.ldflags(),
			"-o", filepath.Join(path, t.Name), t.Package)
		cmd.Dir = t.dir(moduleRoot)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOOS="+cmp.Or(t.OS, runtime.GOOS))
		return progress.Explain(cmd.Run(), "go build "+t.Package)
	})
	if err != nil {
		return "", fmt.Errorf("build %s: %w", t.Name, err)
	}
	return filepath.Join(folder, t.Name), nil
}

func (t Target) dir(moduleRoot string) string { return filepath.Join(moduleRoot, "build", t.Module) }

func (t Target) ldflags() string {
	return strings.Join(append([]string{"-s", "-w"}, t.LDFlags...), " ")
}

// key is made of the Go version, the pinned modules, the flags and, for our own programs, their source.
func (t Target) key(ctx context.Context, moduleRoot string) (string, error) {
	dir := t.dir(moduleRoot)
	version, err := goVersion(ctx, dir)
	if err != nil {
		return "", err
	}
	files := []string{filepath.Join(dir, "go.mod"), filepath.Join(dir, "go.sum")}
	if strings.HasPrefix(t.Package, "./") {
		source, err := filepath.Glob(filepath.Join(dir, t.Package, "*.go"))
		if err != nil {
			return "", err
		}
		files = append(files, slices.DeleteFunc(source, func(f string) bool { return strings.HasSuffix(f, "_test.go") })...)
	}
	parts := []string{version, runtime.GOARCH, t.Package, t.ldflags()}
	if t.OS != "" {
		parts = append(parts, t.OS)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return "", err
		}
		parts = append(parts, filepath.Base(f), string(b))
	}
	return cache.Key(parts...), nil
}

// goVersion is that of the folder, whose go.mod may have chosen another Go than the one on the PATH.
func goVersion(ctx context.Context, dir string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "env", "GOVERSION")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("ask go for its version: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
