package provider_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
	"github.com/hashicorp/terraform-plugin-testing/tfversion"
	corev1 "k8s.io/api/core/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// movedRestore is a restored database as an ordinary one.
func movedRestore(parameters, more string) string {
	return fmt.Sprintf(`
moved {
  from = pgplatform_restore.pitr
  to   = pgplatform_database.pitr
}
resource "pgplatform_database" "pitr" {
  name          = "my-db-pitr"
  org_id        = "acme"
  storage       = { size = "3Gi" }
  parameters    = { %s }
  database_name = "shop"
  owner         = "seller"
  backup        = { schedule = "0 2 * * *", retention_days = 14 }
  %s
}
`, parameters, more)
}

// Of a resource that was renamed the plan says what keeps the database, which an import would not.
func TestDatabaseThatIsRenamed(t *testing.T) {
	t.Parallel()
	f := operated(t)
	renamed := strings.Replace(database(unprotected), `"pgplatform_database" "db"`, `"pgplatform_database" "other"`, 1)
	moved := "moved {\n  from = pgplatform_database.db\n  to   = pgplatform_database.other\n}\n"
	unit(t,
		resource.TestStep{Config: f.config(database(unprotected))},
		resource.TestStep{
			Config: f.config(renamed), PlanOnly: true,
			ExpectError: says("Database Already Exists", "terraform state list -id=myorg/my-db", "do not import it", "terraform state mv", "moved {", "to   = pgplatform_database.NAME", "import {"),
		},
		resource.TestStep{Config: f.config(moved + renamed), ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()}}},
	)
}

// A restored database becomes an ordinary one without a change; what it was restored from stays known to its Cluster.
func TestMoveOfARestore(t *testing.T) {
	t.Parallel()
	const moved, limits = "pgplatform_database.pitr", "\n  timeouts = { delete = \"2h\" }\n"
	f, _ := withSource(t)
	var version string
	unitCase(t, resource.TestCase{
		TerraformVersionChecks: []tfversion.TerraformVersionCheck{tfversion.SkipBelow(tfversion.Version1_8_0)},
		Steps: []resource.TestStep{
			{
				Config: f.config(restoreOf("target_time = \"2026-03-26T11:30:00Z\"\n" + unprotected + limits)),
				Check: check(func() error {
					version = f.restored().ResourceVersion
					f.kube.Forget()
					return nil
				}),
			},
			{
				Config:           f.config(movedRestore(`work_mem = "8MB"`, unprotected+limits)),
				ConfigPlanChecks: action(moved, plancheck.ResourceActionNoop),
				ConfigStateChecks: []statecheck.StateCheck{
					statecheck.ExpectKnownValue(moved, tfjsonpath.New("id"), knownvalue.StringExact("myorg/my-db-pitr")),
					statecheck.ExpectKnownValue(moved, tfjsonpath.New("deletion_protection"), knownvalue.Bool(false)),
					statecheck.ExpectKnownValue(moved, tfjsonpath.New("timeouts").AtMapKey("delete"), knownvalue.StringExact("2h")),
					statecheck.ExpectKnownValue(moved, tfjsonpath.New("archive").AtMapKey("server_name"), knownvalue.StringExact("my-db-pitr")),
				},
				Check: check(func() error {
					if writes := f.kube.Writes(); len(writes) > 0 || f.restored().ResourceVersion != version {
						return fmt.Errorf("written: %v", apitest.Summaries(writes))
					}
					return nil
				}),
			},
			{
				Config:           f.config(movedRestore(`work_mem = "16MB"`, unprotected+limits)),
				ConfigPlanChecks: action(moved, plancheck.ResourceActionUpdate),
				Check: check(func() error {
					c := f.restored()
					switch {
					case c.Spec.PostgresConfiguration.Parameters["work_mem"] != "16MB":
						return errors.New("the parameter was not changed")
					case c.Spec.Bootstrap == nil || c.Spec.Bootstrap.Recovery == nil || c.Spec.Bootstrap.Recovery.RecoveryTarget.BackupID != "20260326T095900":
						return fmt.Errorf("bootstrap is %+v", c.Spec.Bootstrap)
					case len(c.Spec.ExternalClusters) != 1 || c.Annotations[cnpg.AnnotationSource] != "myorg/my-db" || c.Annotations[cnpg.AnnotationRestore] == "":
						return fmt.Errorf("what it was restored from is gone: %+v, %v", c.Spec.ExternalClusters, c.Annotations)
					}
					return nil
				}),
			},
			{ResourceName: moved, ImportState: true, ImportStateVerify: true, ImportStateVerifyIgnore: []string{"deletion_protection", "timeouts"}},
		},
	})
}

// One that was restored from an archive alone, and is not backed up, keeps what it was restored with, and the Secret for that,
// which a destroy takes along.
func TestMoveOfARestoreFromAnArchiveAlone(t *testing.T) {
	t.Parallel()
	f, _ := withSource(t)
	f.sourceGone()
	secret := func() *corev1.Secret {
		return apitest.Get[corev1.Secret](f.kube, fakeNamespace, "my-db-pitr-origin-s3-creds")
	}
	moved := func(more string) string {
		return f.config("moved {\n  from = pgplatform_restore.pitr\n  to   = pgplatform_database.pitr\n}\n" +
			"resource \"pgplatform_database\" \"pitr\" {\n  name = \"my-db-pitr\"\n  tier = \"DEV\"\n  database_name = \"shop\"\n  owner = \"seller\"\n" +
			unprotected + notBackedUp + more + "}\n")
	}
	var before *cnpgv1.Cluster
	unitCase(t, resource.TestCase{
		TerraformVersionChecks: []tfversion.TerraformVersionCheck{tfversion.SkipBelow(tfversion.Version1_8_0)},
		Steps: []resource.TestStep{
			{Config: f.config(archiveAlone(notBackedUp)), Check: check(func() error {
				if before = f.restored(); secret() == nil {
					return errors.New("it was restored without a Secret of its own")
				}
				f.kube.Forget()
				return nil
			})},
			{Config: moved(""), ConfigPlanChecks: action("pgplatform_database.pitr", plancheck.ResourceActionNoop), Check: check(func() error {
				if writes := f.kube.Writes(); len(writes) != 0 {
					return fmt.Errorf("written by the move: %v", apitest.Summaries(writes))
				}
				return nil
			})},
			{Config: moved("labels = { team = \"shop\" }\n"), Check: check(func() error {
				after := f.restored()
				if after.Labels["team"] != "shop" || secret() == nil || !reflect.DeepEqual(after.Spec.ExternalClusters, before.Spec.ExternalClusters) ||
					!reflect.DeepEqual(after.Spec.Bootstrap, before.Spec.Bootstrap) {
					return fmt.Errorf("after a change it is %+v", after.Spec)
				}
				return nil
			})},
			{Config: f.config(""), Check: check(func() error {
				if f.restored() != nil || secret() != nil {
					return errors.New("the destroy has left something")
				}
				return nil
			})},
		},
	})
}

// A plan without a refresh knows nothing of the moved database yet. Planned from nothing it would be scaled down, and lose its
// resources and its image: it is refused, and one with a refresh has nothing to do.
func TestMoveOfARestoreWithoutARefresh(t *testing.T) {
	t.Parallel()
	f, _ := withSource(t)
	config := f.config(movedRestore(`work_mem = "8MB"`, unprotected))
	steps := []resource.TestStep{{Config: f.config(restoreOf(unprotected)), Check: check(func() error { f.kube.Forget(); return nil })}}
	for _, planned := range []string{config, strings.Replace(config, "seller", "somebody", 1), strings.Replace(config, `"my-db-pitr"`, `"another"`, 1)} {
		steps = append(steps, resource.TestStep{
			Config:      planned,
			ExpectError: says("Unable to Plan Database", "myorg/my-db-pitr", "was never read", "without -refresh=false", "Nothing was changed"),
		})
	}
	steps = append(steps, resource.TestStep{Config: f.config(restoreOf(unprotected)), Check: check(func() error {
		if writes := f.kube.Writes(); len(writes) > 0 {
			return fmt.Errorf("written: %v", apitest.Summaries(writes))
		}
		return nil
	})})
	unitCase(t, resource.TestCase{
		TerraformVersionChecks: []tfversion.TerraformVersionCheck{tfversion.SkipBelow(tfversion.Version1_8_0)},
		AdditionalCLIOptions:   &resource.AdditionalCLIOptions{Plan: resource.PlanOptions{NoRefresh: true}},
		Steps:                  steps,
	})
}

// A move in a plan in which nobody knows how to reach Kubernetes is for a later one: the state keeps the restored database.
func TestMoveOfARestoreUnderAnUnknownConfiguration(t *testing.T) {
	t.Parallel()
	const moved = "pgplatform_database.pitr"
	f, _ := withSource(t)
	config := movedRestore(`work_mem = "8MB"`, unprotected)
	unitCase(t, resource.TestCase{
		TerraformVersionChecks: []tfversion.TerraformVersionCheck{tfversion.SkipBelow(tfversion.Version1_8_0)},
		Steps: []resource.TestStep{
			{Config: f.providerOf("1") + restoreOf(unprotected), Check: check(func() error { f.kube.Forget(); return nil })},
			{
				Config:      f.providerOf("2") + config,
				ExpectError: says("Unable to Read Database", "not known", "myorg/my-db-pitr", "was never read", "-target", "Nothing was changed"),
			},
			{
				Config:           f.providerOf("1") + config,
				ConfigPlanChecks: action(moved, plancheck.ResourceActionNoop),
				Check: check(func() error {
					if writes := f.kube.Writes(); len(writes) > 0 {
						return fmt.Errorf("written: %v", apitest.Summaries(writes))
					}
					return nil
				}),
			},
		},
	})
}
