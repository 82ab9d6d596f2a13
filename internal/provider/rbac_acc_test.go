package provider_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// TestAccLeastRole lives the life of two databases, one by each method, with the roles of examples/rbac and no other rights: they are made,
// backed up, changed in place, read for their owner's login, restored and destroyed. What is refused of it without each of the rights
// internal/rights shows.
func TestAccLeastRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	connection, err := cnpg.Connection{ConfigPaths: []string{env(t, "KUBE_CONFIG_PATH")}}.RESTConfig(t.Context())
	must(t, err)
	provider := fmt.Sprintf("kubernetes = {\n    host = %q\n    token = %q\n    cluster_ca_certificate = %q\n  }\n  object_store = {",
		connection.Host, w.leastToken(connection), connection.CAData)
	config := func(more string) string {
		return cliConfig(strings.Replace(w.config(more), "object_store = {", provider, 1))
	}
	const source = `
resource "pgplatform_database" "source" {
  for_each            = { intree = "barmanObjectStore", plugin = "plugin" }
  name                = "source-${each.key}"
  tier                = "DEV"
  deletion_protection = false
  backup              = { schedule = "@yearly", method = each.value }
}

resource "pgplatform_backup" "now" {
  for_each = pgplatform_database.source
  database = each.value.id
}

data "pgplatform_backups" "all" {
  for_each   = pgplatform_database.source
  database   = each.value.id
  depends_on = [pgplatform_backup.now]
}

output "backups" {
  value = [for method, d in data.pgplatform_backups.all : method if length(d.backups) > 0]
}
`
	cli := newWorkdir(t, config("data \"pgplatform_database\" \"other\" {\n  name = \"other\"\n  namespace = \"default\"\n}\n"), nil)
	// The control: who asks is the service account, and what is not in its roles is refused.
	if output, err := cli.try("plan", "-input=false", "-no-color"); err == nil || !says(
		fmt.Sprintf(`User "system:serviceaccount:%s:terraform" cannot get resource "clusters"`, w.namespace), `in the namespace "default"`).MatchString(output) {
		t.Fatalf("in another namespace nothing is refused: %v\n%s", err, output)
	}
	run := func(args ...string) string {
		t.Helper()
		output := cli.run(append(args, "-input=false", "-no-color")...)
		if strings.Contains(output, "orbidden") || strings.Contains(output, "Without a Right") || strings.Contains(output, "Not Flushed") {
			t.Errorf("terraform %s lacks a right:\n%s", args[0], output)
		}
		return output
	}
	cli.write("main.tf", config(source))
	run("apply", "-auto-approve")
	if output := cli.run("output", "-json", "backups"); strings.TrimSpace(output) != `["intree","plugin"]` {
		t.Errorf("backups are listed of %s", output)
	}
	for _, name := range []string{"source-intree", "source-plugin"} {
		_, err = w.query(name, "CREATE TABLE numbers (n int); INSERT INTO numbers VALUES (1), (2)")
		must(t, err)
	}
	changed := strings.Replace(source, `schedule = "@yearly"`, `schedule = "@monthly"`, 1)
	cli.write("main.tf", config(strings.Replace(changed, "deletion_protection = false", "deletion_protection = false\n  labels = { team = \"a\" }", 1)+`
ephemeral "pgplatform_credentials" "owner" {
  for_each = pgplatform_database.source
  database = each.value.id
  lifecycle {
    postcondition {
      condition     = self.username == "app" && self.password != ""
      error_message = "It is no login."
    }
  }
}

resource "pgplatform_restore" "copy" {
  for_each            = pgplatform_database.source
  name                = "copy-${each.key}"
  source              = { database = each.value.id }
  deletion_protection = false
  backup              = { schedule = "@yearly", method = each.value.backup.method }
  `+numbersAre("1,2")+`
}
`))
	output := run("apply", "-auto-approve") // what was just committed is restored: the sources were flushed
	for _, said := range []string{
		"Resources: 2 added, 2 changed, 0 destroyed.",
		`ephemeral.pgplatform_credentials.owner["intree"]: Opening complete`, `ephemeral.pgplatform_credentials.owner["plugin"]: Opening complete`,
	} {
		if !strings.Contains(output, said) {
			t.Errorf("terraform apply does not say %q:\n%s", said, output)
		}
	}
	run("plan", "-detailed-exitcode")
	run("destroy", "-auto-approve")
	for _, name := range []string{"source-intree", "source-plugin", "copy-intree", "copy-plugin"} {
		must(t, w.gone(name))
	}
}

// leastToken applies examples/rbac as it is to the test's namespace, binds the role that is not in a namespace as the guide says, and gives
// a token of the service account.
func (w *world) leastToken(connection *rest.Config) string {
	w.t.Helper()
	api, err := kubernetes.NewForConfig(connection)
	must(w.t, err)
	files, err := filepath.Glob(filepath.Join("..", "..", "examples", "rbac", "*.yaml"))
	must(w.t, err)
	ctx, create := w.t.Context(), metav1.CreateOptions{}
	strict := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	for _, file := range files {
		content, err := os.ReadFile(file)
		must(w.t, err)
		documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
		for document, err := documents.Read(); len(document) > 0; document, err = documents.Read() {
			must(w.t, err)
			object, _, err := strict.Decode(document, nil, nil)
			must(w.t, err)
			switch o := object.(type) {
			case *corev1.ServiceAccount:
				_, err = api.CoreV1().ServiceAccounts(w.namespace).Create(ctx, o, create)
			case *rbacv1.Role:
				_, err = api.RbacV1().Roles(w.namespace).Create(ctx, o, create)
			case *rbacv1.RoleBinding:
				_, err = api.RbacV1().RoleBindings(w.namespace).Create(ctx, o, create)
			case *rbacv1.ClusterRole:
				o.Name = w.namespace // tests run side by side
				_, err = api.RbacV1().ClusterRoles().Create(ctx, o, create)
			default:
				w.t.Fatalf("%s has a %T", file, object)
			}
			must(w.t, err)
		}
	}
	_, err = api.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: w.namespace},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: w.namespace},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: w.namespace, Name: "terraform"}},
	}, create)
	must(w.t, err)
	w.t.Cleanup(func() {
		must(w.t, errors.Join(
			api.RbacV1().ClusterRoleBindings().Delete(context.Background(), w.namespace, metav1.DeleteOptions{}),
			api.RbacV1().ClusterRoles().Delete(context.Background(), w.namespace, metav1.DeleteOptions{}),
		))
	})
	token, err := api.CoreV1().ServiceAccounts(w.namespace).CreateToken(ctx, "terraform", &authenticationv1.TokenRequest{}, create)
	must(w.t, err)
	return token.Status.Token
}
