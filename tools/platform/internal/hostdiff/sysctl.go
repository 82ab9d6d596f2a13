package hostdiff

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// moving are the kernel settings that are counters rather than settings: they change by themselves.
var moving = []string{
	"fs/dentry-state", "fs/file-nr", "fs/inode-nr", "fs/inode-state", "fs/aio-nr", "fs/quota/",
	"kernel/ns_last_pid", "kernel/pty/nr", "kernel/random/", "kernel/tainted", "kernel/sched_domain/",
	"net/netfilter/nf_conntrack_count", "net/netfilter/nf_log/", "vm/stat_refresh", "vm/compact_memory",
	"net/ipv4/route/flush", "net/ipv6/route/flush",
}

// sysctls lists every kernel setting with its value.
func sysctls(context.Context) ([]string, error) {
	const root = "/proc/sys"
	var out []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		name := strings.TrimPrefix(path, root+"/")
		if slices.ContainsFunc(moving, func(m string) bool { return strings.HasPrefix(name, m) }) {
			return nil
		}
		// Some can only be written.
		if b, err := os.ReadFile(path); err == nil {
			out = append(out, name+" = "+strings.TrimSpace(string(b)))
		}
		return nil
	})
	return out, err
}
