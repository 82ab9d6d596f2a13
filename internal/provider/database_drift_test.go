package provider_test

import (
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// What was changed by hand is put back; what another manager means to keep is an error that names it, and is taken over by
// force alone.
func TestDatabaseDriftAndConflicts(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testDatabaseDriftAndConflicts)
}

func testDatabaseDriftAndConflicts(t *testing.T) {
	t.Parallel()
	f := operated(t)
	s := onStage(t, f)
	const backups = "  backup = { schedule = \"0 2 * * *\" }\n"
	config := f.config(database(unprotected + backups))
	schedule := func() string {
		return apitest.Get[cnpgv1.ScheduledBackup](f.kube, fakeNamespace, "my-db").Spec.Schedule
	}
	s.apply(config)

	f.edit("kubectl-scale", "my-db", func(c *cnpgv1.Cluster) { c.Spec.Instances = 2 })
	apitest.EditAs(f.kube, "kubectl-edit", fakeNamespace, "my-db", func(b *cnpgv1.ScheduledBackup) { b.Spec.Schedule = "0 0 5 * * *" })
	s.planned(config, terraformtest.Update)
	s.apply(config)
	if n := f.cluster().Spec.Instances; n != 1 || schedule() != "0 0 2 * * *" {
		t.Errorf("%d instances, schedule %q: not put back", n, schedule())
	}

	of := metav1.ObjectMeta{Namespace: fakeNamespace, Name: "my-db"}
	apitest.ApplyAs(f.kube, "flux", &cnpgv1.Cluster{ObjectMeta: of, Spec: cnpgv1.ClusterSpec{Instances: 3}})
	s.fails(config, "Unable to Update Database", `.spec.instances (owned by "flux")`, "set force_conflicts = true", "as it stands in Kubernetes now")
	if n := f.cluster().Spec.Instances; n != 3 {
		t.Errorf("%d instances: the other manager's value is gone", n)
	}
	if got := s.w.Object(db).Attribute("instances").AsBigFloat().String(); got != "3" {
		t.Errorf("the state holds %s instances", got)
	}
	apitest.ApplyAs(f.kube, "flux", &cnpgv1.ScheduledBackup{ObjectMeta: of, Spec: cnpgv1.ScheduledBackupSpec{Schedule: "0 0 6 * * *"}})
	forced := f.config(database(unprotected + backups + "  force_conflicts = true\n"))
	s.apply(forced)
	if n := f.cluster().Spec.Instances; n != 1 || schedule() != "0 0 2 * * *" {
		t.Errorf("%d instances, schedule %q: not taken over", n, schedule())
	}

	apitest.ApplyAs(f.kube, "flux", &cnpgv1.ScheduledBackup{ObjectMeta: of, Spec: cnpgv1.ScheduledBackupSpec{Schedule: "0 0 6 * * *"}})
	s.fails(config, "Unable to Update Database", "ScheduledBackup myorg/my-db", `.spec.schedule (owned by "flux")`)
	if schedule() != "0 0 6 * * *" {
		t.Errorf("the schedule is %q: the other manager's is gone", schedule())
	}
}

// Volumes that cannot grow are an error before anything is sent, at plan, and again where the plan did not know.
func TestDatabaseThatCannotGrow(t *testing.T) {
	t.Parallel()
	f := operated(t)
	s := onStage(t, f)
	config := func(data, wal string) string {
		return f.config(database(unprotected + "  storage = { size = \"" + data + "\" }\n  wal_storage = { size = \"" + wal + "\" }\n"))
	}
	fix := func(allow bool) {
		f.kube.Put(&storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: apitest.StorageClass}, Provisioner: "example.com/volumes", AllowVolumeExpansion: &allow})
	}
	s.apply(config("1Gi", "1Gi"))
	fix(false)
	s.refused(config("2Gi", "1Gi"), "Storage Cannot Grow", `AttributeName("storage").AttributeName("size")`, "the volume claim my-db-1 of Cluster myorg/my-db cannot grow from 1Gi to 2Gi", `"standard"`, "Leave storage.size as it is")
	s.refused(config("1Gi", "2Gi"), "Storage Cannot Grow", `AttributeName("wal_storage").AttributeName("size")`, "the volume claim my-db-1-wal", "Leave wal_storage.size as it is")
	fix(true)
	plan, _ := s.plan(config("2Gi", "1Gi"))
	f.kube.Forget()
	f.kube.Fail(apitest.First(apitest.VerbGet, "clusters", apitest.Fault{Before: func() { fix(false) }})) // once the apply has begun
	diags := s.w.ApplyPlan(t.Context(), plan)
	if !says("Unable to Update Database", "my-db-1", "cannot grow", "Nothing was changed").MatchString(diags.Errors().String()) {
		t.Errorf("the apply says\n%s", diags)
	}
	if writes := f.kube.Writes(); len(writes) != 0 {
		t.Errorf("written: %v", apitest.Summaries(writes))
	}
	fix(true)
	s.apply(config("2Gi", "1Gi"))
}
