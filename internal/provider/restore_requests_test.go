package provider_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// What was restored is never looked at again but for itself: a plan asks for its Cluster and its schedule, whether it is
// protected or not, and S3 for nothing, whatever has become of the source.
func TestRestorePlanCosts(t *testing.T) {
	t.Parallel()
	for name, attributes := range map[string]string{
		"protected": "", "unprotected": unprotected, "to a time": "target_time = \"2026-03-26T11:30:00Z\"", "not backed up": "backup = { enabled = false }",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := restoreStage(t)
			config := s.config(restoreOf(attributes))
			s.apply(config)
			if asked := strings.Join(apitest.Summaries(s.kube.Requests()), "\n"); !strings.Contains(asked, "clusters myorg/my-db\n") || s.s3.Count("") == 0 {
				t.Fatalf("restoring asked neither for the source nor for S3: %s", asked)
			}
			s.forget()
			if plan, warnings := s.plan(config); !plan.Empty() || warnings != "" {
				t.Errorf("the plan is %s, with %s", plan, warnings)
			}
			want := []string{"get clusters myorg/my-db-pitr", "get scheduledbackups myorg/my-db-pitr"}
			if err := s.asked(want...); err != nil {
				t.Error(err)
			}
			s.sourceGone()
			s.s3.DeleteBucket(fakeBucket)
			s.forget()
			if plan, _ := s.plan(config); !plan.Empty() {
				t.Errorf("without the source the plan is %s", plan)
			}
			if err := s.asked(want...); err != nil {
				t.Error(err)
			}
		})
	}
}

// Settings that Terraform keeps for itself are applied without a request to anybody.
func TestRestoreOwnSettingsAskNobody(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]struct {
		attribute string
		asks      bool
	}{
		"deletion_protection": {attribute: "deletion_protection = false"},
		"final_backup":        {attribute: "final_backup = true"},
		"wait":                {attribute: "wait = false"},
		"force_conflicts":     {attribute: "force_conflicts = true"},
		"timeouts":            {attribute: `timeouts = { create = "5m", delete = "5m" }`},
		"flush_source":        {attribute: "flush_source = false"},
		"verify":              {attribute: `verify = { query = "SELECT 1", expect = "2" }`},
		"parameters":          {attribute: `parameters = { work_mem = "16MB" }`, asks: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := restoreStage(t)
			s.apply(s.config(restoreOf("")))
			plan, _ := s.plan(s.config(restoreOf(change.attribute)))
			if plan.Action(pitr) != terraformtest.Update {
				t.Fatalf("the plan is %s", plan)
			}
			s.forget()
			if diags := s.w.ApplyPlan(t.Context(), plan); diags.HasError() {
				t.Fatal(diags)
			}
			if err := s.asked(); (err != nil) != change.asks {
				t.Errorf("%v", err)
			}
			if action := s.action(s.config(restoreOf(change.attribute))); action != terraformtest.NoOp {
				t.Errorf("the next plan is to %s", action)
			}
		})
	}
}

// Restores that are planned together and cannot see their archive say so once.
func TestRestoresWithoutSightOfS3WarnOnce(t *testing.T) {
	t.Parallel()
	s, _ := restoreStage(t)
	s.s3.Fail(func(s3test.Request) *s3test.Fault { return &s3test.Fault{Reset: true} })
	var config strings.Builder
	for n := range 5 {
		config.WriteString(strings.ReplaceAll(strings.ReplaceAll(restoreOf(`target_time = "2026-03-26T11:30:00Z"`), "my-db-pitr", fmt.Sprintf("my-db-pitr-%d", n)), `"pitr"`, fmt.Sprintf(`"pitr%d"`, n)))
	}
	plan, warnings := s.plan(s.config(config.String()))
	if n := strings.Count(warnings, "WARNING"); n != 1 || !says("Object Store Not Reachable From Here", "is checked when it is applied").MatchString(warnings) {
		t.Errorf("%d warnings:\n%s", n, warnings)
	}
	if len(plan.Changes) != 5 {
		t.Errorf("the plan is %s", plan)
	}
}
