package cnpg_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
)

// A method that others state too is changed in one write, by which CNPG is never without one; who means to keep it is named.
func TestMethodThatOthersStateToo(t *testing.T) {
	t.Parallel()
	for _, to := range []cnpg.Method{cnpg.MethodPlugin, cnpg.MethodInTree} {
		t.Run("to "+string(to), func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			desired, field := byPlugin(wanted()), "spec.backup.barmanObjectStore"
			if to == cnpg.MethodInTree {
				createByPlugin(ctx, t, server, client)
				desired, field = archiving(wanted()), "spec.plugins"
			} else {
				server.Operate()
				create(ctx, t, server, client, archiving(wanted()))
			}
			stored := apitest.Get[cnpgv1.Cluster](server, key.Namespace, key.Name)
			theirs := &cnpgv1.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
			theirs.Spec.Instances, theirs.Spec.Backup, theirs.Spec.Plugins = 1, stored.Spec.Backup, stored.Spec.Plugins
			if theirs.Spec.Backup != nil {
				theirs.Spec.Backup.Target = ""
			}
			apitest.ApplyAs(server, "argocd", theirs)
			var held *cnpg.HeldError
			if err := cnpg.MayChangeMethod(read(ctx, t, client)); !errors.As(err, &held) || held.Field != field || !slices.Equal(held.Managers, []string{"argocd"}) {
				t.Errorf("MayChangeMethod = %v", err)
			}
			without := 0
			server.React(func(e apitest.Event) {
				if c := apitest.As[cnpgv1.Cluster](e.Object); c != nil && !cnpg.Archives(c) {
					without++
				}
			})
			applied, err := client.ApplyCluster(ctx, read(ctx, t, client), desired, cnpg.Ownership[cnpgv1.Cluster]{})
			if err != nil || cnpg.MethodOf(applied) != to || cnpg.Archiver(applied) == nil || without > 0 {
				t.Fatalf("ApplyCluster = %+v, %v; %d times without an archive", applied, err, without)
			}
			moved := desired.DeepCopy()
			cnpg.Archiver(moved).ServerName = "v2"
			if applied, err = client.ApplyCluster(ctx, applied, moved, cnpg.Ownership[cnpgv1.Cluster]{Before: desired}); err != nil || cnpg.ServerName(applied) != "v2" {
				t.Errorf("after that, ApplyCluster = %v", err)
			}
		})
	}
}

// What others have said of an archive stays when another method, or another ObjectStore, says where it is; what the provider has
// said and says no more goes.
func TestMethodKeepsWhatOthersHaveSet(t *testing.T) {
	t.Parallel()
	const tags, policy = "theirs", "30d"
	configured := func(method cnpg.Method, destination string) *cnpgv1.Cluster {
		cluster := archiving(wanted())
		cnpg.SetMethod(cluster, method)
		cnpg.Archiver(cluster).DestinationPath = destination
		return cluster
	}
	ctx, server, client := setup(t)
	server.Operate()
	before := withCompression(configured(cnpg.MethodInTree, "s3://backups/"))
	create(ctx, t, server, client, before)
	apitest.EditAs(server, "kubectl-edit", key.Namespace, key.Name, func(c *cnpgv1.Cluster) {
		c.Spec.Backup.RetentionPolicy = policy
		c.Spec.Backup.BarmanObjectStore.Tags = map[string]string{"of": tags}
		c.Spec.Backup.BarmanObjectStore.Data = &cnpgv1.DataBackupConfiguration{Encryption: "AES256", ImmediateCheckpoint: true}
	})
	for i, step := range []struct {
		what    string
		desired *cnpgv1.Cluster
	}{
		{"to the plugin", configured(cnpg.MethodPlugin, "s3://backups/")},
		{"again", configured(cnpg.MethodPlugin, "s3://backups/")},
		{"to another bucket", configured(cnpg.MethodPlugin, "s3://elsewhere/")},
		{"back in-tree", configured(cnpg.MethodInTree, "s3://elsewhere/")},
		{"again in-tree", configured(cnpg.MethodInTree, "s3://elsewhere/")},
		{"to the plugin once more", configured(cnpg.MethodPlugin, "s3://elsewhere/")},
	} {
		if err := cnpg.MayChangeMethod(read(ctx, t, client)); err != nil {
			t.Errorf("%s: MayChangeMethod = %v", step.what, err)
		}
		applied, err := client.ApplyCluster(ctx, read(ctx, t, client), step.desired, cnpg.Ownership[cnpgv1.Cluster]{Before: before})
		if err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		before = step.desired
		live := read(ctx, t, client)
		a := cnpg.Archiver(live)
		if a.Tags["of"] != tags || a.Data == nil || a.Data.Encryption != "AES256" || !a.Data.ImmediateCheckpoint || live.Spec.Backup.RetentionPolicy != policy {
			t.Errorf("%s: it archives by %+v with %+v and the policy %q", step.what, a, a.Data, live.Spec.Backup.RetentionPolicy)
		}
		if a.Wal != nil {
			t.Errorf("%s: what is configured no more is still there: %+v", step.what, a.Wal)
		}
		if cnpg.MethodOf(applied) != cnpg.MethodOf(step.desired) || cnpg.Fields(live).Ours("spec", "backup", "barmanObjectStore", "tags") {
			t.Errorf("%s: by %s, and the tags are the provider's", step.what, cnpg.MethodOf(applied))
		}
		if i == 1 {
			apitest.EditAs(server, "kubectl-edit", key.Namespace, ownStore, func(o *barmancloud.ObjectStore) {
				o.Spec.InstanceSidecarConfiguration = map[string]any{"resources": map[string]any{"limits": map[string]any{"memory": "1Gi"}}}
			})
		}
		if name := cnpg.ObjectStoresOf(applied); i == 2 && storeNamed(server, name[len(name)-1]).Spec.InstanceSidecarConfiguration["resources"] == nil {
			t.Errorf("%s: %v forgot the resources of the plugin's container", step.what, name)
		}
	}
	// What was kept gives way to what is configured, and goes with it.
	wants := configured(cnpg.MethodPlugin, "s3://elsewhere/")
	wants.Spec.Backup.RetentionPolicy = "7d"
	for _, desired := range []*cnpgv1.Cluster{wants, before} {
		applied, err := client.ApplyCluster(ctx, read(ctx, t, client), desired, cnpg.Ownership[cnpgv1.Cluster]{Before: before})
		if err != nil || applied.Spec.Backup.RetentionPolicy != desired.Spec.Backup.RetentionPolicy {
			t.Errorf("ApplyCluster = %+v, %v", applied, err)
		}
		before = desired
	}
}

// Once a method has changed, the provider alone states what it is configured to: what is configured no more goes.
func TestMethodLeavesNoSecondOwner(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	server.Operate()
	theirs := archiving(wanted())
	server.Put(theirs)
	apitest.EditAs(server, "kubectl-edit", key.Namespace, key.Name, func(c *cnpgv1.Cluster) { c.Spec.Backup.BarmanObjectStore.EndpointURL = "http://theirs" })
	desired := withCompression(byPlugin(wanted()))
	inTree := withCompression(archiving(wanted()))
	for _, to := range []*cnpgv1.Cluster{desired, inTree} {
		if _, err := client.ApplyCluster(ctx, read(ctx, t, client), to, cnpg.Ownership[cnpgv1.Cluster]{Force: true, Before: to}); err != nil {
			t.Fatal(err)
		}
		for _, e := range apitest.Get[cnpgv1.Cluster](server, key.Namespace, key.Name).ManagedFields {
			if e.Manager == cnpg.MethodManager && strings.Contains(string(e.FieldsV1.GetRawBytes()), "compression") {
				t.Errorf("%s still states %s", e.Manager, e.FieldsV1)
			}
		}
	}
	if err := cnpg.MayChangeMethod(read(ctx, t, client)); err != nil {
		t.Errorf("what the provider has kept holds it: %v", err)
	}
	if _, err := client.ApplyCluster(ctx, read(ctx, t, client), archiving(wanted()), cnpg.Ownership[cnpgv1.Cluster]{Before: inTree}); err != nil {
		t.Fatal(err)
	}
	if a := cnpg.Archiver(read(ctx, t, client)); a.Wal != nil || a.EndpointURL != "http://theirs" {
		t.Errorf("it archives by %+v, %+v", a, a.Wal)
	}
}

// The method is changed of the very archive that was read: another writer's change of it in between is not written over.
func TestMethodOfAClusterThatChanges(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]func(*cnpgv1.Cluster){
		"its status":  func(c *cnpgv1.Cluster) { c.Status.Phase = "Something else" },
		"its archive": func(c *cnpgv1.Cluster) { c.Spec.Backup.BarmanObjectStore.Tags = map[string]string{"new": "tag"} },
		"its plugins": func(c *cnpgv1.Cluster) { c.Spec.Plugins = []cnpgv1.PluginConfiguration{{Name: "new.example.com"}} },
		"nothing":     nil,
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			server.Operate()
			create(ctx, t, server, client, archiving(wanted()))
			apitest.EditAs(server, "kubectl-edit", key.Namespace, key.Name, func(c *cnpgv1.Cluster) { c.Spec.Backup.BarmanObjectStore.Tags = map[string]string{"of": "theirs"} })
			live := read(ctx, t, client)
			if change != nil {
				apitest.EditAs(server, "kubectl-edit", key.Namespace, key.Name, change)
			}
			_, err := client.ApplyCluster(ctx, live, byPlugin(wanted()), cnpg.Ownership[cnpgv1.Cluster]{Before: archiving(wanted())})
			now := read(ctx, t, client)
			if refused := what == "its archive" || what == "its plugins"; (err != nil) != refused || (cnpg.MethodOf(now) == cnpg.MethodPlugin) == refused {
				t.Errorf("ApplyCluster = %v; it archives by %s", err, cnpg.MethodOf(now))
			}
		})
	}
}
