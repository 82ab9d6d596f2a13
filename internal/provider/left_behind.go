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
// the state stands for, desired what was applied, live what came of it. CNPG sets some parameters to the same by itself.
func leftBehind(before, desired, live *cnpgv1.Cluster) []string {
	var left []string
	fields := cnpg.Fields(live)
	for _, entries := range []struct {
		attribute       string
		before, desired map[string]string
		path            []string
	}{
		{"labels", before.Labels, desired.Labels, []string{"metadata", "labels"}},
		{"annotations", before.Annotations, desired.Annotations, []string{"metadata", "annotations"}},
		{"parameters", before.Spec.PostgresConfiguration.Parameters, desired.Spec.PostgresConfiguration.Parameters, []string{"spec", "postgresql", "parameters"}},
		{"scheduling.node_selector", before.Spec.Affinity.NodeSelector, desired.Spec.Affinity.NodeSelector, []string{"spec", "affinity", "nodeSelector"}},
	} {
		for key := range entries.before {
			if _, wanted := entries.desired[key]; !wanted && len(fields.Others(append(entries.path, key)...)) > 0 {
				left = append(left, fmt.Sprintf("%s[%q]", entries.attribute, key))
			}
		}
	}
	for _, field := range []struct {
		attribute string
		count     func(*cnpgv1.Cluster) int
		path      []string
	}{
		{"image_pull_secrets", func(c *cnpgv1.Cluster) int { return len(c.Spec.ImagePullSecrets) }, []string{"spec", "imagePullSecrets"}},
		{"pg_hba", func(c *cnpgv1.Cluster) int { return len(c.Spec.PostgresConfiguration.PgHBA) }, []string{"spec", "postgresql", "pg_hba"}},
		{"scheduling.tolerations", func(c *cnpgv1.Cluster) int { return len(c.Spec.Affinity.Tolerations) }, []string{"spec", "affinity", "tolerations"}},
		{"scheduling.topology_key", func(c *cnpgv1.Cluster) int { return len(c.Spec.Affinity.TopologyKey) }, []string{"spec", "affinity", "topologyKey"}},
	} {
		if field.count(before) > 0 && field.count(desired) == 0 && len(fields.Others(field.path...)) > 0 {
			left = append(left, field.attribute)
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
			"The configuration no longer has %s, and the Cluster %s still does: another manager of it, such as kubectl, states it too. "+
				"To have it removed, remove it there too.", strings.Join(left, ", "), cnpg.KeyOf(live)))
	}
}
