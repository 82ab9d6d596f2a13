// Package summaries gives diagnostics in all ways in which the provider does. It is read, never built.
package summaries

import "example.com/diag"

const constant = "A Constant"

var titles = map[string]string{"one": "One", "two": "Two"}

type options struct{ summary string }

func constants(diags *diag.Diagnostics) {
	diags.AddError(constant, "")
	diags.AddWarning("A "+"Warning", "")
	diags.AddAttributeError(diag.Root("name"), "At an Attribute", "")
	diags.Append(diag.NewErrorDiagnostic("Made as a Value", ""))
}

func argument(diags *diag.Diagnostics, summary string) { diags.AddError(summary, "") }

func through(diags *diag.Diagnostics, summary string) { argument(diags, summary) }

func calls(diags *diag.Diagnostics) {
	argument(diags, "An Argument")
	through(diags, "Another Argument")
	read(diags, "one")
	read(diags, "two")
	field(diags, options{summary: "A Field"})
	if summary, why := result(); summary != "" {
		diags.AddError(summary, why)
	}
}

func read(diags *diag.Diagnostics, kind string) {
	summary := "Unable to Read " + titles[kind]
	diags.AddError(summary, "")
}

func field(diags *diag.Diagnostics, o options) { diags.AddError(o.summary, "") }

func result() (summary, why string) {
	if len(titles) > 0 {
		return "A Result", ""
	}
	return "", ""
}
