package demo

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhatTheCLIPrintsIsShownWhole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cli := filepath.Join(dir, "terraform")
	if err := os.WriteFile(cli, []byte("#!/bin/sh\necho begin\nhead -c 200000 /dev/zero | tr '\\0' x\necho\nprintf end\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	var shown bytes.Buffer
	if err := (&Demo{Out: &shown, CLI: cli, Workdir: dir}).terraform(t.Context(), "apply"); err != nil {
		t.Fatal(err)
	}
	want := "   $ terraform apply\n   │ begin\n   │ " + strings.Repeat("x", 200000) + "\n   │ end\n"
	if shown.String() != want {
		t.Errorf("%d characters are shown, not %d", shown.Len(), len(want))
	}
}
