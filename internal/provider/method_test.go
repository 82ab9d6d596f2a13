package provider_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
)

// What tests do and see is the same by whichever method CNPG archives: they write configurations without one, and look at and
// change Clusters in their in-tree form.

// methods are those that CNPG archives by.
var methods = []cnpg.Method{cnpg.MethodInTree, cnpg.MethodPlugin}

// byEachMethod runs a test once for each method. The fakes of tests below have it by the test's name.
func byEachMethod(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	for _, method := range methods {
		t.Run(string(method), test)
	}
}

// methodOf is the method by which databases in a test archive.
func methodOf(t testing.TB) cnpg.Method {
	t.Helper()
	for part := range strings.SplitSeq(t.Name(), "/") {
		if part == string(cnpg.MethodPlugin) {
			return cnpg.MethodPlugin
		}
	}
	return cnpg.MethodInTree
}

var backupBlock = regexp.MustCompile(`(?m)(^|[\s{])backup(\s*)= \{`)

// byMethod has the databases of a configuration archive by the method of the fakes.
func (f *fakes) byMethod(resources string) string { return backedUpBy(f.method, resources) }

// backedUpBy has the backup blocks of a configuration say the plugin, where that is the method; in-tree they say none.
func backedUpBy(method cnpg.Method, resources string) string {
	if method != cnpg.MethodPlugin {
		return resources
	}
	return backupBlock.ReplaceAllString(resources, "${1}backup${2}= { method = \"plugin\",")
}

// clusterNamed is a Cluster in its in-tree form; nil where there is none.
func (f *fakes) clusterNamed(name string) *cnpgv1.Cluster {
	cluster := apitest.Get[cnpgv1.Cluster](f.kube, fakeNamespace, name)
	if cluster == nil {
		return nil
	}
	for i := range cluster.Spec.ExternalClusters {
		external := &cluster.Spec.ExternalClusters[i]
		p := external.PluginConfiguration
		if p == nil {
			continue
		}
		if store := apitest.Get[barmancloud.ObjectStore](f.kube, fakeNamespace, p.Parameters[barmancloud.ObjectStoreParameter]); store != nil {
			external.BarmanObjectStore = store.Spec.Configuration.DeepCopy()
			external.BarmanObjectStore.ServerName = p.Parameters[barmancloud.ServerNameParameter]
		}
	}
	if cnpg.MethodOf(cluster) != cnpg.MethodPlugin {
		return cluster
	}
	if store := f.storeOf(cluster); store != nil {
		return cnpg.Join(cluster, store)
	}
	return cluster
}

// pluginOf is what a Cluster says of the Barman Cloud plugin.
func pluginOf(cluster *cnpgv1.Cluster) *cnpgv1.PluginConfiguration {
	i := slices.IndexFunc(cluster.Spec.Plugins, func(p cnpgv1.PluginConfiguration) bool { return p.Name == barmancloud.PluginName })
	return &cluster.Spec.Plugins[i]
}

func (f *fakes) storeOf(cluster *cnpgv1.Cluster) *barmancloud.ObjectStore {
	return apitest.Get[barmancloud.ObjectStore](f.kube, cluster.Namespace, pluginOf(cluster).Parameters[barmancloud.ObjectStoreParameter])
}

// edit changes a Cluster in its in-tree form as a field manager.
func (f *fakes) edit(manager, name string, change func(*cnpgv1.Cluster)) {
	cluster := apitest.Get[cnpgv1.Cluster](f.kube, fakeNamespace, name)
	var store *barmancloud.ObjectStore
	if cluster != nil && cnpg.MethodOf(cluster) == cnpg.MethodPlugin {
		store = f.storeOf(cluster)
	}
	if store == nil {
		apitest.EditAs(f.kube, manager, fakeNamespace, name, change)
		return
	}
	whole := cnpg.Join(cluster, store).DeepCopy()
	before := whole.DeepCopy()
	change(whole)
	if now := whole.Spec.Backup; now != nil && now.BarmanObjectStore != nil {
		apitest.EditAs(f.kube, manager, store.Namespace, store.Name, func(o *barmancloud.ObjectStore) {
			o.Spec.Configuration, o.Spec.RetentionPolicy = *now.BarmanObjectStore.DeepCopy(), now.RetentionPolicy
			o.Spec.Configuration.ServerName = ""
		})
	}
	apitest.EditAs(f.kube, manager, fakeNamespace, name, func(c *cnpgv1.Cluster) {
		backup, plugins, managed := c.Spec.Backup, c.Spec.Plugins, c.ManagedFields
		*c = *whole.DeepCopy()
		c.Spec.Backup, c.Spec.Plugins, c.ManagedFields = backup, plugins, managed
		if cnpg.Archiver(whole) == nil {
			c.Spec.Plugins = nil
			return
		}
		if was, is := cnpg.Archiver(before).ServerName, cnpg.Archiver(whole).ServerName; was != is {
			c.Spec.Plugins = slices.Clone(plugins)
			pluginOf(c).Parameters = maps.Clone(pluginOf(c).Parameters)
			pluginOf(c).Parameters[barmancloud.ServerNameParameter] = is
			if is == "" {
				delete(pluginOf(c).Parameters, barmancloud.ServerNameParameter)
			}
		}
	})
}

// sharedStore is the ObjectStore of Clusters that tests put.
const sharedStore = "shared"

// put is apitest's Put for Clusters in their in-tree form: by the method of the fakes.
func (f *fakes) put(objects ...runtime.Object) {
	for _, object := range objects {
		switch o := object.(type) {
		case *cnpgv1.ScheduledBackup:
			if f.method == cnpg.MethodPlugin && cnpg.ScheduleMethod(o) == cnpg.MethodInTree {
				o.Spec.Method, o.Spec.PluginConfiguration = cnpg.BackupBy(f.method)
			}
		case *cnpgv1.Backup: // the plugin does not say where it lies
			if f.method == cnpg.MethodPlugin && o.Spec.Method == "" {
				o.Spec.Method, o.Spec.PluginConfiguration = cnpg.BackupBy(f.method)
				o.Status.DestinationPath, o.Status.EndpointURL, o.Status.ServerName = "", "", ""
			}
		}
		cluster, ok := object.(*cnpgv1.Cluster)
		if !ok || f.method != cnpg.MethodPlugin || cnpg.Archiver(cluster) == nil || cnpg.MethodOf(cluster) == cnpg.MethodPlugin {
			f.kube.Put(object)
			continue
		}
		store := &barmancloud.ObjectStore{
			ObjectMeta: metav1.ObjectMeta{Namespace: cluster.Namespace, Name: sharedStore},
			Spec:       barmancloud.ObjectStoreSpec{Configuration: *cnpg.Archiver(cluster).DeepCopy(), RetentionPolicy: cluster.Spec.Backup.RetentionPolicy},
		}
		store.Spec.Configuration.ServerName = ""
		parameters := map[string]string{barmancloud.ObjectStoreParameter: sharedStore}
		if name := cnpg.Archiver(cluster).ServerName; name != "" {
			parameters[barmancloud.ServerNameParameter] = name
		}
		cluster = cluster.DeepCopy()
		cluster.Spec.Backup = nil
		cluster.Spec.Plugins = append(cluster.Spec.Plugins, cnpgv1.PluginConfiguration{
			Name: barmancloud.PluginName, Enabled: ptr.To(true), IsWALArchiver: ptr.To(true), Parameters: parameters,
		})
		f.kube.Put(store, cluster)
	}
}
