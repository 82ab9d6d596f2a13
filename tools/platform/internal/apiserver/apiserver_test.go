package apiserver

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
)

func TestAReservedPortIsNobodyElses(t *testing.T) {
	t.Parallel()
	port, release, err := reservePort()
	if err != nil {
		t.Fatal(err)
	}
	address := net.JoinHostPort(loopback, strconv.Itoa(port))
	var l net.ListenConfig
	if taken, err := l.Listen(t.Context(), "tcp", address); err == nil {
		t.Errorf("another program gets %s", taken.Addr())
	}
	release()
	free, err := l.Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatalf("after release: %v", err)
	}
	_ = free.Close()
}

// standIn is a program that does what the script says.
func standIn(t *testing.T, name, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestNothingIsLeftOfWhatDoesNotStart(t *testing.T) {
	t.Parallel()
	r, err := progress.New(t.Output(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	pid := filepath.Join(t.TempDir(), "pid")
	s := Server{
		Dir:       filepath.Join(t.TempDir(), "apiserver"),
		Etcd:      standIn(t, "etcd", "echo $$ > "+pid+"\nexec sleep 600"),
		APIServer: standIn(t, "kube-apiserver", "until [ -s "+pid+" ]; do sleep 0.1; done\necho no such flag\nexit 1"),
	}
	// What a run left that was killed.
	if err := os.MkdirAll(filepath.Join(s.Dir, "etcd", "member"), 0o700); err != nil {
		t.Fatal(err)
	}
	err = r.Run(t.Context(), "start", s.Start)
	if err == nil || !strings.Contains(err.Error(), "kube-apiserver ended") {
		t.Errorf("Start() = %v", err)
	}
	if _, err := os.Stat(filepath.Join(s.Dir, "etcd")); !os.IsNotExist(err) {
		t.Errorf("it would have gone on with the data of before (%v)", err)
	}
	id, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	runs := func() bool {
		return exec.CommandContext(t.Context(), "kill", "-0", strings.TrimSpace(string(id))).Run() == nil
	}
	if !runs() {
		t.Error("etcd's stand-in does not run")
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if runs() {
		t.Error("etcd's stand-in runs on")
	}
	if _, err := os.Stat(s.Dir); !os.IsNotExist(err) {
		t.Errorf("the folder is still there (%v)", err)
	}
}
