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

// placesOf are the places, bucket and folder, to which a Cluster has archived by the plugin: one after each write.
func placesOf(server *apitest.Server) func() []string {
	buckets, places := map[string]string{}, []string(nil)
	var entry cnpgv1.PluginConfiguration
	server.React(func(e apitest.Event) {
		if store := apitest.As[barmancloud.ObjectStore](e.Object); store != nil {
			buckets[store.Name] = store.Spec.Configuration.DestinationPath
		}
		if c := apitest.As[cnpgv1.Cluster](e.Object); c != nil && len(c.Spec.Plugins) > 0 {
			entry = c.Spec.Plugins[0]
		}
		if bucket := buckets[entry.Parameters["barmanObjectName"]]; bucket != "" {
			places = append(places, bucket+entry.Parameters["serverName"])
		}
	})
	return func() []string { return slices.Compact(places) }
}

// An archive moves to another bucket and another folder by one write: never does the database archive to the new bucket under
// the old folder, which may be another database's there.
func TestPluginMovesInOneWrite(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	places := placesOf(server)
	createByPlugin(ctx, t, server, client)
	to := func(bucket, endpoint, folder string) *cnpgv1.Cluster {
		cluster := byPlugin(wanted())
		store := cnpg.Archiver(cluster)
		store.DestinationPath, store.EndpointURL, store.ServerName = bucket, endpoint, folder
		return cluster
	}
	before := byPlugin(wanted())
	names := []string{ownStore}
	for _, desired := range []*cnpgv1.Cluster{to("s3://elsewhere/", "", "v2"), to("s3://backups/", "", "v3"), to("s3://backups/", "http://other", "v4")} {
		live := read(ctx, t, client)
		if !cnpg.LeavesStore(live, desired) {
			t.Error("it does not leave its ObjectStore")
		}
		cnpg.NoteUnfinished(desired, cnpg.StoreRemoval)
		applied, err := client.ApplyCluster(ctx, live, desired, cnpg.Ownership[cnpgv1.Cluster]{Before: before})
		if err != nil {
			t.Fatal(err)
		}
		now := pluginsOf(server)[0].Parameters["barmanObjectName"]
		if slices.Contains(names, now) || !strings.HasPrefix(now, ownStore+"-") {
			t.Errorf("after %v its ObjectStore is %s", names, now)
		}
		if left := cnpg.StoresLeft(applied); !slices.Equal(left, slices.Sorted(slices.Values(names))) {
			t.Errorf("it has left %v of %v", left, names)
		}
		names = append(names, now)
		before = desired
	}
	if all := cnpg.ObjectStoresOf(read(ctx, t, client)); !slices.Equal(all, slices.Sorted(slices.Values(names))) {
		t.Errorf("its ObjectStores are %v of %v", all, names)
	}
	if went := places(); !slices.Equal(went, []string{"s3://backups/my-db", "s3://elsewhere/v2", "s3://backups/v3", "s3://backups/v4"}) {
		t.Errorf("it archived to %v", went)
	}
	// What is not noted as still to be removed is forgotten, and a folder alone is the Cluster's to say.
	desired := to("s3://backups/", "http://other", "v5")
	applied, err := client.ApplyCluster(ctx, read(ctx, t, client), desired, cnpg.Ownership[cnpgv1.Cluster]{Before: before})
	if err != nil || len(cnpg.StoresLeft(applied)) > 0 || !slices.Equal(cnpg.ObjectStoresOf(applied), names[3:]) || cnpg.ServerName(applied) != "v5" {
		t.Errorf("ApplyCluster = %v; its ObjectStores are %v", err, cnpg.ObjectStoresOf(applied))
	}
}

// Somebody has changed the bucket and the folder: what puts both back is one write too.
func TestPluginDriftOfBothIsPutBackInOneWrite(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	places := placesOf(server)
	createByPlugin(ctx, t, server, client)
	apitest.EditAs(server, "kubectl-edit", key.Namespace, key.Name, func(c *cnpgv1.Cluster) { c.Spec.Plugins[0].Parameters["serverName"] = "theirs" })
	apitest.EditAs(server, "kubectl-edit", key.Namespace, ownStore, func(o *barmancloud.ObjectStore) { o.Spec.Configuration.DestinationPath = "s3://theirs/" })
	desired := byPlugin(wanted())
	if _, err := client.ApplyCluster(ctx, read(ctx, t, client), desired, cnpg.Ownership[cnpgv1.Cluster]{Before: desired}); err != nil {
		t.Fatal(err)
	}
	if went := places(); !slices.Equal(went, []string{"s3://backups/my-db", "s3://backups/theirs", "s3://theirs/theirs", "s3://backups/my-db"}) {
		t.Errorf("it archived to %v", went)
	}
}

// Where the Cluster, or the ObjectStore that it leaves, is somebody else's to keep as it is, nothing moves.
func TestPluginMovesNoArchiveOfARefusedCluster(t *testing.T) {
	t.Parallel()
	theirs := &cnpgv1.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	theirs.Spec.Instances = 1
	theirs.Spec.PostgresConfiguration.Parameters = map[string]string{"work_mem": "1GB"}
	store := &barmancloud.ObjectStore{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: ownStore}}
	store.Spec.Configuration.DestinationPath = "s3://backups/"
	for kind, states := range map[string]func(*apitest.Server){
		"Cluster":     func(server *apitest.Server) { apitest.ApplyAs(server, "argocd", theirs) },
		"ObjectStore": func(server *apitest.Server) { apitest.ApplyAs(server, "argocd", store) },
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			createByPlugin(ctx, t, server, client)
			states(server)
			moved := byPlugin(wanted())
			moved.Spec.PostgresConfiguration.Parameters = map[string]string{"work_mem": "8MB"}
			cnpg.Archiver(moved).DestinationPath, cnpg.Archiver(moved).ServerName = "s3://elsewhere/", "v2"
			apply := func(force bool) error {
				_, err := client.ApplyCluster(ctx, read(ctx, t, client), moved, cnpg.Ownership[cnpgv1.Cluster]{Force: force, Before: byPlugin(wanted())})
				return err
			}
			server.Forget()
			var conflict *cnpg.ConflictError
			if err := apply(false); !errors.As(err, &conflict) || conflict.Kind != kind {
				t.Errorf("ApplyCluster = %v", err)
			}
			if writes := slices.DeleteFunc(server.Writes(), apitest.Request.DryRun); len(writes) > 0 {
				t.Errorf("written is %v", apitest.Summaries(writes))
			}
			if err := apply(true); err != nil {
				t.Fatal(err)
			}
			if a := cnpg.Archiver(read(ctx, t, client)); a.DestinationPath != "s3://elsewhere/" || a.ServerName != "v2" {
				t.Errorf("by force it archives to %+v", a)
			}
		})
	}
}

// One whose ObjectStore is not the provider's, though it has the name that one of it would have, gets one of another name.
func TestPluginStoreOfOthersThatHasTheName(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	server.Operate()
	theirs := byPlugin(wanted())
	theirs.Spec.Backup, theirs.Spec.Bootstrap = nil, nil
	theirs.Spec.Plugins[0].Parameters = map[string]string{"barmanObjectName": ownStore}
	store := &barmancloud.ObjectStore{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: ownStore}}
	store.Spec.Configuration.DestinationPath = "s3://backups/"
	store.Spec.Configuration.Tags = map[string]string{"theirs": "yes"}
	store.Spec.InstanceSidecarConfiguration = map[string]any{"logLevel": "debug"}
	server.Put(store, theirs)
	version := storeNamed(server, ownStore).ResourceVersion
	for _, desired := range []*cnpgv1.Cluster{byPlugin(wanted()), withCompression(byPlugin(wanted())), byPlugin(wanted())} {
		if _, err := client.ApplyCluster(ctx, read(ctx, t, client), desired, cnpg.Ownership[cnpgv1.Cluster]{Force: true, Before: desired}); err != nil {
			t.Fatal(err)
		}
	}
	live := read(ctx, t, client)
	own := pluginsOf(server)[0].Parameters["barmanObjectName"]
	if own == ownStore || !slices.Equal(cnpg.ObjectStoresOf(live), []string{own}) {
		t.Errorf("it archives by %s, and has %v", own, cnpg.ObjectStoresOf(live))
	}
	if now := storeNamed(server, own); now.Spec.Configuration.Tags["theirs"] != "yes" || now.Spec.InstanceSidecarConfiguration["logLevel"] != "debug" || now.Spec.Configuration.Wal != nil {
		t.Errorf("its own says %+v", now.Spec)
	}
	if storeNamed(server, ownStore).ResourceVersion != version {
		t.Error("the other one's ObjectStore was written")
	}
}

func withCompression(cluster *cnpgv1.Cluster) *cnpgv1.Cluster {
	cnpg.Archiver(cluster).Wal = &cnpgv1.WalBackupConfiguration{Compression: "gzip"}
	return cluster
}
