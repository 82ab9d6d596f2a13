package provider_test

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// The data of another major version are taken over, rows and all. The archive begins anew in a folder of its own; what lies
// in the one before stays as it is.
func TestAccDatabase_majorUpgrade(t *testing.T) {
	t.Parallel()
	onPlatform(t, atLength, testAccDatabaseMajorUpgrade)
}

func testAccDatabaseMajorUpgrade(t *testing.T, w *world) {
	root := newStrictRoot(t)
	root.makeBucket(w.namespace)
	account := root.account(w.namespace)
	root.give(account)
	w.use(account)
	older, newer := env(t, "PGPLATFORM_POSTGRES_15"), env(t, "PGPLATFORM_POSTGRES_17_UPGRADE")
	config := func(postgres, more string) string {
		return w.config(fmt.Sprintf(`
resource "pgplatform_database" "db" {
  name                = "db"
  tier                = "DEV"
  database_name       = "shop"
  backup              = { schedule = "0 2 * * *" }
  deletion_protection = false
  %s
}
%s`, postgres, more))
	}
	upgraded := fmt.Sprintf("postgres_version = %q", imageVersion(newer))
	rows := 0
	var before map[string]string
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories,
		CheckDestroy:             check(func() error { return errors.Join(w.gone("db"), w.gone("copy")) }),
		Steps: []resource.TestStep{
			{
				Config: config(fmt.Sprintf("image = %q", older), ""),
				Check: check(func() (err error) {
					if err := errors.Join(
						w.shows("db", map[string]string{"SHOW server_version": imageVersion(older) + " "}),
						w.addRow(&rows),
						w.archives("db"),
						w.eventually(func() error { return w.archived("db") }),
						w.becomes("db", map[string]string{"SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'": "0"}),
					); err != nil {
						return err
					}
					before, err = root.objects(w.namespace, w.namespace+"/db/")
					return err
				}),
			},
			{ // a database keeps the Debian release of its image, of which the version says nothing
				Config: config(upgraded, ""),
				ConfigPlanChecks: resource.ConfigPlanChecks{
					PreApply:             []plancheck.PlanCheck{plancheck.ExpectResourceAction("pgplatform_database.db", plancheck.ResourceActionUpdate)},
					PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()},
				},
				Check: resource.ComposeTestCheckFunc(
					resource.TestCheckResourceAttr("pgplatform_database.db", "image", newer),
					resource.TestCheckResourceAttr("pgplatform_database.db", "status", "READY"),
					func(s *terraform.State) error {
						folder := s.RootModule().Resources["pgplatform_database.db"].Primary.Attributes["archive.server_name"]
						if folder == "db" {
							return errors.New("the archive goes on in the folder of before")
						}
						after, err := root.objects(w.namespace, w.namespace+"/db/")
						return errors.Join(err,
							endsWith(before, after),
							w.shows("db", map[string]string{"SHOW server_version": imageVersion(newer) + " "}),
							w.addRow(&rows),
							w.restorable(folder),
							w.archives("db"))
					},
				),
			},
			{ // what the new folder holds is a database of the new version
				Config: config(upgraded, `
resource "pgplatform_restore" "copy" {
  name                = "copy"
  source              = { database = pgplatform_database.db.id }
  deletion_protection = false
}`),
				Check: check(func() error {
					return w.shows("copy", map[string]string{"SHOW server_version": imageVersion(newer) + " ", "SELECT count(*) FROM orders": fmt.Sprint(rows)})
				}),
			},
		},
	})
}

// endsWith compares what a folder held with what it holds: the same, but for one WAL segment, which PostgreSQL ends when it
// is stopped, and may still archive there.
func endsWith(before, after map[string]string) error {
	var more []string
	for key := range after {
		if _, known := before[key]; !known {
			more = append(more, key)
		}
	}
	kept := maps.Clone(after)
	if len(more) == 1 && strings.Contains(more[0], "/wals/") {
		delete(kept, more[0])
	}
	if !maps.Equal(before, kept) {
		return fmt.Errorf("the folder of before held %v, and holds %v", before, after)
	}
	return nil
}

// The platform's images of two major versions are built on two releases of Debian, and PostgreSQL of the older one does
// not run on the newer: pg_upgrade fails, as it does for many a reason. What it said is told at once, and nothing is lost.
// The database is of the tier that one gets who names none.
func TestAccDatabase_failedUpgrade(t *testing.T) {
	t.Parallel()
	onPlatform(t, atLength, testAccDatabaseFailedUpgrade)
}

func testAccDatabaseFailedUpgrade(t *testing.T, w *world) {
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
		return w.eventually(func() error { return w.archived(folder) })
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
