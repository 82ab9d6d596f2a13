package provider

import (
	"context"
	"errors"
	"fmt"

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

// growFull asks for the sizes of a Cluster whose disk is full. Where its volumes may not be listed that is a warning: another
// update, or one with sizes that they have already, need not fail for it.
func growFull(ctx context.Context, client *cnpg.Client, cluster *cnpgv1.Cluster, diags *diag.Diagnostics) error {
	err := client.GrowFullVolumes(ctx, cluster)
	var unseen *cnpg.UnseenVolumesError
	if !errors.As(err, &unseen) {
		return err
	}
	key := cnpg.KeyOf(cluster)
	diags.AddWarning("Volumes Not Enlarged", paragraphs(sentence(err), fmt.Sprintf(
		"Where they are smaller than storage.size or wal_storage.size, enlarge them with other credentials: kubectl get pvc -n %s -l %s=%s, then kubectl patch pvc.",
		key.Namespace, cnpg.LabelCluster, key.Name)))
	return nil
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
