package provider_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// remoteRuns are those of a workspace in Terraform Cloud or a pipeline: each plan, and each apply of a saved plan, is on a machine
// of its own. It gets the configuration, the state and variables, and has neither a home nor anything of anybody's environment, and
// nobody to answer a question.
type remoteRuns struct {
	t *testing.T
	// cli is the CLI's configuration: the provider is installed from a folder, as an init does from a registry.
	cli string
	// files are the configuration, and what an init has locked.
	files     map[string]string
	variables map[string]string
	state     string
}

func newRemoteRuns(t *testing.T, example string, variables map[string]string) *remoteRuns {
	t.Helper()
	must(t, findCLI())
	r := &remoteRuns{t: t, files: map[string]string{}, variables: variables}
	r.cli = mirrorOf(t)
	files, err := filepath.Glob(filepath.Join(root, example, "*.tf"))
	must(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		must(t, err)
		r.files[filepath.Base(file)] = string(text)
	}
	return r
}

// mirrorOf is the CLI's configuration by which an init installs the provider of this commit from a folder, as it does from a registry.
func mirrorOf(t *testing.T) (cli string) {
	t.Helper()
	mirror := t.TempDir()
	program := filepath.Join(mirror, "terraform-provider-pgplatform_v0.0.1")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
	build.Dir = root
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the provider: %v\n%s", err, output)
	}
	for _, host := range []string{"registry.terraform.io", "registry.opentofu.org"} {
		folder := filepath.Join(mirror, host, "pgplatform", "pgplatform", "0.0.1", runtime.GOOS+"_"+runtime.GOARCH)
		must(t, os.MkdirAll(folder, 0o700))
		must(t, os.Link(program, filepath.Join(folder, filepath.Base(program))))
	}
	cli = filepath.Join(mirror, "cli.tfrc")
	must(t, os.WriteFile(cli, fmt.Appendf(nil, "provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", mirror), 0o600))
	return cli
}

// machine is a folder in which nothing was before but what the run brings along. lock is for init.
func (r *remoteRuns) machine(lock ...string) (folder string) {
	r.t.Helper()
	folder = r.t.TempDir()
	for name, text := range r.files {
		must(r.t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	if r.state != "" {
		must(r.t, os.WriteFile(filepath.Join(folder, "terraform.tfstate"), []byte(r.state), 0o600))
	}
	r.run(folder, nil, append([]string{"init", "-input=false"}, lock...)...)
	return folder
}

func (r *remoteRuns) run(folder string, environment map[string]string, args ...string) string {
	r.t.Helper()
	args = slices.Insert(slices.Clone(args), 1, "-no-color")
	command := exec.CommandContext(r.t.Context(), os.Getenv("TF_ACC_TERRAFORM_PATH"), args...)
	command.Dir = folder
	command.Env = []string{"TF_CLI_CONFIG_FILE=" + r.cli, "TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1"}
	for name, value := range r.variables {
		command.Env = append(command.Env, "TF_VAR_"+name+"="+value)
	}
	for name, value := range environment {
		command.Env = append(command.Env, name+"="+value)
	}
	output, err := command.CombinedOutput()
	if err != nil {
		r.t.Fatalf("terraform %s: %v\n%s", strings.Join(args, " "), err, output)
	}
	return string(output)
}

// plan makes a plan file on one machine.
func (r *remoteRuns) plan(environment map[string]string) (file, output string) {
	r.t.Helper()
	folder := r.machine()
	file = filepath.Join(folder, "saved")
	output = r.run(folder, environment, "plan", "-input=false", "-out="+file)
	lock, err := os.ReadFile(filepath.Join(folder, ".terraform.lock.hcl"))
	must(r.t, err)
	r.files[".terraform.lock.hcl"] = string(lock)
	return file, output
}

// apply takes it to another one. Of the first nothing is left then.
func (r *remoteRuns) apply(file string, environment map[string]string) string {
	r.t.Helper()
	saved, err := os.ReadFile(file)
	must(r.t, err)
	must(r.t, os.RemoveAll(filepath.Dir(file)))
	folder := r.machine("-lockfile=readonly")
	must(r.t, os.WriteFile(filepath.Join(folder, "saved"), saved, 0o600))
	output := r.run(folder, environment, "apply", "-input=false", "saved")
	state, err := os.ReadFile(filepath.Join(folder, "terraform.tfstate"))
	must(r.t, err)
	r.state = string(state)
	return output
}

// without looks for secrets in a plan file, which has planted.
func (r *remoteRuns) without(file, planted string, secrets ...string) {
	r.t.Helper()
	searched(r.t, "the plan", string(unzipped(r.t, file)), planted, secrets)
}

// searched looks for secrets in a text, which has planted.
func searched(t *testing.T, name, text, planted string, secrets []string) {
	t.Helper()
	if !strings.Contains(text, planted) {
		t.Errorf("%q is not even in %s: this search looks at nothing", planted, name)
	}
	for _, secret := range secrets {
		if secret == "" || strings.Contains(text, secret) {
			t.Errorf("%s holds the secret %q", name, secret)
		}
	}
}

// cloudExample is the documented configuration for Terraform Cloud and pipelines.
const cloudExample = "examples/terraform-cloud"

// onUnknown are files that have the provider's configuration decided by the apply, as a Kubernetes cluster or a bucket are that it
// makes.
var onUnknown = map[string]string{
	"made.tf": `
resource "terraform_data" "made" {
  input = { host = var.kube_host, destination_path = var.destination_path }
}
`,
	"provider_override.tf": `
provider "pgplatform" {
  kubernetes = {
    host                   = terraform_data.made.output.host
    cluster_ca_certificate = var.kube_ca
    token                  = var.kube_token
  }
  object_store = {
    destination_path = terraform_data.made.output.destination_path
    endpoint_url     = var.s3_endpoint_url
    region           = var.s3_region
    pod_credentials  = var.backup_keys
  }
}
`,
}

// secondDatabase names its folder, which a plan looks for in S3.
const secondDatabase = `
resource "pgplatform_database" "second" {
  name   = "second"
  tier   = "DEV"
  labels = { team = "shop" }
  backup = { schedule = "0 3 * * *", server_name = "second" }
}
`

// story plans and applies, each on a machine of its own and with a token of its own, from a configuration that is partly unknown in
// the first plan, and with an S3 that none of the machines reaches.
func (r *remoteRuns) story(token func() string) {
	r.t.Helper()
	const unreachable = "Object Store Not Reachable From Here"
	var tokens []string
	fresh := func(variable string) map[string]string {
		tokens = append(tokens, token())
		return map[string]string{variable: tokens[len(tokens)-1]}
	}
	key := regexp.MustCompile(`"secret_access_key":\s*"([^"]+)"`).FindStringSubmatch(r.variables["backup_keys"])[1]
	search := func(file string) {
		r.without(file, r.variables["destination_path"], append(slices.Clone(tokens), key)...)
	}
	applied := func(file, token string) {
		r.apply(file, fresh(token))
		searched(r.t, "the state", r.state, r.variables["destination_path"], append(slices.Clone(tokens), key))
	}
	example := maps.Clone(r.files)
	maps.Copy(r.files, onUnknown)
	file, _ := r.plan(fresh("TF_VAR_kube_token"))
	search(file)
	applied(file, "TF_VAR_kube_token")

	// The second run knows all. A database is changed and one is made.
	lock := r.files[".terraform.lock.hcl"]
	r.files = example
	r.files[".terraform.lock.hcl"] = lock
	r.files["main.tf"] = regexp.MustCompile(`(?m)^  tier .*$`).ReplaceAllString(r.files["main.tf"], "$0\n  labels = { team = \"shop\" }")
	r.files["second.tf"] = secondDatabase
	file, output := r.plan(fresh("KUBE_TOKEN"))
	if !says("Plan: 1 to add, 1 to change, 1 to destroy", unreachable).MatchString(output) { // what has made the configuration goes
		r.t.Errorf("the second plan:\n%s", output)
	}
	search(file)
	applied(file, "KUBE_TOKEN")
	r.run(r.machine("-lockfile=readonly"), fresh("KUBE_TOKEN"), "plan", "-input=false", "-detailed-exitcode")
}

// A plan is made in one place and applied in another, without a kubeconfig file and with a token for each, while the provider's
// configuration is not wholly known before the apply, and S3 is seen from neither.
func TestTerraformCloud(t *testing.T) {
	t.Parallel()
	kube := apitest.NewTLS(t)
	kube.Operate()
	kube.AddNamespace(fakeNamespace)
	r := newRemoteRuns(t, cloudExample, map[string]string{
		"kube_host": kube.URL, "kube_ca": string(kube.CA),
		"namespace": fakeNamespace, "destination_path": "s3://" + fakeBucket + "/pg",
		"s3_region": s3test.Region, "s3_endpoint_url": "http://127.0.0.1:1",
		"backup_keys": asVariable(t, map[string]string{"access_key_id": "OFPODSACCESSKEY00001", "secret_access_key": "of-pods-secret-access-key-00000000000001"}),
	})
	var given []string
	r.story(func() string {
		given = append(given, fmt.Sprintf("token-of-run-%d-0123456789", len(given)))
		return given[len(given)-1]
	})
	var used []string
	for _, request := range kube.Requests() {
		if token := strings.TrimPrefix(request.Authorization, "Bearer "); !slices.Contains(used, token) {
			used = append(used, token)
		}
	}
	// The first plan does not know whom to ask.
	if !slices.Equal(used, given[1:]) {
		t.Errorf("of the tokens %q these were used: %q", given, used)
	}
	for _, name := range []string{"shop", "second"} {
		cluster := apitest.Get[cnpgv1.Cluster](kube, fakeNamespace, name)
		if cluster.Labels["team"] != "shop" || cnpg.Archiver(cluster).DestinationPath != "s3://"+fakeBucket+"/pg" {
			t.Errorf("%s has the labels %v and archives to %+v", name, cluster.Labels, cnpg.Archiver(cluster))
		}
	}
}
