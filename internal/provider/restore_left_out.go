package provider

import (
	"fmt"
	"strings"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/diag"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// warnLeftOut tells of what the source's Cluster states and no attribute of a restored database can: a database that needs its
// libraries or roles would come back without them and not say so.
func (m *restoreModel) warnLeftOut(from *origin, diags *diag.Diagnostics) {
	if from.cluster == nil {
		return
	}
	left := leftOut(&from.cluster.Spec)
	if from.cluster.Namespace != m.Namespace.ValueString() && len(from.cluster.Spec.ImagePullSecrets) > 0 && m.ImagePullSecrets.IsNull() {
		left = append(left, "spec.imagePullSecrets (of another namespace; image_pull_secrets names those of this one)")
	}
	if len(left) > 0 {
		diags.AddAttributeWarning(m.sourcePath(), "Not Taken From the Source", fmt.Sprintf(
			"%s: the Cluster %s states what no attribute of the restored database takes over: %s. Where the database needs it, add it to the restored Cluster with kubectl.",
			m.sourcePath(), cnpg.KeyOf(from.cluster), strings.Join(left, ", ")))
	}
}

// leftOut are the fields of a Cluster, beyond the attributes, that decide what its database can do and who can use it.
func leftOut(spec *cnpgv1.ClusterSpec) []string {
	postgres := spec.PostgresConfiguration
	var left []string
	for _, field := range []struct {
		name  string
		isSet bool
	}{
		{"spec.postgresql.shared_preload_libraries", len(postgres.AdditionalLibraries) > 0},
		{"spec.postgresql.extensions", len(postgres.Extensions) > 0},
		{"spec.postgresql.synchronous", postgres.Synchronous != nil},
		{"spec.minSyncReplicas", spec.MinSyncReplicas > 0},
		{"spec.maxSyncReplicas", spec.MaxSyncReplicas > 0},
		{"spec.postgresql.pg_ident", len(postgres.PgIdent) > 0},
		{"spec.postgresql.ldap", postgres.LDAP != nil},
		{"spec.plugins", len(cnpg.OtherPlugins(spec.Plugins)) > 0},
		{"spec.managed", spec.Managed != nil},
		{"spec.certificates", spec.Certificates != nil},
		{"spec.env", len(spec.Env) > 0},
		{"spec.envFrom", len(spec.EnvFrom) > 0},
		{"spec.enableSuperuserAccess", spec.EnableSuperuserAccess != nil && *spec.EnableSuperuserAccess},
		{"spec.inheritedMetadata", spec.InheritedMetadata != nil},
		{"spec.projectedVolumeTemplate", spec.ProjectedVolumeTemplate != nil},
		{"spec.priorityClassName", spec.PriorityClassName != ""},
		{"spec.topologySpreadConstraints", len(spec.TopologySpreadConstraints) > 0},
	} {
		if field.isSet {
			left = append(left, field.name)
		}
	}
	return left
}
