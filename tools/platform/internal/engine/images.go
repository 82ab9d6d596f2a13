package engine

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
)

// Load makes the image ref known to the engine from a tar, where it is not, and drops every other image: of the
// node images that earlier versions left, none is needed again.
func (e Engine) Load(ctx context.Context, s *progress.Step, ref, tar string) error {
	have, err := e.docker(ctx, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}")
	if err != nil {
		return err
	}
	known := false
	for _, other := range strings.Fields(have) {
		if other == ref {
			known = true
			continue
		}
		if err := s.Exec(ctx, "docker", "image", "rm", "--force", other); err != nil {
			// A container of a cluster that is about to be replaced may use it.
			fmt.Fprintf(s.Log, "leave the image %s: %v\n", other, err)
		}
	}
	if known {
		return nil
	}
	// Docker does not clean up after a load that was cut short.
	if err := os.WriteFile(e.loading(), nil, 0o600); err != nil {
		return err
	}
	if err := s.Exec(ctx, "docker", "load", "--quiet", "--input", tar); err != nil {
		return err
	}
	return os.Remove(e.loading())
}

// loading is a file that is there while an image is being loaded.
func (e Engine) loading() string { return filepath.Join(e.Data, ".loading") }

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

// docker runs the client against this engine and returns what it prints.
func (e Engine) docker(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "docker", append([]string{"--host", e.Host()}, args...)...).Output()
	if err != nil {
		return "", fmt.Errorf("docker %s: %w", args[0], progress.Explain(err, "docker"))
	}
	return string(out), nil
}
