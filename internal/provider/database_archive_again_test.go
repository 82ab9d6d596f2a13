package provider_test

import (
	"fmt"
	"maps"
	"strings"
	"sync/atomic"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// Archiving that somebody ends with kubectl goes on in the same folder, with a base backup at once: the schedule, which is
// still there, takes its immediate one only once.
func TestDatabaseArchivingIsPutBack(t *testing.T) {
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
			f.edit("kubectl-edit", "my-db", func(c *cnpgv1.Cluster) { c.Spec.Backup = nil })
			plan, warnings := s.plan(config)
			if plan.Action(db) != terraformtest.Update || !strings.Contains(warnings, gap) {
				t.Errorf("the plan is %q with warnings %q", plan.Action(db), warnings)
			}
			s.apply(config)
			if f.barman().ServerName != folder || len(s.begun()) != 1 {
				t.Errorf("it archives to %s, want %s, with %d base backups", f.barman().ServerName, folder, len(s.begun()))
			}
		})
	}
}

// Where turning backups off was cut off, the schedule that is left goes with the next apply; where they are turned on again
// instead, it takes no immediate backup, so that one is taken.
func TestDatabaseScheduleThatIsLeft(t *testing.T) {
	t.Parallel()
	for _, on := range []bool{true, false} {
		t.Run(fmt.Sprint("on ", on), func(t *testing.T) {
			t.Parallel()
			f := operated(t)
			s := onStage(t, f)
			s.apply(f.config(backedUp("")))
			f.s3.Archive(fakeBucket, "pg", "my-db").WAL("000000010000000000000001", f.now())
			f.kube.Fail(apitest.Each(apitest.VerbDelete, "scheduledbackups", apitest.Fault{Status: 403}))
			off := f.config(backedUp("enabled = false"))
			s.fails(off, "Unable to Update Database")
			f.kube.Fail(nil)
			if !on {
				s.apply(off)
				if f.schedule() != nil {
					t.Error("the schedule is left")
				}
				return
			}
			s.apply(f.config(backedUp("")))
			if name := f.barman().ServerName; !strings.HasPrefix(name, "my-db-") || len(s.begun()) != 1 {
				t.Errorf("it archives to %s, with %d base backups", name, len(s.begun()))
			}
		})
	}
}

// CNPG takes the immediate backup of a schedule that is made anew only where it finds none of a former one of its name.
func TestDatabaseBackedUpAgain(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		labels map[string]string
		block  string
		begun  int
	}{
		"the former one took it":              {map[string]string{cnpg.LabelScheduledBackup: "my-db", cnpg.LabelImmediateBackup: "true"}, "", 1},
		"it took others only":                 {map[string]string{cnpg.LabelScheduledBackup: "my-db", cnpg.LabelImmediateBackup: "false"}, "", 0},
		"another one took it":                 {map[string]string{cnpg.LabelScheduledBackup: "nightly", cnpg.LabelImmediateBackup: "true"}, "", 0},
		"the former one took it, none is due": {map[string]string{cnpg.LabelScheduledBackup: "my-db", cnpg.LabelImmediateBackup: "true"}, "immediate = false", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := operated(t)
			s := onStage(t, f)
			s.apply(f.config(backedUp("")))
			f.s3.Archive(fakeBucket, "pg", "my-db").WAL("000000010000000000000001", f.now())
			former := &cnpgv1.Backup{
				ObjectMeta: metav1.ObjectMeta{
					Namespace: fakeNamespace, Name: "my-db-20260326000000", Labels: map[string]string{cnpg.LabelCluster: "my-db"},
					OwnerReferences: []metav1.OwnerReference{{APIVersion: "postgresql.cnpg.io/v1", Kind: "Cluster", Name: "my-db", UID: f.cluster().UID}},
				},
				Spec: cnpgv1.BackupSpec{Cluster: cnpgv1.LocalObjectReference{Name: "my-db"}},
			}
			maps.Copy(former.Labels, test.labels)
			f.kube.Put(former)
			s.apply(f.config(backedUp("enabled = false")))
			s.apply(f.config(backedUp(test.block)))
			if name, begun := f.barman().ServerName, len(s.begun())-1; !strings.HasPrefix(name, "my-db-") || begun != test.begun {
				t.Errorf("it archives to %s, with %d base backups", name, begun)
			}
		})
	}
}

// What is computed says what the Cluster has, whoever set it, and a policy of others that deletes backups is told.
func TestDatabaseShowsWhatOthersSet(t *testing.T) {
	t.Parallel()
	f := operated(t)
	s := onStage(t, f)
	config := f.config(backedUp(fmt.Sprintf("object_store = { endpoint_url = %q }", f.s3.URL)))
	s.apply(config)
	const policy = "Backups Are Deleted by a Policy of Others"
	if _, warnings := s.plan(config); strings.Contains(warnings, policy) {
		t.Errorf("warnings are %q", warnings)
	}
	f.edit("kubectl-edit", "my-db", func(c *cnpgv1.Cluster) { c.Spec.Backup.RetentionPolicy = "7d" })
	plan, warnings := s.plan(config)
	if !plan.Empty() || strings.Count(warnings, policy) != 1 || !strings.Contains(warnings, `spec.backup.retentionPolicy "7d"`) {
		t.Errorf("the plan is %s with warnings %q", plan, warnings)
	}
	if _, warnings := s.plan(f.config(backedUp(fmt.Sprintf("retention_days = 7\nobject_store = { endpoint_url = %q }", f.s3.URL)))); !strings.Contains(warnings, policy) {
		t.Errorf("before it is configured, warnings are %q", warnings)
	}
}

// An endpoint that others give to a Cluster whose configuration has none is theirs, and shown.
func TestDatabaseEndpointOfOthers(t *testing.T) {
	bareAWS(t)
	f := operated(t)
	t.Setenv("AWS_CONFIG_FILE", f.file("config", "[default]\nregion = us-east-1\nendpoint_url = "+f.s3.URL+"\n")) // of Terraform alone
	s := onStage(t, f)
	config := f.fromEnvironment() + backedUp("")
	s.apply(config)
	if endpoint := f.barman().EndpointURL; endpoint != "" {
		t.Fatalf("the pods have the endpoint %s", endpoint)
	}
	f.edit("kubectl-edit", "my-db", func(c *cnpgv1.Cluster) { c.Spec.Backup.BarmanObjectStore.EndpointURL = "https://theirs" })
	for _, schedule := range []string{"0 3 * * *", "0 4 * * *"} { // refreshed, and updated
		s.planned(config, terraformtest.NoOp)
		config = f.fromEnvironment() + strings.Replace(backedUp(""), "0 2 * * *", schedule, 1)
		s.apply(config)
		if shown := s.attribute("archive", "endpoint_url"); shown != "https://theirs" || f.barman().EndpointURL != shown {
			t.Errorf("the state shows %q, the Cluster has %q", shown, f.barman().EndpointURL)
		}
	}
}

// fromEnvironment is a configuration that leaves region and endpoint to the environment.
func (f *fakes) fromEnvironment() string {
	var lines []string
	for line := range strings.Lines(f.provider("")) {
		if !strings.Contains(line, "endpoint_url") && !strings.Contains(line, "region") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// The environment of whoever runs Terraform says how the pods of a new database reach S3, and nothing of those that live.
func TestDatabaseInAnotherEnvironment(t *testing.T) {
	bareAWS(t)
	f := operated(t)
	s := onStage(t, f)
	t.Setenv("AWS_REGION", "eu-west-3")
	t.Setenv("AWS_ENDPOINT_URL_S3", f.s3.URL)
	config := f.fromEnvironment() + backedUp("")
	s.apply(config)
	reached := func(endpoint, region string) {
		t.Helper()
		secret := apitest.Get[corev1.Secret](f.kube, fakeNamespace, "my-db-backup-s3-creds")
		if got := f.barman().EndpointURL + " " + string(secret.Data["REGION"]); got != endpoint+" "+region {
			t.Errorf("the pods have %s, want %s %s", got, endpoint, region)
		}
	}
	reached(f.s3.URL, "eu-west-3")
	for _, imported := range []bool{false, true} {
		if imported {
			s.w.Forget(db)
			if diags := s.w.Import(t.Context(), db, "myorg/my-db"); diags.HasError() {
				t.Fatal(diags)
			}
			s.apply(config) // the writings of the configuration, and its protection
		}
		t.Setenv("AWS_REGION", "us-west-2")
		t.Setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
		s.planned(config, terraformtest.NoOp)
		t.Setenv("AWS_ENDPOINT_URL_S3", f.s3.URL)
		s.apply(strings.Replace(config, "0 2 * * *", "0 3 * * *", 1)) // also when something else is changed
		reached(f.s3.URL, "eu-west-3")
		s.apply(config)
	}
	named := strings.Replace(config, "object_store = {", "object_store = {\n    region = \"us-west-2\"\n    pod_endpoint_url = \"http://pods\"", 1)
	s.planned(named, terraformtest.Update)
	s.apply(named)
	reached("http://pods", "us-west-2")
}

// archives plays pods whose archiver works: a flush puts a segment into S3.
func (f *fakes) archives() { f.archivesFrom(f.cluster) }

func (f *fakes) archivesFrom(cluster func() *cnpgv1.Cluster) {
	var flushed atomic.Int64
	f.kube.OnExec(func(string, string, []string) (string, string, error) {
		segment := s3test.Segment(1, 100+uint64(flushed.Add(1)))
		f.s3.Archive(fakeBucket, "pg", cnpg.ServerName(cluster())).WAL(segment, f.now())
		return flushAnswer(segment), "", nil
	})
}

// An apply that changes how the pods reach S3 ends when S3 has WAL from after the change, not on what CNPG said before it.
func TestDatabaseProvesThatItArchives(t *testing.T) {
	t.Parallel()
	rotate := strings.NewReplacer(s3test.AccessKeyID, rotatedKey)
	begin := func(t *testing.T) *stage {
		t.Helper()
		f := operated(t)
		f.s3.AnyKey()
		s := onStage(t, f)
		s.apply(f.config(backedUp("")))
		f.s3.Archive(fakeBucket, "pg", "my-db").Put("base/20260326T095900/backup.info", "", f.now()) // or it would be another store
		return s
	}
	const unverified = "Archiving Not Verified"
	for name, changed := range map[string]func(*fakes) string{
		"keys":     func(f *fakes) string { return rotate.Replace(f.config(backedUp(""))) },
		"endpoint": func(f *fakes) string { return f.provider(`pod_endpoint_url = "http://pods"`) + backedUp("") },
		"a Secret": func(f *fakes) string { return f.config(backedUp(`credentials_secret = { name = "my-keys" }`)) },
	} {
		t.Run("works after other "+name, func(t *testing.T) {
			t.Parallel()
			s := begin(t)
			s.archives()
			if warnings := s.apply(changed(s.fakes)); strings.Contains(warnings, unverified) {
				t.Errorf("warnings are %q", warnings)
			}
			if len(s.s3.Keys(fakeBucket, "pg/my-db/wals/")) != 1 {
				t.Error("nothing was archived since the change")
			}
		})
		t.Run("fails after other "+name, func(t *testing.T) {
			t.Parallel()
			s := begin(t)
			s.kube.OnExec(func(string, string, []string) (string, string, error) {
				apitest.Edit(s.kube, fakeNamespace, "my-db", archivingFails("InvalidAccessKeyId"))
				return flushAnswer(s3test.Segment(1, 7)), "", nil
			})
			s.fails(changed(s.fakes), "Unable to Update Database", "WAL archiving fails: InvalidAccessKeyId")
			if message := s.attribute("archive", "message"); message != "InvalidAccessKeyId" {
				t.Errorf("the state says %q", message)
			}
		})
	}
	t.Run("where exec is forbidden", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		if warnings := s.apply(rotate.Replace(s.config(backedUp("")))); !says(unverified, "pods/exec").MatchString(warnings) {
			t.Errorf("warnings are %q", warnings)
		}
	})
	t.Run("not without a change of it", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.archives()
		s.apply(s.config(backedUp("retention_days = 7")))
		if len(s.s3.Keys(fakeBucket, "pg/my-db/wals/")) != 0 {
			t.Error("the database was flushed")
		}
	})
	t.Run("not without waiting", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.archives()
		s.apply(rotate.Replace(s.config(strings.Replace(backedUp(""), "{", "{\n  wait = false", 1))))
		if len(s.s3.Keys(fakeBucket, "pg/my-db/wals/")) != 0 {
			t.Error("the database was flushed")
		}
	})
}
