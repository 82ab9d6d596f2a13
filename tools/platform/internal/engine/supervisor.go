package engine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// SuperviseCommand is the subcommand that the program runs as first process of the engine's namespaces.
const SuperviseCommand = "supervise-engine"

// permission is what the supervisor reads once the host's side of its network is ready.
const permission = "go on\n"

// Supervise is the first process in the engine's namespaces: it hides the host's folders that Docker writes to,
// runs dockerd and reaps orphans. It returns when dockerd ends, and with it everything in the namespaces does.
func Supervise(dir, data string) error {
	e := Engine{Dir: dir, Data: data}
	if b, err := io.ReadAll(os.Stdin); err != nil || string(b) != permission {
		return errors.Join(errors.New("the starting command went away"), err)
	}
	if err := ownMounts(); err != nil {
		return err
	}
	log, err := e.freshLog()
	if err != nil {
		return err
	}
	// Before dockerd runs, so that no signal to end it is missed.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT)

	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	if err := os.Setenv("PATH", path); err != nil {
		return err
	}
	dockerd, err := lookPath("dockerd", path)
	if err != nil {
		return err
	}
	daemon, err := os.StartProcess(dockerd, []string{"dockerd", "--config-file", e.config()},
		&os.ProcAttr{Dir: "/", Env: os.Environ(), Files: []*os.File{null, log, log}})
	if err != nil {
		return fmt.Errorf("start dockerd: %w", err)
	}
	go func() {
		for range signals {
			// It may have ended by itself.
			_ = unix.Kill(daemon.Pid, unix.SIGTERM)
		}
	}()
	return reap(daemon.Pid)
}

// reap collects every process that ends until the daemon has.
func reap(daemon int) error {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("wait for dockerd: %w", err)
		}
		if pid != daemon {
			continue
		}
		if status.ExitStatus() != 0 {
			return fmt.Errorf("dockerd ended: exit status %d, signal %v", status.ExitStatus(), status.Signal())
		}
		return nil
	}
}

// freshLog keeps the log of the run before beside the new one: it may tell why that one ended.
func (e Engine) freshLog() (*os.File, error) {
	if err := os.Rename(e.daemonLog(), e.daemonLog()+".before"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return os.Create(e.daemonLog())
}

func lookPath(name, path string) (string, error) {
	for _, dir := range strings.Split(path, ":") {
		file := filepath.Join(dir, name)
		if unix.Access(file, unix.X_OK) == nil {
			return file, nil
		}
	}
	return "", fmt.Errorf("find %s in %s: %w", name, path, os.ErrNotExist)
}

// supervisor returns the process that supervises this engine, 0 where none runs. It is looked up by its command
// line, which, unlike a number in a file, is never out of date.
func (e Engine) supervisor() int {
	want := []byte(strings.Join([]string{e.program(), SuperviseCommand, e.Dir, e.Data, ""}, "\x00"))
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if b, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "cmdline")); err == nil && bytes.Equal(b, want) {
			return pid
		}
	}
	return 0
}
