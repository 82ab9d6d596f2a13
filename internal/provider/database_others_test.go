package provider_test

import (
	"strings"
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

// It is no schedule of a database that is imported, and backups that are turned on beside it are an error that names it.
func TestScheduleOfAnotherIsNotAdopted(t *testing.T) {
	t.Parallel()
	for name, scheduled := range schedulesOfOthers {
		if name == "never known" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := operated(t)
			f.kube.Put(f.archivedCluster(), scheduled.DeepCopy())
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
			s.planned(config(""), terraformtest.Update)
			s.fails(config(""), "Unable to Update Database", "force_conflicts", "ScheduledBackup myorg/my-db", apitest.Kubectl)
			if now := f.schedule(); now == nil || now.ResourceVersion != before {
				t.Errorf("it was changed: %v", now)
			}
		})
	}
}

// The schedule of an adopted database goes with its backups, also where its removal fails at first.
func TestScheduleOfAnAdoptedDatabaseGoesWithItsBackups(t *testing.T) {
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
		apitest.EditAs(f.kube, "kubectl-edit", fakeNamespace, "my-db", func(c *cnpgv1.Cluster) {
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
		f.kube.Put(cluster)
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
		apitest.EditAs(f.kube, "kubectl-edit", fakeNamespace, "my-db", func(c *cnpgv1.Cluster) {
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
	apitest.EditAs(f.kube, "kubectl-edit", fakeNamespace, "my-db", func(c *cnpgv1.Cluster) {
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
