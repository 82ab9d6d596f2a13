package engine

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
)

// Load makes the image ref known to the engine from a tar, where it is not.
func (e Engine) Load(ctx context.Context, s *progress.Step, ref, tar string) error {
	if exec.CommandContext(ctx, "docker", "--host", e.Host(), "image", "inspect", ref).Run() == nil {
		return nil
	}
	// Docker does not clean up after a load that was cut short.
	if err := os.WriteFile(e.loading(), nil, 0o600); err != nil {
		return err
	}
	if err := s.Exec(ctx, "docker", "--host", e.Host(), "load", "--quiet", "--input", tar); err != nil {
		return err
	}
	return os.Remove(e.loading())
}

// loading is a file that is there while an image is being loaded.
func (e Engine) loading() string { return filepath.Join(e.Data, ".loading") }

// Prune drops the images that no container uses: of the node images that earlier versions left, none is needed
// again.
func (e Engine) Prune(ctx context.Context, s *progress.Step) error {
	return s.Exec(ctx, "docker", "--host", e.Host(), "image", "prune", "--all", "--force")
}

// Tidy tells whether the data hold nothing but whole images, so that they may stay for the next start.
// The engine must not run.
func (e Engine) Tidy() bool {
	if _, err := os.Stat(e.loading()); err == nil {
		return false
	}
	containers, err := os.ReadDir(filepath.Join(e.Data, "containers"))
	return err == nil && len(containers) == 0
}

// RemoveData deletes Docker's data-root. The engine must not run.
func (e Engine) RemoveData() error {
	if err := os.RemoveAll(e.Data); err != nil {
		return fmt.Errorf("remove the Docker engine's data: %w", err)
	}
	return nil
}
