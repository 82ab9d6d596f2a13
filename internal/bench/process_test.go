package bench

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// provider is a process of the provider that outlives the Terraform that uses it.
type provider struct {
	cmd *exec.Cmd
	// reattach is the variable by which Terraform finds it.
	reattach string
}

// startProvider runs the provider as a debugger would.
func startProvider(b *testing.B) *provider {
	b.Helper()
	p := &provider{cmd: exec.CommandContext(b.Context(), filepath.Join(released(b), program), "-debug")}
	p.cmd.Env = environment()
	stdout, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait() // it was killed
	})
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		// The value stands in quotes for a shell.
		if value, ok := strings.CutPrefix(strings.TrimSpace(lines.Text()), "TF_REATTACH_PROVIDERS="); ok {
			p.reattach = "TF_REATTACH_PROVIDERS=" + strings.Trim(value, "'")
			return p
		}
	}
	b.Fatal("the provider did not say how to attach to it")
	return nil
}

var peak = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peakMemory is the most physical memory that the process has had, in MB. Linux also keeps it in the process's rusage, but
// there it begins with what the parent had.
func (p *provider) peakMemory(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		b.Skip("memory is read from /proc, as Linux has it")
	}
	found := peak.FindSubmatch(status)
	if found == nil {
		b.Fatalf("no VmHWM in\n%s", status)
	}
	kib, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		b.Fatal(err)
	}
	return kib * 1024 / 1e6
}

// The cookie by which a plugin knows that Terraform runs it, and not a person.
const cookie = "TF_PLUGIN_MAGIC_COOKIE=d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2"

// handshake runs the provider as Terraform does, until it says where it listens.
func handshake(b *testing.B) {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), filepath.Join(released(b), program))
	cmd.Env = append(environment(), cookie)
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || !strings.Contains(line, "|grpc|") {
		b.Fatalf("the provider said %q: %v", line, err)
	}
	b.StopTimer()
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
	b.StartTimer()
}
