package provider_test

import (
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/zclconf/go-cty/cty"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// The folder of the same name in another store may be another database's: its backups tell.
func TestDatabaseMeetsAnArchiveInAnotherStore(t *testing.T) {
	t.Parallel()
	const ours, theirs = "7388012345678901234", "7399999999999999999"
	tests := map[string]struct {
		systemID string // of the backup there; "" for none
		refused  bool
	}{
		"its own":          {systemID: ours},
		"another's":        {systemID: theirs, refused: true},
		"without a backup": {},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := operated(t)
			s := onStage(t, f)
			s.apply(f.config(backedUp("")))
			apitest.Edit(f.kube, fakeNamespace, "my-db", func(c *cnpgv1.Cluster) { c.Status.SystemID = ours })
			other := s3test.New(t)
			there := other.Archive(fakeBucket, "pg", "my-db")
			there.WAL("000000010000000000000001", f.now())
			moved := strings.Replace(f.config(backedUp("")), f.s3.URL, other.URL, 1)
			put := func() {
				if test.systemID == "" {
					return
				}
				// Whose the folder was before does not count, nor what failed.
				there.Backup("20260326T095900", f.now(), "000000010000000000000001", "000000010000000000000001", map[string]string{"systemid": "1"})
				there.Backup("20260327T095900", f.now(), "000000010000000000000002", "000000010000000000000002", map[string]string{"systemid": test.systemID})
				there.Backup("20260328T095900", f.now(), "000000010000000000000003", "000000010000000000000003", map[string]string{"systemid": "2", "status": "FAILED"})
			}
			plan, _ := s.plan(moved) // nothing tells yet
			put()
			if !test.refused {
				s.apply(moved)
				if f.barman().EndpointURL != other.URL || len(s.begun()) != 0 {
					t.Errorf("it archives to %+v, with %d base backups", f.barman(), len(s.begun()))
				}
				return
			}
			s.refused(moved, "Archive Folder Is Taken", "backup", "server_name", "the folder my-db in s3://backups/pg at "+other.URL, theirs, ours, "Set backup.server_name", "Nothing was changed")
			// The apply looks too, where the plan could not.
			s.w.Write(moved)
			other.Fail(func(s3test.Request) *s3test.Fault { return &s3test.Fault{Reset: true} })
			f.kube.Fail(apitest.First(apitest.VerbGet, "clusters", apitest.Fault{Before: func() { other.Fail(nil) }}))
			if diags := s.w.ApplyPlan(t.Context(), plan); !says("Unable to Update Database", "the folder my-db in s3://backups/pg", "holds the archive of another database", "Set backup.server_name").MatchString(diags.Errors().String()) {
				t.Errorf("the apply says\n%s", diags)
			}
			if f.barman().EndpointURL != f.s3.URL {
				t.Error("it archives there")
			}
			s.apply(strings.Replace(moved, "schedule", "server_name = \"v2\"\nschedule", 1))
			if f.barman().EndpointURL != other.URL || len(s.begun()) != 1 {
				t.Errorf("it archives to %+v, with %d base backups", f.barman(), len(s.begun()))
			}
		})
	}
}

// A folder that others have taken since is not archived to again.
func TestDatabaseDoesNotGoBackToATakenFolder(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*cnpgv1.Cluster){
		"it was moved":      func(c *cnpgv1.Cluster) { c.Spec.Backup.BarmanObjectStore.ServerName = "theirs" },
		"it was turned off": func(c *cnpgv1.Cluster) { c.Spec.Backup = nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := operated(t)
			s := onStage(t, f)
			config := f.config(backedUp(""))
			s.apply(config)
			apitest.Edit(f.kube, fakeNamespace, "my-db", func(c *cnpgv1.Cluster) { c.Status.SystemID = "1" })
			f.edit("kubectl-edit", "my-db", change)
			f.s3.Archive(fakeBucket, "pg", "my-db").Backup("20260326T095900", f.now(), "000000010000000000000001", "000000010000000000000001", nil)
			s.refused(config, "Archive Folder Is Taken", "holds the archive of another database")
		})
	}
}

// What an imported database has of endpoint and region goes when the configuration gives it up, before and after an apply.
func TestDatabaseGivesUpEndpointAfterAnImport(t *testing.T) {
	bareAWS(t)
	f := operated(t)
	t.Setenv("AWS_CONFIG_FILE", f.file("config", "[default]\nregion = us-east-1\nendpoint_url = "+f.s3.URL+"\n")) // of Terraform alone
	named := strings.Replace(f.fromEnvironment(), "object_store = {", "object_store = {\n    region = \"us-west-2\"\n    pod_endpoint_url = \"http://pods\"", 1) + backedUp("")
	givenUp := f.fromEnvironment() + backedUp("")
	for _, applied := range []bool{false, true} { // an apply between the import and that
		onStage(t, f).apply(named)
		s := onStage(t, f)
		s.w.Write(named)
		if diags := s.w.Import(t.Context(), db, "myorg/my-db"); diags.HasError() {
			t.Fatal(diags)
		}
		if applied {
			s.apply(named)
		}
		plan, _ := s.plan(givenUp)
		if endpoint := plan.Change(db).After.GetAttr("archive").GetAttr("endpoint_url"); plan.Action(db) != terraformtest.Update || endpoint.RawEquals(cty.StringVal("http://pods")) {
			t.Errorf("applied: %t: the plan is %q, to the endpoint %#v", applied, plan.Action(db), endpoint)
		}
		s.apply(givenUp)
		if region, left := f.ownSecret().Data["REGION"]; f.barman().EndpointURL != "" || left {
			t.Errorf("applied: %t: the pods have the endpoint %q and the region %q", applied, f.barman().EndpointURL, region)
		}
		if diags := s.w.Destroy(t.Context()); diags.HasError() {
			t.Fatal(diags)
		}
	}
}

// Databases take a folder for themselves however its path is written.
func TestTwoDatabasesInOneFolderWrittenDifferently(t *testing.T) {
	t.Parallel()
	f := operated(t)
	s := onStage(t, f)
	named := backedUp(`server_name = "v1"`)
	other := strings.NewReplacer(`"db"`, `"other"`, `"my-db"`, `"my-other-db"`, `"v1"`, "\"v1\"\nobject_store = { destination_path = \"s3://backups/pg/\" }").Replace(named)
	s.refused(f.config(named+other), "Archive Folder Is Taken", "another database of this configuration takes it")
}

// Each major version has a folder of its own, however fast one follows the other, and whatever S3 shows of them.
func TestDatabaseUpgradesFast(t *testing.T) {
	t.Parallel()
	for name, reachable := range map[string]bool{"S3 is read": true, "S3 is not reachable": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := operated(t)
			if !reachable {
				f.s3.Fail(func(s3test.Request) *s3test.Fault { return &s3test.Fault{Reset: true} })
			}
			s := onStage(t, f)
			had := map[string]bool{}
			for _, version := range []string{"14.1", "16.2", "17.1", "18.1"} {
				s.apply(f.config(strings.Replace(backedUp(""), "{", "{\n  postgres_version = \""+version+"\"", 1)))
				folder := f.barman().ServerName
				if had[folder] {
					t.Errorf("PostgreSQL %s archives to the folder of a version before, %s", version, folder)
				}
				for before := range had { // WAL arrives late
					f.s3.Archive(fakeBucket, "pg", before).WAL("000000010000000000000001", f.now())
				}
				had[folder] = true
			}
		})
	}
}
