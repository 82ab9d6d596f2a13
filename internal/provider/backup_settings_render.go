package provider

import (
	"context"
	"fmt"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// toCluster writes into a Cluster what the backup attribute stands for; nothing without backups.
func (b *backupSettings) toCluster(ctx context.Context, cluster *cnpgv1.Cluster, location archiveLocation, diags *diag.Diagnostics) {
	if !b.enabled() {
		return
	}
	var wal walModel
	var data dataModel
	diags.Append(optional(ctx, b.WAL, &wal)...)
	diags.Append(optional(ctx, b.Data, &data)...)
	store := location.barmanStore(cnpg.CredentialsSecretName(cluster.Name))
	store.Wal = &cnpgv1.WalBackupConfiguration{MaxParallel: int(wal.MaxParallel.ValueInt64())}
	setText(&store.Wal.Compression, wal.Compression)
	setText(&store.Wal.Encryption, wal.Encryption)
	store.Data = &cnpgv1.DataBackupConfiguration{}
	setText(&store.Data.Compression, data.Compression)
	setText(&store.Data.Encryption, data.Encryption)
	if !data.Jobs.IsNull() {
		store.Data.Jobs = ptr.To(int32(data.Jobs.ValueInt64())) //nolint:gosec // bounded by the schema
	}
	cluster.Spec.Backup = &cnpgv1.BackupConfiguration{BarmanObjectStore: store}
	cnpg.SetMethod(cluster, b.method())
	if days := b.RetentionDays; !days.IsNull() {
		cluster.Spec.Backup.RetentionPolicy = fmt.Sprintf("%dd", days.ValueInt64())
	}
	parameters := map[string]string{parameterArchiveTimeout: b.ArchiveTimeout.ValueString()}
	for name, value := range cluster.Spec.PostgresConfiguration.Parameters {
		parameters[name] = value
	}
	cluster.Spec.PostgresConfiguration.Parameters = parameters
	if role := location.store.pods.iamRoleARN; role != "" {
		cluster.Spec.ServiceAccountTemplate = serviceAccountTemplate(role)
	}
	if location.fingerprint != "" {
		metav1.SetMetaDataAnnotation(&cluster.ObjectMeta, cnpg.AnnotationCredentials, location.fingerprint)
	}
	if region, ok := location.store.secretData()[keyRegion]; ok {
		metav1.SetMetaDataAnnotation(&cluster.ObjectMeta, cnpg.AnnotationRegion, string(region))
	}
	if kept := location.store.kept.annotation(); kept != "" {
		metav1.SetMetaDataAnnotation(&cluster.ObjectMeta, cnpg.AnnotationKept, kept)
	}
	if location.store.override != "" {
		metav1.SetMetaDataAnnotation(&cluster.ObjectMeta, cnpg.AnnotationObjectStore, location.store.override)
	}
}

// serviceAccountTemplate gives the pods' service account an IAM role.
func serviceAccountTemplate(role string) *cnpgv1.ServiceAccountTemplate {
	return &cnpgv1.ServiceAccountTemplate{Metadata: cnpgv1.Metadata{Annotations: map[string]string{cnpg.AnnotationRoleARN: role}}}
}

// setText sets a field of a string type that CNPG's API module does not name.
func setText[T ~string](field *T, value types.String) { *field = T(value.ValueString()) }

// archiveLocation is where a Cluster archives, and with which keys.
type archiveLocation struct {
	store      *objectStore
	serverName string
	// fingerprint is that of the credentials Secret; "" where there is none.
	fingerprint string
	// begins tells that the archive of a living database goes on here, and that no schedule takes a base backup for it.
	begins bool
}

// String and GoString keep keys out of anything that prints the struct.
func (a archiveLocation) String() string { return a.store.String() + " " + a.serverName }

// GoString is String.
func (a archiveLocation) GoString() string { return a.String() }

// Keys of the credentials Secret.
const (
	keyAccessKeyID     = "ACCESS_KEY_ID"
	keySecretAccessKey = "ACCESS_SECRET_KEY"
	keyRegion          = "REGION"
	keyCACertificate   = "ca.crt"
)

// barmanStore is how CNPG is told of an archive: used for a Cluster's own, and for the one that a restore reads. own is the
// Secret that the provider writes for it.
func (a archiveLocation) barmanStore(own string) *cnpgv1.BarmanObjectStoreConfiguration {
	selector := func(secret, key string) *cnpgv1.SecretKeySelector {
		return &cnpgv1.SecretKeySelector{LocalObjectReference: cnpgv1.LocalObjectReference{Name: secret}, Key: key}
	}
	pods := a.store.pods
	store := &cnpgv1.BarmanObjectStoreConfiguration{
		DestinationPath: a.store.destinationPath,
		EndpointURL:     a.store.podEndpointURL,
		ServerName:      a.serverName,
	}
	store.AWS = &cnpgv1.S3Credentials{}
	switch {
	case pods.secret.name != "":
		store.AWS.AccessKeyIDReference = selector(pods.secret.name, pods.secret.accessKeyID)
		store.AWS.SecretAccessKeyReference = selector(pods.secret.name, pods.secret.secretAccessKey)
	case pods.iamRoleARN != "":
		store.AWS.InheritFromIAMRole = true
	default:
		store.AWS.AccessKeyIDReference = selector(own, keyAccessKeyID)
		store.AWS.SecretAccessKeyReference = selector(own, keySecretAccessKey)
	}
	data := a.store.secretData()
	if _, ok := data[keyRegion]; ok {
		store.AWS.RegionReference = selector(own, keyRegion)
	}
	if _, ok := data[keyCACertificate]; ok {
		store.EndpointCA = selector(own, keyCACertificate)
	}
	return store
}

// credentialsSecret holds what the pods need to reach S3; nil where that is nothing. It belongs to the Cluster, so that it
// goes when the Cluster goes.
func (a archiveLocation) credentialsSecret(owner *cnpgv1.Cluster, name string) *corev1.Secret {
	data := a.store.secretData()
	if len(data) == 0 {
		return nil
	}
	secret := &corev1.Secret{
		ObjectMeta: cnpg.ChildOf(owner, name),
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
	scheduled := scheduledBackupOf(owner)
	scheduled.Spec.Schedule, scheduled.Spec.Immediate = schedule, ptr.To(b.Immediate.ValueBool())
	return scheduled, nil
}

// scheduledBackupOf is a ScheduledBackup without what attributes say of it, by the method by which its Cluster archives.
func scheduledBackupOf(owner *cnpgv1.Cluster) *cnpgv1.ScheduledBackup {
	method, plugin := cnpg.BackupBy(cnpg.MethodOf(owner))
	return &cnpgv1.ScheduledBackup{
		ObjectMeta: cnpg.ChildOf(owner, owner.Name),
		Spec: cnpgv1.ScheduledBackupSpec{
			Suspend:              ptr.To(false), // stated, so that a suspension is somebody's change
			Cluster:              cnpgv1.LocalObjectReference{Name: owner.Name},
			BackupOwnerReference: "cluster",
			Method:               method,
			PluginConfiguration:  plugin,
		},
	}
}
