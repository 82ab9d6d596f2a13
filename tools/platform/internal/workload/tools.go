package workload

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/gobuild"
)

// tools are the commands that people and tests use with the platform, as absolute paths.
type tools struct {
	kubectl  string
	cli      string // Terraform, or OpenTofu
	openTofu bool   // what cli is
}

// findTools takes the commands from the PATH and builds what is not there. Where images are built, so is a kubectl of
// the cluster's version.
func (w *Workload) findTools(ctx context.Context) (t tools, err error) {
	images, err := w.noted()
	if err != nil {
		return tools{}, err
	}
	if !images.Built {
		t.kubectl = onPath("kubectl")
	}
	if t.kubectl == "" {
		if t.kubectl, err = gobuild.Get(ctx, w.Cache, w.Reporter, w.ModuleRoot, gobuild.Kubectl); err != nil {
			return tools{}, fmt.Errorf("get kubectl: %w", err)
		}
	}
	if t.cli, err = FindCLI(ctx, w.Cache, w.Reporter, w.ModuleRoot); err != nil {
		return tools{}, err
	}
	t.openTofu, err = isOpenTofu(ctx, t.cli)
	return t, err
}

// link puts the commands into the folder bin. OpenTofu answers to "terraform" too, since that is what everybody
// types and what the documentation prints.
func (t tools) link(bin string) error {
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	links := map[string]string{"kubectl": t.kubectl, "terraform": t.cli}
	if t.openTofu {
		links["tofu"] = t.cli
	}
	for name, target := range links {
		link := filepath.Join(bin, name)
		if current, err := os.Readlink(link); err == nil && current == target {
			continue
		}
		if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.Symlink(target, link); err != nil {
			return err
		}
	}
	return nil
}

// linksDir is where a clone has links to its tools.
var linksDir = filepath.Join(".platform", "bin")

// onPath finds the command on the PATH as exec.LookPath does, but never in the folder of links of this or another
// clone.
func onPath(name string) string {
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if !filepath.IsAbs(dir) || strings.HasSuffix(filepath.Clean(dir), string(filepath.Separator)+linksDir) {
			continue
		}
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0 {
			return path
		}
	}
	return ""
}
