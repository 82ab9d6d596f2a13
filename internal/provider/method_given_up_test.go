package provider_test

import (
	"strings"
	"testing"

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
