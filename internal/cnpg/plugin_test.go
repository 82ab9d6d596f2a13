package cnpg_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
)

const ownStore = "my-db-backup"

// byPlugin makes a Cluster archive to S3 by the Barman Cloud plugin.
func byPlugin(cluster *cnpgv1.Cluster) *cnpgv1.Cluster {
	archiving(cluster)
	cnpg.SetMethod(cluster, cnpg.MethodPlugin)
	return cluster
}

// createByPlugin makes the Cluster with what belongs to it.
func createByPlugin(ctx context.Context, t *testing.T, server *apitest.Server, client *cnpg.Client) {
	t.Helper()
	server.Operate()
	cluster := byPlugin(wanted())
	created, err := client.CreateCluster(ctx, cluster)
	if err == nil {
		err = client.CreateObjectStores(ctx, created, cluster)
	}
	if err != nil {
		t.Fatal(err)
	}
	server.Forget()
}

func read(ctx context.Context, t *testing.T, client *cnpg.Client) *cnpgv1.Cluster {
	t.Helper()
	cluster, err := client.GetCluster(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	return cluster
}

func storeNamed(server *apitest.Server, name string) *barmancloud.ObjectStore {
	return apitest.Get[barmancloud.ObjectStore](server, key.Namespace, name)
}

func pluginsOf(server *apitest.Server) []cnpgv1.PluginConfiguration {
	return apitest.Get[cnpgv1.Cluster](server, key.Namespace, key.Name).Spec.Plugins
}

// What is written in the in-tree form is kept in two objects, and read in that form again.
func TestPluginKeepsTheInTreeForm(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	server.Operate()
	cluster := byPlugin(wanted())
	cluster.Spec.Backup.RetentionPolicy = "7d"
	created, err := client.CreateCluster(ctx, cluster)
	if err != nil || cnpg.Archiver(created) == nil || cnpg.Archiver(created).ServerName != key.Name {
		t.Fatalf("CreateCluster = %+v, %v", created, err)
	}
	if err := client.CreateObjectStores(ctx, created, cluster); err != nil {
		t.Fatal(err)
	}
	requests(t, server, "list persistentvolumeclaims myorg", "get objectstores myorg/my-db-backup", "apply clusters myorg/my-db", "apply clusters myorg/my-db",
		"get objectstores myorg/my-db-backup", "apply objectstores myorg/my-db-backup")
	stored, store := apitest.Get[cnpgv1.Cluster](server, key.Namespace, key.Name), storeNamed(server, ownStore)
	if stored.Spec.Backup != nil || len(stored.Spec.Plugins) != 1 || stored.Spec.Plugins[0].Parameters["serverName"] != key.Name || stored.Spec.Plugins[0].Parameters["barmanObjectName"] != ownStore {
		t.Errorf("stored is %+v, %+v", stored.Spec.Backup, stored.Spec.Plugins)
	}
	if c := store.Spec.Configuration; c.DestinationPath != "s3://backups/" || c.ServerName != "" || store.Spec.RetentionPolicy != "7d" {
		t.Errorf("the ObjectStore is %+v", store.Spec)
	}
	if len(store.OwnerReferences) != 1 || store.OwnerReferences[0].UID != stored.UID || store.Labels[cnpg.LabelCluster] != key.Name {
		t.Errorf("the ObjectStore belongs to %+v, %v", store.OwnerReferences, store.Labels)
	}
	server.Forget()
	live := read(ctx, t, client)
	requests(t, server, "get clusters myorg/my-db", "get objectstores myorg/my-db-backup")
	if a := cnpg.Archiver(live); a == nil || a.DestinationPath != "s3://backups/" || a.ServerName != key.Name || live.Spec.Backup.RetentionPolicy != "7d" || cnpg.MethodOf(live) != cnpg.MethodPlugin {
		t.Errorf("read is %+v by %s", live.Spec.Backup, cnpg.MethodOf(live))
	}
	for _, of := range []*cnpgv1.Cluster{created, live} {
		fields := cnpg.Fields(of)
		for _, path := range [][]string{{"serverName"}, {"destinationPath"}} {
			if !fields.Ours(append([]string{"spec", "backup", "barmanObjectStore"}, path...)...) {
				t.Errorf("%v is not the provider's", path)
			}
		}
		if !fields.Ours("spec", "backup", "retentionPolicy") || fields.Ours("spec", "backup", "barmanObjectStore", "endpointURL") {
			t.Error("the provider's fields are others than it states")
		}
	}
}

// What somebody changes of the ObjectStore or of the plugin's parameters is seen at the fields that they stand for, and put back.
func TestPluginDriftIsPutBack(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	createByPlugin(ctx, t, server, client)
	desired := byPlugin(wanted())
	apitest.EditAs(server, "kubectl-edit", key.Namespace, ownStore, func(o *barmancloud.ObjectStore) { o.Spec.Configuration.DestinationPath = "s3://theirs/" })
	apitest.EditAs(server, "kubectl-edit", key.Namespace, key.Name, func(c *cnpgv1.Cluster) { c.Spec.Plugins[0].Parameters["serverName"] = "theirs" })
	live := read(ctx, t, client)
	if a := cnpg.Archiver(live); a.DestinationPath != "s3://theirs/" || a.ServerName != "theirs" {
		t.Fatalf("read is %+v", a)
	}
	for _, field := range []string{"destinationPath", "serverName"} {
		if others := cnpg.Fields(live).Others("spec", "backup", "barmanObjectStore", field); !slices.Equal(others, []string{"kubectl-edit"}) {
			t.Errorf("%s is of %v", field, others)
		}
	}
	var conflict *cnpg.ConflictError
	if _, err := client.ApplyCluster(ctx, live, desired, cnpg.Ownership[cnpgv1.Cluster]{}); !errors.As(err, &conflict) || conflict.Kind != "ObjectStore" {
		t.Errorf("without knowing what was stated before, ApplyCluster = %v", err)
	}
	applied, err := client.ApplyCluster(ctx, live, desired, cnpg.Ownership[cnpgv1.Cluster]{Before: desired})
	if err != nil || cnpg.Archiver(applied).DestinationPath != "s3://backups/" || cnpg.Archiver(applied).ServerName != key.Name {
		t.Errorf("ApplyCluster = %+v, %v", applied.Spec.Backup, err)
	}
}

// Where the Cluster does not turn to the plugin, no ObjectStore is made.
func TestPluginLeavesNoObjectStoreOfARefusedCluster(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	server.Operate()
	create(ctx, t, server, client, archiving(wanted()))
	theirs := &cnpgv1.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	theirs.Spec.Instances = 1
	theirs.Spec.PostgresConfiguration.Parameters = map[string]string{"work_mem": "1GB"}
	apitest.ApplyAs(server, "argocd", theirs)
	desired := byPlugin(wanted())
	desired.Spec.PostgresConfiguration.Parameters = map[string]string{"work_mem": "8MB"}
	for _, force := range []bool{false, true} {
		_, err := client.ApplyCluster(ctx, read(ctx, t, client), desired, cnpg.Ownership[cnpgv1.Cluster]{Force: force})
		if made := storeNamed(server, ownStore) != nil; made != force || (err == nil) != force {
			t.Errorf("with force %t, ApplyCluster = %v, and made is the ObjectStore: %t", force, err, made)
		}
	}
}

// Entries of other plugins in the list, which the API server takes for one field, stay.
func TestPluginStaysBesideOthers(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	createByPlugin(ctx, t, server, client)
	other := cnpgv1.PluginConfiguration{Name: "theirs.example.com", Parameters: map[string]string{"a": "b"}}
	apitest.EditAs(server, "kubectl-edit", key.Namespace, key.Name, func(c *cnpgv1.Cluster) {
		c.Spec.Plugins = append([]cnpgv1.PluginConfiguration{other}, c.Spec.Plugins...)
	})
	for _, desired := range []*cnpgv1.Cluster{byPlugin(wanted()), wanted(), byPlugin(wanted())} {
		if _, err := client.ApplyCluster(ctx, read(ctx, t, client), desired, cnpg.Ownership[cnpgv1.Cluster]{Before: byPlugin(wanted())}); err != nil {
			t.Fatal(err)
		}
		want := 1
		if cnpg.Archiver(desired) != nil {
			want = 2
		}
		if now := pluginsOf(server); len(now) != want || now[0].Name != other.Name || now[0].Parameters["a"] != "b" {
			t.Errorf("the plugins are %+v", now)
		}
	}
}

// An ObjectStore that others have made is left alone: it is used for as long as it says what is wanted, and no longer.
func TestPluginLeavesOthersObjectStoresAlone(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	server.Operate()
	theirs := byPlugin(wanted())
	theirs.Spec.Backup, theirs.Spec.Bootstrap = nil, nil
	theirs.Spec.Plugins[0].Parameters = map[string]string{"barmanObjectName": "shared"} // whose default is the Cluster's name
	server.Put(&barmancloud.ObjectStore{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: "shared"},
		Spec:       barmancloud.ObjectStoreSpec{Configuration: cnpgv1.BarmanObjectStoreConfiguration{DestinationPath: "s3://backups/", EndpointURL: "http://s3"}},
	}, theirs)
	version := storeNamed(server, "shared").ResourceVersion
	apply := func(desired *cnpgv1.Cluster, force bool) error {
		_, err := client.ApplyCluster(ctx, read(ctx, t, client), desired, cnpg.Ownership[cnpgv1.Cluster]{Force: force})
		return err
	}
	if err := apply(byPlugin(wanted()), false); err != nil {
		t.Fatal(err)
	}
	if p := pluginsOf(server); storeNamed(server, ownStore) != nil || p[0].Parameters["barmanObjectName"] != "shared" {
		t.Errorf("it archives by %+v", p)
	}
	if live := read(ctx, t, client); !cnpg.Fields(live).Ours("spec", "backup", "barmanObjectStore", "endpointURL") {
		t.Error("what it was pointed to is not the provider's")
	}
	other := byPlugin(wanted())
	cnpg.Archiver(other).EndpointURL = "http://other"
	var conflict *cnpg.ConflictError
	if err := apply(other, false); !errors.As(err, &conflict) || conflict.Conflicts[0].Field != ".spec.plugins" {
		t.Errorf("the other manager's list: %v", err)
	}
	if err := apply(other, true); err != nil {
		t.Fatal(err)
	}
	if p := pluginsOf(server); p[0].Parameters["barmanObjectName"] != ownStore || storeNamed(server, ownStore).Spec.Configuration.EndpointURL != "http://other" {
		t.Errorf("it archives by %+v", p)
	}
	if storeNamed(server, "shared").ResourceVersion != version {
		t.Error("the other one's ObjectStore was written")
	}
}

// A name that is taken is said before anything is made, and an ObjectStore of somebody else is never adopted or deleted.
func TestPluginNeverAdoptsAnObjectStore(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	server.Put(&barmancloud.ObjectStore{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: ownStore}})
	version := storeNamed(server, ownStore).ResourceVersion
	var foreign *cnpg.ForeignStoreError
	if _, err := client.CreateCluster(ctx, byPlugin(wanted())); !errors.As(err, &foreign) || foreign.Key.Name != ownStore {
		t.Errorf("CreateCluster = %v", err)
	}
	if writes := server.Writes(); len(writes) > 0 {
		t.Errorf("written: %v", apitest.Summaries(writes))
	}
	created := create(ctx, t, server, client, wanted())
	if _, err := client.ApplyCluster(ctx, created, byPlugin(wanted()), cnpg.Ownership[cnpgv1.Cluster]{Force: true}); !errors.As(err, &foreign) {
		t.Errorf("ApplyCluster = %v", err)
	}
	if err := client.DeleteObjectStore(ctx, cnpg.Key{Namespace: key.Namespace, Name: ownStore}, created.UID); err != nil {
		t.Errorf("DeleteObjectStore = %v", err)
	}
	if now := storeNamed(server, ownStore); now == nil || now.ResourceVersion != version {
		t.Errorf("it is %+v", now)
	}
}

// A lost answer is found by the nonce.
func TestPluginObjectStoreOfALostAnswer(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	cluster := byPlugin(wanted())
	created := create(ctx, t, server, client, cluster)
	server.Fail(apitest.First(apitest.VerbApply, "objectstores", apitest.Fault{ResetAfter: true}))
	if err := client.CreateObjectStores(ctx, created, cluster); err != nil {
		t.Error(err)
	}
	if storeNamed(server, ownStore) == nil {
		t.Error("it is not there")
	}
}

// Without its ObjectStore a Cluster has no archive; where that may not be read, nobody knows.
func TestPluginObjectStoreThatCannotBeRead(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	createByPlugin(ctx, t, server, client)
	server.Fail(apitest.Each(apitest.VerbGet, "objectstores", apitest.Fault{Status: 403, Message: `User "ci" cannot get resource "objectstores"`}))
	if _, err := client.GetCluster(ctx, key); !errors.Is(err, cnpg.ErrForbidden) || !strings.Contains(err.Error(), `cannot get resource "objectstores"`) {
		t.Errorf("GetCluster = %v", err)
	}
	server.Fail(nil)
	if cnpg.Archiver(read(ctx, t, client)) == nil {
		t.Error("with an ObjectStore there is no archive")
	}
	apitest.Delete[barmancloud.ObjectStore](server, key.Namespace, ownStore)
	if live := read(ctx, t, client); cnpg.Archiver(live) != nil || !cnpg.Archives(live) || cnpg.MethodOf(live) != cnpg.MethodPlugin {
		t.Errorf("without the ObjectStore it archives to %+v", live.Spec.Backup)
	}
}

// A Backup of the plugin's says where it lies, which the plugin does not; of one that a schedule took its Cluster knows it.
func TestPluginBackupSaysWhereItLies(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	createByPlugin(ctx, t, server, client)
	cluster := read(ctx, t, client)
	taken, err := client.CreateBackup(ctx, cluster, at, cnpg.BackupRequest{})
	if err != nil {
		t.Fatal(err)
	}
	scheduled := &cnpgv1.Backup{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: "scheduled"}, Spec: cnpgv1.BackupSpec{Cluster: cnpgv1.LocalObjectReference{Name: key.Name}}}
	scheduled.Spec.Method, scheduled.Spec.PluginConfiguration = cnpg.BackupBy(cnpg.MethodPlugin)
	server.Put(scheduled)
	if stored := apitest.Get[cnpgv1.Backup](server, key.Namespace, taken.Name); stored.Status.DestinationPath != "" || stored.Status.Phase != cnpgv1.BackupPhaseCompleted {
		t.Fatalf("the plugin's status is %+v", stored.Status)
	}
	lies := func(b *cnpgv1.Backup) string { return b.Status.DestinationPath + " " + b.Status.ServerName }
	for _, name := range []string{taken.Name, scheduled.Name} {
		backup, err := client.LocateBackup(ctx, cnpg.Key{Namespace: key.Namespace, Name: name})
		if err != nil || lies(backup) != "s3://backups/ my-db" {
			t.Errorf("%s lies in %q, %v", name, lies(backup), err)
		}
	}
	apitest.Delete[cnpgv1.Cluster](server, key.Namespace, key.Name)
	for name, want := range map[string]string{taken.Name: "s3://backups/ my-db", scheduled.Name: " "} {
		backup, err := client.LocateBackup(ctx, cnpg.Key{Namespace: key.Namespace, Name: name})
		if err != nil || lies(backup) != want {
			t.Errorf("when the Cluster is gone, %s lies in %q, %v", name, lies(backup), err)
		}
	}
}

// Of a Backup that a schedule took nobody knows where it lies once its Cluster archives elsewhere: to another folder, or to the folder
// of the same name in another bucket, which the plugin tells by the first backup there.
func TestPluginBackupOfBeforeAMove(t *testing.T) {
	t.Parallel()
	const window = "my-db"
	later := func(s *barmancloud.ObjectStoreStatus, by time.Duration) {
		first := metav1.NewTime(s.ServerRecoveryWindow[window].FirstRecoverabilityPoint.Add(by))
		s.ServerRecoveryWindow[window] = barmancloud.RecoveryWindow{FirstRecoverabilityPoint: &first}
	}
	for name, test := range map[string]struct {
		server  string
		windows func(*barmancloud.ObjectStoreStatus)
		lies    string
	}{
		"where it was taken":       {"", func(*barmancloud.ObjectStoreStatus) {}, "s3://backups/ my-db"},
		"an older one is there":    {"", func(s *barmancloud.ObjectStoreStatus) { later(s, -time.Hour) }, "s3://backups/ my-db"},
		"the plugin says nothing":  {"", func(s *barmancloud.ObjectStoreStatus) { s.ServerRecoveryWindow = nil }, "s3://backups/ my-db"},
		"the first is a later one": {"", func(s *barmancloud.ObjectStoreStatus) { later(s, time.Second) }, " "},
		"another folder":           {"v2", func(*barmancloud.ObjectStoreStatus) {}, " "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			createByPlugin(ctx, t, server, client)
			scheduled := &cnpgv1.Backup{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: "scheduled"}, Spec: cnpgv1.BackupSpec{Cluster: cnpgv1.LocalObjectReference{Name: key.Name}}}
			scheduled.Spec.Method, scheduled.Spec.PluginConfiguration = cnpg.BackupBy(cnpg.MethodPlugin)
			server.Put(scheduled)
			apitest.Edit(server, key.Namespace, ownStore, func(s *barmancloud.ObjectStore) { test.windows(&s.Status) })
			if test.server != "" {
				apitest.Edit(server, key.Namespace, key.Name, func(c *cnpgv1.Cluster) { c.Spec.Plugins[0].Parameters["serverName"] = test.server })
			}
			backup, err := client.LocateBackup(ctx, cnpg.KeyOf(scheduled))
			if err != nil || backup.Status.Phase != cnpgv1.BackupPhaseCompleted {
				t.Fatalf("LocateBackup = %+v, %v", backup, err)
			}
			if lies := backup.Status.DestinationPath + " " + backup.Status.ServerName; lies != test.lies {
				t.Errorf("it lies in %q, want %q", lies, test.lies)
			}
		})
	}
}

// The archive that a Cluster is restored from is read by the plugin from an ObjectStore of the Cluster's own.
func TestPluginReadsTheOrigin(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	server.Operate()
	cluster := byPlugin(wanted())
	cluster.Spec.Bootstrap = &cnpgv1.BootstrapConfiguration{Recovery: &cnpgv1.BootstrapRecovery{Source: "origin"}}
	cluster.Spec.ExternalClusters = []cnpgv1.ExternalCluster{{Name: "origin", BarmanObjectStore: &cnpgv1.BarmanObjectStoreConfiguration{DestinationPath: "s3://from/", ServerName: "old"}}}
	cnpg.SetOriginMethod(cluster, cnpg.MethodPlugin)
	created, err := client.CreateCluster(ctx, cluster)
	if err == nil {
		err = client.CreateObjectStores(ctx, created, cluster)
	}
	if err != nil {
		t.Fatal(err)
	}
	if ready, err := client.WaitReady(ctx, key); err != nil || cnpg.Archiver(ready) == nil || cnpg.OriginServer(ready, "origin") != "old" || cnpg.OriginMethod(ready, "origin") != cnpg.MethodPlugin {
		t.Errorf("WaitReady = %+v, %v", ready, err)
	}
	external := apitest.Get[cnpgv1.Cluster](server, key.Namespace, key.Name).Spec.ExternalClusters[0]
	if external.BarmanObjectStore != nil || external.PluginConfiguration.Parameters["barmanObjectName"] != "my-db-origin" || ptr.Deref(external.PluginConfiguration.IsWALArchiver, false) {
		t.Errorf("the source is %+v", external)
	}
	if store := storeNamed(server, "my-db-origin"); store.Spec.Configuration.DestinationPath != "s3://from/" || store.OwnerReferences[0].UID != created.UID {
		t.Errorf("its ObjectStore is %+v", store)
	}
	if got := cnpg.ObjectStoresOf(read(ctx, t, client)); !slices.Equal(got, []string{ownStore, "my-db-origin"}) {
		t.Errorf("its ObjectStores are %v", got)
	}
}
