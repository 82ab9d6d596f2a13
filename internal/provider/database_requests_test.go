package provider_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// What a plan without changes asks: of each database its Cluster, and its ScheduledBackup where it has backups, with the Barman
// Cloud plugin its ObjectStore too. No discovery, no schema of the API, no Secret, nothing of S3.
func TestDatabasePlanCosts(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testDatabasePlanCosts)
}

func testDatabasePlanCosts(t *testing.T) {
	t.Parallel()
	for _, count := range []int{1, 10} {
		for _, backups := range []bool{true, false} {
			t.Run(fmt.Sprintf("%d databases, backups %t", count, backups), func(t *testing.T) {
				t.Parallel()
				f := operated(t)
				workspace := terraformtest.New(t, onFakes)
				var resources strings.Builder
				var want []string
				for i := range count {
					attributes := unprotected + "tier = \"DEV\"\n"
					want = append(want, fmt.Sprintf("get clusters myorg/db-%d", i))
					if backups {
						attributes += "backup = { schedule = \"0 2 * * *\" }\n"
						want = append(want, fmt.Sprintf("get scheduledbackups myorg/db-%d", i))
						if f.method == cnpg.MethodPlugin {
							want = append(want, fmt.Sprintf("get objectstores myorg/db-%d-backup", i))
						}
					}
					fmt.Fprintf(&resources, "resource \"pgplatform_database\" \"db-%d\" {\n  name = \"db-%d\"\n%s}\n", i, i, attributes)
				}
				workspace.Write(f.config(resources.String()))
				if diags := workspace.Apply(t.Context()); diags.HasError() {
					t.Fatal(diags)
				}
				// What must not be asked for below would be seen here.
				if asked := strings.Join(apitest.Summaries(f.kube.Requests()), "\n"); backups && (!strings.Contains(asked, "secrets") || f.s3.Count("") == 0) {
					t.Fatalf("creating asked neither for Secrets nor for S3: %s", asked)
				}
				f.forget()
				plan, diags := workspace.Plan(t.Context())
				if diags.HasError() || !plan.Empty() || len(plan.Changes) != count {
					t.Fatalf("the plan of %d databases: %v %s", count, plan, diags)
				}
				if err := f.asked(want...); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// The same is true of a hundred and the real CLI, for a refresh and for a plan.
func TestDatabasePlanCostsOnCLI(t *testing.T) {
	t.Parallel()
	f := operated(t)
	const count = 100
	var want []string
	for i := range count {
		want = append(want, fmt.Sprintf("get clusters myorg/db-%d", i), fmt.Sprintf("get scheduledbackups myorg/db-%d", i))
	}
	config := f.config(fmt.Sprintf(`
resource "pgplatform_database" "db" {
  count               = %d
  name                = "db-${count.index}"
  tier                = "DEV"
  backup              = { schedule = "0 2 * * *" }
  deletion_protection = false
}`, count))
	unit(t,
		resource.TestStep{Config: config},
		resource.TestStep{PreConfig: f.forget, RefreshState: true, Check: check(func() error { return f.asked(want...) })},
		resource.TestStep{ // the framework plans twice, the first time without a refresh
			PreConfig: f.forget,
			Config:    config,
			PlanOnly:  true,
			ConfigPlanChecks: resource.ConfigPlanChecks{PostApplyPostRefresh: []plancheck.PlanCheck{
				planned(func() error { return f.asked(want...) }),
			}},
		},
	)
}

// A database that somebody else gives backups is looked at whole.
func TestDatabasePlanSeesBackupsThatOthersTurnOn(t *testing.T) {
	t.Parallel()
	f := operated(t)
	workspace := terraformtest.New(t, onFakes)
	workspace.Write(f.config(database(unprotected)))
	if diags := workspace.Apply(t.Context()); diags.HasError() {
		t.Fatal(diags)
	}
	backedUp := f.archivedCluster()
	f.edit(apitest.Kubectl, "my-db", func(c *cnpgv1.Cluster) { c.Spec.Backup = backedUp.Spec.Backup })
	f.forget()
	plan, diags := workspace.Plan(t.Context())
	if diags.HasError() || plan.Action(db) != terraformtest.Update {
		t.Errorf("the plan is %v %s", plan, diags)
	}
	// The second look at the Cluster is for whether these backups may be turned off.
	if err := f.asked("get clusters myorg/my-db", "get scheduledbackups myorg/my-db", "get clusters myorg/my-db"); err != nil {
		t.Error(err)
	}
}

// Settings that Terraform keeps for itself are applied without a request to anybody.
func TestDatabaseOwnSettingsAskNobody(t *testing.T) {
	t.Parallel()
	changes := map[string]struct {
		attribute string
		asks      bool
	}{
		"deletion_protection": {attribute: "deletion_protection = false"},
		"final_backup":        {attribute: "final_backup = true"},
		"wait":                {attribute: "wait = false"},
		"force_conflicts":     {attribute: "force_conflicts = true"},
		"timeouts":            {attribute: `timeouts = { create = "5m", delete = "5m" }`},
		"parameters":          {attribute: `parameters = { work_mem = "8MB" }`, asks: true},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := operated(t)
			workspace := terraformtest.New(t, onFakes)
			const backup = "backup = { schedule = \"0 2 * * *\" }\n"
			workspace.Write(f.config(database(backup)))
			if diags := workspace.Apply(t.Context()); diags.HasError() {
				t.Fatal(diags)
			}
			workspace.Write(f.config(database(backup + change.attribute)))
			plan, diags := workspace.Plan(t.Context())
			if diags.HasError() || plan.Action(db) != terraformtest.Update {
				t.Fatalf("the plan is %v %s", plan, diags)
			}
			f.forget()
			if diags := workspace.ApplyPlan(t.Context(), plan); diags.HasError() {
				t.Fatal(diags)
			}
			if err := f.asked(); (err != nil) != change.asks {
				t.Errorf("%v", err)
			}
			if plan, diags = workspace.Plan(t.Context()); diags.HasError() || !plan.Empty() {
				t.Errorf("the next plan is %v %s", plan, diags)
			}
		})
	}
}

// forget empties the records of both fakes.
func (f *fakes) forget() {
	f.kube.Forget()
	f.s3.Reset()
}

// asked compares all requests since forget, whatever their order: of Kubernetes these, of S3 none.
func (f *fakes) asked(want ...string) error {
	got := apitest.Summaries(f.kube.Requests())
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		return fmt.Errorf("%d requests of Kubernetes: %q, want %d: %q", len(got), got, len(want), want)
	}
	if n := f.s3.Count(""); n > 0 {
		return fmt.Errorf("%d requests of S3: %v", n, f.s3.Requests())
	}
	return nil
}

// planned makes a plan check of a function that looks at the world.
type planned func() error

func (p planned) CheckPlan(_ context.Context, _ plancheck.CheckPlanRequest, resp *plancheck.CheckPlanResponse) {
	resp.Error = p()
}
