package provider

import (
	"cmp"
	"context"
	"strconv"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"k8s.io/utils/ptr"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// backupSettings is the backup attribute of a database. Its blocks stay objects: while a plan is made, anything in them
// may be unknown.
type backupSettings struct {
	Enabled           types.Bool     `tfsdk:"enabled"`
	Schedule          semanticString `tfsdk:"schedule"`
	RetentionDays     wholeNumber    `tfsdk:"retention_days"`
	Immediate         types.Bool     `tfsdk:"immediate"`
	Method            types.String   `tfsdk:"method"`
	ArchiveTimeout    semanticString `tfsdk:"archive_timeout"`
	WAL               types.Object   `tfsdk:"wal"`
	Data              types.Object   `tfsdk:"data"`
	ObjectStore       types.Object   `tfsdk:"object_store"`
	CredentialsSecret types.Object   `tfsdk:"credentials_secret"`
	ServerName        types.String   `tfsdk:"server_name"`
}

var backupTypes = map[string]attr.Type{
	"enabled":            types.BoolType,
	"schedule":           scheduleType,
	"retention_days":     wholeNumberType{},
	"immediate":          types.BoolType,
	"method":             types.StringType,
	"archive_timeout":    durationType,
	"wal":                types.ObjectType{AttrTypes: walTypes},
	"data":               types.ObjectType{AttrTypes: dataTypes},
	"object_store":       types.ObjectType{AttrTypes: storeOverrideTypes},
	"credentials_secret": types.ObjectType{AttrTypes: credentialsSecretTypes},
	"server_name":        types.StringType,
}

type walModel struct {
	Compression types.String `tfsdk:"compression"`
	Encryption  types.String `tfsdk:"encryption"`
	MaxParallel wholeNumber  `tfsdk:"max_parallel"`
}

var walTypes = map[string]attr.Type{"compression": types.StringType, "encryption": types.StringType, "max_parallel": wholeNumberType{}}

type dataModel struct {
	Compression types.String `tfsdk:"compression"`
	Encryption  types.String `tfsdk:"encryption"`
	Jobs        wholeNumber  `tfsdk:"jobs"`
}

var dataTypes = map[string]attr.Type{"compression": types.StringType, "encryption": types.StringType, "jobs": wholeNumberType{}}

type credentialsSecretModel struct {
	Name               types.String `tfsdk:"name"`
	AccessKeyIDKey     types.String `tfsdk:"access_key_id_key"`
	SecretAccessKeyKey types.String `tfsdk:"secret_access_key_key"`
}

var credentialsSecretTypes = map[string]attr.Type{
	"name": types.StringType, "access_key_id_key": types.StringType, "secret_access_key_key": types.StringType,
}

func (b *backupSettings) enabled() bool { return b != nil && b.Enabled.ValueBool() }

// method is how CNPG archives; its in-tree way without the block.
func (b *backupSettings) method() cnpg.Method {
	if b == nil || b.Method.ValueString() == "" {
		return cnpg.MethodInTree
	}
	return cnpg.Method(b.Method.ValueString())
}

// backupFrom reads the backup attribute; nil where it is null or unknown.
func backupFrom(ctx context.Context, object types.Object, diags *diag.Diagnostics) *backupSettings {
	if object.IsNull() || object.IsUnknown() {
		return nil
	}
	b := &backupSettings{}
	diags.Append(assign(ctx, object, b)...)
	return b
}

// object is the backup attribute; null for nil.
func (b *backupSettings) object() types.Object {
	if b == nil {
		return types.ObjectNull(backupTypes)
	}
	return types.ObjectValueMust(backupTypes, map[string]attr.Value{
		"enabled":            b.Enabled,
		"schedule":           typed(b.Schedule, scheduleType),
		"retention_days":     b.RetentionDays,
		"immediate":          b.Immediate,
		"method":             b.Method,
		"archive_timeout":    typed(b.ArchiveTimeout, durationType),
		"wal":                b.WAL,
		"data":               b.Data,
		"object_store":       b.ObjectStore,
		"credentials_secret": b.CredentialsSecret,
		"server_name":        b.ServerName,
	})
}

// backupOf is the backup attribute as it stands in Kubernetes; nil where nothing of it does. before keeps what
// Kubernetes has no place for.
func (b *backend) backupOf(cluster *cnpgv1.Cluster, scheduled *cnpgv1.ScheduledBackup, before *backupSettings) *backupSettings {
	store := cnpg.Archiver(cluster)
	if store == nil && scheduled == nil {
		if before == nil {
			return nil
		}
		// Turned off, or lost: what else the block says is not to be seen in a Cluster without backups.
		off := *before
		off.Enabled = types.BoolValue(false)
		return &off
	}
	now := &backupSettings{
		Enabled:           types.BoolValue(store != nil),
		Schedule:          scheduleType.null(),
		RetentionDays:     wholeNumber{Int64Value: retentionOf(cluster)},
		Immediate:         types.BoolValue(true),
		Method:            types.StringNull(),
		ArchiveTimeout:    durationType.value(cmp.Or(cluster.Spec.PostgresConfiguration.Parameters[parameterArchiveTimeout], defaultArchiveTimeout)),
		WAL:               types.ObjectNull(walTypes),
		Data:              types.ObjectNull(dataTypes),
		ObjectStore:       types.ObjectNull(storeOverrideTypes),
		CredentialsSecret: types.ObjectNull(credentialsSecretTypes),
	}
	if before != nil {
		now.Immediate, now.Method = before.Immediate, before.Method
	}
	if scheduled != nil {
		now.Schedule = scheduleType.value(scheduled.Spec.Schedule)
		now.Immediate = types.BoolValue(ptr.Deref(scheduled.Spec.Immediate, false))
	}
	if store == nil {
		return now
	}
	now.Method = types.StringValue(string(cnpg.MethodOf(cluster)))
	now.WAL, now.Data = walOf(store.Wal), dataOf(store.Data)
	now.CredentialsSecret = credentialsSecretOf(cluster)
	now.ServerName = types.StringValue(cnpg.ServerName(cluster))
	now.ObjectStore = b.storeOverrideOf(cluster)
	if before != nil { // a block that says nothing is the same as none
		now.WAL = emptyOr(before.WAL, now.WAL)
		now.Data = emptyOr(before.Data, now.Data)
		now.ObjectStore = emptyOr(before.ObjectStore, now.ObjectStore)
	}
	return now
}

// noBackups is the attribute of a database that is not backed up, and says so.
func noBackups(method types.String) *backupSettings {
	return &backupSettings{
		Enabled: types.BoolValue(false), Schedule: scheduleType.null(), Immediate: types.BoolValue(true), Method: method,
		ArchiveTimeout: durationType.value(defaultArchiveTimeout), WAL: types.ObjectNull(walTypes), Data: types.ObjectNull(dataTypes),
		ObjectStore: types.ObjectNull(storeOverrideTypes), CredentialsSecret: types.ObjectNull(credentialsSecretTypes),
	}
}

// emptyOr keeps a configured block without content where Kubernetes has nothing for it either.
func emptyOr(before, now types.Object) types.Object {
	if now.IsNull() && !before.IsNull() && holdsNothing(before) {
		return before
	}
	return now
}

func walOf(wal *cnpgv1.WalBackupConfiguration) types.Object {
	if wal == nil || wal.Compression == "" && wal.Encryption == "" && wal.MaxParallel == 0 {
		return types.ObjectNull(walTypes)
	}
	var parallel wholeNumber
	if wal.MaxParallel != 0 {
		parallel = wholeNumberOf(int64(wal.MaxParallel))
	}
	return types.ObjectValueMust(walTypes, map[string]attr.Value{
		"compression":  nullIfEmpty(string(wal.Compression)),
		"encryption":   nullIfEmpty(string(wal.Encryption)),
		"max_parallel": parallel,
	})
}

func dataOf(data *cnpgv1.DataBackupConfiguration) types.Object {
	if data == nil || data.Compression == "" && data.Encryption == "" && data.Jobs == nil {
		return types.ObjectNull(dataTypes)
	}
	var jobs wholeNumber
	if data.Jobs != nil {
		jobs = wholeNumberOf(int64(*data.Jobs))
	}
	return types.ObjectValueMust(dataTypes, map[string]attr.Value{
		"compression": nullIfEmpty(string(data.Compression)),
		"encryption":  nullIfEmpty(string(data.Encryption)),
		"jobs":        jobs,
	})
}

// credentialsSecretOf is the Secret that the pods' keys come from, unless it is the one that the provider writes.
func credentialsSecretOf(cluster *cnpgv1.Cluster) types.Object {
	aws := cnpg.Archiver(cluster).AWS
	if aws == nil || aws.AccessKeyIDReference == nil || aws.SecretAccessKeyReference == nil {
		return types.ObjectNull(credentialsSecretTypes)
	}
	id, secret := aws.AccessKeyIDReference, aws.SecretAccessKeyReference
	if id.Name == cnpg.CredentialsSecretName(cluster.Name) && id.Key == keyAccessKeyID && secret.Name == id.Name && secret.Key == keySecretAccessKey {
		return types.ObjectNull(credentialsSecretTypes)
	}
	return types.ObjectValueMust(credentialsSecretTypes, map[string]attr.Value{
		"name":                  types.StringValue(id.Name),
		"access_key_id_key":     types.StringValue(id.Key),
		"secret_access_key_key": types.StringValue(secret.Key),
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
