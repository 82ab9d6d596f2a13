package provider_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

const pitr = "pgplatform_restore.pitr"

// restoreOf is the configuration of a restore of myorg/my-db.
func restoreOf(attributes string) string {
	return "resource \"pgplatform_restore\" \"pitr\" {\n  name   = \"my-db-pitr\"\n  source = { database = \"myorg/my-db\" }\n" + attributes + "\n}\n"
}

// onTheDay is an instant of the day that the source's archive is about.
func onTheDay(hour, minute int) time.Time {
	return time.Date(2026, 3, 26, hour, minute, 0, 0, time.UTC)
}

// lastSegment is the newest one in the source's archive, archived at 13:00.
const lastSegment = "000000010000000000000011"

// flushAnswer is what a database answers that is flushed and whose clock is right.
func flushAnswer(segment string) string { return flushAnswerAt(segment, time.Now()) }

// flushAnswerAt is flushAnswer where the database's clock shows at.
func flushAnswerAt(segment string, at time.Time) string {
	return at.UTC().Format("2006-01-02T15:04:05.000000Z") + "\nf\n" + segment + "\n"
}

// restoredAnswer is what a restored database answers that is asked for its names: the source's, of which neither is a stranger.
const restoredAnswer = `{"databases" : [{"name" : "postgres", "owner" : "postgres", "anew" : false}, {"name" : "shop", "owner" : "seller", "anew" : false}], "stranger" : false}` + "\n"

// podAnswers are those of a source that is flushed and of what is restored from it, which has the database that is asked.
func podAnswers(_, _ string, command []string, stdin string) (stdout, stderr string, err error) {
	switch {
	case strings.Contains(stdin, "pg_shdepend"):
		asked := strings.TrimSuffix(strings.TrimPrefix(command[len(command)-1], "dbname='"), "'")
		return strings.Replace(restoredAnswer, "shop", asked, 1), "", nil
	case strings.Contains(stdin, "pg_stat_archiver"):
		return lastSegment + "\n", "", nil
	}
	return flushAnswer(lastSegment), "", nil
}

// withSource are fakes with a database myorg/my-db that has base backups of 10:00 and 12:00 and WAL up to 13:00.
func withSource(t testing.TB) (*fakes, s3test.Archive) {
	t.Helper()
	f := operated(t)
	f.put(sourceObjects(f.archivedCluster())...)
	f.kube.OnExecWithInput(podAnswers)
	a := f.s3.Archive(fakeBucket, "pg", "my-db-v1")
	archiveOfSource(t, a)
	return f, a
}

// sourceObjects are a database and what belongs to it.
func sourceObjects(source *cnpgv1.Cluster) []runtime.Object {
	return []runtime.Object{source, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "my-db-1", Labels: map[string]string{cnpg.LabelCluster: "my-db"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "postgres"}}},
	}, &cnpgv1.ScheduledBackup{
		ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "my-db"},
		Spec:       cnpgv1.ScheduledBackupSpec{Schedule: "0 0 2 * * *", Cluster: cnpgv1.LocalObjectReference{Name: "my-db"}},
	}}
}

// archiveOfSource writes the source's archive.
func archiveOfSource(t testing.TB, a s3test.Archive) {
	t.Helper()
	a.Backup("20260326T095900", onTheDay(10, 0), s3test.Segment(1, 5), s3test.Segment(1, 5), nil)
	a.Backup("20260326T115900", onTheDay(12, 0), s3test.Segment(1, 13), s3test.Segment(1, 13), nil)
	if last := a.Segments(1, 5, 13, onTheDay(10, 0), 15*time.Minute); last != lastSegment {
		t.Fatalf("the last segment is %s", last)
	}
}

func (f *fakes) restored() *cnpgv1.Cluster {
	return f.clusterNamed("my-db-pitr")
}

func TestRestoreToATime(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testRestoreToATime)
}

func testRestoreToATime(t *testing.T) {
	t.Parallel()
	f, _ := withSource(t)
	before := f.cluster().ResourceVersion
	target := `  target_time = "2026-03-26T12:30:00.123456+01:00"` + "\n" // 11:30 UTC
	unit(t,
		resource.TestStep{
			Config:           f.config(restoreOf(target)),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{noKeys{}}},
			ConfigStateChecks: []statecheck.StateCheck{
				noKeys{},
				statecheck.ExpectKnownValue(pitr, tfjsonpath.New("id"), knownvalue.StringExact("myorg/my-db-pitr")),
				statecheck.ExpectKnownValue(pitr, tfjsonpath.New("status"), knownvalue.StringExact("READY")),
				statecheck.ExpectKnownValue(pitr, tfjsonpath.New("base_backup_id"), knownvalue.StringExact("20260326T095900")),
				statecheck.ExpectKnownValue(pitr, tfjsonpath.New("source_server_name"), knownvalue.StringExact("my-db-v1")),
				statecheck.ExpectKnownValue(pitr, tfjsonpath.New("archive").AtMapKey("server_name"), knownvalue.StringExact("my-db-pitr")),
				statecheck.ExpectKnownValue(pitr, tfjsonpath.New("connection_info").AtMapKey("database"), knownvalue.StringExact("shop")),
			},
			Check: resource.ComposeTestCheckFunc(check(f.checkRestored), check(func() error {
				if f.cluster().ResourceVersion != before {
					return errors.New("the source was changed")
				}
				return nil
			})),
		},
		resource.TestStep{ // the same instant in another zone
			Config: f.config(restoreOf(`target_time = "2026-03-26T11:30:00.123456Z"`)), PlanOnly: true,
		},
		resource.TestStep{
			Config:      f.config(restoreOf(`target_time = "2026-03-26T12:45:00Z"`)),
			PlanOnly:    true,
			ExpectError: says("Database Is Protected", "This change would destroy the database myorg/my-db-pitr"),
		},
		resource.TestStep{
			PreConfig:        f.kube.Forget,
			Config:           f.config(restoreOf(target + unprotected)),
			ConfigPlanChecks: action(pitr, plancheck.ResourceActionUpdate),
			Check: check(func() error {
				if writes := f.kube.Writes(); len(writes) != 0 {
					return fmt.Errorf("written for a setting of Terraform's own: %v", writes)
				}
				return nil
			}),
		},
		resource.TestStep{
			Config:           f.config(restoreOf(unprotected + `target_time = "2026-03-26T12:45:00Z"`)),
			ConfigPlanChecks: action(pitr, plancheck.ResourceActionDestroyBeforeCreate),
			Check:            resource.TestCheckResourceAttr(pitr, "base_backup_id", "20260326T115900"),
		},
		resource.TestStep{ // what was restored is not checked again: the source may go
			PreConfig: func() {
				apitest.Delete[cnpgv1.Cluster](f.kube, fakeNamespace, "my-db")
				f.s3.DeleteBucket(fakeBucket)
			},
			Config: f.config(restoreOf(unprotected + `target_time = "2026-03-26T12:45:00Z"`)), PlanOnly: true,
		},
	)
}

// checkRestored looks at the Cluster that TestRestoreToATime has made.
func (f *fakes) checkRestored() error {
	spec, from := f.restored().Spec, f.cluster().Spec
	recovery := spec.Bootstrap.Recovery
	switch {
	case recovery == nil || recovery.RecoveryTarget.BackupID != "20260326T095900" || recovery.RecoveryTarget.TargetTime != "2026-03-26 11:30:00.123456+00:00":
		return fmt.Errorf("the recovery is %+v", recovery)
	case recovery.Database != "shop" || recovery.Owner != "seller":
		return fmt.Errorf("the recovery is of %s owned by %s", recovery.Database, recovery.Owner)
	case spec.ImageName != from.ImageName || spec.StorageConfiguration.Size != "3Gi" || spec.PostgresConfiguration.Parameters["work_mem"] != "8MB":
		return fmt.Errorf("the restored Cluster is %+v", spec)
	case spec.Backup.RetentionPolicy != "14d" || spec.Backup.BarmanObjectStore.ServerName != "my-db-pitr":
		return fmt.Errorf("it archives as %+v", spec.Backup)
	case len(spec.ExternalClusters) != 1 || spec.ExternalClusters[0].Name != recovery.Source:
		return fmt.Errorf("the external clusters are %+v", spec.ExternalClusters)
	}
	if origin := spec.ExternalClusters[0].BarmanObjectStore; origin.ServerName != "my-db-v1" || origin.DestinationPath != "s3://backups/pg" {
		return fmt.Errorf("it is restored from %+v", origin)
	}
	scheduled := apitest.Get[cnpgv1.ScheduledBackup](f.kube, fakeNamespace, "my-db-pitr")
	if scheduled == nil || scheduled.Spec.Schedule != "0 0 2 * * *" || scheduled.Spec.Cluster.Name != "my-db-pitr" {
		return fmt.Errorf("its schedule is %+v", scheduled)
	}
	if apitest.Get[corev1.Secret](f.kube, fakeNamespace, "my-db-pitr-backup-s3-creds") == nil {
		return errors.New("its Secret is missing")
	}
	return nil
}

func TestRestoreTheLatestState(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testRestoreTheLatestState)
}

func testRestoreTheLatestState(t *testing.T) {
	t.Parallel()
	f, _ := withSource(t)
	unit(t, resource.TestStep{
		Config: f.config(restoreOf(unprotected)),
		Check: resource.ComposeTestCheckFunc(
			resource.TestCheckResourceAttr(pitr, "base_backup_id", "20260326T115900"),
			check(func() error {
				if target := f.restored().Spec.Bootstrap.Recovery.RecoveryTarget.TargetTime; target != "" {
					return fmt.Errorf("the latest state has the target %q", target)
				}
				return nil
			})),
	})
}

func TestRestoreFlushesItsSource(t *testing.T) {
	t.Parallel()
	behind := "target_time = \"2026-03-26T13:00:05Z\"" // later than anything in the archive
	t.Run("so that a target behind the archive is reached", func(t *testing.T) {
		t.Parallel()
		f, _ := withSource(t)
		unit(t, resource.TestStep{Config: f.config(restoreOf(unprotected + behind))})
	})
	t.Run("and refuses such a target where that fails", func(t *testing.T) {
		t.Parallel()
		f, _ := withSource(t)
		f.kube.OnExec(nil)
		unit(t, resource.TestStep{
			Config:      f.config(restoreOf(unprotected + behind)),
			ExpectError: says("Restore Cannot Succeed", "lies after the end of the archive", "Nothing was changed"),
		})
		if clusters := apitest.All[cnpgv1.Cluster](f.kube); len(clusters) != 1 {
			t.Errorf("%d Clusters, not the source alone", len(clusters))
		}
	})
	t.Run("not without being asked", func(t *testing.T) {
		t.Parallel()
		f, _ := withSource(t)
		f.kube.OnExec(func(pod, _ string, _ []string) (string, string, error) {
			if pod == "my-db-1" { // the restored database is asked where its recovery has ended
				t.Error("the source was flushed")
			}
			return "", "", nil
		})
		unit(t, resource.TestStep{Config: f.config(restoreOf(unprotected + "flush_source = false"))})
	})
	t.Run("where that is not allowed it goes on", func(t *testing.T) {
		t.Parallel()
		s, _ := restoreStage(t)
		s.kube.OnExec(nil)
		warnings := s.apply(s.config(restoreOf(unprotected)))
		if !says("Source Not Flushed", "pods/exec").MatchString(warnings) || s.at("status") != "READY" {
			t.Errorf("%s, with the warnings\n%s", s.at("status"), warnings)
		}
	})
}

func TestRestoreRefused(t *testing.T) {
	t.Parallel()
	target := func(at string) string { return fmt.Sprintf("target_time = %q", at) }
	window := "2026-03-26 10:00:00 UTC"
	tests := map[string]struct {
		prepare func(*fakes, s3test.Archive)
		config  string
		want    []string
	}{
		"before the window": {
			config: restoreOf(target("2001-01-01T00:00:00Z")),
			want:   []string{"Restore Cannot Succeed", `target_time = "2001-01-01T00:00:00Z"`, "lies before the recovery window", window, "2026-03-26 13:00:00 UTC"},
		},
		"between begin and end of the first backup": {
			config: restoreOf(target("2026-03-26T09:59:30Z")),
			want:   []string{"Restore Cannot Succeed", "target_time", "lies before the recovery window", window},
		},
		"in the future": {
			config: restoreOf(target("2100-01-01T00:00:00Z")),
			want:   []string{"Target Lies in the Future", `target_time = "2100-01-01T00:00:00Z"`, "has not come yet"},
		},
		"behind the last WAL of a source that is not flushed": {
			config: restoreOf(target("2026-03-26T13:00:05Z") + "\nflush_source = false"),
			want:   []string{"Restore Cannot Succeed", "target_time", "lies after the end of the archive", lastSegment, window},
		},
		"where WAL is missing": {
			prepare: func(f *fakes, a s3test.Archive) {
				f.s3.Delete(fakeBucket, a.Folder+"/wals/0000000100000000/"+s3test.Segment(1, 8))
			},
			config: restoreOf(target("2026-03-26T11:30:00Z")),
			want:   []string{"Restore Cannot Succeed", "target_time", "lies in a gap", "000000010000000000000008", window},
		},
		"without a base backup": {
			prepare: func(f *fakes, a s3test.Archive) {
				for _, key := range f.s3.Keys(fakeBucket, a.Folder+"/base/") {
					f.s3.Delete(fakeBucket, key)
				}
			},
			config: restoreOf(target("2026-03-26T11:30:00Z")),
			want:   []string{"Restore Cannot Succeed", "source", "the archive has no base backup"},
		},
		"onto its source": {
			config: strings.Replace(restoreOf(""), `"my-db-pitr"`, `"my-db"`, 1),
			want:   []string{"Restore Onto Its Source", `name = "my-db"`, "Choose another name"},
		},
		"of a source that is missing": {
			prepare: func(f *fakes, _ s3test.Archive) { apitest.Delete[cnpgv1.Cluster](f.kube, fakeNamespace, "my-db") },
			config:  restoreOf(""),
			want:    []string{"Unable to Read the Source", "source.database: Cluster myorg/my-db: not found"},
		},
		"of a source without an archive": {
			prepare: func(f *fakes, _ s3test.Archive) {
				f.edit(apitest.Controller, "my-db", func(c *cnpgv1.Cluster) { c.Spec.Backup = nil })
			},
			config: restoreOf(""),
			want:   []string{"Source Has No Archive", "source.database: the database myorg/my-db archives nowhere"},
		},
		"from a bucket that is missing": {
			prepare: func(f *fakes, _ s3test.Archive) { f.s3.DeleteBucket(fakeBucket) },
			config:  restoreOf(""),
			want:    []string{"source.database: reading the archive", `bucket "backups" does not exist`},
		},
		"onto a Cluster that exists": {
			prepare: func(f *fakes, _ s3test.Archive) {
				existing := f.archivedCluster()
				existing.Name = "my-db-pitr"
				f.kube.Put(existing)
			},
			config: restoreOf(""),
			want:   []string{"Restore Already Exists", `name = "my-db-pitr"`, "import {", "to = pgplatform_restore.NAME"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, a := withSource(t)
			if test.prepare != nil {
				test.prepare(f, a)
			}
			unit(t, resource.TestStep{Config: f.config(test.config), PlanOnly: true, ExpectError: says(test.want...)})
			if writes := f.kube.Writes(); len(writes) != 0 {
				t.Errorf("written: %v", apitest.Summaries(writes))
			}
		})
	}
}

// Where S3 cannot be reached from where the plan runs, the plan warns and goes on.
func TestRestoreWithoutSightOfS3(t *testing.T) {
	t.Parallel()
	f, _ := withSource(t)
	f.s3.Fail(func(s3test.Request) *s3test.Fault { return &s3test.Fault{Reset: true} })
	unit(t, resource.TestStep{Config: f.config(restoreOf(`target_time = "2026-03-26T11:30:00Z"`)), PlanOnly: true, ExpectNonEmptyPlan: true})
}

func TestRestoreThatFails(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testRestoreThatFails)
}

func testRestoreThatFails(t *testing.T) {
	t.Parallel()
	f, _ := withSource(t)
	const pod = "my-db-pitr-1-full-recovery-x7x7x"
	f.kube.Log(fakeNamespace, pod, "full-recovery", `{"level":"info","logger":"barman-cloud-check-wal-archive","msg":"ERROR: WAL archive check failed for server my-db-pitr: Expected empty archive"}`)
	f.kube.React(func(e apitest.Event) {
		if c := apitest.As[cnpgv1.Cluster](e.Object); c == nil || e.Type != watch.Added || c.Name != "my-db-pitr" {
			return
		}
		failed := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: pod, Labels: map[string]string{
				cnpg.LabelCluster: "my-db-pitr", "cnpg.io/jobRole": "full-recovery", "batch.kubernetes.io/job-name": "my-db-pitr-1-full-recovery",
			}},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "full-recovery"}}},
		}
		failed.Status.Phase = corev1.PodFailed
		f.kube.Put(failed)
		apitest.Edit(f.kube, fakeNamespace, "my-db-pitr", func(c *cnpgv1.Cluster) { c.Status.Phase = cnpgv1.PhaseFirstPrimary })
	})
	unitCase(t, resource.TestCase{
		CheckDestroy: check(func() error {
			if f.restored() != nil {
				return errors.New("the restored Cluster was not known to the state")
			}
			return nil
		}),
		Steps: []resource.TestStep{{
			Config: f.config(restoreOf(unprotected)),
			ExpectError: says("Unable to Restore Database", "Cluster myorg/my-db-pitr failed (pod "+pod+")", "Expected empty archive",
				"The folder that the new cluster would archive to holds WAL already.", "Leave backup.server_name out", "recorded in Terraform's state"),
		}},
	})
}
