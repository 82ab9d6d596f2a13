package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// release is the provider as a release builds it; in the folder dir.
var release = sync.OnceValues(func() (dir string, err error) {
	dir, err = os.MkdirTemp("", "pgplatform-bench-")
	if err != nil {
		return "", err
	}
	build := exec.CommandContext(context.Background(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(dir, program), "../..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("build the provider: %w\n%s", err, out)
	}
	return dir, nil
})

// longest is how long any of the commands may take.
const longest = 5 * time.Minute

const program = "terraform-provider-pgplatform"

// released is the folder of the built provider.
func released(b *testing.B) string {
	b.Helper()
	dir, err := release()
	if err != nil {
		b.Fatal(err)
	}
	return dir
}

// workspace is a configuration with its state in a folder of its own.
type workspace struct {
	b   *testing.B
	dir string
	env []string
}

// newWorkspace is a workspace whose Terraform runs the built provider.
func newWorkspace(b *testing.B, config string) *workspace {
	b.Helper()
	w := &workspace{b: b, dir: b.TempDir()}
	w.write("main.tf", config)
	w.env = append(environment(), "TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1", "TF_CLI_CONFIG_FILE="+w.write("cli.tfrc", fmt.Sprintf(`
provider_installation {
  dev_overrides { %q = %q }
  direct {}
}`, address, released(b))))
	return w
}

const address = "registry.terraform.io/pgplatform/pgplatform"

// environment is this process's without what Terraform and the provider would take settings from.
func environment() []string {
	var kept []string
	for _, variable := range os.Environ() {
		settings := false
		for _, prefix := range []string{"TF_", "KUBE", "AWS_"} {
			settings = settings || strings.HasPrefix(variable, prefix)
		}
		if !settings {
			kept = append(kept, variable)
		}
	}
	return kept
}

func (w *workspace) write(name, content string) (path string) {
	w.b.Helper()
	path = filepath.Join(w.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		w.b.Fatal(err)
	}
	return path
}

// cost is what a command took.
type cost struct {
	wall time.Duration
	// processor is the time on processors, of Terraform and of the provider: other programs on the machine change it little.
	processor time.Duration
}

// plan makes a plan, which must find nothing to do.
func (w *workspace) plan(env ...string) cost {
	w.b.Helper()
	return w.terraform(env, "plan", "-detailed-exitcode")
}

// apply makes everything.
func (w *workspace) apply(env ...string) cost {
	w.b.Helper()
	return w.terraform(env, "apply", "-auto-approve")
}

// terraform runs the CLI.
func (w *workspace) terraform(env []string, args ...string) cost {
	w.b.Helper()
	ctx, cancel := context.WithTimeout(w.b.Context(), longest)
	defer cancel()
	cmd := exec.CommandContext(ctx, findCLI(w.b), append(args, "-no-color", "-input=false")...)
	cmd.Dir, cmd.Env = w.dir, slices.Concat(w.env, env)
	cmd.WaitDelay = time.Second // plugins that are left hold its output open
	start := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(start)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 2 {
		w.b.Fatalf("terraform %v found changes:\n%s", args, out)
	}
	if err != nil {
		w.b.Fatalf("terraform %v: %v\n%s", args, err, out)
	}
	return cost{took, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
}

// findCLI is the CLI that make bench names, or else terraform or tofu on the PATH.
func findCLI(b *testing.B) string {
	b.Helper()
	fromPath := func(name string) string {
		path, _ := exec.LookPath(name) // where there is none, the next is tried
		return path
	}
	path := cmp.Or(os.Getenv("TF_ACC_TERRAFORM_PATH"), fromPath("terraform"), fromPath("tofu"))
	if path == "" {
		b.Skip("it runs the Terraform CLI, and neither terraform nor tofu is on the PATH: make bench gets one")
	}
	return path
}
