package cnpg

import (
	"slices"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestClusterFieldsStateNothingUnasked(t *testing.T) {
	t.Parallel()
	fields, err := clusterFields(&cnpgv1.Cluster{
		TypeMeta:   ClusterTypeMeta,
		ObjectMeta: metav1.ObjectMeta{Namespace: "myorg", Name: "my-db"},
		Spec:       cnpgv1.ClusterSpec{Instances: 1, StorageConfiguration: cnpgv1.StorageConfiguration{Size: "1Gi"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	var walk func(string, any)
	walk = func(at string, v any) {
		m, ok := v.(map[string]any)
		if !ok {
			paths = append(paths, at)
			return
		}
		for k, inner := range m {
			walk(at+"."+k, inner)
		}
	}
	walk("", fields)
	slices.Sort(paths)
	if want := []string{".apiVersion", ".kind", ".metadata.name", ".metadata.namespace", ".spec.instances", ".spec.storage.size"}; !slices.Equal(paths, want) {
		t.Errorf("fields are %q, want %q", paths, want)
	}
}
