package provider_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/zclconf/go-cty/cty"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// unsaved does something of which Terraform, killed, saves no state.
func (s *stage) unsaved(do func()) {
	s.t.Helper()
	saved := s.w.Copy(s.t, onFakes)
	do()
	s.w = saved
}

// A move that no state tells of is not taken back: the folder that the provider itself has applied stays, and the base
// backup that it owes there is taken.
func TestDatabaseMoveThatNoStateTellsOf(t *testing.T) {
	t.Parallel()
	version := func(version string) string {
		return strings.Replace(backedUp(""), "{", fmt.Sprintf("{\n  postgres_version = %q", version), 1)
	}
	for name, moved := range map[string]string{"to another major version": version("17.1"), "to a named folder": strings.Replace(version("16.2"), "schedule", "server_name = \"v2\"\nschedule", 1)} {
		for _, owed := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, base backup owed: %t", name, owed), func(t *testing.T) {
				t.Parallel()
				f := operated(t)
				s := onStage(t, f)
				s.apply(f.config(version("16.2")))
				f.s3.Archive(fakeBucket, "pg", "my-db").WAL("000000010000000000000001", f.now())
				s.unsaved(func() {
					if !owed {
						s.apply(f.config(moved))
						return
					}
					f.kube.Fail(apitest.Each(apitest.VerbCreate, "backups", apitest.Fault{Status: 403}))
					s.fails(f.config(moved), "Unable to Update Database", "base backup")
					f.kube.Fail(nil)
				})
				folder := f.barman().ServerName
				if folder == "my-db" {
					t.Fatal("the archive was not moved")
				}
				plan, warnings := s.plan(f.config(moved))
				if plan.Empty() == owed || strings.Contains(warnings, "is still to be taken") != owed || strings.Contains(warnings, gap) {
					t.Errorf("the plan is %q with warnings %q", plan, warnings)
				}
				s.apply(f.config(moved))
				if f.barman().ServerName != folder || len(s.begun()) != 1 {
					t.Errorf("it archives to %s, moved to %s, with %d base backups", f.barman().ServerName, folder, len(s.begun()))
				}
				if note, left := f.cluster().Annotations[cnpg.AnnotationUnfinished]; left {
					t.Errorf("a note is left: %q", note)
				}
			})
		}
	}
}

// What is noted in a Cluster of what is to follow an apply is nobody's annotation, and no drift.
func TestDatabaseNoteOfWhatFollows(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testDatabaseNoteOfWhatFollows)
}

func testDatabaseNoteOfWhatFollows(t *testing.T) {
	t.Parallel()
	f := operated(t)
	s := onStage(t, f)
	s.apply(f.config(backedUp("")))
	f.kube.Fail(apitest.Each(apitest.VerbCreate, "backups", apitest.Fault{Status: 403}))
	moved := f.config(backedUp(`server_name = "v2"`))
	s.fails(moved, "Unable to Update Database")
	if note := f.cluster().Annotations[cnpg.AnnotationUnfinished]; note != "base-backup" {
		t.Errorf("noted is %q", note)
	}
	plan, _ := s.plan(moved)
	if change := plan.Change(db); !change.Before.GetAttr("annotations").IsNull() || !change.After.GetAttr("annotations").IsNull() {
		t.Errorf("the annotations are %#v", change.Before.GetAttr("annotations"))
	}
	// Without backups there is no archive to begin.
	f.kube.Fail(nil)
	s.apply(f.config(backedUp("enabled = false")))
	if note, left := f.cluster().Annotations[cnpg.AnnotationUnfinished]; left || len(s.begun()) != 0 {
		t.Errorf("noted is %q, with %d base backups", note, len(s.begun()))
	}
}

// A Cluster that another workspace has made anew under the name is seen as it is: its folder is its own.
func TestDatabaseThatAnotherWorkspaceMadeAnew(t *testing.T) {
	t.Parallel()
	f := operated(t)
	s := onStage(t, f)
	config := f.config(backedUp(""))
	s.apply(config)
	f.s3.Archive(fakeBucket, "pg", "my-db").WAL("000000010000000000000001", f.now())
	apitest.Delete[cnpgv1.Cluster](f.kube, fakeNamespace, "my-db")
	other := onStage(t, f)
	other.apply(config)
	folder := f.barman().ServerName
	if folder == "my-db" {
		t.Fatal("it has the folder of the database before it")
	}
	s.w.Write(config)
	plan, diags := s.w.Plan(t.Context())
	if diags.HasError() {
		return // another Cluster may be refused altogether
	}
	if change := plan.Change(db); plan.Action(db) != terraformtest.NoOp {
		t.Errorf("the plan is %q: %#v", plan, change.After.GetAttr("archive"))
	}
	if f.barman().ServerName != folder {
		t.Errorf("it archives to %s", f.barman().ServerName)
	}
}

// privateServer is a provider whose plans get other private data than its refresh has left.
type privateServer struct {
	tfprotov6.ProviderServer
	archive string
}

func (s *privateServer) PlanResourceChange(ctx context.Context, req *tfprotov6.PlanResourceChangeRequest) (*tfprotov6.PlanResourceChangeResponse, error) {
	if len(req.PriorPrivate) > 0 {
		private, err := json.Marshal(map[string][]byte{"archive": []byte(s.archive)})
		if err != nil {
			return nil, err
		}
		req.PriorPrivate = private
	}
	return s.ProviderServer.PlanResourceChange(ctx, req)
}

// Where private data are missing, or tell of something else, the state tells enough: a plan that changes nothing is empty.
func TestDatabasePlanWithoutPrivateData(t *testing.T) {
	t.Parallel()
	const seen = `{"of": "a", "repairs": ["Something is to be done."]}` // shows that they are read
	for name, archive := range map[string]string{
		"something to do":  seen,
		"nothing is left":  `{}`,
		"another form":     `{"applied": true, "folder": {"server_name": "elsewhere"}, "due": {"server_name": "elsewhere"}, "secret_left": true}`,
		"no form at all":   `["archive"]`,
		"a value in a way": `{"folder": "my-db"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := operated(t)
			s := onStage(t, f)
			s.apply(f.config(backedUp("")))
			f.s3.Archive(fakeBucket, "pg", "my-db").WAL("000000010000000000000001", f.now())
			s.w = s.w.Copy(t, providerFactories{"pgplatform": func() (tfprotov6.ProviderServer, error) {
				server, err := onFakes["pgplatform"]()
				return &privateServer{server, archive}, err
			}})
			want := terraformtest.NoOp
			if archive == seen {
				want = terraformtest.Update
			}
			s.planned(f.config(backedUp("")), want)
			plan, _ := s.plan(f.config(backedUp(`server_name = "v2"`)))
			if after := plan.Change(db).After.GetAttr("archive").GetAttr("server_name"); !after.RawEquals(cty.StringVal("v2")) {
				t.Errorf("the plan is %q, to %#v", plan, after)
			}
		})
	}
}
