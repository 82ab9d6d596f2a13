package provider

import (
	"cmp"
	"fmt"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

// backupStatus is the state of a backup in the words of the provider's attributes.
type backupStatus string

const (
	backupInProgress backupStatus = "IN_PROGRESS"
	backupCompleted  backupStatus = "COMPLETED"
	backupFailed     backupStatus = "FAILED"
	backupExpired    backupStatus = "EXPIRED" // it was completed, and S3 no longer has it
)

// backupType tells who asked for a backup.
type backupType string

const (
	backupManual    backupType = "MANUAL"
	backupScheduled backupType = "SCHEDULED"
)

func backupStatusOf(backup *cnpgv1.Backup) backupStatus {
	switch backup.Status.Phase {
	case cnpgv1.BackupPhaseCompleted:
		return backupCompleted
	case cnpgv1.BackupPhaseFailed, cnpgv1.BackupPhaseWalArchivingFailing, cnpgv1.BackupPhaseDefinitionInvalid:
		return backupFailed
	}
	return backupInProgress
}

// longestBackup is how long a base backup may run at the most: tens of terabytes, slowly.
const longestBackup = 7 * 24 * time.Hour

// backupStatusInS3 translates barman's words, with the reason where another speaks for it. A backup that has not ended runs, or was
// killed, and barman cannot say which. Its Backup object does, where it is there. Else it counts as running until a later one is
// completed, since CNPG takes one at a time, or until none can run for so long.
func backupStatusInS3(b *recovery.Backup, object *cnpgv1.Backup, now time.Time) (status backupStatus, why string) {
	over := "it was killed, or its backup.info is lost"
	if b.Status != recovery.StatusIncomplete {
		over = fmt.Sprintf("it was killed: barman's last word is %s", b.Status)
	}
	switch {
	case b.Status == recovery.StatusDone:
		return backupCompleted, ""
	case b.Status.Ended():
		return backupFailed, ""
	case object != nil && backupStatusOf(object) == backupInProgress:
		return backupInProgress, ""
	case object != nil:
		return backupFailed, cmp.Or(object.Status.Error, fmt.Sprintf("%s: its Backup object is %s", over, object.Status.Phase))
	}
	begun, dated := recovery.ParseBackupID(b.ID)
	switch {
	case !dated:
		return backupFailed, "it is no backup: barman names a backup's folder after the time, such as 20260326T142040"
	case b.SupersededBy != "":
		return backupFailed, fmt.Sprintf("%s: the later backup %s is completed", over, b.SupersededBy)
	case now.Sub(begun) > longestBackup:
		return backupFailed, fmt.Sprintf("%s: no backup runs for more than %d days", over, int(longestBackup.Hours()/24))
	}
	return backupInProgress, ""
}

func typeOf(backup *cnpgv1.Backup) backupType {
	if backup.Labels[cnpg.LabelScheduledBackup] != "" {
		return backupScheduled
	}
	return backupManual
}

func timeOf(t *metav1.Time) types.String {
	if t == nil {
		return types.StringNull()
	}
	return instantOf(t.Time)
}

// instantOf is a time in RFC 3339 and UTC; null for the zero time.
func instantOf(t time.Time) types.String {
	if t.IsZero() {
		return types.StringNull()
	}
	return types.StringValue(t.UTC().Format(time.RFC3339Nano))
}

func isKey() validator.String {
	return parses{"of the form namespace/name", func(s string) error { _, err := cnpg.ParseKey(s); return err }}
}
