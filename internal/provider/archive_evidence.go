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

// takeBackup takes a base backup of a database, waits for as long as its archiving does not fail, and has check look at
// what came of it. The Backup belongs to the Cluster; one that fails is removed, since it could hold the next one back.
func takeBackup(ctx context.Context, client *cnpg.Client, cluster *cnpgv1.Cluster, check func(context.Context, *cnpgv1.Backup) error) error {
	backup, err := beginBackup(ctx, client, cluster, ownBackup(cluster))
	if err != nil {
		return err
	}
	err = client.WhileArchiving(ctx, cnpg.KeyOf(cluster), func(ctx context.Context) error {
		done, err := client.WaitBackup(ctx, cnpg.KeyOf(backup))
		if err != nil {
			return err
		}
		return check(ctx, done)
	})
	if err != nil {
		removing, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
		defer cancel()
		if removeErr := client.DeleteBackup(removing, cnpg.KeyOf(backup)); removeErr != nil {
			err = fmt.Errorf("%w (and its Backup object could not be removed: %w)", err, removeErr)
		}
	}
	return err
}

// removeTimeout bounds the removal of what a failed operation leaves, which goes on when Terraform is interrupted.
const removeTimeout = 30 * time.Second

// beginBackup begins a base backup, unless one that CNPG gave up would hold it back for ever.
func beginBackup(ctx context.Context, client *cnpg.Client, cluster *cnpgv1.Cluster, request cnpg.BackupRequest) (*cnpgv1.Backup, error) {
	key := cnpg.KeyOf(cluster)
	switch blocking, err := client.BlockingBackup(ctx, key); {
	case err != nil:
		return nil, err
	case blocking != "":
		return nil, fmt.Errorf("the Backup %s/%s, which CNPG gave up since WAL archiving failed, holds every later one back: delete it first", key.Namespace, blocking)
	}
	request.Labels = childLabels(cluster)
	return client.CreateBackup(ctx, key, time.Now(), request)
}

// ownBackup is a base backup that a database is given on the way, not by a pgplatform_backup: it goes with the Cluster.
func ownBackup(cluster *cnpgv1.Cluster) cnpg.BackupRequest {
	return cnpg.BackupRequest{Owners: []metav1.OwnerReference{ownerReference(cluster)}}
}

// reachArchive is an error where the archive of a database cannot be looked at from here.
func (b *backend) reachArchive(ctx context.Context, cluster *cnpgv1.Cluster) error {
	s3, err := b.s3Client(ctx, b.storeOf(cluster))
	if err != nil {
		return err
	}
	location, err := locationOf(cluster)
	if err != nil {
		return err
	}
	return s3.CheckLocation(ctx, location)
}

// waitForSegment waits until a WAL segment is in a database's archive. S3 may give no answer for the time outage.
func (b *backend) waitForSegment(ctx context.Context, source *cnpgv1.Cluster, segment string, outage time.Duration) error {
	s3, err := b.s3Client(ctx, b.storeOf(source))
	if err != nil {
		return err
	}
	loc, err := locationOf(source)
	if err != nil {
		return err
	}
	answered, trouble := time.Now(), error(nil)
	err = wait.PollUntilContextCancel(ctx, archiveInterval, true, func(ctx context.Context) (bool, error) {
		found, err := s3.HasSegment(ctx, loc, cnpg.ServerName(source), segment)
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

// flush commits on a database's primary and ends the WAL segment, whose name it returns.
func flush(ctx context.Context, client *cnpg.Client, key cnpg.Key) (segment string, err error) {
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
	var segment string
	if err == nil {
		segment, err = flush(ctx, client, key)
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
		if err := b.waitForSegment(ctx, cluster, segment, b.pace.outage); err != nil {
			return fmt.Errorf("the WAL segment %s, which ends after the change, is not in S3: %w", segment, err)
		}
		return nil
	})
}
