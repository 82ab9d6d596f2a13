package provider_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// A last backup before the end: where it cannot be taken, nothing is destroyed; where it can, it is in S3 when the database
// is gone. A database that is made anew under the name archives to another folder.
func TestAccDatabase_finalBackup(t *testing.T) {
	t.Parallel()
	onPlatform(t, atLength, testAccDatabaseFinalBackup)
}

func testAccDatabaseFinalBackup(t *testing.T, w *world) {
	root := newStrictRoot(t)
	root.makeBucket(w.namespace)
	// Terraform sees the bucket as its owner's master, so that only the pods' key is the one that goes.
	own := root.store
	own.bucket, own.accessKeyID, own.secretAccessKey = w.namespace, root.keys.AccessKeyID, root.keys.SecretAccessKey
	w.use(own)
	first, second := root.account(w.namespace), root.account(w.namespace)
	root.give(first)
	database := func(pods store) string {
		return w.configWith(fmt.Sprintf("pod_credentials = {\n  access_key_id = %q\n  secret_access_key = %q\n}", pods.accessKeyID, pods.secretAccessKey), `
resource "pgplatform_database" "db" {
  name                = "db"
  tier                = "DEV"
  backup              = { schedule = "@yearly", immediate = false }
  final_backup        = true
  deletion_protection = false
}`)
	}
	var uid, folder string
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories,
		CheckDestroy:             check(func() error { return errors.Join(w.gone("db"), w.restorable(folder)) }),
		Steps: []resource.TestStep{
			{
				Config: database(first),
				Check: check(func() error {
					cluster, err := w.cluster("db")
					if err != nil || w.restorable("db") == nil {
						return fmt.Errorf("there is a base backup already, so that the last one proves nothing: %w", err)
					}
					uid = string(cluster.UID)
					root.revoke(first)
					return nil
				}),
			},
			{
				Config:      database(first),
				Destroy:     true,
				ExpectError: says("Unable to Destroy Database", "The final backup could not be taken", "Nothing was destroyed", "final_backup = false"),
			},
			{
				PreConfig: func() {
					must(t, w.untouched(uid))
					root.give(second)
				},
				Config: database(second),
				Check: check(func() error {
					_, err := w.query("db", "CREATE TABLE last AS SELECT 'words' AS content")
					return err
				}),
			},
			{
				Config:  database(second),
				Destroy: true,
				Check:   check(func() error { return errors.Join(w.gone("db"), w.restorable("db")) }),
			},
			{
				Config: database(second),
				Check: check(func() error {
					cluster, err := w.cluster("db")
					if err != nil || !strings.HasPrefix(cnpg.ServerName(cluster), "db-") {
						return fmt.Errorf("the new database archives to %s: %w", cnpg.ServerName(cluster), err)
					}
					folder = cnpg.ServerName(cluster)
					return w.restorable("db")
				}),
			},
		},
	})
}

// untouched: a destroy that failed before it began has left the database, its schedule and its volume, and no Backup.
func (w *world) untouched(uid string) error {
	cluster, err := w.cluster("db")
	if err != nil || string(cluster.UID) != uid || cluster.DeletionTimestamp != nil {
		return fmt.Errorf("the Cluster is not the one that it was: %w", err)
	}
	if _, err := w.kubernetes.GetScheduledBackup(w.t.Context(), w.key("db")); err != nil {
		return err
	}
	volumes, err := w.core.PersistentVolumeClaims(w.namespace).List(w.t.Context(), metav1.ListOptions{LabelSelector: cnpg.LabelCluster + "=db"})
	if err != nil || len(volumes.Items) != 1 || volumes.Items[0].DeletionTimestamp != nil {
		return fmt.Errorf("the volumes are %v: %w", volumes.Items, err)
	}
	backups, err := w.kubernetes.ListBackups(w.t.Context(), w.key("db"))
	if err != nil || len(backups) != 0 {
		return fmt.Errorf("%d Backups are left: %w", len(backups), err)
	}
	return nil
}

// A database that does not come up in time: the error says what its pods wait for, and the state knows the database.
func TestAccDatabase_stuck(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		attributes string
		waits      string
	}{
		"image": {
			attributes: `image = "ghcr.io/cloudnative-pg/postgresql:17.0-no-such-image"`,
			waits:      "ErrImagePull|ImagePullBackOff",
		},
		"node":   {attributes: `resources = { cpu = "1000" }`, waits: `Unschedulable:.*Insufficient[\s│]+cpu`},
		"volume": {attributes: `storage = { storage_class = "no-such-class" }`, waits: `volume[\s│]+claim[\s│]+stuck-1:[\s│]+pending.*storageclass[^\n]*"no-such-class"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			config := w.config(fmt.Sprintf(`
resource "pgplatform_database" "stuck" {
  name                = "stuck"
  tier                = "DEV"
  deletion_protection = false
  timeouts            = { create = "90s" }
  %s
}`, test.attributes))
			resource.Test(t, resource.TestCase{
				ProtoV6ProviderFactories: factories,
				CheckDestroy:             check(func() error { return w.gone("stuck") }),
				Steps: []resource.TestStep{
					{
						Config: config,
						ExpectError: then(says("Unable to Create Database", "not done after 1m30s", "phase: Setting up primary"), test.waits,
							says("The time in timeouts.create is over", "is recorded in Terraform's state, marked as tainted")),
					},
					{
						Config: config, PlanOnly: true,
						ExpectError: says("Database Already Exists", "terraform untaint pgplatform_database.NAME"),
					},
				},
			})
		})
	}
}

// Volumes of a storage class that lets them grow: the update ends when they have.
func TestAccDatabase_growth(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	class := env(t, "PGPLATFORM_GROWING_STORAGE_CLASS")
	database := func(size, wal string) string {
		return w.config(fmt.Sprintf(`
resource "pgplatform_database" "db" {
  name                = "db"
  tier                = "DEV"
  storage             = { size = %q, storage_class = %q }
  wal_storage         = { size = %q, storage_class = %q }
  deletion_protection = false
  timeouts            = { update = "5m" }
}`, size, class, wal, class))
	}
	sizes := func(data, wal string) func() error {
		return func() error {
			for name, want := range map[string]string{"db-1": data, "db-1-wal": wal} {
				volume, err := w.core.PersistentVolumeClaims(w.namespace).Get(t.Context(), name, metav1.GetOptions{})
				if err != nil {
					return err
				}
				if has := volume.Status.Capacity[corev1.ResourceStorage]; has.String() != want {
					return fmt.Errorf("the volume %s has %s, not %s", name, has.String(), want)
				}
			}
			return nil
		}
	}
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories,
		CheckDestroy:             check(func() error { return w.gone("db") }),
		Steps: []resource.TestStep{
			{Config: database("1Gi", "512Mi"), Check: check(sizes("1Gi", "512Mi"))},
			{Config: database("1536Mi", "512Mi"), Check: check(sizes("1536Mi", "512Mi"))},
			{Config: database("1536Mi", "768Mi"), Check: check(sizes("1536Mi", "768Mi"))},
		},
	})
}

// A volume that is full stops PostgreSQL: refreshes and updates say so in CNPG's words, and a larger volume ends it.
func TestAccDatabase_fullDisk(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	class := env(t, "PGPLATFORM_GROWING_STORAGE_CLASS")
	const (
		db   = "pgplatform_database.db"
		full = "Not enough disk space"
	)
	database := func(size, attributes string) string {
		return w.config(fmt.Sprintf(`
resource "pgplatform_database" "db" {
  name                = "db"
  tier                = "DEV"
  storage             = { size = %q, storage_class = %q }
  deletion_protection = false
  %s
}`, size, class, attributes))
	}
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories,
		CheckDestroy:             check(func() error { return w.gone("db") }),
		Steps: []resource.TestStep{
			{
				Config: database("400Mi", ""),
				Check: check(func() error {
					_, err := w.query("db", "CREATE TABLE kept AS SELECT 7 AS n")
					return errors.Join(err, w.fill("db", full))
				}),
			},
			{
				RefreshState: true,
				Check: resource.ComposeTestCheckFunc(
					resource.TestCheckResourceAttr(db, "status", "FAILED"),
					resource.TestCheckResourceAttr(db, "phase", full),
				),
			},
			{
				Config:      database("400Mi", "parameters = { work_mem = \"8MB\" }\ntimeouts = { update = \"30s\" }"),
				ExpectError: says("Unable to Update Database", full, "Insufficient disk space detected in one or more pods"),
			},
			{
				Config: database("1Gi", `parameters = { work_mem = "8MB" }`),
				Check: resource.ComposeTestCheckFunc(
					resource.TestCheckResourceAttr(db, "status", "READY"),
					check(func() error {
						kept, err := w.query("db", "INSERT INTO kept VALUES (8); SELECT sum(n) FROM kept")
						if err != nil || kept != "15" {
							return fmt.Errorf("the rows are %q: %w", kept, err)
						}
						return w.setting("db", "work_mem", "8MB")
					}),
				),
			},
		},
	})
}

// fill writes to the volume of a database until no room for WAL is left, and waits until CNPG says so.
func (w *world) fill(name, phase string) error {
	return w.eventually(func() error {
		// Each of them fails as soon as the disk is full, and all of them once PostgreSQL is down for it.
		for _, sql := range []string{
			"COPY (SELECT) TO PROGRAM 'cat /dev/zero >> /var/lib/postgresql/data/filler || true'",
			"SELECT count(pg_logical_emit_message(false, 'filler', repeat('x', 1000000))) FROM generate_series(1, 40)",
		} {
			_, _ = w.query(name, sql)
		}
		cluster, err := w.cluster(name)
		if err != nil {
			return err
		}
		if cluster.Status.Phase != phase {
			return fmt.Errorf("the phase is %s: %s", cluster.Status.Phase, cluster.Status.PhaseReason)
		}
		return nil
	})
}
