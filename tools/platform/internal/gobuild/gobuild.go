// Package gobuild builds the platform's static binaries from Go modules: those under tools/platform/build,
// each of which pins one third-party program, and the platform's own small programs.
package gobuild

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"sync"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/cache"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
)

// Target is one binary.
type Target struct {
	Module  string   // the folder of its module under tools/platform/build; empty: tools/platform itself
	Package string   // import path of the main package; "./cmd/x" in tools/platform itself
	Name    string   // file name of the binary
	LDFlags []string // beyond -s -w
}

// Build returns the path of the target's binary, built where the cache has none: a static, stripped
// executable alone in its folder, so that the folder can be put on a PATH. moduleRoot is the folder of
// tools/platform in the clone.
func Build(ctx context.Context, c *cache.Cache, s *progress.Step, moduleRoot string, t Target) (string, error) {
	dir := moduleRoot
	if t.Module != "" {
		dir = filepath.Join(moduleRoot, "build", t.Module)
	}
	ldflags := strings.Join(append([]string{"-s", "-w"}, t.LDFlags...), " ")
	key, err := recipe(ctx, dir, t, ldflags)
	if err != nil {
		return "", fmt.Errorf("build %s: %w", t.Name, err)
	}

	folder, err := c.Get(ctx, t.Name, key, func(ctx context.Context, path string) error {
		cmd := s.Command(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", ldflags,
			"-o", filepath.Join(path, t.Name), t.Package)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
		return progress.Explain(cmd.Run(), "go build "+t.Package)
	})
	if err != nil {
		return "", fmt.Errorf("build %s: %w", t.Name, err)
	}
	return filepath.Join(folder, t.Name), nil
}

// recipe is the cache key of a target: the Go version, the pinned modules, the flags, and, for the
// platform's own programs, their source.
func recipe(ctx context.Context, dir string, t Target, ldflags string) (string, error) {
	version, err := goVersion(ctx, dir)
	if err != nil {
		return "", err
	}
	files := []string{filepath.Join(dir, "go.mod"), filepath.Join(dir, "go.sum")}
	if t.Module == "" {
		source, err := filepath.Glob(filepath.Join(dir, t.Package, "*.go"))
		if err != nil {
			return "", err
		}
		sort.Strings(source)
		files = append(files, source...)
	}
	parts := []string{version, runtime.GOARCH, t.Package, ldflags}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return "", err
		}
		parts = append(parts, filepath.Base(f), string(b))
	}
	return cache.Key(parts...), nil
}

var goVersions sync.Map // dir -> version; a go.mod's toolchain line may choose another Go

func goVersion(ctx context.Context, dir string) (string, error) {
	if v, ok := goVersions.Load(dir); ok {
		return v.(string), nil
	}
	cmd := exec.CommandContext(ctx, "go", "env", "GOVERSION")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("ask go for its version: %w", err)
	}
	v := strings.TrimSpace(string(out))
	goVersions.Store(dir, v)
	return v, nil
}
