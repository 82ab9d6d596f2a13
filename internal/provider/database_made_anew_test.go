package provider_test

import (
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/tfversion"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// waysOut are what every refusal says of a Cluster that has taken the name of another one.
func waysOut(kind string) []string {
	return []string{"myorg/my-db", "not the one that Terraform's state stands for", "terraform state rm pgplatform_" + kind + ".NAME", "import {", "pgplatform_" + kind + ".NAME"}
}

// untouched fails the test when a request has changed anything of the Cluster that stands there, or of what belongs to it.
func (f *fakes) untouched(t *testing.T, of *cnpgv1.Cluster) {
	t.Helper()
	if writes := f.kube.Writes(); len(writes) > 0 {
		t.Errorf("written: %v", apitest.Summaries(writes))
	}
	if now := apitest.Get[cnpgv1.Cluster](f.kube, of.Namespace, of.Name); now == nil || now.ResourceVersion != of.ResourceVersion {
		t.Error("the other Cluster was changed")
	}
}

// A Cluster that somebody else has made under the name of one that is gone is never adopted without a word: plans of every
// kind refuse and say how to let it be and how to take it over.
func TestDatabaseMadeAnewOutside(t *testing.T) {
	t.Parallel()
	f := operated(t)
	s := onStage(t, f)
	config := f.config(backedUp(""))
	s.apply(config)
	before := s.w.Object(db).Value
	f.remake("my-db")
	another := f.cluster()
	f.kube.Forget()

	for name, text := range map[string]string{
		"nothing to do": config,
		"an update":     f.config(backedUp("retention_days = 3")),
		"a replacement": f.config(backedUp("") + "\n"),
		"a destroy":     f.provider(""),
	} {
		if name == "a replacement" {
			text = strings.Replace(text, unprotected, unprotected+"  owner = \"somebody\"\n", 1)
		}
		s.w.Write(text)
		_, diags := s.w.Plan(t.Context())
		if !says(append([]string{"Another Cluster Has the Name"}, waysOut("database")...)...).MatchString(diags.Errors().String()) {
			t.Errorf("%s: the plan says\n%s", name, diags)
		}
	}
	s.w.Write(config)
	if _, diags := s.w.PlanDestroy(t.Context()); !diags.HasError() {
		t.Error("terraform plan -destroy is not refused")
	}
	if now := s.w.Object(db); now == nil || !now.Value.RawEquals(before) {
		t.Error("the state was changed")
	}
	f.untouched(t, another)

	s.w.Forget(db)
	s.w.Write(s.config(adoptedDatabase("")))
	if diags := s.w.Import(t.Context(), db, "myorg/my-db"); diags.HasError() {
		t.Fatal(diags)
	}
	s.planned(s.config(adoptedDatabase("backup = { schedule = \"0 2 * * *\", immediate = false, retention_days = 14 }\n")), terraformtest.Update)
	if s.attribute("archive", "server_name") != "my-db-v1" {
		t.Errorf("imported is %#v", s.w.Object(db).Value)
	}
}

// What a plan could not know is refused by the apply.
func TestDatabaseMadeAnewBeforeTheApply(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]string{
		"an update":     backedUp("retention_days = 3"),
		"a replacement": strings.Replace(backedUp(""), unprotected, unprotected+"  owner = \"somebody\"\n", 1),
		"a destroy":     "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := operated(t)
			s := onStage(t, f)
			s.apply(f.config(backedUp("")))
			before := s.w.Object(db).Value
			plan, _ := s.plan(f.config(config))
			f.remake("my-db")
			another := f.cluster()
			f.kube.Forget()
			diags := s.w.ApplyPlan(t.Context(), plan)
			if !says(waysOut("database")...).MatchString(diags.Errors().String()) {
				t.Errorf("the apply says\n%s", diags)
			}
			if now := s.w.Object(db); now == nil || !now.Value.RawEquals(before) {
				t.Error("the state was changed")
			}
			f.untouched(t, another)
		})
	}
}

// An update that is under way when the Cluster is made anew does not take the other one into the state.
func TestDatabaseMadeAnewDuringAnUpdate(t *testing.T) {
	t.Parallel()
	f := operated(t)
	s := onStage(t, f)
	s.apply(f.config(backedUp("")))
	before := s.w.Object(db).Value
	s.w.Write(f.config(backedUp("retention_days = 3")))
	f.kube.Fail(apitest.First(apitest.VerbApply, "clusters", apitest.Fault{Before: func() { f.remake("my-db") }}))
	diags := s.w.Apply(t.Context())
	if !says("Unable to Update Database", "deleted, or made anew", "as it was before").MatchString(diags.Errors().String()) {
		t.Errorf("the update says\n%s", diags)
	}
	if now := s.w.Object(db); now == nil || !now.Value.RawEquals(before) {
		t.Error("the state holds another Cluster")
	}
	if _, diags := s.w.Plan(t.Context()); !says(waysOut("database")...).MatchString(diags.Errors().String()) {
		t.Errorf("the next plan says\n%s", diags)
	}
}

// A refresh alone warns, keeps the state and costs no request more.
func TestRefreshTellsOfAClusterMadeAnew(t *testing.T) {
	t.Parallel()
	f := operated(t)
	s := onStage(t, f)
	s.apply(f.config(backedUp("")))
	f.remake("my-db")
	f.kube.Forget()
	_, diags := s.w.Plan(t.Context())
	if !says("Another Cluster Has the Name").MatchString(diags.Warnings().String()) {
		t.Errorf("the refresh warns of\n%s", diags.Warnings())
	}
	if n := len(f.kube.Requests()); n != 2 {
		t.Errorf("%d requests: %v", n, apitest.Summaries(f.kube.Requests()))
	}
}

// The same of a restored database.
func TestRestoreMadeAnewOutside(t *testing.T) {
	t.Parallel()
	f, _ := withSource(t)
	s := onStage(t, f)
	config := f.config(restoreOf(unprotected))
	s.apply(config)
	destroy, diags := s.w.PlanDestroy(t.Context())
	if diags.HasError() {
		t.Fatal(diags)
	}
	f.remakeRestored()
	another := f.restored()
	f.kube.Forget()
	for name, diags := range map[string]terraformtest.Diagnostics{
		"the plan": func() terraformtest.Diagnostics { s.w.Write(config); _, diags := s.w.Plan(t.Context()); return diags }(),
		"the plan of a destroy": func() terraformtest.Diagnostics {
			s.w.Write(f.provider(""))
			_, diags := s.w.Plan(t.Context())
			return diags
		}(),
		"the destroy": s.w.ApplyPlan(t.Context(), destroy),
	} {
		if !says(waysOut("restore")...).MatchString(diags.Errors().String()) {
			t.Errorf("%s says\n%s", name, diags)
		}
	}
	if s.w.Object(pitr) == nil {
		t.Error("the state has lost the restore")
	}
	f.untouched(t, another)
}

// remakeRestored is remake for the restored database.
func (f *fakes) remakeRestored() {
	another := f.archivedCluster()
	another.Name = "my-db-pitr"
	apitest.Delete[cnpgv1.ScheduledBackup](f.kube, fakeNamespace, another.Name)
	apitest.Delete[cnpgv1.Cluster](f.kube, fakeNamespace, another.Name)
	f.kube.Put(another)
}

// A block `moved` takes over which Cluster it is.
func TestMoveOfARestoreMadeAnewOutside(t *testing.T) {
	t.Parallel()
	f, _ := withSource(t)
	unitCase(t, resource.TestCase{
		TerraformVersionChecks: []tfversion.TerraformVersionCheck{tfversion.SkipBelow(tfversion.Version1_8_0)},
		Steps: []resource.TestStep{
			{Config: f.config(restoreOf(unprotected))},
			{
				PreConfig:   f.remakeRestored,
				Config:      f.config(movedRestore(`work_mem = "8MB"`, unprotected)),
				ExpectError: says(waysOut("database")...),
			},
			{
				PreConfig: func() { apitest.Delete[cnpgv1.Cluster](f.kube, fakeNamespace, "my-db-pitr") },
				Config:    f.config(""),
			},
		},
	})
	if f.cluster() == nil || cnpg.Archiver(f.cluster()) == nil {
		t.Error("the source is gone")
	}
}
