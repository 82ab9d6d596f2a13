package provider_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// The questions by which methods are found.
const (
	asksInTree = "create clusters myorg"
	asksPlugin = "list objectstores myorg"
)

// withoutInTree has the fakes' CNPG be one that has given up its own support for barman, as 1.31 is to.
func (f *fakes) withoutInTree() {
	f.kube.RemoveField("clusters", "spec", "backup", "barmanObjectStore")
	f.kube.RemoveField("clusters", "spec", "externalClusters", "barmanObjectStore")
}

// without both, nothing takes backups.
func (f *fakes) withoutMethods() {
	f.withoutInTree()
	f.kube.Remove("objectstores")
}

// countOf is how often something was asked.
func (f *fakes) countOf(what string) int {
	return len(slices.DeleteFunc(apitest.Summaries(f.kube.Requests()), func(s string) bool { return s != what }))
}

// plannedMethod is backup.method in a plan; "" for null, and "unknown".
func plannedMethod(plan *terraformtest.Plan, address string) string {
	backup := plan.Change(address).After.GetAttr("backup")
	if !backup.IsKnown() {
		return "unknown"
	}
	switch method := backup.GetAttr("method"); {
	case !method.IsKnown():
		return "unknown"
	case method.IsNull():
		return ""
	default:
		return method.AsString()
	}
}

// What takes backups is found once in a run, whatever is made in it: the plan shows it, and the state keeps it without another question.
func TestMethodIsFoundOnce(t *testing.T) {
	t.Parallel()
	s := onStage(t, operated(t))
	var config strings.Builder
	for n := range 5 {
		fmt.Fprintf(&config, "resource \"pgplatform_database\" \"db%d\" {\n  name = \"db-%d\"\n  backup = { schedule = \"@daily\" }\n%s}\n", n, n, unprotected)
	}
	s.forget()
	plan, _ := s.plan(s.config(config.String()))
	for n := range 5 {
		if got := plannedMethod(plan, fmt.Sprintf("pgplatform_database.db%d", n)); got != "barmanObjectStore" {
			t.Errorf("the plan of the database %d has the method %q", n, got)
		}
	}
	if in, by := s.countOf(asksInTree), s.countOf(asksPlugin); in != 1 || by != 0 || len(s.kube.Writes()) != 0 {
		t.Errorf("the plan asked %d and %d times, and wrote %v", in, by, apitest.Summaries(s.kube.Writes()))
	}
	s.forget()
	if diags := s.w.ApplyPlan(t.Context(), plan); diags.HasError() {
		t.Fatal(diags)
	}
	if in := s.countOf(asksInTree); in != 1 {
		t.Errorf("the apply asked %d times", in)
	}
	for _, changed := range []string{config.String(), strings.ReplaceAll(config.String(), "@daily", "@weekly")} {
		s.forget()
		s.apply(s.config(changed))
		if asked := s.countOf(asksInTree); asked != 0 {
			t.Errorf("asked %d times for databases that have a method", asked)
		}
	}
	if got := s.w.Object("pgplatform_database.db1").Attribute("archive", "method").AsString(); got != "barmanObjectStore" {
		t.Errorf("archive.method is %q", got)
	}
}

// Where nothing takes backups, or not by the method that is configured, the plan says what to install.
func TestMethodThatIsNotThere(t *testing.T) {
	t.Parallel()
	const at, docs = `AttributeName("backup").AttributeName("method")`, "https://cloudnative-pg.io/plugin-barman-cloud/docs/installation/"
	tests := map[string]struct {
		without func(*fakes)
		config  string
		says    []string
	}{
		"none": {(*fakes).withoutMethods, database(`backup = { schedule = "@daily" }`), []string{
			at, "nothing in this Kubernetes cluster takes backups", "no support of its own for barman any more", "Barman Cloud plugin is not installed", "helm upgrade --install", docs,
		}},
		"none, restored": {(*fakes).withoutMethods, restoreFrom(`object_store = { server_name = "my-db-v1" }`, goneDatabase), []string{
			at, "nothing in this Kubernetes cluster takes backups", docs,
		}},
		"none, restored and not backed up": {(*fakes).withoutMethods, restoreFrom(`object_store = { server_name = "my-db-v1" }`,
			strings.Replace(goneDatabase, `{ schedule = "0 0 3 * * *" }`, `{ enabled = false }`, 1)), []string{
			at, "nothing in this Kubernetes cluster takes backups", docs,
		}},
		"in-tree": {(*fakes).withoutMethods, database(`backup = { schedule = "@daily", method = "barmanObjectStore" }`), []string{
			at, `the method "barmanObjectStore" is not there`, "no support of its own for barman any more", "helm upgrade --install", docs, `Set backup.method = "plugin"`,
		}},
		"the plugin": {func(f *fakes) { f.kube.Remove("objectstores") }, database(`backup = { schedule = "@daily", method = "plugin" }`), []string{
			at, `the method "plugin" is not there`, "the Barman Cloud plugin is not installed", "helm upgrade --install", docs,
		}},
		"in-tree, and the plugin is": {(*fakes).withoutInTree, database(`backup = { schedule = "@daily", method = "barmanObjectStore" }`), []string{
			at, `the method "barmanObjectStore" is not there`, "no support of its own for barman any more", `Set backup.method = "plugin"`,
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := operated(t)
			archiveOfSource(t, f.s3.Archive(fakeBucket, "pg", "my-db-v1"))
			test.without(f)
			s := onStage(t, f)
			s.refused(s.config(test.config), test.says...)
		})
	}
	t.Run("each is there", func(t *testing.T) { // the control
		t.Parallel()
		for name, test := range tests {
			f := operated(t)
			archiveOfSource(t, f.s3.Archive(fakeBucket, "pg", "my-db-v1"))
			s := onStage(t, f)
			if plan, _ := s.plan(s.config(test.config)); len(plan.Changes) != 1 {
				t.Errorf("%s: the plan is %s", name, plan)
			}
		}
	})
}

// Where only the plugin takes backups, it is what takes them.
func TestMethodIsThePluginWhereNothingElseIs(t *testing.T) {
	t.Parallel()
	f := operated(t)
	f.withoutInTree()
	s := onStage(t, f)
	s.apply(s.config(database(unprotected + `backup = { schedule = "@daily" }`)))
	if method := cnpg.MethodOf(f.cluster()); method != cnpg.MethodPlugin || s.attribute("backup", "method") != "plugin" || s.attribute("archive", "method") != "plugin" {
		t.Errorf("it archives by %q, and the state has %q", method, s.attribute("backup", "method"))
	}
}

// A schedule that begins with a backup follows the pods' change of containers, which would end that backup. In-tree there is no such change.
func TestScheduleFollowsTheContainers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before, after string
		follows       bool
	}{
		"backups by the plugin begin":   {"", `method = "plugin"`, true},
		"in-tree becomes the plugin":    {`method = "barmanObjectStore"`, `method = "plugin"`, true},
		"the plugin becomes in-tree":    {`method = "plugin"`, `method = "barmanObjectStore"`, true},
		"backups in-tree begin":         {"", `method = "barmanObjectStore"`, false},
		"the plugin has other settings": {`method = "plugin"`, `method = "plugin", retention_days = 9`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := operated(t)
			s := onStage(t, f)
			config := func(backup string) string {
				if backup == "" {
					return s.config(database(unprotected))
				}
				return s.config(database(unprotected + `backup = { schedule = "@daily", ` + backup + ` }`))
			}
			s.apply(config(test.before))
			f.kube.Forget()
			s.apply(config(test.after))
			waits, schedules := -1, -1
			for i, r := range f.kube.Requests() {
				switch {
				case r.Resource == "scheduledbackups" && r.Writes() && schedules < 0:
					schedules = i
				case r.Resource == "pods" && r.Verb == apitest.VerbWatch && waits < 0:
					waits = i
				}
			}
			if waits < 0 || schedules < 0 || waits < schedules != test.follows {
				t.Errorf("the pods are waited for from request %d on, the schedule is written by request %d: %v", waits, schedules, apitest.Summaries(f.kube.Requests()))
			}
		})
	}
}

// A base backup that came before the pods have what the plugin needs in them would fail: where nobody waits for them, the next apply
// takes it, and the plan says so until then.
func TestBaseBackupThatNobodyWaitsFor(t *testing.T) {
	t.Parallel()
	const later = "Base Backup Still To Be Taken"
	for name, test := range map[string]struct {
		before, after string
		waits         bool
	}{
		"backups by the plugin begin":   {"", `method = "plugin"`, true},
		"in-tree becomes the plugin":    {`method = "barmanObjectStore"`, `method = "plugin"`, true},
		"the plugin becomes in-tree":    {`method = "plugin"`, `method = "barmanObjectStore"`, true},
		"the plugin has another bucket": {`method = "plugin"`, `method = "plugin", object_store = { destination_path = "s3://backups/other" }`, true},
		"the plugin has another folder": {`method = "plugin"`, `method = "plugin", server_name = "v2"`, false},
		"in-tree archives to another":   {`method = "barmanObjectStore"`, `method = "barmanObjectStore", server_name = "v2"`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := operated(t)
			s := onStage(t, f)
			config := func(backup string) string {
				if backup == "" {
					return s.config(database(unprotected + "wait = false\n"))
				}
				return s.config(database(unprotected + `wait = false
					backup = { schedule = "@daily", ` + backup + ` }`))
			}
			s.apply(config(test.before))
			begun := len(s.begun())
			s.w.Write(config(test.after))
			diags := s.w.Apply(t.Context())
			if diags.HasError() || strings.Contains(diags.String(), later) != test.waits || (len(s.begun()) == begun) != test.waits {
				t.Errorf("%d base backups were begun, and it says %q", len(s.begun())-begun, diags)
			}
			plan, warnings := s.plan(config(test.after))
			if (plan.Action(db) == terraformtest.Update) != test.waits || strings.Contains(warnings, "is still to be taken") != test.waits {
				t.Errorf("after that the plan is %q with the warnings %q", plan.Action(db), warnings)
			}
			if warnings := s.apply(config(test.after)); strings.Contains(warnings, later) || len(s.begun())-begun != 1 {
				t.Errorf("the next apply has %d base backups, and warns %q", len(s.begun())-begun, warnings)
			}
			if plan, _ := s.plan(config(test.after)); plan.Action(db) != terraformtest.NoOp {
				t.Errorf("then the plan is %q", plan.Action(db))
			}
		})
	}
}

// What the plan cannot find out the apply does, before it makes anything.
func TestMethodIsFoundByTheApply(t *testing.T) {
	t.Parallel()
	const backedUp = `backup = { schedule = "@daily" }` + "\n" + unprotected
	forbidden := apitest.Fault{Status: http.StatusForbidden, Message: `User "planner" cannot do that`}
	for name, fault := range map[string]apitest.Fault{
		"the right lacks":          forbidden,
		"the server fails":         {Status: http.StatusInternalServerError},
		"the connection is broken": {ResetBefore: true},
	} {
		t.Run(name+", and only the plugin may be there", func(t *testing.T) {
			t.Parallel()
			s := onStage(t, operated(t))
			s.withoutInTree()
			s.kube.Fail(apitest.Each(apitest.VerbList, "objectstores", fault))
			plan, _ := s.plan(s.config(database(backedUp)))
			if got := plannedMethod(plan, db); got != "unknown" {
				t.Errorf("the plan has the method %q", got)
			}
			diags := s.w.ApplyPlan(t.Context(), plan)
			if !says("Unable to Create Database", "whether the Barman Cloud plugin is installed", "Nothing was created.").MatchString(diags.Errors().String()) {
				t.Errorf("the apply says\n%s", diags)
			}
			s.nothingWritten(t)
		})
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := onStage(t, operated(t))
			s.kube.Fail(apitest.Each(apitest.VerbCreate, "clusters", fault))
			plan, _ := s.plan(s.config(database(backedUp)))
			if got := plannedMethod(plan, db); got != "unknown" {
				t.Errorf("the plan has the method %q", got)
			}
			diags := s.w.ApplyPlan(t.Context(), plan)
			if !says("Unable to Create Database", "whether CloudNativePG has its own support for barman", "Nothing was created.").MatchString(diags.Errors().String()) {
				t.Errorf("the apply says\n%s", diags)
			}
			if fault.Status == http.StatusForbidden && !says(`User "planner" cannot do that`, "set backup.method to what is installed").MatchString(diags.String()) {
				t.Errorf("of the right that lacks it says\n%s", diags)
			}
			s.nothingWritten(t)

			plan, _ = s.plan(s.config(database(backedUp))) // still unknown
			s.kube.Fail(nil)
			if diags := s.w.ApplyPlan(t.Context(), plan); diags.HasError() {
				t.Fatal(diags)
			}
			if got := s.attribute("backup", "method"); got != "barmanObjectStore" {
				t.Errorf("the method is %q", got)
			}
			s.planned(s.config(database(backedUp)), terraformtest.NoOp)
		})
	}
}

// Who configures a method needs no right to find it, and it is as good as the API server says.
func TestConfiguredMethodNeedsNoAnswer(t *testing.T) {
	t.Parallel()
	s := onStage(t, operated(t))
	s.kube.Fail(apitest.Each(apitest.VerbCreate, "clusters", apitest.Fault{Status: http.StatusForbidden}))
	s.apply(s.config(database(`backup = { schedule = "@daily", method = "barmanObjectStore" }` + "\n" + unprotected)))
}

// CNPG may be another one when the plan is applied.
func TestMethodThatGoesBeforeTheApply(t *testing.T) {
	t.Parallel()
	s := onStage(t, operated(t))
	plan, _ := s.plan(s.config(database(`backup = { schedule = "@daily" }`)))
	s.withoutMethods()
	if diags := s.w.ApplyPlan(t.Context(), plan); !says("Backup Method Not Available", `AttributeName("method")`, "no support of its own for barman any more", "Nothing was changed.").MatchString(diags.Errors().String()) {
		t.Errorf("the apply says\n%s", diags)
	}
	s.nothingWritten(t)
}

// Of a database that is not backed up the method says what would be used. It needs none, and has one found when it is.
func TestMethodWithoutBackups(t *testing.T) {
	t.Parallel()
	off, on := database("backup = { enabled = false }\n"+unprotected), database("backup = { schedule = \"@daily\" }\n"+unprotected)
	t.Run("there", func(t *testing.T) {
		t.Parallel()
		s := onStage(t, operated(t))
		s.apply(s.config(off))
		if got := s.attribute("backup", "method"); got != "barmanObjectStore" {
			t.Errorf("the method is %q", got)
		}
	})
	t.Run("not there", func(t *testing.T) {
		t.Parallel()
		f := operated(t)
		f.withoutMethods()
		s := onStage(t, f)
		s.apply(s.config(off))
		if got := s.attribute("backup", "method"); got != "" {
			t.Errorf("the method is %q", got)
		}
		s.forget()
		s.planned(s.config(off), terraformtest.NoOp)
		if s.countOf(asksInTree) != 0 {
			t.Errorf("asked %v", apitest.Summaries(s.kube.Requests()))
		}
		s.refused(s.config(on), "nothing in this Kubernetes cluster takes backups")
	})
	t.Run("not known", func(t *testing.T) {
		t.Parallel()
		s := onStage(t, operated(t))
		s.kube.Fail(apitest.Each(apitest.VerbCreate, "clusters", apitest.Fault{Status: http.StatusForbidden}))
		s.apply(s.config(off))
		s.kube.Fail(nil)
		s.apply(s.config(on))
		if got := s.attribute("backup", "method"); got != "barmanObjectStore" {
			t.Errorf("the method is %q", got)
		}
	})
}

// A database that archives in-tree when CNPG gives that up is said what to do by its next plan, and by an apply that was planned before.
func TestMethodThatIsGivenUp(t *testing.T) {
	t.Parallel()
	config := database("backup = { schedule = \"@daily\" }\n" + unprotected)
	s := onStage(t, operated(t))
	s.apply(s.config(config))
	plan, _ := s.plan(s.config(database("backup = { schedule = \"@daily\" }\nparameters = { work_mem = \"8MB\" }\n" + unprotected)))
	s.withoutInTree()
	s.kube.Forget()
	diags := s.w.ApplyPlan(t.Context(), plan)
	if !says("Unable to Update Database", `AttributeName("method")`, "no support of its own for barman any more", `Set backup.method = "plugin"`, "Nothing was changed.").MatchString(diags.Errors().String()) {
		t.Errorf("the apply says\n%s", diags)
	}
	if writes := s.kube.Writes(); len(writes) > 0 {
		t.Errorf("written: %v", apitest.Summaries(writes))
	}
	s.refused(s.config(config), "Backup Method Not Available", `AttributeName("method")`, "no support of its own for barman any more", `Set backup.method = "plugin"`)
	if c := apitest.Get[cnpgv1.Cluster](s.kube, fakeNamespace, "my-db"); c == nil {
		t.Error("the Cluster is gone")
	}
}
