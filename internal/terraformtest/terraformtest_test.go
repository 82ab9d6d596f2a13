package terraformtest_test

import (
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

const thing = "test_thing.one"

// What core refuses of a provider's answers, the driver refuses too, and what core keeps in the state, it keeps.
func TestChecksOfAnswers(t *testing.T) {
	t.Parallel()
	failed := []*tfprotov6.Diagnostic{{Severity: tfprotov6.DiagnosticSeverityError, Summary: "It Failed"}}
	tests := map[string]struct {
		plan    func(planned map[string]tftypes.Value)
		apply   func(*tfprotov6.ApplyResourceChangeResponse, map[string]tftypes.Value)
		want    string // in the errors; "" for none
		kept    bool
		tainted bool
	}{
		"all is well": {kept: true},
		"another value than configured is planned": {
			plan: func(planned map[string]tftypes.Value) { planned["name"] = text("another") },
			want: "Provider produced invalid plan",
		},
		"a value is planned for what nobody computes": {
			plan: func(planned map[string]tftypes.Value) { planned["note"] = text("mine") },
			want: "Provider produced invalid plan",
		},
		"another value than planned is applied": {
			apply: func(_ *tfprotov6.ApplyResourceChangeResponse, state map[string]tftypes.Value) {
				state["name"] = text("another")
			},
			want: "Provider produced inconsistent result after apply", kept: true, tainted: true,
		},
		"a value is unknown after the apply": {
			apply: func(_ *tfprotov6.ApplyResourceChangeResponse, state map[string]tftypes.Value) {
				state["id"] = tftypes.NewValue(tftypes.String, tftypes.UnknownValue)
			},
			want: "Provider returned invalid result object after apply", kept: true, tainted: true,
		},
		"nothing is returned after the apply": {
			apply: func(_ *tfprotov6.ApplyResourceChangeResponse, state map[string]tftypes.Value) { clear(state) },
			want:  "Provider returned invalid result object after apply",
		},
		"an identity is missing": {
			apply: func(resp *tfprotov6.ApplyResourceChangeResponse, _ map[string]tftypes.Value) { resp.NewIdentity = nil },
			want:  "Provider produced invalid identity", kept: true, tainted: true,
		},
		"an error comes with an object": {
			apply: func(resp *tfprotov6.ApplyResourceChangeResponse, _ map[string]tftypes.Value) {
				resp.Diagnostics = failed
			},
			want: "It Failed", kept: true, tainted: true,
		},
		"an error comes with nothing": {
			apply: func(resp *tfprotov6.ApplyResourceChangeResponse, state map[string]tftypes.Value) {
				resp.Diagnostics = failed
				clear(state)
			},
			want: "It Failed",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := terraformtest.New(t, serve(&thingServer{plan: test.plan, apply: test.apply}))
			w.Write(`resource "test_thing" "one" { name = "first" }`)
			diags := w.Apply(t.Context())
			if diags.HasError() != (test.want != "") || !strings.Contains(diags.String(), test.want) {
				t.Errorf("the errors are %s; want %q", diags, test.want)
			}
			object := w.Object(thing)
			if (object != nil) != test.kept || object != nil && object.Tainted != test.tainted {
				t.Errorf("the state holds %+v; want kept %t, tainted %t", object, test.kept, test.tainted)
			}
		})
	}
}

// A destroy or an update that fails keeps what was there; a tainted object is planned as a replacement.
func TestStateAfterFailures(t *testing.T) {
	t.Parallel()
	server := &thingServer{}
	w := terraformtest.New(t, serve(server))
	w.Write(`resource "test_thing" "one" { name = "first" }`)
	if diags := w.Apply(t.Context()); diags.HasError() {
		t.Fatal(diags)
	}
	server.apply = func(resp *tfprotov6.ApplyResourceChangeResponse, _ map[string]tftypes.Value) {
		resp.Diagnostics = []*tfprotov6.Diagnostic{{Severity: tfprotov6.DiagnosticSeverityError, Summary: "It Failed"}}
	}
	w.Write(`resource "test_thing" "one" { name = "second" }`)
	if diags := w.Apply(t.Context()); !diags.HasError() || w.Object(thing).Tainted || w.Object(thing).Attribute("name").AsString() != "second" {
		t.Errorf("after an update that failed: %s, %+v", diags, w.Object(thing))
	}
	if diags := w.Destroy(t.Context()); !diags.HasError() || w.Object(thing) == nil || w.Object(thing).Tainted {
		t.Errorf("after a destroy that failed: %s, %+v", diags, w.Object(thing))
	}
	server.apply = nil
	if diags := w.Destroy(t.Context()); diags.HasError() || w.Object(thing) != nil {
		t.Errorf("after a destroy: %s, %+v", diags, w.Object(thing))
	}
}

func TestActions(t *testing.T) {
	t.Parallel()
	server := &thingServer{}
	w := terraformtest.New(t, serve(server))
	step := func(config string, want terraformtest.Action) {
		t.Helper()
		w.Write(config)
		plan, diags := w.Plan(t.Context())
		if diags.HasError() || plan.Action(thing) != want {
			t.Fatalf("the plan is %v %s, want %s", plan, diags, want)
		}
		if diags := w.ApplyPlan(t.Context(), plan); diags.HasError() {
			t.Fatal(diags)
		}
	}
	step(`resource "test_thing" "one" { name = "first" }`, terraformtest.Create)
	step(`resource "test_thing" "one" { name = "first" }`, terraformtest.NoOp)
	step(`resource "test_thing" "one" { name = "second" }`, terraformtest.Update)
	w.Taint(thing)
	step(`resource "test_thing" "one" { name = "second" }`, terraformtest.Replace)
	step("resource \"test_thing\" \"one\" {\n  name = \"second\"\n  kind = \"other\"\n}", terraformtest.Replace)
	w.Forget(thing)
	step("import {\n  to = test_thing.one\n  id = \"third\"\n}\nresource \"test_thing\" \"one\" { name = \"third\" }", terraformtest.NoOp)
	step("", terraformtest.Delete)
	if len(w.Addresses()) > 0 {
		t.Errorf("the state still holds %v", w.Addresses())
	}
}

// After an interrupt nothing more is begun.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	server := &thingServer{}
	w := terraformtest.New(t, serve(server))
	w.Write(`resource "test_thing" "one" { name = "first" }` + "\n" + `resource "test_thing" "two" { name = "second" }`)
	server.apply = func(*tfprotov6.ApplyResourceChangeResponse, map[string]tftypes.Value) { w.Interrupt() }
	diags := w.Apply(t.Context())
	if !strings.Contains(diags.String(), "interrupted") || w.Object(thing) == nil || w.Object("test_thing.two") != nil {
		t.Errorf("%s; the state holds %v", diags, w.Addresses())
	}
}
