package provider

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/resource"
)

var (
	_ resource.ResourceWithMoveState = (*restoreResource)(nil)
	_ resource.ResourceWithMoveState = (*backupResource)(nil)
)

// unableToMove stands in for the framework's summary of a move that nobody takes, which asks for a change of the provider.
const unableToMove = "Unable to Move Resource"

// MoveState says that nothing becomes a restore by a block `moved`, and what to do.
func (r *restoreResource) MoveState(context.Context) []resource.StateMover {
	return refusesMoves("pgplatform_restore")
}

// MoveState says that nothing becomes a backup by a block `moved`, and what to do.
func (r *backupResource) MoveState(context.Context) []resource.StateMover {
	return refusesMoves("pgplatform_backup")
}

// refusesMoves are the movers of a type of resource that nothing can be moved to.
func refusesMoves(to string) []resource.StateMover {
	return []resource.StateMover{{StateMover: func(_ context.Context, req resource.MoveStateRequest, resp *resource.MoveStateResponse) {
		refuseMove(to, req, resp)
	}}}
}

// refuseMove says that what Terraform would move to a type of resource cannot be moved there. It tells the provider no names, only types.
func refuseMove(to string, req resource.MoveStateRequest, resp *resource.MoveStateResponse) {
	resp.Diagnostics.AddError(unableToMove, paragraphs(
		fmt.Sprintf("A %s of the provider %s cannot be moved to a %s: only a pgplatform_restore of this provider can be moved, and only to a pgplatform_database.",
			req.SourceTypeName, req.SourceProviderAddress, to),
		fmt.Sprintf("Where both stand for the same object in Kubernetes, write these two instead of the block `moved`, which have Terraform forget the one and take over the object as the other:\n\n"+
			"  removed {\n    from = %s.NAME\n    lifecycle {\n      destroy = false\n    }\n  }\n\n"+
			"  import {\n    to = %s.NAME\n    id = \"namespace/name\"\n  }", req.SourceTypeName, to),
		"Nothing was changed.",
	))
}
