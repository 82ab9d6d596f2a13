package provider

import (
	"context"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

type restoreModel struct {
	Name               types.String   `tfsdk:"name"`
	Namespace          types.String   `tfsdk:"namespace"`
	Source             types.Object   `tfsdk:"source"`
	TargetTime         semanticString `tfsdk:"target_time"`
	FlushSource        types.Bool     `tfsdk:"flush_source"`
	DeletionProtection types.Bool     `tfsdk:"deletion_protection"`
	Timeouts           timeouts.Value `tfsdk:"timeouts"`

	ID               types.String `tfsdk:"id"`
	Status           types.String `tfsdk:"status"`
	Phase            types.String `tfsdk:"phase"`
	Connection       types.Object `tfsdk:"connection_info"`
	Archive          types.Object `tfsdk:"archive"`
	BaseBackupID     types.String `tfsdk:"base_backup_id"`
	SourceServerName types.String `tfsdk:"source_server_name"`
}

type sourceModel struct {
	Database types.String `tfsdk:"database"`
}

var sourceTypes = map[string]attr.Type{"database": types.StringType}

func (m *restoreModel) key() cnpg.Key {
	return cnpg.Key{Namespace: m.Namespace.ValueString(), Name: m.Name.ValueString()}
}

// database is the source's ID; unknown where the source is.
func (m *restoreModel) database(ctx context.Context, diags *diag.Diagnostics) types.String {
	if m.Source.IsUnknown() {
		return types.StringUnknown()
	}
	var source sourceModel
	diags.Append(optional(ctx, m.Source, &source)...)
	return source.Database
}

// target is where the recovery ends. The value was validated, so an instant that cannot be read is not there.
func (m *restoreModel) target() recovery.Target {
	if at, err := parseInstant(m.TargetTime.ValueString()); err == nil {
		return recovery.AtTime(at)
	}
	return recovery.Latest()
}

// postgresTime is how every version of CNPG takes a recovery target: PostgreSQL's own form, in UTC.
const postgresTime = "2006-01-02 15:04:05.000000+00:00"

// originName is what the restored Cluster calls the archive that it is made from.
const originName = "origin"

// restoredFrom is everything that the new Cluster takes from its source.
type restoredFrom struct {
	cluster *cnpgv1.Cluster
	backups *backupSettings  // how the new Cluster is backed up
	backup  *recovery.Backup // the base backup that the recovery begins from
	archive archiveLocation  // where the source archives, as the new pods reach it
}

// toCluster is the restored Cluster, with its bootstrap fields. location is where it will archive itself.
func (m *restoreModel) toCluster(ctx context.Context, from restoredFrom, location archiveLocation, diags *diag.Diagnostics) *cnpgv1.Cluster {
	source := from.cluster
	database, owner, _ := bootstrapped(source)
	cluster := &cnpgv1.Cluster{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:   m.Namespace.ValueString(),
			Name:        m.Name.ValueString(),
			Annotations: map[string]string{cnpg.AnnotationSource: cnpg.KeyOf(source).String()},
		},
		Spec: cnpgv1.ClusterSpec{
			ImageName:             source.Spec.ImageName,
			ImageCatalogRef:       source.Spec.ImageCatalogRef,
			ImagePullPolicy:       source.Spec.ImagePullPolicy,
			ImagePullSecrets:      source.Spec.ImagePullSecrets,
			Instances:             source.Spec.Instances,
			StorageConfiguration:  source.Spec.StorageConfiguration,
			WalStorage:            source.Spec.WalStorage,
			Resources:             source.Spec.Resources,
			PostgresConfiguration: cnpgv1.PostgresConfiguration{Parameters: cnpg.OwnedParameters(source)},
			Bootstrap: &cnpgv1.BootstrapConfiguration{Recovery: &cnpgv1.BootstrapRecovery{
				Source:         originName,
				Database:       database,
				Owner:          owner,
				RecoveryTarget: &cnpgv1.RecoveryTarget{BackupID: from.backup.ID},
			}},
			ExternalClusters: []cnpgv1.ExternalCluster{{
				Name:              originName,
				BarmanObjectStore: from.originStore(m.Name.ValueString()),
			}},
		},
	}
	if source.Spec.ImageCatalogRef != nil {
		cluster.Spec.ImageName = ""
	}
	if target := m.target(); target.Kind == recovery.TargetTime {
		cluster.Spec.Bootstrap.Recovery.RecoveryTarget.TargetTime = target.Time.UTC().Format(postgresTime)
		cluster.Annotations[cnpg.AnnotationTargetTime] = m.TargetTime.ValueString()
	}
	if org, ok := source.Labels[cnpg.LabelOrgID]; ok {
		metav1.SetMetaDataLabel(&cluster.ObjectMeta, cnpg.LabelOrgID, org)
	}
	if size, ok := source.Annotations[cnpg.AnnotationTier]; ok {
		cluster.Annotations[cnpg.AnnotationTier] = size
	}
	from.backups.toCluster(ctx, cluster, location, diags)
	return cluster
}

// originStore is the source's archive as the new pods read it, as many segments at a time as the source writes.
func (f restoredFrom) originStore(name string) *cnpgv1.BarmanObjectStoreConfiguration {
	store := f.archive.barmanStore(name)
	if wal := cnpg.Archiver(f.cluster).Wal; wal != nil {
		store.Wal = &cnpgv1.WalBackupConfiguration{MaxParallel: wal.MaxParallel}
	}
	return store
}

// backupsLike are the backups of a Cluster that is made from a source in a namespace: the source's own, so that a restored
// database is a backed-up one. A Secret that the source names is there only in its own namespace.
func (b *backend) backupsLike(source *cnpgv1.Cluster, scheduled *cnpgv1.ScheduledBackup, namespace string) *backupSettings {
	settings := b.backupOf(source, scheduled, nil)
	settings.Enabled, settings.Immediate, settings.ServerName = types.BoolValue(true), types.BoolValue(true), types.StringNull()
	settings.ObjectStore = overrideOf(source).object()
	if source.Namespace != namespace {
		settings.CredentialsSecret = types.ObjectNull(credentialsSecretTypes)
	}
	return settings
}

// storeLike is the object store that a restored Cluster archives to; false where it lacks what backups need.
// What the configuration leaves open of how the pods reach it, they have from the source.
func (b *backend) storeLike(ctx context.Context, source *cnpgv1.Cluster, settings *backupSettings, diags *diag.Diagnostics) (*objectStore, bool) {
	has := podReach{EndpointURL: cnpg.Archiver(source).EndpointURL, Region: source.Annotations[cnpg.AnnotationRegion]}
	if has.Region == "" && b.store != nil {
		has.Region = b.store.environment.Region
	}
	store := b.storeFor(ctx, settings, &has, diags)
	if store == nil {
		diags.AddError(unableToRestore, sentence(errNotKnown))
		return nil, false
	}
	return store, store.require(path.Root("source"), diags)
}

// fromCluster takes over what stands in Kubernetes. How the Cluster was made is read once: what somebody writes into its
// annotations or into spec.bootstrap later changes nothing of that.
func (m *restoreModel) fromCluster(cluster *cnpgv1.Cluster) {
	m.Namespace = types.StringValue(cluster.Namespace)
	m.Name = types.StringValue(cluster.Name)
	if source, ok := cluster.Annotations[cnpg.AnnotationSource]; ok && m.Source.IsNull() {
		m.Source = types.ObjectValueMust(sourceTypes, map[string]attr.Value{"database": types.StringValue(source)})
		m.TargetTime = instantType.null()
		if target, ok := cluster.Annotations[cnpg.AnnotationTargetTime]; ok {
			m.TargetTime = instantType.value(target)
		}
	}
	if m.FlushSource.IsNull() {
		m.FlushSource = types.BoolValue(true)
	}
	m.observe(cluster)
}

// observe takes over what only Kubernetes knows.
func (m *restoreModel) observe(cluster *cnpgv1.Cluster) {
	database, owner := applicationOf(cluster)
	if before, ok := m.Connection.Attributes()["database"].(types.String); ok && known(before) {
		database = before
	}
	if before, ok := m.Connection.Attributes()["username"].(types.String); ok && known(before) {
		owner = before
	}
	m.ID = types.StringValue(cnpg.KeyOf(cluster).String())
	m.Status = types.StringValue(string(statusOf(cluster)))
	m.Phase = nullIfEmpty(cluster.Status.Phase)
	m.Connection = connectionOf(cluster, database, owner)
	m.Archive = archiveOf(cluster)
	if b := cluster.Spec.Bootstrap; m.BaseBackupID.ValueString() == "" {
		m.BaseBackupID = types.StringNull()
		if b != nil && b.Recovery != nil && b.Recovery.RecoveryTarget != nil {
			m.BaseBackupID = nullIfEmpty(b.Recovery.RecoveryTarget.BackupID)
		}
	}
	if m.SourceServerName.ValueString() == "" {
		m.SourceServerName = types.StringNull()
		for _, external := range cluster.Spec.ExternalClusters {
			if external.Name == originName && external.BarmanObjectStore != nil {
				m.SourceServerName = nullIfEmpty(external.BarmanObjectStore.ServerName)
			}
		}
	}
}

// keepComputed plans what a change of Terraform's own settings leaves as it is.
func (m *restoreModel) keepComputed(state *restoreModel) {
	m.ID, m.Status, m.Phase = state.ID, state.Status, state.Phase
	m.Connection, m.Archive = state.Connection, state.Archive
	m.BaseBackupID, m.SourceServerName = state.BaseBackupID, state.SourceServerName
}

// replaces tells whether the inputs differ in a way that only another restore can follow.
func (m *restoreModel) replaces(state *restoreModel) bool {
	return !m.Name.Equal(state.Name) || !m.Namespace.Equal(state.Namespace) || !m.Source.Equal(state.Source) || !m.TargetTime.Equal(state.TargetTime)
}

func (m *restoreModel) nullUnknowns() {
	for _, s := range []*types.String{&m.ID, &m.Status, &m.Phase, &m.BaseBackupID, &m.SourceServerName} {
		nullUnknown(s)
	}
	if m.Connection.IsUnknown() {
		m.Connection = types.ObjectNull(connectionTypes)
	}
	if m.Archive.IsUnknown() {
		m.Archive = types.ObjectNull(archiveTypes)
	}
}
