package provider

import (
	"context"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

var _ resource.ResourceWithMoveState = (*databaseResource)(nil)

// MoveState lets a block `moved` make an ordinary database of a restored one.
func (r *databaseResource) MoveState(ctx context.Context) []resource.StateMover {
	from := restoreSchema(ctx)
	return []resource.StateMover{{SourceSchema: &from, StateMover: moveRestore}}
}

// moveRestore takes over which Cluster a restore stands for, and what only Terraform keeps. All else is read by the refresh
// that follows, as after an import.
func moveRestore(ctx context.Context, req resource.MoveStateRequest, resp *resource.MoveStateResponse) {
	// Which registry or mirror the provider comes from does not matter.
	if req.SourceTypeName != "pgplatform_restore" || !strings.HasSuffix(req.SourceProviderAddress, "/pgplatform") {
		refuseMove("pgplatform_database", req, resp)
		return
	}
	if req.SourceState == nil {
		resp.Diagnostics.AddError(unableToMove, "What stands in Terraform's state of the pgplatform_restore cannot be read, since another version of the provider has written it. "+
			"Apply it once with this version, as a pgplatform_restore, and move it then. Nothing was changed.")
		return
	}
	var restore restoreModel
	resp.Diagnostics.Append(req.SourceState.Get(ctx, &restore)...)
	if resp.Diagnostics.HasError() {
		return
	}
	set := func(at path.Path, value any) {
		resp.Diagnostics.Append(resp.TargetState.SetAttribute(ctx, at, value)...)
	}
	set(path.Root("id"), restore.ID)
	set(path.Root("namespace"), restore.Namespace)
	set(path.Root("name"), restore.Name)
	set(path.Root("deletion_protection"), restore.DeletionProtection)
	for name, limit := range restore.Timeouts.Attributes() {
		set(path.Root("timeouts").AtName(name), limit)
	}
	setTerraformsOwn(ctx, &resp.TargetState, &resp.Diagnostics)
	for name, value := range map[string]types.Bool{"wait": restore.Wait, "final_backup": restore.FinalBackup, "force_conflicts": restore.ForceConflicts} {
		set(path.Root(name), value)
	}
	if backup := restore.backup(ctx, &resp.Diagnostics); backup != nil && !backup.enabled() { // of which a Cluster shows nothing
		set(path.Root("backup"), restore.Backup)
	}
	if is := standing(ctx, req.SourcePrivate, &resp.Diagnostics); is.UID != "" {
		is.leave(ctx, resp.TargetPrivate, &resp.Diagnostics)
	}
	resp.Diagnostics.Append(resp.TargetIdentity.Set(ctx, identityOf(restore.key()))...)
}
