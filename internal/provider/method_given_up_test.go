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
