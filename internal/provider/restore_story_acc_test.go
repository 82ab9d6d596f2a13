package provider_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

// examples/restore-story, as somebody lives it: a database, rows, a mistake, a restore to just before it, which becomes the
// database, and the old one retires. What was restored is an ordinary database then: it can be changed and backed up.
func TestAccRestore_story(t *testing.T) {
	t.Parallel()
	onPlatform(t, atLength, testAccRestoreStory)
}

func testAccRestoreStory(t *testing.T, w *world) {
	cli := newWorkdir(t, "", map[string]string{"namespace": w.namespace, "destination_path": fmt.Sprintf("s3://%s/%s", w.store.bucket, w.namespace)})
	if w.kubeConfig != "" {
		cli.variables["kube_config_path"] = w.kubeConfig
	}
	run := func(args ...string) string { return cli.run(append(args, "-input=false", "-no-color")...) }
	apply := func() { run("apply", "-auto-approve") }
	file := func(name string) string {
		content, err := os.ReadFile(filepath.Join("..", "..", "examples", "restore-story", name))
		must(t, err)
		return string(content)
	}
	unprotected := func(name string) string {
		return strings.Replace(file(name), "deletion_protection = true", "deletion_protection = false", 1)
	}
	cli.write("provider.tf", file("provider.tf"))
	cli.write("variables.tf", file("variables.tf"))

	cli.write("database.tf", file("database.tf"))
	apply()
	_, err := w.query("shop", "CREATE TABLE orders (id int); INSERT INTO orders SELECT generate_series(1, 40)")
	must(t, err)
	must(t, w.eventually(func() error { return w.archived("shop") }))
	// The clock of the database: the next commit is the mistake.
	mistake, err := w.query("shop", `SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`)
	must(t, err)
	_, err = w.query("shop", "DELETE FROM orders")
	must(t, err)
	_, err = w.query("shop", "INSERT INTO orders VALUES (101), (102)")
	must(t, err)

	cli.write("restore.tf", file("restore.tf"))
	cli.variables["mistake"], cli.variables["orders"] = mistake, "40"
	apply()
	run("plan", "-detailed-exitcode")
	restored, err := w.cluster("shop-restored")
	must(t, err)

	must(t, os.Remove(filepath.Join(cli.dir, "restore.tf")))
	cli.write("adopted.tf", file("adopted.tf"))
	if plan := run("plan"); !strings.Contains(plan, "pgplatform_restore.shop_restored has moved to pgplatform_database.shop_restored") ||
		!strings.Contains(plan, "Plan: 0 to add, 0 to change, 0 to destroy.") {
		t.Fatalf("the plan to adopt the restored database:\n%s", plan)
	}
	apply()
	run("plan", "-detailed-exitcode")

	cli.write("database.tf", unprotected("database.tf"))
	apply()
	must(t, os.Remove(filepath.Join(cli.dir, "database.tf")))
	apply()
	must(t, errors.Join(w.gone("shop"), w.archived("shop")))

	// A change, and a backup.
	cli.write("adopted.tf", strings.Replace(unprotected("adopted.tf"), `tier = "DEV"`, "tier = \"DEV\"\n  parameters = { work_mem = \"8MB\" }", 1)+`
resource "pgplatform_backup" "of_restored" {
  database = pgplatform_database.shop_restored.id
}
`)
	apply()
	run("plan", "-detailed-exitcode")
	must(t, errors.Join(w.eventually(func() error { return w.setting("shop-restored", "work_mem", "8MB") }), w.archived("shop-restored"), w.recoveredAs(restored)))
	if rows, err := w.query("shop-restored", "SELECT count(*), max(id) FROM orders"); err != nil || rows != "40|40" {
		t.Errorf("the restored database has %s: %v", rows, err)
	}
	run("destroy", "-auto-approve")
	must(t, w.gone("shop-restored"))
}

// recoveredAs: a Cluster is still the one that it was, and says how it was restored.
func (w *world) recoveredAs(before *cnpgv1.Cluster) error {
	cluster, err := w.cluster(before.Name)
	if err != nil {
		return err
	}
	if cluster.UID != before.UID || before.Spec.Bootstrap.Recovery == nil || len(before.Spec.ExternalClusters) != 1 ||
		!equality.Semantic.DeepEqual(cluster.Spec.Bootstrap, before.Spec.Bootstrap) ||
		!equality.Semantic.DeepEqual(cluster.Spec.ExternalClusters, before.Spec.ExternalClusters) {
		return fmt.Errorf("the Cluster was restored by %+v from %+v, and now says %+v from %+v",
			before.Spec.Bootstrap, before.Spec.ExternalClusters, cluster.Spec.Bootstrap, cluster.Spec.ExternalClusters)
	}
	return nil
}
