package debian

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestOwnProcessesLeaveNoMounts kills a command that has mounted something: the machine has never seen it, and the folder can be removed.
func TestOwnProcessesLeaveNoMounts(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("root file systems are made as root alone, where no Docker engine is")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	at := t.TempDir()
	cmd := exec.CommandContext(ctx, "sh", "-c", `mount -t tmpfs none "$1" && touch "$1/inside" && ls "$1" && exec sleep 600`, "sh", at)
	cmd.SysProcAttr = ownProcesses()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "inside\n" {
		t.Fatalf("the command saw %q: %v", line, err)
	}
	if _, err := os.Stat(filepath.Join(at, "inside")); err == nil {
		t.Error("the mount is the machine's too")
	}
	cancel()
	if err := cmd.Wait(); err == nil {
		t.Error("the command was not killed")
	}
	if err := os.Remove(at); err != nil {
		t.Errorf("a mount is left: %v", err)
	}
}
