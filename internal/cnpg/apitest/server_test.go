package apitest_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/utils/ptr"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// What a real API server answers, from its own sources: k8s.io/apiserver, pkg/endpoints/handlers/patch.go and
// pkg/registry/generic/registry/store.go.

func setup(t *testing.T) (*apitest.Server, typedcorev1.SecretInterface) {
	t.Helper()
	server := apitest.New(t)
	client, err := typedcorev1.NewForConfig(server.Config())
	if err != nil {
		t.Fatal(err)
	}
	return server, client.Secrets("default")
}

func TestApplyWithPreconditions(t *testing.T) {
	t.Parallel()
	existing := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "there"}}
	tests := map[string]struct {
		name, metadata string
		refused        func(error) bool
	}{
		"a version, nothing there":         {"new", `"resourceVersion":"1"`, nil},
		"another version":                  {"there", `"resourceVersion":"1"`, apierrors.IsConflict},
		"a UID, nothing there":             {"new", `"uid":"11111111-2222-3333-4444-555555555555"`, apierrors.IsConflict},
		"another UID":                      {"there", `"uid":"11111111-2222-3333-4444-555555555555"`, apierrors.IsInvalid},
		"no precondition":                  {"there", `"labels":{"a":"b"}`, nil},
		"a field that does not exist":      {"new", `"nonsense":1`, apierrors.IsBadRequest},
		"the name of another object":       {"new", `"name":"other"`, apierrors.IsBadRequest},
		"the namespace of another request": {"new", `"namespace":"other"`, apierrors.IsBadRequest},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, secrets := setup(t)
			server.Put(existing.DeepCopy())
			body := `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"` + test.name + `",` + test.metadata + `}}`
			if test.metadata == `"name":"other"` {
				body = `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"other"}}`
			}
			_, err := secrets.Patch(t.Context(), test.name, types.ApplyPatchType, []byte(body),
				metav1.PatchOptions{FieldManager: "test", FieldValidation: metav1.FieldValidationStrict})
			if test.refused == nil && err != nil || test.refused != nil && !test.refused(err) {
				t.Errorf("Patch: %v", err)
			}
		})
	}
}

func TestDeleteWithPreconditions(t *testing.T) {
	t.Parallel()
	server, secrets := setup(t)
	server.Put(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "there"}})
	wrong := metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: ptr.To(types.UID("other"))}}
	if err := secrets.Delete(t.Context(), "there", wrong); !apierrors.IsConflict(err) {
		t.Errorf("Delete with another UID: %v", err)
	}
	right := metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &apitest.Get[corev1.Secret](server, "default", "there").UID}}
	if err := secrets.Delete(t.Context(), "there", right); err != nil {
		t.Errorf("Delete with its UID: %v", err)
	}
	if err := secrets.Delete(t.Context(), "there", metav1.DeleteOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("Delete of what is gone: %v", err)
	}
}

// An object that leaves a watch's selection is deleted for that watch, and one that enters it is added.
func TestWatchSelects(t *testing.T) {
	t.Parallel()
	server, secrets := setup(t)
	labelled := func(value string) *corev1.Secret {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "one", Labels: map[string]string{"a": value}}}
	}
	server.Put(labelled("x"))
	w, err := secrets.Watch(t.Context(), metav1.ListOptions{LabelSelector: "a=x"})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	expect := func(want watch.EventType) {
		t.Helper()
		if got := <-w.ResultChan(); got.Type != want {
			t.Errorf("event is %s, want %s", got.Type, want)
		}
	}
	expect(watch.Added)
	server.Put(labelled("y"))
	expect(watch.Deleted)
	server.Put(labelled("x"))
	expect(watch.Added)
	apitest.Edit(server, "default", "one", func(s *corev1.Secret) { s.Type = corev1.SecretTypeOpaque })
	expect(watch.Modified)
	apitest.Delete[corev1.Secret](server, "default", "one")
	expect(watch.Modified) // marked
	expect(watch.Deleted)
}

func TestListRefusesUnknownFields(t *testing.T) {
	t.Parallel()
	_, secrets := setup(t)
	if _, err := secrets.List(t.Context(), metav1.ListOptions{FieldSelector: "spec.nonsense=1"}); !apierrors.IsBadRequest(err) {
		t.Errorf("List: %v", err)
	}
}
