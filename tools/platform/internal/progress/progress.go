// Package progress tells a person what the platform is doing: each step by name, how long it takes,
// how long it took last time, and, when it fails, the lines of its log that matter and where the log lies.
package progress

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Reporter prints steps to one writer and keeps their logs and durations in a folder.
// It is safe for concurrent use: steps may run side by side.
type Reporter struct {
	out io.Writer
	dir string // logs/<step>.log and durations.json

	mu        sync.Mutex
	durations map[string]time.Duration
}

// New makes a reporter whose logs and durations lie in dir, which is made.
func New(out io.Writer, dir string) (*Reporter, error) {
	if err := os.MkdirAll(filepath.Join(dir, "logs"), 0o755); err != nil {
		return nil, err
	}
	r := &Reporter{out: out, dir: dir, durations: map[string]time.Duration{}}
	if b, err := os.ReadFile(r.durationsFile()); err == nil {
		// A broken file costs only the hint "last time".
		_ = json.Unmarshal(b, &r.durations)
	}
	return r, nil
}

// Step is what the body of a step writes to and runs commands with.
type Step struct {
	Log  *os.File // everything that the step's commands print
	name string
}

const tellEvery = 15 * time.Second

// Run does one step: prints its start, then its end with its duration; a long one is mentioned now and then.
// On error the last lines of the step's log are printed with the log's path.
func (r *Reporter) Run(ctx context.Context, name string, body func(ctx context.Context, s *Step) error) error {
	logPath := filepath.Join(r.dir, "logs", fileName(name)+".log")
	log, err := os.Create(logPath)
	if err != nil {
		return err
	}
	defer log.Close()

	start := time.Now()
	r.printf("… %s%s", name, r.lastTime(name))
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(tellEvery)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				r.printf("… %s: %s so far", name, round(time.Since(start)))
			}
		}
	})
	err = body(ctx, &Step{Log: log, name: name})
	close(done)
	wg.Wait()

	took := time.Since(start)
	if err != nil && ctx.Err() != nil {
		// Stopped from outside, by a signal or because a step beside it failed: its log explains nothing.
		r.printf("✗ %s stopped after %s", name, round(took))
		return fmt.Errorf("%s: %w", name, err)
	}
	if err != nil {
		r.printf("✗ %s failed after %s: %v", name, round(took), err)
		if tail := lastLines(logPath, 15); tail != "" {
			r.printf("  last lines of its log:\n%s", tail)
		}
		r.printf("  whole log: %s", logPath)
		return fmt.Errorf("%s: %w", name, err)
	}
	r.printf("✓ %s (%s)", name, round(took))
	r.remember(name, took)
	return nil
}

// Say prints one line that belongs to no step.
func (r *Reporter) Say(format string, args ...any) { r.printf(format, args...) }

// LogDir is the folder of the steps' logs.
func (r *Reporter) LogDir() string { return filepath.Join(r.dir, "logs") }

// Command prepares a command whose output goes to the step's log.
// When ctx ends it is killed.
func (s *Step) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = s.Log, s.Log
	fmt.Fprintf(s.Log, "+ %s %s\n", name, strings.Join(args, " "))
	return cmd
}

// Exec runs a command with its output in the step's log.
func (s *Step) Exec(ctx context.Context, name string, args ...string) error {
	return Explain(s.Command(ctx, name, args...).Run(), name)
}

// Explain names the command in the error of its run.
func Explain(err error, name string) error {
	if err == nil {
		return nil
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return fmt.Errorf("%s: %s", name, exit.ProcessState)
	}
	return fmt.Errorf("%s: %w", name, err)
}

func (r *Reporter) printf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(r.out, format+"\n", args...)
}

func (r *Reporter) lastTime(name string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if d, ok := r.durations[name]; ok {
		return fmt.Sprintf(" (last time %s)", round(d))
	}
	return ""
}

func (r *Reporter) remember(name string, d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.durations[name] = d
	b, err := json.MarshalIndent(r.durations, "", "  ")
	if err == nil {
		// Losing the hint "last time" is no reason to fail.
		_ = os.WriteFile(r.durationsFile(), b, 0o644)
	}
}

func (r *Reporter) durationsFile() string { return filepath.Join(r.dir, "durations.json") }

func round(d time.Duration) time.Duration {
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Second)
}

func fileName(step string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' {
			return c
		}
		return '-'
	}, step)
}

func lastLines(path string, n int) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	var lines []string
	for sc := bufio.NewScanner(f); sc.Scan(); {
		lines = append(lines, "    "+sc.Text())
		if len(lines) > n {
			lines = lines[1:]
		}
	}
	return strings.Join(lines, "\n")
}
