package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// room is the failed restore that a plan has in the way of a new one. Terraform destroys what it has marked as tainted with
// the private data of that plan, and without those of the state: only so the destroy knows which Cluster the plan has seen.
type room struct {
	Of  string    `json:"of"` // namespace/name
	UID types.UID `json:"uid"`
}

const privateRoom = "room"

func (r room) leave(ctx context.Context, private privateState, diags *diag.Diagnostics) {
	leavePrivate(ctx, private, privateRoom, r, diags)
}

// roomFor is what a plan has left for the destroy of a failed restore; false where the state itself says for which Cluster
// it stands.
func roomFor(ctx context.Context, key cnpg.Key, is standsFor, private privateState, diags *diag.Diagnostics) (room, bool) {
	left, ok := keptPrivate[room](ctx, private, privateRoom, diags)
	return left, ok && is.UID == "" && left.Of == key.String()
}
