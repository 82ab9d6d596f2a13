package provider_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// Protection does not bind a restore that holds no data. Its recovery may succeed in the very moment in which it is destroyed:
// then it is a database.
func TestRestoreThatRunsWhileItIsDestroyed(t *testing.T) {
	t.Parallel()
	f, _ := withSource(t)
	neverReady := func(c *cnpgv1.Cluster) { c.Status = cnpgv1.ClusterStatus{Phase: cnpgv1.PhaseFirstPrimary} }
	unit(t,
		resource.TestStep{Config: f.config(restoreOf(""))},
		resource.TestStep{
			PreConfig: func() {
				apitest.Edit(f.kube, fakeNamespace, "my-db-pitr", neverReady)
				f.kube.Fail(apitest.First(apitest.VerbDelete, "clusters", apitest.Fault{Before: func() {
					apitest.Edit(f.kube, fakeNamespace, "my-db-pitr", func(c *cnpgv1.Cluster) { c.Status.CurrentPrimary = "my-db-pitr-1" })
				}}))
			},
			Config: f.config(restoreOf("")), Destroy: true,
			ExpectError: says("myorg/my-db-pitr: it has had a running instance since it was read", "deletion_protection and final_backup hold"),
		},
		resource.TestStep{
			PreConfig: func() {
				if f.restored() == nil {
					t.Fatal("the database is gone")
				}
				apitest.Edit(f.kube, fakeNamespace, "my-db-pitr", neverReady)
			},
			Config: f.config(restoreOf("")), Destroy: true,
		},
	)
	if f.restored() != nil {
		t.Error("the failed restore is still there")
	}
}

// failedOnStage is a restore that has failed, and that Terraform has marked as tainted.
func failedOnStage(t *testing.T, config string) *scene {
	t.Helper()
	return (&story{of: theRestore, before: config, tainted: true, spoil: (*scene).recoveryFails}).begin(t)
}

// What a plan has seen to be a failed restore is destroyed only where it is that still, whoever has made what is there now.
func TestFailedRestoreThatIsAnotherOneByNow(t *testing.T) {
	t.Parallel()
	const failing = unprotected + nightly
	runs := func(w *scene) { apitest.Edit(w.kube, fakeNamespace, "my-db-pitr", apitest.Healthy) }
	another := func(inputs string) func(*scene) {
		return func(w *scene) {
			made := w.cluster()
			apitest.Delete[cnpgv1.Cluster](w.kube, fakeNamespace, "my-db-pitr")
			made.ObjectMeta = metav1.ObjectMeta{Namespace: fakeNamespace, Name: made.Name, Annotations: made.Annotations}
			if inputs != "" {
				made.Annotations[cnpg.AnnotationRestore] = inputs
			}
			made.Status = cnpgv1.ClusterStatus{}
			w.kube.Put(made)
			apitest.Edit(w.kube, fakeNamespace, made.Name, func(c *cnpgv1.Cluster) { c.Status = cnpgv1.ClusterStatus{Phase: cnpgv1.PhaseFirstPrimary} })
		}
	}
	older := func(w *scene) {
		apitest.Edit(w.kube, fakeNamespace, "my-db-pitr-1", func(v *corev1.PersistentVolumeClaim) {
			v.CreationTimestamp = metav1.NewTime(v.CreationTimestamp.Add(-time.Hour))
		})
	}
	nothing := func(*scene) {}
	tests := map[string]struct {
		before, between func(*scene) // the plan, and the plan and the apply
		want            []string
	}{
		"it runs":                                         {nothing, runs, []string{"it has had a running instance since it was read", "Nothing was destroyed"}},
		"somebody else restores since the plan":           {nothing, another(""), []string{"is not the one that Terraform's state stands for", "Nothing was destroyed"}},
		"somebody else has restored":                      {another(`{"database":"myorg/theirs"}`), nothing, []string{"is not the one that Terraform's state stands for", "Nothing was destroyed"}},
		"its volume is that of one that was there before": {older, nothing, []string{"volume claim my-db-pitr-1: it is older than the Cluster"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := failedOnStage(t, restoreOf(failing))
			test.before(w)
			w.workspace.Write(w.text(restoreOf(failing+withinTheWindow), true))
			plan, diags := w.workspace.Plan(t.Context())
			if diags.HasError() || plan.Action(pitr) != terraformtest.Replace {
				t.Fatalf("the plan is %v: %s", plan, diags)
			}
			test.between(w)
			there, schedule := w.cluster(), apitest.Get[cnpgv1.ScheduledBackup](w.kube, fakeNamespace, "my-db-pitr")
			diags = w.workspace.ApplyPlan(t.Context(), plan)
			if !says(test.want...).MatchString(diags.Errors().String()) {
				t.Errorf("the apply says\n%s\nwant %q", diags, test.want)
			}
			if now := w.cluster(); now == nil || now.UID != there.UID || now.DeletionTimestamp != nil {
				t.Errorf("the Cluster is %v", now)
			}
			if schedule != nil && apitest.Get[cnpgv1.ScheduledBackup](w.kube, fakeNamespace, "my-db-pitr") == nil {
				t.Error("its schedule is gone")
			}
			if w.workspace.Object(pitr) == nil {
				t.Error("the state has lost it")
			}
		})
	}
}

// An apply that is cut off while the recovery runs loses nothing: the next plan says how to keep it, and nothing is left to do
// when it has come to its end. Where that recovery ended, nobody has seen.
func TestRestoreThatIsCutOffWhileItRuns(t *testing.T) {
	t.Parallel()
	w := (&story{of: theRestore}).begin(t)
	w.recovering(func(*corev1.Pod, *batchv1.Job) {})
	config := w.text(restoreOf(nightly+withinTheWindow), true)
	w.workspace.Write(config)
	w.kube.Fail(func(r apitest.Request) *apitest.Fault {
		if r.Is(apitest.VerbWatch, "jobs") {
			return &apitest.Fault{Before: w.workspace.Interrupt, Hang: true}
		}
		return nil
	})
	if diags := w.workspace.Apply(t.Context()); !says("recorded in Terraform's state", "terraform untaint").MatchString(diags.Errors().String()) {
		t.Fatalf("the apply says\n%s", diags)
	}
	w.kube.Fail(nil)
	w.kube.Forget()
	flushed := w.flushed.Load()
	_, diags := w.workspace.Plan(t.Context())
	if !says("Restore Already Exists", "terraform untaint pgplatform_restore.NAME").MatchString(diags.Errors().String()) {
		t.Errorf("while it runs the plan says\n%s", diags)
	}
	w.workspace.Untaint(pitr)
	plan, diags := w.workspace.Plan(t.Context())
	if diags.HasError() || plan.Action(pitr) != terraformtest.Update || !says("Restore Not Complete Yet", "waits for the end").MatchString(diags.String()) {
		t.Fatalf("the plan is %v\n%s", plan, diags)
	}
	recovered := sync.OnceFunc(w.recovered)
	w.kube.Fail(func(r apitest.Request) *apitest.Fault {
		if r.Is(apitest.VerbWatch, "jobs") { // somebody waits for it
			go recovered()
		}
		return nil
	})
	if diags := w.workspace.ApplyPlan(t.Context(), plan); diags.HasError() || !says("Restored State Not Verified").MatchString(diags.String()) {
		t.Errorf("the apply that waits says\n%s", diags)
	}
	if cnpg.NeverReady(w.cluster()) {
		t.Error("the apply has not waited")
	}
	if plan, diags := w.workspace.Plan(t.Context()); diags.HasError() || !plan.Empty() || says("Restore Not Complete Yet").MatchString(diags.String()) {
		t.Errorf("in the end the plan is %v\n%s", plan, diags)
	}
	object := w.workspace.Object(pitr)
	if object == nil || !object.Attribute("restored_to").IsNull() || object.Attribute("base_backup_id").AsString() != "20260326T095900" || object.Attribute("status").AsString() != "READY" {
		t.Errorf("the state has %#v", object)
	}
	writes := slices.DeleteFunc(w.kube.Writes(), func(r apitest.Request) bool { return r.Verb != apitest.VerbCreate && r.Verb != apitest.VerbDelete })
	if len(writes) > 0 || w.flushed.Load() != flushed {
		t.Errorf("written: %v, and %d flushes", apitest.Summaries(writes), w.flushed.Load()-flushed)
	}
}
