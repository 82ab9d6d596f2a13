package provider

import (
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

// backupStatusInS3 translates barman's words. A folder whose backup.info is not there yet belongs to a backup that runs
// or was killed; which of the two, only a Backup object tells.
func backupStatusInS3(status recovery.Status) backupStatus {
	switch status {
	case recovery.StatusDone:
		return backupCompleted
	case recovery.StatusFailed, recovery.StatusUnreadable:
		return backupFailed
	}
	return backupInProgress
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
