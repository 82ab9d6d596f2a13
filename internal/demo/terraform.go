package demo

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// add copies files of the example into the working folder, as somebody would who extends a configuration step by step.
func (d *Demo) add(names ...string) error {
	for _, name := range names {
		content, err := os.ReadFile(filepath.Join(d.Examples, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(d.Workdir, name), content, 0o600); err != nil {
			return err
		}
		d.say("   + %s", name)
	}
	return nil
}

// settings writes the variables that differ from run to run; the others come from TF_VAR_….
func (d *Demo) settings(values map[string]any) error {
	values["namespace"] = d.Namespace
	content, err := json.MarshalIndent(values, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(d.Workdir, "terraform.tfvars.json"), content, 0o600)
}

// terraform runs the CLI and shows what it prints.
func (d *Demo) terraform(ctx context.Context, args ...string) error {
	d.say("   $ terraform %s", strings.Join(args, " "))
	reader, writer := io.Pipe()
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		// No bufio.Scanner: it would stop reading at a long line, and the CLI then wait for ever.
		for lines := bufio.NewReader(reader); ; {
			line, err := lines.ReadString('\n')
			if line != "" {
				d.say("   │ %s", strings.TrimRight(line, "\r\n"))
			}
			if err != nil {
				return
			}
		}
	}()
	cmd := d.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = writer, writer
	err := cmd.Run()
	_ = writer.Close()
	<-shown
	if err != nil {
		return fmt.Errorf("terraform %s: %w", args[0], err)
	}
	return nil
}

// output runs the CLI and returns what it prints to stdout.
func (d *Demo) output(ctx context.Context, args ...string) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	cmd := d.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.Bytes(), fmt.Errorf("terraform %s: %w\n%s", args[0], err, stderr.String())
	}
	return stdout.Bytes(), nil
}

func (d *Demo) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, d.CLI, append([]string{"-chdir=" + d.Workdir}, args...)...)
	cmd.Env = append(append(os.Environ(), d.Environ...), "TF_IN_AUTOMATION=1", "TF_CLI_ARGS=-no-color")
	// Terraform answers the first interrupt by saving its state: give it the time.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Minute
	return cmd
}

// plan tells whether a plan finds changes.
func (d *Demo) plan(ctx context.Context) (changes bool, err error) {
	const changesFound = 2 // of -detailed-exitcode
	err = d.terraform(ctx, "plan", "-detailed-exitcode")
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == changesFound {
		return true, nil
	}
	return false, err
}

// destroyKnown destroys what the state of an earlier run knows and Kubernetes still has.
func (d *Demo) destroyKnown(ctx context.Context) error {
	if err := d.terraform(ctx, "apply", "-refresh-only", "-auto-approve"); err != nil {
		return err
	}
	known, err := d.output(ctx, "state", "list")
	if err != nil {
		return err
	}
	unprotected := []string{"apply", "-auto-approve"}
	for _, address := range strings.Fields(string(known)) {
		if !strings.HasPrefix(address, "data.") {
			unprotected = append(unprotected, "-target="+address)
		}
	}
	if len(unprotected) == 2 {
		return nil
	}
	// Another target_time would replace the restored database instead of letting it go: the state's own is kept.
	if err := d.keepTarget(ctx); err != nil {
		return err
	}
	if err := d.terraform(ctx, unprotected...); err != nil {
		return err
	}
	return d.terraform(ctx, "destroy", "-auto-approve")
}

// keepTarget takes target_time over from the state.
func (d *Demo) keepTarget(ctx context.Context) error {
	state, err := d.state(ctx)
	if err != nil {
		return err
	}
	values, ok := state["pgplatform_restore.pitr"]
	if !ok {
		return nil
	}
	var restored struct {
		TargetTime string `json:"target_time"`
	}
	if err := json.Unmarshal(values, &restored); err != nil {
		return err
	}
	return d.settings(map[string]any{"deletion_protection": false, "target_time": restored.TargetTime})
}

// state is what Terraform's state holds: the attributes of each address, as JSON.
func (d *Demo) state(ctx context.Context) (map[string]json.RawMessage, error) {
	shown, err := d.output(ctx, "show", "-json")
	if err != nil {
		return nil, err
	}
	var state struct {
		Values struct {
			RootModule struct {
				Resources []struct {
					Address string          `json:"address"`
					Values  json.RawMessage `json:"values"`
				} `json:"resources"`
			} `json:"root_module"`
		} `json:"values"`
	}
	if err := json.Unmarshal(shown, &state); err != nil {
		return nil, fmt.Errorf("read terraform show -json: %w", err)
	}
	values := map[string]json.RawMessage{}
	for _, resource := range state.Values.RootModule.Resources {
		values[resource.Address] = resource.Values
	}
	return values, nil
}
