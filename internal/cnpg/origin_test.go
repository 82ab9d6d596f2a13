package cnpg_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
)

// restoredInTree is what a restored Cluster is to be that archives in-tree; an update leaves what it was restored from as it is.
func restoredInTree() *cnpgv1.Cluster {
	cluster := restoredByPlugin()
	cnpg.SetMethod(cluster, cnpg.MethodInTree)
	return cluster
}

func restoredWithoutBackups() *cnpgv1.Cluster {
	cluster := restoredInTree()
	cluster.Spec.Backup = nil
	return cluster
}

// What a Cluster was restored from it names in-tree as soon as it archives so and CNPG knows no plugin, after its own write: that notes the
// ObjectStores that it is to leave, whether its caller notes that they are to be removed or not.
func TestOriginTurnsBack(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before  func() *cnpgv1.Cluster
		plugin  bool // whether it is there
		also    func(*apitest.Server)
		desired func() *cnpgv1.Cluster
		turns   bool
		left    []string
	}{
		"from the plugin":             {before: restoredByPlugin, desired: restoredInTree, turns: true, left: []string{ownStore, originStore}},
		"from in-tree":                {before: restoredInTree, desired: restoredInTree, turns: true, left: []string{originStore}},
		"from none":                   {before: restoredWithoutBackups, desired: restoredInTree, turns: true, left: []string{originStore}},
		"the plugin is there":         {before: restoredByPlugin, plugin: true, desired: restoredInTree, left: []string{ownStore}},
		"it goes on by the plugin":    {before: restoredByPlugin, desired: restoredByPlugin},
		"it archives nowhere":         {before: restoredWithoutBackups, desired: restoredWithoutBackups},
		"others state it too":         {before: restoredInTree, desired: restoredInTree, also: othersStateOrigin},
		"nothing tells where it lies": {before: restoredInTree, desired: restoredInTree, also: noteOrigin("")},
		"what tells it says nothing":  {before: restoredInTree, desired: restoredInTree, also: noteOrigin("{}")},
		"what tells it is no JSON":    {before: restoredInTree, desired: restoredInTree, also: noteOrigin("s3://source/")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			createRestoredAs(ctx, t, server, client, test.before())
			if test.also != nil {
				test.also(server)
			}
			if !test.plugin {
				server.RemovePlugin()
			}
			live, desired := read(ctx, t, client), test.desired()
			if mends := test.turns && cnpg.Archiver(live) != nil && cnpg.MethodOf(live) == cnpg.MethodInTree; cnpg.MendsOrigin(live) != mends {
				t.Errorf("MendsOrigin is %t", !mends)
			}
			if leaves := len(test.left) > 0; cnpg.LeavesStore(live, desired) != leaves {
				t.Errorf("LeavesStore is %t", !leaves)
			}
			server.Forget()
			applied, err := client.ApplyCluster(ctx, live, desired, cnpg.Ownership[cnpgv1.Cluster]{Before: test.before()})
			if err != nil {
				t.Fatal(err)
			}
			if left := cnpg.StoresLeft(applied); !slices.Equal(left, test.left) {
				t.Errorf("it has left %v, want %v", left, test.left)
			}
			now := apitest.Get[cnpgv1.Cluster](server, key.Namespace, key.Name)
			origin := now.Spec.ExternalClusters[0]
			if !test.turns {
				if origin.PluginConfiguration == nil || origin.BarmanObjectStore != nil {
					t.Errorf("it names %+v", origin)
				}
				return
			}
			if s := origin.BarmanObjectStore; origin.PluginConfiguration != nil || s == nil || s.DestinationPath != "s3://source/" || s.ServerName != "source" {
				t.Errorf("it names %+v", origin)
			}
			writes := apitest.Summaries(slices.DeleteFunc(server.Writes(), apitest.Request.DryRun))
			if !slices.Equal(writes, []string{"apply clusters myorg/my-db", "apply clusters myorg/my-db"}) {
				t.Errorf("written is %v", writes)
			}
			// It goes on to say that, and what it was noted for is not forgotten.
			again, err := client.ApplyCluster(ctx, read(ctx, t, client), desired, cnpg.Ownership[cnpgv1.Cluster]{Before: desired})
			if err != nil || cnpg.OriginMethod(again, "origin") != cnpg.MethodInTree || !strings.Contains(again.Annotations[cnpg.AnnotationOrigin], "s3://source/") {
				t.Errorf("after it ApplyCluster = %v: it names %+v", err, again.Spec.ExternalClusters)
			}
		})
	}
}

// createRestoredAs makes a Cluster that the plugin has restored, and that archives as before says.
func createRestoredAs(ctx context.Context, t *testing.T, server *apitest.Server, client *cnpg.Client, before *cnpgv1.Cluster) {
	t.Helper()
	server.Operate()
	created, err := client.CreateCluster(ctx, before)
	if err == nil {
		err = client.CreateObjectStores(ctx, created, before)
	}
	if err != nil {
		t.Fatal(err)
	}
	if store := apitest.Get[barmancloud.ObjectStore](server, key.Namespace, originStore); store == nil {
		t.Fatal("it has no ObjectStore of what it was restored from")
	}
}

// othersStateOrigin has somebody else name a cluster beside what the Cluster was restored from.
func othersStateOrigin(server *apitest.Server) {
	apitest.EditAs(server, "kubectl-edit", key.Namespace, key.Name, func(c *cnpgv1.Cluster) {
		c.Spec.ExternalClusters = append(c.Spec.ExternalClusters, cnpgv1.ExternalCluster{Name: "theirs", ConnectionParameters: map[string]string{"host": "elsewhere"}})
	})
}

// noteOrigin has somebody else change what notes where the archive lies.
func noteOrigin(text string) func(*apitest.Server) {
	return func(server *apitest.Server) {
		apitest.EditAs(server, "kubectl-edit", key.Namespace, key.Name, func(c *cnpgv1.Cluster) { c.Annotations[cnpg.AnnotationOrigin] = text })
	}
}
