package provider_test

import (
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// A destroy that meets another Cluster of the same name leaves it whole: with its schedule and with its keys.
func TestDestroyLeavesAnotherClusterWhole(t *testing.T) {
	t.Parallel()
	for name, moment := range map[string]struct{ verb, resource string }{
		"made before the schedule is read":   {apitest.VerbGet, "scheduledbackups"},
		"made before the Cluster is deleted": {apitest.VerbDelete, "clusters"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := operated(t)
			s := onStage(t, f)
			s.apply(f.config(backedUp("")))
			plan, diags := s.w.PlanDestroy(t.Context())
			if diags.HasError() {
				t.Fatal(diags)
			}
			f.kube.Fail(apitest.First(moment.verb, moment.resource, apitest.Fault{Before: func() { f.remake("my-db") }}))
			if diags := s.w.ApplyPlan(t.Context(), plan); !says("Unable to Destroy Database", "deleted, or made anew").MatchString(diags.Errors().String()) {
				t.Errorf("the destroy says %s", diags)
			}
			if f.cluster() == nil || f.schedule() == nil || f.ownSecret() == nil {
				t.Errorf("of the new database are left: Cluster %t, schedule %t, Secret %t", f.cluster() != nil, f.schedule() != nil, f.ownSecret() != nil)
			}
		})
	}
}

// remake plays another workspace: the database is deleted, and made anew under its name.
func (f *fakes) remake(name string) {
	apitest.Delete[cnpgv1.ScheduledBackup](f.kube, fakeNamespace, name)
	apitest.Delete[corev1.Secret](f.kube, fakeNamespace, name+"-backup-s3-creds")
	apitest.Delete[cnpgv1.Cluster](f.kube, fakeNamespace, name)
	f.put(f.archivedCluster())
	owner := apitest.Get[cnpgv1.Cluster](f.kube, fakeNamespace, name)
	meta := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: fakeNamespace, Name: name, OwnerReferences: []metav1.OwnerReference{
			{APIVersion: cnpg.ClusterTypeMeta.APIVersion, Kind: cnpg.ClusterTypeMeta.Kind, Name: owner.Name, UID: owner.UID},
		}}
	}
	f.kube.Put(
		&cnpgv1.ScheduledBackup{ObjectMeta: meta(name), Spec: cnpgv1.ScheduledBackupSpec{Schedule: "0 0 2 * * *", Cluster: cnpgv1.LocalObjectReference{Name: name}}},
		&corev1.Secret{ObjectMeta: meta(name + "-backup-s3-creds")},
	)
}
