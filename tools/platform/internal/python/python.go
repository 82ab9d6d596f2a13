// Package python installs sets of Python packages.
package python

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/cache"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/debian"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
)

// Set is a set of packages from PyPI, every one of them pinned.
type Set struct {
	Name         string
	Python       string // version of the Python that will run it, which need not be on this machine
	Requirements string // text of the requirements file
	Finish       func(dir string) error
}

// Install returns a folder with the packages, to be put on the module search path; their commands are in its bin.
func (p Set) Install(ctx context.Context, c *cache.Cache, s *progress.Step) (string, error) {
	path, err := c.Get(ctx, "python-"+p.Python+"-"+p.Name, cache.Key(p.Requirements, p.Python, runtime.GOARCH),
		func(ctx context.Context, path string) error { return p.download(ctx, s, path) })
	if err != nil {
		return "", fmt.Errorf("install Python packages of %s: %w", p.Name, err)
	}
	return path, nil
}

// Version is that of this machine's Python, such as 3.11. Debian's is installed where there is none.
func Version(ctx context.Context, s *progress.Step) (string, error) {
	interpreter, err := Interpreter(ctx, s)
	if err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, interpreter, "-c", `import sys; print("%d.%d" % sys.version_info[:2])`).Output()
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", interpreter, err)
	}
	return strings.TrimSpace(string(out)), nil
}

func (p Set) download(ctx context.Context, s *progress.Step, path string) error {
	python, err := Interpreter(ctx, s)
	if err != nil {
		return err
	}
	file, err := os.CreateTemp("", "requirements-*.txt")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	if _, err := file.WriteString(p.Requirements); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}

	// Wheels only: they unpack for any Python and any machine, where a source package would be built for this one.
	args := []string{
		"-m", "pip", "install", "--no-input", "--no-deps", "--no-compile", "--only-binary=:all:",
		"--implementation=cp", "--python-version=" + p.Python, "--target=" + path, "--requirement=" + file.Name(),
	}
	arch := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
	for _, tag := range []string{"manylinux2014", "manylinux_2_17", "manylinux_2_28", "manylinux_2_34"} {
		args = append(args, "--platform="+tag+"_"+arch)
	}
	cmd := s.Command(ctx, python, args...)
	cmd.Env = append(os.Environ(), "PIP_ROOT_USER_ACTION=ignore", "PIP_DISABLE_PIP_VERSION_CHECK=1")
	if err := progress.Explain(cmd.Run(), "pip install"); err != nil {
		return err
	}
	if p.Finish == nil {
		return nil
	}
	return p.Finish(path)
}

// Interpreter is any Python 3 on this machine that has pip; Debian's where there is none.
func Interpreter(ctx context.Context, s *progress.Step) (string, error) {
	const debians = "/usr/bin/python3"
	for _, python := range []string{"python3", debians} {
		if exec.CommandContext(ctx, python, "-m", "pip", "--version").Run() == nil {
			return python, nil
		}
	}
	if err := debian.Ensure(ctx, s, "python3-pip"); err != nil {
		return "", err
	}
	return debians, nil
}
