package provider_test

import (
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// Where the plugin is gone, the way back to CNPG's own support for barman is open to every database that archives, also to one whose
// Cluster names the plugin for the archive that it was restored from: it goes on in its folder, with a new base backup, and nothing of it
// needs the plugin any more. One that is not backed up begins to be, and may end it again.
func TestWayBackFromAPluginThatIsGone(t *testing.T) {
	t.Parallel()
	const (
		plugin   = "backup = { schedule = \"@daily\", method = \"plugin\" }\n"
		inTree   = "backup = { schedule = \"@daily\", method = \"barmanObjectStore\" }\n"
		nobody   = "wait = false\n"
		off      = "backup = { enabled = false, method = \"barmanObjectStore\" }\n"
		restored = unprotected + withinTheWindow
		byMethod = "does without the plugin"
	)
	for name, test := range map[string]struct {
		address, cluster string
		config           func(string) string
		before           []string // what is configured one after the other; the plugin goes before the last one, if that fails, or after it
		fails            bool     // whether the last one is the change to a plugin that is gone
		back             string
		way              string // what the plan says of it
	}{
		"a database":                            {db, "my-db", database, []string{unprotected + plugin}, false, unprotected + inTree, byMethod},
		"a database, and nobody waits":          {db, "my-db", database, []string{unprotected + plugin}, false, unprotected + inTree + nobody, byMethod},
		"a restored database":                   {pitr, "my-db-pitr", restoreOf, []string{restored + plugin}, false, restored + inTree, byMethod},
		"a restored database, and nobody waits": {pitr, "my-db-pitr", restoreOf, []string{restored + plugin}, false, restored + inTree + nobody, byMethod},
		"restored in-tree, and on its way":      {pitr, "my-db-pitr", restoreOf, []string{restored + inTree, restored + plugin}, true, restored + inTree, byMethod},
		"restored by it, and back before":       {pitr, "my-db-pitr", restoreOf, []string{restored + plugin, restored + inTree}, false, restored + inTree, "The next apply names that archive without the plugin."},
		"restored by it, and not backed up":     {pitr, "my-db-pitr", restoreOf, []string{restored + strings.Replace(off, "barmanObjectStore", "plugin", 1)}, false, restored + inTree, "backups that are turned on"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s *stage
			if test.address == db {
				s = onStage(t, operated(t))
			} else {
				s, _ = restoreStage(t)
			}
			for i, before := range test.before {
				if i == len(test.before)-1 && test.fails {
					s.kube.RemovePlugin()
					withinSeconds(t, func() {
						s.fails(s.config(test.config(before)), "Unable to Update", "Unknown plugin", "does without the plugin")
					})
					if _, warnings := s.plan(s.config(test.config(before))); strings.Contains(warnings, "Somebody has changed") || !strings.Contains(warnings, "an update has ended before it was written") {
						t.Errorf("the plan after it says\n%s", warnings)
					}
					break
				}
				s.apply(s.config(test.config(before)))
			}
			was := s.clusterNamed(test.cluster)
			server, begun := cnpg.ServerName(was), len(s.backupsOf(test.cluster))
			if !cnpg.Archives(was) {
				s.archivesFrom(func() *cnpgv1.Cluster { return s.clusterNamed(test.cluster) })
			}
			s.kube.RemovePlugin()
			plan, warnings := s.plan(s.config(test.config(test.back)))
			if plan.Action(test.address) != terraformtest.Update || !strings.Contains(warnings, test.way) ||
				strings.Contains(warnings, byMethod) != (test.way == byMethod) || strings.Contains(warnings, "would not help") ||
				strings.Contains(warnings, "Somebody has changed spec.method") { // where it was an update that has ended early
				t.Errorf("the plan is %q, and says\n%s", plan.Action(test.address), warnings)
			}
			if strings.HasSuffix(test.back, nobody) { // who waits for nothing has the base backup with the next apply
				if diags := s.w.Apply(t.Context()); diags.HasError() || !strings.Contains(diags.String(), laterBackup) {
					t.Errorf("the first apply says\n%s", diags)
				}
			}
			warnings = s.apply(s.config(test.config(test.back)))
			now := apitest.Get[cnpgv1.Cluster](s.kube, fakeNamespace, test.cluster)
			if now.UID != was.UID || cnpg.MethodOf(now) != cnpg.MethodInTree || cnpg.Archiver(now) == nil || cnpg.Archives(was) && cnpg.ServerName(now) != server || now.Status.Phase != cnpgv1.PhaseHealthy {
				t.Errorf("it archives by %s in %s, after %s, in the phase %q", cnpg.MethodOf(now), cnpg.ServerName(now), server, now.Status.Phase)
			}
			if test.address == pitr {
				if e := now.Spec.ExternalClusters; len(e) != 1 || e[0].PluginConfiguration != nil || e[0].BarmanObjectStore == nil || e[0].BarmanObjectStore.ServerName != "my-db-v1" {
					t.Errorf("it names %+v", e)
				}
			}
			if names := s.unproven(test.cluster, begun); len(names) > 0 || len(s.backupsOf(test.cluster)) == begun && len(test.before) == 1 && cnpg.Archives(was) {
				t.Errorf("after %d base backups there are %d, of which %v are not completed: %s", begun, len(s.backupsOf(test.cluster)), names, warnings)
			}
			if left := apitest.All[barmancloud.ObjectStore](s.kube); len(left) > 0 {
				t.Errorf("left are %+v", left)
			}
			if _, warnings := s.plan(s.config(test.config(test.back))); strings.Contains(warnings, "Not Found") || strings.Contains(warnings, "Repairs") {
				t.Errorf("after it the plan says\n%s", warnings)
			}
			if test.address == db {
				return
			}
			if !cnpg.Archives(was) {
				s.apply(s.config(test.config(restored + off)))
				if ended := s.restored(); cnpg.Archives(ended) || ended.Status.Phase != cnpgv1.PhaseHealthy {
					t.Errorf("without backups again it archives: %t, in the phase %q", cnpg.Archives(ended), ended.Status.Phase)
				}
				return
			}
			// The plugin comes back, CNPG's own support goes: where the database was restored from is not forgotten.
			s.kube.InstallPlugin()
			s.withoutInTree()
			s.apply(s.config(test.config(restored + plugin)))
			if again := s.restored(); cnpg.OriginMethod(again, "origin") != cnpg.MethodPlugin || cnpg.OriginServer(again, "origin") != "my-db-v1" || cnpg.ServerName(again) != server {
				t.Errorf("after all it reads %q by %q, and archives in %s", cnpg.OriginServer(again, "origin"), cnpg.OriginMethod(again, "origin"), cnpg.ServerName(again))
			}
		})
	}
}

// backupsOf are the Backups of a Cluster.
func (s *stage) backupsOf(cluster string) []cnpgv1.Backup {
	var of []cnpgv1.Backup
	for _, b := range apitest.All[cnpgv1.Backup](s.kube) {
		if b.Spec.Cluster.Name == cluster {
			of = append(of, b)
		}
	}
	return of
}

// unproven are the Backups of a Cluster after its first ones that are not completed by the in-tree method.
func (s *stage) unproven(cluster string, first int) []string {
	var names []string
	for _, b := range s.backupsOf(cluster)[first:] {
		if b.Spec.Method != cnpgv1.BackupMethodBarmanObjectStore || b.Status.Phase != cnpgv1.BackupPhaseCompleted {
			names = append(names, b.Name)
		}
	}
	return names
}

// One that archives nowhere gains nothing by another method alone, nor one whose other clusters somebody else states: they are told so, and
// what is changed is there when the plugin is back.
func TestNoWayBackFromAPluginThatIsGone(t *testing.T) {
	t.Parallel()
	const off = unprotected + withinTheWindow + "backup = { method = \"plugin\", enabled = false }\n"
	const on = unprotected + withinTheWindow + "backup = { schedule = \"@daily\", method = \"plugin\" }\n"
	theirs := func(f *fakes) {
		apitest.EditAs(f.kube, "kubectl-edit", fakeNamespace, "my-db-pitr", func(c *cnpgv1.Cluster) {
			c.Spec.ExternalClusters = append(c.Spec.ExternalClusters, cnpgv1.ExternalCluster{Name: "theirs", ConnectionParameters: map[string]string{"host": "elsewhere"}})
		})
	}
	for name, test := range map[string]struct {
		before, after string
		meanwhile     func(*fakes)
		told          string
	}{
		"it archives nowhere": {off, strings.Replace(off, `"plugin"`, `"barmanObjectStore"`, 1) + "parameters = { work_mem = \"16MB\" }\n", nil, "The method alone does not help"},
		"others state it too": {on, strings.Replace(on, `"plugin"`, `"barmanObjectStore"`, 1), theirs, "another backup.method would not help"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := restoreStage(t)
			s.apply(s.config(restoreOf(test.before)))
			if test.meanwhile != nil {
				test.meanwhile(s.fakes)
			}
			s.kube.RemovePlugin()
			withinSeconds(t, func() {
				s.fails(s.config(restoreOf(test.after)), "Unable to Update", "Unknown plugin", test.told)
			})
			if stores := apitest.All[barmancloud.ObjectStore](s.kube); len(stores) == 0 {
				t.Error("the ObjectStores are gone that the Cluster names")
			}
			s.kube.InstallPlugin()
			s.apply(s.config(restoreOf(test.after)))
			if now := s.restored(); now.Status.Phase != cnpgv1.PhaseHealthy {
				t.Errorf("with the plugin it is in the phase %q", now.Status.Phase)
			}
		})
	}
}
