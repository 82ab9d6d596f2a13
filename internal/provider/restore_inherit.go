package provider

import (
	"context"
	"fmt"
	"strconv"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

// settings are those of the source, as a configuration in the namespace of the new database would state them. Of a database
// that is gone nothing is known but what the backup tells that is to be restored; nil where that is not known either.
func (o *origin) settings(ctx context.Context, b *backend, namespace string, backup *recovery.Backup, diags *diag.Diagnostics) *databaseModel {
	if o.cluster == nil {
		gone := unknownDatabase()
		image := imageOfGone(backup)
		gone.Image, gone.PostgresVersion = image.image, image.version
		return gone
	}
	settings := unknownDatabase()
	settings.Resources = types.ObjectNull(resourcesTypes) // what somebody has removed there is no drift here
	settings.fromCluster(ctx, b, o.cluster, o.scheduled, b.seeArchive(o.cluster, o.scheduled, archiveSeen{}), diags)
	settings.OrgID = nullIfEmpty(o.cluster.Labels[cnpg.LabelOrgID])
	settings.WALStorage = walStorageOf(o.cluster)
	if backups := settings.backup(ctx, diags); backups != nil {
		backups.Immediate, backups.ServerName = types.BoolValue(true), types.StringNull()
		backups.Method = types.StringUnknown() // what the source began with may be gone by now
		if o.cluster.Namespace != namespace {  // a Secret that the source names is there only in its own
			backups.CredentialsSecret = types.ObjectNull(credentialsSecretTypes)
		}
		settings.Backup = backups.object()
	}
	if o.cluster.Namespace != namespace {
		settings.ImagePullSecrets = types.ListNull(types.StringType)
	}
	return settings
}

// catalogueFor is the catalogue that the source has its image from, where the new Cluster can have the same one from there: it
// sees no catalogue of another namespace. An image that the configuration chooses is none of a catalogue's.
func (o *origin) catalogueFor(plan, config *restoreModel) *cnpgv1.ImageCatalogRef {
	if o.cluster == nil || !config.Image.IsNull() || !config.PostgresVersion.IsNull() || !plan.Image.Equal(imageOf(o.cluster)) {
		return nil
	}
	catalogue := o.cluster.Spec.ImageCatalogRef
	if catalogue != nil && catalogue.Kind == "ImageCatalog" && o.cluster.Namespace != plan.Namespace.ValueString() {
		return nil
	}
	return catalogue
}

// unknownDatabase is one of which nothing is known.
func unknownDatabase() *databaseModel {
	return &databaseModel{
		Instances: wholeNumberOf(1), Storage: types.ObjectNull(storageTypes), WALStorage: types.ObjectNull(storageTypes),
		Resources: resourcesModel{}.object(), Labels: types.MapNull(types.StringType), Annotations: types.MapNull(types.StringType), Image: types.StringUnknown(), PostgresVersion: types.StringUnknown(),
		Parameters: types.MapNull(types.StringType), ImagePullSecrets: types.ListNull(types.StringType), PgHBA: types.ListNull(types.StringType),
		Scheduling: types.ObjectNull(schedulingTypes), Backup: types.ObjectNull(backupTypes),
	}
}

// open makes unknown what the configuration leaves open, whatever has come into the plan from the state or from defaults.
func (m *databaseModel) open(ctx context.Context, config *databaseModel, diags *diag.Diagnostics) {
	for _, s := range []struct{ configured, planned *types.String }{
		{&config.OrgID, &m.OrgID}, {&config.Tier, &m.Tier}, {&config.DatabaseName, &m.DatabaseName}, {&config.Owner, &m.Owner},
		{&config.Image, &m.Image}, {&config.PostgresVersion, &m.PostgresVersion},
	} {
		if s.configured.IsNull() {
			*s.planned = types.StringUnknown()
		}
	}
	if config.Instances.IsNull() {
		m.Instances = wholeNumber{Int64Value: types.Int64Unknown()}
	}
	m.Storage, m.WALStorage = openVolume(ctx, config.Storage, m.Storage, diags), openVolume(ctx, config.WALStorage, m.WALStorage, diags)
	if config.Resources.IsNull() {
		m.Resources = types.ObjectUnknown(resourcesTypes)
	}
	if config.Parameters.IsNull() {
		m.Parameters = types.MapUnknown(types.StringType)
	}
	if config.ImagePullSecrets.IsNull() {
		m.ImagePullSecrets = types.ListUnknown(types.StringType)
	}
	if config.PgHBA.IsNull() {
		m.PgHBA = types.ListUnknown(types.StringType)
	}
	if config.Scheduling.IsNull() {
		m.Scheduling = types.ObjectUnknown(schedulingTypes)
	}
	if config.Backup.IsNull() {
		m.Backup = types.ObjectUnknown(backupTypes)
	}
}

// openVolume makes unknown what the configuration leaves open of a volume.
func openVolume(ctx context.Context, configured, planned types.Object, diags *diag.Diagnostics) types.Object {
	if configured.IsNull() {
		return types.ObjectUnknown(storageTypes)
	}
	var said, volume storageModel
	diags.Append(optional(ctx, configured, &said)...)
	diags.Append(optional(ctx, planned, &volume)...)
	if configured.IsUnknown() || planned.IsUnknown() {
		return planned
	}
	if said.Size.IsNull() {
		volume.Size = quantityType.unknown()
	}
	if said.StorageClass.IsNull() {
		volume.StorageClass = types.StringUnknown()
	}
	return volume.object()
}

// inherit gives what the configuration leaves open, and nobody has planned yet, the values of another database: the source's,
// or those that the database itself has already. What is not known there stays open.
func (m *databaseModel) inherit(ctx context.Context, config, from *databaseModel, diags *diag.Diagnostics) {
	open := func(planned, configured interface{ IsUnknown() bool }) bool {
		return planned.IsUnknown() && !configured.IsUnknown()
	}
	m.inheritSizes(ctx, config, from, diags)
	if m.Image.IsUnknown() || m.PostgresVersion.IsUnknown() {
		image := planImage(config.postgres(), from.postgres())
		m.Image, m.PostgresVersion = image.image, image.version
	}
	if open(m.OrgID, config.OrgID) {
		m.OrgID = from.OrgID
	}
	if open(m.DatabaseName, config.DatabaseName) {
		m.DatabaseName = from.DatabaseName
	}
	if open(m.Owner, config.Owner) {
		m.Owner = from.Owner
	}
	if open(m.Parameters, config.Parameters) {
		m.Parameters = from.Parameters
	}
	if open(m.ImagePullSecrets, config.ImagePullSecrets) {
		m.ImagePullSecrets = from.ImagePullSecrets
	}
	if open(m.PgHBA, config.PgHBA) {
		m.PgHBA = from.PgHBA
	}
	if open(m.Scheduling, config.Scheduling) {
		m.Scheduling = from.Scheduling
	}
	if open(m.Backup, config.Backup) {
		m.Backup = from.Backup
	}
}

// inheritSizes sizes what is open: as the tier of the configuration says, with a volume that is no smaller than the other
// database's, or else as that database is.
func (m *databaseModel) inheritSizes(ctx context.Context, config, from *databaseModel, diags *diag.Diagnostics) {
	if config.Tier.IsUnknown() {
		return
	}
	sizes := from.sizes(ctx, diags)
	if config.Tier.IsNull() {
		if m.Tier.IsUnknown() {
			m.Tier = from.Tier
		}
	} else {
		tier := tiers[tier(config.Tier.ValueString())]
		tier.storage = larger(tier.storage, sizes.storage)
		sizes = tier
	}
	if m.Instances.IsUnknown() && !config.Instances.IsUnknown() {
		m.Instances = wholeNumberOf(sizes.instances)
	}
	m.Storage = inheritVolume(ctx, config.Storage, m.Storage, from.Storage, quantityOrNull(sizes.storage), diags)
	m.WALStorage = inheritVolume(ctx, config.WALStorage, m.WALStorage, from.WALStorage, quantityType.null(), diags)
	if !known(m.Resources) || anyUnknown(m.Resources) {
		m.askFor(ctx, config, nil, resourcesModel{CPU: quantityOrNull(sizes.cpu), Memory: quantityOrNull(sizes.memory)}, diags)
	}
}

// anyUnknown tells whether a value in an object is open.
func anyUnknown(object types.Object) bool {
	for _, value := range object.Attributes() {
		if value.IsUnknown() {
			return true
		}
	}
	return false
}

// inheritVolume fills in what is open of a volume.
func inheritVolume(ctx context.Context, configured, planned, from types.Object, size semanticString, diags *diag.Diagnostics) types.Object {
	if configured.IsUnknown() {
		return planned
	}
	var theirs, said, volume storageModel
	diags.Append(optional(ctx, from, &theirs)...)
	diags.Append(optional(ctx, configured, &said)...)
	if planned.IsUnknown() {
		if size.IsNull() {
			return from
		}
		return storageModel{Size: size, StorageClass: theirs.StorageClass}.object()
	}
	if planned.IsNull() {
		return planned
	}
	diags.Append(optional(ctx, planned, &volume)...)
	if volume.Size.IsUnknown() && !said.Size.IsUnknown() {
		volume.Size = size
	}
	if volume.StorageClass.IsUnknown() && !said.StorageClass.IsUnknown() {
		volume.StorageClass = theirs.StorageClass
	}
	return volume.object()
}

// warnImage tells, of a database that is gone, which image is taken for its own: with another Debian release than that one had,
// text sorts otherwise.
func warnImage(config *restoreModel, from *origin, backup *recovery.Backup, diags *diag.Diagnostics) {
	if image := imageOfGone(backup); from.cluster == nil && config.Image.IsNull() && config.PostgresVersion.IsNull() && image.image.ValueString() != "" {
		diags.AddAttributeWarning(path.Root("image"), "Image Chosen by the Backup's Version", fmt.Sprintf(
			"The archive tells the version of PostgreSQL and not the image, so %s is taken. If the database ran on another Debian release, indexes on text may have to be made anew (REINDEX): set image to the one that it ran.",
			image.image.ValueString()))
	}
}

// imageOfGone is what restores a backup of a database that is gone, as far as the backup tells. Of minor versions CNPG rebuilds the
// latest, which reads the data and WAL of all before it.
func imageOfGone(backup *recovery.Backup) imageModel {
	if backup == nil || backup.Major() == 0 {
		return imageModel{image: types.StringUnknown(), version: types.StringUnknown()}
	}
	version := strconv.Itoa(backup.Major())
	return imageModel{image: types.StringValue(imageFor(version, "")), version: types.StringValue(version)}
}

// planInheritedSchedule is planSchedule, which says of a source without a schedule that it has none to take over.
func (m *restoreModel) planInheritedSchedule(ctx context.Context, config *restoreModel, from *origin, diags *diag.Diagnostics) {
	backup := m.backup(ctx, diags)
	if from.cluster == nil || !config.Backup.IsNull() || !backup.enabled() || !backup.Schedule.IsNull() {
		m.planSchedule(ctx, nil, diags)
		return
	}
	diags.AddAttributeError(path.Root("backup"), "Missing Schedule", paragraphs(
		fmt.Sprintf("backup is not set, and the source %s has no ScheduledBackup of its name, whose schedule the new database would take over: without base backups, archived WAL restores nothing.",
			cnpg.KeyOf(from.cluster)),
		`Set it, such as backup = { schedule = "0 2 * * *" }, or backup = { enabled = false } for a database that is not backed up. Nothing was changed.`))
}

// refuseMissing refuses a restore for which nobody says what the archive of a database that is gone does not tell.
func (m *restoreModel) refuseMissing(ctx context.Context, from *origin, diags *diag.Diagnostics) {
	if from.cluster != nil {
		return
	}
	var storage storageModel
	diags.Append(optional(ctx, m.Storage, &storage)...)
	for _, missing := range []struct {
		at      path.Path
		missing bool
		such    string
	}{
		{path.Root("database_name"), m.DatabaseName.IsNull(), `database_name = "app"`},
		{path.Root("owner"), m.Owner.IsNull(), `owner = "app"`},
		{path.Root("storage").AtName("size"), !m.Storage.IsUnknown() && storage.Size.IsNull(), `storage = { size = "10Gi" }, or a tier`},
		{path.Root("backup"), m.Backup.IsNull(), `backup = { schedule = "0 2 * * *" }, or backup = { enabled = false } for a database that is not backed up`},
	} {
		if missing.missing {
			diags.AddAttributeError(missing.at, "Not Known of a Database That Is Gone", paragraphs(
				fmt.Sprintf("%s is not set, and the database that wrote the archive %s in %s is not there to take it from: its base backups do not tell.",
					missing.at, from.server, from.location),
				fmt.Sprintf("Set it, such as %s.", missing.such)))
		}
	}
}
