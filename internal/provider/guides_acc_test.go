package provider_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typedrbacv1 "k8s.io/client-go/kubernetes/typed/rbac/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// The guides are followed on the platform, by their own text: a page that no longer does what it says fails. What is another word here
// than in the page, such as a namespace, stands where the page is opened.

// Who follows "Get started" sees what it says: the rows are gone from the one database and there in the other, and a target that the
// archive does not reach is refused.
func TestAccGuide_getStarted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newReader(w, nil)
	r.open("templates/guides/get-started.md",
		"provider \"pgplatform\" {\n", "provider \"pgplatform\" {\n  namespace = \""+w.namespace+"\"\n", // else default
		"/get-started\"\n", "/"+w.namespace+"\"\n", // the folder in S3
	)
	// The platform is in the place of the page's own cluster, and sets the variables that are exported for that.
	for _, c := range r.under("With kind") {
		for _, variable := range givenVariable.FindAllStringSubmatch(c.text, -1) {
			env(t, "TF_VAR_"+variable[1])
		}
	}

	made := r.follow("A database")
	r.prints(made[0].worked(t), "successfully initialized", "Apply complete! Resources: 2 added")
	r.prints(r.run("kubectl get clusters,pods,backups,scheduledbackups\n"),
		"cluster.postgresql.cnpg.io/shop", "pod/shop-1", "backup.postgresql.cnpg.io/shop-", "completed", "scheduledbackup.postgresql.cnpg.io/shop")
	r.prints(r.follow("A mistake")[0].worked(t), "before = ")

	restored := r.follow("The state before it")
	counts := regexp.MustCompile(`# (\d+)\n`).FindAllStringSubmatch(restored[0].typed, -1)
	shown := "\n" + counts[0][1] + "\n" + counts[1][1] + "\n"
	r.prints(restored[0].worked(t), "Apply complete! Resources: 1 added", shown)
	if _, planned, _ := strings.Cut(restored[0].output, shown); strings.Contains(planned, "\nPlan: ") {
		t.Errorf("the plan after it changes the databases:\n%s", planned)
	}
	if refused := restored[1]; len(refused.failed) != 1 || !says("Restore Cannot Succeed", "2001-01-01 00:00:00 UTC", "lies before the recovery window", "Nothing was changed").MatchString(refused.output) {
		t.Errorf("it is not refused: %q\n%s", refused.failed, refused.output)
	}

	r.prints(r.follow("Clean up")[0].worked(t), "Destroy complete! Resources: 3 destroyed")
	must(t, errors.Join(w.gone("shop"), w.gone("shop-before"), w.archived("shop")))
}

// Who follows "Restore after data loss" finds the moment, sees how far the restore is, and has the rows back: in the restored database
// and, when they are copied, in the old one. The old one is then cloned, and goes over to the plugin, by the guides to that.
func TestAccGuides_orders(t *testing.T) {
	t.Parallel()
	if os.Getenv("TF_ACC") != "" && os.Getenv("PGPLATFORM_LONG") == "" {
		t.Skip("it takes minutes: make testlong runs it")
	}
	w := newWorld(t)
	w.kubeConfig = "~/.kube/config"
	r := newReader(w, nil)
	r.writeAs("provider.tf", cliConfig(w.config("")))
	r.writeAs("orders.tf", "resource \"pgplatform_database\" \"orders\" {\n  name = \"orders\"\n  tier = \"DEV\"\n  backup = { schedule = \"0 2 * * *\", retention_days = 30 }\n}\n")
	r.writeAs("before.tf", "resource \"pgplatform_backup\" \"before\" {\n  database = pgplatform_database.orders.id\n}\n")
	r.run("terraform init\nterraform apply\n")
	for _, sql := range []string{
		"CREATE TABLE orders (id int PRIMARY KEY, created_at timestamptz DEFAULT clock_timestamp())",
		"INSERT INTO orders SELECT generate_series(1, 41)", "DELETE FROM orders", "INSERT INTO orders VALUES (42)",
	} {
		_, err := w.query("orders", sql)
		must(t, err)
	}
	restoreAfterDataLoss(w, r)
	cloneToStaging(w)
	migrateToPlugin(w, r)
}

func restoreAfterDataLoss(w *world, r *reader) {
	t := w.t
	t.Helper()
	r.open("templates/guides/restore-after-data-loss.md", "myorg", w.namespace)
	find := r.under("Find the moment")
	found := regexp.MustCompile(`(?m)^(\S+ \S+) UTC transaction \d+ DELETE 41 rows$`).FindStringSubmatch(r.run(find[0].text))
	if found == nil {
		t.Fatal("the script does not find the moment")
	}
	deleted, err := time.Parse("2006-01-02 15:04:05.999999", found[1])
	must(t, err)
	r.replace("2026-03-26T12:00:07.009836Z", deleted.Add(-time.Microsecond).Format("2006-01-02T15:04:05.000000Z07:00"))
	r.writeAs("backups.tf", find[len(find)-1].text)

	// The apply of the restore is the one that is watched from another terminal; the one without a log has nothing left to do.
	restore := r.under("Restore to a moment")
	r.write(restore[0])
	commands := strings.Split(r.under("What one sees meanwhile, and for how long")[0].text, "\n")
	seen := r.watch(commands[2], func() {
		r.prints(r.run(commands[0]+"\n"), "Apply complete! Resources: 1 added")
	})
	r.prints(seen, "progress=\"", "pod orders-restored-1-full-recovery-")
	r.prints(r.run(restore[1].text), "Apply complete! Resources: 0 added, 0 changed, 0 destroyed")

	r.prints(r.run(r.under("3. Verify")[0].text), "    41 | ")
	cutOver := r.under("4. Cut over")
	count := func(want string) {
		t.Helper()
		if rows, err := w.query("orders", "SELECT count(*) FROM orders"); err != nil || rows != want {
			t.Fatalf("the old database has %s rows, %v; want %s", rows, err, want)
		}
	}
	count("1")
	r.run(cutOver[0].text)
	count("42")
	if again := r.try(cutOver[0].text); len(again.failed) != 1 || !strings.Contains(again.output, "duplicate key value") {
		t.Errorf("rows that are there already are copied: %q\n%s", again.failed, again.output)
	}
	count("42")
	r.prints(r.run(cutOver[1].text), "connection_info", "\"orders-restored-rw."+w.namespace+".svc\"", "\"orders-restored-app\"", "    }\n", "\norders-restored-app ")
}

// watch runs a command in another terminal while something is done in this one, and gives what it prints.
func (r *reader) watch(command string, meanwhile func()) string {
	r.t.Helper()
	// Only the first command of the pipeline is ended, so that the others print what they have.
	watching := exec.CommandContext(r.t.Context(), "bash", "-c", "set -m\n"+command+" &\ntrap 'kill $(jobs -p %1)' TERM\nwait\nwait\n")
	var seen bytes.Buffer
	watching.Dir, watching.Stdout, watching.Stderr = r.folder, &seen, &seen
	must(r.t, watching.Start())
	end := sync.OnceFunc(func() {
		_ = watching.Process.Signal(syscall.SIGTERM)
		_ = watching.Wait() // by the signal
	})
	defer end()
	meanwhile()
	end()
	r.t.Logf("$ %s\n%s", command, &seen)
	return seen.String()
}

func cloneToStaging(w *world) {
	t := w.t
	t.Helper()
	staging := w.namespaceBeside("staging")
	r := newReader(w, nil)
	r.open("templates/guides/clone-production-to-staging.md",
		"\"production/orders\"", "\""+w.namespace+"/orders\"", "namespace = \"staging\"", "namespace = \""+staging+"\"", "-n staging", "-n "+staging)
	r.writeAs("provider.tf", cliConfig(w.config("")))
	r.write(r.under("Clone production to staging")[0])
	r.run("terraform init\nterraform apply\n")
	newest := fmt.Sprintf("kubectl exec -n %s orders-1 -c postgres -- psql -Atc 'SELECT count(*), date_part($$year$$, max(created_at)) FROM orders' app\n", staging)
	r.writeAs("mask.sql", "UPDATE orders SET created_at = '2001-01-01';\n")
	r.run(r.under("Masking")[0].text)
	r.prints(r.run(newest), "42|2001\n")
	r.prints(r.run(r.under("Refresh")[0].text), "Apply complete! Resources: 1 added, 0 changed, 1 destroyed")
	r.prints(r.run(newest), "42|"+time.Now().UTC().Format("2006")+"\n")
}

func migrateToPlugin(w *world, r *reader) {
	t := w.t
	t.Helper()
	r.open("templates/guides/migrate-to-barman-cloud-plugin.md", "myorg", w.namespace, "\"STANDARD\"", "\"DEV\"")
	_, rollout, _ := strings.Cut(r.under("1. Install the plugin")[0].text, "\n") // the platform has the plugin
	r.prints(r.run(rollout), "successfully rolled out")
	look := r.under("3. Look")
	left, database := look[2].text, "\n"+w.namespace+"/orders s3://"
	r.prints("\n"+r.run(left), database)

	r.writeAs("orders.tf", r.under("2. Change a database")[0].text)
	r.prints(r.run("terraform apply -target=pgplatform_database.orders\n"), "~ method ", "\"barmanObjectStore\" -> \"plugin\"", "0 added, 1 changed, 0 destroyed")
	r.prints(r.run(look[0].text), "cluster.postgresql.cnpg.io/orders ", "objectstore.barmancloud.cnpg.io/orders-backup ",
		"scheduledbackup.postgresql.cnpg.io/orders ", "backup.postgresql.cnpg.io/orders-", "orders-1 ", "2/2 ")
	r.writeAs("backups.tf", look[1].text)
	r.prints(r.run("terraform apply\n"), "0 added, 0 changed, 0 destroyed", "\"method\" = \"plugin\"", "\"newest\" = \"COMPLETED\"", "\"windows\"", "\"works\" = true")
	if output := "\n" + r.run(left); strings.Contains(output, database) || !strings.Contains(output, "\n"+w.namespace+"/orders-restored s3://") {
		t.Errorf("these Clusters are left:\n%s", output)
	}
}

// Who follows the guide to adoption imports the Cluster of its manifest, as the operator has completed it, and lets go of it again. None
// of its pods has to run for that.
func TestAccGuide_adopt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newReader(w, nil)
	r.open("templates/guides/adopt.md", "myorg", w.namespace)
	r.writeAs("orders.yaml", r.under("What is there")[0].text)
	r.run("kubectl create secret generic orders-s3 --from-literal=ACCESS_KEY_ID=a --from-literal=ACCESS_SECRET_KEY=b\nkubectl apply -f orders.yaml\n")
	same := r.under("The same as a resource")
	r.writeAs("main.tf", same[0].text)
	r.run("terraform init")
	r.prints(r.run(same[1].text), strings.TrimSpace(same[2].text))
	r.prints(r.run("terraform apply\n"), "Apply complete! Resources: 1 imported, 0 added, 0 changed, 0 destroyed")
	made, err := w.cluster("orders")
	must(t, err)

	settings, _, _ := strings.Cut(same[0].text, "import {")
	back := r.under("And back")[0]
	said := regexp.MustCompile("that it `(.+?)`").FindStringSubmatch(back.prose)
	r.writeAs("main.tf", settings+back.text)
	r.prints(r.run("terraform apply\n"), said[1], "0 added, 0 changed, 0 destroyed")
	now, err := w.cluster("orders")
	must(t, err)
	if now.UID != made.UID || now.Generation != made.Generation {
		t.Errorf("the Cluster is another one: %s, generation %d, and before %s, %d", now.UID, now.Generation, made.UID, made.Generation)
	}
}

// Who gives a service account the rights of the one guide has, by the commands of the other, all that a plan without a kubeconfig needs.
func TestAccGuides_rightsAndCI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	myorg, staging, production := w.namespace+"-myorg", w.namespaceBeside("staging"), w.namespaceBeside("production")
	w.removesAfterwards(myorg)
	w.removesRole(w.namespace, "terraform-"+myorg)
	r := newReader(w, nil)
	r.open("templates/guides/least-rights.md.tmpl",
		"myorg", myorg, "--namespace staging", "--namespace "+staging, "namespace: staging", "namespace: "+staging, "--namespace production", "--namespace "+production,
		"--clusterrole=pgplatform ", "--clusterrole="+w.namespace+" ",
		// The files of this commit, with the same words replaced.
		"git clone https://github.com/pgplatform/terraform-provider-pgplatform\n", "mkdir terraform-provider-pgplatform\ncp -r \""+absoluteRoot(t)+"/examples\" terraform-provider-pgplatform/\n"+
			"sed -i 's/myorg/"+myorg+"/; s/^  name: pgplatform$/  name: "+w.namespace+"/' terraform-provider-pgplatform/examples/rbac/cluster-role.yaml terraform-provider-pgplatform/examples/rbac/source/source.yaml\n",
	)
	can := func(who, verb, namespace string) bool {
		t.Helper()
		result := r.try(fmt.Sprintf("kubectl auth can-i %s clusters.postgresql.cnpg.io --namespace %s --as system:serviceaccount:%s:terraform\n", verb, namespace, who))
		return len(result.failed) == 0 && strings.HasSuffix(result.output, "yes\n")
	}
	bindings := func(namespace string) string {
		return r.run("kubectl get rolebindings --output name --namespace " + namespace + "\n")
	}
	for _, typed := range r.follow("In Kubernetes") {
		typed.worked(t)
	}
	if !can(myorg, "create", myorg) || !can(myorg, "create", staging) || can(myorg, "get", production) {
		t.Error("the service account does not have the roles, or more than them")
	}
	if here, there := bindings(myorg), bindings(staging); here != there {
		t.Errorf("another namespace has the bindings\n%s\nand not\n%s", there, here)
	}
	r.follow("Restores")[0].worked(t)
	if !can(staging, "get", production) || can(staging, "patch", production) || can(myorg, "get", production) {
		t.Error("the service account of the restores cannot read their source, or more than that")
	}

	ci := newReader(w, map[string]string{
		"TF_VAR_backup_keys": asVariable(t, map[string]string{"access_key_id": w.store.accessKeyID, "secret_access_key": w.store.secretAccessKey}),
	})
	ci.open("templates/guides/terraform-cloud-and-ci.md", "myorg", myorg, "acme-postgres-backups/prod", w.store.bucket+"/"+w.namespace)
	page := ci.under("A host, a certificate and a token")
	ci.write(page[0])
	commands := strings.Split(page[1].text, "\n")
	for i, variable := range []string{"kube_token", "kube_host", "kube_ca"} {
		ci.run("export TF_VAR_" + variable + "=\"$(" + commands[i] + ")\"\n")
	}
	plan, _, _ := strings.Cut(ci.under("Plan in one place, apply in another")[0].text, "\n")
	ci.run("terraform init")
	ci.prints(ci.run(plan+"\n"), "Plan: 1 to add, 0 to change, 0 to destroy")
	if refused := ci.try("TF_VAR_kube_token=another " + plan + "\n"); len(refused.failed) == 0 || !strings.Contains(refused.output, "Unauthorized") {
		t.Errorf("another token will do, too: %q\n%s", refused.failed, refused.output)
	}
}

// namespaceBeside makes another namespace for the test.
func (w *world) namespaceBeside(name string) string {
	w.t.Helper()
	name = w.namespace + "-" + name
	_, err := w.core.Namespaces().Create(w.t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	must(w.t, err)
	w.removesAfterwards(name)
	return name
}

func (w *world) removesAfterwards(namespace string) {
	w.t.Cleanup(func() {
		if !w.t.Failed() {
			must(w.t, w.core.Namespaces().Delete(context.Background(), namespace, metav1.DeleteOptions{}))
		}
	})
}

// removesRole removes what is in no namespace, also when the test fails.
func (w *world) removesRole(role, binding string) {
	connection, err := cnpg.Connection{ConfigPaths: []string{env(w.t, "KUBE_CONFIG_PATH")}}.RESTConfig(w.t.Context())
	must(w.t, err)
	api, err := typedrbacv1.NewForConfig(connection)
	must(w.t, err)
	w.t.Cleanup(func() {
		if err := errors.Join(
			api.ClusterRoleBindings().Delete(context.Background(), binding, metav1.DeleteOptions{}),
			api.ClusterRoles().Delete(context.Background(), role, metav1.DeleteOptions{}),
		); err != nil {
			w.t.Error(err)
		}
	})
}

func absoluteRoot(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(root)
	must(t, err)
	return path
}
