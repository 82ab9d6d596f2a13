package cnpg

import cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"

// Method is how CNPG archives the WAL of a Cluster and takes its base backups. Its values are those of spec.method of Backups.
type Method string

// The methods that the provider knows.
const (
	// MethodInTree is CNPG's own support for barman: spec.backup.barmanObjectStore.
	MethodInTree Method = Method(cnpgv1.BackupMethodBarmanObjectStore)
	// MethodPlugin is the Barman Cloud plugin: spec.plugins, and an ObjectStore beside the Cluster.
	MethodPlugin Method = Method(cnpgv1.BackupMethodPlugin)
)

// MethodOf is how a Cluster archives; MethodInTree for one that archives nowhere, or by another plugin.
func MethodOf(cluster *cnpgv1.Cluster) Method {
	if archiverEntry(cluster) != nil {
		return MethodPlugin
	}
	return MethodInTree
}
