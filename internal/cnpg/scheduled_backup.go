package cnpg

import (
	"context"
	"errors"
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
	applied, err := applyOwned[cnpgv1.ScheduledBackup](ctx, c.cnpg, scheduledBackups, key, fields, before, ownership.Force, false)
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

// Schedules tells whether a ScheduledBackup takes base backups of a Cluster into an archive: it names the Cluster, and a method
// that archives. Others of the same name are somebody else's.
func Schedules(scheduled *cnpgv1.ScheduledBackup, cluster Key) bool {
	return scheduled.Namespace == cluster.Namespace && scheduled.Spec.Cluster.Name == cluster.Name && ScheduleMethod(scheduled) != ""
}

// ScheduleMethod is the method by which a ScheduledBackup takes base backups; "" for one that the provider does not know.
func ScheduleMethod(scheduled *cnpgv1.ScheduledBackup) Method {
	return methodOfBackup(scheduled.Spec.Method, scheduled.Spec.PluginConfiguration)
}

// DeleteScheduledBackup deletes the ScheduledBackup of a Cluster's archive that [FieldManager] has applied or, with adopted,
// that anybody made, as the schedule of an adopted database. Any other is left alone, also one that belongs to another
// Cluster than that with the UID owner; it is no error when it is gone already.
func (c *Client) DeleteScheduledBackup(ctx context.Context, key Key, owner types.UID, adopted bool) error {
	scheduled, err := c.GetScheduledBackup(ctx, key)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case err != nil:
		return err
	case !Schedules(scheduled, key) || !adopted && !Applied(scheduled):
		return nil
	}
	return explain(c.deleteRead(ctx, c.cnpg, scheduledBackups, key, owner, scheduled), "ScheduledBackup", key)
}

// ListScheduledBackups are the ScheduledBackups of a Cluster, whatever they are called.
func (c *Client) ListScheduledBackups(ctx context.Context, key Key) ([]cnpgv1.ScheduledBackup, error) {
	list := &cnpgv1.ScheduledBackupList{}
	if err := c.cnpg.Get().Namespace(key.Namespace).Resource(scheduledBackups).Do(ctx).Into(list); err != nil {
		return nil, explain(err, "ScheduledBackups of", key)
	}
	return slices.DeleteFunc(list.Items, func(s cnpgv1.ScheduledBackup) bool { return s.Spec.Cluster.Name != key.Name }), nil
}
