package provider_test

import (
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// What somebody changes in a schedule, and no attribute shows, is seen by the refresh as it is, told, and put back.
func TestScheduleDrift(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testScheduleDrift)
}

func testScheduleDrift(t *testing.T) {
	t.Parallel()
	type drift struct {
		change func(*cnpgv1.ScheduledBackup)
		is     func(*cnpgv1.ScheduledBackup) bool
		told   string
	}
	tests := map[string]drift{
		"suspended": {
			change: func(s *cnpgv1.ScheduledBackup) { s.Spec.Suspend = ptr.To(true) },
			is:     func(s *cnpgv1.ScheduledBackup) bool { return !ptr.Deref(s.Spec.Suspend, false) },
			told:   "The ScheduledBackup myorg/my-db is suspended",
		},
		"of another Cluster": {
			change: func(s *cnpgv1.ScheduledBackup) { s.Spec.Cluster.Name = "theirs" },
			is:     func(s *cnpgv1.ScheduledBackup) bool { return s.Spec.Cluster.Name == "my-db" },
			told:   "spec.cluster",
		},
		"its Backups belong to nobody": {
			change: func(s *cnpgv1.ScheduledBackup) { s.Spec.BackupOwnerReference = "none" },
			is:     func(s *cnpgv1.ScheduledBackup) bool { return s.Spec.BackupOwnerReference == "cluster" },
			told:   "spec.backupOwnerReference",
		},
		"another method": {
			change: func(s *cnpgv1.ScheduledBackup) { s.Spec.Method = "volumeSnapshot" },
			is:     func(s *cnpgv1.ScheduledBackup) bool { return string(s.Spec.Method) == string(methodOf(t)) },
			told:   "spec.method",
		},
		"without its owner": {
			change: func(s *cnpgv1.ScheduledBackup) { s.OwnerReferences = nil },
			is:     func(s *cnpgv1.ScheduledBackup) bool { return len(s.OwnerReferences) == 1 },
			told:   "metadata.ownerReferences",
		},
		"without a label": {
			change: func(s *cnpgv1.ScheduledBackup) { delete(s.Labels, cnpg.LabelCluster) },
			is:     func(s *cnpgv1.ScheduledBackup) bool { return s.Labels[cnpg.LabelCluster] == "my-db" },
			told:   "metadata.labels",
		},
	}
	if methodOf(t) == cnpg.MethodPlugin {
		is := func(s *cnpgv1.ScheduledBackup) bool { return cnpg.ScheduleMethod(s) == cnpg.MethodPlugin }
		tests["of another plugin"] = drift{
			change: func(s *cnpgv1.ScheduledBackup) { s.Spec.PluginConfiguration.Name = "theirs.example.com" }, is: is, told: "spec.pluginConfiguration",
		}
		tests["of no plugin"] = drift{
			change: func(s *cnpgv1.ScheduledBackup) { s.Spec.PluginConfiguration = nil }, is: is, told: "spec.pluginConfiguration",
		}
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := operated(t)
			s := onStage(t, f)
			config := f.config(backedUp(""))
			s.apply(config)
			if !test.is(f.schedule()) {
				t.Fatal("the schedule is not as this test wants it from the beginning")
			}
			apitest.EditAs(f.kube, "kubectl-edit", fakeNamespace, "my-db", test.change)
			f.forget()
			plan, warnings := s.plan(config)
			if plan.Action(db) != terraformtest.Update || !says("Repairs That No Attribute Shows", test.told).MatchString(warnings) {
				t.Errorf("the plan is %q with warnings %q", plan.Action(db), warnings)
			}
			asked := []string{"get clusters myorg/my-db", "get scheduledbackups myorg/my-db"}
			if f.method == cnpg.MethodPlugin {
				asked = append(asked, "get objectstores myorg/my-db-backup")
			}
			if err := f.asked(asked...); err != nil {
				t.Error(err)
			}
			s.apply(config)
			if !test.is(f.schedule()) {
				t.Errorf("not put back: %+v", f.schedule())
			}
		})
	}
}

// A suspended schedule that is adopted is not resumed behind the back of who suspended it.
func TestScheduleSuspendedByWhoMadeIt(t *testing.T) {
	t.Parallel()
	s := adopted(t)
	apitest.EditAs(s.kube, apitest.Kubectl, fakeNamespace, "my-db", func(b *cnpgv1.ScheduledBackup) { b.Spec.Suspend = ptr.To(true) })
	config := func(more string) string {
		return s.config(strings.Replace(adoptedDatabase(more), "org_id", "backup = { schedule = \"0 2 * * *\", retention_days = 14 }\norg_id", 1))
	}
	s.planned(config(""), terraformtest.Update)
	s.fails(config(""), "Unable to Update Database", "force_conflicts", `.spec.suspend (owned by "kubectl-client-side-apply")`)
	if !ptr.Deref(s.schedule().Spec.Suspend, false) {
		t.Error("it was resumed")
	}
	s.apply(config(forced))
	if ptr.Deref(s.schedule().Spec.Suspend, false) {
		t.Error("it was not resumed by force")
	}
}

// An import tells of schedules that would run beside the provider's, with one request, and goes on where it may not ask.
func TestImportTellsOfOtherSchedules(t *testing.T) {
	t.Parallel()
	schedule := func(name, cluster string) *cnpgv1.ScheduledBackup {
		return &cnpgv1.ScheduledBackup{
			ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: name},
			Spec:       cnpgv1.ScheduledBackupSpec{Schedule: "0 0 4 * * *", Cluster: cnpgv1.LocalObjectReference{Name: cluster}},
		}
	}
	imported := func(t *testing.T, forbidden bool) string {
		t.Helper()
		f := operated(t)
		f.put(f.archivedCluster(), schedule("nightly", "my-db"), schedule("my-db", "my-db"), schedule("theirs", "another"))
		if forbidden {
			f.kube.Fail(apitest.Each(apitest.VerbList, "scheduledbackups", apitest.Fault{Status: 403}))
		}
		s := onStage(t, f)
		s.w.Write(f.config(adoptedDatabase("")))
		f.kube.Forget()
		diags := s.w.Import(t.Context(), db, "myorg/my-db")
		if diags.HasError() {
			t.Fatal(diags)
		}
		lists := 0
		for _, r := range f.kube.Requests() {
			if r.Is(apitest.VerbList, "") {
				lists++
			}
		}
		if lists != 1 {
			t.Errorf("%d lists, want one: %v", lists, apitest.Summaries(f.kube.Requests()))
		}
		return diags.Warnings().String()
	}
	warnings := imported(t, false)
	if !says("Other Schedules", "myorg/nightly (0 0 4 * * *)", "all of them run").MatchString(warnings) || strings.Contains(warnings, "theirs") {
		t.Errorf("warnings are %q", warnings)
	}
	if warnings := imported(t, true); strings.Contains(warnings, "Other Schedules") {
		t.Errorf("warnings are %q", warnings)
	}
}
