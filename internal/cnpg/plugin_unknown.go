package cnpg

import (
	"fmt"
	"slices"
	"strings"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"k8s.io/utils/ptr"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
)

// UnknownPluginError is a Cluster that needs the Barman Cloud plugin while CNPG does not know it, and so does nothing for the Cluster. That
// the plugin's kinds are there does not tell: they stay behind when it is removed. With rights in one namespace nothing else is to be seen
// before a Cluster asks for it.
type UnknownPluginError struct {
	Key    Key
	Reason string // CNPG's status.phaseReason
	Way    WayBack
}

// WayBack is what a Cluster for which CNPG knows no plugin can do without it, as long as CNPG has its own support for barman.
type WayBack int

// Where a Cluster names the plugin for the archive that it was restored from, and has run since, CNPG asks for it by whatever method the
// Cluster archives, until it names that archive in-tree: an update that archives in-tree does so.
const (
	ByMethod WayBack = iota // it archives by another method, or is made anew by it
	ByBackup                // it archives nowhere, and names the archive that it was restored from: it begins to archive, by another method
	ByUpdate                // it archives by another method already: its next update names that archive in-tree
	NoWay                   // others state that archive, or nothing tells any more where it lies
)

func (e *UnknownPluginError) Error() string {
	return fmt.Sprintf("Cluster %s: CloudNativePG knows no Barman Cloud plugin: %s", e.Key, e.Reason)
}

// UnknownPlugin is an [UnknownPluginError] of a Cluster whose status says so; nil of any other. What a status says from before the Cluster
// went over to another method does not count.
func UnknownPlugin(cluster *cnpgv1.Cluster) *UnknownPluginError {
	if !saysUnknownPlugin(cluster) {
		return nil
	}
	restored := slices.ContainsFunc(cluster.Spec.ExternalClusters, func(e cnpgv1.ExternalCluster) bool {
		return e.PluginConfiguration != nil && needs(*e.PluginConfiguration)
	})
	if !restored && !slices.ContainsFunc(cluster.Spec.Plugins, needs) {
		return nil
	}
	unknown := &UnknownPluginError{Key: KeyOf(cluster), Reason: cluster.Status.PhaseReason}
	if restored && !NeverReady(cluster) {
		unknown.Way = wayFromOrigin(cluster)
	}
	return unknown
}

// wayFromOrigin is the way back of a Cluster that names the plugin for the archive that it was restored from.
func wayFromOrigin(cluster *cnpgv1.Cluster) WayBack {
	says, _ := originInTree(cluster)
	switch {
	case says == nil:
		return NoWay
	case MendsOrigin(cluster):
		return ByUpdate
	case !Archives(cluster):
		return ByBackup
	}
	return ByMethod
}

func saysUnknownPlugin(cluster *cnpgv1.Cluster) bool {
	return cluster.Status.Phase == cnpgv1.PhaseUnknownPlugin && strings.Contains(cluster.Status.PhaseReason, barmancloud.PluginName)
}

// needs tells whether an entry has CNPG ask for the Barman Cloud plugin.
func needs(p cnpgv1.PluginConfiguration) bool {
	return p.Name == barmancloud.PluginName && ptr.Deref(p.Enabled, true)
}
