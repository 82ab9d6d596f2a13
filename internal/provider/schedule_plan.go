package provider

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
)

// planSchedule refuses backups without a schedule: without a base backup, archived WAL restores nothing. Only a database
// that archives already and has no schedule, as another tool may have made it, goes on so; state is nil for one that is made.
func (m *databaseModel) planSchedule(ctx context.Context, state *databaseModel, diags *diag.Diagnostics) {
	backup := m.backup(ctx, diags)
	if !backup.enabled() || !backup.Schedule.IsNull() {
		return
	}
	at := path.Root("backup").AtName("schedule")
	var before *backupSettings
	if state != nil && !state.Archive.IsNull() {
		before = state.backup(ctx, diags)
	}
	switch {
	case before == nil:
		diags.AddAttributeError(at, "Missing Schedule",
			`A database with backups needs backup.schedule for its base backups, such as "0 2 * * *": without a base backup, archived WAL restores nothing.`)
	case !before.Schedule.IsNull():
		diags.AddAttributeError(at, "Missing Schedule", fmt.Sprintf(
			"The base backups of the database %s have a schedule, and backup.schedule cannot leave the configuration: it is %q now. To end the backups, set backup.enabled = false.",
			state.key(), before.Schedule.ValueString()))
	default:
		diags.AddAttributeWarning(at, "No Scheduled Backups", fmt.Sprintf(
			"backup.schedule is not set, and the database %s has no ScheduledBackup of its name: unless somebody else has base backups taken, what its archive can restore ends where their retention does.",
			state.key()))
	}
}
