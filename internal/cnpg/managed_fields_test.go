package cnpg_test

import (
	"maps"
	"slices"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// entry is what a manager states, as JSON.
func entry(manager string, operation metav1.ManagedFieldsOperationType, fields string) metav1.ManagedFieldsEntry {
	return metav1.ManagedFieldsEntry{Manager: manager, Operation: operation, FieldsV1: metav1.NewFieldsV1(fields)}
}

func TestFields(t *testing.T) {
	t.Parallel()
	const hba, parameters = `{"f:spec":{"f:postgresql":{".":{},"f:pg_hba":{}}}}`, `{"f:spec":{"f:postgresql":{"f:parameters":{".":{},"f:work_mem":{},"f:auto_explain.log_nested":{}}}}}`
	ours := entry(cnpg.FieldManager, metav1.ManagedFieldsOperationApply, parameters)
	theirs := entry("kubectl-edit", metav1.ManagedFieldsOperationUpdate, hba)
	status := entry("manager", metav1.ManagedFieldsOperationUpdate, hba)
	status.Subresource = "status"
	tests := map[string]struct {
		entries    []metav1.ManagedFieldsEntry
		applied    bool
		hba        bool // is ours
		parameters []string
		others     []string // of spec.postgresql
	}{
		"nobody":                          {},
		"made by others":                  {entries: []metav1.ManagedFieldsEntry{theirs, status}, hba: true, others: []string{"kubectl-edit"}},
		"made by the provider":            {entries: []metav1.ManagedFieldsEntry{ours}, applied: true, parameters: []string{"auto_explain.log_nested", "work_mem"}},
		"changed by others":               {entries: []metav1.ManagedFieldsEntry{theirs, ours}, applied: true, parameters: []string{"auto_explain.log_nested", "work_mem"}, others: []string{"kubectl-edit"}},
		"patched under our name":          {entries: []metav1.ManagedFieldsEntry{entry(cnpg.FieldManager, metav1.ManagedFieldsOperationUpdate, hba)}, hba: true},
		"in a form that nobody can read":  {entries: []metav1.ManagedFieldsEntry{entry(cnpg.FieldManager, metav1.ManagedFieldsOperationApply, `[]`)}, applied: true},
		"an entry without fields":         {entries: []metav1.ManagedFieldsEntry{{Manager: cnpg.FieldManager, Operation: metav1.ManagedFieldsOperationApply}}, applied: true},
		"the bootstrap fields are ours":   {entries: []metav1.ManagedFieldsEntry{entry(cnpg.BootstrapManager, metav1.ManagedFieldsOperationApply, hba)}, hba: true},
		"stated twice by one and another": {entries: []metav1.ManagedFieldsEntry{ours, theirs, entry("kubectl-edit", metav1.ManagedFieldsOperationApply, hba), entry("argocd", metav1.ManagedFieldsOperationApply, hba)}, applied: true, parameters: []string{"auto_explain.log_nested", "work_mem"}, others: []string{"kubectl-edit", "argocd"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fields := cnpg.Fields(&cnpgv1.Cluster{ObjectMeta: metav1.ObjectMeta{ManagedFields: test.entries}})
			if fields.Applied() != test.applied || fields.Ours("spec", "postgresql", "pg_hba") != test.hba {
				t.Errorf("applied: %t, pg_hba is ours: %t", fields.Applied(), fields.Ours("spec", "postgresql", "pg_hba"))
			}
			if got := slices.Sorted(slices.Values(fields.Keys("spec", "postgresql", "parameters"))); !slices.Equal(got, test.parameters) {
				t.Errorf("parameters are %q, want %q", got, test.parameters)
			}
			if got := fields.Others("spec", "postgresql"); !slices.Equal(got, test.others) {
				t.Errorf("others are %q, want %q", got, test.others)
			}
			if fields.Ours("spec", "postgresql", "pg_hba", "deeper") || len(fields.Keys("spec", "postgresql", "pg_hba")) > 0 {
				t.Error("a leaf has something below it")
			}
			held := fields.Entries(map[string]string{"work_mem": "8MB", "wal_level": "logical"}, "spec", "postgresql", "parameters")
			want := map[string]string{}
			if slices.Contains(test.parameters, "work_mem") {
				want["work_mem"] = "8MB"
			}
			if !maps.Equal(held, want) {
				t.Errorf("entries are %v, want %v", held, want)
			}
		})
	}
}
