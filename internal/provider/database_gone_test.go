package provider_test

import (
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// Protection does not bind what is not there: the block of a database whose Cluster is gone leaves the configuration, as where a
// restore takes its place, with a plan that looks first and with one that does not.
func TestProtectionOfADatabaseThatIsGone(t *testing.T) {
	t.Parallel()
	const protected = "resource \"pgplatform_database\" \"db\" {\n  name = \"my-db\"\n  tier = \"DEV\"\n}\n"
	for name, noRefresh := range map[string]bool{"refreshed": false, "not refreshed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := operated(t)
			unitCase(t, resource.TestCase{
				AdditionalCLIOptions: &resource.AdditionalCLIOptions{Plan: resource.PlanOptions{NoRefresh: noRefresh}},
				Steps: []resource.TestStep{
					{Config: f.config(protected)},
					{Config: f.config(""), ExpectError: says("Database Is Protected")},
					{
						PreConfig: func() {
							apitest.Delete[cnpgv1.Cluster](f.kube, fakeNamespace, "my-db")
							f.kube.Forget()
						},
						Config: f.config(""),
					},
				},
			})
		})
	}
}

// What an update has left for a plan that replaces is no reason to refuse to make anew what is gone by then.
func TestDatabaseThatIsGoneAfterAnUpdate(t *testing.T) {
	t.Parallel()
	const protected = "deletion_protection = true\n"
	f, _ := withSource(t)
	database := func(cpu string) string {
		return f.config("resource \"pgplatform_database\" \"gone\" {\n  name = \"gone\"\n  tier = \"DEV\"\n  resources = { cpu = \"" + cpu + "\" }\n}\n")
	}
	restored := func(cpu string) string {
		return f.config(restoreOf(protected + nightly + "resources = { cpu = \"" + cpu + "\" }\n"))
	}
	for _, test := range []struct {
		name, address string
		config        func(cpu string) string
	}{
		{"gone", "pgplatform_database.gone", database},
		{"my-db-pitr", pitr, restored},
	} {
		end := strings.Replace(test.config("12m"), "deletion_protection = true", "deletion_protection = false", 1)
		if !strings.Contains(end, "deletion_protection") {
			end = strings.Replace(end, "tier =", "deletion_protection = false\n  tier =", 1)
		}
		unit(t,
			resource.TestStep{Config: test.config("11m")},
			resource.TestStep{Config: test.config("12m"), ConfigPlanChecks: action(test.address, plancheck.ResourceActionUpdate)},
			resource.TestStep{
				PreConfig:        func() { apitest.Delete[cnpgv1.Cluster](f.kube, fakeNamespace, test.name) },
				Config:           test.config("12m"),
				ConfigPlanChecks: action(test.address, plancheck.ResourceActionCreate),
			},
			resource.TestStep{Config: end},
		)
	}
}
