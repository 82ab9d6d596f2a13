package cnpg_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

var at = time.Date(2026, 3, 26, 15, 20, 40, 0, time.FixedZone("CET", 3600))

func TestCreateBackup(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	labels := map[string]string{cnpg.LabelCluster: key.Name, cnpg.LabelOrgID: "acme"}
	for _, want := range []string{"my-db-backup-20260326-142040", "my-db-backup-20260326-142041"} { // the first name is taken
		backup, err := client.CreateBackup(ctx, clusterOf(key), at, cnpg.BackupRequest{Labels: labels})
		if err != nil || backup.Name != want {
			t.Fatalf("CreateBackup = %v, %v; want %s", backup, err, want)
		}
		if backup.Spec.Cluster.Name != key.Name || backup.Spec.Method != cnpgv1.BackupMethodBarmanObjectStore || backup.Labels[cnpg.LabelOrgID] != "acme" {
			t.Errorf("the Backup is %+v", backup)
		}
	}
	requests(t, server, "create backups myorg", "create backups myorg", "get backups myorg/my-db-backup-20260326-142040", "create backups myorg")
}

// A backup whose answer is lost is not taken a second time.
func TestCreateBackupLostAnswer(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	server.Fail(apitest.First(apitest.VerbCreate, "backups", apitest.Fault{ResetAfter: true}))
	backup, err := client.CreateBackup(ctx, clusterOf(key), at, cnpg.BackupRequest{})
	if err != nil || backup.Name != "my-db-backup-20260326-142040" {
		t.Fatalf("CreateBackup = %v, %v", backup, err)
	}
	list, err := client.ListBackups(ctx, key)
	if err != nil || len(list) != 1 {
		t.Errorf("%d Backups, %v", len(list), err)
	}
}

func TestCreateBackupRefused(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	server.Fail(apitest.Each(apitest.VerbCreate, "backups", apitest.Fault{Status: http.StatusForbidden, Message: `User "ci" cannot create resource "backups"`}))
	if backup, err := client.CreateBackup(ctx, clusterOf(key), at, cnpg.BackupRequest{}); backup != nil || !errors.Is(err, cnpg.ErrForbidden) || !strings.Contains(err.Error(), `cannot create resource "backups"`) {
		t.Errorf("CreateBackup = %v, %v; want ErrForbidden", backup, err)
	}
	requests(t, server, "create backups myorg")
}

func TestListBackups(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	of := func(namespace, name, cluster string) *cnpgv1.Backup {
		return &cnpgv1.Backup{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
			Spec:       cnpgv1.BackupSpec{Cluster: cnpgv1.LocalObjectReference{Name: cluster}},
		}
	}
	server.Put(of("myorg", "one", "my-db"), of("myorg", "two", "my-db-2"), of("default", "three", "my-db"), of("myorg", "four", "my-db"))
	list, err := client.ListBackups(ctx, key)
	if err != nil || len(list) != 2 || list[0].Name != "four" || list[1].Name != "one" {
		t.Errorf("ListBackups = %v, %v", list, err)
	}
	requests(t, server, "list backups myorg")
}

func TestDeleteIsQuietAboutWhatIsGone(t *testing.T) {
	t.Parallel()
	ctx, _, client := setup(t)
	for what, err := range map[string]error{
		"Backup": client.DeleteBackup(ctx, key), "ScheduledBackup": client.DeleteScheduledBackup(ctx, key, "uid", true), "Secret": client.DeleteSecret(ctx, key, "uid"),
	} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestWaitBackup(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	backup, err := client.CreateBackup(ctx, clusterOf(key), at, cnpg.BackupRequest{})
	if err != nil {
		t.Fatal(err)
	}
	name := backup.Name
	server.Fail(apitest.First(apitest.VerbWatch, "backups", apitest.Fault{Before: func() {
		go func() {
			for _, phase := range []cnpgv1.BackupPhase{cnpgv1.BackupPhaseStarted, cnpgv1.BackupPhaseRunning, cnpgv1.BackupPhaseCompleted} {
				apitest.Edit(server, key.Namespace, name, func(b *cnpgv1.Backup) { b.Status.Phase, b.Status.BackupID = phase, "20260326T142041" })
			}
		}()
	}}))
	done, err := client.WaitBackup(ctx, cnpg.KeyOf(backup))
	if err != nil || done.Status.BackupID != "20260326T142041" || done.Status.Phase != cnpgv1.BackupPhaseCompleted {
		t.Errorf("WaitBackup = %+v, %v", done, err)
	}
}

// A pod's log has what barman said in all the backups that it took, one after the other. Barman's own lines do not say in which.
func TestBackupFailureOfOneOfSeveral(t *testing.T) {
	t.Parallel()
	start := func(name string) string {
		return `{"level":"info","msg":"Starting barman-cloud-backup","backupName":"` + name + `","backupNamespace":"myorg"}` + "\n"
	}
	said := func(text string) string {
		return `{"level":"info","logger":"barman-cloud-backup","msg":"ERROR: ` + text + `","pipe":"stderr"}` + "\n"
	}
	ended := func(name string) string {
		return `{"level":"error","msg":"Error while taking barman backup","backupName":"` + name + `","error":"exit status 4"}` + "\n"
	}
	const applies = `{"level":"info","msg":"Applying backup retention policy","backupName":"other"}` + "\n"
	for name, test := range map[string]struct{ log, want string }{
		"behind another":                     {start("other") + said("theirs") + ended("other") + start("one") + said("ours") + ended("one"), "ERROR: ours"},
		"before another":                     {start("one") + said("ours") + ended("one") + start("other") + said("theirs") + ended("other"), "ERROR: ours"},
		"behind one that had begun before":   {said("theirs") + ended("other") + start("one") + said("ours") + ended("one"), "ERROR: ours"},
		"while another is cleaned up behind": {start("one") + applies + said("ours") + ended("one"), "ERROR: ours"},
		"with nothing to say":                {start("other") + said("theirs") + start("one") + ended("one"), "Error while taking barman backup: exit status 4"},
		"without having begun":               {start("other") + said("theirs") + ended("other"), ""},
		"by an operator that names none":     {said("ours"), "ERROR: ours"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			backup := &cnpgv1.Backup{
				ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: "one"},
				Spec:       cnpgv1.BackupSpec{Cluster: cnpgv1.LocalObjectReference{Name: key.Name}},
				Status:     cnpgv1.BackupStatus{Phase: cnpgv1.BackupPhaseFailed, Error: "exit status 4", InstanceID: &cnpgv1.InstanceID{PodName: "my-db-1"}},
			}
			client.Graces.LookAgain = time.Millisecond
			server.Put(pod("my-db-1", "postgres"), backup)
			server.Log(key.Namespace, "my-db-1", "postgres", test.log)
			want := "exit status 4"
			if test.want != "" {
				want += "; " + test.want
			}
			if got := client.BackupFailure(ctx, backup).Detail; got != want {
				t.Errorf("the failure is %q, want %q", got, want)
			}
		})
	}
}

// What barman said may be in the log only after CNPG has said that the Backup failed.
func TestBackupFailureWhoseLogComesLate(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	client.Graces.LookAgain = time.Millisecond
	backup := &cnpgv1.Backup{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: "one"},
		Spec:       cnpgv1.BackupSpec{Cluster: cnpgv1.LocalObjectReference{Name: key.Name}},
		Status:     cnpgv1.BackupStatus{Phase: cnpgv1.BackupPhaseFailed, Error: "exit status 1", InstanceID: &cnpgv1.InstanceID{PodName: "my-db-1"}},
	}
	server.Put(pod("my-db-1", "postgres"), backup)
	server.Log(key.Namespace, "my-db-1", "postgres", `{"level":"info","msg":"ERROR: (InvalidAccessKeyId)"}`+"\n")
	var asked atomic.Int32
	server.Fail(func(r apitest.Request) *apitest.Fault {
		if r.Subresource == "log" && asked.Add(1) == 1 { // the next time it is there
			return &apitest.Fault{Status: http.StatusNotFound}
		}
		return nil
	})
	if got, want := client.BackupFailure(ctx, backup).Detail, "exit status 1; ERROR: (InvalidAccessKeyId)"; got != want {
		t.Errorf("the failure is %q, want %q", got, want)
	}
}

// A wait that archiving ends while it asks why the Backup failed still says why.
func TestWaitBackupThatEndsWhileItAsksWhy(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	client.Graces.LookAgain = time.Millisecond
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	server.Put(pod("my-db-1", "postgres"), &cnpgv1.Backup{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: "one"},
		Spec:       cnpgv1.BackupSpec{Cluster: cnpgv1.LocalObjectReference{Name: key.Name}},
		Status:     cnpgv1.BackupStatus{Phase: cnpgv1.BackupPhaseFailed, Error: "exit status 1", InstanceID: &cnpgv1.InstanceID{PodName: "my-db-1"}},
	})
	server.Log(key.Namespace, "my-db-1", "postgres", `{"level":"info","msg":"ERROR: (InvalidAccessKeyId)"}`+"\n")
	server.Fail(func(r apitest.Request) *apitest.Fault {
		if r.Resource == "clusters" { // the first thing that is asked
			cancel()
		}
		return nil
	})
	_, err := client.WaitBackup(ctx, cnpg.Key{Namespace: key.Namespace, Name: "one"})
	var failed *cnpg.BackupError
	if !errors.As(err, &failed) || failed.Detail != "exit status 1; ERROR: (InvalidAccessKeyId)" {
		t.Errorf("the wait ends with %v", err)
	}
}

func TestWaitBackupThatFails(t *testing.T) {
	t.Parallel()
	barman := `{"level":"info","logger":"barman-cloud-backup","msg":"2026-03-26 14:20:44,102 [61] ERROR: Backup failed uploading data (An error occurred (AccessDenied) when calling the PutObject operation: Access Denied)","pipe":"stderr"}`
	tests := map[string]struct {
		status  cnpgv1.BackupStatus
		cluster func(*cnpgv1.Cluster)
		log     string
		want    string
	}{
		"with barman's own words in the pod's log": {
			status: cnpgv1.BackupStatus{Phase: cnpgv1.BackupPhaseFailed, Error: "exit status 3", InstanceID: &cnpgv1.InstanceID{PodName: "my-db-1"}},
			log: `{"level":"info","msg":"Backup started"}` + "\n" +
				`{"level":"error","msg":"Can't extract backup id","error":"exit status 4"}` + "\n" + barman,
			want: "Backup myorg/one: failed: exit status 3; 2026-03-26 14:20:44,102 [61] ERROR: Backup failed uploading data " +
				"(An error occurred (AccessDenied) when calling the PutObject operation: Access Denied)",
		},
		"with the output of the command": {
			status: cnpgv1.BackupStatus{Phase: cnpgv1.BackupPhaseFailed, Error: "exit status 4", CommandError: "no such bucket"},
			want:   "Backup myorg/one: failed: exit status 4; no such bucket",
		},
		"since WAL archiving fails": {
			status: cnpgv1.BackupStatus{Phase: cnpgv1.BackupPhaseWalArchivingFailing},
			cluster: func(c *cnpgv1.Cluster) {
				c.Status.CurrentPrimary = "my-db-1"
				condition(c, cnpgv1.ConditionContinuousArchiving, metav1.ConditionFalse, "ContinuousArchivingFailing", "unexpected failure invoking barman-cloud-wal-archive: exit status 4")
			},
			log: saying("An error occurred (InvalidAccessKeyId)"),
			want: "Backup myorg/one: walArchivingFailing: WAL archiving fails: unexpected failure invoking barman-cloud-wal-archive: exit status 4: " +
				"2026-03-26 14:20:44,102 [61] ERROR: An error occurred (InvalidAccessKeyId)",
		},
		"for its definition": {
			status: cnpgv1.BackupStatus{Phase: cnpgv1.BackupPhaseDefinitionInvalid, Error: "spec.method: Invalid value"},
			want:   "Backup myorg/one: invalid backup definition: spec.method: Invalid value",
		},
		"without a word": {
			status: cnpgv1.BackupStatus{Phase: cnpgv1.BackupPhaseFailed, InstanceID: &cnpgv1.InstanceID{PodName: "gone"}},
			want:   "Backup myorg/one: failed: CNPG gives no reason",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			cluster := archiving(wanted())
			if test.cluster != nil {
				test.cluster(cluster)
			}
			server.Put(cluster, pod("my-db-1", "postgres"), &cnpgv1.Backup{
				ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: "one"},
				Spec:       cnpgv1.BackupSpec{Cluster: cnpgv1.LocalObjectReference{Name: key.Name}},
				Status:     test.status,
			})
			server.Log(key.Namespace, "my-db-1", "postgres", test.log)
			backup, err := client.WaitBackup(ctx, cnpg.Key{Namespace: key.Namespace, Name: "one"})
			var failed *cnpg.BackupError
			if !errors.As(err, &failed) || failed.Phase != string(test.status.Phase) || backup == nil {
				t.Fatalf("WaitBackup = %v, %v; want a BackupError", backup, err)
			}
			if err.Error() != test.want {
				t.Errorf("the error says\n%s\nwant\n%s", err, test.want)
			}
		})
	}
}

func TestWaitBackupEndsEarly(t *testing.T) {
	t.Parallel()
	backup := &cnpgv1.Backup{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: "one"},
		Status:     cnpgv1.BackupStatus{Phase: cnpgv1.BackupPhaseRunning},
	}
	t.Run("deleted meanwhile", func(t *testing.T) {
		t.Parallel()
		ctx, server, client := setup(t)
		server.Put(backup)
		server.Fail(apitest.First(apitest.VerbWatch, "backups", apitest.Fault{Before: func() { apitest.Delete[cnpgv1.Backup](server, key.Namespace, "one") }}))
		if _, err := client.WaitBackup(ctx, cnpg.KeyOf(backup)); !errors.Is(err, cnpg.ErrNotFound) {
			t.Errorf("WaitBackup: %v, want ErrNotFound", err)
		}
	})
	t.Run("time is over", func(t *testing.T) {
		t.Parallel()
		ctx, server, client := setup(t)
		server.Put(backup)
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		t.Cleanup(cancel)
		last, err := client.WaitBackup(ctx, cnpg.KeyOf(backup))
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), `the backup is in phase "running"`) || last == nil {
			t.Errorf("WaitBackup = %v, %v", last, err)
		}
	})
}
