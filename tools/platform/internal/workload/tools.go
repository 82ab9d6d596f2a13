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
	kubectl string
	cli     string // Terraform, or OpenTofu
}

// findTools takes the commands from the PATH, without the folder ours, and builds what is not there. Where images
// are built, so is a kubectl of the cluster's version.
func (w *Workload) findTools(ctx context.Context, ours string) (tools, error) {
	t := tools{cli: onPath("terraform", ours)}
	if !w.builtImages() {
		t.kubectl = onPath("kubectl", ours)
	}
	if t.cli == "" {
		t.cli = onPath("tofu", ours)
	}
	var err error
	if t.kubectl == "" {
		if t.kubectl, err = gobuild.Get(ctx, w.Cache, w.Reporter, w.ModuleRoot, gobuild.Kubectl); err != nil {
			return tools{}, fmt.Errorf("get kubectl: %w", err)
		}
	}
	if t.cli == "" {
		if t.cli, err = gobuild.Get(ctx, w.Cache, w.Reporter, w.ModuleRoot, gobuild.OpenTofu); err != nil {
			return tools{}, fmt.Errorf("get a Terraform CLI: %w", err)
		}
	}
	return t, nil
}

func (t tools) isOpenTofu() bool { return filepath.Base(t.cli) == "tofu" }

// link puts the commands into the folder bin. OpenTofu answers to "terraform" too, since that is what everybody
// types and what the documentation prints.
func (t tools) link(bin string) error {
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	links := map[string]string{"kubectl": t.kubectl, "terraform": t.cli}
	if t.isOpenTofu() {
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

// onPath finds the command on the PATH as exec.LookPath does, but never in the platform's own folder, of this or
// another clone: what lies there is only a link.
func onPath(name, ours string) string {
	suffix := filepath.Join(filepath.Base(filepath.Dir(ours)), filepath.Base(ours))
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if !filepath.IsAbs(dir) || strings.HasSuffix(filepath.Clean(dir), string(filepath.Separator)+suffix) {
			continue
		}
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0 {
			return path
		}
	}
	return ""
}
