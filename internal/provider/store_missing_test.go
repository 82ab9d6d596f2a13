package provider_test

import (
	"net/http"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// byPluginRestored is a restored database whose source's archive the Barman Cloud plugin reads.
const byPluginRestored = nightly + "flush_source = false\n"

// An ObjectStore that somebody deletes is drift: the plan says which one, and what its absence does, and the apply makes it anew.
func TestMissingObjectStoreIsDrift(t *testing.T) {
	t.Parallel()
	t.Run(string(cnpg.MethodPlugin), func(t *testing.T) {
		t.Parallel()
		for _, store := range []string{"my-db-pitr-backup", "my-db-pitr-origin"} {
			t.Run(store, func(t *testing.T) {
				t.Parallel()
				s := onStage(t, operated(t))
				s.put(sourceObjects(s.archivedCluster())...)
				archiveOfSource(t, s.s3.Archive(fakeBucket, "pg", "my-db-v1"))
				s.kube.OnExecWithInput(podAnswers)
				config := s.config(restoreOf(unprotected + byPluginRestored))
				s.apply(config)
				was := apitest.Get[barmancloud.ObjectStore](s.kube, fakeNamespace, store)
				apitest.Delete[barmancloud.ObjectStore](s.kube, fakeNamespace, store)
				plan, warnings := s.plan(config)
				if plan.Action(pitr) != terraformtest.Update || !says("The ObjectStore myorg/"+store, "my-db-pitr names, is not there", "not even a failover", "This update puts that right").MatchString(warnings) {
					t.Errorf("the plan is %s, and says\n%s", plan, warnings)
				}
				s.apply(config)
				now := apitest.Get[barmancloud.ObjectStore](s.kube, fakeNamespace, store)
				if now == nil || now.Spec.Configuration.DestinationPath != was.Spec.Configuration.DestinationPath || now.Spec.Configuration.AWS == nil || len(now.OwnerReferences) != 1 {
					t.Errorf("made is %+v in place of %+v", now, was)
				}
			})
		}
	})
}

// One that somebody else has made, and that an adopted Cluster was restored from, nobody here makes anew: that is said, and changes no plan.
func TestMissingObjectStoreOfOthersIsTold(t *testing.T) {
	t.Parallel()
	t.Run(string(cnpg.MethodPlugin), func(t *testing.T) {
		t.Parallel()
		s := onStage(t, operated(t))
		config := s.config(database(unprotected + "backup = { schedule = \"@daily\" }"))
		s.apply(config)
		apitest.Edit(s.kube, fakeNamespace, "my-db", func(c *cnpgv1.Cluster) {
			c.Spec.ExternalClusters = []cnpgv1.ExternalCluster{{Name: "theirs", PluginConfiguration: &cnpgv1.PluginConfiguration{
				Name: barmancloud.PluginName, Parameters: map[string]string{barmancloud.ObjectStoreParameter: "theirs"},
			}}}
		})
		plan, warnings := s.plan(config)
		if !plan.Empty() || !says("ObjectStore Missing", "The ObjectStore myorg/theirs", "Whoever made it").MatchString(warnings) {
			t.Errorf("the plan is %s, and says\n%s", plan, warnings)
		}
	})
}

// What may not be read is not taken for missing.
func TestUnreadableObjectStoreIsNoDrift(t *testing.T) {
	t.Parallel()
	t.Run(string(cnpg.MethodPlugin), func(t *testing.T) {
		t.Parallel()
		s := onStage(t, operated(t))
		config := s.config(database(unprotected + "backup = { schedule = \"@daily\" }"))
		s.apply(config)
		s.kube.Fail(apitest.Each(apitest.VerbGet, "objectstores", apitest.Fault{Status: http.StatusForbidden, Message: `User "planner" cannot get objectstores`}))
		s.refused(config, "Unable to Read Database", "ObjectStore myorg/my-db-backup", `User "planner" cannot get objectstores`)
		s.kube.Fail(nil)
		if plan, _ := s.plan(config); !plan.Empty() {
			t.Errorf("with the right the plan is %s", plan)
		}
	})
}
