// Package hostdiff compares a machine before and after: what runs, what is mounted, its loop devices, network, cgroups and
// kernel settings. It shows that a platform that was up and down leaves nothing behind.
package hostdiff

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/loop"
)

// Snapshot has what was seen of the machine, by kind; each entry is one line that is the same as long as nothing
// changes.
type Snapshot map[string][]string

// Take looks at the machine now. What cannot be seen, because a tool is absent or the caller is not root,
// counts as empty.
func Take(ctx context.Context) (Snapshot, error) {
	s := Snapshot{}
	for _, look := range []struct {
		kind string
		at   func(context.Context) ([]string, error)
	}{
		{"process", processes},
		{"namespace", namespaces},
		{"mount", mounts},
		{"link", links},
		{"route", routes},
		{"iptables", rules("iptables-save")},
		{"ip6tables", rules("ip6tables-save")},
		{"nftables", rules("nft", "list", "ruleset")},
		{"cgroup", cgroups},
		{"sysctl", sysctls},
		{"loop device", loops},
		{"folder", folders},
	} {
		seen, err := look.at(ctx)
		if err != nil {
			return nil, err
		}
		slices.Sort(seen)
		s[look.kind] = seen
	}
	return s, nil
}

// Difference is one thing that only one of two snapshots has.
type Difference struct {
	Kind  string
	Entry string
	// Added is true for what only the later one has.
	Added bool
}

// Compare lists what changed from s to later, by kind.
func (s Snapshot) Compare(later Snapshot) []Difference {
	var all []Difference
	kinds := map[string]bool{}
	for k := range s {
		kinds[k] = true
	}
	for k := range later {
		kinds[k] = true
	}
	names := make([]string, 0, len(kinds))
	for k := range kinds {
		names = append(names, k)
	}
	slices.Sort(names)
	for _, kind := range names {
		for _, e := range missing(s[kind], later[kind]) {
			all = append(all, Difference{Kind: kind, Entry: e})
		}
		for _, e := range missing(later[kind], s[kind]) {
			all = append(all, Difference{Kind: kind, Entry: e, Added: true})
		}
	}
	return all
}

// missing returns what a has more often than b.
func missing(a, b []string) []string {
	count := map[string]int{}
	for _, e := range b {
		count[e]++
	}
	var out []string
	for _, e := range a {
		if count[e]--; count[e] < 0 {
			out = append(out, e)
		}
	}
	return out
}

// processes lists the processes by command line, without the kernel's own and without this one and its parents.
func processes(context.Context) ([]string, error) {
	return eachProcess(func(pid int) string {
		b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
		if err != nil {
			return ""
		}
		// One line, and not a whole script.
		line := strings.Join(strings.Fields(strings.ReplaceAll(string(b), "\x00", " ")), " ")
		return line[:min(len(line), 160)]
	})
}

// namespaces lists the distinct namespaces that processes are in.
func namespaces(context.Context) ([]string, error) {
	seen := map[string]bool{}
	_, err := eachProcess(func(pid int) string {
		dir := filepath.Join("/proc", strconv.Itoa(pid), "ns")
		for _, kind := range []string{"mnt", "net", "pid", "ipc", "uts", "cgroup"} {
			if name, err := os.Readlink(filepath.Join(dir, kind)); err == nil {
				seen[name] = true
			}
		}
		return ""
	})
	out := make([]string, 0, len(seen))
	for name := range seen {
		out = append(out, name)
	}
	return out, err
}

func eachProcess(describe func(pid int) string) ([]string, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	own := ancestors(os.Getpid())
	var out []string
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || own[pid] {
			continue
		}
		if line := describe(pid); line != "" {
			out = append(out, line)
		}
	}
	return out, nil
}

func ancestors(pid int) map[int]bool {
	own := map[int]bool{}
	for pid > 1 {
		own[pid] = true
		b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		if err != nil {
			break
		}
		// pid (name) state parent …; the name may have blanks and brackets.
		fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		if len(fields) < 2 {
			break
		}
		pid, _ = strconv.Atoi(fields[1])
	}
	return own
}

func mounts(context.Context) ([]string, error) {
	b, err := os.ReadFile("/proc/self/mounts")
	return lines(string(b)), err
}

func rules(name string, args ...string) func(context.Context) ([]string, error) {
	return func(ctx context.Context) ([]string, error) {
		// On error the tool is absent, or this kernel has nothing of the kind: no rules.
		b, _ := exec.CommandContext(ctx, name, args...).Output()
		var out []string
		for _, l := range lines(string(b)) {
			// Comments have the time, chains have packet counts.
			if !strings.HasPrefix(l, "#") {
				l, _, _ = strings.Cut(l, " [")
				out = append(out, l)
			}
		}
		return out, nil
	}
}

func cgroups(context.Context) ([]string, error) {
	var out []string
	err := filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && d.IsDir() {
			out = append(out, path)
		}
		return err
	})
	return out, err
}

// loops lists the loop devices, used or not, with the files behind them.
func loops(context.Context) ([]string, error) {
	devices, err := loop.List()
	if err != nil {
		return nil, err
	}
	var out []string
	for number, file := range devices {
		out = append(out, strings.TrimSpace(fmt.Sprintf("loop%d %s", number, file)))
	}
	return out, nil
}

// folders lists what lies in the host's folders that a container engine might write to.
func folders(context.Context) ([]string, error) {
	var out []string
	for _, dir := range []string{"/", "/etc", "/opt", "/run", "/usr/lib", "/usr/local", "/var/lib", "/var/log", "/mnt", "/root"} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	return out, nil
}

func lines(s string) []string {
	return slices.DeleteFunc(strings.Split(s, "\n"), func(l string) bool { return l == "" })
}
