package cnpg

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// HeldError is a field that other managers state, so that it stays although [FieldManager] gives it up. Nothing was changed.
type HeldError struct {
	Key      Key
	Field    string
	Managers []string
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("Cluster %s: %s belongs to the field manager %q too", e.Key, e.Field, strings.Join(e.Managers, `", "`))
}

// StatedByOthers names the field managers, beside the provider's own, that state a field or something below it, by its path
// in JSON. What CNPG's webhook adds has no manager.
func StatedByOthers(object metav1.Object, path ...string) []string {
	var names []string
	for _, entry := range othersOf(object, path) {
		if !slices.Contains(names, entry.Manager) {
			names = append(names, entry.Manager)
		}
	}
	return names
}

func othersOf(object metav1.Object, path []string) []metav1.ManagedFieldsEntry {
	return slices.DeleteFunc(slices.Clone(object.GetManagedFields()), func(e metav1.ManagedFieldsEntry) bool {
		return e.Manager == FieldManager || e.Manager == BootstrapManager || e.Subresource != "" || !states(e, path)
	})
}

// MayWithdrawBackup tells whether spec.backup of a Cluster is the provider's to remove; else it is a [HeldError]. What
// somebody has changed of it by hand in a Cluster that the provider made is drift, and goes with the rest.
func MayWithdrawBackup(live *cnpgv1.Cluster) error {
	others := othersOf(live, []string{"spec", "backup"})
	applied := slices.ContainsFunc(others, func(e metav1.ManagedFieldsEntry) bool { return e.Operation == metav1.ManagedFieldsOperationApply })
	if len(others) == 0 || Made(live) && !applied {
		return nil
	}
	return &HeldError{Key: KeyOf(live), Field: "spec.backup", Managers: StatedByOthers(live, "spec", "backup")}
}

// Made tells whether the provider has made an object, and not only taken it over.
func Made(object metav1.Object) bool { return object.GetAnnotations()[AnnotationNonce] != "" }

// WithdrawBackup removes spec.backup from a Cluster, whoever states it: server-side apply removes only what nobody else
// does. It does so for the very version that was read.
func (c *Client) WithdrawBackup(ctx context.Context, cluster *cnpgv1.Cluster) (*cnpgv1.Cluster, error) {
	key, uid := KeyOf(cluster), cluster.UID
	var err error
	for range driftAttempts {
		if cluster.Spec.Backup == nil {
			return cluster, nil
		}
		changed := &cnpgv1.Cluster{}
		if err = c.withdraw(ctx, cluster, changed); err == nil {
			return changed, nil
		}
		if !apierrors.IsConflict(err) || differsInUID(err) {
			break
		}
		// CNPG writes the status of a Cluster often.
		if cluster, err = c.GetCluster(ctx, key); err != nil {
			return nil, err
		}
		if cluster.UID != uid {
			return nil, fmt.Errorf("Cluster %s: %w", key, ErrReplaced)
		}
	}
	return nil, explain(err, "Cluster", key)
}

func (c *Client) withdraw(ctx context.Context, live, into *cnpgv1.Cluster) error {
	body, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": live.UID, "resourceVersion": live.ResourceVersion},
		"spec":     map[string]any{"backup": nil},
	})
	if err != nil {
		return err
	}
	return c.cnpg.Patch(types.MergePatchType).
		Namespace(live.Namespace).Resource(clusters).Name(live.Name).
		Param("fieldManager", FieldManager).Param("fieldValidation", "Strict").
		Body(body).Do(ctx).Into(into)
}
