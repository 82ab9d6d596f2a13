package cnpg

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
)

// annotationStoreDrift carries [StoreDrift] in a Cluster that was read, as JSON: what an ObjectStore says of itself has no place in the
// in-tree form. No object in Kubernetes can have it, since that is no valid name of an annotation.
const annotationStoreDrift = "pgplatform.io/(store drift)"

// StoreDrift tells, by the name of each of a Cluster's ObjectStores, which of its metadata somebody has changed so that an apply puts them
// back. Of those of others there is nothing to tell.
func StoreDrift(cluster *cnpgv1.Cluster) map[string][]string {
	var drift map[string][]string
	if text := cluster.Annotations[annotationStoreDrift]; text != "" && json.Unmarshal([]byte(text), &drift) != nil {
		return nil
	}
	return drift
}

// withStoreDrift notes in a Cluster in its in-tree form what [StoreDrift] tells of its ObjectStores as they were read.
func withStoreDrift(cluster *cnpgv1.Cluster, stores []*barmancloud.ObjectStore) *cnpgv1.Cluster {
	drift := map[string][]string{}
	for _, store := range stores {
		if !slices.Contains(ObjectStoresOf(cluster), store.Name) || !MendsStore(cluster, store.Name) || !isStoreOf(cluster, store) {
			continue // somebody else's, or one that an apply leaves
		}
		var differs []string
		for name, value := range ChildLabels(cluster) {
			if store.Labels[name] != value && len(differs) == 0 {
				differs = append(differs, "metadata.labels")
			}
		}
		if !ownedBy(store, cluster.UID) {
			differs = append(differs, "metadata.ownerReferences")
		}
		if len(differs) > 0 {
			drift[store.Name] = differs
		}
	}
	if text, err := json.Marshal(drift); err == nil && len(drift) > 0 { // it is made of strings
		cluster.Annotations = maps.Clone(cluster.Annotations)
		metav1.SetMetaDataAnnotation(&cluster.ObjectMeta, annotationStoreDrift, string(text))
	}
	return cluster
}

// isStoreOf tells whether an ObjectStore is the provider's, and of a Cluster as it stands. One that has lost its owner, and has no other,
// is by the UID that the Cluster notes. A Cluster that was not applied since it was made notes none yet: of that it is the one that it
// names, unless that is older than the Cluster, and so left by another one of the name.
func isStoreOf(cluster *cnpgv1.Cluster, store metav1.Object) bool {
	switch {
	case !Applied(store):
		return false
	case ownedBy(store, cluster.UID):
		return true
	case ofAnother(store, cluster.UID):
		return false
	}
	if uid, _, noted := strings.Cut(notedStores(cluster)[store.GetName()], "/"); noted {
		return uid == string(store.GetUID())
	}
	made, since := store.GetCreationTimestamp(), cluster.CreationTimestamp
	return slices.Contains(storeNames(cluster), store.GetName()) && !made.Before(&since)
}
