package provider_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// kill lets Terraform and the provider end when one request of the story's create has had its effect. No state is saved.
func (w *scene) kill(t *testing.T, at point) {
	t.Helper()
	saved := w.workspace.Copy(t, onFakes)
	var made counter
	var mu sync.Mutex
	hit := false
	w.watchRequests(func(p point) bool {
		mu.Lock()
		defer mu.Unlock()
		hit = hit || made.number(p) == at
		return hit
	}, killed)
	diags := w.do(t)
	w.watchRequests(nil, fault{})
	mu.Lock()
	defer mu.Unlock()
	if !hit {
		t.Fatalf("the operation did not make this request, but %v\n%s", made.all, diags)
	}
	w.workspace, w.planned, w.told = saved, nil, nil
	w.workspace.Write(w.text(w.story.config, true))
}

const importRestored = "import {\n  to = " + pitr + "\n  id = \"myorg/my-db-pitr\"\n}\n"

// A create of a restore that was killed anywhere is gone on from by the import block that the next plan prints: what it had not
// come to is made up for, and the recovery goes on.
func TestRestoreThatWasKilledIsCompleted(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]string{
		"with a Secret for the archive alone": archiveAlone(notBackedUp),
		"with backups":                        archiveAlone(nightly),
	} {
		s := &story{of: theRestore, config: config, prepare: (*scene).recoversWithItsSecret}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begin := s.begin(t)
			written := 0
			for _, p := range begin.points(t) {
				if !p.writes {
					continue
				}
				written++
				t.Run(p.String(), func(t *testing.T) {
					t.Parallel()
					w := begin.copy(t, onFakes)
					w.kill(t, p)
					first := w.cluster().UID
					plan, diags := w.workspace.Plan(t.Context())
					if !says("my-db-pitr", "import {", `id = "myorg/my-db-pitr"`).MatchString(diags.String()) {
						t.Errorf("the next plan says\n%s", diags)
					}
					if plan != nil {
						if diags := w.workspace.ApplyPlan(t.Context(), plan); !says("exists already", "import {").MatchString(diags.Errors().String()) {
							t.Errorf("without the import the apply says\n%s", diags)
						}
					}
					w.workspace.Write(w.text(s.config, true) + importRestored)
					waits := cnpg.NeverReady(w.cluster())
					diags = w.workspace.Apply(t.Context())
					if warned := strings.Contains(diags.String(), "Restored State Not Verified"); diags.HasError() || warned != waits {
						t.Fatalf("the apply that waits for the recovery (%t) says\n%s", waits, diags)
					}
					for _, problem := range w.reached() {
						t.Error(problem)
					}
					if plan, diags := w.workspace.Plan(t.Context()); diags.HasError() || !plan.Empty() {
						t.Errorf("after that there is more to do: %v\n%s", plan, diags)
					}
					if w.cluster().UID != first {
						t.Error("it is another Cluster")
					}
				})
			}
			if written < 3 {
				t.Errorf("the create writes %d times", written)
			}
		})
	}
}

// Why the recovery fails is said by the update that goes on from there, and how to restore anew.
func TestRestoreThatWasKilledAndFails(t *testing.T) {
	t.Parallel()
	protected := restoreOf(nightly + withinTheWindow)
	w := (&story{of: theRestore, config: protected, prepare: (*scene).recoveryFails}).begin(t).copy(t, onFakes)
	w.kill(t, point{what: "apply clusters myorg/my-db-pitr", nth: 1, writes: true})
	w.workspace.Write(w.text(protected, true) + importRestored)
	diags := w.workspace.Apply(t.Context())
	if !says("Unable to Update Restore", "recovery ended before configured recovery target was reached", "holds no data", "terraform apply -replace=pgplatform_restore.NAME").MatchString(diags.Errors().String()) {
		t.Errorf("the apply says\n%s", diags)
	}
	w.workspace.Write(w.text(restoreOf(nightly), true))
	if plan, diags := w.workspace.Plan(t.Context()); diags.HasError() || plan.Action(pitr) != terraformtest.Replace {
		t.Errorf("with other inputs the plan is %v\n%s", plan, diags)
	}
}

// Where nobody can tell any more what the Secret is to hold, nothing is changed.
func TestRestoreThatWasKilledAndCannotBeCompleted(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*scene)
		want   []string
	}{
		"the source is gone":    {(*scene).sourceIsGone, []string{"Unable to Read the Source", "not found", "Nothing was changed"}},
		"the Secret is refused": {(*scene).secretsAreRefused, []string{"Unable to Update Restore", "my-db-pitr-origin-s3-creds", "Nothing was changed"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := restoreOf(notBackedUp + withinTheWindow)
			w := (&story{of: theRestore, config: config, prepare: (*scene).recoversWithItsSecret}).begin(t).copy(t, onFakes)
			w.kill(t, point{what: "apply clusters myorg/my-db-pitr", nth: 1, writes: true})
			test.change(w)
			version := w.cluster().ResourceVersion
			w.workspace.Write(w.text(config, true) + importRestored)
			plan, diags := w.workspace.Plan(t.Context())
			if diags.HasError() || !says("Repairs That No Attribute Shows", "my-db-pitr-origin-s3-creds").MatchString(diags.Warnings().String()) {
				t.Fatalf("the plan says\n%s", diags)
			}
			if diags := w.workspace.ApplyPlan(t.Context(), plan); !says(test.want...).MatchString(diags.Errors().String()) {
				t.Errorf("the apply says\n%s", diags)
			}
			if w.cluster().ResourceVersion != version {
				t.Error("the Cluster was changed")
			}
		})
	}
}

func (w *scene) sourceIsGone() { apitest.Delete[cnpgv1.Cluster](w.kube, fakeNamespace, "my-db") }

func (w *scene) secretsAreRefused() {
	w.kube.Fail(apitest.Each(apitest.VerbApply, "secrets", apitest.Fault{Status: http.StatusForbidden}))
}
