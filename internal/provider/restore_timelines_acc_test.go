package provider_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// Between the base backup and the targets the primary is lost and the other instance goes on, on a timeline of its own: what was
// committed before that can be restored, what was committed after it, and the timeline that was left, as far as its WAL leads.
func TestAccRestore_acrossFailover(t *testing.T) {
	t.Parallel()
	onPlatform(t, atLength, testAccRestoreAcrossFailover)
}

func testAccRestoreAcrossFailover(t *testing.T, w *world) {
	source := `
resource "pgplatform_database" "source" {
  name                = "source"
  tier                = "DEV"
  instances           = 2
  resources           = { cpu = "0.05", memory = "256Mi" }
  backup              = { schedule = "@yearly" }
  deletion_protection = false
}
`
	const one = "instances = 1"
	var before, after time.Time
	resource.Test(t, resource.TestCase{
		CheckDestroy: check(func() error {
			return errors.Join(w.gone("source"), w.gone("before"), w.gone("after"), w.gone("left"), w.archived("source"))
		}),
		Steps: withFactories([]resource.TestStep{
			{
				Config: w.config(source),
				Check: check(func() (err error) {
					if err := w.eventually(func() error { return w.archived("source") }); err != nil {
						return err
					}
					if before, err = w.numbered("source", 1, 2); err != nil {
						return err
					}
					if _, err = w.numbered("source", 3); err != nil {
						return err
					}
					if err := w.failOver("source"); err != nil {
						return err
					}
					if after, err = w.numbered("source", 4, 5); err != nil {
						return err
					}
					_, err = w.numbered("source", 6)
					return err
				}),
			},
			{ // nobody writes there any more
				ConfigFile:  w.late(func() string { return source + restoredFromSource("left", "target_timeline = 1"+targetAt(after)) }),
				ExpectError: says("Restore Cannot Succeed", "lies after the end of timeline 1"),
			},
			{
				ConfigFile: w.late(func() string {
					return source + restoredFromSource("before", targetAt(before)) + restoredFromSource("after", one+targetAt(after)) + restoredFromSource("left", one+"\ntarget_timeline = 1")
				}),
				Check: check(func() error {
					return errors.Join(w.numbersOf("before", "1,2"), w.numbersOf("after", "1,2,3,4,5"), w.numbersOf("left", "1,2,3"), w.numbersOf("source", "1,2,3,4,5,6"))
				}),
			},
		}),
	})
}

// failOver takes the primary away, and returns when the other instance is the primary and all are ready again.
func (w *world) failOver(name string) error {
	// What is not on the other instance yet would be lost by right.
	if err := w.eventually(func() error {
		behind, err := w.query(name, "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn()")
		if err != nil || behind != "1" {
			return fmt.Errorf("%s replicas have everything: %w", behind, err)
		}
		return nil
	}); err != nil {
		return err
	}
	was, err := w.cluster(name)
	if err != nil {
		return err
	}
	lost := cnpg.PrimaryPod(was)
	if err := w.core.Pods(w.namespace).Delete(w.t.Context(), lost, metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](1)}); err != nil {
		return err
	}
	return w.eventually(func() error {
		now, err := w.cluster(name)
		if err != nil {
			return err
		}
		if !cnpg.Healthy(now) || cnpg.PrimaryPod(now) == lost || now.Status.TimelineID <= was.Status.TimelineID {
			return fmt.Errorf("the primary is %s on timeline %d, the phase %q", cnpg.PrimaryPod(now), now.Status.TimelineID, now.Status.Phase)
		}
		return nil
	})
}

// A restored database is a database: what is committed there is restored from its own archive, to any time since that has a base
// backup, on a timeline that its source does not know; and its latest state is that of the moment.
func TestAccRestore_ofARestore(t *testing.T) {
	t.Parallel()
	onPlatform(t, atLength, testAccRestoreOfARestore)
}

func testAccRestoreOfARestore(t *testing.T, w *world) {
	databases := `
resource "pgplatform_database" "source" {
  name                = "source"
  tier                = "DEV"
  backup              = { schedule = "@yearly" }
  deletion_protection = false
}
`
	copied := databases + `
resource "pgplatform_restore" "copy" {
  name                = "copy"
  source              = { database = pgplatform_database.source.id }
  deletion_protection = false
}
`
	var inSource, inCopy time.Time
	resource.Test(t, resource.TestCase{
		CheckDestroy: check(func() error {
			return errors.Join(w.gone("source"), w.gone("copy"), w.gone("pitr"), w.archived("source"), w.archived("copy"))
		}),
		Steps: withFactories([]resource.TestStep{
			{
				ConfigFile: w.late(func() string { return databases }),
				Check: check(func() (err error) {
					if err := w.eventually(func() error { return w.archived("source") }); err != nil {
						return err
					}
					inSource, err = w.numbered("source", 1, 2)
					return err
				}),
			},
			{ // the latest state has what was committed right before
				ConfigFile: w.late(func() string { return copied }),
				Check: check(func() (err error) {
					if err := w.numbersOf("copy", "1,2"); err != nil {
						return err
					}
					if err := w.eventually(func() error { return w.archived("copy") }); err != nil {
						return err
					}
					if inCopy, err = w.numbered("copy", 3); err != nil {
						return err
					}
					_, err = w.numbered("copy", 4)
					return err
				}),
			},
			{ // what the copy has from its source was never in the copy's own archive
				ConfigFile:  w.late(func() string { return copied + pitrOf("pgplatform_restore.copy", inSource) }),
				ExpectError: says("Restore Cannot Succeed", "before the recovery window"),
			},
			{
				ConfigFile: w.late(func() string { return copied + pitrOf("pgplatform_restore.copy", inCopy) }),
				Check:      check(func() error { return errors.Join(w.numbers("1,2,3"), w.numbersOf("source", "1,2")) }),
			},
			{
				ConfigFile: w.late(func() string { return copied + pitrOf("pgplatform_restore.copy", time.Time{}) }),
				Check:      check(func() error { return errors.Join(w.numbers("1,2,3,4"), w.numbersOf("source", "1,2")) }),
			},
		}),
	})
}

// pitrOf restores a resource to a time, or to the latest state where that is zero.
func pitrOf(source string, at time.Time) string {
	if at.IsZero() {
		return pitrAt(source, "")
	}
	return pitrAt(source, fmt.Sprintf("target_time = %q", at.UTC().Format(time.RFC3339Nano)))
}

// pitrAt restores a resource to a target.
func pitrAt(source, target string) string {
	return fmt.Sprintf(`
resource "pgplatform_restore" "pitr" {
  name                = "pitr"
  source              = { database = %s.id }
  backup              = { enabled = false }
  deletion_protection = false
  %s
}
`, source, target)
}

// restoredFromSource is a restore of pgplatform_database.source that is not backed up.
func restoredFromSource(name, more string) string {
	return fmt.Sprintf(`
resource "pgplatform_restore" %[1]q {
  name                = %[1]q
  source              = { database = pgplatform_database.source.id }
  backup              = { enabled = false }
  deletion_protection = false
  %[2]s
}
`, name, more)
}
