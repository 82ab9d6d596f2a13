package terraformtest

import (
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
)

// Diagnostics are what a command has told: the provider's, and core's about the provider.
type Diagnostics []*tfprotov6.Diagnostic

// HasError tells whether the command failed.
func (d Diagnostics) HasError() bool { return len(d.Errors()) > 0 }

// Errors are those that are errors.
func (d Diagnostics) Errors() Diagnostics { return d.of(tfprotov6.DiagnosticSeverityError) }

// Warnings are those that are warnings.
func (d Diagnostics) Warnings() Diagnostics { return d.of(tfprotov6.DiagnosticSeverityWarning) }

func (d Diagnostics) of(severity tfprotov6.DiagnosticSeverity) Diagnostics {
	var found Diagnostics
	for _, one := range d {
		if one.Severity == severity {
			found = append(found, one)
		}
	}
	return found
}

// String is all of them as text.
func (d Diagnostics) String() string {
	var text strings.Builder
	for _, one := range d {
		fmt.Fprintf(&text, "%s: %s", one.Severity, one.Summary)
		if one.Attribute != nil {
			fmt.Fprintf(&text, " (%s)", one.Attribute)
		}
		fmt.Fprintf(&text, "\n%s\n\n", one.Detail)
	}
	return strings.TrimSpace(text.String())
}

// failure is an error that core itself has found.
func failure(summary, format string, args ...any) *tfprotov6.Diagnostic {
	return &tfprotov6.Diagnostic{Severity: tfprotov6.DiagnosticSeverityError, Summary: summary, Detail: fmt.Sprintf(format, args...)}
}

// Summaries of the errors that core finds in what a provider answers.
const (
	invalidPlan        = "Provider produced invalid plan"
	inconsistentPlan   = "Provider produced inconsistent final plan"
	inconsistentResult = "Provider produced inconsistent result after apply"
	invalidResult      = "Provider returned invalid result object after apply"
	invalidObject      = "Provider produced invalid object"
	invalidIdentity    = "Provider produced invalid identity"
	halted             = "Execution Halted"
)
