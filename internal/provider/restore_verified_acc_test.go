package provider_test

import (
	"errors"
	"fmt"
	"testing"
)

// A restored database that is not as verify expects fails the apply, with both values. It holds data: it is protected, though
// Terraform has marked it, and whoever wants it as it is keeps it.
func TestAccRestore_verified(t *testing.T) {
	t.Parallel()
	onPlatform(t, inShort, testAccRestoreVerified)
}

func testAccRestoreVerified(t *testing.T, w *world) {
	const source = `
resource "pgplatform_database" "source" {
  name                = "source"
  tier                = "DEV"
  backup              = { schedule = "@yearly" }
  deletion_protection = false
}
`
	restore := func(expected, more string) string {
		return cliConfig(w.config(source + `
resource "pgplatform_restore" "copy" {
  name   = "copy"
  source = { database = pgplatform_database.source.id }
  ` + numbersAre(expected) + `
  ` + more + `
}
`))
	}
	cli := newWorkdir(t, cliConfig(w.config(source)), nil)
	run := func(args ...string) string { return cli.run(append(args, "-input=false", "-no-color")...) }
	fails := func(texts []string, args ...string) {
		t.Helper()
		if output, err := cli.try(append(args, "-input=false", "-no-color")...); err == nil || !says(texts...).MatchString(output) {
			t.Fatalf("terraform %s does not say %q: %v\n%s", args[0], texts, err, output)
		}
	}
	run("apply", "-auto-approve")
	_, err := w.query("source", "CREATE TABLE numbers (n int); INSERT INTO numbers VALUES (1), (2)")
	must(t, err)
	must(t, w.eventually(func() error { return w.archived("source") }))

	cli.write("main.tf", restore("1,2,3", ""))
	fails([]string{"Restored Database Is Not as Expected", "verify.query answers in the database app:", "1,2", "verify.expect is:", "1,2,3",
		w.namespace + "/copy is restored", "terraform untaint pgplatform_restore.NAME"}, "apply", "-auto-approve")
	before, err := w.cluster("copy")
	must(t, err)
	// Neither as it was, nor with other inputs, is it thrown away.
	fails([]string{"Already Exists", "terraform untaint pgplatform_restore.NAME"}, "plan")
	cli.write("main.tf", restore("1,2", "target_time = \"2001-01-01T00:00:00Z\""))
	fails([]string{"Already Exists", "terraform untaint pgplatform_restore.NAME"}, "plan")

	cli.write("main.tf", restore("1,2", ""))
	cli.run("untaint", "-no-color", "pgplatform_restore.copy")
	run("apply", "-auto-approve")
	run("plan", "-detailed-exitcode")
	after, err := w.cluster("copy")
	must(t, err)
	if after.UID != before.UID {
		t.Error("the database that was to be kept is another one")
	}
	must(t, w.archives("copy"))

	cli.write("main.tf", restore("1,2", "deletion_protection = false"))
	run("apply", "-auto-approve")
	run("destroy", "-auto-approve")
	must(t, errors.Join(w.gone("copy"), w.gone("source")))
}

// numbersAre verifies which numbers are in a restored database.
func numbersAre(numbers string) string {
	return fmt.Sprintf(`verify = { query = "SELECT string_agg(n::text, ',' ORDER BY n) FROM numbers", expect = %q }`, numbers)
}

// cliConfig is a configuration for the CLI.
func cliConfig(config string) string {
	return "terraform {\n  required_providers { pgplatform = { source = \"pgplatform/pgplatform\" } }\n}\n" + config
}
