package envfile

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestShellReadsValuesBack(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "it's a clone", "bin")
	values := map[string]string{
		"PLAIN":   "http://localhost:4566",
		"QUOTES":  `it's "quoted" and \ escaped`,
		"DOLLARS": "$HOME `id` $(id)",
		"LINES":   "one\ntwo",
		"EMPTY":   "",
	}
	f := New(dir, "a comment")
	f.Group("a group")
	for name, value := range values {
		f.Set(name, value)
	}
	path := filepath.Join(t.TempDir(), "made", "env")
	if err := f.Write(path); err != nil {
		t.Fatal(err)
	}

	// Twice: the PATH must not grow.
	script := `set -eu; . "$1"; . "$1"; shift; printf '%s\0' "$PATH"; for n; do eval printf "'%s\0'" '"$'$n'"'; done`
	names := []string{"PLAIN", "QUOTES", "DOLLARS", "LINES", "EMPTY"}
	cmd := exec.CommandContext(t.Context(), "sh", append([]string{"-c", script, "sh", path}, names...)...)
	cmd.Env = []string{"PATH=/usr/bin:/bin"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got := strings.Split(string(out), "\x00")
	if want := dir + ":/usr/bin:/bin"; got[0] != want {
		t.Errorf("PATH is %q, want %q", got[0], want)
	}
	for i, name := range names {
		if got[i+1] != values[name] {
			t.Errorf("%s is %q, want %q", name, got[i+1], values[name])
		}
	}
}

func TestOnlyItsOwnerReadsIt(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "env")
	// A file of before, open to all, does not keep its mode.
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := New("/bin").Write(path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("its mode is %o, want 600", got)
	}
}
