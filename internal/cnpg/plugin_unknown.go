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
	// Bound tells that the Cluster names the plugin for the archive that it was restored from, and has run since: CNPG asks for it as
	// long as the Cluster lives, by whatever method that archives.
	Bound bool
}

func (e *UnknownPluginError) Error() string {
	return fmt.Sprintf("Cluster %s: CloudNativePG knows no Barman Cloud plugin: %s", e.Key, e.Reason)
}

// UnknownPlugin is an [UnknownPluginError] of a Cluster whose status says so; nil of any other. What a status says from before the Cluster
// went over to another method does not count.
func UnknownPlugin(cluster *cnpgv1.Cluster) *UnknownPluginError {
	status := cluster.Status
	if status.Phase != cnpgv1.PhaseUnknownPlugin || !strings.Contains(status.PhaseReason, barmancloud.PluginName) {
		return nil
	}
	restored := slices.ContainsFunc(cluster.Spec.ExternalClusters, func(e cnpgv1.ExternalCluster) bool {
		return e.PluginConfiguration != nil && needs(*e.PluginConfiguration)
	})
	if !restored && !slices.ContainsFunc(cluster.Spec.Plugins, needs) {
		return nil
	}
	return &UnknownPluginError{Key: KeyOf(cluster), Reason: status.PhaseReason, Bound: restored && !NeverReady(cluster)}
}

// needs tells whether an entry has CNPG ask for the Barman Cloud plugin.
func needs(p cnpgv1.PluginConfiguration) bool {
	return p.Name == barmancloud.PluginName && ptr.Deref(p.Enabled, true)
}
