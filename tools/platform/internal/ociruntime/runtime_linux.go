package ociruntime

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Run does what the OCI runtime is asked to with args, those after the program's name. It returns only on error;
// else runc takes the process over.
func Run(args []string) error {
	runc, err := exec.LookPath("runc")
	if err != nil {
		return fmt.Errorf("find the real runtime: %w", err)
	}
	if err := adapt(args); err != nil {
		return err
	}
	return unix.Exec(runc, append([]string{"runc"}, args...), os.Environ())
}

func adapt(args []string) error {
	call := parse(args)
	switch call.command {
	case "create", "run":
		self, err := os.Executable()
		if err != nil {
			return err
		}
		hook := specs.Hook{Path: self, Args: []string{GuardName}}
		return rewrite(filepath.Join(call.bundle, "config.json"), func(b []byte) ([]byte, error) {
			return AdaptConfig(b, here(), hook)
		})
	case "exec":
		if call.process == "" {
			return nil
		}
		return rewrite(call.process, func(b []byte) ([]byte, error) { return AdaptProcess(b, here()) })
	}
	return nil
}

// call is what matters here of a runtime's command line.
type call struct{ command, bundle, process string }

func parse(args []string) call {
	c := call{bundle: "."}
	at := slices.IndexFunc(args, func(a string) bool { return a == "create" || a == "run" || a == "exec" })
	if at < 0 {
		return c
	}
	c.command = args[at]
	rest := args[at+1:]
	value := func(i int, names ...string) (string, bool) {
		name, inline, has := strings.Cut(rest[i], "=")
		if !slices.Contains(names, name) {
			return "", false
		}
		if has {
			return inline, true
		}
		if i+1 < len(rest) {
			return rest[i+1], true
		}
		return "", false
	}
	for i := range rest {
		if v, ok := value(i, "--bundle", "-b"); ok {
			c.bundle = v
		}
		if v, ok := value(i, "--process", "-p"); ok {
			c.process = v
		}
	}
	return c
}

func rewrite(path string, change func([]byte) ([]byte, error)) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	before, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	after, err := change(before)
	if err != nil {
		return fmt.Errorf("adapt %s: %w", path, err)
	}
	return os.WriteFile(path, after, info.Mode().Perm())
}

// here reads the limits of the current process.
func here() Limits {
	bounding, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, unix.CAP_SYS_RESOURCE, 0, 0, 0)
	l := Limits{
		SysResource: err == nil && bounding == 1,
		Hard: func(resource string) (uint64, bool) {
			var r unix.Rlimit
			id, known := rlimits[resource]
			if !known || unix.Getrlimit(id, &r) != nil {
				return 0, false
			}
			return r.Max, true
		},
	}
	if b, err := os.ReadFile("/proc/self/oom_score_adj"); err == nil {
		// Unreadable counts as 0, what a process has by default.
		l.OOMScoreAdj, _ = strconv.Atoi(strings.TrimSpace(string(b)))
	}
	return l
}
