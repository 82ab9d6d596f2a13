package provider_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// Whatever has become of a restore, its destroy takes all that was made for it, and nothing of the source or of anybody else.
func TestDestroyedRestoreLeavesNothing(t *testing.T) {
	t.Parallel()
	const schedule, keys, originKeys = "ScheduledBackup my-db-pitr", "Secret my-db-pitr-backup-s3-creds", "Secret my-db-pitr-origin-s3-creds"
	for name, restore := range map[string]struct {
		config string
		makes  []string
	}{
		"that archives with the keys that it reads with": {archiveAlone(nightly), []string{schedule, keys}},
		"that does not archive":                          {archiveAlone(notBackedUp), []string{originKeys}},
		"that archives in another region":                {archiveAlone("backup = { schedule = \"0 2 * * *\", object_store = { region = \"eu-north-1\" } }\n"), []string{schedule, keys, originKeys}},
		"of a living database":                           {restoreOf(unprotected + nightly), []string{schedule, keys}},
	} {
		for outcome, play := range map[string]struct {
			before func(*scene)
			after  func(*testing.T, *scene)
		}{
			"it succeeds": {func(*scene) {}, func(*testing.T, *scene) {}},
			"it fails":    {(*scene).recoveryFails, func(*testing.T, *scene) {}},
			"it is imported": {func(*scene) {}, func(t *testing.T, w *scene) {
				t.Helper()
				w.workspace.Forget(pitr)
				w.workspace.Write(w.text(w.story.config, true) + importRestored)
				if diags := w.workspace.Apply(t.Context()); diags.HasError() {
					t.Fatal(diags)
				}
			}},
			"it is no more in the state, and its Secrets are refused": {func(w *scene) {
				w.kube.Fail(apitest.Each(apitest.VerbApply, "secrets", apitest.Fault{Status: 403}))
			}, func(_ *testing.T, w *scene) { w.kube.Fail(nil) }},
		} {
			t.Run(name+", "+outcome, func(t *testing.T) {
				t.Parallel()
				w := (&story{of: theRestore, config: restore.config}).begin(t)
				before := w.look()
				play.before(w)
				w.workspace.Write(w.text(restore.config, true))
				diags := w.workspace.Apply(t.Context())
				play.after(t, w)
				if now := w.look(); now.cluster == nil || now.object == nil {
					t.Fatalf("nothing was made: %s", diags)
				} else if refused := strings.Contains(diags.String(), "Secret"); !refused {
					for _, made := range restore.makes {
						if !slices.Contains(now.leftover, made) {
							t.Errorf("%s is not among %v: this test looks at nothing", made, now.leftover)
						}
					}
				}
				w.workspace.Write(w.text("", true))
				if diags := w.workspace.Apply(t.Context()); diags.HasError() {
					t.Fatal(diags)
				}
				after := w.look()
				if after.cluster != nil || after.object != nil || len(after.leftover) > 0 {
					t.Errorf("left are %v, %v and %v", after.cluster, after.object, after.leftover)
				}
				if !maps.Equal(before.theirs, after.theirs) || !slices.Equal(before.files, after.files) {
					t.Errorf("somebody else's objects were changed: %v, %v; before: %v, %v", after.theirs, after.files, before.theirs, before.files)
				}
				for _, pod := range apitest.All[corev1.Pod](w.kube) {
					if strings.HasPrefix(pod.Name, "my-db-pitr") {
						t.Errorf("the pod %s is left", pod.Name)
					}
				}
			})
		}
	}
}

// An update drops nothing that pods of a recovery read the archive with.
func TestRestoreKeepsTheRoleThatItsArchiveIsReadWith(t *testing.T) {
	t.Parallel()
	s, _ := restoreStage(t)
	s.sourceGone()
	const role = `pod_iam_role_arn = "arn:aws:iam::123456789012:role/reader"`
	config := func(attributes string) string { return s.provider(role) + archiveAlone(notBackedUp+attributes) }
	s.apply(config(""))
	const reads = "s3://backups/pg my-db-v1, role, arn:aws:iam::123456789012:role/reader"
	if got := readsAs(s.restored()); got != reads {
		t.Fatalf("it reads as %q, want %q", got, reads)
	}
	s.apply(config("labels = { team = \"b\" }\n"))
	if c := s.restored(); readsAs(c) != reads || c.Labels["team"] != "b" {
		t.Errorf("after an update it reads as %q, and has the labels %v", readsAs(c), c.Labels)
	}
}
