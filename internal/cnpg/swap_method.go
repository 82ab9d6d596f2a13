package cnpg

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// MethodManager is the field manager that changes the method by which a Cluster archives where others state it too, and that states
// what is kept of their settings where the archive comes to be said by another object. It gives way to [FieldManager].
const MethodManager = FieldManager + "-method"

// swapsMethod tells whether a Cluster is to archive by another method while others state the one that it has: an apply would leave
// what they state, and CNPG takes no Cluster with both. kept is what they have said and the other method is to say too.
func swapsMethod(live, cluster *cnpgv1.Cluster, kept map[string]any) bool {
	if Archiver(live) == nil || Archiver(cluster) == nil || MethodOf(live) == MethodOf(cluster) {
		return false
	}
	path, fields := methodFields(live), Fields(live)
	return len(kept) > 0 || len(fields.others(path))+len(fields.by(MethodManager, path...)) > 0
}

// swapMethod removes the one method, whoever states it, and adds the other one in the same request: in between, CNPG would throw WAL
// away. What an apply has still to state of the Cluster is the same by then. It does so for the very plugins and backups that were read.
func (c *Client) swapMethod(ctx context.Context, live *cnpgv1.Cluster, parts division, dryRun bool) error {
	backup := map[string]any{"barmanObjectStore": nil, "retentionPolicy": nil}
	if stated := parts.cluster.Spec.Backup; stated != nil {
		fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(stated)
		if err != nil {
			return err
		}
		pruneEmpty(fields)
		for name, value := range fields {
			backup[name] = value
		}
	}
	if store, ok := backup["barmanObjectStore"].(map[string]any); ok {
		if kept, ok := parts.kept["configuration"].(map[string]any); ok {
			mergeFields(store, kept)
		}
		if policy, ok := parts.kept["retentionPolicy"]; ok {
			backup["retentionPolicy"] = policy
		}
	}
	spec := map[string]any{"backup": backup, "plugins": nil}
	if len(parts.cluster.Spec.Plugins) > 0 {
		spec["plugins"] = parts.cluster.Spec.Plugins
	} else if others := OtherPlugins(live.Spec.Plugins); len(others) > 0 {
		spec["plugins"] = others
	}
	version, err := live.ResourceVersion, error(nil)
	for range driftAttempts {
		err = mergePatch(ctx, c.cnpg, clusters, KeyOf(live), map[string]any{
			"metadata": map[string]any{"uid": live.UID, "resourceVersion": version}, "spec": spec,
		}, applyOptions{manager: MethodManager, dryRun: dryRun}, &cnpgv1.Cluster{})
		if !apierrors.IsConflict(err) || differsInUID(err) {
			break
		}
		now, readErr := c.GetCluster(ctx, KeyOf(live)) // CNPG writes the status of a Cluster often
		if readErr != nil {
			return readErr
		}
		if !reflect.DeepEqual(now.Spec.Plugins, live.Spec.Plugins) || !reflect.DeepEqual(now.Spec.Backup, live.Spec.Backup) {
			break
		}
		version = now.ResourceVersion
	}
	return err
}

// releaseSwapped has [MethodManager] state no more of a Cluster what [FieldManager] states too: it would stay when that gives it up.
func (c *Client) releaseSwapped(ctx context.Context, applied *cnpgv1.Cluster) (*cnpgv1.Cluster, error) {
	var err error
	for range driftAttempts {
		entries, released := withoutSwapped(applied.ManagedFields)
		if !released {
			return applied, nil
		}
		changed := &cnpgv1.Cluster{}
		err = mergePatch(ctx, c.cnpg, clusters, KeyOf(applied), map[string]any{"metadata": map[string]any{
			"uid": applied.UID, "resourceVersion": applied.ResourceVersion, "managedFields": entries,
		}}, applyOptions{manager: MethodManager}, changed)
		if err == nil {
			return changed, nil
		}
		if !apierrors.IsConflict(err) || differsInUID(err) {
			break
		}
		uid := applied.UID
		if applied, err = c.getCluster(ctx, KeyOf(applied)); err != nil {
			return nil, err
		}
		if applied.UID != uid {
			return nil, fmt.Errorf("Cluster %s: %w", KeyOf(applied), ErrReplaced)
		}
	}
	return nil, err
}

// withoutSwapped are managed fields without what [MethodManager] states beside [FieldManager]; released tells whether there is any.
func withoutSwapped(entries []metav1.ManagedFieldsEntry) (rest []metav1.ManagedFieldsEntry, released bool) {
	of := func(manager string, operation metav1.ManagedFieldsOperationType) int {
		return slices.IndexFunc(entries, func(e metav1.ManagedFieldsEntry) bool {
			return e.Manager == manager && e.Operation == operation && e.Subresource == ""
		})
	}
	swapped, applied := of(MethodManager, metav1.ManagedFieldsOperationUpdate), of(FieldManager, metav1.ManagedFieldsOperationApply)
	if swapped < 0 || applied < 0 {
		return entries, false
	}
	states := fieldsOfEntry(&entries[swapped])
	before, err := json.Marshal(states)
	if err != nil {
		return entries, false // they were decoded from JSON
	}
	removeFields(states, fieldsOfEntry(&entries[applied]))
	after, err := json.Marshal(states)
	if err != nil || string(before) == string(after) {
		return entries, false
	}
	rest = slices.Clone(entries)
	rest[swapped].FieldsV1 = encodeFields(states)
	if len(states) == 0 {
		rest = slices.Delete(rest, swapped, swapped+1)
	}
	return rest, true
}
