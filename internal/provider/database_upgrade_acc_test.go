package provider_test

import (
	"errors"
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/terraform"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// The platform's images of two major versions are built on two releases of Debian, and PostgreSQL of the older one does
// not run on the newer: pg_upgrade fails, as it does for many a reason. What it said is told at once, and nothing is lost.
// The database is of the tier that one gets who names none.
func TestAccDatabase_failedUpgrade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	older, newer := env(t, "PGPLATFORM_POSTGRES_15"), env(t, "PGPLATFORM_POSTGRES_17")
	config := func(postgres string) string {
		return w.config(fmt.Sprintf(`
resource "pgplatform_database" "db" {
  name                = "db"
  database_name       = "shop"
  backup              = { schedule = "0 2 * * *" }
  deletion_protection = false
  %s
}`, postgres))
	}
	rows := 0
	var folders []string
	freshFolder := func(s *terraform.State) error {
		folder := s.RootModule().Resources["pgplatform_database.db"].Primary.Attributes["archive.server_name"]
		for _, before := range folders {
			if before == folder {
				return fmt.Errorf("archives to %s, as before", folder)
			}
		}
		folders = append(folders, folder)
		return w.eventually(2*time.Minute, func() error { return w.archived(folder) })
	}
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories,
		CheckDestroy:             check(func() error { return w.gone("db") }),
		Steps: []resource.TestStep{
			{
				Config: config(fmt.Sprintf("image = %q", older)),
				Check: resource.ComposeTestCheckFunc(
					resource.TestCheckResourceAttr("pgplatform_database.db", "tier", "STANDARD"),
					check(func() error {
						cluster, err := w.cluster("db")
						if err != nil {
							return err
						}
						spec := cluster.Spec
						if spec.Instances != 1 || spec.StorageConfiguration.Size != "10Gi" || spec.Resources.Requests.Cpu().String() != "250m" || spec.Resources.Limits.Memory().String() != "1Gi" {
							err = fmt.Errorf("%d instances with %s and %v", spec.Instances, spec.StorageConfiguration.Size, spec.Resources)
						}
						return errors.Join(err, w.addRow(&rows))
					}),
					freshFolder,
				),
			},
			{
				Config:      config(fmt.Sprintf("image = %q", newer)),
				ExpectError: regexp.MustCompile(`(?s)Unable to Update Database.*error while loading shared libraries.*set\s+postgres_version\s+or\s+image\s+back`),
			},
			{ // another version of before than the one that the data have is a downgrade still
				Config:      config(`postgres_version = "15.1"`),
				PlanOnly:    true,
				ExpectError: regexp.MustCompile(`PostgreSQL Cannot Be Downgraded`),
			},
			{
				Config: config(fmt.Sprintf("postgres_version = %q", imageVersion(older))),
				Check: resource.ComposeTestCheckFunc(
					resource.TestCheckResourceAttr("pgplatform_database.db", "image", older),
					check(func() error {
						cluster, err := w.cluster("db")
						if err == nil && (cluster.Spec.ImageName != older || !cnpg.Healthy(cluster)) {
							err = errors.New("the database does not run as before")
						}
						return errors.Join(err, w.addRow(&rows))
					}),
					freshFolder,
				),
			},
		},
	})
}
