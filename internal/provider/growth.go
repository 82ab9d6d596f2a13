package provider

import (
	"context"
	"errors"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"k8s.io/utils/ptr"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// planGrowth refuses a plan in which volumes grow that cannot. What cannot be asked now, the apply will ask.
func (b *backend) planGrowth(ctx context.Context, plan, state *databaseModel, diags *diag.Diagnostics) {
	client, err := b.kubernetesClient(ctx)
	if err != nil || plan.Storage.Equal(state.Storage) && plan.WALStorage.Equal(state.WALStorage) {
		return
	}
	var data, wal storageModel
	diags.Append(optional(ctx, plan.Storage, &data)...)
	diags.Append(optional(ctx, plan.WALStorage, &wal)...)
	var growth *cnpg.GrowthError
	err = client.CheckGrowth(ctx, state.key(), cnpgv1.ClusterSpec{StorageConfiguration: data.toStorage(), WalStorage: ptr.To(wal.toStorage())})
	if errors.As(err, &growth) {
		addFailure(diags, "Storage Cannot Grow", err, "Nothing was changed.")
	}
}

// grows tells whether an apply asks for larger volumes than the Cluster has been told to have.
func grows(live, desired *cnpgv1.Cluster) bool {
	sizeOf := func(s *cnpgv1.StorageConfiguration) string {
		if s == nil {
			return ""
		}
		return s.Size
	}
	return live.Spec.StorageConfiguration.Size != desired.Spec.StorageConfiguration.Size || sizeOf(live.Spec.WalStorage) != sizeOf(desired.Spec.WalStorage)
}
