package provider_test

import (
	"sync/atomic"
	"testing"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// Terraform plans once more when it applies. An S3 that gives no answer then, and gave one before, changes nothing of the plan: where
// it is back for the apply, that restores, and else it says what it cannot see.
func TestRestoreWhileS3IsGoneForAMoment(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config  string
		refused []string // where S3 stays away
	}{
		"a living database": {config: restoreOf("target_time = \"2026-03-26T11:30:00Z\"\nflush_source = false")},
		"a place": {
			config:  dead(`target_time = "2026-03-26T11:30:00Z"`),
			refused: []string{`AttributeName("image")`, "which PostgreSQL runs the restored database is not set", "the archive that would tell cannot be read from here", "Nothing was created"},
		},
		"a place, with a version": {config: dead("target_time = \"2026-03-26T11:30:00Z\"\npostgres_version = \"17\"")},
		"a place, with an image":  {config: dead("target_time = \"2026-03-26T11:30:00Z\"\nimage = \"postgres:17.6\"")},
	} {
		for _, stays := range []bool{false, true} {
			t.Run(name+map[bool]string{false: ", back again", true: ", for good"}[stays], func(t *testing.T) {
				t.Parallel()
				s, _ := restoreStage(t)
				plan, _ := s.plan(s.config(test.config))
				s.s3.Fail(func(s3test.Request) *s3test.Fault { return &s3test.Fault{Reset: true} })
				var namespace atomic.Int32 // which the plan asks for, and then the apply
				s.kube.Fail(apitest.Each(apitest.VerbGet, "namespaces", apitest.Fault{Before: func() {
					if namespace.Add(1) == 2 && !stays {
						s.s3.Fail(nil)
					}
				}}))
				diags := s.w.ApplyPlan(t.Context(), plan)
				switch refused := stays && test.refused != nil; {
				case !refused && diags.HasError():
					t.Error(diags)
				case refused && !says(test.refused...).MatchString(diags.Errors().String()):
					t.Errorf("the apply says\n%s", diags)
				case refused != (s.restored() == nil):
					t.Errorf("restored: %t", refused)
				}
				if !says("Object Store Not Reachable From Here", "is checked when it is applied").MatchString(diags.Warnings().String()) {
					t.Errorf("S3 was there for the plan: %s", diags.Warnings())
				}
			})
		}
	}
}
