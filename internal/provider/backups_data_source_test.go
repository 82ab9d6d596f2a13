package provider

import (
	"fmt"
	"slices"
	"testing"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

func clock(hour int) time.Time { return time.Date(2026, 3, 26, hour, 0, 0, 0, time.UTC) }

func TestJoined(t *testing.T) {
	t.Parallel()
	inS3 := []recovery.Backup{
		{ID: "20260326T100000", Status: recovery.StatusDone, BeginTime: clock(10), EndTime: clock(11), ServerVersion: 170005, Timeline: 1},
		{ID: "20260326T080000", Status: recovery.StatusFailed, BeginTime: clock(8), Error: "failure uploading data"},
		{ID: "20260326T060000", Status: recovery.StatusDone, BeginTime: clock(6), EndTime: clock(7)},
		{ID: "20260326T120000", Status: recovery.StatusIncomplete, BeginTime: clock(12)},
		{ID: "broken", Status: recovery.StatusUnreadable, Message: "backup.info cannot be read"},
	}
	object := func(name, backupID string, phase cnpgv1.BackupPhase, begin int, labels map[string]string) cnpgv1.Backup {
		started := metav1.NewTime(clock(begin))
		return cnpgv1.Backup{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels, CreationTimestamp: started},
			Status:     cnpgv1.BackupStatus{Phase: phase, BackupID: backupID},
		}
	}
	objects := []cnpgv1.Backup{
		object("my-db-backup-1", "20260326T100000", cnpgv1.BackupPhaseCompleted, 10, nil),
		object("my-db-nightly-1", "20260326T060000", cnpgv1.BackupPhaseCompleted, 6, map[string]string{cnpg.LabelScheduledBackup: "my-db"}),
		object("my-db-running", "", cnpgv1.BackupPhaseRunning, 13, nil),
		object("my-db-early-failure", "", cnpgv1.BackupPhaseFailed, 5, nil),
		object("my-db-expired", "20260101T000000", cnpgv1.BackupPhaseCompleted, 1, nil), // retention removed it from S3
	}
	var got []string
	for _, b := range joined(inS3, &backupObjects{all: objects}, clock(14)) {
		got = append(got, fmt.Sprintf("%s %s %s %s", b.ID.ValueString(), b.BackupID.ValueString(), b.Type.ValueString(), b.Status.ValueString()))
	}
	want := []string{
		"my-db-running  MANUAL IN_PROGRESS",
		"20260326T120000 20260326T120000  IN_PROGRESS",
		"my-db-backup-1 20260326T100000 MANUAL COMPLETED",
		"20260326T080000 20260326T080000  FAILED",
		"my-db-nightly-1 20260326T060000 SCHEDULED COMPLETED",
		"my-db-early-failure  MANUAL FAILED",
		"broken broken  FAILED",
	}
	if !slices.Equal(got, want) {
		t.Errorf("joined:\n%q\nwant:\n%q", got, want)
	}
}

func TestListedFromS3(t *testing.T) {
	t.Parallel()
	size := int64(23453191)
	listed := listedFromS3(&recovery.Backup{
		ID: "20260326T100000", Status: recovery.StatusDone, BeginTime: clock(10), EndTime: clock(11).Add(123456 * time.Microsecond),
		BeginWAL: "000000010000000000000004", BeginLSN: 0x4000028, ServerVersion: 170005, Timeline: 1, ClusterSize: &size, SystemID: "7388",
	}, nil, clock(14))
	if listed.StartedAt.ValueString() != "2026-03-26T10:00:00Z" || listed.CompletedAt.ValueString() != "2026-03-26T11:00:00.123456Z" {
		t.Errorf("times are %s and %s", listed.StartedAt, listed.CompletedAt)
	}
	if listed.BeginLSN.ValueString() != "0/4000028" || !listed.EndLSN.IsNull() || listed.PostgresVersion.ValueString() != "17.5" || listed.SizeBytes.ValueInt64() != size {
		t.Errorf("listed is %+v", listed)
	}
	if !listed.Type.IsNull() || !listed.Error.IsNull() {
		t.Errorf("type %s and error %s are not known", listed.Type, listed.Error)
	}
	if old := listedFromS3(&recovery.Backup{ID: "x", Status: recovery.StatusDone}, nil, clock(14)); !old.SizeBytes.IsNull() || !old.Timeline.IsNull() || !old.StartedAt.IsNull() {
		t.Errorf("what is not known is %+v", old)
	}
}

func TestVersionOf(t *testing.T) {
	t.Parallel()
	for number, want := range map[int]string{170005: "17.5", 150018: "15.18", 100023: "10.23", 90624: "9.6.24"} {
		if got := versionOf(number); got != want {
			t.Errorf("version %d is %s, want %s", number, got, want)
		}
	}
}

func TestBackupStatusOf(t *testing.T) {
	t.Parallel()
	for phase, want := range map[cnpgv1.BackupPhase]backupStatus{
		"": backupInProgress, cnpgv1.BackupPhasePending: backupInProgress, cnpgv1.BackupPhaseStarted: backupInProgress,
		cnpgv1.BackupPhaseRunning: backupInProgress, cnpgv1.BackupPhaseFinalizing: backupInProgress,
		cnpgv1.BackupPhaseCompleted: backupCompleted, cnpgv1.BackupPhaseFailed: backupFailed,
		cnpgv1.BackupPhaseWalArchivingFailing: backupFailed, cnpgv1.BackupPhaseDefinitionInvalid: backupFailed,
	} {
		if got := backupStatusOf(&cnpgv1.Backup{Status: cnpgv1.BackupStatus{Phase: phase}}); got != want {
			t.Errorf("status of phase %q is %s, want %s", phase, got, want)
		}
	}
}
