package provider

import (
	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

type backupModel struct {
	Database types.String   `tfsdk:"database"`
	Triggers types.Map      `tfsdk:"triggers"`
	Target   types.String   `tfsdk:"target"`
	Wait     types.Bool     `tfsdk:"wait"`
	Timeouts timeouts.Value `tfsdk:"timeouts"`

	ID              types.String `tfsdk:"id"`
	Name            types.String `tfsdk:"name"`
	Type            types.String `tfsdk:"type"`
	Status          types.String `tfsdk:"status"`
	BackupID        types.String `tfsdk:"backup_id"`
	ServerName      types.String `tfsdk:"server_name"`
	DestinationPath types.String `tfsdk:"destination_path"`
	StartedAt       types.String `tfsdk:"started_at"`
	CompletedAt     types.String `tfsdk:"completed_at"`
	BeginWAL        types.String `tfsdk:"begin_wal"`
	EndWAL          types.String `tfsdk:"end_wal"`
	BeginLSN        types.String `tfsdk:"begin_lsn"`
	EndLSN          types.String `tfsdk:"end_lsn"`
	SizeBytes       types.Int64  `tfsdk:"size_bytes"`
	PostgresVersion types.String `tfsdk:"postgres_version"`
	Error           types.String `tfsdk:"error"`
}

// fromBackup takes over what CNPG says of the backup. Why it failed is more than CNPG says.
func (m *backupModel) fromBackup(backup *cnpgv1.Backup) {
	m.ID = types.StringValue(cnpg.KeyOf(backup).String())
	m.Name = types.StringValue(backup.Name)
	m.Database = types.StringValue(cnpg.Key{Namespace: backup.Namespace, Name: backup.Spec.Cluster.Name}.String())
	m.Target = nullIfEmpty(string(backup.Spec.Target))
	m.Type = types.StringValue(string(typeOf(backup)))
	m.Status = types.StringValue(string(backupStatusOf(backup)))
	m.BackupID = nullIfEmpty(backup.Status.BackupID)
	if m.ServerName.IsUnknown() || backup.Status.ServerName != "" {
		m.ServerName = nullIfEmpty(backup.Status.ServerName)
	}
	if m.DestinationPath.IsUnknown() || backup.Status.DestinationPath != "" {
		m.DestinationPath = nullIfEmpty(backup.Status.DestinationPath)
	}
	m.StartedAt = timeOf(backup.Status.StartedAt)
	m.CompletedAt = timeOf(backup.Status.StoppedAt)
	m.BeginWAL = nullIfEmpty(backup.Status.BeginWal)
	m.EndWAL = nullIfEmpty(backup.Status.EndWal)
	m.BeginLSN = nullIfEmpty(backup.Status.BeginLSN)
	m.EndLSN = nullIfEmpty(backup.Status.EndLSN)
	if m.SizeBytes.IsUnknown() {
		m.SizeBytes = types.Int64Null()
	}
	if m.PostgresVersion.IsUnknown() {
		m.PostgresVersion = types.StringNull()
	}
	if m.Error.IsUnknown() || backupStatusOf(backup) != backupFailed {
		m.Error = types.StringNull()
	}
}

// fromArchive adds what only S3 knows of the backup.
func (m *backupModel) fromArchive(backup *recovery.Backup) {
	m.SizeBytes = types.Int64PointerValue(backup.ClusterSize)
	m.PostgresVersion = types.StringNull()
	if backup.ServerVersion != 0 {
		m.PostgresVersion = types.StringValue(versionOf(backup.ServerVersion))
	}
}

func (m *backupModel) is(status backupStatus) bool { return m.Status.ValueString() == string(status) }

// wasCompleted tells whether the backup was in S3 once, so that S3 can tell whether it still is.
func (m *backupModel) wasCompleted() bool {
	return m.BackupID.ValueString() != "" && (m.is(backupCompleted) || m.is(backupExpired))
}
