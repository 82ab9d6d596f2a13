package cnpg

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
)

// Outside of this package a Cluster that archives with the Barman Cloud plugin has its in-tree form: spec.backup says where it
// archives, as it would without the plugin, and beside that spec.plugins has the plugin's entry, by which [MethodOf] tells the
// two apart. Reading joins what Kubernetes keeps in two objects, writing splits it.

// joined is the in-tree form of a Cluster as Kubernetes has it. Where an ObjectStore is missing, the Cluster lacks the archive that
// it is of: [MissingStores].
func (c *Client) joined(ctx context.Context, cluster *cnpgv1.Cluster, known ...*barmancloud.ObjectStore) (*cnpgv1.Cluster, error) {
	stores, err := c.storesOf(ctx, cluster, known)
	if err != nil {
		return nil, fmt.Errorf("Cluster %s: what the Barman Cloud plugin is told of its archives: %w", KeyOf(cluster), err)
	}
	return withStoreDrift(Join(cluster, stores...), stores), nil
}

// storesOf reads the ObjectStores that a Cluster names, as far as they are there and are not known. Two that are the database's own
// are asked for at once.
func (c *Client) storesOf(ctx context.Context, cluster *cnpgv1.Cluster, known []*barmancloud.ObjectStore) ([]*barmancloud.ObjectStore, error) {
	stores := known
	lacking := func() []string {
		return slices.DeleteFunc(storeNames(cluster), func(name string) bool { return storeNamed(stores, name) != nil })
	}
	if names := lacking(); len(names) > 1 && slices.Contains(names, OriginStoreName(cluster.Name)) {
		var list barmancloud.ObjectStoreList
		err := c.barman.Get().Namespace(cluster.Namespace).Resource(objectStores).Param("labelSelector", LabelCluster+"="+cluster.Name).Do(ctx).Into(&list)
		if err == nil { // else each is asked for
			for i := range list.Items {
				stores = append(stores, &list.Items[i])
			}
		}
	}
	for _, name := range lacking() {
		store, err := c.GetObjectStore(ctx, Key{Namespace: cluster.Namespace, Name: name})
		switch {
		case err == nil:
			stores = append(stores, store)
		case !errors.Is(err, ErrNotFound):
			return nil, err
		}
	}
	return stores, nil
}

func storeNamed(stores []*barmancloud.ObjectStore, name string) *barmancloud.ObjectStore {
	i := slices.IndexFunc(stores, func(store *barmancloud.ObjectStore) bool { return store.Name == name })
	if i < 0 {
		return nil
	}
	return stores[i]
}

// storeNames are the ObjectStores that a Cluster names: the one that it archives to, and those of the archives that it is restored
// from. The plugin lets CNPG do nothing for the Cluster while one of them is missing.
func storeNames(cluster *cnpgv1.Cluster) []string {
	var names []string
	add := func(p *cnpgv1.PluginConfiguration) {
		if p == nil || p.Name != barmancloud.PluginName {
			return
		}
		if name := p.Parameters[barmancloud.ObjectStoreParameter]; name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	add(archiverEntry(cluster))
	for i := range cluster.Spec.ExternalClusters {
		add(cluster.Spec.ExternalClusters[i].PluginConfiguration)
	}
	return names
}

// Join is the in-tree form of a Cluster, as Kubernetes has it, with the ObjectStores that it names.
func Join(cluster *cnpgv1.Cluster, stores ...*barmancloud.ObjectStore) *cnpgv1.Cluster {
	whole := *cluster
	for i, external := range cluster.Spec.ExternalClusters {
		p := external.PluginConfiguration
		if p == nil || p.Name != barmancloud.PluginName {
			continue
		}
		if store := storeNamed(stores, p.Parameters[barmancloud.ObjectStoreParameter]); store != nil {
			if &whole.Spec.ExternalClusters[0] == &cluster.Spec.ExternalClusters[0] {
				whole.Spec.ExternalClusters = slices.Clone(cluster.Spec.ExternalClusters)
			}
			whole.Spec.ExternalClusters[i].BarmanObjectStore = configurationIn(store, p)
		}
	}
	entry := archiverEntry(cluster)
	if entry == nil {
		return &whole
	}
	store := storeNamed(stores, entry.Parameters[barmancloud.ObjectStoreParameter])
	if store == nil {
		return &whole
	}
	whole.Spec.Backup = cluster.Spec.Backup.DeepCopy()
	if whole.Spec.Backup == nil {
		whole.Spec.Backup = &cnpgv1.BackupConfiguration{}
	}
	whole.Spec.Backup.BarmanObjectStore = configurationIn(store, entry)
	whole.Spec.Backup.RetentionPolicy = store.Spec.RetentionPolicy
	whole.ManagedFields = joinFields(cluster, store)
	return &whole
}

// configurationIn is what a Cluster would say in-tree of an archive that it has by an entry for the plugin.
func configurationIn(store *barmancloud.ObjectStore, entry *cnpgv1.PluginConfiguration) *cnpgv1.BarmanObjectStoreConfiguration {
	configuration := store.Spec.Configuration.DeepCopy()
	configuration.ServerName = entry.Parameters[barmancloud.ServerNameParameter]
	return configuration
}

// divided takes out of a Cluster in its in-tree form what is not its own to say.
func divided(external []cnpgv1.ExternalCluster) []cnpgv1.ExternalCluster {
	external = slices.Clone(external)
	for i := range external {
		if external[i].PluginConfiguration != nil {
			external[i].BarmanObjectStore = nil
		}
	}
	return external
}

// MissingStores are the ObjectStores that a Cluster in its in-tree form names and that are not there.
func MissingStores(cluster *cnpgv1.Cluster) []string {
	there := func(p *cnpgv1.PluginConfiguration, store *cnpgv1.BarmanObjectStoreConfiguration) []string {
		if p == nil || p.Name != barmancloud.PluginName || store != nil {
			return nil
		}
		return []string{p.Parameters[barmancloud.ObjectStoreParameter]}
	}
	missing := there(archiverEntry(cluster), Archiver(cluster))
	for _, external := range cluster.Spec.ExternalClusters {
		missing = append(missing, there(external.PluginConfiguration, external.BarmanObjectStore)...)
	}
	slices.Sort(missing)
	return slices.DeleteFunc(slices.Compact(missing), func(name string) bool { return name == "" })
}

// MendsStore tells whether an apply makes a missing ObjectStore anew, or has the Cluster name another one.
func MendsStore(cluster *cnpgv1.Cluster, name string) bool {
	origin, _ := originOf(cluster, cluster)
	return storeOf(archiverEntry(cluster)) == name || origin != nil && origin.Name == name
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
