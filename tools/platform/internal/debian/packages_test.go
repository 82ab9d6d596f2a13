package debian

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
)

// A run that is given up while packages are being installed lets that come to its end: a killed dpkg leaves a broken machine.
func TestInstallIsNotInterrupted(t *testing.T) {
	folder := t.TempDir()
	begun, goOn, installed := filepath.Join(folder, "begun"), filepath.Join(folder, "go-on"), filepath.Join(folder, "installed")
	for _, pipe := range []string{begun, goOn} {
		if err := syscall.Mkfifo(pipe, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// It downloads at once, and installs when it is told to.
	script := "#!/bin/sh\ncase \"$*\" in *--download-only) exit 0;; esac\necho >" + begun + "\nread -r _ <" + goOn + "\nsleep 0.2\necho >" + installed + "\n"
	if err := os.WriteFile(filepath.Join(folder, "apt-get"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", folder+":"+os.Getenv("PATH"))
	ctx, giveUp := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- install(ctx, stepOf(t), []string{"docker.io"}) }()
	if _, err := os.ReadFile(begun); err != nil { // until the installation runs
		t.Fatal(err)
	}
	giveUp()
	on, err := os.OpenFile(goOn, os.O_RDWR, 0) // which waits for no reader: there is none where the installation was ended
	if err != nil {
		t.Fatal(err)
	}
	defer on.Close()
	if _, err := on.WriteString("\n"); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("a run that was given up ends with %v", err)
	}
	if _, err := os.Stat(installed); err != nil {
		t.Errorf("the installation was interrupted: %v", err)
	}
}

// A download is given up at once, and nothing is installed then.
func TestDownloadIsInterrupted(t *testing.T) {
	folder := t.TempDir()
	called := filepath.Join(folder, "called")
	if err := os.WriteFile(filepath.Join(folder, "apt-get"), []byte("#!/bin/sh\necho \"$*\" >>"+called+"\nexec sleep 600\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", folder+":"+os.Getenv("PATH"))
	ctx, giveUp := context.WithCancel(t.Context())
	giveUp()
	if err := install(ctx, stepOf(t), []string{"docker.io"}); err == nil {
		t.Error("a download that was given up has no error")
	}
	if text, err := os.ReadFile(called); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%q ran after it was given up", text)
	}
}

func stepOf(t *testing.T) *progress.Step {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	return &progress.Step{Log: log}
}
