package workload

import (
	"context"
	"fmt"
	"os/exec"
	"strings"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/cache"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/gobuild"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
)

// FindCLI returns the path of the Terraform CLI to use: terraform on the PATH, else tofu, else OpenTofu, built into
// the cache. moduleRoot is the folder of tools/platform in the clone.
func FindCLI(ctx context.Context, c *cache.Cache, r *progress.Reporter, moduleRoot string) (string, error) {
	for _, name := range []string{"terraform", "tofu"} {
		if path := onPath(name); path != "" {
			return path, nil
		}
	}
	path, err := gobuild.Get(ctx, c, r, moduleRoot, gobuild.OpenTofu)
	if err != nil {
		return "", fmt.Errorf("get a Terraform CLI: %w", err)
	}
	return path, nil
}

// FindCLIs returns the paths of all Terraform CLIs: terraform and tofu on the PATH, and OpenTofu, built into the cache,
// where neither of them is it.
func FindCLIs(ctx context.Context, c *cache.Cache, r *progress.Reporter, moduleRoot string) ([]string, error) {
	var paths []string
	haveOpenTofu := false
	for _, name := range []string{"terraform", "tofu"} {
		path := onPath(name)
		if path == "" {
			continue
		}
		openTofu, err := isOpenTofu(ctx, path)
		if err != nil {
			return nil, err
		}
		haveOpenTofu = haveOpenTofu || openTofu
		paths = append(paths, path)
	}
	if haveOpenTofu {
		return paths, nil
	}
	path, err := gobuild.Get(ctx, c, r, moduleRoot, gobuild.OpenTofu)
	if err != nil {
		return nil, fmt.Errorf("get OpenTofu: %w", err)
	}
	return append(paths, path), nil
}

// isOpenTofu asks the CLI what it is: its name does not tell, since OpenTofu is often installed as terraform.
func isOpenTofu(ctx context.Context, cli string) (bool, error) {
	version, err := exec.CommandContext(ctx, cli, "version").Output()
	if err != nil {
		return false, fmt.Errorf("ask %s for its version: %w", cli, err)
	}
	return strings.Contains(string(version), "OpenTofu v"), nil
}
