package provider_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/terraform"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

func TestAccBackup(t *testing.T) {
	t.Parallel()
	onPlatform(t, inShort, testAccBackup)
}

func testAccBackup(t *testing.T, w *world) {
	config := func(release string) string {
		return w.config(fmt.Sprintf(`
resource "pgplatform_database" "db" {
  name                = "db"
  tier                = "DEV"
  backup              = { schedule = "0 2 29 2 *", retention_days = 7, immediate = false } # none but those below
  deletion_protection = false
}

resource "pgplatform_backup" "now" {
  database = pgplatform_database.db.id
  triggers = { release = %q }
}

data "pgplatform_backups" "db" {
  database   = pgplatform_database.db.id
  depends_on = [pgplatform_backup.now]
}`, release))
	}
	const backup, list = "pgplatform_backup.now", "data.pgplatform_backups.db"
	var first string
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories,
		CheckDestroy: check(func() error {
			objects, err := w.kubernetes.ListBackups(t.Context(), w.key("db"))
			if err != nil || len(objects) > 0 {
				return fmt.Errorf("%d Backup objects are left: %w", len(objects), err)
			}
			return errors.Join(w.gone("db"), w.archived("db"))
		}),
		Steps: []resource.TestStep{
			{
				Config: config("v42"),
				Check: resource.ComposeAggregateTestCheckFunc(
					resource.TestMatchResourceAttr(backup, "id", regexp.MustCompile(`^`+w.namespace+`/db-backup-\d{8}-\d{6}$`)),
					resource.TestCheckResourceAttr(backup, "status", "COMPLETED"),
					resource.TestCheckResourceAttr(backup, "type", "MANUAL"),
					resource.TestMatchResourceAttr(backup, "begin_wal", regexp.MustCompile(`^[0-9A-F]{24}$`)),
					resource.TestCheckResourceAttr(list, "backups.#", "1"),
					resource.TestCheckResourceAttr(list, "backups.0.type", "MANUAL"),
					resource.TestCheckResourceAttr(list, "backups.0.status", "COMPLETED"),
					resource.TestCheckResourceAttrPair(list, "backups.0.id", backup, "name"),
					resource.TestCheckResourceAttrPair(list, "backups.0.backup_id", backup, "backup_id"),
					resource.TestCheckResourceAttrPair(list, "backups.0.end_wal", backup, "end_wal"),
					resource.TestCheckResourceAttr(list, "backup_enabled", "true"),
					resource.TestCheckResourceAttr(list, "schedule", "0 0 2 29 2 *"),
					resource.TestCheckResourceAttr(list, "retention_days", "7"),
					resource.TestCheckResourceAttrPair(list, "recovery_window.earliest", list, "backups.0.completed_at"),
					func(s *terraform.State) error {
						attributes := s.RootModule().Resources[backup].Primary.Attributes
						first = attributes["id"]
						return w.sameInS3(attributes)
					},
				),
			},
			{ // another trigger: another backup, and the first one's data stays in S3
				Config: config("v43"),
				Check: resource.ComposeAggregateTestCheckFunc(
					resource.TestCheckResourceAttr(list, "backups.#", "2"),
					resource.TestCheckResourceAttrPair(list, "backups.0.id", backup, "name"),
					resource.TestCheckNoResourceAttr(list, "backups.1.type"), // its object is gone
					check(func() error {
						key, err := cnpg.ParseKey(first)
						if err != nil {
							return err
						}
						if _, err := w.kubernetes.GetBackup(t.Context(), key); !errors.Is(err, cnpg.ErrNotFound) {
							return errors.Join(errors.New("the first Backup object is not gone"), err)
						}
						return nil
					}),
				),
			},
			{ // the database is gone, and its archive is listed all the same
				Config: w.config(`data "pgplatform_backups" "left" { object_store = { server_name = "db" } }`),
				Check: resource.ComposeAggregateTestCheckFunc(
					check(func() error { return w.gone("db") }),
					resource.TestCheckResourceAttr("data.pgplatform_backups.left", "backups.#", "2"),
					resource.TestCheckResourceAttr("data.pgplatform_backups.left", "backups.0.status", "COMPLETED"),
					resource.TestCheckResourceAttr("data.pgplatform_backups.left", "servers.#", "1"),
					resource.TestCheckResourceAttrSet("data.pgplatform_backups.left", "recovery_window.earliest"),
				),
			},
		},
	})
}

// sameInS3: the backup's folder holds what its attributes say.
func (w *world) sameInS3(attributes map[string]string) error {
	catalog, err := w.catalog(attributes["server_name"])
	if err != nil {
		return err
	}
	found := catalog.Backup(attributes["backup_id"])
	if found == nil || found.Status != recovery.StatusDone {
		return fmt.Errorf("S3 has no finished backup %s: %+v", attributes["backup_id"], catalog.Backups)
	}
	if found.BeginWAL != attributes["begin_wal"] || found.EndWAL != attributes["end_wal"] ||
		!strings.EqualFold(found.BeginLSN.String(), attributes["begin_lsn"]) {
		return fmt.Errorf("S3 says %+v, the state %v", *found, attributes)
	}
	return nil
}

func TestAccBackup_databaseWithoutBackups(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	database := `
resource "pgplatform_database" "plain" {
  name                = "plain"
  tier                = "DEV"
  deletion_protection = false
}
`
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories,
		CheckDestroy:             check(func() error { return w.gone("plain") }),
		Steps: []resource.TestStep{
			{Config: w.config(database), Check: check(func() error { return w.flushes("plain") })},
			{
				Config: w.config(database + `
resource "pgplatform_backup" "now" {
  database = "$NS/plain"
}`),
				ExpectError: regexp.MustCompile(`(?s)Database Has No Backups.*database = `),
			},
			{
				Config: w.config(database + `
resource "pgplatform_restore" "never" {
  name   = "never"
  source = { database = "$NS/plain" }
}`),
				ExpectError: regexp.MustCompile(`Source Has No Archive`),
			},
		},
	})
}

// flushes: each flush of an idle database ends a segment of its own, and names that. Its clock is this machine's.
func (w *world) flushes(name string) error {
	before := ""
	for range 20 {
		began := time.Now()
		flushed, err := w.kubernetes.Flush(w.t.Context(), w.key(name))
		if err != nil || flushed.Segment <= before {
			return fmt.Errorf("a flush ended the segment %q, and the next one %q: %w", before, flushed.Segment, err)
		}
		if flushed.At.Before(began) || flushed.At.After(time.Now()) {
			return fmt.Errorf("a flush between %s and %s was at %s", began, time.Now(), flushed.At)
		}
		before = flushed.Segment
	}
	return nil
}
