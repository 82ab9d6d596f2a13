package provider_test

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// workdir is a folder with a configuration, in which the CLI runs the provider as people run it: a program of its own,
// with everything logged. What that leaves is kept, to be searched for secrets.
type workdir struct {
	t         *testing.T
	dir       string
	variables map[string]string
	// path is put in front of the PATH.
	path string
	// left is what there is to search, by what it is.
	left map[string][]byte
}

func newWorkdir(t *testing.T, config string, variables map[string]string) *workdir {
	t.Helper()
	must(t, findCLI())
	w := &workdir{t: t, dir: t.TempDir(), variables: variables, left: map[string][]byte{}}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(w.dir, "bin", "terraform-provider-pgplatform"), ".")
	build.Dir = filepath.Join("..", "..")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the provider: %v\n%s", err, output)
	}
	w.write("cli.tfrc", fmt.Sprintf(`
provider_installation {
  dev_overrides {
    "registry.terraform.io/pgplatform/pgplatform" = %[1]q
    "registry.opentofu.org/pgplatform/pgplatform" = %[1]q
    "registry.terraform.io/cyrilgdn/postgresql"   = %[1]q
    "registry.opentofu.org/cyrilgdn/postgresql"   = %[1]q
  }
  direct {}
}
`, filepath.Join(w.dir, "bin")))
	program, err := os.Executable()
	must(t, err)
	must(t, os.Symlink(program, filepath.Join(w.dir, "bin", standInProgram)))
	w.write("main.tf", config)
	return w
}

func (w *workdir) write(name, text string) {
	must(w.t, os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600))
}

// try runs the CLI and keeps what it prints.
func (w *workdir) try(args ...string) (string, error) {
	w.t.Helper()
	command := exec.CommandContext(w.t.Context(), os.Getenv("TF_ACC_TERRAFORM_PATH"), args...)
	command.Dir = w.dir
	command.Env = append(os.Environ(), "PATH="+w.path+string(filepath.ListSeparator)+os.Getenv("PATH"), "TF_CLI_CONFIG_FILE="+filepath.Join(w.dir, "cli.tfrc"), "TF_IN_AUTOMATION=1",
		"TF_LOG=trace", "TF_LOG_PATH="+filepath.Join(w.dir, "trace.log"))
	for _, name := range slices.Sorted(maps.Keys(w.variables)) {
		command.Env = append(command.Env, "TF_VAR_"+name+"="+w.variables[name])
	}
	output, err := command.CombinedOutput()
	w.left["output"] = append(w.left["output"], output...)
	state, _ := os.ReadFile(filepath.Join(w.dir, "terraform.tfstate")) // there is none before the first apply
	w.left["state"] = append(w.left["state"], state...)
	log, readErr := os.ReadFile(filepath.Join(w.dir, "trace.log"))
	must(w.t, readErr)
	w.left["log"] = log
	return string(output), err
}

func (w *workdir) run(args ...string) string {
	w.t.Helper()
	output, err := w.try(args...)
	if err != nil {
		w.t.Fatalf("terraform %s: %v\n%s", args[0], err, output)
	}
	return output
}

// apply makes a plan file, keeps what is in it, and applies it.
func (w *workdir) apply(args ...string) {
	w.t.Helper()
	w.run(append([]string{"plan", "-input=false", "-out=plan"}, args...)...)
	w.left["plan"] = append(w.left["plan"], unzipped(w.t, filepath.Join(w.dir, "plan"))...)
	w.left["plan in JSON"] = append(w.left["plan in JSON"], w.run("show", "-json", "plan")...)
	w.run("apply", "-input=false", "plan")
}

// unzipped is what is in the files of a plan file.
func unzipped(t *testing.T, plan string) (all []byte) {
	t.Helper()
	files, err := zip.OpenReader(plan)
	must(t, err)
	defer files.Close()
	for _, file := range files.File {
		reader, err := file.Open()
		must(t, err)
		content, err := io.ReadAll(reader)
		must(t, err)
		all = append(all, content...)
	}
	return all
}

// search looks for secrets in all that is left; planted is in each of it, and the provider's requests for a database of the
// namespace in the log, or else the search has looked at nothing.
func (w *workdir) search(planted, namespace string, secrets map[string]string) {
	w.t.Helper()
	if !bytes.Contains(w.left["log"], []byte("/apis/postgresql.cnpg.io/v1/namespaces/"+namespace+"/clusters/my-db")) {
		w.t.Error("the provider's own lines are not in the log")
	}
	for _, where := range []string{"state", "plan", "plan in JSON", "log"} {
		if !bytes.Contains(w.left[where], []byte(planted)) {
			w.t.Errorf("the %s of %d bytes does not even have %q: this search looks at nothing", where, len(w.left[where]), planted)
		}
	}
	for where, content := range w.left {
		for name, secret := range secrets {
			for _, written := range writings(secret) {
				if at := bytes.Index(content, []byte(written)); at >= 0 {
					w.t.Errorf("the %s holds the %s, behind %q", where, name, content[max(0, at-100):at])
				}
			}
		}
	}
}

// writings are the forms in which a secret may be written: as it is, line by line, and in base64, as Kubernetes has it.
func writings(secret string) []string {
	forms := []string{secret, base64.StdEncoding.EncodeToString([]byte(secret))}
	for line := range strings.Lines(secret) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "-----") {
			forms = append(forms, line)
		}
	}
	return forms
}

// secretsConfig is a configuration whose secrets come from ephemeral variables, which the CLI itself keeps nowhere.
const secretsConfig = `
terraform {
  required_providers { pgplatform = { source = "pgplatform/pgplatform" } }
}

variable "kubernetes" { type = map(string) }
variable "store" { type = map(string) }
variable "bucket" { type = string }
variable "namespace" { type = string }

variable "secrets" {
  type      = map(string)
  sensitive = true
  ephemeral = true
}

provider "pgplatform" {
  namespace = var.namespace
  kubernetes = {
    host                   = var.kubernetes.host
    cluster_ca_certificate = var.kubernetes.ca
    client_certificate     = var.kubernetes.certificate
    client_key             = var.secrets["client key"]
    token                  = var.secrets["Kubernetes token"]
  }
  object_store = {
    destination_path  = "s3://${var.bucket}/${var.namespace}"
    endpoint_url      = var.store.endpoint
    pod_endpoint_url  = var.store.pod_endpoint
    region            = "us-east-1"
    access_key_id     = var.secrets["S3 access key"]
    secret_access_key = var.secrets["S3 secret"]
    pod_credentials = {
      access_key_id     = var.secrets["pods' access key"]
      secret_access_key = var.secrets["pods' secret"]
    }
  }
}

resource "pgplatform_database" "db" {
  name                = "my-db"
  tier                = "DEV"
  backup              = { schedule = "0 2 * * *" }
  deletion_protection = false
}
`

func asVariable(t *testing.T, value map[string]string) string {
	t.Helper()
	text, err := json.Marshal(value)
	must(t, err)
	return string(text)
}

// restores restores the database with keys of each kind, and has one restore refused and one fail. Nor do the objects in
// Kubernetes hold a key, but for the Secrets.
func (w *workdir) restores(f *fakes) {
	w.t.Helper()
	archiveOfSource(w.t, f.s3.Archive(fakeBucket, fakeNamespace, "my-db"))
	restore := func(name, source, attributes string) string {
		return fmt.Sprintf("\nresource \"pgplatform_restore\" %[1]q {\n  name = \"my-db-%[1]s\"\n  source = { %[2]s }\n  deletion_protection = false\n%[3]s\n}\n", name, source, attributes)
	}
	const place = `object_store = { server_name = "my-db", region = "eu-west-1" }`
	w.write("restores.tf", restore("alive", `database = pgplatform_database.db.id`, "")+
		restore("read-only", `database = pgplatform_database.db.id`, "backup = { enabled = false }")+
		restore("named", `database = pgplatform_database.db.id, credentials_secret = { name = "readers" }`, "")+
		restore("gone", place, goneDatabase))
	w.apply("-var=bucket=" + fakeBucket)
	secrets, written := apitest.All[corev1.Secret](f.kube), 0
	for _, secret := range secrets {
		if strings.HasSuffix(secret.Name, "-origin-s3-creds") {
			written++
		}
	}
	if written != 3 { // of read-only, named and gone
		w.t.Errorf("%d Secrets to read with were written", written)
	}
	objects, err := json.Marshal([]any{apitest.All[cnpgv1.Cluster](f.kube), apitest.All[cnpgv1.ScheduledBackup](f.kube)})
	must(w.t, err)
	w.left["Clusters"] = objects
	if !bytes.Contains(objects, []byte(cnpg.AnnotationRestore)) {
		w.t.Error("the Clusters do not have the inputs")
	}
	w.write("more.tf", restore("refused", place, goneDatabase+`target_time = "2001-01-01T00:00:00Z"`))
	if output, err := w.try("plan", "-input=false", "-var=bucket="+fakeBucket); err == nil || !strings.Contains(output, "Restore Cannot Succeed") {
		w.t.Errorf("the refused restore: %v\n%s", err, output)
	}
	f.kube.Fail(apitest.Each(apitest.VerbApply, "secrets", apitest.Fault{Status: 403}))
	w.write("more.tf", restore("failed", place, goneDatabase))
	if output, err := w.try("apply", "-auto-approve", "-input=false", "-var=bucket="+fakeBucket); err == nil || !strings.Contains(output, "marked as tainted") {
		w.t.Errorf("the restore that fails: %v\n%s", err, output)
	}
	f.kube.Fail(nil)
	w.run("untaint", "pgplatform_restore.failed")
}

// No secret is in the state, in a plan, in the log at its most verbose, or in what the CLI prints: not when all goes well,
// when keys are rotated, or when the API server refuses.
func TestSecretsAreNowhere(t *testing.T) {
	t.Parallel()
	f := &fakes{t: t, kube: apitest.NewTLS(t), s3: s3test.New(t)}
	f.kube.Operate()
	f.kube.AddNamespace(fakeNamespace)
	f.s3.CreateBucket(fakeBucket)
	certificate, key := f.kube.ClientCertificate(t, "ci")
	secrets := map[string]string{
		"Kubernetes token": "kubernetes-token-0123456789",
		"client key":       string(key),
		"S3 access key":    s3test.AccessKeyID,
		"S3 secret":        s3test.SecretAccessKey,
		"pods' access key": "OFPODSACCESSKEY00001",
		"pods' secret":     "of-pods-secret-access-key-00000000000001",
	}
	w := newWorkdir(t, secretsConfig, map[string]string{
		"bucket": fakeBucket, "namespace": fakeNamespace, "secrets": asVariable(t, secrets),
		"kubernetes": asVariable(t, map[string]string{"host": f.kube.URL, "ca": string(f.kube.CA), "certificate": string(certificate)}),
		"store":      asVariable(t, map[string]string{"endpoint": f.s3.URL, "pod_endpoint": f.s3.URL}),
	})
	const password = "of-the-application-0123456789"
	f.kube.Put(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "my-db-app"}, Data: map[string][]byte{"password": []byte(password)}})

	w.apply("-var=bucket=" + fakeBucket)
	rotated := maps.Clone(secrets)
	rotated["pods' secret"] = "of-pods-secret-access-key-00000000000002"
	w.variables["secrets"] = asVariable(t, rotated)
	w.apply("-var=bucket=" + fakeBucket)
	if got := string(apitest.Get[corev1.Secret](f.kube, fakeNamespace, "my-db-backup-s3-creds").Data["ACCESS_SECRET_KEY"]); got != rotated["pods' secret"] {
		t.Error("the rotated key did not reach the pods")
	}
	w.restores(f)
	f.kube.Fail(apitest.Each("", "clusters", apitest.Fault{Status: 401}))
	if output, err := w.try("plan", "-input=false"); err == nil || !strings.Contains(output, "Unauthorized") {
		t.Errorf("the refused plan: %v\n%s", err, output)
	}
	f.kube.Fail(nil)
	w.run("destroy", "-auto-approve", "-input=false")

	for _, r := range f.kube.Requests() {
		if r.Authorization != "Bearer "+secrets["Kubernetes token"] || r.Certificate != "ci" {
			t.Fatalf("the secrets were not even used: %+v", r)
		}
	}
	rotated["pods' secret before"] = secrets["pods' secret"]
	rotated["database's password"] = password
	w.search(fakeBucket, fakeNamespace, rotated)
}
