package conformance

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// base is a database without the attributes of a row.
func base(t *testing.T, row string) string {
	t.Helper()
	set := parse(t, row)
	var lines []string
	for _, line := range []string{
		fmt.Sprintf("name = %q", name), "backup = { " + schedule + " }", "deletion_protection = false", "wait = false",
	} {
		attribute, _, _ := strings.Cut(line, " ")
		if _, other := set[attribute]; !other {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

func database(t *testing.T, row string) string {
	t.Helper()
	return "resource \"pgplatform_database\" \"db\" {\n" + base(t, row) + "\n" + row + "\n}\n"
}

// TestAttributes makes a database with each attribute, and adds each to one that exists and takes it away again. The
// operator's types, schemas, defaults and checks take what is sent, it arrives where the operator looks for it, and
// nothing that the operator has added is a difference.
func TestAttributes(t *testing.T) {
	t.Parallel()
	for _, a := range attributes {
		if a.environment == nil {
			t.Run(a.name, func(t *testing.T) {
				t.Parallel()
				a.run(t)
			})
		}
	}
}

// TestAttributesWithEnvironment is TestAttributes for those that refer to the environment.
func TestAttributesWithEnvironment(t *testing.T) { //nolint:paralleltest // the environment is the process's
	for _, a := range attributes { //nolint:paralleltest // as above
		if a.environment != nil {
			t.Run(a.name, a.run)
		}
	}
}

func (a attribute) run(t *testing.T) {
	f, w := a.fakes(t), newWorkspace(t)
	bring(t, w, f.block+database(t, a.config), terraformtest.Create)
	a.arrived(t, f)
	if !a.createOnly {
		a.comesAndGoes(t)
	}
}

// fakes are those that an attribute needs.
func (a attribute) fakes(t *testing.T) *fakes {
	t.Helper()
	f := newFakes(t)
	if a.environment != nil {
		a.environment(t, f)
	}
	return f
}

// comesAndGoes adds the attribute to a database that exists, and takes it away again.
func (a attribute) comesAndGoes(t *testing.T) {
	t.Helper()
	f, w := a.fakes(t), newWorkspace(t)
	bring(t, w, f.block+database(t, ""), terraformtest.Create)
	without := f.objects(t, namespace, name)
	if a.byDefault {
		bring(t, w, f.block+database(t, a.config), terraformtest.NoOp)
		return
	}
	bring(t, w, f.block+database(t, a.config), terraformtest.Update)
	if a.field == nil {
		if with := f.objects(t, namespace, name); !reflect.DeepEqual(with, without) {
			t.Errorf("%s changed\n%v\nto\n%v", a.config, without, with)
		}
		return
	}
	a.arrived(t, f)
	if reflect.DeepEqual(a.field(without), a.want) {
		t.Errorf("without %s, it is %v too: this row shows nothing", a.config, a.want)
	}
	if a.stays {
		return
	}
	bring(t, w, f.block+database(t, ""), terraformtest.Update)
	if got, want := a.field(f.objects(t, namespace, name)), a.field(without); !reflect.DeepEqual(got, want) {
		t.Errorf("after it was taken away, it is %v; without it, it was %v", got, want)
	}
}

// bring applies a configuration, and fails the test unless that is the action it takes and nothing is left to do after it.
func bring(t *testing.T, w *terraformtest.Workspace, config string, action terraformtest.Action) {
	t.Helper()
	w.Write(config)
	plan, diags := w.Plan(t.Context())
	if diags.HasError() {
		t.Fatalf("plan:\n%s", diags)
	}
	if got := plan.Action(address); got != action {
		t.Errorf("the plan is to %s, not to %s, for\n%s", got, action, config)
	}
	if diags := w.ApplyPlan(t.Context(), plan); diags.HasError() {
		t.Fatalf("apply:\n%s\n%s", diags, config)
	}
	again, diags := w.Plan(t.Context())
	if diags.HasError() {
		t.Fatalf("plan after the apply:\n%s", diags)
	}
	for _, c := range again.Changes {
		if c.Action != terraformtest.NoOp {
			t.Errorf("after the apply, the plan is to %s %s:\n%#v\nto\n%#v\n%s", c.Action, c.Address, c.Before, c.After, config)
		}
	}
}

// arrived checks what an attribute has made of the objects.
func (a attribute) arrived(t *testing.T, f *fakes) {
	t.Helper()
	at := a.other
	if at[1] == "" {
		at = [2]string{namespace, name}
	}
	o := f.objects(t, at[0], at[1])
	if o.cluster == nil {
		t.Fatalf("there is no Cluster %v", at)
	}
	if a.field == nil {
		return
	}
	if got := a.field(o); !reflect.DeepEqual(got, a.want) {
		t.Errorf("%s arrived as %#v, want %#v", a.config, got, a.want)
	}
}

// TestFakeCompletesAsTheOperator: what internal/cnpg/apitest adds to Clusters, the operator adds too, as it is or with a
// value of its own.
func TestFakeCompletesAsTheOperator(t *testing.T) {
	t.Parallel()
	f := newFakes(t) // the fake comes after the operator, and finds nothing left to add
	w := newWorkspace(t)
	checked := 0
	f.kube.Admit(func(object, _ *unstructured.Unstructured) ([]string, error) {
		if object.GetKind() != "Cluster" {
			return nil, nil
		}
		checked++
		alone := object.DeepCopy()
		_, err := newOperator(t).admit(alone, nil)
		if err == nil && !reflect.DeepEqual(alone.Object["spec"], object.Object["spec"]) {
			t.Errorf("the fake's Cluster is\n%v\nthe operator makes of it\n%v", object.Object["spec"], alone.Object["spec"])
		}
		return nil, err
	})
	bring(t, w, f.block+database(t, ""), terraformtest.Create)
	if checked == 0 {
		t.Error("no Cluster was checked")
	}
}

// TestOperatorRefuses is the control of all the others: what the operator does not know or does not allow is refused.
func TestOperatorRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		path  string
		value any
		says  string
	}{
		"a field that it does not have":            {"spec.instancez", int64(1), "spec.instancez"},
		"a field that is not where it should be":   {"spec.backup.barmanObjectStore.wal.jobs", int64(1), "wal.jobs"},
		"a value that its schema does not allow":   {"spec.logLevel", "loud", "spec.logLevel: Unsupported value"},
		"a value that its rules do not allow":      {"spec.bootstrap.initdb.icuLocale", "de", "icuLocale is only available when localeProvider is set to"},
		"a value that its webhook does not allow":  {"spec.storage.size", "ten", "spec.storage.size: Invalid value"},
		"a parameter that only it may set, itself": {"spec.postgresql.parameters.archive_command", "true", "archive_command"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, w := newFakes(t), newWorkspace(t)
			f.kube.Admit(func(object, old *unstructured.Unstructured) ([]string, error) {
				if object.GetKind() != "Cluster" {
					return nil, nil
				}
				if err := unstructured.SetNestedField(object.Object, test.value, strings.Split(test.path, ".")...); err != nil {
					return nil, err
				}
				return newOperator(t).admit(object, old)
			})
			w.Write(f.block + database(t, ""))
			if text := w.Apply(t.Context()).String(); !strings.Contains(text, test.says) {
				t.Errorf("it was taken: %s", text)
			}
		})
	}
}

// TestCollidingDefaultIsADifference is the other control: a default that changes what is configured is planned to be put
// back.
func TestCollidingDefaultIsADifference(t *testing.T) {
	t.Parallel()
	f, w := newFakes(t), newWorkspace(t)
	f.kube.Admit(func(object, _ *unstructured.Unstructured) ([]string, error) {
		if object.GetKind() != "Cluster" {
			return nil, nil
		}
		return nil, unstructured.SetNestedField(object.Object, "4MB", "spec", "postgresql", "parameters", "work_mem")
	})
	w.Write(f.block + database(t, `parameters = { work_mem = "8MB" }`))
	if diags := w.Apply(t.Context()); diags.HasError() {
		t.Fatal(diags)
	}
	plan, diags := w.Plan(t.Context())
	if diags.HasError() {
		t.Fatal(diags)
	}
	if got := plan.Action(address); got != terraformtest.Update {
		t.Errorf("the plan is to %s", got)
	}
}

// TestEveryKindIsAdmitted makes an object of each kind, and finds that the operator was asked about it.
func TestEveryKindIsAdmitted(t *testing.T) {
	t.Parallel()
	f, w := newFakes(t), newWorkspace(t)
	bring(t, w, f.block+database(t, ""), terraformtest.Create)
	w.Write(f.block + database(t, "") + fmt.Sprintf("resource \"pgplatform_backup\" \"now\" {\n  database = %q\n}\n", namespace+"/"+name))
	if diags := w.Apply(t.Context()); diags.HasError() {
		t.Fatal(diags)
	}
	for _, kind := range slices.Sorted(maps.Keys(typed)) {
		if _, asked := f.admitted.Load(kind); !asked {
			t.Errorf("the operator was asked about no %s", kind)
		}
	}
}
