package cnpg

import (
	"context"
	"fmt"
	"slices"
	"strings"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// HeldError is a field that other managers state, so that it stays although [FieldManager] gives it up. Nothing was changed.
type HeldError struct {
	Key      Key
	Field    string
	Managers []string
	// Method tells that the field is in the way of another method.
	Method bool
}

func (e *HeldError) Error() string {
	return fmt.Sprintf(`Cluster %s: %s belongs to the field manager "%s" too`, e.Key, e.Field, strings.Join(e.Managers, `" and "`))
}

// archiveFields is what goes of spec.backup with an archive: all of it, but beside the settings of volume snapshots, which are
// never the provider's, the archive alone.
func archiveFields(live *cnpgv1.Cluster) []string {
	if MethodOf(live) == MethodPlugin || live.Spec.Backup != nil && live.Spec.Backup.VolumeSnapshot != nil {
		return methodFields(live)
	}
	return []string{"spec", "backup"}
}

// MayWithdrawBackup tells whether the archive of a Cluster is the provider's to remove; else it is a [HeldError]. What
// somebody has changed of it by hand in a Cluster that the provider made is drift, and goes with the rest.
func MayWithdrawBackup(live *cnpgv1.Cluster) error {
	path, fields := archiveFields(live), Fields(live)
	others := fields.others(path)
	if len(others) == 0 || Made(live) && !slices.ContainsFunc(others, func(e *managedEntry) bool { return e.applied }) {
		return nil
	}
	return &HeldError{Key: KeyOf(live), Field: strings.Join(path, "."), Managers: fields.Others(path...)}
}

// MayChangeMethod tells whether the archive of a Cluster is the provider's to have by another method; else it is a [HeldError].
func MayChangeMethod(live *cnpgv1.Cluster) error {
	path, fields := methodFields(live), Fields(live)
	if Made(live) && !slices.ContainsFunc(fields.others(path), func(e *managedEntry) bool { return e.applied }) {
		return nil
	}
	if others := fields.Others(path...); len(others) > 0 {
		return &HeldError{Key: KeyOf(live), Field: strings.Join(path, "."), Managers: others, Method: true}
	}
	return nil
}

// methodFields is what says in a Cluster by which method it archives.
func methodFields(live *cnpgv1.Cluster) []string {
	if MethodOf(live) == MethodPlugin {
		return []string{"spec", "plugins"}
	}
	return []string{"spec", "backup", "barmanObjectStore"}
}

// Made tells whether the provider has made an object, and not only taken it over.
func Made(object metav1.Object) bool { return object.GetAnnotations()[AnnotationNonce] != "" }

// WithdrawBackup removes the archive from a Cluster, and spec.backup as a whole where it holds no settings of volume
// snapshots, whoever states it: server-side apply removes only what nobody else does. Of spec.plugins the plugin's entry goes. A
// retention policy of others beside those settings archives nothing, and stays. It does so for the very version that was read.
func (c *Client) WithdrawBackup(ctx context.Context, cluster *cnpgv1.Cluster) (*cnpgv1.Cluster, error) {
	key, uid := KeyOf(cluster), cluster.UID
	var err error
	for range driftAttempts {
		if backup := cluster.Spec.Backup; !Archives(cluster) && (backup == nil || backup.VolumeSnapshot != nil) {
			return cluster, nil
		}
		changed := &cnpgv1.Cluster{}
		if err = c.withdraw(ctx, cluster, changed); err == nil {
			return c.joined(ctx, changed)
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
	gone := map[string]any{"backup": nil}
	if live.Spec.Backup != nil && live.Spec.Backup.VolumeSnapshot != nil {
		gone["backup"] = map[string]any{"barmanObjectStore": nil}
	}
	if MethodOf(live) == MethodPlugin {
		gone["plugins"] = nil
		if others := OtherPlugins(live.Spec.Plugins); len(others) > 0 {
			gone["plugins"] = others
		}
	}
	return mergePatch(ctx, c.cnpg, clusters, KeyOf(live), map[string]any{
		"metadata": map[string]any{"uid": live.UID, "resourceVersion": live.ResourceVersion},
		"spec":     gone,
	}, applyOptions{manager: FieldManager}, into)
}
