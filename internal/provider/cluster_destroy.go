package provider

import (
	"context"
	"errors"
	"fmt"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	k8stypes "k8s.io/apimachinery/pkg/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// destruction is what the state says of a destroy.
type destruction struct {
	kind        string // of resource
	of          cnpg.Key
	is          standsFor
	seen        archiveSeen // of a database
	protection  types.Bool
	finalBackup types.Bool
	limits      timeouts.Value
	schedules   bool // whether an apply puts a missing schedule back
}

// destroyCluster deletes a Cluster and what belongs to it, the schedule first, so that it starts no backup on the way.
// It is the last to look at the state's protection, whatever a plan has said. Where a last backup is asked for, nothing is
// deleted before S3 has it.
func (b *backend) destroyCluster(ctx context.Context, summary string, d destruction, diags *diag.Diagnostics) {
	timeout, problems := d.limits.Delete(ctx, defaultDeleteTimeout)
	diags.Append(problems...)
	if diags.HasError() {
		return
	}
	if d.protection.ValueBool() {
		refuseDestroy(d.of, diags)
		return
	}
	ctx, cancel := within(ctx, "delete", timeout)
	defer cancel()
	client, err := b.kubernetesClient(ctx)
	if err != nil {
		addConnectionError(diags, summary, err)
		return
	}
	live, err := client.GetCluster(ctx, d.of)
	if errors.Is(err, cnpg.ErrNotFound) {
		live, err = nil, nil
	}
	if err != nil {
		addFailure(diags, summary, overdue(ctx, err), stateAfterDestroy(d.of), "Nothing was destroyed.")
		return
	}
	if live != nil && !d.is.is(live) {
		diags.AddError(summary, paragraphs(anotherHasTheName(d.kind, d.of), "Nothing was destroyed."))
		return
	}
	if d.finalBackup.ValueBool() && live != nil && !b.takeFinalBackup(ctx, client, live, summary, diags) {
		return
	}
	adopted := d.seen.AdoptedSchedule
	var owner k8stypes.UID // what is left of a Cluster that is gone belongs to none, or Kubernetes removes it
	if live != nil {
		owner = live.UID
		adopted = d.seen.hasAdopted(live)
	}
	err = client.DeleteScheduledBackup(ctx, d.of, owner, adopted)
	if err == nil && live != nil {
		err = client.DeleteCluster(ctx, live)
	}
	lives := d.schedule(live, err)
	if err == nil && live != nil {
		err = client.WaitDeleted(ctx, live)
	}
	if err == nil {
		err = client.DeleteSecret(ctx, cnpg.Key{Namespace: d.of.Namespace, Name: credentialsSecretName(d.of.Name)}, owner)
		var refused *cnpg.AdmissionError
		if errors.Is(err, cnpg.ErrForbidden) || errors.As(err, &refused) { // it belongs to the Cluster, and goes with it
			err = nil
		}
	}
	if err != nil {
		addFailure(diags, summary, overdue(ctx, err), lives, stateAfterDestroy(d.of))
	}
}

// schedule says that a database has lost its schedule already, where err, of the attempt to delete it, lets it live on.
func (d destruction) schedule(live *cnpgv1.Cluster, err error) string {
	if err == nil || live == nil || live.DeletionTimestamp != nil || cnpg.Archiver(live) == nil || errors.Is(err, cnpg.ErrReplaced) {
		return ""
	}
	text := "Its schedule may be gone already: for as long as the database lives on, no base backups are taken by it."
	if d.schedules {
		text += " To keep the database, apply: that puts the schedule back."
	}
	return text
}

func stateAfterDestroy(key cnpg.Key) string {
	return fmt.Sprintf("The Cluster %s stays in Terraform's state; destroy again when the cause is mended.", key)
}

// planFinalBackup refuses to plan the destroy of a database of which no last backup can be taken, since somebody has ended its
// archiving. A state that was never read does not tell.
func planFinalBackup(state *databaseModel, diags *diag.Diagnostics) {
	if diags.HasError() || !state.FinalBackup.ValueBool() || !state.Archive.IsNull() || state.Status.IsNull() {
		return
	}
	diags.AddAttributeError(path.Root("final_backup"), "Final Backup Without Backups", paragraphs(
		fmt.Sprintf("The database %s archives nowhere now, so the last backup that final_backup asks for cannot be taken. Nothing was changed.", state.key()),
		"To have it archive again, apply the configuration. To destroy the database without a last backup, first apply final_backup = false."))
}

// takeFinalBackup takes the last backup of a database that is to be destroyed; false, with an error, where that fails.
func (b *backend) takeFinalBackup(ctx context.Context, client *cnpg.Client, live *cnpgv1.Cluster, summary string, diags *diag.Diagnostics) bool {
	key := cnpg.KeyOf(live)
	if live.DeletionTimestamp != nil {
		diags.AddWarning("No Final Backup", fmt.Sprintf("The Cluster %s is being deleted already, so no last backup can be taken of it.", key))
		return true
	}
	err := b.finalBackup(ctx, client, live)
	if err == nil {
		// The backup may have taken long: what is deleted is the database that was backed up, with all that belongs to it.
		var now *cnpgv1.Cluster
		if now, err = client.GetCluster(ctx, key); err == nil && now.UID != live.UID {
			err = fmt.Errorf("Cluster %s: %w", key, cnpg.ErrReplaced)
		}
	}
	if err == nil {
		return true
	}
	err = overdue(ctx, err)
	diags.AddAttributeError(path.Root("final_backup"), summary, paragraphs(
		"The final backup could not be taken: "+sentence(err), remedy(err),
		fmt.Sprintf("Nothing was destroyed; the database %s stays as it is, in Kubernetes and in Terraform's state.", key),
		"Destroy again when the cause is mended. To destroy the database without a last backup, first apply final_backup = false."))
	return false
}

// finalBackup takes a base backup and returns when S3 has the WAL that it needs.
func (b *backend) finalBackup(ctx context.Context, client *cnpg.Client, live *cnpgv1.Cluster) error {
	if cnpg.Archiver(live) == nil {
		return errNoArchive
	}
	if why := cnpg.BackupRefused(live); why != "" {
		return fmt.Errorf("no backup can be taken of Cluster %s as it stands: %s", cnpg.KeyOf(live), why)
	}
	if err := client.ArchivingFails(ctx, live); err != nil {
		return err
	}
	// Whether S3 has the backup can only be seen where S3 can be seen.
	if err := b.reachArchive(ctx, live); err != nil {
		return err
	}
	// One that an earlier attempt has left ends later than now, as a new one would.
	backup, err := backupThat(ctx, client, live, ownBackup(live), cnpg.BackupRuns)
	if err != nil {
		return err
	}
	return awaitBackup(ctx, client, live, backup, func(ctx context.Context, done *cnpgv1.Backup) error {
		if err := b.waitForSegment(ctx, live, done.Status.EndWal, b.pace.outage); err != nil {
			return fmt.Errorf("the WAL segment %s, which ends the backup %s, is not in S3: %w", done.Status.EndWal, done.Name, err)
		}
		return nil
	})
}
