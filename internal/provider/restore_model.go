package provider

import (
	"context"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// restoreModel is a database, and what it was restored from.
type restoreModel struct {
	databaseModel

	Source          types.Object   `tfsdk:"source"`
	TargetTime      semanticString `tfsdk:"target_time"`
	TargetLSN       semanticString `tfsdk:"target_lsn"`
	TargetXID       types.String   `tfsdk:"target_xid"`
	TargetName      types.String   `tfsdk:"target_name"`
	TargetInclusive types.Bool     `tfsdk:"target_inclusive"`
	TargetTimeline  wholeNumber    `tfsdk:"target_timeline"`
	BackupID        types.String   `tfsdk:"backup_id"`
	FlushSource     types.Bool     `tfsdk:"flush_source"`
	Verify          types.Object   `tfsdk:"verify"`

	BaseBackupID     types.String `tfsdk:"base_backup_id"`
	SourceServerName types.String `tfsdk:"source_server_name"`
	RestoredTo       types.String `tfsdk:"restored_to"`
}

type verifyModel struct {
	Query    types.String `tfsdk:"query"`
	Expect   types.String `tfsdk:"expect"`
	Database types.String `tfsdk:"database"`
}

// sourcePath is the attribute that names the source.
func (m *restoreModel) sourcePath() path.Path {
	at := path.Root("source")
	for _, name := range []string{"database", "backup", "object_store"} {
		if value, ok := m.Source.Attributes()[name]; ok && !value.IsNull() {
			return at.AtName(name)
		}
	}
	return at
}

// originName is what the restored Cluster calls the archive that it is made from.
const originName = "origin"

// toCluster is the restored Cluster, with its bootstrap fields, as it was prepared.
func (m *restoreModel) toCluster(ctx context.Context, way *preparedRestore, diags *diag.Diagnostics) *cnpgv1.Cluster {
	from := way.from
	cluster := m.databaseModel.toCluster(ctx, way.location, diags)
	if diags.HasError() {
		return nil
	}
	if from.catalogue != nil {
		cluster.Spec.ImageCatalogRef, cluster.Spec.ImageName = from.catalogue, ""
	}
	cluster.Spec.Bootstrap = &cnpgv1.BootstrapConfiguration{Recovery: &cnpgv1.BootstrapRecovery{
		Source:         originName,
		Database:       m.DatabaseName.ValueString(),
		Owner:          m.Owner.ValueString(),
		RecoveryTarget: toRecoveryTarget(way.along(m.target(from.backupID)), way.backupID()),
	}}
	cluster.Spec.ExternalClusters = []cnpgv1.ExternalCluster{{Name: originName, BarmanObjectStore: from.barmanStore(m.Name.ValueString())}}
	cnpg.SetOriginMethod(cluster, m.backup(ctx, diags).method())
	if role := from.store.pods.iamRoleARN; role != "" && cluster.Spec.ServiceAccountTemplate == nil { // it archives nowhere, or as somebody else
		cluster.Spec.ServiceAccountTemplate = serviceAccountTemplate(role)
	}
	metav1.SetMetaDataAnnotation(&cluster.ObjectMeta, cnpg.AnnotationSource, from.String())
	metav1.SetMetaDataAnnotation(&cluster.ObjectMeta, cnpg.AnnotationRestore, m.inputs(ctx, diags).annotation())
	if from.needsSecret() || cnpg.OriginMethod(cluster, originName) == cnpg.MethodPlugin {
		cnpg.NoteUnfinished(cluster, cnpg.OriginSecret)
	}
	return cluster
}

// fromCluster takes over what tells of the recovery. How the Cluster was made is read once: what somebody writes into its
// annotations or into spec.bootstrap later changes nothing of that.
func (m *restoreModel) fromCluster(cluster *cnpgv1.Cluster) {
	if m.Source.IsNull() {
		m.take(parseInputs(cluster.Annotations[cnpg.AnnotationRestore]))
	}
	if m.Backup.IsNull() { // that of an import: without a block a restore has the source's backups
		m.Backup = noBackups(nullIfEmpty(string(cnpg.OriginMethod(cluster, originName)))).object()
	}
	if m.FlushSource.IsNull() {
		m.FlushSource = types.BoolValue(true)
	}
	if m.TargetInclusive.IsNull() {
		m.TargetInclusive = types.BoolValue(true)
	}
	if b := cluster.Spec.Bootstrap; m.BaseBackupID.ValueString() == "" {
		m.BaseBackupID = types.StringNull()
		if b != nil && b.Recovery != nil && b.Recovery.RecoveryTarget != nil {
			m.BaseBackupID = nullIfEmpty(b.Recovery.RecoveryTarget.BackupID)
		}
	}
	if m.SourceServerName.ValueString() == "" {
		m.SourceServerName = nullIfEmpty(cnpg.OriginServer(cluster, originName))
	}
}

// keepRecovered plans that what was restored stays what it is.
func (m *restoreModel) keepRecovered(state *restoreModel) {
	m.BaseBackupID, m.SourceServerName, m.RestoredTo = state.BaseBackupID, state.SourceServerName, state.RestoredTo
}

// recoversAnew tells whether the inputs differ in a way that only another restore can follow.
func (m *restoreModel) recoversAnew(config, state *restoreModel) bool {
	differs := func(configured, before types.String) bool { return !configured.IsNull() && !configured.Equal(before) }
	return !m.Name.Equal(state.Name) || !m.Namespace.Equal(state.Namespace) || !m.Source.Equal(state.Source) ||
		differs(config.DatabaseName, state.DatabaseName) || differs(config.Owner, state.Owner) ||
		!m.TargetTime.Equal(state.TargetTime) || !m.TargetLSN.Equal(state.TargetLSN) || !m.TargetXID.Equal(state.TargetXID) ||
		!m.TargetName.Equal(state.TargetName) || !m.TargetInclusive.Equal(state.TargetInclusive) ||
		!m.TargetTimeline.Equal(state.TargetTimeline) || !m.BackupID.Equal(state.BackupID)
}

// nullUnknowns makes a state of a plan: what is not known yet is null until it is.
func (m *restoreModel) nullUnknowns() {
	m.databaseModel.nullUnknowns()
	for _, s := range []*types.String{&m.BaseBackupID, &m.SourceServerName, &m.RestoredTo} {
		nullUnknown(s)
	}
}
