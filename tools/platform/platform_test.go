package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestCloneRoot(t *testing.T) {
	clone := t.TempDir()
	deep := filepath.Join(clone, "tools", "platform", "internal")
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(clone, "tools", "platform", "go.mod"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{clone, deep} {
		t.Chdir(dir)
		if got, err := cloneRoot(""); err != nil || got != clone {
			t.Errorf("cloneRoot from %s = %q, %v", dir, got, err)
		}
	}
	if got, err := cloneRoot(clone); err != nil || got != clone {
		t.Errorf("cloneRoot(%q) = %q, %v", clone, got, err)
	}
	t.Chdir(t.TempDir())
	if got, err := cloneRoot(""); err == nil {
		t.Errorf("cloneRoot outside of a clone = %q", got)
	}
	if got, err := cloneRoot("/"); err == nil {
		t.Errorf("cloneRoot of no clone = %q", got)
	}
}
