package provider_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// terminal is a shell that somebody types into: what one block of a page declares is there for the next, and whoever asks gets the
// answer yes.
type terminal struct {
	t       *testing.T
	folder  string // what was typed and printed is kept in it
	typed   int
	keys    io.Writer
	reports *bufio.Reader
}

// said is what became of something typed: what it printed, and the commands of it that failed.
type said struct {
	typed, output string
	failed        []string
}

func newTerminal(t *testing.T, folder string, environment []string) *terminal {
	t.Helper()
	keys, typed, err := os.Pipe()
	must(t, err)
	reports, reported, err := os.Pipe()
	must(t, err)
	shell := exec.CommandContext(t.Context(), "bash", "--norc", "/dev/fd/3")
	shell.Dir, shell.Env = folder, environment
	shell.Stdin = yes{}
	shell.ExtraFiles = []*os.File{keys, reported}
	shell.WaitDelay = time.Minute
	must(t, shell.Start())
	must(t, keys.Close())
	must(t, reported.Close())
	t.Cleanup(func() {
		_ = typed.Close() // it ends when there is nothing more to run
		_ = shell.Wait()
		_ = reports.Close()
	})
	return &terminal{t: t, folder: t.TempDir(), keys: typed, reports: bufio.NewReader(reports)}
}

// yes is who agrees to everything.
type yes struct{}

func (yes) Read(p []byte) (int, error) { return copy(p, "yes\n"), nil }

// try runs what is typed.
func (s *terminal) try(text string) said {
	s.t.Helper()
	s.typed++
	typed := filepath.Join(s.folder, fmt.Sprintf("%d.sh", s.typed))
	printed := typed + ".output"
	must(s.t, os.WriteFile(typed, []byte(text), 0o600))
	_, err := fmt.Fprintf(s.keys, "trap 'echo \"failed: ${BASH_COMMAND%%%%$'\\''\\n'\\''*}\" >&4' ERR; source %[1]q >%[2]q 2>&1; trap - ERR; echo typed >&4\n", typed, printed)
	must(s.t, err)
	result := said{typed: text}
	for {
		report, err := s.reports.ReadString('\n')
		if err != nil {
			output, _ := os.ReadFile(printed)
			s.t.Fatalf("the shell has ended in\n%s\n%s", text, output)
		}
		if report == "typed\n" {
			break
		}
		command := strings.TrimSpace(strings.TrimPrefix(report, "failed: "))
		if !strings.HasPrefix(command, fmt.Sprintf("source %q", typed)) { // what it is that failed was told before
			result.failed = append(result.failed, command)
		}
	}
	output, err := os.ReadFile(printed)
	must(s.t, err)
	result.output = string(output)
	s.t.Logf("$ %s%s", text, result.output)
	return result
}

// run runs what must not fail, and gives what it prints.
func (s *terminal) run(text string) string {
	s.t.Helper()
	result := s.try(text)
	if len(result.failed) > 0 {
		s.t.Fatalf("failed: %q in\n%s\n%s", result.failed, result.typed, result.output)
	}
	return result.output
}

// What one block declares is there for the next, each command that fails is told, and the shell goes on.
func TestTerminal(t *testing.T) {
	t.Parallel()
	s := newTerminal(t, t.TempDir(), os.Environ())
	s.run("name() { echo \"$1-1\"; }\nset_here=\"$(name shop)\"\n")
	if got := s.run("echo \"$set_here\"; read -r answer; echo \"$answer\" >answered; cat answered\n"); got != "shop-1\nyes\n" {
		t.Errorf("it prints %q", got)
	}
	got := s.try("echo before\nfalse\nif false; then :; fi\nls /nowhere/at/all\ncat <<'EOF' | false\ntext\nEOF\necho after\n")
	if want := []string{"false", "ls /nowhere/at/all", "false"}; !slices.Equal(got.failed, want) || !strings.HasSuffix(got.output, "after\n") {
		t.Errorf("these failed: %q, and it prints %q", got.failed, got.output)
	}
	if got := s.try("false"); !slices.Equal(got.failed, []string{"false"}) {
		t.Errorf("of the last command: %q", got.failed)
	}
}
