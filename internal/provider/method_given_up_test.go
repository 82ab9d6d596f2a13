package provider_test

import (
	"reflect"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// A database whose CNPG has dropped its own support for barman, and with it what the Cluster said of its archive, goes on in the same
// folder as soon as the method is the plugin, from the state as after an import.
func TestMethodChangesAfterInTreeIsGone(t *testing.T) {
	t.Parallel()
	inTree := database("backup = { schedule = \"@daily\", retention_days = 7 }\n" + unprotected)
	plugin := strings.Replace(inTree, "backup = {", "backup = { method = \"plugin\",", 1)
	for name, imported := range map[string]bool{"from the state": false, "imported": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := onStage(t, operated(t))
			s.apply(s.config(inTree))
			was, server := s.cluster(), s.attribute("backup", "server_name")
			s.withoutInTree()
			config := s.config(plugin)
			if imported {
				s.w.Forget(db)
				config += "import {\n  to = " + db + "\n  id = \"myorg/my-db\"\n}\n"
			}
			s.apply(config)
			now := s.cluster()
			if now.UID != was.UID || cnpg.MethodOf(now) != cnpg.MethodPlugin || cnpg.Archiver(now) == nil {
				t.Fatalf("it archives by %s to %+v", cnpg.MethodOf(now), cnpg.Archiver(now))
			}
			if got := cnpg.ServerName(now); got != server && !imported { // S3 has nothing of it on the fakes
				t.Errorf("it goes on in the folder %s, not in %s", got, server)
			}
			if store := apitest.Get[barmancloud.ObjectStore](s.kube, fakeNamespace, "my-db-backup"); store == nil || store.Spec.RetentionPolicy != "7d" {
				t.Errorf("the ObjectStore is %+v", store)
			}
			s.planned(s.config(plugin), terraformtest.NoOp)
		})
	}
}

// Of a database that is imported then, nothing says any more where it has archived. PostgreSQL's system identifier does not either: a
// restored database has its source's, and must not write in the source's folder. So no folder with an archive in it is taken for its
// own, and it begins in a fresh one; from a state that knows the folder it goes on there.
func TestImportAfterInTreeIsGone(t *testing.T) {
	t.Parallel()
	restored := unprotected + nightly + withinTheWindow
	for name, test := range map[string]struct{ address, cluster, before, config string }{
		"a database":                          {db, "my-db-2", database(nightly), database(nightly)},
		"a restored database":                 {pitr, "my-db-pitr", restoreOf(restored), restoreOf(restored)},
		"a restored database, as a database":  {db, "my-db-pitr", restoreOf(restored), database("database_name = \"shop\"\nowner = \"seller\"\n" + nightly)},
		"a restored database, from the state": {pitr, "my-db-pitr", restoreOf(restored), restoreOf(restored)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := restoreStage(t)
			named := func(resources string) string {
				return s.config(strings.NewReplacer(`name = "my-db"`, `name = "`+test.cluster+`"`, "deletion_protection = false\n", "").Replace(resources))
			}
			s.apply(named(test.before))
			was := cnpg.ServerName(s.clusterNamed(test.cluster))
			archiveOfSource(t, s.s3.Archive(fakeBucket, "pg", was)) // with the system identifier of the source's own
			s.withoutInTree()
			plugin := strings.Replace(named(test.config), "backup = {", "backup = { method = \"plugin\",", 1)
			keeps := strings.HasSuffix(name, "from the state")
			if !keeps {
				for _, address := range s.w.Addresses() {
					s.w.Forget(address)
				}
				plugin += "import {\n  to = " + test.address + "\n  id = \"myorg/" + test.cluster + "\"\n}\n"
				for _, folder := range []string{"my-db-v1", was} {
					s.refused(strings.Replace(plugin, "method =", "server_name = \""+folder+"\", method =", 1), "Archive Folder Is Taken", "the folder "+folder)
				}
			}
			s.apply(plugin)
			now := s.clusterNamed(test.cluster)
			got := cnpg.ServerName(now)
			if cnpg.MethodOf(now) != cnpg.MethodPlugin || keeps != (got == was) || !keeps && !strings.HasPrefix(got, test.cluster+"-20") {
				t.Errorf("it archives by %s in the folder %s, after %s", cnpg.MethodOf(now), got, was)
			}
		})
	}
}

// A database that was restored in-tree names what it was restored from by the plugin as soon as it archives by that: CNPG takes no update
// of a Cluster that names it by a field that there is no more.
func TestMethodOfARestoredDatabase(t *testing.T) {
	t.Parallel()
	plugin := strings.Replace(nightly, "backup = {", "backup = { method = \"plugin\",", 1)
	for name, gone := range map[string]bool{"before": false, "after in-tree is gone": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := restoreStage(t)
			s.apply(s.config(restoreOf(unprotected + nightly)))
			was := s.restored()
			if gone {
				s.withoutInTree()
			}
			s.kube.Forget()
			s.apply(s.config(restoreOf(unprotected + plugin)))
			made := 0
			for _, written := range apitest.Summaries(s.kube.Writes()) {
				if strings.Contains(written, "my-db-pitr-origin") {
					made++
				}
			}
			if made != 1 {
				t.Errorf("what says where it was restored from is written %d times: %v", made, apitest.Summaries(s.kube.Writes()))
			}
			now := s.restored()
			if now.UID != was.UID || cnpg.MethodOf(now) != cnpg.MethodPlugin || cnpg.OriginMethod(now, "origin") != cnpg.MethodPlugin || cnpg.OriginServer(now, "origin") != "my-db-v1" {
				t.Errorf("it archives by %s, and reads the archive %q by %q", cnpg.MethodOf(now), cnpg.OriginServer(now, "origin"), cnpg.OriginMethod(now, "origin"))
			}
			if !reflect.DeepEqual(now.Spec.Bootstrap, was.Spec.Bootstrap) {
				t.Errorf("its bootstrap is %+v, and was %+v", now.Spec.Bootstrap, was.Spec.Bootstrap)
			}
			store, before := apitest.Get[barmancloud.ObjectStore](s.kube, fakeNamespace, "my-db-pitr-origin"), was.Spec.ExternalClusters[0].BarmanObjectStore
			if store == nil || store.Spec.Configuration.DestinationPath != before.DestinationPath || !reflect.DeepEqual(store.Spec.Configuration.BarmanCredentials, before.BarmanCredentials) ||
				store.OwnerReferences[0].UID != now.UID {
				t.Errorf("the ObjectStore is %+v", store)
			}
			if got := s.action(s.config(restoreOf(unprotected + plugin))); got != terraformtest.NoOp {
				t.Errorf("the plan after it is to %s", got)
			}
			s.withoutInTree()
			s.apply(s.config(restoreOf(unprotected + plugin + "parameters = { work_mem = \"16MB\" }\n")))
			s.apply(s.config(""))
			if left := apitest.All[barmancloud.ObjectStore](s.kube); len(left) > 0 {
				t.Errorf("left are %+v", left)
			}
		})
	}
}

// One that archives nowhere has no method to change, and is to be changed all the same.
func TestRestoredDatabaseWithoutBackupsAfterInTreeIsGone(t *testing.T) {
	t.Parallel()
	const none = "backup = { method = \"barmanObjectStore\", enabled = false }\n"
	s, _ := restoreStage(t)
	s.apply(s.config(restoreOf(unprotected + none)))
	s.withoutInTree()
	s.apply(s.config(restoreOf(unprotected + strings.Replace(none, "barmanObjectStore", "plugin", 1) + "parameters = { work_mem = \"16MB\" }\n")))
	if now := s.restored(); cnpg.OriginMethod(now, "origin") != cnpg.MethodPlugin || cnpg.OriginServer(now, "origin") != "my-db-v1" || now.Spec.PostgresConfiguration.Parameters["work_mem"] != "16MB" {
		t.Errorf("it is %+v", now.Spec)
	}
}

// What somebody else says of the clusters that a Cluster names stays as it is.
func TestMethodLeavesExternalClustersOfOthers(t *testing.T) {
	t.Parallel()
	plugin := strings.Replace(nightly, "backup = {", "backup = { method = \"plugin\",", 1)
	s, _ := restoreStage(t)
	s.apply(s.config(restoreOf(unprotected + nightly)))
	apitest.Edit(s.kube, fakeNamespace, "my-db-pitr", func(c *cnpgv1.Cluster) {
		c.Spec.ExternalClusters = append(c.Spec.ExternalClusters, cnpgv1.ExternalCluster{Name: "theirs", ConnectionParameters: map[string]string{"host": "elsewhere"}})
		for i := range c.ManagedFields {
			if c.ManagedFields[i].Manager == cnpg.BootstrapManager {
				c.ManagedFields[i].Manager = "kubectl"
			}
		}
	})
	was := s.restored().Spec.ExternalClusters
	s.apply(s.config(restoreOf(unprotected + plugin)))
	if now := s.restored(); !reflect.DeepEqual(now.Spec.ExternalClusters, was) || cnpg.MethodOf(now) != cnpg.MethodPlugin {
		t.Errorf("it archives by %s, and names %+v", cnpg.MethodOf(now), now.Spec.ExternalClusters)
	}
}

// Where CNPG has no support of its own for barman any more, what it has archived is restored all the same.
func TestRestoreAfterInTreeIsGone(t *testing.T) {
	t.Parallel()
	f := operated(t)
	archiveOfSource(t, f.s3.Archive(fakeBucket, "pg", "my-db-v1"))
	f.kube.OnExecWithInput(podAnswers)
	f.withoutInTree()
	s := onStage(t, f)
	config := s.config(archiveAlone(nightly))
	s.apply(config)
	restored := f.clusterNamed("my-db-pitr")
	if cnpg.MethodOf(restored) != cnpg.MethodPlugin || cnpg.OriginMethod(restored, "origin") != cnpg.MethodPlugin || cnpg.OriginServer(restored, "origin") != "my-db-v1" {
		t.Errorf("it archives by %s, and reads the archive %s by %q", cnpg.MethodOf(restored), cnpg.OriginServer(restored, "origin"), cnpg.OriginMethod(restored, "origin"))
	}
}
