package provider_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/demo"
)

// The source commits nothing after the targets: without the flush PostgreSQL would not find them in the WAL.
func TestAccRestore_idleSource(t *testing.T) {
	t.Parallel()
	onPlatform(t, inShort, testAccRestoreIdleSource)
}

func testAccRestoreIdleSource(t *testing.T, w *world) {
	source := `
resource "pgplatform_database" "source" {
  name                = "source"
  org_id              = "acme"
  tier                = "DEV"
  parameters          = { work_mem = "6MB" }
  backup              = { schedule = "0 2 * * *", retention_days = 9 }
  deletion_protection = false
}
`
	restore := func(target string, protection bool) string {
		return source + fmt.Sprintf(`
resource "pgplatform_restore" "pitr" {
  name                = "pitr"
  source              = { database = pgplatform_database.source.id }
  target_time         = %q
  deletion_protection = %t
}
`, target, protection)
	}
	const pitr = "pgplatform_restore.pitr"
	var one, two time.Time
	action := func(action plancheck.ResourceActionType) resource.ConfigPlanChecks {
		return resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(pitr, action)}}
	}
	resource.Test(t, resource.TestCase{
		CheckDestroy: check(func() error {
			return errors.Join(w.gone("source"), w.gone("pitr"), w.archived("source"))
		}),
		Steps: withFactories([]resource.TestStep{
			{
				Config: w.config(source),
				Check: check(func() (err error) {
					if err := w.eventually(func() error { return w.archived("source") }); err != nil {
						return err
					}
					if _, err := w.query("source", "CREATE TABLE numbers (n int)"); err != nil {
						return err
					}
					if one, err = w.insert(1); err != nil {
						return err
					}
					two, err = w.insert(2)
					return err
				}),
			},
			{ // before there was anything to restore
				ConfigFile:  w.late(func() string { return restore("2001-01-01T00:00:00+01:00", true) }),
				ExpectError: regexp.MustCompile(`(?s)Restore Cannot Succeed.*target_time\s+= .*lies\s+before\s+the\s+recovery\s+window.*UTC.*\+01:00`),
			},
			{
				ConfigFile:  w.late(func() string { return restore("2100-01-01T00:00:00Z", true) }),
				ExpectError: regexp.MustCompile(`(?s)Target Lies in the Future.*target_time\s+= `),
			},
			{ // exactly at a commit: that one is there, the next is not
				PreConfig:        func() { must(t, errors.Join(w.gone("pitr"))) },
				ConfigFile:       w.late(func() string { return restore(one.Format(time.RFC3339Nano), true) }),
				ConfigPlanChecks: action(plancheck.ResourceActionCreate),
				Check: resource.ComposeAggregateTestCheckFunc(
					resource.TestCheckResourceAttr(pitr, "status", "READY"),
					resource.TestCheckResourceAttr(pitr, "archive.server_name", "pitr"),
					resource.TestCheckResourceAttr(pitr, "source_server_name", "source"),
					resource.TestMatchResourceAttr(pitr, "base_backup_id", regexp.MustCompile(`^\d{8}T\d{6}$`)),
					check(func() error { return w.numbers("1") }),
					check(w.likeItsSource),
				),
			},
			{ // the same instant in another zone
				ConfigFile: w.late(func() string {
					return restore(one.In(time.FixedZone("", 2*60*60)).Format(time.RFC3339Nano), true)
				}),
				PlanOnly: true,
			},
			{
				ConfigFile:  w.late(func() string { return restore(two.Format(time.RFC3339Nano), true) }),
				ExpectError: regexp.MustCompile(`Database Is Protected`),
			},
			{
				ConfigFile:       w.late(func() string { return restore(one.Format(time.RFC3339Nano), false) }),
				ConfigPlanChecks: action(plancheck.ResourceActionUpdate),
			},
			{
				ResourceName:      pitr,
				ImportState:       true,
				ImportStateVerify: true,
				// What is imported is protected, and the log of its recovery is not read any more.
				ImportStateVerifyIgnore: []string{"deletion_protection", "timeouts", "restored_to"},
			},
			{ // another target is another restore: the database is replaced, its archive is not
				ConfigFile:       w.late(func() string { return restore(two.Format(time.RFC3339Nano), false) }),
				ConfigPlanChecks: action(plancheck.ResourceActionReplace),
				Check: resource.ComposeAggregateTestCheckFunc(
					resource.TestMatchResourceAttr(pitr, "archive.server_name", regexp.MustCompile(`^pitr-\d{8}t\d{6}$`)),
					check(func() error { return w.numbers("1,2") }),
				),
			},
		}),
	})
}

// withFactories gives the provider to each step: a test case cannot, where configuration comes from files.
func withFactories(steps []resource.TestStep) []resource.TestStep {
	for i := range steps {
		steps[i].ProtoV6ProviderFactories = factories
	}
	return steps
}

// insert commits a number on the source, and returns the instant of the commit.
func (w *world) insert(n int) (time.Time, error) { return w.numbered("source", n) }

// numbered commits numbers in a database, each in a transaction of its own, and returns an instant right after the last.
func (w *world) numbered(database string, numbers ...int) (time.Time, error) {
	if _, err := w.query(database, "CREATE TABLE IF NOT EXISTS numbers (n int)"); err != nil {
		return time.Time{}, err
	}
	for _, n := range numbers {
		if _, err := w.query(database, fmt.Sprintf("INSERT INTO numbers VALUES (%d)", n)); err != nil {
			return time.Time{}, err
		}
	}
	// The clock of the database, which is later than the commit; nothing else is committed until the next number.
	out, err := w.query(database, `SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`)
	if err != nil {
		return time.Time{}, err
	}
	return time.Parse(time.RFC3339Nano, out)
}

func (w *world) numbers(want string) error { return w.numbersOf("pitr", want) }

func (w *world) numbersOf(database, want string) error {
	got, err := w.query(database, "SELECT string_agg(n::text, ',' ORDER BY n) FROM numbers")
	if err != nil || got != want {
		return fmt.Errorf("the database %s has the numbers %q, not %q: %w", database, got, want, err)
	}
	return nil
}

// likeItsSource: the restored database has the settings of its source, its own backups among them.
func (w *world) likeItsSource() error {
	source, err := w.cluster("source")
	if err != nil {
		return err
	}
	restored, err := w.cluster("pitr")
	if err != nil {
		return err
	}
	for what, ok := range map[string]bool{
		"image":        restored.Spec.ImageName == source.Spec.ImageName && restored.Spec.ImageName != "",
		"instances":    restored.Spec.Instances == source.Spec.Instances,
		"storage":      equality.Semantic.DeepEqual(restored.Spec.StorageConfiguration, source.Spec.StorageConfiguration),
		"resources":    equality.Semantic.DeepEqual(restored.Spec.Resources, source.Spec.Resources),
		"retention":    restored.Spec.Backup.RetentionPolicy == source.Spec.Backup.RetentionPolicy,
		"labels":       equality.Semantic.DeepEqual(restored.Labels, source.Labels),
		"method":       cnpg.MethodOf(restored) == methodOf(w.t) && cnpg.MethodOf(source) == methodOf(w.t),
		"own archive":  restored.Spec.Backup.BarmanObjectStore.ServerName != source.Spec.Backup.BarmanObjectStore.ServerName,
		"its recovery": cnpg.OriginServer(restored, restored.Spec.ExternalClusters[0].Name) == source.Spec.Backup.BarmanObjectStore.ServerName,
	} {
		if !ok {
			return fmt.Errorf("the restored Cluster differs from its source: %s", what)
		}
	}
	scheduled, err := w.kubernetes.GetScheduledBackup(w.t.Context(), w.key("pitr"))
	if err != nil || scheduled.Spec.Schedule != "0 0 2 * * *" {
		return fmt.Errorf("the restored database's schedule: %+v, %w", scheduled, err)
	}
	return w.setting("pitr", "work_mem", "6MB")
}

// The product's story, as `make demo` tells it.
func TestAccDemo(t *testing.T) {
	t.Parallel()
	onPlatform(t, atLength, testAccDemo)
}

func testAccDemo(t *testing.T, w *world) {
	var environment []string
	if w.kubeConfig != "" {
		environment = []string{"TF_VAR_kube_config_path=" + w.kubeConfig}
	}
	d := &demo.Demo{
		Out:        &lines{t: t},
		CLI:        env(t, "TF_ACC_TERRAFORM_PATH"),
		Environ:    environment,
		Examples:   "../../examples/demo",
		Workdir:    t.TempDir(),
		Namespace:  w.namespace,
		Kubernetes: w.kubernetes,
		S3:         w.s3,
		Bucket:     w.store.bucket,
	}
	t.Cleanup(func() { must(t, d.Destroy(context.WithoutCancel(t.Context()))) })
	must(t, d.Run(t.Context()))
}
