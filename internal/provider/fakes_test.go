package provider_test

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// fakes are a Kubernetes API server, with CNPG as it is on good days, and an S3 store in the tests' own process. Tests on
// them run the real Terraform CLI and need no platform.
type fakes struct {
	kube       *apitest.Server
	s3         *s3test.Server
	kubeconfig string
}

// The namespace and the bucket that the fakes have.
const (
	fakeNamespace = "myorg"
	fakeBucket    = "backups"
)

func newFakes(t *testing.T) *fakes {
	t.Helper()
	f := &fakes{kube: apitest.New(t), s3: s3test.New(t)}
	f.kubeconfig = f.kube.Kubeconfig(t)
	f.kube.AddNamespace(fakeNamespace)
	f.s3.CreateBucket(fakeBucket)
	return f
}

// operated are fakes on which databases become ready.
func operated(t *testing.T) *fakes {
	t.Helper()
	f := newFakes(t)
	f.kube.Operate()
	return f
}

// config is a configuration with the provider's block in front.
func (f *fakes) config(resources string) string {
	return f.provider("") + resources
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

// unit runs test steps with the Terraform CLI, which must be there.
func unit(t *testing.T, steps ...resource.TestStep) {
	t.Helper()
	if err := findCLI(); err != nil {
		t.Fatal(err)
	}
	resource.UnitTest(t, resource.TestCase{ProtoV6ProviderFactories: factories, Steps: steps})
}

// findCLI points the test framework to terraform, or else tofu, on the PATH, so that it downloads none.
var findCLI = sync.OnceValue(func() error {
	const variable = "TF_ACC_TERRAFORM_PATH"
	if os.Getenv(variable) != "" {
		return nil
	}
	path, err := exec.LookPath("terraform")
	if err != nil {
		if path, err = exec.LookPath("tofu"); err != nil {
			return fmt.Errorf("these tests run the Terraform CLI: %w", err)
		}
	}
	return os.Setenv(variable, path) //nolint:usetesting // for all tests of the process, which run side by side
})
