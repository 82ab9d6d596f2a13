package cnpg

import (
	"context"
	"fmt"
	"slices"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// BlockingBackupError is a Backup that holds every later one of its Cluster back: CNPG takes one that it gave up since
// archiving failed for one that is still to come.
type BlockingBackupError struct{ Key Key }

func (e *BlockingBackupError) Error() string {
	return fmt.Sprintf("the Backup %s, which CNPG gave up since WAL archiving failed, holds every later one back: delete it first", e.Key)
}

// FindBackup finds the newest Backup that the provider made for a Cluster itself, in the folder that the Cluster archives
// to, and that will do; nil where there is none. What would hold the next one back is removed where it is such a one too, and
// else a [BlockingBackupError].
func (c *Client) FindBackup(ctx context.Context, cluster *cnpgv1.Cluster, will func(*cnpgv1.Backup) bool) (*cnpgv1.Backup, error) {
	all, err := c.ListBackups(ctx, KeyOf(cluster))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b cnpgv1.Backup) int { return oldestFirst(&b, &a) })
	var found *cnpgv1.Backup
	for _, backup := range all {
		own := backup.Annotations[AnnotationNonce] != "" && ownedBy(&backup, cluster.UID)
		switch {
		case backup.Status.Phase == cnpgv1.BackupPhaseWalArchivingFailing && !own:
			return nil, &BlockingBackupError{Key: KeyOf(&backup)}
		case backup.Status.Phase == cnpgv1.BackupPhaseWalArchivingFailing:
			if err := c.DeleteBackup(ctx, KeyOf(&backup)); err != nil {
				return nil, err
			}
		case found == nil && own && liesWith(&backup, cluster) && will(&backup):
			found = &backup
		}
	}
	return found, nil
}

// liesWith tells whether a Backup lies in the folder that a Cluster archives to. One that has not begun goes wherever the
// Cluster archives when it does.
func liesWith(backup *cnpgv1.Backup, cluster *cnpgv1.Cluster) bool {
	store, status := Archiver(cluster), backup.Status
	return store != nil && (status.ServerName == "" ||
		status.ServerName == ServerName(cluster) && status.DestinationPath == store.DestinationPath && status.EndpointURL == store.EndpointURL)
}

// BackupRuns tells whether CNPG has still to end a Backup.
func BackupRuns(backup *cnpgv1.Backup) bool {
	switch backup.Status.Phase {
	case cnpgv1.BackupPhaseCompleted, cnpgv1.BackupPhaseFailed, cnpgv1.BackupPhaseWalArchivingFailing, cnpgv1.BackupPhaseDefinitionInvalid:
		return false
	}
	return true
}

// AppliedAt is when an apply of [FieldManager] last changed an object; zero where none has.
func AppliedAt(object metav1.Object) time.Time {
	var at time.Time
	for _, entry := range object.GetManagedFields() {
		if entry.Manager == FieldManager && entry.Operation == metav1.ManagedFieldsOperationApply && entry.Time != nil && entry.Time.After(at) {
			at = entry.Time.Time
		}
	}
	return at
}
