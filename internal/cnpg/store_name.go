package cnpg

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
)

// The names of the ObjectStores that the provider makes for a Cluster.

// ObjectStoreName is the ObjectStore of a Cluster's own archive, as long as that has not moved to another place. The name of one
// that it has moved to has a hash behind that.
func ObjectStoreName(cluster string) string { return cluster + "-backup" }

// OriginStoreName is the ObjectStore of the archive that a Cluster was restored from. The plugin asks for it as long as the
// Cluster lives, not only while it is restored.
func OriginStoreName(cluster string) string { return cluster + "-origin" }

// ownStoreName is the ObjectStore by which a Cluster is to archive that is its own. One to another place than the Cluster archives to
// now has another name: where an archive lies is said by two objects, the bucket by the ObjectStore and the folder by the Cluster, so
// that only a Cluster that turns to another ObjectStore changes both at once. With one after the other, WAL would lie in the
// new bucket under the folder of the old one meanwhile, which may be another database's there. live is nil for a new Cluster.
func ownStoreName(cluster, live *cnpgv1.Cluster) string {
	name := ObjectStoreName(cluster.Name)
	if live == nil || archiverEntry(live) == nil {
		return name
	}
	uses := storeOf(archiverEntry(live))
	switch own := isOwnStore(live, uses); {
	case own && !moves(cluster, live):
		return uses
	case !own && uses != name:
		return name
	}
	to := Archiver(cluster)
	sum := sha256.Sum256([]byte(strings.Join([]string{uses, to.DestinationPath, to.EndpointURL}, "\n")))
	return name + "-" + hex.EncodeToString(sum[:4])
}

// moves tells whether a Cluster that archives by the plugin is to archive in another bucket, or at another endpoint. Where its
// ObjectStore is missing, so that nobody knows, another folder says so.
func moves(cluster, live *cnpgv1.Cluster) bool {
	from, to := Archiver(live), Archiver(cluster)
	if from == nil {
		return archiverEntry(live).Parameters[barmancloud.ServerNameParameter] != cmp.Or(to.ServerName, cluster.Name)
	}
	endpoint := to.EndpointURL
	if endpoint == "" && !statesSetting(Fields(live), "endpointURL") {
		endpoint = from.EndpointURL // of others, who keep it
	}
	return strings.TrimRight(from.DestinationPath, "/") != strings.TrimRight(to.DestinationPath, "/") || from.EndpointURL != endpoint
}

// isOwnStore tells whether an ObjectStore that a Cluster names, or has named, is one that the provider has made for it: of one that it has
// taken over, that is told by what the provider has noted.
func isOwnStore(cluster *cnpgv1.Cluster, name string) bool {
	own := ObjectStoreName(cluster.Name)
	if name != own && !strings.HasPrefix(name, own+"-") {
		return false
	}
	_, noted := notedStores(cluster)[name]
	return Made(cluster) || noted
}

// storeOf is the ObjectStore that a plugin's entry names; "" for none.
func storeOf(entry *cnpgv1.PluginConfiguration) string {
	if entry == nil {
		return ""
	}
	return entry.Parameters[barmancloud.ObjectStoreParameter]
}

// ownStore is the ObjectStore of the provider's to which a Cluster archives; "" where there is none.
func ownStore(cluster *cnpgv1.Cluster) string {
	if name := storeOf(archiverEntry(cluster)); name != "" && isOwnStore(cluster, name) {
		return name
	}
	return ""
}

// LeavesStore tells whether a Cluster that is to be applied names an ObjectStore of the provider's no more that it names now.
func LeavesStore(live, cluster *cnpgv1.Cluster) bool {
	leaves, parts := ownStore(live), split(cluster, live)
	return parts.originInTree != nil || leaves != "" && storeOf(archiverEntry(parts.cluster)) != leaves
}

// TurnsStore tells whether a Cluster archives by another ObjectStore than it did, or by one where it had none or the other way round: what
// its pods need for that they get only when CNPG has looked at it.
func TurnsStore(before, after *cnpgv1.Cluster) bool {
	return storeOf(archiverEntry(before)) != storeOf(archiverEntry(after))
}

// StoresLeft are the ObjectStores of the provider's that a Cluster names no more, as far as it notes them.
func StoresLeft(cluster *cnpgv1.Cluster) []string {
	return slices.DeleteFunc(ObjectStoresOf(cluster), func(name string) bool { return slices.Contains(storeNames(cluster), name) })
}

// ObjectStoresOf are the ObjectStores that the provider may have made for a Cluster: those that it names, and those that it notes.
func ObjectStoresOf(cluster *cnpgv1.Cluster) []string {
	names := slices.DeleteFunc(storeNames(cluster), func(name string) bool {
		return name != OriginStoreName(cluster.Name) && !isOwnStore(cluster, name)
	})
	for name := range notedStores(cluster) {
		if name == OriginStoreName(cluster.Name) || isOwnStore(cluster, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
