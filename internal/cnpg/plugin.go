package cnpg

import (
	"slices"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"k8s.io/utils/ptr"
)

// UsesPlugin tells whether a plugin archives the WAL of a Cluster (spec.plugins[].isWALArchiver).
func UsesPlugin(cluster *cnpgv1.Cluster) bool {
	return slices.ContainsFunc(cluster.Spec.Plugins, func(p cnpgv1.PluginConfiguration) bool {
		return ptr.Deref(p.Enabled, true) && ptr.Deref(p.IsWALArchiver, false)
	})
}
