package provider_test

import (
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// Protection does not bind a restore that holds no data. Its recovery may succeed in the very moment in which it is destroyed:
// then it is a database.
func TestRestoreThatRunsWhileItIsDestroyed(t *testing.T) {
	t.Parallel()
	f, _ := withSource(t)
	neverReady := func(c *cnpgv1.Cluster) { c.Status = cnpgv1.ClusterStatus{Phase: cnpgv1.PhaseFirstPrimary} }
	unit(t,
		resource.TestStep{Config: f.config(restoreOf(""))},
		resource.TestStep{
			PreConfig: func() {
				apitest.Edit(f.kube, fakeNamespace, "my-db-pitr", neverReady)
				f.kube.Fail(apitest.First(apitest.VerbDelete, "clusters", apitest.Fault{Before: func() {
					apitest.Edit(f.kube, fakeNamespace, "my-db-pitr", func(c *cnpgv1.Cluster) { c.Status.CurrentPrimary = "my-db-pitr-1" })
				}}))
			},
			Config: f.config(restoreOf("")), Destroy: true,
			ExpectError: says("myorg/my-db-pitr: it has had a running instance since it was read", "deletion_protection and final_backup hold"),
		},
		resource.TestStep{
			PreConfig: func() {
				if f.restored() == nil {
					t.Fatal("the database is gone")
				}
				apitest.Edit(f.kube, fakeNamespace, "my-db-pitr", neverReady)
			},
			Config: f.config(restoreOf("")), Destroy: true,
		},
	)
	if f.restored() != nil {
		t.Error("the failed restore is still there")
	}
}
