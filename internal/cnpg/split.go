package cnpg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
)

// division is a Cluster in the in-tree form, divided into what Kubernetes keeps of it.
type division struct {
	cluster *cnpgv1.Cluster
	own     *barmancloud.ObjectStore // of its own archive; nil where it has none, or archives to one that is somebody else's
	origin  *barmancloud.ObjectStore // of the archive that it is restored from; nil where the plugin does not read it
	// originDue tells that the one of a Cluster that stands is to be written.
	originDue bool
	// external is what spec.externalClusters is to say where the Cluster names that archive by another method from now on; nil where it
	// stays. originInTree is what it says of it then, if that is the in-tree method.
	external     []cnpgv1.ExternalCluster
	originInTree *cnpgv1.BarmanObjectStoreConfiguration
	// kept is what the archive of a living Cluster says that is not the provider's to say, as the spec of an ObjectStore: where the
	// Cluster turns to an ObjectStore that is made for it, or to the in-tree method, it has to be said there too.
	kept map[string]any
}

// stores are the ObjectStores of a division.
func (d division) stores() []*barmancloud.ObjectStore {
	return slices.DeleteFunc([]*barmancloud.ObjectStore{d.origin, d.own}, func(store *barmancloud.ObjectStore) bool { return store == nil })
}

// turns tells whether a living Cluster is to turn to another ObjectStore of its own than it archives to.
func (d division) turns(live *cnpgv1.Cluster) bool {
	return d.own != nil && d.own.Name != storeOf(archiverEntry(live))
}

// split divides a Cluster that is to be written; live is the Cluster as it stands, nil for one that is to be made. Entries of
// spec.plugins that others have made there stay: the API server knows the list as a whole alone.
func split(cluster, live *cnpgv1.Cluster) division {
	cluster = cluster.DeepCopy()
	if live != nil {
		cluster.UID = live.UID
	}
	d := division{cluster: cluster.DeepCopy()}
	spec := &d.cluster.Spec
	for i := range spec.ExternalClusters {
		external := &spec.ExternalClusters[i]
		if store := external.BarmanObjectStore; store != nil && external.PluginConfiguration != nil {
			d.origin = objectStoreOf(cluster, OriginStoreName(cluster.Name), store, "")
			nameOrigin(external, d.origin, store.ServerName)
		}
	}
	if live != nil {
		if d.origin, d.originDue = originOf(live, cluster); d.origin == nil {
			d.turnOrigin(live)
		} else {
			d.turnOriginBack(live)
		}
	}
	store := Archiver(cluster)
	if MethodOf(cluster) != MethodPlugin || store == nil {
		spec.Plugins = OtherPlugins(spec.Plugins)
		if live != nil && len(Fields(live).by(FieldManager, "spec", "plugins")) > 0 { // without them they would go
			spec.Plugins = OtherPlugins(live.Spec.Plugins)
		}
		if store != nil && live != nil && MethodOf(live) == MethodPlugin {
			d.kept = keptSettings(live, cluster)
		}
		return d
	}
	name := foreignStore(cluster, live)
	if name == "" {
		name = ownStoreName(cluster, live)
		d.own = objectStoreOf(cluster, name, store, cluster.Spec.Backup.RetentionPolicy)
		if live != nil && d.turns(live) {
			d.kept = keptSettings(live, cluster)
		}
	}
	spec.Backup.BarmanObjectStore, spec.Backup.RetentionPolicy = nil, ""
	if reflect.ValueOf(*spec.Backup).IsZero() {
		spec.Backup = nil
	}
	entry := *entryOf(name, cmp.Or(store.ServerName, cluster.Name))
	spec.Plugins = nil
	if live != nil {
		for _, e := range live.Spec.Plugins { // where it stands already it stays, since a list in another order is another list
			switch {
			case e.Name != barmancloud.PluginName:
				spec.Plugins = append(spec.Plugins, e)
			case entry.Name != "" && isArchiver(e) && e.Parameters[barmancloud.ObjectStoreParameter] == name &&
				cmp.Or(e.Parameters[barmancloud.ServerNameParameter], cluster.Name) == entry.Parameters[barmancloud.ServerNameParameter]:
				spec.Plugins = append(spec.Plugins, e) // it says the same, maybe in another way
				entry.Name = ""
			case entry.Name != "":
				spec.Plugins = append(spec.Plugins, entry)
				entry.Name = ""
			}
		}
	}
	if entry.Name != "" {
		spec.Plugins = append(spec.Plugins, entry)
	}
	return d
}

// entryOf says also what is the schema's default: of a list as a whole, another writing of the same is another list, which another
// manager that states it already would not give up.
func entryOf(store, serverName string) *cnpgv1.PluginConfiguration {
	return &cnpgv1.PluginConfiguration{
		Name: barmancloud.PluginName, Enabled: ptr.To(true), IsWALArchiver: ptr.To(true),
		Parameters: map[string]string{barmancloud.ObjectStoreParameter: store, barmancloud.ServerNameParameter: serverName},
	}
}

// objectStoreOf is the ObjectStore that says what a Cluster says in the in-tree form. The plugin has the server name as a parameter.
func objectStoreOf(owner *cnpgv1.Cluster, name string, store *cnpgv1.BarmanObjectStoreConfiguration, retention string) *barmancloud.ObjectStore {
	object := &barmancloud.ObjectStore{
		ObjectMeta: ChildOf(owner, name),
		Spec:       barmancloud.ObjectStoreSpec{Configuration: *store.DeepCopy(), RetentionPolicy: retention},
	}
	object.Spec.Configuration.ServerName = ""
	return object
}

// foreignStore is the name of an ObjectStore that somebody else has made, that a Cluster archives to, and that says all that it
// is to say: others may use it too, so that it is never written. "" where the Cluster needs one of its own.
func foreignStore(cluster, live *cnpgv1.Cluster) string {
	if live == nil || Archiver(live) == nil || archiverEntry(live) == nil || ownStore(live) != "" {
		return ""
	}
	wanted, stands := cluster.Spec.Backup.DeepCopy(), live.Spec.Backup.DeepCopy()
	wanted.BarmanObjectStore.ServerName, stands.BarmanObjectStore.ServerName = "", ""
	a, errA := runtime.DefaultUnstructuredConverter.ToUnstructured(wanted)
	b, errB := runtime.DefaultUnstructuredConverter.ToUnstructured(stands)
	pruneEmpty(a)
	if errA != nil || errB != nil || !says(b, a) {
		return ""
	}
	return storeOf(archiverEntry(live))
}

// says tells whether an object has every field that another one has, with the same value.
func says(object, wanted any) bool {
	fields, ok := wanted.(map[string]any)
	if !ok {
		return reflect.DeepEqual(object, wanted)
	}
	has, _ := object.(map[string]any)
	for name, value := range fields {
		if !says(has[name], value) {
			return false
		}
	}
	return true
}

// CreateObjectStores makes what a Cluster that [Client.CreateCluster] has just made needs beside it; cluster is what that was
// given. An ObjectStore that an earlier attempt has made is brought to what it should be.
func (c *Client) CreateObjectStores(ctx context.Context, created, cluster *cnpgv1.Cluster) error {
	cluster = cluster.DeepCopy()
	cluster.UID = created.UID
	owner := &cnpgv1.Cluster{ObjectMeta: metav1.ObjectMeta{UID: created.UID}} // by which one without an owner is nobody's
	for _, store := range split(cluster, nil).stores() {
		if _, err := c.applyStore(ctx, owner, store, Ownership[barmancloud.ObjectStore]{}, false); err != nil {
			return err
		}
	}
	return nil
}

// freeForStores is a [ForeignStoreError] where the name of an ObjectStore that a new Cluster needs is taken: after the Cluster is
// made, nothing could be done about that. Where that may not be asked, making it will tell.
func (c *Client) freeForStores(ctx context.Context, d division) error {
	for _, store := range d.stores() {
		switch _, err := c.GetObjectStore(ctx, KeyOf(store)); {
		case err == nil:
			return &ForeignStoreError{Key: KeyOf(store)}
		case !errors.Is(err, ErrNotFound):
			return fmt.Errorf("Cluster %s: %w", KeyOf(d.cluster), err)
		}
	}
	return nil
}

// OriginServer is the folder of the archive that a Cluster was restored from; "" where it does not say.
func OriginServer(cluster *cnpgv1.Cluster, name string) string {
	for _, external := range cluster.Spec.ExternalClusters {
		switch {
		case external.Name != name:
		case external.BarmanObjectStore != nil:
			return external.BarmanObjectStore.ServerName
		case external.PluginConfiguration != nil:
			return external.PluginConfiguration.Parameters[barmancloud.ServerNameParameter]
		}
	}
	return ""
}

// OriginMethod is how a Cluster reads the archive that it was restored from; "" where it reads none.
func OriginMethod(cluster *cnpgv1.Cluster, name string) Method {
	for _, external := range cluster.Spec.ExternalClusters {
		switch p := external.PluginConfiguration; {
		case external.Name != name:
		case p != nil && p.Name == barmancloud.PluginName:
			return MethodPlugin
		case external.BarmanObjectStore != nil:
			return MethodInTree
		}
	}
	return ""
}

// SetOriginMethod has a Cluster in the in-tree form read the archives that it is restored from by a method.
func SetOriginMethod(cluster *cnpgv1.Cluster, method Method) {
	for i := range cluster.Spec.ExternalClusters {
		if method == MethodPlugin && cluster.Spec.ExternalClusters[i].BarmanObjectStore != nil {
			cluster.Spec.ExternalClusters[i].PluginConfiguration = &cnpgv1.PluginConfiguration{Name: barmancloud.PluginName}
		}
	}
}
