package provider

import (
	"context"
	"errors"
	"fmt"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

// backupStore is how the archive of a backup is reached, beside the path that the state has: private data, since the
// database may be gone, or archive elsewhere, when the backup is looked up.
type backupStore struct {
	Override    string `json:"override,omitempty"`     // the database's object_store, as its Cluster keeps it
	PodEndpoint string `json:"pod_endpoint,omitempty"` // the Cluster's endpointURL
}

const privateBackupStore = "store"

func backupStoreOf(cluster *cnpgv1.Cluster) backupStore {
	return backupStore{Override: cluster.Annotations[cnpg.AnnotationObjectStore], PodEndpoint: cnpg.Archiver(cluster).EndpointURL}
}

func (s backupStore) leave(ctx context.Context, private privateState, diags *diag.Diagnostics) {
	leavePrivate(ctx, private, privateBackupStore, s, diags)
}

// keptBackupStore is what was left; ok is false where nothing was, as after an import.
func keptBackupStore(ctx context.Context, private privateState, diags *diag.Diagnostics) (kept backupStore, ok bool) {
	return keptPrivate[backupStore](ctx, private, privateBackupStore, diags)
}

// backupInS3 reads a backup from S3: archive.ErrNoBackup where it is there no more.
func (b *backend) backupInS3(ctx context.Context, backup *backupModel, kept backupStore) (*recovery.Backup, error) {
	if b.store == nil {
		return nil, errNotKnown
	}
	store := b.store.with(parseOverride(kept.Override))
	store.destinationPath, store.podEndpointURL = backup.DestinationPath.ValueString(), kept.PodEndpoint
	client, err := b.s3Client(ctx, store)
	if err != nil {
		return nil, err
	}
	loc, err := archive.ParseDestinationPath(store.destinationPath)
	if err != nil {
		return nil, err
	}
	return client.Backup(ctx, loc, backup.ServerName.ValueString(), backup.BackupID.ValueString())
}

// complete adds to a backup that has just ended what S3 knows of it, where S3 can be reached from here.
func (b *backend) complete(ctx context.Context, backup *backupModel, store backupStore, diags *diag.Diagnostics) {
	found, err := b.backupInS3(ctx, backup, store)
	switch {
	case err == nil:
		backup.fromArchive(found)
	case errors.Is(err, archive.ErrNoBackup):
		diags.AddWarning("Backup Not Seen in S3", paragraphs(sentence(err),
			"CNPG says that the backup is completed. Do the pods reach another S3 than Terraform does? Compare endpoint_url and pod_endpoint_url."))
	}
}

// lookUp asks S3 whether it still has a backup that was completed. Where S3 does not answer the backup stays as it was seen
// last; that is told only where nothing else, such as a Backup object, speaks for it.
func (b *backend) lookUp(ctx context.Context, backup *backupModel, kept backupStore, before types.String, alone bool, diags *diag.Diagnostics) {
	found, err := b.backupInS3(ctx, backup, kept)
	switch {
	case err == nil:
		backup.Status = types.StringValue(string(backupCompleted))
		backup.fromArchive(found)
	case errors.Is(err, archive.ErrNoBackup):
		backup.Status = types.StringValue(string(backupExpired))
	case !alone && backup.is(backupCompleted) && before.ValueString() == string(backupExpired):
		backup.Status = before
	case alone:
		diags.AddWarning("Backup Not Looked Up", paragraphs(sentence(err),
			fmt.Sprintf("The Backup object %s is gone, and whether S3 still has the base backup %s could not be seen, so it is taken as it was seen last: %s.",
				backup.ID.ValueString(), backup.BackupID.ValueString(), backup.Status.ValueString())))
	}
}
