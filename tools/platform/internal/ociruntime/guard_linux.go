package ociruntime

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// guarded are the kernel settings that have no namespace and that a node's systemd and kubelet write at start.
var guarded = []string{
	"vm/overcommit_memory",
	"vm/panic_on_oom",
	"kernel/panic",
	"kernel/panic_on_oops",
	"kernel/keys/root_maxkeys",
	"kernel/keys/root_maxbytes",
	"fs/file-max",
	"fs/nr_open",
}

// Guard is an OCI createContainer hook: it runs in the container's mount namespace while the root is still
// reached by its path. Over each kernel setting that is shared with the host it binds a plain file with the
// same content, so that the container reads what it wrote and the host stays as it is.
func Guard(stdin io.Reader) error {
	var container specs.State
	if err := json.NewDecoder(stdin).Decode(&container); err != nil {
		return fmt.Errorf("read the container's state: %w", err)
	}
	b, err := os.ReadFile(filepath.Join(container.Bundle, "config.json"))
	if err != nil {
		return err
	}
	var config specs.Spec
	if err := json.Unmarshal(b, &config); err != nil {
		return fmt.Errorf("read the container's configuration: %w", err)
	}
	if config.Root == nil {
		return errors.New("the container's configuration names no root")
	}
	root := config.Root.Path
	if !filepath.IsAbs(root) {
		root = filepath.Join(container.Bundle, root)
	}
	for _, name := range guarded {
		if err := cover(filepath.Join(root, "proc/sys", name), filepath.Join(container.Bundle, "sysctls", name)); err != nil {
			return fmt.Errorf("keep %s from the container: %w", name, err)
		}
	}
	return nil
}

func cover(setting, file string) error {
	value, err := os.ReadFile(setting)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(file, value, 0o644); err != nil {
		return err
	}
	return unix.Mount(file, setting, "", unix.MS_BIND, "")
}
