package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/state"

	"k8s.io/apimachinery/pkg/util/wait"
)

// recorded is a platform of which there is nothing but the record.
func recorded(t *testing.T, record *state.Record) *platform {
	t.Helper()
	reporter, err := progress.New(t.Output(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p := &platform{Reporter: reporter, clone: t.TempDir(), state: state.Dir(filepath.Join(t.TempDir(), "state"))}
	if record != nil {
		if err := p.state.Save(record); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func TestWhatIsHeldStaysUp(t *testing.T) {
	t.Parallel()
	p := recorded(t, &state.Record{Images: imagesBuilt, Complete: true, Temporary: true})
	release, err := p.state.Hold("the tests of /another/clone")
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if err := p.leave(t.Context()); err != nil {
		t.Errorf("leave: %v", err)
	}
	if err := p.down(t.Context(), false); err == nil || !strings.Contains(err.Error(), "the tests of /another/clone") {
		t.Errorf("down: %v, want an error that names the holder", err)
	}
	if r, err := p.state.Load(); err != nil || r == nil {
		t.Errorf("the record: %v, %v", r, err)
	}
}

func TestTheClusterIsNotMadeAnewUnderAHolder(t *testing.T) {
	t.Parallel()
	p := recorded(t, nil)
	p.record = &state.Record{Images: imagesBuilt, ClusterMade: true, NodeImage: "node:before"}
	release, err := p.state.Hold("the tests of /another/clone")
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if err := p.ensureCluster(t.Context(), "node:now"); err == nil || !strings.Contains(err.Error(), "the tests of /another/clone") {
		t.Errorf("ensureCluster: %v, want an error that names the holder", err)
	}
	if !p.record.ClusterMade || p.record.NodeImage != "node:before" {
		t.Errorf("the record: %+v", p.record)
	}
}

func TestAnInterruptEndsTheWaitForTheLock(t *testing.T) {
	t.Parallel()
	p := recorded(t, nil)
	unlock, err := p.state.Lock(t.Context(), "up", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- p.hold(ctx, imagesBuilt, false, []string{"true"}) }()
	select {
	case err := <-ended:
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("hold: %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("hold goes on waiting")
	}
}

func TestWhatUpBroughtUpStaysUp(t *testing.T) {
	t.Parallel()
	p := recorded(t, &state.Record{Images: imagesBuilt, Complete: true})
	if err := p.leave(t.Context()); err != nil {
		t.Errorf("leave: %v", err)
	}
	if r, err := p.state.Load(); err != nil || r == nil {
		t.Errorf("the record: %v, %v", r, err)
	}
}

func TestLeaveOfNothingLeavesNothing(t *testing.T) {
	t.Parallel()
	p := recorded(t, nil)
	if err := p.leave(t.Context()); err != nil {
		t.Errorf("leave: %v", err)
	}
	if _, err := os.Stat(string(p.state)); !os.IsNotExist(err) {
		t.Errorf("the state folder: %v", err)
	}
}

func TestHeldCommandsEndWithTheirExitCode(t *testing.T) {
	t.Parallel()
	if err := runHolding(t.Context(), []string{"true"}); err != nil {
		t.Errorf("true: %v", err)
	}
	var code exitCode
	if err := runHolding(t.Context(), []string{"sh", "-c", "exit 7"}); !errors.As(err, &code) || code != 7 {
		t.Errorf("exit 7: %v", err)
	}
	if err := runHolding(t.Context(), []string{"/there/is/no/such/command"}); err == nil {
		t.Error("no command, and no error")
	}
}

func TestAnInterruptReachesAllThatIsHeld(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		// The shell waits for its child, which alone could tell of the interrupt.
		ended <- runHolding(ctx, []string{"sh", "-c", `
			(trap 'touch "$0/interrupted"; exit 1' INT; touch "$0/runs"; while :; do sleep 0.05; done); exit 3`, dir})
	}()
	if err := wait.PollUntilContextTimeout(ctx, 10*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		_, err := os.Stat(filepath.Join(dir, "runs"))
		return err == nil, nil
	}); err != nil {
		t.Fatal("the command never ran")
	}
	cancel()
	if err := <-ended; err == nil {
		t.Error("interrupted, and no error")
	}
	if _, err := os.Stat(filepath.Join(dir, "interrupted")); err != nil {
		t.Errorf("the command's child: %v", err)
	}
}
