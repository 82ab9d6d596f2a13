package provider_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// Whatever another resource of the same apply decides is no obstacle to a plan.

func TestUnknownInTheProvidersConfiguration(t *testing.T) {
	t.Parallel()
	for _, unknown := range []string{
		"namespace", "config_path", "config_paths", "kubernetes", "destination_path", "endpoint_url", "secret_access_key", "object_store",
	} {
		t.Run(unknown, func(t *testing.T) {
			t.Parallel()
			f := operated(t)
			var made string // the value that another resource makes
			set := func(attribute, value string) string {
				if attribute == unknown {
					made, value = value, "terraform_data.other.output"
				}
				return attribute + " = " + value + "\n"
			}
			kubernetes := set("config_path", fmt.Sprintf("%q", f.kubeconfig))
			if unknown == "config_paths" { // one element of the list
				made, kubernetes = fmt.Sprintf("%q", f.kubeconfig), "config_paths = [terraform_data.other.output]\n"
			}
			store := set("destination_path", `"s3://`+fakeBucket+`/pg"`) + set("endpoint_url", fmt.Sprintf("%q", f.s3.URL)) +
				set("region", `"`+s3test.Region+`"`) + set("access_key_id", `"`+s3test.AccessKeyID+`"`) +
				set("secret_access_key", `"`+s3test.SecretAccessKey+`"`)
			provider := set("namespace", `"`+fakeNamespace+`"`) + set("kubernetes", "{\n"+kubernetes+"}") + set("object_store", "{\n"+store+"}")
			unit(t, resource.TestStep{
				Config: "provider \"pgplatform\" {\n" + provider + "}\n" + goodDatabase + "resource \"terraform_data\" \"other\" {\ninput = " + made + "\n}\n",
				Check: resource.ComposeTestCheckFunc(
					resource.TestCheckResourceAttr(db, "status", "READY"),
					resource.TestCheckResourceAttr(db, "archive.destination_path", "s3://"+fakeBucket+"/pg"),
				),
			})
		})
	}
}

// providerOf is the provider's block, with an API server that another resource decides about: in a plan that replaces that
// one, with another version, it is not known.
func (f *fakes) providerOf(version string) string {
	return fmt.Sprintf(`
resource "terraform_data" "cluster" {
  input            = { config_path = %q }
  triggers_replace = %q
}

provider "pgplatform" {
  namespace  = %q
  kubernetes = { config_path = terraform_data.cluster.output.config_path }
  object_store = {
    destination_path  = "s3://%s/pg"
    endpoint_url      = %q
    region            = %q
    access_key_id     = %q
    secret_access_key = %q
  }
}
`, f.kubeconfig, version, fakeNamespace, fakeBucket, f.s3.URL, s3test.Region, s3test.AccessKeyID, s3test.SecretAccessKey)
}

// What is in the state stays while nobody knows how to look at it; when that is known, everything goes on.
func TestExistingResourcesUnderAnUnknownConfiguration(t *testing.T) {
	t.Parallel()
	f, _ := withSource(t)
	config := func(version string) string {
		return f.providerOf(version) + strings.Replace(goodDatabase, `"my-db"`, `"new-db"`, 1) + restoreOf("  deletion_protection = false") + `
resource "pgplatform_backup" "now" {
  database = pgplatform_database.db.id
}
`
	}
	unit(t,
		resource.TestStep{Config: config("1")},
		resource.TestStep{
			Config: config("2"), // the provider's configuration is unknown in this plan
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
				plancheck.ExpectResourceAction(db, plancheck.ResourceActionNoop),
				plancheck.ExpectResourceAction(pitr, plancheck.ResourceActionNoop),
				plancheck.ExpectResourceAction("pgplatform_backup.now", plancheck.ResourceActionNoop),
			}},
		},
	)
}

// Also what a failed create has left, of which the state does not even know a status, stays as it is.
func TestFailedCreatesUnderAnUnknownConfiguration(t *testing.T) {
	t.Parallel()
	f, _ := withSource(t)
	config := func(version string) string {
		return f.providerOf(version) + strings.Replace(goodDatabase, `"my-db"`, `"new-db"`, 1) + restoreOf("  deletion_protection = false")
	}
	unit(t,
		resource.TestStep{
			PreConfig:   func() { f.kube.Fail(apitest.Each(apitest.VerbApply, "scheduledbackups", apitest.Fault{Status: 403})) },
			Config:      config("1"),
			ExpectError: says("marked as tainted"),
		},
		resource.TestStep{
			PreConfig: func() { f.kube.Fail(nil) },
			Config:    config("2"), PlanOnly: true, ExpectNonEmptyPlan: true,
			ConfigPlanChecks: resource.ConfigPlanChecks{PostApplyPreRefresh: []plancheck.PlanCheck{
				plancheck.ExpectResourceAction(db, plancheck.ResourceActionReplace),
				plancheck.ExpectResourceAction(pitr, plancheck.ResourceActionReplace),
			}},
		},
	)
}

// Terraform takes no unknown answer from a data source, so that the error says how to have it read by the apply.
func TestDataSourcesUnderAnUnknownConfiguration(t *testing.T) {
	t.Parallel()
	f, _ := withSource(t)
	const remedy = "depends_on = [terraform_data.cluster]"
	data := func(depends string) string {
		return f.providerOf("1") + fmt.Sprintf(`
data "pgplatform_database" "db" {
  name = "my-db"
  %[1]s
}

data "pgplatform_backups" "db" {
  database = "myorg/my-db"
  %[1]s
}
`, depends)
	}
	says := func(summary string) *regexp.Regexp {
		return says(summary, "The provider's configuration is decided by this apply", "add depends_on to the data source, with the resource that decides it")
	}
	unit(t,
		resource.TestStep{Config: data(""), PlanOnly: true, ExpectError: says("Unable to Read Database")},
		resource.TestStep{Config: data(""), PlanOnly: true, ExpectError: says("Unable to List Backups")},
		// The store alone, or the namespace.
		resource.TestStep{
			Config:   strings.NewReplacer("terraform_data.cluster.output.config_path", fmt.Sprintf("%q", f.kubeconfig), `"s3://backups/pg"`, "terraform_data.cluster.id").Replace(data("")),
			PlanOnly: true, ExpectError: says("Unable to List Backups"),
		},
		resource.TestStep{
			Config:   strings.NewReplacer("terraform_data.cluster.output.config_path", fmt.Sprintf("%q", f.kubeconfig), `= "myorg"`, "= terraform_data.cluster.id").Replace(data("")),
			PlanOnly: true, ExpectError: says("Unable to Read Database"),
		},
		resource.TestStep{Config: data(remedy), Check: resource.ComposeTestCheckFunc(
			resource.TestCheckResourceAttr("data."+db, "id", "myorg/my-db"),
			resource.TestCheckResourceAttrSet("data.pgplatform_backups.db", "server_name"),
		)},
	)
}

func TestRestoreIntoAnUnknownNamespace(t *testing.T) {
	t.Parallel()
	f, _ := withSource(t)
	f.kube.AddNamespace("elsewhere")
	unit(t, resource.TestStep{
		Config: f.config(restoreOf("  namespace = terraform_data.namespace.output\n  deletion_protection = false") + `
resource "terraform_data" "namespace" { input = "elsewhere" }
`),
		Check: resource.TestCheckResourceAttr(pitr, "id", "elsewhere/my-db-pitr"),
	})
}

func TestDatabaseOfAnUnknownTier(t *testing.T) {
	t.Parallel()
	f := operated(t)
	config := func(tier string) string {
		return f.config(fmt.Sprintf(`
resource "terraform_data" "tier" { input = %q }

resource "pgplatform_database" "db" {
  name                = "my-db"
  tier                = terraform_data.tier.output
  deletion_protection = false
}
`, tier))
	}
	unit(t,
		resource.TestStep{Config: config("DEV"), Check: resource.TestCheckResourceAttr(db, "instances", "1")},
		resource.TestStep{Config: config("HA"), Check: resource.ComposeTestCheckFunc(
			resource.TestCheckResourceAttr(db, "instances", "3"),
			resource.TestCheckResourceAttr(db, "storage.size", "20Gi"),
		)},
	)
}

// What another resource decides is open in the plan, for a new database and for one that exists.
func TestDatabaseOfUnknownAttributes(t *testing.T) {
	t.Parallel()
	f := operated(t)
	config := func(version, team, size string) string {
		return f.config(fmt.Sprintf(`
resource "terraform_data" "other" {
  input = {
    version    = %q
    team       = %q
    size       = %q
    toleration = { key = "dedicated", operator = "Exists" }
  }
}

resource "pgplatform_database" "db" {
  name                = "my-db"
  deletion_protection = false
  postgres_version    = terraform_data.other.output.version
  labels              = { team = terraform_data.other.output.team }
  pg_hba              = ["host all ${terraform_data.other.output.team} all md5"]
  wal_storage         = { size = terraform_data.other.output.size }
  scheduling          = { tolerations = [terraform_data.other.output.toleration] }
}
`, version, team, size))
	}
	has := func(version, team, size string) resource.TestCheckFunc {
		return check(func() error {
			c := f.cluster()
			if !strings.Contains(c.Spec.ImageName, ":"+version+"-") || c.Labels["team"] != team || c.Spec.WalStorage.Size != size || len(c.Spec.Affinity.Tolerations) != 1 {
				return fmt.Errorf("labels %v, spec %+v", c.Labels, c.Spec)
			}
			return nil
		})
	}
	unit(t,
		resource.TestStep{Config: config("17.5", "a", "1Gi"), Check: has("17.5", "a", "1Gi")},
		resource.TestStep{Config: config("17.6", "b", "2Gi"), Check: has("17.6", "b", "2Gi")},
		// What the plan could not see is refused by the apply, and nothing is done.
		resource.TestStep{Config: config("17.4", "b", "2Gi"), ExpectError: says("PostgreSQL Cannot Be Downgraded")},
		resource.TestStep{Config: config("17.6", "b", "1Gi"), ExpectError: says("Storage Cannot Shrink")},
		resource.TestStep{Config: config("17.6", "b", "2Gi"), Check: has("17.6", "b", "2Gi")},
	)
}

// What Terraform replaces for reasons of its own is deleted and made anew; what is protected stays.
func TestReplacementWithoutAChange(t *testing.T) {
	t.Parallel()
	f, _ := withSource(t)
	config := func(version string, protection bool) string {
		return f.config(fmt.Sprintf(`
resource "terraform_data" "version" { input = %q }

resource "pgplatform_database" "db" {
  name                = "new-db"
  deletion_protection = %t
  lifecycle { replace_triggered_by = [terraform_data.version] }
}

resource "pgplatform_restore" "pitr" {
  name                = "my-db-pitr"
  source              = { database = "myorg/my-db" }
  deletion_protection = %t
  lifecycle { replace_triggered_by = [terraform_data.version] }
}
`, version, protection, protection))
	}
	uid := func(name string) string { return string(apitest.Get[cnpgv1.Cluster](f.kube, fakeNamespace, name).UID) }
	var database, restored string
	unit(t,
		resource.TestStep{Config: config("1", false), Check: check(func() error {
			database, restored = uid("new-db"), uid("my-db-pitr")
			return nil
		})},
		resource.TestStep{
			Config: config("2", false),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
				plancheck.ExpectResourceAction(db, plancheck.ResourceActionReplace),
				plancheck.ExpectResourceAction(pitr, plancheck.ResourceActionReplace),
			}},
			Check: check(func() error {
				if uid("new-db") == database || uid("my-db-pitr") == restored {
					return fmt.Errorf("a Cluster was not made anew")
				}
				database = uid("new-db")
				return nil
			}),
		},
		resource.TestStep{Config: config("2", true)},
		resource.TestStep{Config: config("3", true), ExpectError: says("Database Is Protected", "new-db")},
		resource.TestStep{
			PreConfig: func() {
				if uid("new-db") != database {
					t.Error("the protected Cluster was replaced")
				}
			},
			Config: config("2", false),
		},
	)
}

// Two databases of one name, in one bucket, find its folder empty at the same moment.
func TestTwoDatabasesOfOneName(t *testing.T) {
	t.Parallel()
	f := operated(t)
	f.kube.AddNamespace("elsewhere")
	unit(t, resource.TestStep{
		Config: f.config(goodDatabase + `
resource "pgplatform_database" "other" {
  name                = "my-db"
  namespace           = "elsewhere"
  backup              = { schedule = "0 2 * * *" }
  deletion_protection = false
}
`),
		Check: check(func() error {
			one := apitest.Get[cnpgv1.Cluster](f.kube, fakeNamespace, "my-db")
			two := apitest.Get[cnpgv1.Cluster](f.kube, "elsewhere", "my-db")
			if cnpg.ServerName(one) == cnpg.ServerName(two) {
				return fmt.Errorf("both archive to the folder %s", cnpg.ServerName(one))
			}
			return nil
		}),
	})
}
