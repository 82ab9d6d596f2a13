package provider

import (
	"context"
	"fmt"
	"slices"
	"strings"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

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
	wake := ""
	if cnpg.Hibernates(live) {
		wake = wakeUp(key)
	}
	diags.AddAttributeError(path.Root("final_backup"), summary, paragraphs(
		"The final backup could not be taken: "+ended(err), remedy(err), wake,
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
	// One that an earlier attempt has left and that still runs ends later than now, as a new one would.
	backup, err := client.FindBackup(ctx, live, func(begun *cnpgv1.Backup) bool {
		return cnpg.BackupRuns(begun) || endedFinal(begun) && !begun.CreationTimestamp.Time.Before(cnpg.AppliedAt(live))
	})
	until := ""
	if err == nil && backup != nil && endedFinal(backup) {
		if until = b.stillHolds(ctx, client, live, backup); until == "" {
			backup = nil
		}
	}
	if err == nil && backup == nil {
		request := ownBackup(live)
		request.Final = true
		backup, err = beginBackup(ctx, client, live, request)
	}
	if err != nil {
		return err
	}
	return awaitBackup(ctx, client, live, backup, func(ctx context.Context, done *cnpgv1.Backup) error {
		err := b.waitForWAL(ctx, live, done.Status.BackupID, done.Status.EndWal, "the backup "+done.Name)
		if err != nil || until == "" {
			return err
		}
		return b.waitForWAL(ctx, live, done.Status.BackupID, until, "what was written since the backup "+done.Name)
	})
}

// endedFinal tells whether a Backup is the last one that an earlier destroy has begun, and is completed.
func endedFinal(backup *cnpgv1.Backup) bool {
	return backup.Annotations[cnpg.AnnotationFinal] != "" && backup.Status.Phase == cnpgv1.BackupPhaseCompleted
}

// stillHolds ends a WAL segment now, and returns its name where a completed backup holds, with the WAL up to that segment, all
// that is written until now; "" where that is not certain, so that another backup has to be taken.
//
// PostgreSQL has the segments of a timeline archived in their order, and keeps each until it is: all between gets to S3 too, see
// waitForWAL. That holds on the backup's timeline alone, since after a failover nobody may have archived what the former
// primary had not. S3 must have the backup itself, which retention may have removed. Where one is newer, the database
// has lived on since, and a last backup is due as before.
func (b *backend) stillHolds(ctx context.Context, client *cnpg.Client, live *cnpgv1.Cluster, backup *cnpgv1.Backup) (segment string) {
	all, err := client.ListBackups(ctx, cnpg.KeyOf(live))
	if err != nil || slices.ContainsFunc(all, func(other cnpgv1.Backup) bool {
		return other.Status.Phase == cnpgv1.BackupPhaseCompleted && other.CreationTimestamp.After(backup.CreationTimestamp.Time)
	}) {
		return ""
	}
	s3, location, err := b.openArchive(ctx, live)
	if err != nil {
		return ""
	}
	there, err := s3.Backup(ctx, location, cnpg.ServerName(live), backup.Status.BackupID)
	if err != nil || there.Status != recovery.StatusDone || there.EndWAL != backup.Status.EndWal || len(there.EndWAL) < timelineDigits {
		return ""
	}
	flushed, err := flush(ctx, client, cnpg.KeyOf(live))
	if cnpg.MissingRight(err) {
		cnpg.DoWithout(ctx, err, fmt.Sprintf("what was written since the backup %s of an earlier destroy cannot be told to be in S3, so another one is taken", backup.Name))
	}
	if err != nil || !strings.HasPrefix(flushed.Segment, there.EndWAL[:timelineDigits]) {
		return ""
	}
	return flushed.Segment
}

// timelineDigits are the first ones of the name of a WAL segment.
const timelineDigits = 8
