package cnpg

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
)

// noteOrigin notes in the Cluster where the archive lies that it is restored from: in what says so it may be lost.
func (d division) noteOrigin() {
	says := cnpgv1.BarmanObjectStoreConfiguration{}
	if d.origin != nil {
		says = d.origin.Spec.Configuration
	} else if d.originInTree != nil {
		says = *d.originInTree
	} else if i := originIn(d.cluster); i >= 0 && d.cluster.Spec.ExternalClusters[i].BarmanObjectStore != nil {
		external := d.cluster.Spec.ExternalClusters[i]
		says = *external.BarmanObjectStore
		says.ServerName = cmp.Or(says.ServerName, external.Name)
	}
	if text, err := json.Marshal(says); err == nil && says.DestinationPath != "" { // it is made of strings and numbers
		metav1.SetMetaDataAnnotation(&d.cluster.ObjectMeta, AnnotationOrigin, string(text))
	}
}

// notedOrigin is what noteOrigin has noted in a Cluster; nil where nothing is, or somebody has made something else of it: what names no
// place the API server takes neither in an ObjectStore nor in the Cluster.
func notedOrigin(cluster *cnpgv1.Cluster) *cnpgv1.BarmanObjectStoreConfiguration {
	says := &cnpgv1.BarmanObjectStoreConfiguration{}
	if json.Unmarshal([]byte(cluster.Annotations[AnnotationOrigin]), says) != nil || says.DestinationPath == "" {
		return nil
	}
	return says
}

// originIn is the index of the entry of spec.externalClusters that a Cluster was restored from; -1 without one.
func originIn(cluster *cnpgv1.Cluster) int {
	if cluster.Spec.Bootstrap == nil || cluster.Spec.Bootstrap.Recovery == nil {
		return -1
	}
	return slices.IndexFunc(cluster.Spec.ExternalClusters, func(e cnpgv1.ExternalCluster) bool {
		return e.Name == cluster.Spec.Bootstrap.Recovery.Source
	})
}

// nameOrigin has an entry of spec.externalClusters name an archive by the plugin, and not in-tree. The server name is the entry's own where
// none is given, as CNPG has it.
func nameOrigin(external *cnpgv1.ExternalCluster, origin *barmancloud.ObjectStore, serverName string) {
	external.BarmanObjectStore = nil
	external.PluginConfiguration = entryOf(origin.Name, cmp.Or(serverName, external.Name))
	external.PluginConfiguration.IsWALArchiver = ptr.To(false)
}

// originOf is the ObjectStore of the archive that a Cluster was restored from, where the provider has made it; nil without one. due
// tells whether it is to be written: where somebody has deleted it or changed its metadata, where its labels are to be others, or where
// it names a certificate that the database's own archive needs no more. The pods mount that certificate as long as it is named, and
// would not start without it.
func originOf(live, cluster *cnpgv1.Cluster) (origin *barmancloud.ObjectStore, due bool) {
	name := OriginStoreName(live.Name)
	i := slices.IndexFunc(live.Spec.ExternalClusters, func(e cnpgv1.ExternalCluster) bool {
		p := e.PluginConfiguration
		return p != nil && p.Name == barmancloud.PluginName && p.Parameters[barmancloud.ObjectStoreParameter] == name
	})
	says := notedOrigin(live)
	if i < 0 || says == nil {
		return nil, false
	}
	due = live.Spec.ExternalClusters[i].BarmanObjectStore == nil || len(StoreDrift(live)[name]) > 0 || !maps.Equal(ChildLabels(live), ChildLabels(cluster))
	if ca := says.EndpointCA; ca != nil && ca.Name == CredentialsSecretName(live.Name) {
		if own := Archiver(cluster); own == nil || own.EndpointCA == nil || *own.EndpointCA != *ca {
			says.EndpointCA, due = nil, true
		}
	}
	return objectStoreOf(cluster, name, says, ""), due
}

// turnOrigin has a Cluster that goes over to the plugin name the archive that it was restored from by the plugin too. Nothing reads that
// any more, but CNPG takes no entry that says nothing, and one that says it in-tree says nothing when CNPG has given that up: every
// update of the Cluster is refused then, so that one that archives nowhere has to name it by the plugin too. What other
// managers state stays theirs, and what is being recovered is left alone.
func (d *division) turnOrigin(live *cnpgv1.Cluster) {
	i := originToTurn(live)
	if i < 0 {
		return
	}
	external := live.Spec.ExternalClusters[i]
	if external.PluginConfiguration != nil || external.ConnectionParameters != nil {
		return
	}
	says := notedOrigin(live)
	switch {
	case external.BarmanObjectStore != nil && (MethodOf(d.cluster) != MethodPlugin || Archiver(d.cluster) == nil):
		return
	case external.BarmanObjectStore != nil:
		says = external.BarmanObjectStore.DeepCopy()
	case says == nil:
		return
	}
	says.EndpointCA = nil // the pods would mount it, and restart for that
	d.origin, d.originDue = objectStoreOf(d.cluster, OriginStoreName(live.Name), says, ""), true
	nameOrigin(&external, d.origin, says.ServerName)
	d.external = slices.Clone(live.Spec.ExternalClusters)
	d.external[i] = external
}

// originToTurn is the index of the entry that a living Cluster was restored from, where that is the provider's alone to say; else -1.
func originToTurn(live *cnpgv1.Cluster) int {
	i := originIn(live)
	if i < 0 || NeverReady(live) {
		return -1
	}
	at, fields := []string{"spec", "externalClusters"}, Fields(live)
	if len(fields.by(BootstrapManager, at...)) == 0 || len(fields.others(at)) > 0 {
		return -1
	}
	return i
}

// originInTree is what a Cluster can say in-tree of the archive that it was restored from, which it names by a plugin that CNPG does not
// know, and index the entry that does; nil where it need not, or that is not the provider's to say.
func originInTree(live *cnpgv1.Cluster) (says *cnpgv1.BarmanObjectStoreConfiguration, index int) {
	if !saysUnknownPlugin(live) {
		return nil, -1
	}
	i := originToTurn(live)
	if i < 0 {
		return nil, -1
	}
	plugin := live.Spec.ExternalClusters[i].PluginConfiguration
	if says = notedOrigin(live); says == nil || plugin == nil || storeOf(plugin) != OriginStoreName(live.Name) {
		return nil, -1
	}
	says.ServerName = plugin.Parameters[barmancloud.ServerNameParameter]
	return says, i
}

// turnOriginBack has a Cluster that archives in-tree name what it was restored from in-tree too, where CNPG knows no plugin: as long as it
// names that, CNPG does nothing for the Cluster.
func (d *division) turnOriginBack(live *cnpgv1.Cluster) {
	says, i := originInTree(live)
	if says == nil || Archiver(d.cluster) == nil || MethodOf(d.cluster) == MethodPlugin {
		return
	}
	d.origin, d.originDue, d.originInTree = nil, false, says
	d.external = slices.Clone(live.Spec.ExternalClusters)
	d.external[i].PluginConfiguration, d.external[i].BarmanObjectStore = nil, says
}

// MendsOrigin tells whether an update of a Cluster that archives in-tree has CNPG go on with it, by naming what it was restored from
// without the plugin that CNPG does not know.
func MendsOrigin(live *cnpgv1.Cluster) bool {
	says, _ := originInTree(live)
	return says != nil && Archiver(live) != nil && MethodOf(live) == MethodInTree
}

// originLost tells whether CNPG has given up the field in which a Cluster says what it was restored from, so that it refuses every
// update that does not say it in another way.
func (d division) originLost(live *cnpgv1.Cluster) bool {
	return d.external != nil && d.origin != nil && live.Spec.ExternalClusters[originIn(live)].BarmanObjectStore == nil
}

// applyOrigin has a Cluster name by another method what it was restored from.
func (c *Client) applyOrigin(ctx context.Context, live *cnpgv1.Cluster, d division) (*cnpgv1.Cluster, error) {
	spec := *live.Spec.DeepCopy()
	spec.ExternalClusters = d.external
	return c.applyBootstrap(ctx, live, spec, true) // from [FieldManager], which has made the Cluster with it; of others there is none
}

// turnLostOrigin is applyOrigin where no other update can come before it.
func (c *Client) turnLostOrigin(ctx context.Context, live *cnpgv1.Cluster, d division) error {
	if _, err := c.applyStore(ctx, live, d.origin, Ownership[barmancloud.ObjectStore]{Force: true}, false); err != nil {
		return err
	}
	_, err := c.applyOrigin(ctx, live, d)
	return err
}

// turnedBack is the Cluster after applyOrigin.
func (c *Client) turnedBack(ctx context.Context, live *cnpgv1.Cluster, d division, stores []*barmancloud.ObjectStore) (*cnpgv1.Cluster, error) {
	turned, err := c.applyOrigin(ctx, live, d)
	if err != nil {
		return nil, err
	}
	return c.joined(ctx, turned, stores...)
}
