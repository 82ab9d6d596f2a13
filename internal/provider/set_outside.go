package provider

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// setOutside explains a plan that would have to put back what cannot be put back: who, by the API server's record, has set
// a field of a Cluster outside of Terraform, and what to write in the configuration to take the value over. It is "" where
// the provider has set the field itself, and where that cannot be asked.
func (b *backend) setOutside(ctx context.Context, key cnpg.Key, takeOver string, field ...string) string {
	client, err := b.kubernetesClient(ctx)
	if err != nil {
		return ""
	}
	cluster, err := client.GetCluster(ctx, key)
	if err != nil {
		return ""
	}
	fields := cnpg.Fields(cluster)
	others := fields.Others(field...)
	if len(others) == 0 || fields.Applied() && fields.Ours(field...) {
		return ""
	}
	for i, name := range others {
		others[i] = strconv.Quote(name)
	}
	return fmt.Sprintf("The Cluster's %s was set by %s, not by Terraform, and cannot be put back. To take it over, write %s.",
		strings.Join(field, "."), strings.Join(others, " and "), takeOver)
}
