package provider

import (
	"errors"
	"slices"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

func TestRefusedAttribute(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fields []string
		want   path.Path
	}{
		"a field":             {[]string{"spec.storage.size"}, path.Root("storage").AtName("size")},
		"one that is wider":   {[]string{"spec.storage"}, path.Root("storage")},
		"below one":           {[]string{"spec.walStorage.pvcTemplate"}, path.Root("wal_storage")},
		"a parameter":         {[]string{"spec.postgresql.parameters.shared_buffers"}, path.Root("parameters").AtMapKey("shared_buffers")},
		"one of an extension": {[]string{"spec.postgresql.parameters.auto_explain.log_nested"}, path.Root("parameters").AtMapKey("auto_explain.log_nested")},
		"backup's parameter":  {[]string{"spec.postgresql.parameters.archive_timeout"}, path.Root("backup").AtName("archive_timeout")},
		"of a list":           {[]string{"spec.affinity.tolerations[0].key"}, path.Root("scheduling").AtName("tolerations")},
		"the first known":     {[]string{"spec.managed.roles", "spec.instances"}, path.Root("instances")},
		"none":                {[]string{"spec.managed.roles"}, path.Empty()},
		"only begins so":      {[]string{"spec.storageOf"}, path.Empty()},
		"nothing named":       {nil, path.Empty()},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var diags diag.Diagnostics
			addFailure(&diags, "Unable", &cnpg.AdmissionError{Kind: "Cluster", Fields: test.fields, Err: errors.New("no")})
			at := path.Empty()
			if with, ok := diags[0].(diag.DiagnosticWithPath); ok {
				at = with.Path()
			}
			if !at.Equal(test.want) {
				t.Errorf("the attribute is %s, want %s", at, test.want)
			}
		})
	}
	attributes := databaseSchema(t.Context()).Attributes
	for _, known := range slices.Concat(attributesOfFields["Cluster"], attributesOfFields["ScheduledBackup"]) {
		steps := known.at.Steps()
		attribute, ok := attributes[steps[0].String()]
		if ok && len(steps) > 1 {
			var nested schema.SingleNestedAttribute
			if nested, ok = attribute.(schema.SingleNestedAttribute); ok {
				_, ok = nested.Attributes[steps[1].String()]
			}
		}
		if !ok {
			t.Errorf("%s stands for %s, which is no attribute", known.field, known.at)
		}
	}
}

// A refusal is an error at an attribute that the resource has, and at none where another object is refused than the one that
// the field is of.
func TestRefusedAttributeOfAResource(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		resource string
		err      error
		want     path.Path
	}{
		"a database's labels":    {"pgplatform_database", &cnpg.AdmissionError{Kind: "Cluster", Fields: []string{"metadata.labels"}, Err: errors.New("no")}, path.Root("labels")},
		"a restore's labels":     {"pgplatform_restore", &cnpg.AdmissionError{Kind: "Cluster", Fields: []string{"metadata.labels"}, Err: errors.New("no")}, path.Root("labels")},
		"a restore's size":       {"pgplatform_restore", &cnpg.AdmissionError{Kind: "Cluster", Fields: []string{"spec.storage.size"}, Err: errors.New("no")}, path.Root("storage").AtName("size")},
		"a backup's conflict":    {"pgplatform_backup", &cnpg.ConflictError{}, path.Empty()},
		"a restore's name":       {"pgplatform_restore", &cnpg.AdmissionError{Kind: "Cluster", Fields: []string{"metadata.name"}, Err: errors.New("no")}, path.Root("name")},
		"a schedule":             {"pgplatform_database", &cnpg.AdmissionError{Kind: "ScheduledBackup", Fields: []string{"spec.schedule"}, Err: errors.New("no")}, path.Root("backup").AtName("schedule")},
		"a restore's schedule":   {"pgplatform_restore", &cnpg.AdmissionError{Kind: "ScheduledBackup", Fields: []string{"spec.schedule"}, Err: errors.New("no")}, path.Root("backup").AtName("schedule")},
		"a schedule's labels":    {"pgplatform_database", &cnpg.AdmissionError{Kind: "ScheduledBackup", Fields: []string{"metadata.labels"}, Err: errors.New("no")}, path.Empty()},
		"a Secret's annotations": {"pgplatform_database", &cnpg.AdmissionError{Kind: "Secret", Fields: []string{"metadata.annotations"}, Err: errors.New("no")}, path.Empty()},
		"a Backup's labels":      {"pgplatform_backup", &cnpg.AdmissionError{Kind: "Backup", Fields: []string{"metadata.labels"}, Err: errors.New("no")}, path.Empty()},
		"a conflict":             {"pgplatform_database", &cnpg.ConflictError{}, path.Root("force_conflicts")},
		"a restore's conflict":   {"pgplatform_restore", &cnpg.ConflictError{}, path.Root("force_conflicts")},
		"a restore's timeout":    {"pgplatform_restore", &timeoutError{operation: "create"}, path.Root("timeouts").AtName("create")},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var diags diag.Diagnostics
			addFailureOf(test.resource, &diags, "Unable", test.err)
			at := path.Empty()
			if with, ok := diags[0].(diag.DiagnosticWithPath); ok {
				at = with.Path()
			}
			if !at.Equal(test.want) {
				t.Errorf("the attribute is %s, want %s", at, test.want)
			}
		})
	}
}
