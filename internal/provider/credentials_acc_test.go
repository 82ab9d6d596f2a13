package provider_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The documented example on the real thing: the password that the PostgreSQL provider gets is the one that PostgreSQL takes, and
// neither state, plan file, log nor output has it. The stand-in for that provider connects as it would, from inside of the cluster.
func TestAccCredentials(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	example, err := os.ReadFile(credentialsExample)
	must(t, err)
	d := newWorkdir(t, w.config(""), nil)
	d.write("example.tf", strings.NewReplacer(
		`"myorg"`, fmt.Sprintf("%q", w.namespace), `  backup    = { schedule = "0 2 * * *" }`, "  tier = \"DEV\"\n  deletion_protection = false",
	).Replace(string(example)))
	const variables = `PGHOST="$PGHOST" PGPORT="$PGPORT" PGDATABASE="$PGDATABASE" PGUSER="$PGUSER" PGPASSWORD="$PGPASSWORD" PGSSLMODE="$PGSSLMODE"`
	// The nodes route a Service to its pod a moment after the pod is ready and CNPG calls the Cluster healthy.
	const patiently = ` sh -c 'until pg_isready -q; do sleep 1; done; exec psql "$@"' psql "$@"` + "\n"
	connect := `exec kubectl --namespace ` + w.namespace + ` exec -i my-db-1 -c postgres -- env ` + variables + patiently
	d.psql(connect)
	d.apply()
	owner, err := w.query("my-db", "SELECT nspowner::regrole FROM pg_namespace WHERE nspname = 'reporting'")
	must(t, err)
	if strings.TrimSpace(owner) != "app" {
		t.Errorf("the schema belongs to %q", owner)
	}
	d.run("plan", "-input=false", "-detailed-exitcode")

	// That it connects shows something only if PostgreSQL takes no other password.
	d.psql("PGPASSWORD=wrong-password\n" + connect)
	if output, err := d.try("plan", "-no-color", "-input=false"); err == nil || !says(`password authentication failed for user "app"`).MatchString(output) {
		t.Errorf("a wrong password: %v\n%s", err, output)
	}
	d.psql(connect)
	application, err := w.core.Secrets(w.namespace).Get(t.Context(), "my-db-app", metav1.GetOptions{})
	must(t, err)
	d.run("destroy", "-auto-approve", "-input=false")
	must(t, w.gone("my-db"))
	d.search(w.namespace, w.namespace, map[string]string{"database's password": string(application.Data["password"])})
}
