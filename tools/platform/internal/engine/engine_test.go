package engine

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTidy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		make []string // folders; files where they do not end in a slash
		want bool
	}{
		"never used":       {nil, false},
		"no container":     {[]string{"containers/"}, true},
		"a container left": {[]string{"containers/05209a6ab19b/"}, false},
		"half loaded":      {[]string{"containers/", ".loading"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := Engine{Data: t.TempDir()}
			for _, path := range c.make {
				full := filepath.Join(e.Data, path)
				if path[len(path)-1] == '/' {
					if err := os.MkdirAll(full, 0o755); err != nil {
						t.Fatal(err)
					}
				} else if err := os.WriteFile(full, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got := e.Tidy(); got != c.want {
				t.Errorf("Tidy() = %t, want %t", got, c.want)
			}
		})
	}
}

func TestRemoveCgroup(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "pgplatform")
	if err := os.MkdirAll(filepath.Join(root, "a", "kubelet.slice", "pod.slice"), 0o755); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time nothing is there
		if err := removeCgroup(root); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(root); !os.IsNotExist(err) {
			t.Fatalf("%s is still there (%v)", root, err)
		}
	}
}

func TestSupervisorOfNothing(t *testing.T) {
	t.Parallel()
	if pid := (Engine{Dir: t.TempDir()}).supervisor(); pid != 0 {
		t.Errorf("supervisor() = %d of an engine that never ran", pid)
	}
}

func TestLastWords(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ supervisor, daemon, want string }{
		"before dockerd": {"platform: keep mounts private: invalid argument\n", "of an earlier run\n", "platform: keep mounts private: invalid argument"},
		"of dockerd":     {"platform: dockerd ended: exit status 1, signal -1\n", "level=info\nno space left\n", "platform: dockerd ended: exit status 1, signal -1: no space left"},
		"none":           {"", "of an earlier run\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := Engine{Dir: t.TempDir()}
			for path, text := range map[string]string{e.supervisorLog(): c.supervisor, e.daemonLog(): c.daemon} {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got := e.lastWords(); got != c.want {
				t.Errorf("the engine's last words are %q and not %q", got, c.want)
			}
		})
	}
}
