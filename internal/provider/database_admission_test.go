package provider_test

import (
	"fmt"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// What CNPG's webhook refuses is an error at the attribute that its field stands for, in its words.
func TestWebhookNamesTheAttribute(t *testing.T) {
	t.Parallel()
	f := operated(t)
	s := onStage(t, f)
	s.apply(f.config(database(unprotected)))
	f.kube.Admit(func(object, _ *unstructured.Unstructured) ([]string, error) {
		if object.GetKind() != "Cluster" {
			return nil, nil
		}
		denied := apierrors.NewInvalid(object.GroupVersionKind().GroupKind(), object.GetName(), field.ErrorList{
			field.Invalid(field.NewPath("spec", "postgresql", "parameters", "shared_buffers"), "1TB", "more than the memory"),
		})
		denied.ErrStatus.Message = fmt.Sprintf("admission webhook %q denied the request: %s", "vcluster.cnpg.io", denied.ErrStatus.Message)
		return nil, denied
	})
	config := f.config(database(unprotected + `parameters = { shared_buffers = "1TB" }`))
	s.fails(config, "Unable to Update Database", `AttributeName("parameters").ElementKeyString("shared_buffers")`,
		`admission webhook "vcluster.cnpg.io" denied the request`, "more than the memory", "as it stands in Kubernetes now")
}
