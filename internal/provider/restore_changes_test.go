package provider_test

import (
	"encoding/json"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// madeOf is what a restored Cluster says of how it was made.
func madeOf(c *cnpgv1.Cluster) string {
	text, _ := json.Marshal([]any{c.Spec.Bootstrap, c.Spec.ExternalClusters, c.Annotations[cnpg.AnnotationSource], c.Annotations[cnpg.AnnotationRestore]})
	return string(text)
}

// A restored database changes as any other does, and keeps what it was made of and what it has of its source.
func TestRestoreUpdates(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config string
		change map[string]string
		gone   []string
	}{
		"parameters":    {config: `parameters = { work_mem = "16MB" }`, change: map[string]string{"parameter work_mem": "16MB"}, gone: []string{"parameter log_statement"}},
		"storage":       {config: `storage = { size = "7Gi" }`, change: map[string]string{"storage": "7Gi fast"}},
		"wal_storage":   {config: `wal_storage = { size = "3Gi" }`, change: map[string]string{"wal": "3Gi fast"}},
		"instances":     {config: `instances = 3`, change: map[string]string{"instances": "3"}},
		"resources":     {config: `resources = { memory = "1Gi" }`, change: map[string]string{"resources": "300m 1Gi 1Gi 0"}},
		"tier":          {config: `tier = "HA"`, change: map[string]string{"tier": "HA", "instances": "3", "storage": "20Gi fast", "resources": "250m 2Gi 2Gi 0"}},
		"minor version": {config: `postgres_version = "17.6"`, change: map[string]string{"image": "ghcr.io/cloudnative-pg/postgresql:17.6-system-trixie"}},
		"org_id":        {config: `org_id = "umbrella"`, change: map[string]string{"org": "umbrella"}},
		"pg_hba":        {config: `pg_hba = []`, change: map[string]string{"hba": "[]"}},
		"labels":        {config: `labels = { team = "b" }`},
		"backup":        {config: `backup = { schedule = "@daily" }`, change: map[string]string{"settings": "[null,null]", "schedule": "@daily", "retention": "", "parameter archive_timeout": "5min"}},
		"no backup": {
			config: `backup = { enabled = false }`, gone: []string{"archive", "settings", "schedule", "retention"}, change: map[string]string{"parameter archive_timeout": "5min"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, source := richStage(t)
			s.apply(source + restoreOf(unprotected+"target_time = \"2026-03-26T11:30:00Z\""))
			made, uid := madeOf(s.restored()), s.restored().UID
			var want []string
			for _, line := range strings.Split(s.inherits("my-db-pitr"), "\n") {
				name, _, _ := strings.Cut(line, ": ")
				if value, changed := test.change[name]; changed {
					line = name + ": " + value
				}
				if !strings.Contains(strings.Join(test.gone, "\n")+"\n", name+"\n") || name == "" {
					want = append(want, line)
				}
			}
			config := source + restoreOf(unprotected+"target_time = \"2026-03-26T11:30:00Z\"\n"+test.config)
			if action := s.action(config); action != terraformtest.Update {
				t.Errorf("the plan is to %s", action)
			}
			s.kube.Forget()
			s.apply(config)
			if got := s.inherits("my-db-pitr"); got != strings.Join(want, "\n") {
				t.Errorf("it is otherwise than expected: %s", unequal(got, strings.Join(want, "\n")))
			}
			if c := s.restored(); madeOf(c) != made || c.UID != uid {
				t.Errorf("it was made of\n%s, now\n%s", made, madeOf(c))
			}
			for _, write := range apitest.Summaries(s.kube.Writes()) {
				if strings.Contains(write, "myorg/my-db ") || strings.HasSuffix(write, "myorg/my-db") {
					t.Errorf("an update of the restored database writes %s", write)
				}
			}
		})
	}
}

// What others change of what is configured is seen and put back. Of what came from the source it is taken over, as of any
// attribute that is not configured.
func TestRestoreDrift(t *testing.T) {
	t.Parallel()
	const all = `
  org_id     = "acme"
  instances  = 2
  resources  = { cpu = "300m", memory = "700Mi" }
  parameters = { work_mem = "8MB", log_statement = "ddl" }
  pg_hba     = ["host all all 10.0.0.0/8 scram-sha-256"]
  backup     = { schedule = "0 2 * * *", retention_days = 14 }
`
	for name, test := range map[string]struct {
		change func(*cnpgv1.Cluster)
		hidden bool
	}{
		"parameters":         {change: func(c *cnpgv1.Cluster) { c.Spec.PostgresConfiguration.Parameters["work_mem"] = "1MB" }},
		"pg_hba":             {change: func(c *cnpgv1.Cluster) { c.Spec.PostgresConfiguration.PgHBA = nil }},
		"instances":          {change: func(c *cnpgv1.Cluster) { c.Spec.Instances = 1 }},
		"limit of memory":    {change: func(c *cnpgv1.Cluster) { delete(c.Spec.Resources.Limits, "memory") }},
		"request of memory":  {change: func(c *cnpgv1.Cluster) { delete(c.Spec.Resources.Requests, "memory") }},
		"org_id":             {change: func(c *cnpgv1.Cluster) { delete(c.Labels, cnpg.LabelOrgID) }},
		"retention":          {change: func(c *cnpgv1.Cluster) { c.Spec.Backup.RetentionPolicy = "1d" }},
		"bootstrap":          {change: func(c *cnpgv1.Cluster) { c.Spec.Bootstrap.Recovery.RecoveryTarget.BackupID = "other" }, hidden: true},
		"the inputs' notice": {change: func(c *cnpgv1.Cluster) { delete(c.Annotations, cnpg.AnnotationRestore) }, hidden: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, source := richStage(t)
			config := source + restoreOf("force_conflicts = true\n"+all)
			s.apply(config)
			before := s.inherits("my-db-pitr")
			apitest.EditAs(s.kube, apitest.Kubectl, fakeNamespace, "my-db-pitr", test.change)
			if action := s.action(config); action == terraformtest.NoOp != test.hidden {
				t.Fatalf("the plan is to %s", action)
			}
			s.apply(config)
			if got := s.inherits("my-db-pitr"); got != before {
				t.Errorf("it is otherwise than before: %s", unequal(got, before))
			}
		})
		t.Run(name+", of the source", func(t *testing.T) {
			t.Parallel()
			s, source := richStage(t)
			s.apply(source + restoreOf(""))
			apitest.EditAs(s.kube, apitest.Kubectl, fakeNamespace, "my-db-pitr", test.change)
			now := s.inherits("my-db-pitr")
			if plan, _ := s.plan(source + restoreOf("")); plan.Action(pitr) != terraformtest.NoOp {
				t.Errorf("the plan is to %s: %s", plan.Action(pitr), differences(plan.Change(pitr)))
			}
			s.apply(source + restoreOf("labels = { team = \"b\" }"))
			if got := s.inherits("my-db-pitr"); got != now {
				t.Errorf("another change makes it otherwise: %s", unequal(got, now))
			}
		})
	}
}

// A source that is not known when the plan is made decides when it is applied.
func TestRestoreOfWhatIsNotKnownYet(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ unknown, known string }{
		"source":                   {"source = unknown", `source = { database = "myorg/my-db" }`},
		"source.database":          {"source = { database = unknown }", `source = { database = "myorg/my-db" }`},
		"source.backup":            {"source = { backup = unknown }", `source = { backup = "myorg/first" }`},
		"source.object_store":      {"source = { object_store = unknown }\n" + goneDatabase, "source = { object_store = { server_name = \"my-db-v1\" } }\n" + goneDatabase},
		"its server_name":          {"source = { object_store = { server_name = unknown } }\n" + goneDatabase, "source = { object_store = { server_name = \"my-db-v1\" } }\n" + goneDatabase},
		"target_time":              {"source = { database = \"myorg/my-db\" }\ntarget_time = unknown", "source = { database = \"myorg/my-db\" }\ntarget_time = \"2026-03-26T11:30:00Z\""},
		"target_lsn":               {"source = { database = \"myorg/my-db\" }\ntarget_lsn = unknown", "source = { database = \"myorg/my-db\" }\ntarget_lsn = \"0/B000100\""},
		"backup_id":                {"source = { database = \"myorg/my-db\" }\nbackup_id = unknown", "source = { database = \"myorg/my-db\" }\nbackup_id = \"" + earlyBackup + "\""},
		"target_timeline":          {"source = { database = \"myorg/my-db\" }\ntarget_timeline = unknown", "source = { database = \"myorg/my-db\" }\ntarget_timeline = 1"},
		"target_inclusive":         {"source = { database = \"myorg/my-db\" }\ntarget_time = \"2026-03-26T11:30:00Z\"\ntarget_inclusive = unknown", "source = { database = \"myorg/my-db\" }\ntarget_time = \"2026-03-26T11:30:00Z\"\ntarget_inclusive = false"},
		"the target of a dead one": {"source = { object_store = { server_name = \"my-db-v1\" } }\ntarget_time = unknown\n" + goneDatabase, "source = { object_store = { server_name = \"my-db-v1\" } }\ntarget_time = \"2026-03-26T11:30:00Z\"\n" + goneDatabase},
		"storage":                  {"source = { database = \"myorg/my-db\" }\nstorage = unknown", "source = { database = \"myorg/my-db\" }\nstorage = { size = \"9Gi\" }"},
		"storage.size":             {"source = { database = \"myorg/my-db\" }\nstorage = { size = unknown }", "source = { database = \"myorg/my-db\" }\nstorage = { size = \"9Gi\" }"},
		"tier":                     {"source = { database = \"myorg/my-db\" }\ntier = unknown", "source = { database = \"myorg/my-db\" }\ntier = \"HA\""},
		"instances":                {"source = { database = \"myorg/my-db\" }\ninstances = unknown", "source = { database = \"myorg/my-db\" }\ninstances = 2"},
		"resources":                {"source = { database = \"myorg/my-db\" }\nresources = { cpu = unknown }", "source = { database = \"myorg/my-db\" }\nresources = { cpu = \"1\" }"},
		"parameters":               {"source = { database = \"myorg/my-db\" }\nparameters = unknown", "source = { database = \"myorg/my-db\" }\nparameters = { work_mem = \"1MB\" }"},
		"backup":                   {"source = { database = \"myorg/my-db\" }\nbackup = unknown", "source = { database = \"myorg/my-db\" }\nbackup = { enabled = false }"},
		"backup.schedule":          {"source = { database = \"myorg/my-db\" }\nbackup = { schedule = unknown }", "source = { database = \"myorg/my-db\" }\nbackup = { schedule = \"@daily\" }"},
		"image":                    {"source = { database = \"myorg/my-db\" }\nimage = unknown", "source = { database = \"myorg/my-db\" }\nimage = \"postgres:17.6\""},
		"postgres_version":         {"source = { database = \"myorg/my-db\" }\npostgres_version = unknown", "source = { database = \"myorg/my-db\" }\npostgres_version = \"17.6\""},
		"namespace":                {"source = { database = \"myorg/my-db\" }\nnamespace = unknown", "source = { database = \"myorg/my-db\" }\nnamespace = \"myorg\""},
		"org_id":                   {"source = { database = \"myorg/my-db\" }\norg_id = unknown", "source = { database = \"myorg/my-db\" }\norg_id = null"},
		"scheduling":               {"source = { database = \"myorg/my-db\" }\nscheduling = unknown", "source = { database = \"myorg/my-db\" }\nscheduling = null"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := restoreStage(t)
			s.kube.Put(s.backupDone(nil))
			config := func(source string) string {
				return s.config("resource \"pgplatform_restore\" \"pitr\" {\n  name = \"my-db-pitr\"\n" + source + "\n}\n")
			}
			plan, warnings := s.plan(config(test.unknown))
			unchecked := strings.HasPrefix(name, "source") || strings.HasPrefix(name, "target") || name == "its server_name" || name == "backup_id" || name == "the target of a dead one"
			if strings.Contains(warnings, "Restore Not Checked Yet") != unchecked {
				t.Errorf("the plan warns\n%s", warnings)
			}
			s.w.Write(config(test.known))
			if diags := s.w.ApplyPlan(t.Context(), plan); diags.HasError() {
				t.Fatal(diags)
			}
			s.apply(config(test.known))
			// It is what a plan that knows everything makes.
			other, _ := restoreStage(t)
			other.kube.Put(other.backupDone(nil))
			other.apply(strings.ReplaceAll(strings.ReplaceAll(config(test.known), s.kubeconfig, other.kubeconfig), s.s3.URL, other.s3.URL))
			if got, want := s.inherits("my-db-pitr"), other.inherits("my-db-pitr"); got != want {
				t.Errorf("restored is otherwise: %s", unequal(got, want))
			}
			if got, want := strings.ReplaceAll(madeOf(s.restored()), s.s3.URL, ""), strings.ReplaceAll(madeOf(other.restored()), other.s3.URL, ""); got != want {
				t.Errorf("made of\n%s, want\n%s", got, want)
			}
		})
	}
}

// A source that the same apply changes decides as it is by then.
func TestRestoreOfASourceThatChanges(t *testing.T) {
	t.Parallel()
	s, source := richStage(t)
	changed := strings.NewReplacer(`"8MB"`, `"16MB"`, `"6Gi"`, `"8Gi"`, `"17.5"`, `"17.6"`, "instances           = 2", "instances           = 1", "retention_days  = 14", "retention_days  = 7").Replace(source)
	s.apply(changed + restoreOf(""))
	if got, want := s.inherits("my-db-pitr"), s.inherits("my-db"); got != want || !strings.Contains(want, "16MB") {
		t.Errorf("restored is otherwise than the source: %s", unequal(got, want))
	}
	// What was restored has nothing to do with it any more.
	if plan, _ := s.plan(strings.Replace(changed, `"16MB"`, `"32MB"`, 1) + restoreOf("")); plan.Action(pitr) != terraformtest.NoOp {
		t.Errorf("a change of the source is one to %s", plan.Action(pitr))
	}
}

// With create_before_destroy the new database would take the old one's name: nothing is touched.
func TestRestoreCreateBeforeDestroy(t *testing.T) {
	t.Parallel()
	f, _ := withSource(t)
	const lifecycle = "\n  lifecycle { create_before_destroy = true }\n"
	var version string
	unit(t,
		resource.TestStep{Config: f.config(restoreOf(unprotected + lifecycle)), Check: check(func() error { version = f.restored().ResourceVersion; return nil })},
		resource.TestStep{
			Config:      f.config(restoreOf(unprotected + "target_time = \"2026-03-26T11:30:00Z\"" + lifecycle)),
			ExpectError: says("Cluster myorg/my-db-pitr exists already"),
		},
		resource.TestStep{ // whatever the next plan says, nothing has happened to the database
			PreConfig: func() {
				if c := f.restored(); c == nil || c.ResourceVersion != version {
					t.Error("the restored database was touched")
				}
			},
			Config: f.config(restoreOf(unprotected + lifecycle)), PlanOnly: true, ExpectError: says("Cluster myorg/my-db-pitr exists already"),
		},
	)
}

// A taint of a database that runs does not throw it away.
func TestRestoreTainted(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testRestoreTainted)
}

func testRestoreTainted(t *testing.T) {
	t.Parallel()
	for _, attributes := range []string{"", unprotected} {
		s, _ := restoreStage(t)
		config := s.config(restoreOf(attributes))
		s.apply(config)
		s.w.Taint(pitr)
		s.refused(config, "Restore Already Exists", "terraform untaint")
		s.w.Untaint(pitr)
		if action := s.action(config); action != terraformtest.NoOp {
			t.Errorf("with %q, the plan is to %s", attributes, action)
		}
	}
}
