package cnpg

import (
	"slices"
	"strings"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
)

// Archives tells whether a Cluster archives anywhere, as far as it says so itself: in the in-tree form, or as Kubernetes has it.
func Archives(cluster *cnpgv1.Cluster) bool {
	return Archiver(cluster) != nil || archiverEntry(cluster) != nil
}

// SetMethod has a Cluster in the in-tree form archive by a method.
func SetMethod(cluster *cnpgv1.Cluster, method Method) {
	cluster.Spec.Plugins = OtherPlugins(cluster.Spec.Plugins)
	if method == MethodPlugin {
		cluster.Spec.Plugins = append(cluster.Spec.Plugins, cnpgv1.PluginConfiguration{Name: barmancloud.PluginName, IsWALArchiver: ptr.To(true)})
	}
}

// BackupBy is what a Backup or a ScheduledBackup says of a method.
func BackupBy(method Method) (cnpgv1.BackupMethod, *cnpgv1.BackupPluginConfiguration) {
	if method == MethodPlugin {
		return cnpgv1.BackupMethodPlugin, &cnpgv1.BackupPluginConfiguration{Name: barmancloud.PluginName}
	}
	return cnpgv1.BackupMethodBarmanObjectStore, nil
}

// methodOfBackup is the method of a Backup or a ScheduledBackup; "" for one that is none of the provider's.
func methodOfBackup(method cnpgv1.BackupMethod, plugin *cnpgv1.BackupPluginConfiguration) Method {
	switch {
	case method == "" || method == cnpgv1.BackupMethodBarmanObjectStore:
		return MethodInTree
	case method == cnpgv1.BackupMethodPlugin && plugin != nil && plugin.Name == barmancloud.PluginName:
		return MethodPlugin
	}
	return ""
}

// pluginContainer is the plugin's container in the pods of a Cluster, and of a recovery, in which its barman runs. It is an init
// container that goes on running.
const pluginContainer = "plugin-barman-cloud"

// barmanContainer is the container in whose log barman's own words are.
func barmanContainer(method Method) string {
	if method == MethodPlugin {
		return pluginContainer
	}
	return postgresContainer
}

// pluginInPods tells whether the pods of a Cluster's instances may have the plugin's container: where the Cluster names the plugin
// for itself, or streams from an archive by it. That it was restored by the plugin shows in the pod of the recovery alone.
func pluginInPods(cluster *cnpgv1.Cluster) bool {
	spec := &cluster.Spec
	return len(OtherPlugins(spec.Plugins)) < len(spec.Plugins) ||
		spec.ReplicaCluster != nil && slices.ContainsFunc(spec.ExternalClusters, func(e cnpgv1.ExternalCluster) bool {
			return e.Name == spec.ReplicaCluster.Source && e.PluginConfiguration != nil && e.PluginConfiguration.Name == barmancloud.PluginName
		})
}

func hasPluginContainer(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Spec.InitContainers, func(c corev1.Container) bool { return c.Name == pluginContainer })
}

// mountsCertificate tells whether a pod mounts the certificate that an ObjectStore names: in [certificatesVolume], one file for each of
// them in a folder of its name.
func mountsCertificate(pod *corev1.Pod, store string) bool {
	of := func(source corev1.VolumeProjection) bool {
		return source.Secret != nil && slices.ContainsFunc(source.Secret.Items, func(item corev1.KeyToPath) bool { return strings.HasPrefix(item.Path, store+"/") })
	}
	return slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool {
		return v.Name == certificatesVolume && v.Projected != nil && slices.ContainsFunc(v.Projected.Sources, of)
	})
}

// UsesPlugin tells whether a plugin archives the WAL of a Cluster (spec.plugins[].isWALArchiver), whichever it is.
func UsesPlugin(cluster *cnpgv1.Cluster) bool {
	return slices.ContainsFunc(cluster.Spec.Plugins, isArchiver)
}

func isArchiver(p cnpgv1.PluginConfiguration) bool {
	return ptr.Deref(p.Enabled, true) && ptr.Deref(p.IsWALArchiver, false)
}

// archiverEntry is the entry of spec.plugins that has the Barman Cloud plugin archive the WAL of a Cluster; nil without one.
func archiverEntry(cluster *cnpgv1.Cluster) *cnpgv1.PluginConfiguration {
	i := slices.IndexFunc(cluster.Spec.Plugins, func(p cnpgv1.PluginConfiguration) bool {
		return p.Name == barmancloud.PluginName && isArchiver(p)
	})
	if i < 0 {
		return nil
	}
	return &cluster.Spec.Plugins[i]
}

// OtherPlugins are the entries of spec.plugins that are for other plugins than the Barman Cloud plugin.
func OtherPlugins(entries []cnpgv1.PluginConfiguration) []cnpgv1.PluginConfiguration {
	return slices.DeleteFunc(slices.Clone(entries), func(p cnpgv1.PluginConfiguration) bool { return p.Name == barmancloud.PluginName })
}
