package loop

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
)

func TestList(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, path := range []string{"loop0/loop", "loop12", "loop-control", "vda"} {
		if err := os.MkdirAll(filepath.Join(dir, path), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "loop0/loop/backing_file"), []byte("/disk (deleted)\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := list(dir)
	if want := (Devices{0: "/disk (deleted)", 12: ""}); err != nil || !maps.Equal(got, want) {
		t.Errorf("list() = %v, %v; want %v", got, err, want)
	}
}
