package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/ociruntime"
)

// cgroupParent is where every container's cgroups lie, in each hierarchy, apart from those of any other Docker.
const cgroupParent = "pgplatform"

// prepare writes what the supervisor and dockerd need.
func (e Engine) prepare() error {
	for _, dir := range []string{filepath.Dir(e.program()), e.execRoot(), e.Data} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	for _, stale := range []string{e.socket(), e.pidFile()} {
		if err := os.Remove(stale); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := e.installProgram(); err != nil {
		return fmt.Errorf("install the supervisor: %w", err)
	}
	config, err := json.MarshalIndent(e.daemonConfig(), "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(e.config(), config, 0o644); err != nil {
		return err
	}
	if err := e.noteLoops(); err != nil {
		return err
	}
	return e.makeFolders()
}

func (e Engine) pidFile() string { return filepath.Join(e.Dir, "docker.pid") }

// daemonConfig is dockerd's daemon.json.
func (e Engine) daemonConfig() map[string]any {
	return map[string]any{
		"data-root":       e.Data,
		"exec-root":       e.execRoot(),
		"pidfile":         e.pidFile(),
		"hosts":           []string{e.Host()},
		"runtimes":        map[string]any{ociruntime.Name: map[string]string{"path": e.runtime()}},
		"default-runtime": ociruntime.Name,
		// Not systemd's: its bus is out of sight, and what it makes would outlive the engine.
		"exec-opts":     []string{"native.cgroupdriver=cgroupfs"},
		"cgroup-parent": "/" + cgroupParent,
	}
}

// installProgram copies the running program to where it stays: "go run" removes its own when it ends.
func (e Engine) installProgram() error {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer self.Close()
	partial := e.program() + ".partial"
	program, err := os.OpenFile(partial, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(program, self)
	if err := errors.Join(err, program.Close()); err != nil {
		return err
	}
	if err := os.Rename(partial, e.program()); err != nil {
		return err
	}
	err = os.Symlink(filepath.Base(e.program()), e.runtime())
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

var (
	// covered are folders that Docker and containerd write to, whatever they are told.
	covered = []string{"/run", "/etc/docker", "/opt/containerd"}
	// needed are folders that Docker or kind would make on the host where they are missing, and leave there.
	needed = append([]string{"/usr/lib/modules"}, covered...)
)

func (e Engine) madeFile() string { return filepath.Join(e.Dir, "made-folders.json") }

// makeFolders makes what is missing of them and keeps note of it, before it is done.
func (e Engine) makeFolders() error {
	made, err := e.madeFolders()
	if err != nil {
		return err
	}
	for _, dir := range needed {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			made = append(made, dir)
		}
	}
	b, err := json.Marshal(made)
	if err != nil {
		return err
	}
	if err := os.WriteFile(e.madeFile(), b, 0o600); err != nil {
		return err
	}
	for _, dir := range made {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return nil
}

func (e Engine) madeFolders() ([]string, error) {
	b, err := os.ReadFile(e.madeFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var made []string
	if err := json.Unmarshal(b, &made); err != nil {
		return nil, fmt.Errorf("read which folders were made: %w", err)
	}
	return made, nil
}

// removeMadeFolders removes those that makeFolders made, unless somebody has put something there.
func (e Engine) removeMadeFolders() error {
	made, err := e.madeFolders()
	if err != nil {
		return err
	}
	for _, dir := range made {
		// A folder in use by now stays.
		_ = os.Remove(dir)
	}
	if err := os.Remove(e.madeFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
