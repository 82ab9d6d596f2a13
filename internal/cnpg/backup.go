package cnpg

import (
	"context"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
)

const (
	backups = "backups"

	// LabelScheduledBackup is CNPG's label on Backups that a schedule made.
	LabelScheduledBackup = "cnpg.io/scheduled-backup"
	// LabelImmediateBackup is CNPG's label on the first Backup of a schedule with immediate set.
	LabelImmediateBackup = "cnpg.io/immediateBackup"
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
	return backup, nil
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
			of = append(of, b)
		}
	}
	return of, nil
}

// CreateBackup makes an on-demand Backup of a Cluster, named by [BackupName] for the instant at; a name that is taken
// moves to the next free second. A Backup's spec cannot change, so it is created, not applied.
func (c *Client) CreateBackup(ctx context.Context, cluster Key, at time.Time, labels map[string]string) (*cnpgv1.Backup, error) {
	created := &cnpgv1.Backup{}
	key := Key{Namespace: cluster.Namespace}
	err := retry.OnError(retry.DefaultRetry, apierrors.IsAlreadyExists, func() error {
		key.Name = BackupName(cluster.Name, at)
		at = at.Add(time.Second)
		backup := &cnpgv1.Backup{
			TypeMeta:   metav1.TypeMeta{APIVersion: cnpgv1.SchemeGroupVersion.String(), Kind: "Backup"},
			ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, Labels: labels},
			Spec: cnpgv1.BackupSpec{
				Cluster: cnpgv1.LocalObjectReference{Name: cluster.Name},
				Method:  cnpgv1.BackupMethodBarmanObjectStore,
			},
		}
		return c.cnpg.Post().Namespace(key.Namespace).Resource(backups).
			Param("fieldManager", FieldManager).Param("fieldValidation", "Strict").
			Body(backup).Do(ctx).Into(created)
	})
	if err != nil {
		return nil, explain(err, "Backup", key)
	}
	return created, nil
}

// DeleteBackup deletes a Backup object; what it put into S3 stays. It is no error when it is gone already.
func (c *Client) DeleteBackup(ctx context.Context, key Key) error {
	err := c.delete(ctx, c.cnpg, backups, key, &metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return explain(err, "Backup", key)
}
