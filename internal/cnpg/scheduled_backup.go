package cnpg

import (
	"context"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const scheduledBackups = "scheduledbackups"

// GetScheduledBackup reads a ScheduledBackup; [ErrNotFound] where there is none.
func (c *Client) GetScheduledBackup(ctx context.Context, key Key) (*cnpgv1.ScheduledBackup, error) {
	scheduled := &cnpgv1.ScheduledBackup{}
	if err := c.get(ctx, c.cnpg, scheduledBackups, key, scheduled); err != nil {
		return nil, explain(err, "ScheduledBackup", key)
	}
	return scheduled, nil
}

// ApplyScheduledBackup creates or changes a ScheduledBackup by server-side apply.
func (c *Client) ApplyScheduledBackup(ctx context.Context, scheduled *cnpgv1.ScheduledBackup) (*cnpgv1.ScheduledBackup, error) {
	key := KeyOf(scheduled)
	scheduled = scheduled.DeepCopy()
	scheduled.TypeMeta = metav1.TypeMeta{APIVersion: cnpgv1.SchemeGroupVersion.String(), Kind: "ScheduledBackup"}
	fields, err := fieldsOf(scheduled)
	if err != nil {
		return nil, err
	}
	applied := &cnpgv1.ScheduledBackup{}
	if err := apply(ctx, c.cnpg, scheduledBackups, key, fields, applyOptions{manager: FieldManager}, applied); err != nil {
		return nil, explain(err, "ScheduledBackup", key)
	}
	return applied, nil
}

// DeleteScheduledBackup deletes a ScheduledBackup; it is no error when it is gone already.
func (c *Client) DeleteScheduledBackup(ctx context.Context, key Key) error {
	err := c.delete(ctx, c.cnpg, scheduledBackups, key, &metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return explain(err, "ScheduledBackup", key)
}
