package provider

import (
	"context"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/diag"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// ownership tells the drift from the state m from what was never the provider's. Only names of fields count, so that any
// value will do for what stands in Kubernetes alone, such as the fingerprint of the keys.
func (m *databaseModel) ownership(ctx context.Context, b *backend, live *cnpgv1.Cluster, seen archiveSeen, force bool) (cnpg.Ownership[cnpgv1.Cluster], cnpg.Ownership[cnpgv1.ScheduledBackup]) {
	clusters, schedules := cnpg.Ownership[cnpgv1.Cluster]{Force: force}, cnpg.Ownership[cnpgv1.ScheduledBackup]{Force: force}
	var diags diag.Diagnostics
	backup := m.backup(ctx, &diags)
	location := archiveLocation{serverName: cnpg.ServerName(live), fingerprint: "-"}
	if backup.enabled() {
		if location.store = b.storeFor(ctx, backup, seen.kept(), &diags); location.store == nil {
			return clusters, schedules
		}
	}
	cluster := m.toCluster(ctx, location, &diags)
	scheduled, err := backup.toScheduledBackup(live)
	if !diags.HasError() && err == nil {
		clusters.Before, schedules.Before = cluster, scheduled
	}
	return clusters, schedules
}
