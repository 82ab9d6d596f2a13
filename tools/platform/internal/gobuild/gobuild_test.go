package gobuild

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/cache"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
)

func TestGetBuildsOnceForOneSource(t *testing.T) {
	t.Setenv(cache.EnvDir, t.TempDir())
	c, err := cache.Open()
	if err != nil {
		t.Fatal(err)
	}
	r, err := progress.New(t.Output(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	program := Target{Module: "m", Package: "./hello", Name: "hello", LDFlags: []string{"-X main.who=world"}}
	write(t, filepath.Join(root, "build/m/go.mod"), "module example.org/m\n\ngo 1.26.0\n")
	write(t, filepath.Join(root, "build/m/go.sum"), "")
	source := filepath.Join(root, "build/m/hello/main.go")
	write(t, source, "package main\n\nvar who string\n\nfunc main() { print(\"hello \", who) }\n")

	first, err := Get(t.Context(), c, r, root, program)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), first).CombinedOutput(); err != nil || string(out) != "hello world" {
		t.Errorf("it printed %q, %v", out, err)
	}
	again, err := Get(t.Context(), c, r, root, program)
	if err != nil || again != first {
		t.Errorf("with nothing changed: %s, %v; want %s", again, err, first)
	}
	write(t, source, "package main\n\nvar who string\n\nfunc main() { print(\"bye \", who) }\n")
	changed, err := Get(t.Context(), c, r, root, program)
	if err != nil || changed == first {
		t.Errorf("with changed source: %s, %v", changed, err)
	}
}

func TestGetOfBrokenSourceLeavesNothing(t *testing.T) {
	t.Setenv(cache.EnvDir, t.TempDir())
	c, err := cache.Open()
	if err != nil {
		t.Fatal(err)
	}
	r, err := progress.New(t.Output(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	write(t, filepath.Join(root, "build/m/go.mod"), "module example.org/m\n\ngo 1.26.0\n")
	write(t, filepath.Join(root, "build/m/go.sum"), "")
	write(t, filepath.Join(root, "build/m/broken/main.go"), "package main\n\nfunc main() { nonsense }\n")
	if path, err := Get(t.Context(), c, r, root, Target{Module: "m", Package: "./broken", Name: "broken"}); err == nil {
		t.Errorf("built %s", path)
	}
	for _, pattern := range []string{"broken*", ".partial*"} {
		left, err := filepath.Glob(filepath.Join(c.Dir(), pattern))
		if err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
