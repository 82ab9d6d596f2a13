package conformance

import (
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/cloudnative-pg/api/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// defineClusters has the API server of the fakes decode Clusters by the definition of the operator's release, as change makes it.
func (f *fakes) defineClusters(t *testing.T, change func(spec *schema.Structural)) {
	t.Helper()
	structural := newOperator(t).definitions["Cluster"].structural.DeepCopy()
	spec := structural.Properties["spec"]
	change(&spec)
	f.kube.Define("clusters", func(object map[string]any) []string {
		return pruning.PruneWithOptions(object, structural, true, schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	})
}

// removeInTree takes out of a definition what CNPG 1.31 is to remove.
func removeInTree(spec *schema.Structural) {
	delete(spec.Properties["backup"].Properties, "barmanObjectStore")
	delete(spec.Properties["externalClusters"].Items.Properties, "barmanObjectStore")
}

// TestMethodByDefinition finds CloudNativePG's own support for barman in the definition of the release that has it, where a database
// is made with it, and misses it in one that has given it up, where a database that is not backed up is made all the same.
func TestMethodByDefinition(t *testing.T) {
	t.Parallel()
	backedUp, not := database(t, ""), database(t, "backup = { enabled = false }")
	t.Run("as it is", func(t *testing.T) {
		t.Parallel()
		f, w := newFakes(t), newWorkspace(t)
		f.defineClusters(t, func(*schema.Structural) {})
		bring(t, w, f.block+backedUp, terraformtest.Create)
		if got := w.Object(address).Attribute("backup", "method").AsString(); got != "barmanObjectStore" {
			t.Errorf("the method is %q", got)
		}
		if o := f.objects(t, namespace, name); o.cluster.Spec.Backup == nil || o.cluster.Spec.Backup.BarmanObjectStore == nil {
			t.Errorf("the Cluster's spec.backup is %+v", o.cluster.Spec.Backup)
		}
	})
	t.Run("without", func(t *testing.T) {
		t.Parallel()
		f, w := newFakes(t), newWorkspace(t)
		f.kube.Remove("objectstores")
		f.defineClusters(t, removeInTree)
		w.Write(f.block + backedUp)
		if _, diags := w.Plan(t.Context()); !strings.Contains(diags.Errors().String(), "Nothing in this Kubernetes cluster takes backups") {
			t.Errorf("the plan says\n%s", diags)
		}
		bring(t, w, f.block+not, terraformtest.Create)
	})
	t.Run("given up", func(t *testing.T) {
		t.Parallel()
		f, w := newFakes(t), newWorkspace(t)
		bring(t, w, f.block+backedUp, terraformtest.Create)
		f.defineClusters(t, removeInTree)
		if o := f.objects(t, namespace, name); o.cluster.Spec.Backup == nil || o.cluster.Spec.Backup.BarmanObjectStore != nil || o.cluster.Spec.StorageConfiguration.Size == "" {
			t.Fatalf("the definition leaves of the Cluster %+v", o.cluster.Spec)
		}
		_, diags := w.Plan(t.Context())
		if text := diags.Errors().String(); !strings.Contains(text, "no support of its own for barman any more") || !strings.Contains(text, `Set backup.method = "plugin"`) {
			t.Errorf("the plan says\n%s", diags)
		}
	})
}

// TestEndOfInTreeBackups hears from the operator's own webhook that its support for barman ends, and tells of it once in a run in which several
// databases are made, and of one that archives by the plugin not at all.
func TestEndOfInTreeBackups(t *testing.T) {
	t.Parallel()
	three := func(backup string) string {
		var config strings.Builder
		for _, other := range []string{"db", "db2", "db3"} {
			config.WriteString(strings.NewReplacer(`"db" {`, `"`+other+`" {`, `"`+name+`"`, `"`+other+`"`).Replace(database(t, backup)))
		}
		return config.String()
	}
	for backup, times := range map[string]int{"": 1, `backup = { schedule = "@daily", method = "plugin" }`: 0} {
		f, w := newFakes(t), newWorkspace(t)
		w.Write(f.block + three(backup))
		diags := w.Apply(t.Context())
		told := diags.Warnings().String()
		if diags.HasError() || strings.Count(told, "will be completely removed in CloudNativePG") != times || strings.Contains(told, `set backup.method = "plugin"`) != (times > 0) {
			t.Errorf("with %q the apply says\n%s", backup, diags)
		}
	}
}

// TestWayBackFromThePlugin: where a database was restored from by a plugin that is gone, the operator's own webhook takes said in-tree, of one that is
// backed up and of one that begins to be.
func TestWayBackFromThePlugin(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]string{"backed up": `schedule = "@daily", method = "plugin"`, "not backed up": `enabled = false, method = "plugin"`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, w := newFakes(t), newWorkspace(t)
			f.withSource()
			apply := func(backup string) *cnpgv1.ExternalCluster {
				t.Helper()
				w.Write(f.block + "resource \"pgplatform_restore\" \"pitr\" {\nname = \"pitr\"\nwait = false\ndeletion_protection = false\n" +
					"source = { database = \"myorg/source\" }\nbackup = { " + backup + " }\n}\n")
				if diags := w.Apply(t.Context()); diags.HasError() {
					t.Fatal(diags)
				}
				c := f.objects(t, namespace, "pitr").cluster
				external, found := c.ExternalCluster(c.Spec.Bootstrap.Recovery.Source)
				if !found {
					t.Fatalf("it names %+v", c.Spec.ExternalClusters)
				}
				return &external
			}
			if by := apply(before); by.PluginConfiguration == nil || by.BarmanObjectStore != nil {
				t.Fatalf("it is restored from %+v", by)
			}
			f.kube.RemovePlugin()
			by := apply(`schedule = "@daily", method = "barmanObjectStore"`)
			if by.PluginConfiguration != nil || by.BarmanObjectStore == nil || by.BarmanObjectStore.ServerName != "source" || by.BarmanObjectStore.DestinationPath == "" {
				t.Errorf("it names %+v", by)
			}
		})
	}
}
