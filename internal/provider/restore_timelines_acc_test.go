package provider_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
)

// A restored database is a database: what is committed there is restored from its own archive, to any time since that has a base
// backup, on a timeline that its source does not know; and its latest state is that of the moment.
func TestAccRestore_ofARestore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
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
