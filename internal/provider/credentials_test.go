package provider_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-testing/echoprovider"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
	"github.com/hashicorp/terraform-plugin-testing/tfversion"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
)

// withEphemeral is a test case for CLIs that know ephemeral resources: Terraform 1.10, OpenTofu 1.11. The provider echo keeps in
// the state what it is configured with, so that tests can look at it.
func withEphemeral(steps ...resource.TestStep) resource.TestCase {
	first := tfversion.Version1_10_0
	if isOpenTofu() {
		first = tfversion.Version1_11_0
	}
	return resource.TestCase{
		TerraformVersionChecks: []tfversion.TerraformVersionCheck{tfversion.SkipBelow(first)},
		Steps:                  steps,
	}
}

// isOpenTofu tells whether findCLI has found OpenTofu.
func isOpenTofu() bool { return os.Getenv("TF_ACC_PROVIDER_HOST") != "" }

func echoed(t *testing.T, steps ...resource.TestStep) {
	t.Helper()
	must(t, findCLI())
	c := withEphemeral(steps...)
	c.ProtoV6ProviderFactories = maps.Clone(onFakes)
	c.ProtoV6ProviderFactories["echo"] = echoprovider.NewProviderServer()
	resource.UnitTest(t, c)
}

// credentialsOf echoes the credentials of a database.
func credentialsOf(database string) string {
	return fmt.Sprintf(`
ephemeral "pgplatform_credentials" "app" {
  database = %s
}

provider "echo" {
  data = ephemeral.pgplatform_credentials.app
}

resource "echo" "app" {}
`, database)
}

// login is a Secret with a role's password, as CNPG makes it.
func login(name, username, password string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: name},
		Type:       corev1.SecretTypeBasicAuth,
		Data:       map[string][]byte{"username": []byte(username), "password": []byte(password)},
	}
}

// logins has the operator of the fakes make the Secret of each new Cluster, as CNPG does.
func (f *fakes) logins(password string) {
	f.kube.React(func(e apitest.Event) {
		c := apitest.As[cnpgv1.Cluster](e.Object)
		if c == nil || e.Type != watch.Added || c.Spec.Bootstrap == nil {
			return
		}
		owner := "app"
		if initdb := c.Spec.Bootstrap.InitDB; initdb != nil {
			owner = initdb.Owner
		}
		secret := login(c.Name+"-app", owner, password)
		secret.Namespace = c.Namespace
		secret.Data["uri"] = fmt.Appendf(nil, "postgresql://%s:%s@%s-rw.%s:5432/", owner, password, c.Name, c.Namespace)
		secret.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(c, cnpgv1.SchemeGroupVersion.WithKind("Cluster"))}
		f.kube.Put(secret)
	})
}

func echoes(attributes map[string]knownvalue.Check) []statecheck.StateCheck {
	return []statecheck.StateCheck{statecheck.ExpectKnownValue("echo.app", tfjsonpath.New("data"), knownvalue.ObjectExact(attributes))}
}

// The credentials of a database that the same apply makes are read when it is there, and agree with what the database says.
func TestCredentials(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testCredentials)
}

func testCredentials(t *testing.T) {
	t.Parallel()
	f := operated(t)
	f.logins("of/the app?&")
	made := f.config(database(unprotected + `
  database_name = "shop"
  owner         = "seller"
  backup        = { schedule = "@daily" }`))
	attributes := map[string]knownvalue.Check{
		"database":      knownvalue.StringExact("myorg/my-db"),
		"username":      knownvalue.StringExact("seller"),
		"password":      knownvalue.StringExact("of/the app?&"),
		"database_name": knownvalue.StringExact("shop"),
		"host":          knownvalue.StringExact("my-db-rw.myorg.svc"),
		"port":          knownvalue.Int64Exact(5432),
		"uri":           knownvalue.StringExact("postgresql://seller:of%2Fthe%20app%3F&@my-db-rw.myorg.svc:5432/shop"),
		"jdbc_uri":      knownvalue.StringExact("jdbc:postgresql://my-db-rw.myorg.svc:5432/shop?password=of%2Fthe+app%3F%26&user=seller"),
	}
	connection := tfjsonpath.New("connection_info")
	rotated := maps.Clone(attributes)
	rotated["password"] = knownvalue.StringExact("new")
	rotated["uri"] = knownvalue.StringExact("postgresql://seller:new@my-db-rw.myorg.svc:5432/shop")
	rotated["jdbc_uri"] = knownvalue.StringExact("jdbc:postgresql://my-db-rw.myorg.svc:5432/shop?password=new&user=seller")
	echoed(t,
		resource.TestStep{
			Config: made + credentialsOf(db+".id"),
			ConfigStateChecks: append(echoes(attributes),
				statecheck.ExpectKnownValue(db, connection.AtMapKey("host"), attributes["host"]),
				statecheck.ExpectKnownValue(db, connection.AtMapKey("port"), attributes["port"]),
				statecheck.ExpectKnownValue(db, connection.AtMapKey("database"), attributes["database_name"]),
				statecheck.ExpectKnownValue(db, connection.AtMapKey("username"), attributes["username"]),
				statecheck.ExpectKnownValue(db, connection.AtMapKey("secret_name"), knownvalue.StringExact("my-db-app")),
			),
		},
		// A password that was changed there counts, although CNPG leaves the URI in the Secret as it was.
		resource.TestStep{
			PreConfig: func() {
				apitest.Edit(f.kube, fakeNamespace, "my-db-app", func(s *corev1.Secret) { s.Data["password"] = []byte("new") })
			},
			Config: made + strings.ReplaceAll(credentialsOf(db+".id"), `"echo" "app" {}`, `"echo" "again" {}`),
			ConfigStateChecks: []statecheck.StateCheck{
				statecheck.ExpectKnownValue("echo.again", tfjsonpath.New("data"), knownvalue.ObjectExact(rotated)),
			},
		},
	)
}

// Reading them takes the rights to get one Cluster and one Secret, and changes nothing.
func TestCredentialsAskForLittle(t *testing.T) {
	t.Parallel()
	f := newFakes(t)
	cluster := source()
	cluster.Spec.Plugins = []cnpgv1.PluginConfiguration{{Name: barmancloud.PluginName, Parameters: map[string]string{barmancloud.ObjectStoreParameter: "my-db"}}}
	f.kube.Put(cluster, login("my-db-app", "app", "secret-of-app"))
	echoed(t, resource.TestStep{Config: f.config(credentialsOf(`"myorg/my-db"`))})
	asked := apitest.Summaries(f.kube.Requests())
	slices.Sort(asked)
	if asked = slices.Compact(asked); !slices.Equal(asked, []string{"get clusters myorg/my-db", "get secrets myorg/my-db-app"}) {
		t.Errorf("requests: %v", asked)
	}
}

// A Cluster that names a Secret of its own for the owner has the login there.
func TestCredentialsOfClustersOfOthers(t *testing.T) {
	t.Parallel()
	named := &cnpgv1.LocalObjectReference{Name: "sellers"}
	for name, c := range map[string]struct {
		bootstrap *cnpgv1.BootstrapConfiguration
		secret    *corev1.Secret
		database  string
	}{
		"nothing said":           {nil, login("my-db-app", "app", "secret-1"), "app"},
		"an owner's own Secret":  {&cnpgv1.BootstrapConfiguration{InitDB: &cnpgv1.BootstrapInitDB{Database: "shop", Owner: "seller", Secret: named}}, login("sellers", "seller", "secret-2"), "shop"},
		"restored":               {&cnpgv1.BootstrapConfiguration{Recovery: &cnpgv1.BootstrapRecovery{Source: "origin", Database: "shop", Owner: "seller"}}, login("my-db-app", "seller", "secret-3"), "shop"},
		"restored, named Secret": {&cnpgv1.BootstrapConfiguration{Recovery: &cnpgv1.BootstrapRecovery{Source: "origin", Database: "shop", Owner: "seller", Secret: named}}, login("sellers", "seller", "secret-4"), "shop"},
		"copied, named Secret":   {&cnpgv1.BootstrapConfiguration{PgBaseBackup: &cnpgv1.BootstrapPgBaseBackup{Source: "origin", Database: "shop", Owner: "seller", Secret: named}}, login("sellers", "seller", "secret-5"), "shop"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakes(t)
			f.kube.Put(&cnpgv1.Cluster{
				ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "my-db"},
				Spec:       cnpgv1.ClusterSpec{Instances: 1, Bootstrap: c.bootstrap},
			}, c.secret)
			username, password := string(c.secret.Data["username"]), string(c.secret.Data["password"])
			echoed(t, resource.TestStep{Config: f.config(credentialsOf(`"myorg/my-db"`)), ConfigStateChecks: echoes(map[string]knownvalue.Check{
				"database":      knownvalue.StringExact("myorg/my-db"),
				"username":      knownvalue.StringExact(username),
				"password":      knownvalue.StringExact(password),
				"database_name": knownvalue.StringExact(c.database),
				"host":          knownvalue.StringExact("my-db-rw.myorg.svc"),
				"port":          knownvalue.Int64Exact(5432),
				"uri":           knownvalue.StringExact(fmt.Sprintf("postgresql://%s:%s@my-db-rw.myorg.svc:5432/%s", username, password, c.database)),
				"jdbc_uri":      knownvalue.StringExact(fmt.Sprintf("jdbc:postgresql://my-db-rw.myorg.svc:5432/%s?password=%s&user=%s", c.database, password, username)),
			})})
		})
	}
}

// What keeps the credentials from being read is said, with what to do.
func TestCredentialsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	const summary = "Unable to Read Credentials"
	for name, c := range map[string]struct {
		database string
		scene    func(f *fakes)
		says     []string
	}{
		"no database": {scene: func(*fakes) {}, says: []string{
			"Cluster myorg/my-db: not found.", "refer to its id", "database = pgplatform_database.NAME.id",
		}},
		"a database that may not be read": {
			scene: func(f *fakes) {
				f.kube.Fail(apitest.Each(apitest.VerbGet, "clusters", apitest.Fault{Status: 403, Message: `clusters.postgresql.cnpg.io "my-db" is forbidden: User "ci" cannot get resource "clusters" in API group "postgresql.cnpg.io" in the namespace "myorg"`}))
			},
			says: []string{"Cluster myorg/my-db: forbidden", `cannot get resource "clusters"`},
		},
		"no Secret": {scene: func(f *fakes) { f.kube.Put(source()) }, says: []string{
			"Secret myorg/my-db-app: not found.", "CloudNativePG makes this Secret", "kubectl describe cluster my-db -n myorg",
		}},
		"a Secret that may not be read": {
			scene: func(f *fakes) {
				f.kube.Put(source(), login("my-db-app", "app", "hidden-password"))
				f.kube.Fail(apitest.Each(apitest.VerbGet, "secrets", apitest.Fault{Status: 403, Message: `secrets "my-db-app" is forbidden: User "ci" cannot get resource "secrets" in API group "" in the namespace "myorg"`}))
			},
			says: []string{"Secret myorg/my-db-app: forbidden", `User "ci" cannot get resource "secrets"`, "needs the verb get on it"},
		},
		"a Secret without a password": {
			scene: func(f *fakes) { f.kube.Put(source(), login("my-db-app", "app", "")) },
			says:  []string{"Secret myorg/my-db-app: it has no password."},
		},
		"a Secret without a user name": {
			scene: func(f *fakes) { f.kube.Put(source(), login("my-db-app", "", "hidden-password")) },
			says:  []string{"Secret myorg/my-db-app: it has no username."},
		},
		"a name alone": {database: `"my-db"`, scene: func(*fakes) {}, says: []string{"of the form namespace/name"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakes(t)
			c.scene(f)
			database, summary := c.database, summary
			if database == "" {
				database = `"myorg/my-db"`
			} else {
				summary = "Invalid Attribute Value"
			}
			echoed(t, resource.TestStep{Config: f.config(credentialsOf(database)), ExpectError: says(append([]string{summary}, c.says...)...)})
		})
	}
}

func source() *cnpgv1.Cluster {
	return &cnpgv1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "my-db"},
		Spec:       cnpgv1.ClusterSpec{Instances: 1},
	}
}

// A Kubernetes cluster that the same apply decides about is no obstacle to a plan that is to read credentials in it. OpenTofu takes no
// unknown answer from an ephemeral resource: there the configuration says what it waits for.
func TestCredentialsUnderAnUnknownConfiguration(t *testing.T) {
	t.Parallel()
	f := newFakes(t)
	f.kube.Put(source(), login("my-db-app", "app", "secret-of-app"))
	must(t, findCLI())
	database := `"myorg/my-db"`
	if isOpenTofu() {
		database += "\n  depends_on = [terraform_data.cluster]"
	}
	echoed(t, resource.TestStep{
		Config: f.providerOf("1") + credentialsOf(database),
		ConfigStateChecks: []statecheck.StateCheck{
			statecheck.ExpectKnownValue("echo.app", tfjsonpath.New("data").AtMapKey("password"), knownvalue.StringExact("secret-of-app")),
		},
	})
}
