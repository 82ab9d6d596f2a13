package provider_test

import (
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/compare"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
)

// The data source says what the resource says.
func TestDatabaseDataSource(t *testing.T) {
	t.Parallel()
	f := operated(t)
	const data = `
data "pgplatform_database" "db" {
  name = "my-db"
}
`
	made := f.config(database(unprotected + `
  org_id        = "acme"
  tier          = "HA"
  wal_storage   = { size = "2Gi" }
  image         = "registry.example.com/postgresql:17.5-ours"
  database_name = "shop"
  owner         = "seller"
  backup        = { schedule = "@daily" }`))
	var same []statecheck.StateCheck
	for _, attribute := range []string{
		"name", "namespace", "id", "org_id", "tier", "instances", "storage", "wal_storage", "resources", "postgres_version", "image",
		"database_name", "owner", "status", "phase", "connection_info", "archive",
	} {
		at := tfjsonpath.New(attribute)
		same = append(same, statecheck.CompareValuePairs(db, at, "data."+db, at, compare.ValuesSame()))
	}
	unit(t,
		resource.TestStep{Config: f.config(data), ExpectError: says("Unable to Read Database", "Cluster myorg/my-db: not found")},
		resource.TestStep{Config: made},
		resource.TestStep{PreConfig: f.kube.Forget, Config: made + data, ConfigStateChecks: same},
	)
}
