package provider_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive"
)

// A database with a number in each transaction, five of them, the first before its base backup: every source but a database
// alone, and every target but a time. In the end the database is gone; its archive, read with other keys than the new
// database writes its own with, into another bucket, has everything. So has the archive of that one, when it is gone too, in a
// bucket and at an endpoint that the provider's configuration does not name.
func TestAccRestore_sources(t *testing.T) {
	t.Parallel()
	onPlatform(t, atLength, testAccRestoreSources)
}

func testAccRestoreSources(t *testing.T, w *world) {
	elsewhere := *w // its provider knows another bucket at another endpoint
	w.use(strict(t))
	reader, writer := w.store, strict(t)
	writer.bucket, writer.accessKeyID, writer.secretAccessKey = env(t, "PGPLATFORM_STRICT_OTHER_BUCKET"), env(t, "PGPLATFORM_STRICT_OTHER_ACCESS_KEY_ID"), env(t, "PGPLATFORM_STRICT_OTHER_SECRET_ACCESS_KEY")
	for name, keys := range map[string]store{"reader": reader, "writer": writer} {
		_, err := w.core.Secrets(w.namespace).Create(t.Context(), &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			StringData: map[string]string{"ACCESS_KEY_ID": keys.accessKeyID, "ACCESS_SECRET_KEY": keys.secretAccessKey},
		}, metav1.CreateOptions{})
		must(t, err)
	}
	both := *w // Terraform sees both buckets
	root := reader
	root.accessKeyID, root.secretAccessKey = env(t, "PGPLATFORM_STRICT_ROOT_ACCESS_KEY_ID"), env(t, "PGPLATFORM_STRICT_ROOT_SECRET_ACCESS_KEY")
	both.use(root)
	away := elsewhere.store
	away.accessKeyID, away.secretAccessKey = root.accessKeyID, root.secretAccessKey
	elsewhere.use(away)

	const source = `
resource "pgplatform_database" "source" {
  name                = "source"
  tier                = "DEV"
  parameters          = { track_commit_timestamp = "on", autovacuum = "off" } # whose transactions would be the last ones
  backup              = { schedule = "@yearly", immediate = false }
  deletion_protection = false
}
`
	const base = `
resource "pgplatform_backup" "base" {
  database = pgplatform_database.source.id
}
`
	m := &marks{world: w}
	restore := func(name, numbers, more string) string {
		return fmt.Sprintf(`
resource "pgplatform_restore" %[1]q {
  name                = %[1]q
  deletion_protection = false
  resources           = { cpu = "10m" } # they are many
  %[2]s
  %[3]s
}
`, name, numbersAre(numbers), more)
	}
	resource.Test(t, resource.TestCase{
		CheckDestroy: check(func() error {
			return errors.Join(w.gone("source"), w.gone("of-backup"), w.gone("at-name"), w.gone("of-id"), w.gone("at-xid"), w.gone("before-xid"),
				w.gone("at-lsn"), w.gone("before-lsn"), w.gone("of-store"), w.gone("of-elsewhere"), w.archived("source"))
		}),
		Steps: withFactories([]resource.TestStep{
			{ConfigFile: w.late(func() string { return source }), Check: check(m.before)},
			{ConfigFile: w.late(func() string { return source + base }), Check: check(m.after)},
			{
				ConfigFile: w.late(func() string {
					const ofBase = "backup = { enabled = false }\nsource = { backup = pgplatform_backup.base.id }\n"
					const ofSource = "backup = { enabled = false }\nsource = { database = pgplatform_database.source.id }\n"
					return source + base +
						restore("of-backup", "1", ofBase) +
						restore("of-id", "1", ofSource+"backup_id = pgplatform_backup.base.backup_id") +
						restore("at-name", "1,2", ofBase+`target_name = "before three"`) +
						restore("at-xid", "1,2,3", ofBase+fmt.Sprintf("target_xid = %q", m.xid)) +
						restore("before-xid", "1,2", ofSource+fmt.Sprintf("backup_id = pgplatform_backup.base.backup_id\ntarget_xid = %q\ntarget_inclusive = false", m.xid)) +
						restore("at-lsn", "1,2,3,4", ofSource+fmt.Sprintf("target_lsn = %q", m.lsn)) +
						restore("before-lsn", "1,2,3", ofSource+fmt.Sprintf("target_lsn = %q\ntarget_inclusive = false", m.lsn))
				}),
				Check: resource.ComposeAggregateTestCheckFunc(
					resource.TestCheckResourceAttrPair("pgplatform_restore.of-backup", "base_backup_id", "pgplatform_backup.base", "backup_id"),
					resource.TestCheckResourceAttrPair("pgplatform_restore.of-id", "base_backup_id", "pgplatform_backup.base", "backup_id"),
					resource.TestCheckResourceAttrPair("pgplatform_restore.at-lsn", "base_backup_id", "pgplatform_backup.base", "backup_id"),
					resource.TestCheckResourceAttr("pgplatform_restore.at-name", "source_server_name", "source"),
					check(func() (err error) {
						for name, numbers := range map[string]string{
							"of-backup": "1", "of-id": "1", "at-name": "1,2", "at-xid": "1,2,3", "before-xid": "1,2", "at-lsn": "1,2,3,4", "before-lsn": "1,2,3",
						} {
							err = errors.Join(err, w.numbersOf(name, numbers))
						}
						return err
					}),
					m.restoredTo("pgplatform_restore.before-xid", &m.second),
					m.restoredTo("pgplatform_restore.at-xid", &m.third),
					m.restoredTo("pgplatform_restore.before-lsn", &m.third),
					m.restoredTo("pgplatform_restore.at-lsn", &m.third), // the commit at that very place is there, and not what the log calls the last one
				),
			},
			{ // the database is gone, and the other restores; S3 still tells what there is
				ConfigFile: w.late(func() string { return listed }),
				Check: resource.ComposeAggregateTestCheckFunc(
					check(func() error { return errors.Join(w.gone("source"), w.gone("at-lsn")) }),
					resource.TestCheckResourceAttr("data.pgplatform_backups.gone", "backups.#", "1"),
					resource.TestCheckResourceAttr("data.pgplatform_backups.gone", "backups.0.status", "COMPLETED"),
				),
			},
			{
				ConfigFile: both.late(func() string {
					return listed + restore("of-store", "1,2,3,4,5", fmt.Sprintf(`
  tier          = "DEV"
  image         = %q
  database_name = "app"
  owner         = "app"
  source        = { object_store = { server_name = "source" }, credentials_secret = { name = "reader" } }
  backup = {
    schedule           = "@yearly"
    object_store       = { destination_path = "s3://%s/%s" }
    credentials_secret = { name = "writer" }
  }
`, env(t, "PGPLATFORM_POSTGRES_17"), writer.bucket, w.namespace))
				}),
				Check: resource.ComposeAggregateTestCheckFunc(
					resource.TestCheckResourceAttr("pgplatform_restore.of-store", "archive.continuous_archiving", "true"),
					resource.TestCheckResourceAttrPair("pgplatform_restore.of-store", "base_backup_id", "data.pgplatform_backups.gone", "backups.0.backup_id"),
					check(func() error {
						return w.eventually(func() error {
							catalog, err := both.s3.Catalog(t.Context(), archive.Location{Bucket: writer.bucket, Prefix: w.namespace}, "of-store")
							if err != nil {
								return err
							}
							if _, ok := catalog.Window(); !ok {
								return fmt.Errorf("no base backup of the restored database: %+v\n%s", catalog.Backups, w.told())
							}
							return nil
						})
					}),
				),
			},
			{ // that one is destroyed too, and what it has archived is far from what the provider's configuration names
				ConfigFile: elsewhere.late(func() string {
					return restore("of-elsewhere", "1,2,3,4,5", fmt.Sprintf(`
  tier          = "DEV"
  image         = %q
  database_name = "app"
  owner         = "app"
  backup        = { enabled = false }
  source = {
    object_store = {
      destination_path = "s3://%s/%s"
      endpoint_url     = %q
      pod_endpoint_url = %q
      server_name      = "of-store"
    }
    credentials_secret = { name = "writer" }
  }
`, env(t, "PGPLATFORM_POSTGRES_17"), writer.bucket, w.namespace, writer.endpoint, writer.podEndpoint))
				}),
				Check: resource.ComposeAggregateTestCheckFunc(
					resource.TestCheckResourceAttr("pgplatform_restore.of-elsewhere", "source_server_name", "of-store"),
					check(func() error { return errors.Join(w.gone("of-store"), w.numbersOf("of-elsewhere", "1,2,3,4,5")) }),
				),
			},
		}),
	})
}

// listed are the backups of a database that is gone.
const listed = `
data "pgplatform_backups" "gone" {
  object_store = { server_name = "source" }
}
`

// marks are what is remembered of a source's transactions.
type marks struct {
	*world

	xid, lsn      string // of the third, and where the fourth was committed
	second, third time.Time
}

func (m *marks) before() error {
	_, err := m.query("source", "CREATE EXTENSION pg_walinspect; CREATE TABLE numbers (n int); INSERT INTO numbers VALUES (1)")
	return err
}

// after commits what comes after the base backup.
func (m *marks) after() (err error) {
	if m.second, err = m.insert(2); err != nil {
		return err
	}
	if _, err := m.query("source", "SELECT pg_create_restore_point('before three')"); err != nil {
		return err
	}
	if m.xid, err = m.query("source", "INSERT INTO numbers VALUES (3) RETURNING pg_current_xact_id()"); err != nil {
		return err
	}
	from, err := m.query("source", "SELECT pg_current_wal_insert_lsn()")
	if err != nil {
		return err
	}
	if m.third, err = m.committed(3); err != nil {
		return err
	}
	if _, err = m.insert(4); err != nil {
		return err
	}
	if m.lsn, err = m.commitOf(4, from); err != nil {
		return err
	}
	_, err = m.insert(5)
	return err
}

// commitOf is where the WAL from a place on has the commit of a number: a recovery to there ends right behind the commit or,
// exclusive, right before it.
func (m *marks) commitOf(n int, from string) (string, error) {
	lsn, err := m.query("source", fmt.Sprintf(`
		SELECT start_lsn FROM numbers, pg_get_wal_records_info('%s', pg_current_wal_flush_lsn())
		WHERE n = %d AND xid = xmin AND resource_manager = 'Transaction' AND record_type = 'COMMIT'`, from, n))
	if err == nil && lsn == "" {
		err = fmt.Errorf("the WAL has no commit of %d", n)
	}
	return lsn, err
}

// insert commits a number, and returns when PostgreSQL says that it did.
func (m *marks) insert(n int) (time.Time, error) {
	if _, err := m.query("source", fmt.Sprintf("INSERT INTO numbers VALUES (%d)", n)); err != nil {
		return time.Time{}, err
	}
	return m.committed(n)
}

// committed is when a number was committed.
func (m *marks) committed(n int) (time.Time, error) {
	out, err := m.query("source", fmt.Sprintf(`SELECT to_char(pg_xact_commit_timestamp(xmin) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') FROM numbers WHERE n = %d`, n))
	if err != nil {
		return time.Time{}, err
	}
	return time.Parse(time.RFC3339Nano, out)
}

// restoredTo: the restore tells the time of the last transaction that it has.
func (m *marks) restoredTo(address string, want *time.Time) resource.TestCheckFunc {
	return func(s *terraform.State) error {
		got, err := time.Parse(time.RFC3339Nano, s.RootModule().Resources[address].Primary.Attributes["restored_to"])
		if err != nil || !got.Equal(*want) {
			return fmt.Errorf("%s is restored to %s, not %s: %w", address, got, want, err)
		}
		return nil
	}
}
