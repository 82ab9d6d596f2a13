package cnpg

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
)

// Outside of this package a Cluster that archives with the Barman Cloud plugin has its in-tree form: spec.backup says where it
// archives, as it would without the plugin, and beside that spec.plugins has the plugin's entry, by which [MethodOf] tells the
// two apart. Reading joins what Kubernetes keeps in two objects, writing splits it.

// joined is the in-tree form of a Cluster as Kubernetes has it. Where the ObjectStore is missing, the Cluster has no archive.
func (c *Client) joined(ctx context.Context, cluster *cnpgv1.Cluster) (*cnpgv1.Cluster, error) {
	entry := archiverEntry(cluster)
	if entry == nil || entry.Parameters[barmancloud.ObjectStoreParameter] == "" {
		return cluster, nil
	}
	store := &barmancloud.ObjectStore{}
	key := Key{Namespace: cluster.Namespace, Name: entry.Parameters[barmancloud.ObjectStoreParameter]}
	switch err := c.get(ctx, c.barman, objectStores, key, store); {
	case apierrors.IsNotFound(err):
		return cluster, nil
	case err != nil:
		return nil, fmt.Errorf("Cluster %s: where it archives: %w", KeyOf(cluster), explain(err, "ObjectStore", key))
	}
	return Join(cluster, store), nil
}

// Join is the in-tree form of a Cluster, as Kubernetes has it, that archives to an ObjectStore.
func Join(cluster *cnpgv1.Cluster, store *barmancloud.ObjectStore) *cnpgv1.Cluster {
	whole := *cluster
	whole.Spec.Backup = cluster.Spec.Backup.DeepCopy()
	if whole.Spec.Backup == nil {
		whole.Spec.Backup = &cnpgv1.BackupConfiguration{}
	}
	configuration := store.Spec.Configuration.DeepCopy()
	configuration.ServerName = archiverEntry(cluster).Parameters[barmancloud.ServerNameParameter]
	whole.Spec.Backup.BarmanObjectStore = configuration
	whole.Spec.Backup.RetentionPolicy = store.Spec.RetentionPolicy
	whole.ManagedFields = joinFields(cluster, store)
	return &whole
}

// fieldSet are fields as FieldsV1 writes them.
type fieldSet = map[string]any

// joinFields are the managed fields of a Cluster in the in-tree form: whoever states a field of the ObjectStore states the
// field that it stands for. An ObjectStore that is not the provider's is one that a Cluster of the provider's was pointed to as
// it is, so that the provider states it too.
func joinFields(cluster *cnpgv1.Cluster, store *barmancloud.ObjectStore) []metav1.ManagedFieldsEntry {
	entries := slices.Clone(cluster.ManagedFields)
	add := func(manager string, operation metav1.ManagedFieldsOperationType, at *metav1.Time, fields fieldSet) {
		i := slices.IndexFunc(entries, func(e metav1.ManagedFieldsEntry) bool {
			return e.Manager == manager && e.Operation == operation && e.Subresource == ""
		})
		if i < 0 {
			entries = append(entries, metav1.ManagedFieldsEntry{Manager: manager, Operation: operation, APIVersion: ClusterTypeMeta.APIVersion, FieldsType: "FieldsV1"})
			i = len(entries) - 1
		}
		mergeFields(fields, fieldsOfEntry(&entries[i]))
		entries[i].FieldsV1 = encodeFields(fields)
		if at != nil && entries[i].Time.Before(at) {
			entries[i].Time = at
		}
	}
	for _, e := range cluster.ManagedFields {
		if _, states := below(fieldsOfEntry(&e), "f:spec", "f:plugins"); states && e.Subresource == "" {
			add(e.Manager, e.Operation, nil, inTree(fieldSet{"f:serverName": fieldSet{}}, false))
		}
	}
	adopted := Applied(cluster) && !Applied(store)
	for _, e := range store.ManagedFields {
		if e.Subresource != "" {
			continue
		}
		spec, _ := below(fieldsOfEntry(&e), "f:spec")
		configuration, _ := below(spec, "f:configuration")
		_, retention := spec["f:retentionPolicy"]
		if configuration == nil && !retention {
			continue
		}
		add(e.Manager, e.Operation, e.Time, inTree(configuration, retention))
		if adopted {
			add(FieldManager, metav1.ManagedFieldsOperationApply, nil, inTree(configuration, retention))
		}
	}
	return entries
}

// inTree are fields of an ObjectStore's configuration, and its retention policy, at their places in a Cluster.
func inTree(configuration fieldSet, retention bool) fieldSet {
	backup := fieldSet{}
	if configuration != nil {
		backup["f:barmanObjectStore"] = configuration
	}
	if retention {
		backup["f:retentionPolicy"] = fieldSet{}
	}
	return fieldSet{"f:spec": fieldSet{"f:backup": backup}}
}

func fieldsOfEntry(e *metav1.ManagedFieldsEntry) fieldSet {
	fields := fieldSet{}
	if e.FieldsV1 == nil || json.Unmarshal(e.FieldsV1.GetRawBytes(), &fields) != nil {
		return fieldSet{} // what cannot be read states nothing
	}
	return fields
}

func encodeFields(fields fieldSet) *metav1.FieldsV1 {
	raw, err := json.Marshal(fields)
	if err != nil {
		return nil // they were decoded from JSON
	}
	return metav1.NewFieldsV1(string(raw))
}

// statedFields are the fields that an apply states.
func statedFields(applied map[string]any) fieldSet {
	fields := fieldSet{}
	for name, value := range applied {
		inner, _ := value.(map[string]any)
		fields["f:"+name] = statedFields(inner)
	}
	return fields
}

// below are the fields at a path; stated tells whether there are any.
func below(fields fieldSet, path ...string) (at fieldSet, stated bool) {
	at = fields
	for _, name := range path {
		next, ok := at[name]
		if !ok {
			return nil, false
		}
		at, _ = next.(fieldSet)
	}
	return at, true
}

// mergeFields adds to fields what more has beyond them.
func mergeFields(fields, more fieldSet) {
	for name, value := range more {
		inner, ok := value.(fieldSet)
		if mine, has := fields[name].(fieldSet); has && ok {
			copied := fieldSet{}
			mergeFields(copied, mine)
			mergeFields(copied, inner)
			fields[name] = copied
			continue
		}
		if _, has := fields[name]; !has {
			fields[name] = value
		}
	}
}
