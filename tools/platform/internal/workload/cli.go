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

// isOpenTofu asks the CLI what it is: its name does not tell, since OpenTofu is often installed as terraform.
func isOpenTofu(ctx context.Context, cli string) (bool, error) {
	version, err := exec.CommandContext(ctx, cli, "version").Output()
	if err != nil {
		return false, fmt.Errorf("ask %s for its version: %w", cli, err)
	}
	return strings.Contains(string(version), "OpenTofu v"), nil
}
