package provider_test

import (
	"testing"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// stage is a workspace on fakes, for tests that play many plans and applies.
type stage struct {
	*fakes
	t *testing.T
	w *terraformtest.Workspace
}

func onStage(t *testing.T, f *fakes) *stage {
	t.Helper()
	return &stage{fakes: f, t: t, w: terraformtest.New(t, onFakes)}
}

// plan plans a configuration, which must succeed, and returns it with its warnings.
func (s *stage) plan(config string) (*terraformtest.Plan, string) {
	s.t.Helper()
	s.w.Write(config)
	plan, diags := s.w.Plan(s.t.Context())
	if diags.HasError() {
		s.t.Fatalf("the plan fails:\n%s", diags)
	}
	return plan, diags.Warnings().String()
}

// apply applies a configuration, which must succeed and leave nothing to do, and returns the warnings.
func (s *stage) apply(config string) string {
	s.t.Helper()
	s.w.Write(config)
	diags := s.w.Apply(s.t.Context())
	if diags.HasError() {
		s.t.Fatalf("the apply fails:\n%s", diags)
	}
	if plan, _ := s.plan(config); !plan.Empty() {
		s.t.Fatalf("after the apply there is more to do:\n%s", plan)
	}
	return diags.Warnings().String()
}

// planned checks what a plan does with the database.
func (s *stage) planned(config string, want terraformtest.Action) {
	s.t.Helper()
	if plan, _ := s.plan(config); plan.Action(db) != want {
		s.t.Errorf("the plan is %q, want %q:\n%s", plan.Action(db), want, plan)
	}
}

// refused checks that a plan fails with these texts and changes nothing.
func (s *stage) refused(config string, texts ...string) {
	s.t.Helper()
	s.kube.Forget()
	s.w.Write(config)
	_, diags := s.w.Plan(s.t.Context())
	if !says(texts...).MatchString(diags.Errors().String()) {
		s.t.Errorf("the plan says\n%s\nwant %q", diags.Errors(), texts)
	}
	if writes := s.kube.Writes(); len(writes) != 0 {
		s.t.Errorf("written by a plan: %v", apitest.Summaries(writes))
	}
}

// fails checks that an apply fails with these texts.
func (s *stage) fails(config string, texts ...string) {
	s.t.Helper()
	s.w.Write(config)
	if diags := s.w.Apply(s.t.Context()); !says(texts...).MatchString(diags.Errors().String()) {
		s.t.Errorf("the apply says\n%s\nwant %q", diags.Errors(), texts)
	}
}

// attribute is a string in the database's state, by the names on the way to it; "" for null.
func (s *stage) attribute(names ...string) string {
	s.t.Helper()
	value := s.w.Object(db).Attribute(names...)
	if value.IsNull() {
		return ""
	}
	return value.AsString()
}
