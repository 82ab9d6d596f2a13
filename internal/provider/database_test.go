package provider_test

import (
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
)

func TestDatabaseLives(t *testing.T) {
	t.Parallel()
	f := operated(t)
	unit(t, resource.TestStep{Config: f.config(`
resource "pgplatform_database" "db" {
  name                = "my-db"
  deletion_protection = false
  backup = {
    schedule       = "0 2 * * *"
    retention_days = 30
  }
}`)})
	for _, r := range f.kube.Requests() {
		t.Log(r)
	}
}
