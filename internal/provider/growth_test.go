package provider_test

import (
	"net/http"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// An update of a database whose disk is full does not fail for volumes that may not be listed: it says that it has not seen them.
func TestDatabaseWithAFullDiskAndVolumesUnseen(t *testing.T) {
	t.Parallel()
	f := operated(t)
	s := onStage(t, f)
	s.apply(f.config(database(unprotected)))
	apitest.Edit(f.kube, fakeNamespace, "my-db", func(c *cnpgv1.Cluster) { c.Status.Phase = "Not enough disk space" })
	f.kube.Fail(apitest.Each("", "persistentvolumeclaims", apitest.Fault{Status: http.StatusForbidden}))
	warned := s.apply(f.config(database(unprotected + "  parameters = { work_mem = \"8MB\" }\n")))
	for _, want := range []string{"Volumes Not Enlarged", "Not enough disk space", "storage.size", "kubectl get pvc -n myorg -l cnpg.io/cluster=my-db"} {
		if !strings.Contains(warned, want) {
			t.Errorf("the apply warns of\n%s\nwant %q", warned, want)
		}
	}
	if is := f.cluster().Spec.PostgresConfiguration.Parameters["work_mem"]; is != "8MB" {
		t.Errorf("work_mem is %q", is)
	}
}
