package provider_test

import (
	"errors"
	"fmt"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/tfversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// importByID and importByIdentity are the two forms of an import block.
const (
	importByID = `
import {
  to = pgplatform_database.db
  id = "myorg/my-db"
}
`
	importByIdentity = `
import {
  to       = pgplatform_database.db
  identity = { namespace = "myorg", name = "my-db" }
}
`
)

// importable makes Clusters to import, and has the configuration that matches each.
var importable = map[string]func(*testing.T, *fakes) string{
	"made by this provider": func(t *testing.T, f *fakes) string {
		t.Helper()
		config := f.config(database(`
  tier       = "DEV"
  org_id     = "acme"
  parameters = { work_mem = "8MB" }
  labels     = { team = "a" }
  backup     = { schedule = "0 2 * * *", retention_days = 30 }`))
		w := terraformtest.New(t, onFakes)
		w.Write(config)
		if diags := w.Apply(t.Context()); diags.HasError() {
			t.Fatal(diags)
		}
		return config
	},
	"made by kubectl": func(_ *testing.T, f *fakes) string {
		f.kube.Put(&cnpgv1.Cluster{
			ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "my-db"},
			Spec: cnpgv1.ClusterSpec{
				Instances: 2, ImageName: "ghcr.io/cloudnative-pg/postgresql:17.5-system-trixie", StorageConfiguration: cnpgv1.StorageConfiguration{Size: "7Gi"},
				Bootstrap: &cnpgv1.BootstrapConfiguration{InitDB: &cnpgv1.BootstrapInitDB{Database: "shop", Owner: "seller"}},
			},
		})
		return f.config(database(`
  instances        = 2
  postgres_version = "17.5"
  storage          = { size = "7Gi" }
  database_name    = "shop"
  owner            = "seller"`))
	},
}

// Whichever way an object is imported, and whoever made it: a matching configuration has nothing to do, and nothing is
// written.
func TestImport(t *testing.T) {
	t.Parallel()
	for made, prepare := range importable {
		for way, block := range map[string]string{"terraform import": "", "import block": importByID, "import block by identity": importByIdentity} {
			t.Run(made+", "+way, func(t *testing.T) {
				t.Parallel()
				f := operated(t)
				config := prepare(t, f)
				f.kube.Forget()
				version := f.cluster().ResourceVersion
				w := terraformtest.New(t, onFakes)
				w.Write(config + block)
				if block == "" {
					if diags := w.Import(t.Context(), db, "myorg/my-db"); diags.HasError() {
						t.Fatal(diags)
					}
				}
				plan, diags := w.Plan(t.Context())
				if diags.HasError() {
					t.Fatal(diags)
				}
				if plan.Action(db) != terraformtest.NoOp {
					t.Errorf("the plan is to %s:\n%#v\n%#v", plan.Action(db), plan.Change(db).Before, plan.Change(db).After)
				}
				if diags := w.ApplyPlan(t.Context(), plan); diags.HasError() {
					t.Fatal(diags)
				}
				object := w.Object(db)
				if object == nil || object.Attribute("id").AsString() != "myorg/my-db" || object.Attribute("deletion_protection").False() {
					t.Errorf("imported is %+v", object)
				}
				if writes := f.kube.Writes(); len(writes) > 0 || f.cluster().ResourceVersion != version {
					t.Errorf("written: %v", apitest.Summaries(writes))
				}
			})
		}
	}
}

func TestImportOfNothing(t *testing.T) {
	t.Parallel()
	for block, want := range map[string]string{
		importByID:       "Cannot import non-existent remote object",
		importByIdentity: "Cannot import non-existent remote object",
		"import {\n  to = pgplatform_database.db\n  id = \"my-db\"\n}\n":                                    `write the namespace and the name, such as "default/my-db"`,
		"import {\n  to = pgplatform_database.db\n  identity = { namespace = \"\", name = \"my-db\" }\n}\n": `write the namespace and the name, such as "default/my-db"`,
	} {
		f := operated(t)
		w := terraformtest.New(t, onFakes)
		w.Write(f.config(database("")) + block)
		if _, diags := w.Plan(t.Context()); !says(want).MatchString(diags.String()) {
			t.Errorf("%s: %s", block, diags)
		}
	}
}

// The same with the CLI itself, as far as it has the way.

func TestImportBlockOfTheCLI(t *testing.T) {
	t.Parallel()
	f := operated(t)
	config := importable["made by this provider"](t, f)
	f.kube.Forget()
	unit(t, resource.TestStep{
		Config: config + importByID,
		ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
			plancheck.ExpectResourceAction(db, plancheck.ResourceActionNoop),
		}},
		Check: check(func() error {
			if writes := f.kube.Writes(); len(writes) > 0 {
				return fmt.Errorf("written: %v", apitest.Summaries(writes))
			}
			return nil
		}),
	}, resource.TestStep{
		RefreshState: true,
		Check:        resource.TestCheckResourceAttr(db, "backup.retention_days", "30"),
	}, f.unprotect(config))
}

func TestImportByIdentityOfTheCLI(t *testing.T) {
	t.Parallel()
	f := operated(t)
	config := importable["made by this provider"](t, f)
	unitCase(t, resource.TestCase{
		// As it happens, that is the first version of OpenTofu too that knows them.
		TerraformVersionChecks: []tfversion.TerraformVersionCheck{tfversion.SkipBelow(tfversion.Version1_12_0)},
		Steps: []resource.TestStep{
			{
				Config: config + importByIdentity,
				Check: check(func() error {
					if f.cluster() == nil {
						return errors.New("the Cluster is gone")
					}
					return nil
				}),
			},
			f.unprotect(config),
		},
	})
}

// unprotect is the step after which the database may be destroyed.
func (f *fakes) unprotect(config string) resource.TestStep {
	return resource.TestStep{Config: config[:len(config)-len("}\n")] + "  deletion_protection = false\n}\n"}
}
