package provider_test

import (
	"sync/atomic"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// archivingBy is a database that archives by a method.
func archivingBy(method cnpg.Method, more string) string {
	return database("backup = { schedule = \"@daily\", method = \"" + string(method) + "\" }\n" + unprotected + more)
}

// A method that another manager states too is not changed: the plan says so, and an apply that was planned before. By force it is.
func TestMethodThatAnotherManagerStates(t *testing.T) {
	t.Parallel()
	for from, test := range map[cnpg.Method]struct {
		to    cnpg.Method
		field string
	}{
		cnpg.MethodInTree: {cnpg.MethodPlugin, "spec.backup.barmanObjectStore"},
		cnpg.MethodPlugin: {cnpg.MethodInTree, "spec.plugins"},
	} {
		t.Run("from "+string(from), func(t *testing.T) {
			t.Parallel()
			s := onStage(t, operated(t))
			s.apply(s.config(archivingBy(from, "")))
			earlier, _ := s.plan(s.config(archivingBy(test.to, ""))) // the control: nobody else states it

			stored := apitest.Get[cnpgv1.Cluster](s.kube, fakeNamespace, "my-db")
			theirs := &cnpgv1.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "my-db"}}
			theirs.Spec.Instances, theirs.Spec.Plugins = stored.Spec.Instances, stored.Spec.Plugins
			if store := cnpg.Archiver(stored); store != nil {
				theirs.Spec.Backup = &cnpgv1.BackupConfiguration{BarmanObjectStore: store}
			}
			var asked atomic.Int64
			s.kube.Fail(func(r apitest.Request) *apitest.Fault {
				if r.Is(apitest.VerbGet, "clusters") && asked.Add(1) == 2 { // the first is the plan that every apply makes anew
					return &apitest.Fault{Before: func() { apitest.ApplyAs(s.kube, "argocd", theirs) }}
				}
				return nil
			})
			held := []string{test.field + ` belongs to the field manager "argocd" too`, "remove " + test.field + " there first", "force_conflicts = true", "Nothing was changed."}
			s.kube.Forget()
			if diags := s.w.ApplyPlan(t.Context(), earlier); !says(append([]string{"Unable to Update Database"}, held...)...).MatchString(diags.Errors().String()) {
				t.Errorf("the apply says\n%s", diags)
			}
			if writes := s.kube.Writes(); len(writes) > 0 || cnpg.MethodOf(s.cluster()) != from {
				t.Errorf("it archives by %s; written: %v", cnpg.MethodOf(s.cluster()), apitest.Summaries(writes))
			}
			s.kube.Fail(nil)
			s.refused(s.config(archivingBy(test.to, "")), append([]string{"Backup Method Cannot Change"}, held...)...)
			s.planned(s.config(archivingBy(from, "")), terraformtest.NoOp)
			s.apply(s.config(archivingBy(test.to, forced)))
			if got := cnpg.MethodOf(s.cluster()); got != test.to {
				t.Errorf("by force it archives by %s", got)
			}
		})
	}
}

// The schedule of a database that was imported is made anew with another method, which is for those who have made it: the plan says so.
func TestMethodOfAScheduleThatWasImported(t *testing.T) {
	t.Parallel()
	s := adopted(t)
	config := func(method cnpg.Method) string {
		return s.config(adoptedDatabase(forced + "backup = { schedule = \"0 2 * * *\", method = \"" + string(method) + "\" }\n"))
	}
	s.planned(config(cnpg.MethodInTree), terraformtest.Update) // the control: of its own method it is good
	before := s.schedule().ResourceVersion
	for range 2 {
		s.refused(config(cnpg.MethodPlugin), "Schedule's Name Is Taken", `AttributeName("backup").AttributeName("schedule")`, `takes backups by the method "barmanObjectStore"`,
			"kubectl delete scheduledbackup my-db --namespace myorg", "Nothing was changed")
	}
	if got := s.schedule().ResourceVersion; got != before || cnpg.MethodOf(s.cluster()) != cnpg.MethodInTree {
		t.Errorf("it archives by %s, and its schedule is of %s instead of %s", cnpg.MethodOf(s.cluster()), got, before)
	}
	apitest.Delete[cnpgv1.ScheduledBackup](s.kube, fakeNamespace, "my-db")
	s.apply(config(cnpg.MethodPlugin))
	if schedule := s.schedule(); cnpg.MethodOf(s.cluster()) != cnpg.MethodPlugin || schedule == nil || cnpg.ScheduleMethod(schedule) != cnpg.MethodPlugin {
		t.Errorf("it archives by %s, with the schedule %+v", cnpg.MethodOf(s.cluster()), schedule)
	}
}
