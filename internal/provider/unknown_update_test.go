package provider_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// later plans a configuration in which a value is not known yet, and applies the plan when it is.
func (s *stage) later(config, value string) {
	s.t.Helper()
	if !strings.Contains(config, value) {
		s.t.Fatalf("nothing is unknown in %s", config)
	}
	plan, _ := s.plan(strings.Replace(config, value, "unknown", 1))
	s.w.Write(config)
	if diags := s.w.ApplyPlan(s.t.Context(), plan); diags.HasError() {
		s.t.Fatalf("the apply fails:\n%s", diags)
	}
	if plan, _ := s.plan(config); !plan.Empty() {
		s.t.Errorf("after the apply there is more to do:\n%s", plan)
	}
}

// A version that is not known while the plan is made may be another major one, which archives to a folder of its own.
func TestDatabaseOfAVersionThatIsKnownLater(t *testing.T) {
	t.Parallel()
	const running, minor, major = `"16.2"`, `"16.3"`, `"17.1"`
	image := func(version string) string {
		return strings.Replace(version, `"`, `"ghcr.io/cloudnative-pg/postgresql:`, 1)
	}
	for attribute, written := range map[string]func(string) string{
		"postgres_version": func(version string) string { return version },
		"image":            image,
	} {
		for _, version := range []string{running, minor, major} {
			t.Run(attribute+" "+version, func(t *testing.T) {
				t.Parallel()
				f := operated(t)
				s := onStage(t, f)
				config := func(version string) string {
					return f.config(database(unprotected + fmt.Sprintf("%s = %s\nbackup = { schedule = \"0 2 * * *\" }\n", attribute, written(version))))
				}
				s.apply(config(running))
				folder := f.barman().ServerName
				f.s3.Archive(fakeBucket, "pg", folder).WAL("000000010000000000000001", f.now())
				s.later(config(version), written(version))
				if moved := f.barman().ServerName != folder; moved != (version == major) {
					t.Errorf("it archives to %s, and before to %s", f.barman().ServerName, folder)
				}
			})
		}
	}
}

// Keys that are not known while the plan is made may be other ones, also where the plan changes nothing that stands in
// Kubernetes.
func TestDatabaseUnderAStoreThatIsKnownLater(t *testing.T) {
	t.Parallel()
	for name, block := range map[string]string{"the folder is chosen": "", "the folder is configured": `server_name = "v1"`} {
		for _, key := range []string{s3test.SecretAccessKey, "anothersecretaccesskey"} {
			t.Run(name+", "+key, func(t *testing.T) {
				t.Parallel()
				f := operated(t)
				f.s3.AnyKey()
				s := onStage(t, f)
				s.apply(f.config(backedUp(block)))
				f.s3.Archive(fakeBucket, "pg", f.barman().ServerName).WAL("000000010000000000000001", f.now())
				config := strings.NewReplacer(s3test.SecretAccessKey, key, "deletion_protection = false", "deletion_protection = true").Replace(f.config(backedUp(block)))
				s.planned(strings.Replace(f.config(backedUp(block)), fmt.Sprintf("%q", s3test.SecretAccessKey), "unknown", 1), terraformtest.NoOp)
				s.later(config, fmt.Sprintf("%q", key))
				if got := string(f.ownSecret().Data["ACCESS_SECRET_KEY"]); got != key {
					t.Errorf("the pods have the key %s", got)
				}
			})
		}
	}
}
