package provider

import (
	"context"
	"fmt"
	"slices"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// locate decides where a database archives and with which keys, and makes the plan say so. live is the Cluster as it
// stands, nil for one that is to be made, and seen what there is to know of its archive. An archive that it has is kept
// unless another one is planned.
func (r *clusterResource) locate(ctx context.Context, plan *databaseModel, live *cnpgv1.Cluster, seen archiveSeen, summary string, diags *diag.Diagnostics) (archiveLocation, bool) {
	backup := plan.backup(ctx, diags)
	if diags.HasError() || !backup.enabled() {
		plan.settleServerName(ctx, types.StringNull(), diags)
		return archiveLocation{}, !diags.HasError()
	}
	store := r.backend.storeFor(ctx, backup, seen.kept(), diags)
	if store == nil {
		diags.AddError(summary, sentence(errNotKnown))
		return archiveLocation{}, false
	}
	if !store.require(path.Root("backup"), diags) {
		return archiveLocation{}, false
	}
	location, ok := archiveLocation{store: store, serverName: backup.ServerName.ValueString()}, true
	keeps := live != nil && keepsFolder(location, live, seen)
	if !keeps {
		location, ok = r.backend.newArchive(ctx, store, plan.key(), backup.ServerName.ValueString(), summary, diags, leaves(store, live, seen)...)
	}
	location.fingerprint = fingerprintOf(store.secretData(), "")
	if live != nil && matchesFingerprint(live.Annotations[cnpg.AnnotationCredentials], store.secretData()) {
		location.fingerprint = live.Annotations[cnpg.AnnotationCredentials]
	}
	if live != nil && ok {
		var err error
		if location.begins, err = r.begins(ctx, location, keeps, backup.Immediate.ValueBool(), live, seen); err != nil {
			addFailure(diags, summary, overdue(ctx, err), "Nothing was changed.")
			return location, false
		}
		location.begins = location.begins || changesMethod(live, backup)
	}
	plan.settleServerName(ctx, types.StringValue(location.serverName), diags)
	return location, ok
}

// changesMethod tells whether an archive goes on by another method: a base backup at once proves that it does.
func changesMethod(live *cnpgv1.Cluster, backup *backupSettings) bool {
	return cnpg.Archiver(live) != nil && cnpg.MethodOf(live) != backup.method()
}

// keepsFolder tells whether a folder is the one that the Cluster archives to, or did before somebody else changed that.
func keepsFolder(location archiveLocation, live *cnpgv1.Cluster, seen archiveSeen) bool {
	return location.serverName != "" && (seen.applied(location.store, location.serverName) || archivesTo(live, location))
}

// leaves are the folders there that a Cluster has archived to where it goes on in another one: none of them is that one,
// whatever S3 shows of it by now. live is nil for one that is to be made.
func leaves(there *objectStore, live *cnpgv1.Cluster, seen archiveSeen) []string {
	folders := []folder{seen.Folder}
	if live != nil {
		folders = append(folders, folderOf(live))
	}
	var left []string
	for _, f := range folders {
		if f.is(folder{DestinationPath: there.destinationPath, ServerName: f.ServerName}) {
			left = append(left, f.ServerName)
		}
	}
	return left
}

// begins tells whether a living database begins to archive in a location without a base backup there; kept is a folder that
// it has archived to before. A ScheduledBackup that is there already does not take its immediate one again; a new one that is
// to take one may not either.
func (r *clusterResource) begins(ctx context.Context, location archiveLocation, kept, immediate bool, live *cnpgv1.Cluster, seen archiveSeen) (begins bool, err error) {
	archives, stays := cnpg.Archiver(live) != nil, archivesTo(live, location)
	if kept && (!stays || seen.Wiring.EndpointURL != location.store.podEndpointURL) {
		if begins, err = r.backend.findArchive(ctx, location, seen.SystemID); err != nil {
			return false, err
		}
	}
	if archives {
		return begins || !stays, nil
	}
	client, err := r.backend.kubernetesClient(ctx)
	if err != nil {
		return false, err
	}
	scheduled, err := readSchedule(ctx, client, cnpg.KeyOf(live))
	if err != nil || scheduled != nil || !immediate {
		return scheduled != nil, err
	}
	return tookImmediate(ctx, client, cnpg.KeyOf(live), func(*cnpgv1.Backup) bool { return true })
}

// tookImmediate tells whether a ScheduledBackup of a Cluster took its immediate backup, and that will do. CNPG takes that of a former
// one for the one of a new schedule of the same name, although it lies in another folder.
func tookImmediate(ctx context.Context, client *cnpg.Client, key cnpg.Key, will func(*cnpgv1.Backup) bool) (bool, error) {
	backups, err := client.ListBackups(ctx, key)
	return slices.ContainsFunc(backups, func(b cnpgv1.Backup) bool {
		return b.Labels[cnpg.LabelScheduledBackup] == key.Name && b.Labels[cnpg.LabelImmediateBackup] == "true" && will(&b)
	}), err
}

// archivesTo tells whether a folder is the one that a Cluster archives to.
func archivesTo(cluster *cnpgv1.Cluster, location archiveLocation) bool {
	store := cnpg.Archiver(cluster)
	return store != nil && cnpg.ServerName(cluster) == location.serverName && sameLocation(store.DestinationPath, location.store.destinationPath)
}

// settleServerName gives backup.server_name the value that was decided on, where the plan left it open.
func (m *databaseModel) settleServerName(ctx context.Context, name types.String, diags *diag.Diagnostics) {
	if backup := m.backup(ctx, diags); backup != nil && backup.ServerName.IsUnknown() {
		backup.ServerName = name
		m.Backup = backup.object()
	}
}

// applyCredentials writes the Secret that a Cluster's pods reach S3 with, where they need one of the provider's.
// A Secret of that name that somebody else made is theirs, unless force takes it over.
func applyCredentials(ctx context.Context, client *cnpg.Client, owner *cnpgv1.Cluster, location archiveLocation, force bool) error {
	if location.store == nil {
		return nil
	}
	secret := location.credentialsSecret(owner, cnpg.CredentialsSecretName(owner.Name))
	if secret == nil {
		return nil
	}
	return client.ApplySecret(ctx, secret, force)
}

// applySchedule brings the ScheduledBackup of a Cluster to what is wanted. Backups without a schedule are somebody else's
// to schedule. Where there are no backups any more, the schedule goes if the provider made it or, with adopted,
// whoever did.
func applySchedule(ctx context.Context, client *cnpg.Client, cluster *cnpgv1.Cluster, backup *backupSettings, adopted bool, ownership cnpg.Ownership[cnpgv1.ScheduledBackup]) error {
	scheduled, err := backup.toScheduledBackup(cluster)
	if err != nil || scheduled == nil && backup.enabled() {
		return err
	}
	if scheduled == nil {
		return client.DeleteScheduledBackup(ctx, cnpg.KeyOf(cluster), cluster.UID, adopted)
	}
	_, err = client.ApplyScheduledBackup(ctx, scheduled, ownership)
	return err
}

// removeStores removes the ObjectStores that the provider made for a Cluster, and that the Cluster names no more. As
// the Secret, they go with the Cluster at last.
func removeStores(ctx context.Context, client *cnpg.Client, cluster *cnpgv1.Cluster, diags *diag.Diagnostics) {
	for _, name := range cnpg.StoresLeft(cluster) {
		key := cnpg.Key{Namespace: cluster.Namespace, Name: name}
		if err := client.DeleteObjectStore(ctx, key, cluster.UID); err != nil {
			diags.AddWarning("ObjectStore Not Removed", paragraphs(sentence(err),
				fmt.Sprintf("The database no longer uses the ObjectStore %s of the Barman Cloud plugin. It goes when the Cluster goes; to remove it now, delete it with kubectl.", key)))
		}
	}
}

// removeCredentials removes the Secret that the provider wrote for a Cluster's pods, when nothing refers to it any more. It
// belongs to the Cluster, so that where it may not be removed now it goes when the Cluster goes.
func removeCredentials(ctx context.Context, client *cnpg.Client, cluster *cnpgv1.Cluster, diags *diag.Diagnostics) {
	key := cnpg.Key{Namespace: cluster.Namespace, Name: cnpg.CredentialsSecretName(cluster.Name)}
	if err := client.DeleteSecret(ctx, key, cluster.UID); err != nil {
		diags.AddWarning("Secret Not Removed", paragraphs(sentence(err),
			fmt.Sprintf("The database no longer uses the Secret %s with S3 keys. It goes when the Cluster goes; to remove it now, delete it with kubectl.", key)))
	}
}

// beginArchive takes the base backup that an archive of a living database begins or goes on with: until there is one,
// nothing that is archived from now on can be restored.
func beginArchive(ctx context.Context, client *cnpg.Client, cluster *cnpgv1.Cluster, wait bool) error {
	var err error
	if wait {
		err = takeBackup(ctx, client, cluster)
	} else {
		_, err = firstBackup(ctx, client, cluster)
	}
	if err != nil {
		return fmt.Errorf("the first base backup in the folder %s: %w", cnpg.ServerName(cluster), err)
	}
	return nil
}

// owedBackup is the base backup that an archive begins or goes on with, in an update that may have to leave it to the next one.
type owedBackup struct {
	is     bool // whether it is owed at all
	before bool // whether an attempt before this one has left it
	anew   bool // whether the update itself begins what is to have one; it waits for that, whatever a schedule takes beside it

	podsChange bool     // whether the pods cannot take it yet, and nobody waits for them
	lack       []string // what they lack, as far as it is to be seen
	scheduled  bool     // whether the schedule takes it
}

// lookAtPods finds out whether the pods can take a base backup already. What CNPG has not looked at yet they do not show.
func (o *owedBackup) lookAtPods(ctx context.Context, client *cnpg.Client, live, cluster *cnpgv1.Cluster) error {
	if cnpg.TurnsStore(live, cluster) {
		o.podsChange = true
		return nil
	}
	var err error
	o.lack, err = client.ArchivePodsLack(ctx, cluster)
	o.podsChange = len(o.lack) > 0
	return err
}

// lookAtSchedule finds out, before the schedule is applied, whether that takes the base backup: one that is made now begins with it,
// unless CNPG takes the one of a former schedule for it, and one that is there may have completed it since the apply that owes it.
func (o *owedBackup) lookAtSchedule(ctx context.Context, client *cnpg.Client, live *cnpgv1.Cluster, backup *backupSettings) error {
	if !o.is || o.anew || o.podsChange || !backup.schedules() || !backup.Immediate.ValueBool() {
		return nil
	}
	if !o.before { // that there is neither a schedule nor such a Backup is why it does not begin anew
		o.scheduled = true
		return nil
	}
	scheduled, err := readSchedule(ctx, client, cnpg.KeyOf(live))
	if err != nil {
		return err
	}
	took, err := tookImmediate(ctx, client, cnpg.KeyOf(live), func(b *cnpgv1.Backup) bool {
		return scheduled == nil || b.Status.Phase == cnpgv1.BackupPhaseCompleted && !b.CreationTimestamp.Time.Before(cnpg.AppliedAt(live))
	})
	o.scheduled = took == (scheduled != nil)
	return err
}
