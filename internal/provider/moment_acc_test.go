package provider_test

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
)

// TestAccGuideFindsTheMoment pastes the script of "Restore after data loss" that reads the WAL for the moment of a mistake: what it
// prints is what PostgreSQL knows of the transaction, to the microsecond.
func TestAccGuideFindsTheMoment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page, _ := pageNamed(t, "templates/guides/restore-after-data-loss.md")
	script := strings.Replace(page.code[0].text, "-n myorg", "-n "+w.namespace, 1)
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories,
		Steps: []resource.TestStep{{
			Config: w.config(`
resource "pgplatform_database" "orders" {
  name                = "orders"
  tier                = "DEV"
  backup              = { enabled = false }
  parameters          = { track_commit_timestamp = "on" }
  deletion_protection = false
}`),
			Check: check(func() error {
				for _, sql := range []string{"CREATE TABLE orders AS SELECT generate_series(1, 41) AS id", "INSERT INTO orders VALUES (42)"} {
					if _, err := w.query("orders", sql); err != nil {
						return err
					}
				}
				id, err := w.query("orders", "WITH gone AS (DELETE FROM orders WHERE id < 42 RETURNING id) SELECT txid_current() FROM gone LIMIT 1")
				if err != nil {
					return err
				}
				at, err := w.query("orders", fmt.Sprintf("SELECT to_char(pg_xact_commit_timestamp('%s') AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')", id))
				if err != nil {
					return err
				}
				// Right after the end of a segment, PostgreSQL names one that may not be there yet.
				if _, err := w.query("orders", "SELECT pg_switch_wal()"); err != nil {
					return err
				}
				want := fmt.Sprintf("%s UTC transaction %s DELETE 41 rows", at, id)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				out, err := exec.CommandContext(ctx, "bash", "-c", script).CombinedOutput()
				if err != nil || !strings.Contains(string(out), "INSERT 1 rows\n"+want+"\n") {
					return fmt.Errorf("the script does not print %q, but: %w\n%s", want, err, out)
				}
				return nil
			}),
		}},
	})
}
