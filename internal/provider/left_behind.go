package provider

import (
	"fmt"
	"slices"
	"strings"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/diag"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// leftBehind names what an apply gave up and what stands all the same, since another manager states it too: before is what
// the state stands for, desired what was applied, live what came of it.
func leftBehind(before, desired, live *cnpgv1.Cluster) []string {
	var left []string
	for _, entries := range []struct {
		attribute             string
		before, desired, live map[string]string
	}{
		{"labels", before.Labels, desired.Labels, live.Labels},
		{"annotations", before.Annotations, desired.Annotations, live.Annotations},
		{"parameters", before.Spec.PostgresConfiguration.Parameters, desired.Spec.PostgresConfiguration.Parameters, live.Spec.PostgresConfiguration.Parameters},
		{"scheduling.node_selector", before.Spec.Affinity.NodeSelector, desired.Spec.Affinity.NodeSelector, live.Spec.Affinity.NodeSelector},
	} {
		for key := range entries.before {
			_, wanted := entries.desired[key]
			if value, stands := entries.live[key]; !wanted && stands && value == entries.before[key] {
				left = append(left, fmt.Sprintf("%s[%q]", entries.attribute, key))
			}
		}
	}
	for attribute, count := range map[string]func(*cnpgv1.Cluster) int{
		"image_pull_secrets":      func(c *cnpgv1.Cluster) int { return len(c.Spec.ImagePullSecrets) },
		"pg_hba":                  func(c *cnpgv1.Cluster) int { return len(c.Spec.PostgresConfiguration.PgHBA) },
		"scheduling.tolerations":  func(c *cnpgv1.Cluster) int { return len(c.Spec.Affinity.Tolerations) },
		"scheduling.topology_key": func(c *cnpgv1.Cluster) int { return len(c.Spec.Affinity.TopologyKey) },
	} {
		if count(before) > 0 && count(desired) == 0 && count(live) > 0 {
			left = append(left, attribute)
		}
	}
	slices.Sort(left)
	return left
}

// warnLeftBehind tells of what an update could not remove.
func warnLeftBehind(before, desired, live *cnpgv1.Cluster, diags *diag.Diagnostics) {
	if before == nil {
		return
	}
	if left := leftBehind(before, desired, live); len(left) > 0 {
		diags.AddWarning("Not Removed", fmt.Sprintf(
			"The configuration no longer has %s, and the Cluster %s still does: another manager of it, such as kubectl, states the same. "+
				"To have it removed, remove it there too.", strings.Join(left, ", "), cnpg.KeyOf(live)))
	}
}
