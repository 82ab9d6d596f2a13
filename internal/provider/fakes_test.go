package provider_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// fakes are a Kubernetes API server, with CNPG as it is on good days, and an S3 store in the tests' own process. Tests on
// them run the real Terraform CLI and need no platform.
type fakes struct {
	t          testing.TB
	kube       *apitest.Server
	s3         *s3test.Server
	kubeconfig string
	method     cnpg.Method // by which the databases of its configurations archive
}

// The namespace and the bucket that the fakes have.
const (
	fakeNamespace = "myorg"
	fakeBucket    = "backups"
)

func newFakes(t testing.TB) *fakes {
	t.Helper()
	f := &fakes{t: t, kube: apitest.New(t), s3: s3test.New(t), method: methodOf(t)}
	f.kubeconfig = f.kube.Kubeconfig(t)
	f.kube.AddNamespace(fakeNamespace)
	f.s3.CreateBucket(fakeBucket)
	return f
}

// operated are fakes on which databases become ready.
func operated(t testing.TB) *fakes {
	t.Helper()
	f := newFakes(t)
	f.kube.Operate()
	return f
}

// config is a configuration with the provider's block in front.
func (f *fakes) config(resources string) string {
	return f.provider("") + f.byMethod(resources)
}

// provider is the provider's block; more goes into its object_store.
func (f *fakes) provider(more string) string {
	return fmt.Sprintf(`
provider "pgplatform" {
  namespace  = %q
  kubernetes = { config_path = %q }
  object_store = {
    destination_path  = "s3://%s/pg"
    endpoint_url      = %q
    region            = %q
    access_key_id     = %q
    secret_access_key = %q
    %s
  }
}
`, fakeNamespace, f.kubeconfig, fakeBucket, f.s3.URL, s3test.Region, s3test.AccessKeyID, s3test.SecretAccessKey, more)
}

// goodDatabase is a database that nothing is wrong with.
const goodDatabase = `
resource "pgplatform_database" "db" {
  name                = "my-db"
  backup              = { schedule = "0 2 * * *" }
  deletion_protection = false
}
`

// file writes a file for a test and returns its path.
func (f *fakes) file(name, text string) string {
	f.t.Helper()
	path := filepath.Join(f.t.TempDir(), name)
	must(f.t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// nothingWritten fails the test when a request changed something in Kubernetes or in S3.
func (f *fakes) nothingWritten(t *testing.T) {
	t.Helper()
	if writes := f.kube.Writes(); len(writes) > 0 {
		t.Errorf("written to Kubernetes: %v", apitest.Summaries(writes))
	}
	if clusters := apitest.All[cnpgv1.Cluster](f.kube); len(clusters) > 0 {
		t.Errorf("Clusters: %v", clusters)
	}
	for _, op := range []string{"PutObject", "DeleteObject", "CreateBucket"} {
		if n := f.s3.Count(op); n > 0 {
			t.Errorf("%d times %s in S3", n, op)
		}
	}
}

// now is the time in the form that S3 keeps it.
func (f *fakes) now() time.Time { return time.Now().UTC().Truncate(time.Second) }

// unit runs test steps with the Terraform CLI, which must be there.
func unit(t *testing.T, steps ...resource.TestStep) {
	t.Helper()
	unitCase(t, resource.TestCase{Steps: steps})
}

func unitCase(t *testing.T, c resource.TestCase) {
	t.Helper()
	must(t, findCLI())
	c.ProtoV6ProviderFactories = onFakes
	resource.UnitTest(t, c)
}

// noKeys checks that plan and state have the database and no key of its S3. What the plan file says of the provider's own
// configuration is the CLI's.
type noKeys struct{}

func (noKeys) CheckPlan(_ context.Context, req plancheck.CheckPlanRequest, resp *plancheck.CheckPlanResponse) {
	resp.Error = errors.Join(findKeys(req.Plan.PlannedValues), findKeys(req.Plan.ResourceChanges))
}

func (noKeys) CheckState(_ context.Context, req statecheck.CheckStateRequest, resp *statecheck.CheckStateResponse) {
	resp.Error = findKeys(req.State)
}

func findKeys(v any) error {
	text, err := json.Marshal(v)
	switch {
	case err != nil:
		return err
	case !bytes.Contains(text, []byte("my-db")):
		return fmt.Errorf("%T has not even the database's name: this check looks at nothing", v)
	case bytes.Contains(text, []byte(s3test.AccessKeyID)), bytes.Contains(text, []byte(s3test.SecretAccessKey)):
		return fmt.Errorf("%T holds an S3 key", v)
	}
	return nil
}

// says matches an error of the CLI that has these texts, one after the other, however it wraps its lines, and whether or not a text
// begins the error and has a capital letter there.
func says(texts ...string) *regexp.Regexp {
	var patterns []string
	for _, text := range texts {
		words := strings.Fields(text)
		for i, word := range words {
			words[i] = regexp.QuoteMeta(word)
		}
		if text != "" && 'a' <= text[0] && text[0] <= 'z' {
			words[0] = "[" + strings.ToUpper(text[:1]) + text[:1] + "]" + words[0][1:]
		}
		patterns = append(patterns, strings.Join(words, `[\s│]+`))
	}
	return regexp.MustCompile("(?s)" + strings.Join(patterns, ".*"))
}

// findCLI points the test framework to the CLI that make test names, or else to terraform or tofu on the PATH, so that it
// downloads none.
var findCLI = sync.OnceValue(func() error {
	path := os.Getenv("TF_ACC_TERRAFORM_PATH")
	for _, name := range []string{"terraform", "tofu"} {
		if path == "" {
			path, _ = exec.LookPath(name) // where there is none, the next is tried
		}
	}
	if path == "" {
		return errors.New("these tests run the Terraform CLI, and neither terraform nor tofu is on the PATH: make test gets one")
	}
	variables := map[string]string{"TF_ACC_TERRAFORM_PATH": path}
	// Its name does not tell what it is: OpenTofu is often installed as terraform.
	version, err := exec.CommandContext(context.Background(), path, "version").Output()
	if err != nil {
		return fmt.Errorf("ask %s for its version: %w", path, err)
	}
	if bytes.Contains(version, []byte("OpenTofu v")) {
		variables["TF_ACC_PROVIDER_HOST"] = "registry.opentofu.org"
		variables["TF_ACC_PROVIDER_NAMESPACE"] = "hashicorp"
	}
	if os.Getenv(resource.EnvTfAcc) == "" {
		variables["TF_CLI_CONFIG_FILE"] = os.DevNull // these tests install nothing, whatever is configured for people
	}
	for name, value := range variables {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return nil
})

// then matches, one after the other, what a pattern between two others does.
func then(before *regexp.Regexp, pattern string, after *regexp.Regexp) *regexp.Regexp {
	return regexp.MustCompile(before.String() + ".*(?:" + pattern + ").*" + after.String())
}
