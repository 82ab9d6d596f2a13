package conformance

import (
	"fmt"
	"sync"
	"testing"

	cnpgapi "github.com/cloudnative-pg/api/pkg/api/v1"
	cnpgv1 "github.com/cloudnative-pg/cloudnative-pg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/provider"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

const (
	namespace = "myorg"
	bucket    = "backups"
	name      = "my-db"
	address   = "pgplatform_database.db"
)

// fakes are an API server with the operator's admission, and an S3 store.
type fakes struct {
	kube *apitest.Server
	s3   *s3test.Server
	// block is the provider's, for configurations.
	block string
	// admitted are the kinds of objects that the operator was asked about.
	admitted sync.Map
}

func newFakes(t *testing.T) *fakes {
	t.Helper()
	f := &fakes{kube: apitest.New(t), s3: s3test.New(t)}
	o := newOperator(t)
	f.kube.Admit(func(object, old *unstructured.Unstructured) ([]string, error) {
		f.admitted.Store(object.GetKind(), true)
		return o.admit(object, old)
	})
	f.kube.Operate()
	for _, n := range []string{namespace, "other"} {
		f.kube.AddNamespace(n)
	}
	for _, b := range []string{bucket, "elsewhere"} {
		f.s3.CreateBucket(b)
	}
	f.block = fmt.Sprintf(`
provider "pgplatform" {
  namespace  = %q
  kubernetes = { config_path = %q }
  object_store = {
    destination_path  = "s3://%s/pg"
    endpoint_url      = %q
    region            = %q
    access_key_id     = %q
    secret_access_key = %q
  }
}
`, namespace, f.kube.Kubeconfig(t), bucket, f.s3.URL, s3test.Region, s3test.AccessKeyID, s3test.SecretAccessKey)
	return f
}

func newWorkspace(t *testing.T) *terraformtest.Workspace {
	t.Helper()
	return terraformtest.New(t, terraformtest.Providers{"pgplatform": providerserver.NewProtocol6WithError(provider.New("test")())})
}

// objects are what stands in Kubernetes for one database, in the operator's types; nil is what does not.
type objects struct {
	cluster  *cnpgv1.Cluster
	schedule *cnpgv1.ScheduledBackup
	secret   *corev1.Secret
}

func (f *fakes) objects(t *testing.T, namespace, name string) objects {
	t.Helper()
	return objects{
		cluster:  as[*cnpgv1.Cluster](t, apitest.Get[cnpgapi.Cluster](f.kube, namespace, name), "Cluster"),
		schedule: as[*cnpgv1.ScheduledBackup](t, apitest.Get[cnpgapi.ScheduledBackup](f.kube, namespace, name), "ScheduledBackup"),
		secret:   apitest.Get[corev1.Secret](f.kube, namespace, name+"-backup-s3-creds"),
	}
}

// as reads an object of the API module in the operator's type.
func as[T runtime.Object, A any](t *testing.T, object *A, kind string) T {
	t.Helper()
	var none T
	if object == nil {
		return none
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetKind(kind)
	decoded, err := decode(u)
	if err != nil {
		t.Fatal(err)
	}
	found, ok := decoded.(T)
	if !ok {
		t.Fatalf("%T is no %T", decoded, none)
	}
	return found
}
