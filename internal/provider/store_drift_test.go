package provider_test

import (
	"strings"
	"testing"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// Owner and labels of ObjectStores, which no attribute shows, are put back, by an apply for that alone or with any other change.
func TestObjectStoreDrift(t *testing.T) {
	t.Parallel()
	t.Run(string(cnpg.MethodPlugin), func(t *testing.T) {
		t.Parallel()
		tests := map[string]struct {
			change func(*barmancloud.ObjectStore)
			told   string
		}{
			"without its owner": {func(o *barmancloud.ObjectStore) { o.OwnerReferences = nil }, "metadata.ownerReferences"},
			"without labels":    {func(o *barmancloud.ObjectStore) { o.Labels = nil }, "metadata.labels"},
		}
		for name, test := range tests {
			for _, store := range []string{"my-db-pitr-backup", "my-db-pitr-origin"} {
				t.Run(name+" "+store, func(t *testing.T) {
					t.Parallel()
					s := onStage(t, operated(t))
					s.put(sourceObjects(s.archivedCluster())...)
					archiveOfSource(t, s.s3.Archive(fakeBucket, "pg", "my-db-v1"))
					s.kube.OnExecWithInput(podAnswers)
					config := s.config(restoreOf(unprotected + byPluginRestored))
					s.apply(config)
					was := apitest.Get[barmancloud.ObjectStore](s.kube, fakeNamespace, store)
					for _, config := range []string{config, strings.Replace(config, "backup = {", "backup = { retention_days = 9,", 1)} {
						apitest.EditAs(s.kube, "kubectl-edit", fakeNamespace, store, test.change)
						plan, warnings := s.plan(config)
						if plan.Action(pitr) != terraformtest.Update || !says("Repairs That No Attribute Shows", test.told+" of the ObjectStore myorg/"+store).MatchString(warnings) {
							t.Errorf("the plan is %s, and says\n%s", plan, warnings)
						}
						s.apply(config)
						now := apitest.Get[barmancloud.ObjectStore](s.kube, fakeNamespace, store)
						if now.UID != was.UID || len(now.OwnerReferences) != 1 || now.Labels[cnpg.LabelCluster] != "my-db-pitr" {
							t.Errorf("it is %+v", now.ObjectMeta)
						}
					}
				})
			}
		}
	})
}
