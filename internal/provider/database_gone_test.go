package provider_test

import (
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
	f, _ := withSource(t)
	for _, test := range []struct {
		name, address string
		config        func(attributes string) string
	}{
		{"gone", "pgplatform_database.gone", func(attributes string) string {
			return "resource \"pgplatform_database\" \"gone\" {\n  name = \"gone\"\n  tier = \"DEV\"\n" + attributes + "}\n"
		}},
		{"my-db-pitr", pitr, func(attributes string) string { return restoreOf(nightly + attributes) }},
	} {
		config := func(cpu, protection string) string {
			return f.config(test.config("resources = { cpu = \"" + cpu + "\" }\ndeletion_protection = " + protection + "\n"))
		}
		unit(t,
			resource.TestStep{Config: config("11m", "true")},
			resource.TestStep{Config: config("12m", "true"), ConfigPlanChecks: action(test.address, plancheck.ResourceActionUpdate)},
			resource.TestStep{
				PreConfig:        func() { apitest.Delete[cnpgv1.Cluster](f.kube, fakeNamespace, test.name) },
				Config:           config("12m", "true"),
				ConfigPlanChecks: action(test.address, plancheck.ResourceActionCreate),
			},
			resource.TestStep{Config: config("12m", "false")},
		)
	}
}
