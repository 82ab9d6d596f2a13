package provider_test

import (
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/zclconf/go-cty/cty"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// What refers to connection_info need not change with each change of the database: all of it is known, but for the replicas' host where
// they come or go.
func TestConnectionIsPlanned(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before, after string
		open          bool
	}{
		"parameters":     {"", `parameters = { work_mem = "16MB" }`, false},
		"more instances": {"instances = 2", "instances = 3", false},
		"replicas come":  {"", "instances = 2", true},
		"replicas go":    {"instances = 3", "instances = 1", true},
		"backups come":   {"", `backup = { schedule = "@daily" }`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := onStage(t, operated(t))
			s.apply(s.config(database(unprotected + test.before)))
			was := s.w.Object(db).Attribute("connection_info").AsValueMap()
			plan, _ := s.plan(s.config(database(unprotected + test.after)))
			for name, value := range plan.Change(db).After.GetAttr("connection_info").AsValueMap() {
				open := test.open && name == "read_only_host"
				if value.IsKnown() == open || !open && !value.RawEquals(was[name]) {
					t.Errorf("%s is planned to be %#v, and was %#v", name, value, was[name])
				}
			}
			s.apply(s.config(database(unprotected + test.after)))
		})
	}
}

// Somebody names another Secret for the owner's password after the plan: the apply does what was planned, and the next plan shows it.
func TestConnectionChangesAfterThePlan(t *testing.T) {
	t.Parallel()
	s := onStage(t, operated(t))
	s.apply(s.config(database(unprotected)))
	plan, _ := s.plan(s.config(database(unprotected + `labels = { team = "a" }`)))
	s.edit(apitest.Kubectl, "my-db", func(c *cnpgv1.Cluster) {
		c.Spec.Bootstrap.InitDB.Secret = &cnpgv1.LocalObjectReference{Name: "theirs"}
	})
	if diags := s.w.ApplyPlan(t.Context(), plan); diags.HasError() {
		t.Fatal(diags)
	}
	if secret := s.attribute("connection_info", "secret_name"); secret != "my-db-app" {
		t.Errorf("the plan said my-db-app, the apply says %s", secret)
	}
	next, _ := s.plan(s.config(database(unprotected + `labels = { team = "a" }`)))
	if after := next.Change(db).Before.GetAttr("connection_info").GetAttr("secret_name"); !after.RawEquals(cty.StringVal("theirs")) {
		t.Errorf("the next refresh has the Secret %#v", after)
	}
}
