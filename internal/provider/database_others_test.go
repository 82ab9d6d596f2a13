package provider_test

import (
	"maps"
	"strings"
	"sync/atomic"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// scheduleOf is a ScheduledBackup with the database's name that somebody made with kubectl.
func scheduleOf(cluster string, method cnpgv1.BackupMethod) *cnpgv1.ScheduledBackup {
	return &cnpgv1.ScheduledBackup{
		ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "my-db"},
		Spec:       cnpgv1.ScheduledBackupSpec{Schedule: "0 0 4 * * *", Cluster: cnpgv1.LocalObjectReference{Name: cluster}, Method: method},
	}
}

var schedulesOfOthers = map[string]*cnpgv1.ScheduledBackup{
	"of another Cluster": scheduleOf("theirs", cnpgv1.BackupMethodBarmanObjectStore),
	"of the plugin":      scheduleOf("my-db", cnpgv1.BackupMethodPlugin),
	"of snapshots":       scheduleOf("my-db", cnpgv1.BackupMethodVolumeSnapshot),
	"never known":        scheduleOf("my-db", cnpgv1.BackupMethodBarmanObjectStore),
}

// A schedule that was never the provider's stays, whatever is done to the database of its name, and a plan says nothing of it.
func TestSchedulesOfOthersStay(t *testing.T) {
	t.Parallel()
	for name, scheduled := range schedulesOfOthers {
		for step, config := range map[string]string{
			"update":                         database(unprotected + "labels = { team = \"a\" }\n"),
			"update of backups that are off": database(unprotected + "labels = { team = \"a\" }\nbackup = { enabled = false, schedule = \"0 2 * * *\" }\n"),
			"destroy":                        "",
		} {
			t.Run(name+", "+step, func(t *testing.T) {
				t.Parallel()
				f := operated(t)
				s := onStage(t, f)
				s.apply(f.config(database(unprotected)))
				f.kube.Put(scheduled.DeepCopy())
				before := f.schedule().ResourceVersion
				s.apply(f.config(config))
				if now := f.schedule(); now == nil || now.ResourceVersion != before {
					t.Errorf("it was changed: %v", now)
				}
			})
		}
	}
}

// It is no schedule of a database that is imported, and one that is configured beside it is refused by the plan, which names it.
func TestScheduleOfAnotherIsNotAdopted(t *testing.T) {
	t.Parallel()
	for name, scheduled := range foreignSchedules() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := operated(t)
			f.put(f.archivedCluster(), scheduled.DeepCopy())
			before := f.schedule().ResourceVersion
			s := onStage(t, f)
			config := func(more string) string {
				return s.config(strings.Replace(adoptedDatabase(more), "org_id", "backup = { schedule = \"0 4 * * *\", retention_days = 14 }\norg_id", 1))
			}
			s.w.Write(config(""))
			if diags := s.w.Import(t.Context(), db, "myorg/my-db"); diags.HasError() {
				t.Fatal(diags)
			}
			if got := s.attribute("backup", "schedule"); got != "" {
				t.Errorf("imported is the schedule %q", got)
			}
			for _, more := range []string{"", forced} {
				s.refused(config(more), "Schedule's Name Is Taken", `AttributeName("backup").AttributeName("schedule")`, "ScheduledBackup myorg/my-db is not this database's",
					"kubectl delete scheduledbackup my-db --namespace myorg", "Nothing was changed")
			}
			if now := f.schedule(); now == nil || now.ResourceVersion != before {
				t.Errorf("it was changed: %v", now)
			}
		})
	}
}

// foreignSchedules are those that are not the database's own.
func foreignSchedules() map[string]*cnpgv1.ScheduledBackup {
	foreign := maps.Clone(schedulesOfOthers)
	delete(foreign, "never known")
	return foreign
}

// Backups are turned on, and databases made, only where their schedule can be written; what came there after the plan stops the
// apply before anything is written, and is not taken over by force.
func TestScheduleOfAnotherIsNeverWrittenOver(t *testing.T) {
	t.Parallel()
	for name, scheduled := range foreignSchedules() {
		for step, before := range map[string]string{"create": "", "update": database(unprotected)} {
			for way, more := range map[string]string{"": "", ", forced": forced} {
				t.Run(name+", "+step+way, func(t *testing.T) {
					t.Parallel()
					f := operated(t)
					s := onStage(t, f)
					config := f.config(strings.Replace(backedUp(""), unprotected, unprotected+more, 1))
					if before != "" {
						s.apply(f.config(before))
					}
					plan, _ := s.plan(config)
					f.kube.Put(scheduled.DeepCopy())
					version := f.schedule().ResourceVersion
					s.refused(config, "Schedule's Name Is Taken", "ScheduledBackup myorg/my-db is not this database's")
					var asked atomic.Int64 // the first is the plan that every apply makes anew
					apitest.Delete[cnpgv1.ScheduledBackup](f.kube, fakeNamespace, "my-db")
					f.kube.Fail(func(r apitest.Request) *apitest.Fault {
						if r.Is(apitest.VerbGet, "scheduledbackups") && asked.Add(1) == 2 {
							return &apitest.Fault{Before: func() { f.kube.Put(scheduled.DeepCopy()); version = f.schedule().ResourceVersion }}
						}
						return nil
					})
					f.kube.Forget()
					if diags := s.w.ApplyPlan(t.Context(), plan); !says("Database", "ScheduledBackup myorg/my-db is not this database's", "Nothing was").MatchString(diags.Errors().String()) {
						t.Errorf("the apply says\n%s", diags)
					}
					if writes := f.kube.Writes(); len(writes) > 0 {
						t.Errorf("written: %v", apitest.Summaries(writes))
					}
					if now := f.schedule(); now == nil || now.ResourceVersion != version {
						t.Errorf("it was changed: %v", now)
					}
				})
			}
		}
	}
}

// A restored database gets a schedule as well: where its name is taken, nothing is made.
func TestRestoreBesideAScheduleOfAnother(t *testing.T) {
	t.Parallel()
	f, _ := withSource(t)
	foreign := scheduleOf("theirs", cnpgv1.BackupMethodBarmanObjectStore)
	foreign.Name = "my-db-pitr"
	f.kube.Put(foreign)
	s := onStage(t, f)
	f.kube.Forget()
	s.fails(f.config(restoreOf(unprotected)), "Schedule's Name Is Taken", `AttributeName("schedule")`, "ScheduledBackup myorg/my-db-pitr is not this database's", `the Cluster "theirs"`, "Nothing was changed")
	if writes := f.kube.Writes(); len(writes) > 0 {
		t.Errorf("written: %v", apitest.Summaries(writes))
	}
}

// The schedule of an adopted database goes with its backups, also where its removal fails at first.
func TestScheduleOfAnAdoptedDatabaseGoesWithItsBackups(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testScheduleOfAnAdoptedDatabaseGoesWithItsBackups)
}

func testScheduleOfAnAdoptedDatabaseGoesWithItsBackups(t *testing.T) {
	t.Parallel()
	s := adopted(t)
	off := s.config(adoptedDatabase(forced))
	s.kube.Fail(apitest.First(apitest.VerbDelete, "scheduledbackups", apitest.Fault{Status: 403}))
	s.fails(off, "Unable to Update Database", "ScheduledBackup myorg/my-db")
	s.kube.Fail(nil)
	if s.schedule() == nil {
		t.Fatal("it is gone already")
	}
	s.planned(off, terraformtest.Update)
	s.apply(off)
	if s.schedule() != nil {
		t.Error("it is left")
	}
}

// The settings of volume snapshots are whoever's made them, and no archive: no update touches them.
func TestVolumeSnapshotsOfOthersStay(t *testing.T) {
	t.Parallel()
	snapshots := func(f *fakes) {
		f.edit("kubectl-edit", "my-db", func(c *cnpgv1.Cluster) {
			if c.Spec.Backup == nil {
				c.Spec.Backup = &cnpgv1.BackupConfiguration{}
			}
			c.Spec.Backup.VolumeSnapshot = &cnpgv1.VolumeSnapshotConfiguration{ClassName: "fast"}
		})
	}
	kept := func(t *testing.T, f *fakes) {
		t.Helper()
		if b := f.cluster().Spec.Backup; b == nil || b.VolumeSnapshot == nil || b.VolumeSnapshot.ClassName != "fast" || b.BarmanObjectStore != nil {
			t.Errorf("spec.backup is %+v", b)
		}
	}
	const labelled = unprotected + "labels = { team = \"a\" }\n"
	t.Run("without an archive", func(t *testing.T) {
		t.Parallel()
		f := operated(t)
		s := onStage(t, f)
		s.apply(f.config(database(unprotected)))
		snapshots(f)
		s.planned(f.config(database(unprotected)), terraformtest.NoOp)
		s.apply(f.config(database(labelled)))
		kept(t, f)
	})
	t.Run("with an archive that is turned off", func(t *testing.T) {
		t.Parallel()
		f := operated(t)
		s := onStage(t, f)
		s.apply(f.config(backedUp("retention_days = 3")))
		theirs := &cnpgv1.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "my-db"}}
		theirs.Spec.Instances = 1
		theirs.Spec.Backup = &cnpgv1.BackupConfiguration{VolumeSnapshot: &cnpgv1.VolumeSnapshotConfiguration{ClassName: "fast"}}
		apitest.ApplyAs(f.kube, "argocd", theirs)
		s.apply(f.config(backedUp("retention_days = 4")))
		s.apply(f.config(database(unprotected)))
		kept(t, f)
		s.apply(f.config(database(labelled)))
		kept(t, f)
	})
	t.Run("with an archive that kubectl states too", func(t *testing.T) {
		t.Parallel()
		s := adopted(t)
		snapshots(s.fakes)
		s.fails(s.config(adoptedDatabase("")), "spec.backup.barmanObjectStore belongs to the field manager", "force_conflicts = true")
		s.apply(s.config(adoptedDatabase(forced)))
		kept(t, s.fakes)
	})
	t.Run("with a retention policy that kubectl states too", func(t *testing.T) {
		t.Parallel()
		s := adopted(t)
		snapshots(s.fakes)
		s.apply(s.config(adoptedDatabase(forced)))
		kept(t, s.fakes)
		if got := s.cluster().Spec.Backup.RetentionPolicy; got != "14d" {
			t.Errorf("the retention policy is %q", got)
		}
	})
	t.Run("with a retention policy that another manager applies", func(t *testing.T) {
		t.Parallel()
		f := operated(t)
		s := onStage(t, f)
		s.apply(f.config(backedUp("")))
		theirs := &cnpgv1.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "my-db"}}
		theirs.Spec.Instances = 1
		theirs.Spec.Backup = &cnpgv1.BackupConfiguration{RetentionPolicy: "7d", VolumeSnapshot: &cnpgv1.VolumeSnapshotConfiguration{ClassName: "fast"}}
		apitest.ApplyAs(f.kube, "argocd", theirs)
		s.apply(f.config(database(unprotected)))
		kept(t, f)
		if got := f.cluster().Spec.Backup.RetentionPolicy; got != "7d" {
			t.Errorf("the retention policy is %q", got)
		}
	})
	t.Run("of an adopted database", func(t *testing.T) {
		t.Parallel()
		f := operated(t)
		cluster := f.archivedCluster()
		cluster.Spec.Backup = &cnpgv1.BackupConfiguration{VolumeSnapshot: &cnpgv1.VolumeSnapshotConfiguration{ClassName: "fast"}}
		f.put(cluster)
		s := onStage(t, f)
		s.w.Write(f.config(adoptedDatabase("")))
		if diags := s.w.Import(t.Context(), db, "myorg/my-db"); diags.HasError() {
			t.Fatal(diags)
		}
		s.apply(f.config(adoptedDatabase("labels = { team = \"a\" }\n")))
		s.apply(f.config(adoptedDatabase("labels = { team = \"b\" }\n" + forced)))
		kept(t, f)
	})
	t.Run("beside an archive that kubectl adds", func(t *testing.T) {
		t.Parallel()
		f := operated(t)
		s := onStage(t, f)
		s.apply(f.config(database(unprotected)))
		snapshots(f)
		f.edit("kubectl-edit", "my-db", func(c *cnpgv1.Cluster) {
			c.Spec.Backup.BarmanObjectStore = &cnpgv1.BarmanObjectStoreConfiguration{DestinationPath: "s3://" + fakeBucket + "/pg"}
		})
		s.planned(f.config(database(unprotected)), terraformtest.Update)
		s.apply(f.config(database(unprotected)))
		kept(t, f)
	})
}

// An archive that somebody adds after the plan was not in it, and stays for the next one.
func TestArchiveAddedAfterThePlanStays(t *testing.T) {
	t.Parallel()
	f := operated(t)
	s := onStage(t, f)
	s.apply(f.config(database(unprotected)))
	plan, _ := s.plan(f.config(database(unprotected + "labels = { team = \"a\" }\n")))
	f.edit("kubectl-edit", "my-db", func(c *cnpgv1.Cluster) {
		c.Spec.Backup = &cnpgv1.BackupConfiguration{BarmanObjectStore: &cnpgv1.BarmanObjectStoreConfiguration{DestinationPath: "s3://" + fakeBucket + "/pg"}}
	})
	if diags := s.w.ApplyPlan(t.Context(), plan); diags.HasError() {
		t.Fatal(diags)
	}
	if cnpg.Archiver(f.cluster()) == nil {
		t.Error("it was removed without a word")
	}
	s.planned(f.config(database(unprotected+"labels = { team = \"a\" }\n")), terraformtest.Update)
}
