package release

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// clis are the paths of every Terraform and OpenTofu that is there; OpenTofu always is. At length there is also the oldest one that
// the provider is for: it knows no ephemeral resources, and all else has to work with it. Building it takes some minutes.
func clis(t *testing.T) []string {
	t.Helper()
	paths := found(t, "--all")
	if os.Getenv("PGPLATFORM_LONG") != "" {
		paths = append(paths, found(t, "--oldest")...)
	}
	return paths
}

func found(t *testing.T, which string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), filepath.Join(root, "bin/platform"), "cli", which).Output()
	if err != nil {
		t.Fatalf("bin/platform cli %s: %v", which, err)
	}
	paths := strings.Fields(string(out))
	if len(paths) == 0 {
		t.Fatalf("bin/platform cli %s has no CLI to test with", which)
	}
	return paths
}

// installs: the CLI finds the release in the mirror of the README, writes it down in its lock file, plans and applies with it, by nothing
// but what a required_providers block says.
func (s snapshot) installs(t *testing.T, cli string) {
	t.Helper()
	w := newWorkspace(t, cli, s.version)
	if out, err := w.run("init"); err == nil || !strings.Contains(out, w.address()) {
		t.Fatalf("without a mirror there is a provider too, so that this test shows nothing: %v\n%s", err, out)
	}
	installed := w.mirror(t, s.dist)
	if out, err := w.run("init"); err != nil || !strings.Contains(out, "Incomplete lock file information") {
		t.Fatalf("%v\n%s", err, out)
	}
	lock := string(read(t, filepath.Join(w.dir, ".terraform.lock.hcl")))
	for _, want := range []string{w.address(), s.version, `"h1:`} {
		if !strings.Contains(lock, want) {
			t.Errorf("the lock file lacks %s:\n%s", want, lock)
		}
	}

	out, err := w.run("plan")
	if err != nil || !strings.Contains(out, "Plan: 1 to add") {
		t.Fatalf("%v\n%s", err, out)
	}
	w.checkUserAgents(t, program+"/"+s.version)
	if out, err := w.run("apply", "-auto-approve"); err != nil || !strings.Contains(out, "1 added") {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := w.run("plan", "-detailed-exitcode"); err != nil || !strings.Contains(out, "No changes.") {
		t.Errorf("after the apply: %v\n%s", err, out)
	}

	// Only what the lock file has seen is run.
	must(t, os.WriteFile(filepath.Join(installed, "README.md"), []byte("something else"), 0o600))
	if out, err := w.run("plan"); err == nil || !strings.Contains(out, "checksums") {
		t.Errorf("a plan with another program than that of the lock file: %v\n%s", err, out)
	}
}

// workspace is a folder with a configuration, the fakes that it is for, and a CLI that installs providers as its settings say.
type workspace struct {
	cli, dir, settings string
	version            string
	kubernetes         *apitest.Server
	s3                 *s3test.Server
}

func newWorkspace(t *testing.T, cli, version string) *workspace {
	t.Helper()
	w := &workspace{
		cli: cli, dir: t.TempDir(), version: version,
		kubernetes: apitest.New(t), s3: s3test.New(t),
	}
	w.settings = filepath.Join(w.dir, "empty.tfrc")
	w.kubernetes.Operate()
	w.kubernetes.AddNamespace("myorg")
	w.s3.CreateBucket("backups")
	w.s3.Archive("backups", "pg", "old").WAL(s3test.Segment(1, 1), time.Now())
	must(t, os.WriteFile(filepath.Join(w.dir, "main.tf"), fmt.Appendf(nil, `
terraform {
  required_providers {
    pgplatform = {
      source  = "pgplatform/pgplatform"
      version = %q
    }
  }
}

provider "pgplatform" {
  namespace  = "myorg"
  kubernetes = { config_path = %q }
  object_store = {
    destination_path  = "s3://backups/pg"
    endpoint_url      = %q
    region            = %q
    access_key_id     = %q
    secret_access_key = %q
  }
}

resource "pgplatform_database" "db" {
  name   = "my-db"
  backup = { schedule = "0 2 * * *" }
}

data "pgplatform_backups" "old" {
  object_store = { server_name = "old" }
}
`, version, w.kubernetes.Kubeconfig(t), w.s3.URL, s3test.Region, s3test.AccessKeyID, s3test.SecretAccessKey), 0o600))
	must(t, os.WriteFile(w.settings, fmt.Appendf(nil, "provider_installation {\n  filesystem_mirror { path = %q }\n}\n", t.TempDir()), 0o600))
	return w
}

// address is the provider's, with the host that the CLI puts before a source without one.
func (w *workspace) address() string {
	host := "registry.terraform.io"
	if out, err := w.run("version"); err == nil && strings.Contains(out, "OpenTofu v") {
		host = "registry.opentofu.org"
	}
	return host + "/pgplatform/pgplatform"
}

// mirror puts the release where the CLI looks for it, by what the README has people type once `make release-snapshot` has built it, and
// returns the folder that it is in.
func (w *workspace) mirror(t *testing.T, dist string) string {
	t.Helper()
	typed := regexp.MustCompile("(?s)```sh\nmake release-snapshot\n(.*?)```").FindSubmatch(read(t, filepath.Join(root, "README.md")))
	if typed == nil {
		t.Fatal("the README has no commands for a mirror")
	}
	script := string(typed[1])
	if strings.HasPrefix(w.address(), "registry.opentofu.org/") {
		other := regexp.MustCompile(`registry\.terraform\.io(/\S+) # OpenTofu: (\S+)`)
		if !other.MatchString(script) {
			t.Fatalf("the README does not say what is another word for OpenTofu:\n%s", script)
		}
		script = other.ReplaceAllString(script, "$2$1")
	}
	home := t.TempDir()
	must(t, os.Symlink(dist, filepath.Join(home, "dist")))
	shell := exec.CommandContext(t.Context(), "bash", "-euc", script+"echo \"$TF_CLI_CONFIG_FILE\"\necho \"$folder\"\n")
	shell.Dir = home
	shell.Env = append(os.Environ(), "HOME="+home)
	out, err := shell.CombinedOutput()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err != nil || len(lines) < 3 || lines[len(lines)-3] != fmt.Sprintf("version = %q", w.version) {
		t.Fatalf("%v\n%s", err, out)
	}
	w.settings = lines[len(lines)-2]
	return lines[len(lines)-1]
}

// run runs the CLI with settings of its own: neither a provider that lies elsewhere on the machine nor one that was built for other
// tests has a part in it.
func (w *workspace) run(args ...string) (string, error) {
	cmd := exec.CommandContext(context.Background(), w.cli, args...)
	cmd.Dir = w.dir
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "TF_") || strings.HasPrefix(variable, "AWS_") || strings.HasPrefix(variable, "KUBE")
	}), "TF_CLI_CONFIG_FILE="+w.settings, "TF_IN_AUTOMATION=1", "TF_INPUT=0", "TF_CLI_ARGS=-no-color", "CHECKPOINT_DISABLE=1")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// checkUserAgents: the release is who asked Kubernetes and S3.
func (w *workspace) checkUserAgents(t *testing.T, want string) {
	t.Helper()
	agents := map[string][]string{}
	for _, r := range w.kubernetes.Requests() {
		agents["Kubernetes"] = append(agents["Kubernetes"], r.UserAgent)
	}
	for _, r := range w.s3.Requests() {
		agents["S3"] = append(agents["S3"], r.UserAgent)
	}
	for _, server := range []string{"Kubernetes", "S3"} {
		if len(agents[server]) == 0 {
			t.Errorf("the plan has not asked %s", server)
		}
		for _, agent := range agents[server] {
			if !slices.Contains(strings.Fields(agent), want) {
				t.Errorf("%s was asked by %q, want %s", server, agent, want)
			}
		}
	}
}
