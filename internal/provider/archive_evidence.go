package provider

import (
	"context"
	"fmt"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// What proves that the archive of a database works: a base backup in it, or a WAL segment that has just been ended.

// takeBackup takes the base backup that a database's archive begins with, and waits for it.
func takeBackup(ctx context.Context, client *cnpg.Client, cluster *cnpgv1.Cluster) error {
	backup, err := firstBackup(ctx, client, cluster)
	if err != nil {
		return err
	}
	return awaitBackup(ctx, client, cluster, backup, func(context.Context, *cnpgv1.Backup) error { return nil })
}

// awaitBackup waits for a base backup that a database is given on the way, for as long as its archiving does not fail, and has
// check look at what came of it. One that fails is removed, since it could hold the next one back. One that is not done when
// the time is over goes on: a large database may need longer than one operation has. One that is completed stays, whatever check
// says: it is in S3, and holds nothing back.
func awaitBackup(ctx context.Context, client *cnpg.Client, cluster *cnpgv1.Cluster, backup *cnpgv1.Backup, check func(context.Context, *cnpgv1.Backup) error) error {
	completed := false
	err := client.WhileArchiving(ctx, cnpg.KeyOf(cluster), func(ctx context.Context) error {
		done, err := client.WaitBackup(ctx, cnpg.KeyOf(backup))
		if err != nil {
			return err
		}
		completed = true
		return check(ctx, done)
	})
	if err == nil || completed {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%w\nThe Backup %s goes on; the next attempt waits for it instead of taking another", err, cnpg.KeyOf(backup))
	}
	removing, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
	defer cancel()
	if removeErr := client.DeleteBackup(removing, cnpg.KeyOf(backup)); removeErr != nil {
		err = fmt.Errorf("%w (and its Backup object could not be removed: %w)", err, removeErr)
	}
	return err
}

// removeTimeout bounds the removal of what a failed operation leaves, which goes on when Terraform is interrupted.
const removeTimeout = 30 * time.Second

// firstBackup is the base backup that a database's archive begins with: one that was begun since the apply that the archive
// begins with, or a new one.
func firstBackup(ctx context.Context, client *cnpg.Client, cluster *cnpgv1.Cluster) (*cnpgv1.Backup, error) {
	return backupThat(ctx, client, cluster, ownBackup(cluster), func(begun *cnpgv1.Backup) bool {
		return (begun.Status.Phase == cnpgv1.BackupPhaseCompleted || cnpg.BackupRuns(begun)) &&
			!begun.CreationTimestamp.Time.Before(cnpg.AppliedAt(cluster))
	})
}

// beginBackup begins a base backup, unless one that CNPG gave up would hold it back for ever.
func beginBackup(ctx context.Context, client *cnpg.Client, cluster *cnpgv1.Cluster, request cnpg.BackupRequest) (*cnpgv1.Backup, error) {
	return backupThat(ctx, client, cluster, request, func(*cnpgv1.Backup) bool { return false })
}

// backupThat is a base backup that was begun on the way before and will do, or a new one.
func backupThat(ctx context.Context, client *cnpg.Client, cluster *cnpgv1.Cluster, request cnpg.BackupRequest, will func(*cnpgv1.Backup) bool) (*cnpgv1.Backup, error) {
	if begun, err := client.FindBackup(ctx, cluster, will); err != nil || begun != nil {
		return begun, err
	}
	request.Labels = cnpg.ChildLabels(cluster)
	return client.CreateBackup(ctx, cluster, time.Now(), request)
}

// ownBackup is a base backup that a database is given on the way, not by a pgplatform_backup: it goes with the Cluster.
func ownBackup(cluster *cnpgv1.Cluster) cnpg.BackupRequest {
	return cnpg.BackupRequest{Owners: []metav1.OwnerReference{cnpg.OwnerReference(cluster)}}
}

// reachArchive is an error where the archive of a database cannot be looked at from here.
func (b *backend) reachArchive(ctx context.Context, cluster *cnpgv1.Cluster) error {
	s3, location, err := b.openArchive(ctx, cluster)
	if err != nil {
		return err
	}
	return s3.CheckLocation(ctx, location)
}

// waitForSegment waits until a WAL segment is in a database's archive. S3 may give no answer for the time outage.
func (b *backend) waitForSegment(ctx context.Context, source *cnpgv1.Cluster, segment string, outage time.Duration) error {
	s3, loc, err := b.openArchive(ctx, source)
	if err != nil {
		return err
	}
	return lookUntil(ctx, outage, func(ctx context.Context) (bool, error) {
		return s3.HasSegment(ctx, loc, cnpg.ServerName(source), segment)
	})
}

// waitForWAL waits until a database's archive has all WAL from the begin of a base backup to the end of a segment.
//
// PostgreSQL has one segment archived after the other, so that of a database that uploads one at a time none is missing before the
// last. Where several are uploaded at once, the last may arrive first. what is what the segment ends.
func (b *backend) waitForWAL(ctx context.Context, source *cnpgv1.Cluster, backupID, last, what string) error {
	if err := b.waitForSegment(ctx, source, last, b.pace.outage); err != nil {
		return fmt.Errorf("the WAL segment %s, which ends %s, is not in S3: %w", last, what, err)
	}
	if parallelOf(source) == 1 {
		return nil
	}
	s3, loc, err := b.openArchive(ctx, source)
	if err != nil {
		return err
	}
	var missing error
	err = lookUntil(ctx, b.pace.outage, func(ctx context.Context) (bool, error) {
		catalog, err := s3.Catalog(ctx, loc, cnpg.ServerName(source))
		if err != nil {
			return false, err
		}
		missing = catalog.LeadsTo(backupID, last)
		return missing == nil, nil
	})
	switch {
	case err == nil:
		return nil
	case missing != nil:
		err = fmt.Errorf("%w (%w)", err, missing)
	}
	return fmt.Errorf("not all WAL before the segment %s, which ends %s, is in S3: %w", last, what, err)
}

// lookUntil looks into S3 until something is found there. S3 may give no answer for the time outage.
func lookUntil(ctx context.Context, outage time.Duration, look func(context.Context) (found bool, err error)) error {
	answered, trouble := time.Now(), error(nil)
	err := wait.PollUntilContextCancel(ctx, archiveInterval, true, func(ctx context.Context) (bool, error) {
		found, err := look(ctx)
		if archive.Unreachable(err) && time.Since(answered) < outage {
			trouble = err
			return false, nil
		}
		answered, trouble = time.Now(), nil
		return found, err
	})
	if err != nil && trouble != nil {
		err = fmt.Errorf("%w (%w)", err, trouble)
	}
	return err
}

const (
	// flushTimeout bounds the attempt to commit on a database: one that is in trouble is what people restore from.
	flushTimeout    = time.Minute
	archiveInterval = time.Second
)

// flush commits on a database's primary and ends the WAL segment.
func flush(ctx context.Context, client *cnpg.Client, key cnpg.Key) (cnpg.Flushed, error) {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	return client.Flush(ctx, key)
}

// reachesAnew tells whether pods reach S3 in another way than before an apply. CNPG's condition says of the last segment
// that it was archived, which may have been before the change.
func reachesAnew(before, applied *cnpgv1.Cluster) bool {
	return cnpg.Archiver(applied) != nil && (wiringOf(before) != wiringOf(applied) || folderOf(before) != folderOf(applied) ||
		before.Annotations[cnpg.AnnotationCredentials] != applied.Annotations[cnpg.AnnotationCredentials])
}

// provesArchiving has a database archive a segment, and waits until S3 has it: an error where archiving fails, a warning
// where that cannot be seen.
func (b *backend) provesArchiving(ctx context.Context, client *cnpg.Client, cluster *cnpgv1.Cluster, diags *diag.Diagnostics) error {
	key := cnpg.KeyOf(cluster)
	err := b.reachArchive(ctx, cluster)
	var flushed cnpg.Flushed
	if err == nil {
		flushed, err = flush(ctx, client, key)
	}
	if err != nil && ctx.Err() == nil {
		diags.AddWarning("Archiving Not Verified", paragraphs(sentence(err), fmt.Sprintf(
			"The way in which the pods of %s reach S3 was changed, and whether they archive in the new one could not be seen from here: "+
				"archive.continuous_archiving says so after the next WAL segment.", key)))
		return nil
	}
	if err != nil {
		return err
	}
	return client.WhileArchiving(ctx, key, func(ctx context.Context) error {
		if err := b.waitForSegment(ctx, cluster, flushed.Segment, b.pace.outage); err != nil {
			return fmt.Errorf("the WAL segment %s, which ends after the change, is not in S3: %w", flushed.Segment, err)
		}
		return nil
	})
}
