package apitest_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/utils/ptr"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// The answers are those of a real API server 1.36 to requests about a custom resource whose definition has lost a field.
func TestRemovedField(t *testing.T) {
	t.Parallel()
	secret := func(name string) *corev1.Secret {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}, Immutable: ptr.To(false)}
	}
	strict := metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict}
	server, secrets := setup(t)
	server.Put(secret("before"))
	if _, err := secrets.Create(t.Context(), secret("good"), strict); err != nil {
		t.Fatalf("with the field: %v", err)
	}
	server.RemoveField("secrets", "immutable")

	if before, err := secrets.Get(t.Context(), "before", metav1.GetOptions{}); err != nil || before.Immutable != nil {
		t.Errorf("what was there before has %v (%v)", before.Immutable, err)
	}
	_, err := secrets.Create(t.Context(), secret("strict"), strict)
	if !apierrors.IsBadRequest(err) || !strings.HasSuffix(err.Error(), `Secret in version "v1" cannot be handled as a Secret: strict decoding error: unknown field "immutable"`) {
		t.Errorf("a strict create: %v", err)
	}
	elsewhere := secret("elsewhere")
	elsewhere.Namespace = "other" // is looked at later
	if _, err := secrets.Create(t.Context(), elsewhere, strict); err == nil || !strings.Contains(err.Error(), "strict decoding error") {
		t.Errorf("a strict create with another mistake: %v", err)
	}
	lenient, err := secrets.Create(t.Context(), secret("lenient"), metav1.CreateOptions{})
	if err != nil || lenient.Immutable != nil {
		t.Errorf("a create that is not strict: %v %v", lenient, err)
	}
	_, err = secrets.Patch(t.Context(), "applied", types.ApplyPatchType,
		[]byte(`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"applied"},"immutable":false}`), metav1.PatchOptions{FieldManager: "test"})
	if err == nil || err.Error() != "failed to create typed patch object (default/applied; v1, Kind=Secret): .immutable: field not declared in schema" {
		t.Errorf("an apply: %v", err)
	}
	if got := apitest.All[corev1.Secret](server); len(got) != 3 {
		t.Errorf("there are %d Secrets", len(got))
	}
}

// In a list each element lacks the field, and the answer tells the first that had it.
func TestRemovedFieldOfLists(t *testing.T) {
	t.Parallel()
	server, _ := setup(t)
	server.RemoveField("pods", "spec", "containers", "image")
	client, err := typedcorev1.NewForConfig(server.Config())
	if err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a"}, {Name: "b", Image: "i"}, {Name: "c", Image: "i"}}}}
	_, err = client.Pods("default").Create(t.Context(), pod, metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict})
	if err == nil || !strings.Contains(err.Error(), `unknown field "spec.containers[1].image"`) {
		t.Errorf("a strict create: %v", err)
	}
	made, err := client.Pods("default").Create(t.Context(), pod, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range made.Spec.Containers {
		if c.Image != "" {
			t.Errorf("container %s has the image %s", c.Name, c.Image)
		}
	}
}
