package engine

import (
	"context"
	"fmt"
	"os"
	"os/exec"
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
	return s.Exec(ctx, "docker", "load", "--quiet", "--input", tar)
}

// Empty tells whether the engine has no container left, so that its data may stay for the next start.
func (e Engine) Empty(ctx context.Context) bool {
	ids, err := e.docker(ctx, "ps", "--all", "--quiet")
	return err == nil && strings.TrimSpace(ids) == ""
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
