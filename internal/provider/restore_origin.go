package provider

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

// origin is the archive that a restore reads, and the database that wrote it.
type origin struct {
	// cluster is the database; nil for one that is gone. alive tells that it still archives there.
	cluster   *cnpgv1.Cluster
	scheduled *cnpgv1.ScheduledBackup
	alive     bool
	late      bool // what is missing from its archive was waited for in vain

	store    *objectStore // as this machine reaches the archive, and as the new pods do
	location archive.Location
	server   string
	backupID string // the base backup that was asked for; "" where none was

	// catalogue is where the new Cluster has its image from; nil where it names the image.
	catalogue *cnpgv1.ImageCatalogRef

	// own tells that the new Cluster archives itself with the very Secret that it needs here.
	own bool
}

// String is what a restored Cluster says of where it comes from.
func (o *origin) String() string {
	if o.cluster != nil {
		return cnpg.KeyOf(o.cluster).String()
	}
	return o.location.String() + "/" + o.server
}

// originOf finds out what a restore is made from. It is nil, without an error, while that is not known.
func (b *backend) originOf(ctx context.Context, plan *restoreModel, diags *diag.Diagnostics) *origin {
	source, store, ok := plan.source(ctx, diags)
	if !ok || b == nil || b.store == nil || !known(plan.BackupID) {
		return nil
	}
	var from *origin
	switch {
	case store != nil:
		from = b.originInStore(store, diags)
	case !source.Backup.IsNull():
		from = b.originOfBackup(ctx, source.Backup.ValueString(), plan.key(), diags)
	default:
		from = b.originOfDatabase(ctx, source.Database.ValueString(), plan.key(), diags)
	}
	if from == nil || diags.HasError() {
		return nil
	}
	from.backupID = cmp.Or(plan.BackupID.ValueString(), from.backupID)
	var err error
	if from.location, err = archive.ParseDestinationPath(from.store.destinationPath); err != nil {
		diags.AddAttributeError(plan.sourcePath(), "Invalid Source", sentence(err))
		return nil
	}
	b.identify(ctx, from, plan, &source, diags)
	if diags.HasError() {
		return nil
	}
	return from
}

// originInStore is an archive by its place alone.
func (b *backend) originInStore(named *sourceStore, diags *diag.Diagnostics) *origin {
	store := b.store.with(&named.storeOverride)
	store.podEndpointURL = cmp.Or(store.podEndpointURL, store.environment.EndpointURL)
	if store.destinationPath == "" {
		diags.AddAttributeError(path.Root("source").AtName("object_store").AtName("destination_path"), "Missing Destination Path",
			"Neither source.object_store.destination_path nor the provider's says where archives lie.")
		return nil
	}
	return &origin{store: store, server: named.ServerName.ValueString()}
}

// originOfDatabase is the archive that a living database writes.
func (b *backend) originOfDatabase(ctx context.Context, database string, restored cnpg.Key, diags *diag.Diagnostics) *origin {
	at := path.Root("source").AtName("database")
	key, err := cnpg.ParseKey(database)
	if err != nil {
		diags.AddAttributeError(at, "Invalid Source", sentenceAt(at, err))
		return nil
	}
	if refuseOwnSource(key.String(), restored, diags) {
		return nil
	}
	client, ok := b.clientForSource(ctx, diags)
	if !ok {
		return nil
	}
	cluster, scheduled, err := readDatabase(ctx, client, key)
	if err != nil {
		gone := ""
		if errors.Is(err, cnpg.ErrNotFound) {
			gone = fmt.Sprintf("The archive of a database that is gone is restored by its place in S3, such as source = { object_store = { server_name = %q } }.", key.Name)
		}
		diags.AddAttributeError(at, "Unable to Read the Source", paragraphs(sentenceAt(at, err), gone, "Nothing was changed."))
		return nil
	}
	if cnpg.Archiver(cluster) == nil {
		how := "archives nowhere"
		if cnpg.UsesPlugin(cluster) {
			how = "archives with a plugin that is not the Barman Cloud plugin"
			if cnpg.MethodOf(cluster) == cnpg.MethodPlugin {
				how = "archives with the Barman Cloud plugin, and its ObjectStore is not there"
			}
		}
		diags.AddAttributeError(at, "Source Has No Archive", paragraphs(
			fmt.Sprintf("%s: the database %s %s, so there is nothing to restore it from.", at, key, how),
			"What it has archived before is restored by its place in S3, with source.object_store."))
		return nil
	}
	return &origin{cluster: cluster, scheduled: scheduled, alive: true, store: b.storeOf(cluster), server: cnpg.ServerName(cluster)}
}

// originOfBackup is the archive that a base backup lies in, by its Backup object.
func (b *backend) originOfBackup(ctx context.Context, id string, restored cnpg.Key, diags *diag.Diagnostics) *origin {
	at := path.Root("source").AtName("backup")
	key, err := cnpg.ParseKey(id)
	if err != nil {
		diags.AddAttributeError(at, "Invalid Source", sentenceAt(at, err))
		return nil
	}
	client, ok := b.clientForSource(ctx, diags)
	if !ok {
		return nil
	}
	backup, err := client.LocateBackup(ctx, key)
	if err != nil {
		gone := ""
		if errors.Is(err, cnpg.ErrNotFound) {
			gone = "Where S3 still has it, data.pgplatform_backups lists it, and source.database or source.object_store restores it with its backup_id."
		}
		diags.AddAttributeError(at, "Unable to Read the Source", paragraphs(sentenceAt(at, err), gone, "Nothing was changed."))
		return nil
	}
	status := backup.Status
	switch {
	case status.Phase != cnpgv1.BackupPhaseCompleted:
		diags.AddAttributeError(at, "Backup Cannot Be Restored", paragraphs(
			fmt.Sprintf("%s: the backup %s is not completed: it is in phase %q. %s", at, key, status.Phase, status.Error), "Nothing was changed."))
		return nil
	case status.BackupID != "" && status.DestinationPath == "" && cnpg.ByPlugin(backup):
		diags.AddAttributeError(at, "Backup Cannot Be Restored", paragraphs(
			fmt.Sprintf("Where the backup %s lies is not known: the Barman Cloud plugin does not tell it, and its database %s archives elsewhere by now, or by that plugin no more.", key, backup.Spec.Cluster.Name),
			fmt.Sprintf("Restore it with source.object_store, by its place in S3, and backup_id = %q.", status.BackupID), "Nothing was changed."))
		return nil
	case status.BackupID == "" || status.DestinationPath == "":
		diags.AddAttributeError(at, "Backup Cannot Be Restored", paragraphs(
			fmt.Sprintf("%s: the backup %s, by the method %q, does not lie in an object store.", at, key, backup.Spec.Method), "Nothing was changed."))
		return nil
	}
	of := cnpg.Key{Namespace: key.Namespace, Name: backup.Spec.Cluster.Name}
	from := &origin{server: cmp.Or(status.ServerName, of.Name), backupID: status.BackupID}
	from.cluster, from.scheduled, err = readDatabase(ctx, client, of)
	if err == nil && refuseOwnSource(of.String(), restored, diags) { // the name of one that is gone is free
		return nil
	}
	if err != nil && !errors.Is(err, cnpg.ErrNotFound) {
		diags.AddAttributeError(at, "Unable to Read the Source", paragraphs(sentenceAt(at, err), "Nothing was changed."))
		return nil
	}
	override := &storeOverride{}
	if err != nil || madeAfter(from.cluster, backup) {
		from.cluster, from.scheduled = nil, nil
	} else if archiver := cnpg.Archiver(from.cluster); archiver != nil && archiver.EndpointURL == status.EndpointURL {
		override = overrideOf(from.cluster)
		from.alive = folderOf(from.cluster).is(folder{DestinationPath: status.DestinationPath, ServerName: from.server})
	}
	from.store = b.store.with(override)
	from.store.destinationPath, from.store.podEndpointURL = status.DestinationPath, status.EndpointURL
	return from
}

// madeAfter tells a Cluster that somebody has made anew under the name of the one that a base backup was taken of: nothing of it
// says how that one was.
func madeAfter(cluster *cnpgv1.Cluster, backup *cnpgv1.Backup) bool {
	started := backup.Status.StartedAt
	return started != nil && cluster.CreationTimestamp.After(started.Time)
}

// clientForSource is the client of Kubernetes; false, without an error, while its address is not known.
func (b *backend) clientForSource(ctx context.Context, diags *diag.Diagnostics) (*cnpg.Client, bool) {
	client, err := b.kubernetesClient(ctx)
	if err != nil && !errors.Is(err, errNotKnown) {
		addConnectionError(diags, "Unable to Read the Source", err)
	}
	return client, err == nil
}

// identify decides with which keys the new pods read the archive: those that the configuration names for it, those of the
// source's own Secret where the new database can use it, or else those that it archives with.
func (b *backend) identify(ctx context.Context, from *origin, plan *restoreModel, source *sourceModel, diags *diag.Diagnostics) {
	var secret credentialsSecretModel
	diags.Append(optional(ctx, source.CredentialsSecret, &secret)...)
	if from.cluster != nil {
		from.store.region = cmp.Or(from.store.region, from.cluster.Annotations[cnpg.AnnotationRegion])
		if secret.Name.IsNull() && cnpg.Archiver(from.cluster) != nil && from.cluster.Namespace == plan.Namespace.ValueString() {
			diags.Append(optional(ctx, credentialsSecretOf(from.cluster), &secret)...)
		}
	}
	from.store.region = cmp.Or(from.store.region, from.store.environment.Region)
	if backup := plan.backup(ctx, diags); secret.Name.IsNull() && !from.store.pods.set() && backup != nil {
		if !whole(ctx, backup.CredentialsSecret, &secret, diags) {
			return
		}
	}
	if secret.Name.ValueString() != "" {
		from.store.pods = podIdentity{secret: secretKeys{secret.Name.ValueString(), secret.AccessKeyIDKey.ValueString(), secret.SecretAccessKeyKey.ValueString()}}
	}
	if !from.store.pods.set() && known(plan.Backup) {
		diags.AddAttributeError(path.Root("source"), "No Keys for the Database Pods", paragraphs(
			"The pods of the new database read the archive with keys of their own, and the provider has none to give them: keys from the environment, a profile, an assumed role or with a session token expire.",
			"Set access_key_id and secret_access_key, pod_credentials or pod_iam_role_arn in the provider's object_store, or source.credentials_secret."))
	}
}

// originSecretName is the Secret with which the pods of a restored database read the archive that it is made from, where that
// is another one than the one that they archive with.
func originSecretName(name string) string { return name + "-origin-s3-creds" }

// share tells the origin how the new Cluster archives, whose Secret may be all that is needed.
func (o *origin) share(location archiveLocation) {
	o.own = location.store != nil && maps.EqualFunc(o.store.secretData(), location.store.secretData(), bytes.Equal)
}

// barmanStore is the archive as the new pods read it, as many segments at a time as the source writes.
func (o *origin) barmanStore(name string) *cnpgv1.BarmanObjectStoreConfiguration {
	secret := originSecretName(name)
	if o.own {
		secret = cnpg.CredentialsSecretName(name)
	}
	store := archiveLocation{store: o.store, serverName: o.server}.barmanStore(secret)
	if o.cluster != nil && cnpg.Archiver(o.cluster) != nil {
		if wal := cnpg.Archiver(o.cluster).Wal; wal != nil {
			store.Wal = &cnpgv1.WalBackupConfiguration{MaxParallel: wal.MaxParallel}
		}
	}
	return store
}

// keepOriginRole keeps the IAM role with which a restored database reads the archive that it is made from, where it archives
// nowhere or as somebody else: pods of a recovery that still runs need it, and nobody has asked for another one.
func keepOriginRole(live, desired *cnpgv1.Cluster) {
	if desired.Spec.ServiceAccountTemplate != nil || inheritsRole(cnpg.Archiver(live)) || !cnpg.Fields(live).Ours("spec", "serviceAccountTemplate") {
		return
	}
	for _, external := range live.Spec.ExternalClusters {
		if external.Name == originName && inheritsRole(external.BarmanObjectStore) {
			desired.Spec.ServiceAccountTemplate = live.Spec.ServiceAccountTemplate
		}
	}
}

func inheritsRole(store *cnpgv1.BarmanObjectStoreConfiguration) bool {
	return store != nil && store.AWS != nil && store.AWS.InheritFromIAMRole
}

// needsSecret tells whether the new pods read the archive with a Secret beside their own.
func (o *origin) needsSecret() bool { return !o.own && len(o.store.secretData()) > 0 }

// applySecret writes that Secret, where they need it.
func (o *origin) applySecret(ctx context.Context, client *cnpg.Client, owner *cnpgv1.Cluster) error {
	if !o.needsSecret() {
		return nil
	}
	return client.ApplySecret(ctx, (archiveLocation{store: o.store}).credentialsSecret(owner, originSecretName(owner.Name)), false)
}

// catalog reads the archive. shared is for plans, of which several may look at one archive, and which wait no longer than a while.
func (b *backend) catalog(ctx context.Context, from *origin, shared bool) (*recovery.Catalog, error) {
	client, err := b.s3Client(ctx, from.store)
	if err != nil {
		return nil, err
	}
	if shared {
		ctx, cancel := context.WithTimeout(ctx, b.pace.reading)
		defer cancel()
		return client.SharedCatalog(ctx, from.location, from.server)
	}
	return client.Catalog(ctx, from.location, from.server)
}

// refuseOwnArchive refuses to replace a restored database by what its own archive holds: it would be destroyed first, and what it
// has not archived yet be lost.
func refuseOwnArchive(state *restoreModel, from *origin, diags *diag.Diagnostics) bool {
	if archivePart(&state.databaseModel, "server_name").ValueString() != from.server ||
		!sameLocation(archivePart(&state.databaseModel, "destination_path").ValueString(), from.store.destinationPath) {
		return false
	}
	diags.AddAttributeError(path.Root("name"), "Restore Onto Its Source", fmt.Sprintf(
		"The archive %s in %s is that of %s itself, which this change would destroy first, with what it has not archived yet. Restore it beside that, as another resource of another name.",
		from.server, from.location, state.key()))
	return true
}

// refuseOwnSource refuses to restore a database under its own name.
func refuseOwnSource(database string, restored cnpg.Key, diags *diag.Diagnostics) bool {
	if database != restored.String() {
		return false
	}
	diags.AddAttributeError(path.Root("name"), "Restore Onto Its Source",
		fmt.Sprintf("A restore makes a new database; %s is the one to restore from. Choose another name.", restored))
	return true
}
