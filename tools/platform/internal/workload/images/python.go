package images

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/cache"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/debian"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
)

// pythonSet is a set of Python packages from PyPI, every one of them pinned.
type pythonSet struct {
	name         string
	python       string // version of the Python that will run it, which need not be on this machine
	requirements string // text of the requirements file
	trim         func(dir string) error
}

var (
	//go:embed requirements/barman.txt
	barmanRequirements string
	//go:embed requirements/localstack.txt
	localStackRequirements string

	localStackSet = pythonSet{name: "localstack", python: "3.11", requirements: localStackRequirements}
)

func barmanSet(python string) pythonSet {
	return pythonSet{name: "barman", python: python, requirements: barmanRequirements, trim: onlyS3}
}

// install returns a folder with the packages, to be put on the module search path; their commands are in its bin.
func (p pythonSet) install(ctx context.Context, c *cache.Cache, s *progress.Step) (string, error) {
	path, err := c.Get(ctx, "python-"+p.python+"-"+p.name, cache.Key(p.requirements, p.python, runtime.GOARCH),
		func(ctx context.Context, path string) error { return p.download(ctx, s, path) })
	if err != nil {
		return "", fmt.Errorf("install Python packages of %s: %w", p.name, err)
	}
	return path, nil
}

func (p pythonSet) download(ctx context.Context, s *progress.Step, path string) error {
	python, err := interpreterWithPip(ctx, s)
	if err != nil {
		return err
	}
	file, err := os.CreateTemp("", "requirements-*.txt")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	if _, err := file.WriteString(p.requirements); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}

	// Wheels only: they unpack for any Python and any machine, where a source package would be built for this one.
	args := []string{
		"-m", "pip", "install", "--no-input", "--no-deps", "--no-compile", "--only-binary=:all:",
		"--implementation=cp", "--python-version=" + p.python, "--target=" + path, "--requirement=" + file.Name(),
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
	if p.trim == nil {
		return nil
	}
	return p.trim(path)
}

// interpreterWithPip is any Python 3 on this machine that has pip; Debian's where there is none.
func interpreterWithPip(ctx context.Context, s *progress.Step) (string, error) {
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

// onlyS3 removes the descriptions of the hundreds of services that barman does not use, most of botocore's size.
func onlyS3(dir string) error {
	data := filepath.Join(dir, "botocore", "data")
	entries, err := os.ReadDir(data)
	if err != nil {
		return err
	}
	wanted := map[string]bool{"s3": true, "sts": true, "sso": true, "sso-oidc": true}
	for _, e := range entries {
		if !e.IsDir() || wanted[e.Name()] || strings.HasPrefix(e.Name(), "_") {
			continue
		}
		if err := os.RemoveAll(filepath.Join(data, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
