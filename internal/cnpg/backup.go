package cnpg

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	backups = "backups"

	// LabelScheduledBackup is CNPG's label on Backups that a schedule made.
	LabelScheduledBackup = "cnpg.io/scheduled-backup"
	// LabelImmediateBackup is CNPG's label on the first Backup of a schedule with immediate set.
	LabelImmediateBackup = "cnpg.io/immediateBackup"
	// AnnotationFinal tells the last Backups of Clusters that were to be deleted from others of the provider's.
	AnnotationFinal = "pgplatform.io/final-backup"
)

// BackupName is the name of an on-demand Backup started at an instant: my-db-backup-20260326-142040, in UTC.
func BackupName(database string, at time.Time) string {
	return database + "-backup-" + at.UTC().Format("20060102-150405")
}

// GetBackup reads a Backup; [ErrNotFound] where there is none.
func (c *Client) GetBackup(ctx context.Context, key Key) (*cnpgv1.Backup, error) {
	backup := &cnpgv1.Backup{}
	if err := c.get(ctx, c.cnpg, backups, key, backup); err != nil {
		return nil, explain(err, "Backup", key)
	}
	return located(backup), nil
}

// ListBackups lists the Backups of a Cluster: all of its namespace whose spec names it.
func (c *Client) ListBackups(ctx context.Context, cluster Key) ([]cnpgv1.Backup, error) {
	list := &cnpgv1.BackupList{}
	err := c.cnpg.Get().Namespace(cluster.Namespace).Resource(backups).Do(ctx).Into(list)
	if err != nil {
		return nil, explain(err, "Backups of Cluster", cluster)
	}
	var of []cnpgv1.Backup
	for _, b := range list.Items {
		if b.Spec.Cluster.Name == cluster.Name {
			of = append(of, *located(&b))
		}
	}
	return of, nil
}

// BackupRequest is what is asked of an on-demand Backup besides its Cluster.
type BackupRequest struct {
	Target string // "primary" or "prefer-standby"; "" leaves it to the Cluster
	Labels map[string]string
	Owners []metav1.OwnerReference // with whom it goes
	Final  bool                    // whether it gets AnnotationFinal
}

// CreateBackup makes an on-demand Backup of a Cluster, named by [BackupName] for the instant at; a name that is taken
// moves to the next free second. A Backup's spec cannot change, so it is created, not applied.
//
// As for a Cluster, a nonce tells our own Backup from another's where an answer is lost, so that none is taken twice;
// where that cannot be asked, the error is [ErrOutcomeUnknown].
func (c *Client) CreateBackup(ctx context.Context, cluster *cnpgv1.Cluster, at time.Time, request BackupRequest) (*cnpgv1.Backup, error) {
	nonce, first := rand.Text(), at
	for range backupNames {
		key := Key{Namespace: cluster.Namespace, Name: BackupName(cluster.Name, at)}
		created, err := c.createBackup(ctx, key, cluster, nonce, request)
		if !errors.Is(err, ErrAlreadyExists) {
			return created, err
		}
		at = at.Add(time.Second)
	}
	return nil, fmt.Errorf("Backup %s and the %d seconds after it: %w", BackupName(cluster.Name, first), backupNames-1, ErrAlreadyExists)
}

// backupNames is how many seconds are tried for a free name.
const backupNames = 10

func (c *Client) createBackup(ctx context.Context, key Key, cluster *cnpgv1.Cluster, nonce string, request BackupRequest) (*cnpgv1.Backup, error) {
	backup := &cnpgv1.Backup{
		TypeMeta: metav1.TypeMeta{APIVersion: cnpgv1.SchemeGroupVersion.String(), Kind: "Backup"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: key.Namespace, Name: key.Name, Labels: request.Labels, Annotations: map[string]string{AnnotationNonce: nonce}, OwnerReferences: request.Owners,
		},
		Spec: cnpgv1.BackupSpec{
			Cluster: cnpgv1.LocalObjectReference{Name: cluster.Name},
			Target:  cnpgv1.BackupTarget(request.Target),
		},
	}
	backup.Spec.Method, backup.Spec.PluginConfiguration = BackupBy(MethodOf(cluster))
	if at := locationOf(cluster); at != "" {
		backup.Annotations[AnnotationLocation] = at
	}
	if request.Final {
		backup.Annotations[AnnotationFinal] = "true"
	}
	created := &cnpgv1.Backup{}
	err := c.cnpg.Post().Namespace(key.Namespace).Resource(backups).
		Param("fieldManager", FieldManager).Param("fieldValidation", "Strict").
		Body(backup).Do(ctx).Into(created)
	if err == nil {
		return located(created), nil
	}
	if !mayHaveArrived(err) {
		return nil, explain(err, "Backup", key)
	}
	existing, askErr := again(ctx, func(ctx context.Context) (*cnpgv1.Backup, error) { return c.GetBackup(ctx, key) })
	switch {
	case askErr == nil && existing.Annotations[AnnotationNonce] == nonce:
		return existing, nil
	case askErr == nil:
		return nil, fmt.Errorf("Backup %s: %w", key, ErrAlreadyExists)
	case !errors.Is(askErr, ErrNotFound):
		return nil, fmt.Errorf("Backup %s: %w: %w", key, ErrOutcomeUnknown, err)
	}
	return nil, explain(err, "Backup", key)
}

// DeleteBackup deletes a Backup object; what it put into S3 stays. It is no error when it is gone already.
func (c *Client) DeleteBackup(ctx context.Context, key Key) error {
	err := c.delete(ctx, c.cnpg, backups, key, &metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return explain(err, "Backup", key)
}
