package provider

import (
	"context"
	"fmt"
	"strconv"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// backupSettings is the backup attribute of a database.
type backupSettings struct {
	Enabled       types.Bool     `tfsdk:"enabled"`
	Schedule      semanticString `tfsdk:"schedule"`
	RetentionDays types.Int64    `tfsdk:"retention_days"`
	Immediate     types.Bool     `tfsdk:"immediate"`
}

var backupTypes = map[string]attr.Type{
	"enabled":        types.BoolType,
	"schedule":       scheduleType,
	"retention_days": types.Int64Type,
	"immediate":      types.BoolType,
}

func backupAttribute() schema.SingleNestedAttribute {
	return schema.SingleNestedAttribute{
		Optional: true,
		MarkdownDescription: "Continuous archiving of WAL and scheduled base backups, to the provider's `object_store`. " +
			"An idle database switches no WAL; a busy one does at least every five minutes.",
		Attributes: map[string]schema.Attribute{
			"enabled": schema.BoolAttribute{
				Optional: true, Computed: true, Default: booldefault.StaticBool(true),
				MarkdownDescription: "Whether the database is backed up. Default `true` where the block is present.",
			},
			"schedule": schema.StringAttribute{
				Optional: true, CustomType: scheduleType,
				MarkdownDescription: "When base backups are taken, in UTC: cron with five fields, or with six, the seconds first, or a descriptor such as `@daily`. Needed while backups are enabled.",
				Validators:          []validator.String{isSchedule()},
				PlanModifiers:       []planmodifier.String{keepSameMeaning{kindSchedule}},
			},
			"retention_days": schema.Int64Attribute{
				Optional:            true,
				MarkdownDescription: "Days for which any moment can be restored; what is older is removed from S3. Unset: nothing is ever removed.",
				Validators:          []validator.Int64{int64validator.Between(1, 36500)},
			},
			"immediate": schema.BoolAttribute{
				Optional: true, Computed: true, Default: booldefault.StaticBool(true),
				MarkdownDescription: "Take the first base backup at once instead of waiting for the schedule. Default `true`.",
			},
		},
	}
}

func (b *backupSettings) enabled() bool { return b != nil && b.Enabled.ValueBool() }

// backupFrom reads the backup attribute; nil where it is null or unknown.
func backupFrom(ctx context.Context, object types.Object, diags *diag.Diagnostics) *backupSettings {
	if object.IsNull() || object.IsUnknown() {
		return nil
	}
	b := &backupSettings{}
	diags.Append(object.As(ctx, b, basetypes.ObjectAsOptions{})...)
	return b
}

// backupOf is the backup attribute as it stands in Kubernetes. before keeps what Kubernetes has no place for.
func backupOf(cluster *cnpgv1.Cluster, scheduled *cnpgv1.ScheduledBackup, before *backupSettings) types.Object {
	store := cnpg.Archiver(cluster)
	if store == nil && scheduled == nil {
		if before == nil {
			return types.ObjectNull(backupTypes)
		}
		// Turned off, or lost: what else the block says is not to be seen in a Cluster without backups.
		return types.ObjectValueMust(backupTypes, map[string]attr.Value{
			"enabled": types.BoolValue(false), "schedule": before.Schedule, "retention_days": before.RetentionDays, "immediate": before.Immediate,
		})
	}
	schedule, immediate := scheduleType.null(), types.BoolValue(true)
	if before != nil {
		immediate = before.Immediate
	}
	if scheduled != nil {
		schedule = scheduleType.value(scheduled.Spec.Schedule)
		immediate = types.BoolValue(ptr.Deref(scheduled.Spec.Immediate, false))
	}
	return types.ObjectValueMust(backupTypes, map[string]attr.Value{
		"enabled":        types.BoolValue(store != nil),
		"schedule":       schedule,
		"retention_days": retentionOf(cluster),
		"immediate":      immediate,
	})
}

const (
	daysPerWeek  = 7
	daysPerMonth = 31 // barman counts a month as 31 days
)

// retentionOf reads CNPG's retentionPolicy, <number><d|w|m>, in days; null where there is none.
func retentionOf(cluster *cnpgv1.Cluster) types.Int64 {
	if cluster.Spec.Backup == nil || len(cluster.Spec.Backup.RetentionPolicy) < 2 {
		return types.Int64Null()
	}
	policy := cluster.Spec.Backup.RetentionPolicy
	count, err := strconv.ParseInt(policy[:len(policy)-1], 10, 64)
	if err != nil {
		return types.Int64Null()
	}
	switch policy[len(policy)-1] {
	case 'w':
		count *= daysPerWeek
	case 'm':
		count *= daysPerMonth
	}
	return types.Int64Value(count)
}

// archiveLocation is where a Cluster archives, and with which keys.
type archiveLocation struct {
	store       *objectStore
	serverName  string
	fingerprint string
}

// credentialsSecretName is the Secret with the pods' S3 keys.
func credentialsSecretName(name string) string { return name + "-backup-s3-creds" }

// Keys of the credentials Secret.
const (
	keyAccessKeyID     = "ACCESS_KEY_ID"
	keySecretAccessKey = "ACCESS_SECRET_KEY"
	keyRegion          = "REGION"
)

// barmanStore is how CNPG is told of an archive: used for a Cluster's own, and for the one that a restore reads.
func (a archiveLocation) barmanStore(name string) *cnpgv1.BarmanObjectStoreConfiguration {
	secret := credentialsSecretName(name)
	selector := func(key string) *cnpgv1.SecretKeySelector {
		return &cnpgv1.SecretKeySelector{LocalObjectReference: cnpgv1.LocalObjectReference{Name: secret}, Key: key}
	}
	store := &cnpgv1.BarmanObjectStoreConfiguration{
		DestinationPath: a.store.destinationPath,
		EndpointURL:     a.store.podEndpointURL,
		ServerName:      a.serverName,
	}
	store.AWS = &cnpgv1.S3Credentials{
		AccessKeyIDReference:     selector(keyAccessKeyID),
		SecretAccessKeyReference: selector(keySecretAccessKey),
	}
	if a.store.region != "" {
		store.AWS.RegionReference = selector(keyRegion)
	}
	return store
}

// credentialsSecret holds the pods' S3 keys. It belongs to the Cluster, so that it goes when the Cluster goes.
func (a archiveLocation) credentialsSecret(owner *cnpgv1.Cluster) *corev1.Secret {
	data := map[string][]byte{
		keyAccessKeyID:     []byte(a.store.podKeys.accessKeyID),
		keySecretAccessKey: []byte(a.store.podKeys.secretAccessKey),
	}
	if a.store.region != "" {
		data[keyRegion] = []byte(a.store.region)
	}
	secret := &corev1.Secret{
		ObjectMeta: ownedBy(owner, credentialsSecretName(owner.Name)),
		Type:       corev1.SecretTypeOpaque,
		Data:       data,
	}
	metav1.SetMetaDataLabel(&secret.ObjectMeta, cnpg.LabelReload, "true")
	return secret
}

// toScheduledBackup is the ScheduledBackup of a database; nil where nothing is scheduled.
func (b *backupSettings) toScheduledBackup(owner *cnpgv1.Cluster) (*cnpgv1.ScheduledBackup, error) {
	if !b.enabled() || b.Schedule.ValueString() == "" {
		return nil, nil
	}
	schedule, err := renderSchedule(b.Schedule.ValueString())
	if err != nil {
		return nil, err
	}
	return &cnpgv1.ScheduledBackup{
		ObjectMeta: ownedBy(owner, owner.Name),
		Spec: cnpgv1.ScheduledBackupSpec{
			Schedule:             schedule,
			Immediate:            ptr.To(b.Immediate.ValueBool()),
			Cluster:              cnpgv1.LocalObjectReference{Name: owner.Name},
			BackupOwnerReference: "cluster",
			Method:               cnpgv1.BackupMethodBarmanObjectStore,
		},
	}, nil
}

// toBackupConfiguration is spec.backup of a Cluster; nil without backups.
func (b *backupSettings) toBackupConfiguration(name string, location archiveLocation) *cnpgv1.BackupConfiguration {
	if !b.enabled() {
		return nil
	}
	configuration := &cnpgv1.BackupConfiguration{BarmanObjectStore: location.barmanStore(name)}
	if days := b.RetentionDays; !days.IsNull() {
		configuration.RetentionPolicy = fmt.Sprintf("%dd", days.ValueInt64())
	}
	return configuration
}

// ownedBy is the metadata of an object that belongs to a Cluster: Kubernetes deletes it with the Cluster.
func ownedBy(owner *cnpgv1.Cluster, name string) metav1.ObjectMeta {
	meta := metav1.ObjectMeta{
		Namespace: owner.Namespace,
		Name:      name,
		Labels:    map[string]string{cnpg.LabelCluster: owner.Name},
		OwnerReferences: []metav1.OwnerReference{{
			APIVersion: cnpg.ClusterTypeMeta.APIVersion,
			Kind:       cnpg.ClusterTypeMeta.Kind,
			Name:       owner.Name,
			UID:        owner.UID,
		}},
	}
	if org, ok := owner.Labels[cnpg.LabelOrgID]; ok {
		meta.Labels[cnpg.LabelOrgID] = org
	}
	return meta
}
