// Package engine runs a Docker engine of the platform's own, for machines where none runs. It lives in its own
// mount, network and process namespaces: it changes neither the host's mounts, interfaces and iptables nor what
// is in /run, and ending its first process ends everything in it.
package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/ociruntime"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
)

// Packages are the Debian packages that the engine is made of.
var Packages = []string{"docker.io", "containerd", "runc", "iptables"}

// Address is where the host reaches what the engine publishes.
const Address = "10.213.77.2"

// Engine is the private Docker engine. At most one runs on a machine, since its addresses are fixed.
type Engine struct {
	// Dir has its configuration, socket, logs and running state.
	Dir string
	// Data is Docker's data-root. It may outlive the engine: the loaded node image is worth keeping.
	Data string
}

// Host is the value for DOCKER_HOST.
func (e Engine) Host() string { return "unix://" + e.socket() }

func (e Engine) socket() string        { return filepath.Join(e.Dir, "docker.sock") }
func (e Engine) execRoot() string      { return filepath.Join(e.Dir, "exec") }
func (e Engine) program() string       { return filepath.Join(e.Dir, "bin", "pgplatform") }
func (e Engine) runtime() string       { return filepath.Join(e.Dir, "bin", ociruntime.Name) }
func (e Engine) config() string        { return filepath.Join(e.Dir, "daemon.json") }
func (e Engine) daemonLog() string     { return filepath.Join(e.Dir, "dockerd.log") }
func (e Engine) supervisorLog() string { return filepath.Join(e.Dir, "supervisor.log") }

// Check says in one error why the engine cannot run on this machine.
func Check() error {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		return errors.New("running a Docker engine of its own takes Linux and root; start an ordinary Docker engine and use --images=pulled")
	}
	return nil
}

// UseEnvironment makes this process, and what it starts, talk to the engine.
func (e Engine) UseEnvironment() error {
	for _, name := range []string{"DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_TLS", "DOCKER_CERT_PATH"} {
		if err := os.Unsetenv(name); err != nil {
			return err
		}
	}
	// No credentials or plugins of the user's ordinary client.
	if err := os.Setenv("DOCKER_CONFIG", filepath.Join(e.Dir, "client")); err != nil {
		return err
	}
	return os.Setenv("DOCKER_HOST", e.Host())
}

// Running tells whether the engine answers.
func (e Engine) Running(ctx context.Context) bool {
	return e.supervisor() != 0 && e.ping(ctx) == nil
}

// Start brings the engine up, or leaves it as it is where it answers. Remains of one that was killed are
// cleared away first.
func (e Engine) Start(ctx context.Context, s *progress.Step) error {
	if pid := e.supervisor(); pid != 0 {
		if err := e.await(ctx, nil, 20*time.Second); err == nil {
			return nil
		}
		fmt.Fprintf(s.Log, "the engine (process %d) does not answer: ending it\n", pid)
	}
	if err := e.Stop(ctx); err != nil {
		return err
	}
	if _, err := os.Stat(e.loading()); err == nil {
		fmt.Fprintln(s.Log, "an image was half loaded: beginning with no data")
		if err := e.RemoveData(); err != nil {
			return err
		}
	}
	err := e.launch(ctx)
	if err == nil || ctx.Err() != nil {
		return err
	}
	// The data may be what it stumbles over, and nothing in them cannot be had again.
	fmt.Fprintf(s.Log, "%v: once more with no data\n", err)
	if err := e.RemoveData(); err != nil {
		return err
	}
	return e.launch(ctx)
}

// launch starts the supervising process, gives its network namespace a link to the host and lets it go on.
func (e Engine) launch(ctx context.Context) error {
	if err := e.prepare(); err != nil {
		return fmt.Errorf("prepare the Docker engine: %w", err)
	}
	log, err := os.Create(e.supervisorLog())
	if err != nil {
		return err
	}
	defer log.Close()
	// The engine outlives this command.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), e.program(), SuperviseCommand, e.Dir, e.Data)
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = ownNamespaces()
	permit, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the engine's namespaces: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		// How it ended shows in its logs.
		_ = cmd.Wait()
		close(ended)
	}()
	err = connect(cmd.Process.Pid)
	if err == nil {
		_, err = io.WriteString(permit, permission)
	}
	err = errors.Join(err, permit.Close())
	if err == nil {
		err = e.await(ctx, ended, time.Minute)
	}
	if err != nil {
		// A fresh context: an engine that is not up must not stay because its start was interrupted.
		return errors.Join(err, e.Stop(context.WithoutCancel(ctx)))
	}
	return nil
}

// await waits until the engine answers, or ended is closed.
func (e Engine) await(ctx context.Context, ended <-chan struct{}, atMost time.Duration) error {
	deadline := time.After(atMost)
	for {
		err := e.ping(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ended:
			return fmt.Errorf("the Docker engine ended as it started: %s; its logs: %s, %s", e.lastWords(), e.daemonLog(), e.supervisorLog())
		case <-deadline:
			return fmt.Errorf("the Docker engine does not answer after %s: %w; its log: %s", atMost, err, e.daemonLog())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (e Engine) ping(ctx context.Context) error {
	client := http.Client{
		Timeout: 5 * time.Second,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, "unix", e.socket())
			},
		},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker/_ping", nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("docker answers %s", response.Status)
	}
	return nil
}

// Stop ends the engine with everything in it and clears away what it leaves on the host. It is content where
// nothing runs.
func (e Engine) Stop(ctx context.Context) error {
	if err := e.end(ctx); err != nil {
		return fmt.Errorf("end the Docker engine: %w", err)
	}
	return errors.Join(disconnect(ctx), removeCgroups(ctx), e.removeLoops(ctx), e.removeMadeFolders(), os.RemoveAll(e.execRoot()))
}

const (
	graceful = 20 * time.Second
	forced   = 20 * time.Second
)

func (e Engine) end(ctx context.Context) error {
	for _, attempt := range []struct {
		signal unix.Signal
		wait   time.Duration
	}{{unix.SIGTERM, graceful}, {unix.SIGKILL, forced}} {
		pid := e.supervisor()
		if pid == 0 {
			return nil
		}
		if err := unix.Kill(pid, attempt.signal); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
		err := poll(ctx, attempt.wait, func() (bool, error) { return e.supervisor() == 0, nil })
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return err
		}
	}
	return fmt.Errorf("process %d is still there", e.supervisor())
}

var errNotYet = errors.New("not in time")

// poll asks again and again until done or error, at most as long as atMost.
func poll(ctx context.Context, atMost time.Duration, done func() (bool, error)) error {
	deadline := time.Now().Add(atMost)
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return errNotYet
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}
