package provider_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/provider"
)

// Each summary that others print in the provider's name, and of which the page tells, can be met.
func TestSummariesOfOthers(t *testing.T) {
	t.Parallel()
	invalid := func(config string) func(*stage) string {
		return func(s *stage) string { return s.invalid(s.config(config)) }
	}
	provoked := map[string]func(*stage) string{
		"Error: Cannot import non-existent remote object": invalid(strings.Replace(database(""), `"my-db"`, `"nobodys"`, 1) +
			"import {\n  to = pgplatform_database.db\n  id = \"myorg/nobodys\"\n}\n"),
		"Error: Invalid Attribute Combination":                 invalid(database("image = \"postgres:17.5\"\npostgres_version = \"17\"")),
		"Error: Invalid Attribute Value Length":                invalid(database(`org_id = ""`)),
		"Error: Invalid Attribute Value Match":                 invalid(database(`tier = "GOLD"`)),
		"Error: Invalid Configuration for Read-Only Attribute": invalid(database(`status = "READY"`)),
		"Error: Missing Configuration for Required Attribute":  invalid("resource \"pgplatform_restore\" \"pitr\" {\n  name = \"my-db-pitr\"\n  source = null\n}\n"),
		"Error: Null List Value":                               invalid(database(`image_pull_secrets = [null]`)),
		"Error: Null Map Value":                                invalid(database(`labels = { a = null }`)),
		"Error: Provider produced inconsistent final plan":     (*stage).sourceChangesMeanwhile,
	}
	if got, want := slices.Sorted(maps.Keys(provoked)), slices.Sorted(slices.Values(provider.SummariesOfOthers)); !slices.Equal(got, want) {
		t.Errorf("provoked are %q, of %q", got, want)
	}
	for summary, provoke := range provoked {
		t.Run(summary, func(t *testing.T) {
			t.Parallel()
			s, _ := restoreStage(t)
			if text := provoke(s); !strings.Contains(text, "ERROR"+strings.TrimPrefix(summary, "Error")) {
				t.Errorf("it says\n%s", text)
			} else if strings.Count(text, "ERROR: ") > 1 {
				t.Errorf("it is said in several ways:\n%s", text)
			}
		})
	}
}

// sourceChangesMeanwhile changes the source of a restore between its plan and the apply of that, which makes nothing, as the page says; the next
// plan is right. It returns what the apply says.
func (s *stage) sourceChangesMeanwhile() string {
	s.t.Helper()
	config := s.config(restoreOf(""))
	plan, _ := s.plan(config)
	source := apitest.Get[cnpgv1.Cluster](s.kube, fakeNamespace, "my-db")
	source.Spec.PostgresConfiguration.Parameters["work_mem"] = "99MB"
	s.kube.Put(source)
	diags := s.w.ApplyPlan(s.t.Context(), plan)
	if s.restored() != nil || s.w.Object(pitr) != nil {
		s.t.Error("something was made")
	}
	s.apply(config)
	if restored := s.restored(); restored == nil || restored.Spec.PostgresConfiguration.Parameters["work_mem"] != "99MB" {
		s.t.Error("the next plan does not restore the source as it is")
	}
	return diags.Errors().String()
}

// onThePage checks that the page tells of the summaries that somebody has met. What Terraform says of its own language is none of the provider's.
func onThePage(t *testing.T, summaries []string) {
	t.Helper()
	told := provider.SummariesTold(t)
	for _, summary := range slices.Compact(slices.Sorted(slices.Values(summaries))) {
		if !slices.Contains(told, summary) && summary != "Error: Incorrect attribute value type" {
			t.Errorf("the page of troubleshooting lacks %q", summary)
		}
	}
}
