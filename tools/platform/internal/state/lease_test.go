package state

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestHoldersAreThoseWhoHold(t *testing.T) {
	t.Parallel()
	d := Dir(filepath.Join(t.TempDir(), "state"))
	if holders, err := d.Holders(); err != nil || len(holders) > 0 {
		t.Fatalf("before anybody: %q, %v", holders, err)
	}
	release, err := d.Hold("the tests of /clone")
	if err != nil {
		t.Fatal(err)
	}
	// What a process leaves that was killed.
	if err := os.WriteFile(filepath.Join(d.leases(), "4711"), []byte("killed"), 0o600); err != nil {
		t.Fatal(err)
	}
	if holders, err := d.Holders(); err != nil || len(holders) != 1 || !strings.HasPrefix(holders[0], "the tests of /clone (process ") {
		t.Errorf("while held: %q, %v", holders, err)
	}
	release()
	if holders, err := d.Holders(); err != nil || len(holders) > 0 {
		t.Errorf("after release: %q, %v", holders, err)
	}
}

func TestReleaseAfterTheFolderIsGone(t *testing.T) {
	t.Parallel()
	d := Dir(filepath.Join(t.TempDir(), "state"))
	release, err := d.Hold("it")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Remove(); err != nil {
		t.Fatal(err)
	}
	release()
	if _, err := os.Stat(string(d)); !os.IsNotExist(err) {
		t.Errorf("the folder is there again: %v", err)
	}
}
