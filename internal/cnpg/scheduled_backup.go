package cnpg

import (
	"context"
	"slices"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
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

// ApplyScheduledBackup creates or changes a ScheduledBackup by server-side apply. A field that another manager owns is a
// [ConflictError], unless ownership lets it be taken over.
func (c *Client) ApplyScheduledBackup(ctx context.Context, scheduled *cnpgv1.ScheduledBackup, ownership Ownership[cnpgv1.ScheduledBackup]) (*cnpgv1.ScheduledBackup, error) {
	key := KeyOf(scheduled)
	fields, err := scheduledFields(scheduled)
	if err != nil {
		return nil, err
	}
	var before map[string]any
	if ownership.Before != nil {
		if before, err = scheduledFields(ownership.Before); err != nil {
			return nil, err
		}
	}
	applied, err := applyOwned[cnpgv1.ScheduledBackup](ctx, c.cnpg, scheduledBackups, key, fields, before, ownership.Force)
	if err != nil {
		return nil, explain(err, "ScheduledBackup", key)
	}
	return applied, nil
}

func scheduledFields(scheduled *cnpgv1.ScheduledBackup) (map[string]any, error) {
	scheduled = scheduled.DeepCopy()
	scheduled.TypeMeta = metav1.TypeMeta{APIVersion: cnpgv1.SchemeGroupVersion.String(), Kind: "ScheduledBackup"}
	return fieldsOf(scheduled)
}

// DeleteScheduledBackup deletes a ScheduledBackup; it is no error when it is gone already. One that belongs to another
// Cluster than that with the UID owner is left alone.
func (c *Client) DeleteScheduledBackup(ctx context.Context, key Key, owner types.UID) error {
	return explain(c.deleteOf(ctx, c.cnpg, scheduledBackups, key, owner, anybodys), "ScheduledBackup", key)
}

// anybodys: the schedule of an imported database was made by others, and goes with it.
func anybodys(metav1.Object) bool { return true }

// ListScheduledBackups are the ScheduledBackups of a Cluster, whatever they are called.
func (c *Client) ListScheduledBackups(ctx context.Context, key Key) ([]cnpgv1.ScheduledBackup, error) {
	list := &cnpgv1.ScheduledBackupList{}
	if err := c.cnpg.Get().Namespace(key.Namespace).Resource(scheduledBackups).Do(ctx).Into(list); err != nil {
		return nil, explain(err, "ScheduledBackups of", key)
	}
	return slices.DeleteFunc(list.Items, func(s cnpgv1.ScheduledBackup) bool { return s.Spec.Cluster.Name != key.Name }), nil
}
