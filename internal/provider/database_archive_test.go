package provider_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/zclconf/go-cty/cty"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

const gap = "Gap in Recoverability"

// begun are the base backups that were taken on demand, each of which must belong to the Cluster.
func (s *stage) begun() []cnpgv1.Backup {
	s.t.Helper()
	backups := apitest.All[cnpgv1.Backup](s.kube)
	for _, b := range backups {
		if len(b.OwnerReferences) != 1 || b.OwnerReferences[0].UID != s.cluster().UID || b.Spec.Cluster.Name != "my-db" || b.Labels[cnpg.LabelCluster] != "my-db" {
			s.t.Errorf("a Backup does not belong to the Cluster: %+v", b.ObjectMeta)
		}
	}
	return backups
}

// A database that moves to another folder says what cannot be restored, and begins the new archive with a base backup.
func TestDatabaseMovesItsArchive(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testDatabaseMovesItsArchive)
}

func testDatabaseMovesItsArchive(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		before, after string // the backup block
		provider      string // replaced in the provider's block
		want          string // path and folder
	}{
		"another server_name":       {after: `server_name = "v2"`, want: "s3://backups/pg v2"},
		"from one name to another":  {before: `server_name = "v1"`, after: `server_name = "v2"`, want: "s3://backups/pg v2"},
		"another path":              {after: `object_store = { destination_path = "s3://elsewhere" }`, want: "s3://elsewhere my-db"},
		"back to the provider's":    {before: `object_store = { destination_path = "s3://elsewhere" }`, want: "s3://backups/pg my-db"},
		"another path and name":     {after: "server_name = \"v2\"\nobject_store = { destination_path = \"s3://elsewhere\" }", want: "s3://elsewhere v2"},
		"another of the provider's": {provider: "s3://elsewhere/x", want: "s3://elsewhere/x my-db"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := operated(t)
			f.s3.CreateBucket("elsewhere")
			s := onStage(t, f)
			s.apply(f.config(backedUp(test.before)))
			after := f.config(backedUp(test.after))
			if test.provider != "" {
				after = strings.Replace(after, "s3://backups/pg", test.provider, 1)
			}
			plan, warnings := s.plan(after)
			if plan.Action(db) != terraformtest.Update || !strings.Contains(warnings, gap) {
				t.Errorf("the plan is %q with warnings %q", plan.Action(db), warnings)
			}
			if len(s.begun()) != 0 {
				t.Error("a base backup was taken for nothing")
			}
			s.apply(after)
			if store := f.barman(); store.DestinationPath+" "+store.ServerName != test.want {
				t.Errorf("it archives to %s %s, want %s", store.DestinationPath, store.ServerName, test.want)
			}
			if n := len(s.begun()); n != 1 {
				t.Errorf("%d base backups in the new folder, want one", n)
			}
		})
	}
}

// The same folder in other words is no move, and neither is what does not concern it.
func TestDatabaseStaysInItsArchive(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testDatabaseStaysInItsArchive)
}

func testDatabaseStaysInItsArchive(t *testing.T) {
	t.Parallel()
	f := operated(t)
	f.s3.Archive(fakeBucket, "pg", "my-db").WAL("000000010000000000000001", f.now()) // my-db has a name of its own then
	s := onStage(t, f)
	s.apply(f.config(backedUp("")))
	folder := f.barman().ServerName
	f.s3.Archive(fakeBucket, "pg", folder).WAL("000000010000000000000001", f.now())
	for name, config := range map[string]string{
		"a slash":       strings.Replace(f.config(backedUp("")), "s3://backups/pg", "s3://backups/pg/", 1),
		"the same name": f.config(backedUp(fmt.Sprintf("server_name = %q", folder))),
		"retention":     f.config(backedUp("retention_days = 7")),
		"an endpoint":   f.provider(`pod_endpoint_url = "http://pods"`) + f.byMethod(backedUp("")),
		"nothing":       f.config(backedUp("")),
	} {
		if warnings := s.apply(config); strings.Contains(warnings, gap) {
			t.Errorf("%s: %s", name, warnings)
		}
		if f.barman().ServerName != folder || len(s.begun()) != 0 {
			t.Errorf("%s: it archives to %s, %d base backups", name, f.barman().ServerName, len(s.begun()))
		}
	}
}

// Another address of the same store is no move; another store is one, though path and folder are called the same.
func TestDatabaseChangesItsEndpoint(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testDatabaseChangesItsEndpoint)
}

func testDatabaseChangesItsEndpoint(t *testing.T) {
	t.Parallel()
	for name, same := range map[string]bool{"the same store": true, "another store": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := operated(t)
			s := onStage(t, f)
			s.apply(f.config(backedUp("")))
			other := s3test.New(t)
			other.CreateBucket(fakeBucket)
			if same {
				other.Archive(fakeBucket, "pg", "my-db").WAL("000000010000000000000001", f.now())
			}
			moved := strings.Replace(f.config(backedUp("")), f.s3.URL, other.URL, 1)
			if _, warnings := s.plan(moved); strings.Contains(warnings, gap) == same {
				t.Errorf("warnings are %q", warnings)
			}
			s.apply(moved)
			if store := f.barman(); store.EndpointURL != other.URL || store.ServerName != "my-db" || (len(s.begun()) == 0) != same {
				t.Errorf("it archives to %+v, with %d base backups", store, len(s.begun()))
			}
		})
	}
}

// WAL of two major versions never lies in one folder.
func TestDatabaseArchiveOfAnotherMajor(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testDatabaseArchiveOfAnotherMajor)
}

func testDatabaseArchiveOfAnotherMajor(t *testing.T) {
	t.Parallel()
	version := func(version, block string) string {
		return strings.Replace(backedUp(block), "{", fmt.Sprintf("{\n  postgres_version = %q", version), 1)
	}
	f := operated(t)
	s := onStage(t, f)
	s.apply(f.config(version("16.9", `server_name = "v1"`)))
	s.refused(f.config(version("17.5", `server_name = "v1"`)), "Archive Folder Is Taken", "server_name", "needs a folder of its own")
	s.apply(f.config(version("17.5", `server_name = "v2"`)))
	f.s3.Archive(fakeBucket, "pg", "my-db").WAL("000000010000000000000001", f.now())
	s.apply(f.config(version("18.1", "")))
	if name := f.barman().ServerName; !strings.HasPrefix(name, "my-db-") || len(s.begun()) != 2 {
		t.Errorf("it archives to %s, with %d base backups", name, len(s.begun()))
	}
}

// What the provider's configuration says anew is an update of the databases that use it, and shows what changes.
func TestDatabaseFollowsTheProvider(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testDatabaseFollowsTheProvider)
}

func testDatabaseFollowsTheProvider(t *testing.T) {
	t.Parallel()
	f := operated(t)
	f.s3.AnyKey()
	s := onStage(t, f)
	config := f.config(backedUp(""))
	s.apply(config)
	tests := []struct {
		name, old, changed string
		is                 func() string
		want               string
	}{
		{"endpoint", config, f.provider(`pod_endpoint_url = "http://pods"`) + f.byMethod(backedUp("")), func() string { return f.barman().EndpointURL }, "http://pods"},
		{"region", config, strings.Replace(config, `"us-east-1"`, `"eu-west-1"`, 1), func() string { return string(f.ownSecret().Data["REGION"]) }, "eu-west-1"},
		{"key", config, strings.Replace(config, s3test.AccessKeyID, "ROTATEDACCESSKEY0001", 1), func() string { return string(f.ownSecret().Data["ACCESS_KEY_ID"]) }, "ROTATEDACCESSKEY0001"},
	}
	for _, test := range tests {
		if test.changed == config {
			t.Fatalf("%s: nothing is changed", test.name)
		}
		plan, _ := s.plan(test.changed)
		if plan.Action(db) != terraformtest.Update {
			t.Errorf("%s: the plan is %q", test.name, plan.Action(db))
		}
		if endpoint := plan.Change(db).After.GetAttr("archive").GetAttr("endpoint_url"); test.name == "endpoint" && endpoint.AsString() != "http://pods" {
			t.Errorf("the plan shows the endpoint %#v", endpoint)
		}
		s.apply(test.changed)
		if got := test.is(); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
		s.apply(test.old)
	}
}

// A database that is configured with its folder gets it where it is empty, and no other.
func TestDatabaseServerName(t *testing.T) {
	t.Parallel()
	named := backedUp(`server_name = "v1"`)
	taken := func(t *testing.T) *stage {
		t.Helper()
		f := operated(t)
		f.s3.Archive(fakeBucket, "pg", "v1").WAL("000000010000000000000001", f.now())
		return onStage(t, f)
	}
	t.Run("taken when it is made", func(t *testing.T) {
		t.Parallel()
		s := taken(t)
		s.refused(s.config(named), "Archive Folder Is Taken", "backup.server_name: the folder v1 in s3://backups/pg is not empty")
	})
	t.Run("taken when it moves", func(t *testing.T) {
		t.Parallel()
		s := taken(t)
		s.apply(s.config(backedUp("")))
		s.refused(s.config(named), "Archive Folder Is Taken", "server_name")
	})
	t.Run("taken between plan and apply", func(t *testing.T) {
		t.Parallel()
		f := operated(t)
		s := onStage(t, f)
		f.s3.Fail(func(r s3test.Request) *s3test.Fault {
			if r.Prefix == "pg/" { // only the apply looks at the whole location
				f.s3.Archive(fakeBucket, "pg", "v1").WAL("000000010000000000000001", f.now())
			}
			return nil
		})
		s.fails(f.config(named), "Unable to Create Database", "server_name", "is not empty", "Nothing was changed")
		if f.cluster() != nil {
			t.Error("the Cluster was made")
		}
	})
	t.Run("where S3 refuses the keys", func(t *testing.T) {
		t.Parallel()
		f := operated(t)
		f.s3.Fail(func(s3test.Request) *s3test.Fault { return &s3test.Fault{Status: 403, Code: "SignatureDoesNotMatch"} })
		onStage(t, f).fails(f.config(backedUp("")), "Unable to Create Database", `AttributeName("backup")`, "looking into the folder my-db in s3://backups/pg",
			"does not belong to the access key ID", "S3 was asked with the identity that the provider's object_store has", "Nothing was changed")
		if f.cluster() != nil {
			t.Error("the Cluster was made")
		}
	})
	t.Run("twice in one configuration", func(t *testing.T) {
		t.Parallel()
		f := operated(t)
		s := onStage(t, f)
		s.refused(f.config(named+strings.NewReplacer(`"db"`, `"other"`, `"my-db"`, `"my-other-db"`).Replace(named)), "Archive Folder Is Taken", "another database of this configuration takes it")
	})
	t.Run("where S3 cannot be reached from here", func(t *testing.T) {
		t.Parallel()
		f := operated(t)
		f.s3.Fail(func(s3test.Request) *s3test.Fault { return &s3test.Fault{Reset: true} })
		s := onStage(t, f)
		several := named + strings.NewReplacer(`"db"`, `"other"`, `"my-db"`, `"my-other-db"`, "v1", "v2").Replace(named)
		_, warnings := s.plan(f.config(several))
		if n := strings.Count(warnings, "Object Store Not Reachable From Here"); n != 1 {
			t.Errorf("%d warnings, want one:\n%s", n, warnings)
		}
		s.apply(f.config(named))
		if f.barman().ServerName != "v1" {
			t.Errorf("it archives to %s", f.barman().ServerName)
		}
	})
}

// A folder that somebody changes with kubectl is changed back; a base backup marks where the archive goes on.
func TestDatabaseFolderIsPutBack(t *testing.T) {
	t.Parallel()
	for name, block := range map[string]string{"configured": `server_name = "v1"`, "chosen": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := operated(t)
			s := onStage(t, f)
			config := f.config(backedUp(block))
			s.apply(config)
			folder := f.barman().ServerName
			f.s3.Archive(fakeBucket, "pg", folder).WAL("000000010000000000000001", f.now())
			f.edit("kubectl-edit", "my-db", func(c *cnpgv1.Cluster) { c.Spec.Backup.BarmanObjectStore.ServerName = "theirs" })
			plan, warnings := s.plan(config)
			if after := plan.Change(db).After.GetAttr("archive").GetAttr("server_name"); plan.Action(db) != terraformtest.Update || !after.RawEquals(cty.StringVal(folder)) || !strings.Contains(warnings, gap) {
				t.Errorf("the plan is %q to %#v with warnings %q", plan.Action(db), after, warnings)
			}
			s.apply(config)
			if f.barman().ServerName != folder || len(s.begun()) != 1 {
				t.Errorf("it archives to %s, with %d base backups", f.barman().ServerName, len(s.begun()))
			}
		})
	}
}

// While a database is not backed up nothing of it is left but the archive; afterwards another one begins.
func TestDatabaseWithoutBackupsForAWhile(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testDatabaseWithoutBackupsForAWhile)
}

func testDatabaseWithoutBackupsForAWhile(t *testing.T) {
	t.Parallel()
	f := operated(t)
	s := onStage(t, f)
	on, off := f.config(backedUp("")), f.config(backedUp("enabled = false"))
	s.apply(on)
	f.s3.Archive(fakeBucket, "pg", "my-db").WAL("000000010000000000000001", f.now())
	if _, warnings := s.plan(off); !strings.Contains(warnings, gap) {
		t.Errorf("warnings are %q", warnings)
	}
	s.apply(off)
	if c := f.cluster(); c.Spec.Backup != nil || f.schedule() != nil || f.ownSecret() != nil || c.Annotations[cnpg.AnnotationCredentials] != "" {
		t.Errorf("left are %+v, %v, a Secret: %t, %v", c.Spec.Backup, f.schedule(), f.ownSecret() != nil, c.Annotations)
	}
	if timeout := f.cluster().Spec.PostgresConfiguration.Parameters["archive_timeout"]; timeout != "5min" { // CNPG's own
		t.Errorf("archive_timeout is %q", timeout)
	}
	s.apply(on)
	if name := f.barman().ServerName; !strings.HasPrefix(name, "my-db-") || f.ownSecret() == nil || !*f.schedule().Spec.Immediate {
		t.Errorf("it goes on in the folder %s", name)
	}
	s.apply(f.config(database(unprotected)))
	if f.cluster().Spec.Backup != nil || f.ownSecret() != nil {
		t.Error("without the block the backups go on")
	}
}

// A Secret that is to go is not forgotten when the update fails before.
func TestDatabaseSecretThatIsLeft(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testDatabaseSecretThatIsLeft)
}

func testDatabaseSecretThatIsLeft(t *testing.T) {
	t.Parallel()
	f := operated(t)
	s := onStage(t, f)
	s.apply(f.config(backedUp("")))
	f.kube.Fail(apitest.Each(apitest.VerbDelete, "scheduledbackups", apitest.Fault{Status: 403}))
	off := f.config(database(unprotected))
	s.fails(off, "Unable to Update Database")
	if f.ownSecret() == nil {
		t.Fatal("the Secret went before the schedule did")
	}
	f.kube.Fail(nil)
	s.apply(off)
	if f.ownSecret() != nil {
		t.Error("the Secret is left")
	}
}

// Where the provider's Secret cannot be removed, the database is changed all the same, and the Secret is named.
func TestDatabaseSecretThatStays(t *testing.T) {
	t.Parallel()
	f := operated(t)
	s := onStage(t, f)
	s.apply(f.config(backedUp("")))
	f.kube.Fail(apitest.Each(apitest.VerbDelete, "secrets", apitest.Fault{Status: 403}))
	if warnings := s.apply(f.config(database(unprotected))); !says("Secret Not Removed", "myorg/my-db-backup-s3-creds", "goes when the Cluster goes").MatchString(warnings) {
		t.Errorf("warnings are %q", warnings)
	}
}

// The base backup that begins a new folder is not forgotten when it cannot be begun at once.
func TestDatabaseBaseBackupThatIsDue(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testDatabaseBaseBackupThatIsDue)
}

func testDatabaseBaseBackupThatIsDue(t *testing.T) {
	t.Parallel()
	f := operated(t)
	s := onStage(t, f)
	s.apply(f.config(backedUp("")))
	moved := f.config(backedUp(`server_name = "v2"`))
	f.kube.Fail(apitest.Each(apitest.VerbCreate, "backups", apitest.Fault{Status: 403, Message: `User "ci" cannot create resource "backups"`}))
	s.fails(moved, "Unable to Update Database", "the first base backup in the folder v2", `User "ci" cannot create resource "backups"`)
	if len(s.begun()) != 0 || f.barman().ServerName != "v2" {
		t.Fatalf("%d base backups, folder %s", len(s.begun()), f.barman().ServerName)
	}
	f.kube.Fail(nil)
	s.planned(moved, terraformtest.Update)
	s.apply(moved)
	if len(s.begun()) != 1 {
		t.Errorf("%d base backups, want one", len(s.begun()))
	}
}

// The base backup is waited for, and its failure told, unless nothing is to be waited for.
func TestDatabaseBaseBackupThatFails(t *testing.T) {
	t.Parallel()
	for wait, want := range map[bool]string{true: "exit status 1", false: ""} {
		t.Run(fmt.Sprint("wait ", wait), func(t *testing.T) {
			t.Parallel()
			f := operated(t)
			s := onStage(t, f)
			s.apply(f.config(backedUp("")))
			var mended atomic.Bool
			f.kube.React(func(e apitest.Event) {
				if b := apitest.As[cnpgv1.Backup](e.Object); b != nil && b.Status.Phase == "" && !mended.Load() {
					apitest.Edit(f.kube, b.Namespace, b.Name, func(b *cnpgv1.Backup) {
						b.Status.Phase, b.Status.Error = cnpgv1.BackupPhaseFailed, "exit status 1"
					})
				}
			})
			moved := f.config(strings.Replace(backedUp(`server_name = "v2"`), "{", fmt.Sprintf("{\n  wait = %t", wait), 1))
			s.w.Write(moved)
			diags := s.w.Apply(t.Context())
			if got := diags.Errors().String(); (got != "") != wait || !strings.Contains(got, want) {
				t.Errorf("the apply says %q", got)
			}
			if left := len(s.begun()); (left == 0) != wait { // one that has failed may hold every later one back
				t.Errorf("%d Backups are left", left)
			}
			if !wait {
				return
			}
			mended.Store(true)
			s.planned(moved, terraformtest.Update)
			s.apply(moved)
			if len(s.begun()) != 1 {
				t.Errorf("%d base backups, want one", len(s.begun()))
			}
		})
	}
}

// A Backup that CNPG gave up holds every later one back: it is named, and the base backup stays due.
func TestDatabaseBaseBackupThatIsHeldBack(t *testing.T) {
	t.Parallel()
	for _, wait := range []bool{true, false} {
		t.Run(fmt.Sprint("wait ", wait), func(t *testing.T) {
			t.Parallel()
			f := operated(t)
			s := onStage(t, f)
			s.apply(f.config(backedUp("")))
			f.kube.Put(&cnpgv1.Backup{
				ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "nightly"},
				Spec:       cnpgv1.BackupSpec{Cluster: cnpgv1.LocalObjectReference{Name: "my-db"}},
				Status:     cnpgv1.BackupStatus{Phase: cnpgv1.BackupPhaseWalArchivingFailing},
			})
			moved := f.config(strings.Replace(backedUp(`server_name = "v2"`), "{", fmt.Sprintf("{\n  wait = %t", wait), 1))
			s.fails(moved, "Unable to Update Database", "the Backup myorg/nightly, which CNPG gave up", "delete it first")
			apitest.Delete[cnpgv1.Backup](f.kube, fakeNamespace, "nightly")
			s.planned(moved, terraformtest.Update)
			s.apply(moved)
			if len(s.begun()) != 1 {
				t.Errorf("%d base backups, want one", len(s.begun()))
			}
		})
	}
}

// Archiving that fails while the base backup is waited for ends the wait, long before CNPG gives the backup up.
func TestDatabaseArchivingFailsDuringItsBaseBackup(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testDatabaseArchivingFailsDuringItsBaseBackup)
}

func testDatabaseArchivingFailsDuringItsBaseBackup(t *testing.T) {
	t.Parallel()
	f := operated(t)
	s := onStage(t, f)
	s.apply(f.config(backedUp("")))
	f.kube.React(func(e apitest.Event) {
		if b := apitest.As[cnpgv1.Backup](e.Object); b != nil && b.Status.Phase == "" {
			apitest.Edit(f.kube, b.Namespace, b.Name, func(b *cnpgv1.Backup) { b.Status.Phase = cnpgv1.BackupPhasePending })
			apitest.Edit(f.kube, b.Namespace, "my-db", archivingFails("AccessDenied"))
		}
	})
	s.fails(f.config(backedUp(`server_name = "v2"`)), "Unable to Update Database", "WAL archiving fails: AccessDenied")
	if left := len(s.begun()); left != 0 {
		t.Errorf("%d Backups are left", left)
	}
}

// archivingFails is what CNPG says of an archive that refuses WAL.
func archivingFails(message string) func(*cnpgv1.Cluster) {
	return func(c *cnpgv1.Cluster) {
		meta.SetStatusCondition(&c.Status.Conditions, metav1.Condition{
			Type: string(cnpgv1.ConditionContinuousArchiving), Status: metav1.ConditionFalse, Reason: "ContinuousArchivingFailing", Message: message,
		})
	}
}
