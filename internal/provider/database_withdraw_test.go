package provider_test

import (
	"strings"
	"sync/atomic"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

const forced = "  force_conflicts = true\n"

// adopted has an archived database that kubectl made, with its schedule, imported.
func adopted(t *testing.T) *stage {
	t.Helper()
	f := operated(t)
	f.put(f.archivedCluster(), &cnpgv1.ScheduledBackup{
		ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "my-db"},
		Spec:       cnpgv1.ScheduledBackupSpec{Schedule: "0 0 2 * * *", Cluster: cnpgv1.LocalObjectReference{Name: "my-db"}},
	})
	s := onStage(t, f)
	s.w.Write(f.config(adoptedDatabase("")))
	if diags := s.w.Import(t.Context(), db, "myorg/my-db"); diags.HasError() {
		t.Fatal(diags)
	}
	return s
}

// adoptedDatabase is what matches it, but for its backups.
func adoptedDatabase(more string) string {
	return database(unprotected + `
  org_id        = "acme"
  image         = "ghcr.io/cloudnative-pg/postgresql:17.5"
  storage       = { size = "3Gi" }
  parameters    = { work_mem = "8MB" }
  database_name = "shop"
  owner         = "seller"
` + more)
}

// Backups that another manager states are turned off where they are, or by force, and never by halves.
func TestBackupsThatAnotherManagerStates(t *testing.T) {
	t.Parallel()
	s := adopted(t)
	s.refused(s.config(adoptedDatabase("")), "Backups Cannot Be Turned Off", "backup", `spec.backup belongs to the field manager "kubectl-client-side-apply" too`,
		"remove spec.backup there", "force_conflicts = true", "Nothing was changed")
	if warnings := s.apply(s.config(adoptedDatabase(forced))); strings.Contains(warnings, "archive_timeout") {
		t.Errorf("warnings are %q", warnings)
	}
	if s.cluster().Spec.Backup != nil || s.schedule() != nil || !s.w.Object(db).Attribute("archive").IsNull() {
		t.Errorf("left are %+v, %+v", s.cluster().Spec.Backup, s.schedule())
	}
}

// What another manager has come to state since the plan is refused by the apply, before anything is written.
func TestBackupsThatAnotherManagerStatesByNow(t *testing.T) {
	t.Parallel()
	f := operated(t)
	s := onStage(t, f)
	s.apply(f.config(backedUp("")))
	plan, _ := s.plan(f.config(database(unprotected)))
	theirs := &cnpgv1.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "my-db"}}
	theirs.Spec.Backup = &cnpgv1.BackupConfiguration{RetentionPolicy: "7d"}
	var asked atomic.Int64
	f.kube.Fail(func(r apitest.Request) *apitest.Fault {
		if r.Is(apitest.VerbGet, "clusters") && asked.Add(1) == 2 { // the first is the plan that every apply makes anew
			return &apitest.Fault{Before: func() { apitest.ApplyAs(f.kube, "argocd", theirs) }}
		}
		return nil
	})
	before := f.cluster().Spec.Backup
	if diags := s.w.ApplyPlan(t.Context(), plan); !says("Unable to Update Database", `spec.backup belongs to the field manager "argocd" too`, "Nothing was changed").MatchString(diags.String()) {
		t.Errorf("the apply says\n%s", diags)
	}
	if f.schedule() == nil || f.barman().ServerName != before.BarmanObjectStore.ServerName {
		t.Errorf("left are %+v, %+v", f.cluster().Spec.Backup, f.schedule())
	}
}

// They are turned off here once they are removed there.
func TestBackupsThatAnotherManagerGivesUp(t *testing.T) {
	t.Parallel()
	s := adopted(t)
	s.edit(apitest.Kubectl, "my-db", func(c *cnpgv1.Cluster) { c.Spec.Backup = nil })
	s.apply(s.config(adoptedDatabase("")))
	if s.cluster().Spec.Backup != nil || s.schedule() != nil {
		t.Errorf("left are %+v, %+v", s.cluster().Spec.Backup, s.schedule())
	}
}

// What somebody changed by hand in the backups of a database that the provider made goes with them, and CNPG's own
// parameters are nobody's.
func TestBackupsThatWereChangedByHand(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testBackupsThatWereChangedByHand)
}

func testBackupsThatWereChangedByHand(t *testing.T) {
	t.Parallel()
	f := operated(t)
	s := onStage(t, f)
	s.apply(f.config(backedUp("retention_days = 30")))
	f.edit("kubectl-edit", "my-db", func(c *cnpgv1.Cluster) { c.Spec.Backup.RetentionPolicy = "7d" })
	off := f.config(database(unprotected))
	s.planned(off, terraformtest.Update)
	f.kube.Fail(apitest.First(apitest.VerbPatch, "clusters", apitest.Fault{Before: func() { // CNPG writes the status meanwhile
		apitest.Edit(f.kube, fakeNamespace, "my-db", func(c *cnpgv1.Cluster) { c.Status.PhaseReason = "busy" })
	}}))
	if warnings := s.apply(off); strings.Contains(warnings, "Not Removed") {
		t.Errorf("warnings are %q", warnings)
	}
	if s.cluster().Spec.Backup != nil || s.schedule() != nil {
		t.Errorf("left are %+v, %+v", s.cluster().Spec.Backup, s.schedule())
	}
}
