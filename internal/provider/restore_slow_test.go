package provider_test

import (
	"strings"
	"testing"
	"time"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// An archive that cannot be read in the time that a plan has is no error: the plan warns, and the apply, which has more time, checks.
func TestRestoreOfAnArchiveThatIsSlow(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config  string
		refused []string
	}{
		"a living database":         {config: restoreOf(`target_time = "2026-03-26T11:30:00Z"`)},
		"a place":                   {config: dead(`target_time = "2026-03-26T11:30:00Z"`)},
		"what cannot be restored":   {config: restoreOf(`target_time = "2026-03-26T09:00:00Z"`), refused: []string{"Restore Cannot Succeed", "lies before the recovery window"}},
		"a place that has no match": {config: dead(`target_time = "2026-03-26T09:00:00Z"`), refused: []string{"Restore Cannot Succeed", "lies before the recovery window"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := restoreStage(t)
			s.s3.SetLatency(6 * time.Second) // of which a read takes three after each other
			plan, warnings := s.plan(s.config(test.config))
			if action := plan.Action(pitr); action != terraformtest.Create {
				t.Errorf("the plan is to %s", action)
			}
			if n := strings.Count(warnings, "Object Store Not Reachable From Here"); n != 1 || !says("the archive of my-db-v1 in s3://backups/pg was not read within 10s", "is checked when it is applied").MatchString(warnings) {
				t.Errorf("the plan warns\n%s", warnings)
			}
			s.s3.SetLatency(0)
			diags := s.w.ApplyPlan(t.Context(), plan)
			switch {
			case test.refused == nil && diags.HasError():
				t.Error(diags)
			case test.refused != nil && !says(test.refused...).MatchString(diags.Errors().String()):
				t.Errorf("the apply says\n%s", diags)
			}
			if made := s.restored() != nil; made != (test.refused == nil) {
				t.Errorf("restored: %t", made)
			}
		})
	}
}
