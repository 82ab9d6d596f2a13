package provider_test

import (
	"errors"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// New keys reach the pods' Secret only where the Cluster takes what goes with them: else a database that cannot follow would
// archive to its old endpoint with the new keys, and not at all.
func TestKeysStayWhereTheClusterIsRefused(t *testing.T) {
	t.Parallel()
	rotated := func(f *fakes, resources string) string {
		text := strings.ReplaceAll(f.provider(`pod_endpoint_url = "http://another.test"`), s3test.AccessKeyID, rotatedKey) + resources
		return text
	}
	for name, obstruct := range map[string]struct {
		with func(*fakes)
		says []string
	}{
		"another manager": {func(f *fakes) {
			theirs := &cnpgv1.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "my-db"}}
			theirs.Spec.Instances = 3
			apitest.ApplyAs(f.kube, "flux", theirs)
		}, []string{`.spec.instances (owned by "flux")`, "force_conflicts"}},
		"a webhook": {func(f *fakes) {
			f.kube.Admit(func(object, _ *unstructured.Unstructured) ([]string, error) {
				if object.GetKind() != "Cluster" {
					return nil, nil
				}
				return nil, apierrors.NewForbidden(schema.GroupResource{Resource: "clusters"}, "my-db", errors.New("not today"))
			})
		}, []string{"not today"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := operated(t)
			s := onStage(t, f)
			s.apply(f.config(backedUp("")))
			obstruct.with(f)
			version := f.ownSecret().ResourceVersion
			s.fails(rotated(f, backedUp("")), append([]string{"Unable to Update Database"}, obstruct.says...)...)
			if secret := f.ownSecret(); secret.ResourceVersion != version || string(secret.Data["ACCESS_KEY_ID"]) != s3test.AccessKeyID {
				t.Errorf("the pods have the key %s", secret.Data["ACCESS_KEY_ID"])
			}
		})
	}
}

// Only an update that changes keys asks beforehand, and drift beside it is put back.
func TestRotationAsksBeforehand(t *testing.T) {
	t.Parallel()
	f := operated(t)
	s := onStage(t, f)
	s.apply(f.config(backedUp("")))
	f.kube.Forget() // which methods are installed is tried too
	tried := func() int {
		n := 0
		for _, r := range f.kube.Requests() {
			if r.DryRun() {
				n++
			}
		}
		return n
	}
	s.apply(f.config(backedUp("retention_days = 3")))
	if n := tried(); n != 0 {
		t.Errorf("%d requests were tried for an update that changes no keys", n)
	}
	f.edit("kubectl-scale", "my-db", func(c *cnpgv1.Cluster) { c.Spec.Instances = 2 })
	s.apply(strings.ReplaceAll(f.provider(""), s3test.AccessKeyID, rotatedKey) + backedUp("retention_days = 3"))
	if n := tried(); n == 0 {
		t.Error("nothing was tried")
	}
	if f.cluster().Spec.Instances != 1 || string(f.ownSecret().Data["ACCESS_KEY_ID"]) != rotatedKey {
		t.Errorf("%d instances, key %s", f.cluster().Spec.Instances, f.ownSecret().Data["ACCESS_KEY_ID"])
	}
}

// A webhook that knows no dry run does not keep keys from being rotated.
func TestRotationWithoutDryRun(t *testing.T) {
	t.Parallel()
	f := operated(t)
	s := onStage(t, f)
	s.apply(f.config(backedUp("")))
	f.kube.Fail(func(r apitest.Request) *apitest.Fault {
		if r.DryRun() {
			return &apitest.Fault{Status: 400, Message: `admission webhook "theirs.example.com" does not support dry run`}
		}
		return nil
	})
	s.apply(strings.ReplaceAll(f.provider(""), s3test.AccessKeyID, rotatedKey) + backedUp(""))
	if string(f.ownSecret().Data["ACCESS_KEY_ID"]) != rotatedKey {
		t.Error("the key was not rotated")
	}
}
