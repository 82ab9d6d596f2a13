package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

func (r *databaseResource) ValidateConfig(ctx context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	var config databaseModel
	resp.Diagnostics.Append(read(ctx, req.Config, &config)...)
	validateScheduling(ctx, config.Scheduling, &resp.Diagnostics)
	backup := config.backup(ctx, &resp.Diagnostics)
	validateFinalBackup(config, backup, &resp.Diagnostics)
	config.validateBackup(ctx, &resp.Diagnostics)
}

// validateFinalBackup refuses a last backup of what is never backed up.
func validateFinalBackup(config databaseModel, backup *backupSettings, diags *diag.Diagnostics) {
	off := config.Backup.IsNull() || backup != nil && backup.Enabled.Equal(types.BoolValue(false))
	if config.FinalBackup.ValueBool() && off {
		diags.AddAttributeError(path.Root("final_backup"), "Final Backup Without Backups",
			"final_backup takes a last base backup before a destroy, and needs backups that are enabled: add the block backup, or leave final_backup out.")
	}
}

// ModifyPlan is called twice where a replacement is planned, the second time without prior state, and must come to the
// same values: it uses no clock and nothing random.
func (r *databaseResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	ctx, cancel := context.WithTimeout(ctx, planTimeout)
	defer cancel()
	var state, plan, config *databaseModel
	if !req.State.Raw.IsNull() {
		state = &databaseModel{}
		resp.Diagnostics.Append(read(ctx, req.State, state)...)
		if refuseAnother(ctx, "pgplatform_database", state.key(), req.Private, &resp.Diagnostics) {
			return
		}
	}
	if req.Plan.Raw.IsNull() {
		if !resp.Diagnostics.HasError() {
			planDestroy(state.key(), r.backend.protects(ctx, state.key(), state.DeletionProtection, false), state.Archive, &resp.Diagnostics)
			planFinalBackup(state, &resp.Diagnostics)
		}
		return
	}
	if state != nil && refuseUnread(state, "Unable to Plan Database", &resp.Diagnostics) {
		return
	}
	plan, config = &databaseModel{}, &databaseModel{}
	resp.Diagnostics.Append(read(ctx, req.Plan, plan)...)
	resp.Diagnostics.Append(read(ctx, req.Config, config)...)
	if resp.Diagnostics.HasError() || r.backend == nil {
		return
	}
	proposed := *plan
	if plan.Namespace.IsUnknown() && config.Namespace.IsNull() {
		plan.Namespace = r.backend.namespace
	}
	plan.size(ctx, config, state, &resp.Diagnostics)
	plan.choosePostgres(config, state)
	before := state
	if state != nil && plan.replaces(state) {
		before = nil // what is made instead archives anew
	}
	plan.planSchedule(ctx, before, &resp.Diagnostics)
	r.backend.planned(ctx, plan, before, &resp.Diagnostics)
	archiving := r.planArchive(ctx, clusterPlan{plan: plan, config: config, state: before}, req.Private, &resp.Diagnostics)
	switch {
	case state == nil:
		r.planCreate(ctx, plan, req.Private, &resp.Diagnostics)
		r.planScheduleName(ctx, plan, nil, &resp.Diagnostics)
	case plan.replaces(state):
		refuseReplace(state.key(), state.DeletionProtection, &resp.Diagnostics)
	default:
		r.planUpdate(ctx, plan, config, state, archiving, &resp.Diagnostics)
		r.planScheduleName(ctx, plan, state, &resp.Diagnostics)
	}
	if state != nil {
		replacement{Of: state.key().String(), Protected: state.DeletionProtection.ValueBool()}.leave(ctx, resp.Private, &resp.Diagnostics)
	}
	if !same(plan, &proposed) {
		resp.Diagnostics.Append(resp.Plan.Set(ctx, plan)...)
	}
}

// planned remembers what this run plans for a database, by which other resources are planned. before is nil for one that is to
// be made.
func (b *backend) planned(ctx context.Context, plan, before *databaseModel, diags *diag.Diagnostics) {
	if backup := plan.backup(ctx, diags); known(plan.Name, plan.Namespace) && (plan.Backup.IsUnknown() || backup.enabled()) {
		b.archivesSoon.Store(plan.key(), true)
	}
	if before != nil && before.hibernates() && !plan.hibernates() {
		b.wakesSoon.Store(plan.key(), true)
	}
}

// replaces tells whether the inputs differ in a way that only another database can follow.
func (m *databaseModel) replaces(state *databaseModel) bool {
	return !m.Name.Equal(state.Name) || !m.Namespace.Equal(state.Namespace) ||
		!m.DatabaseName.Equal(state.DatabaseName) || !m.Owner.Equal(state.Owner)
}

// planCreate refuses a create that cannot end well: the Cluster is there already, which an object that is marked as
// tainted looks like too.
func (r *databaseResource) planCreate(ctx context.Context, plan *databaseModel, private privateState, diags *diag.Diagnostics) {
	if !known(plan.Name, plan.Namespace) {
		return
	}
	if protection, follows := followsDeletion(ctx, private, plan.key(), diags); follows {
		refuseReplace(plan.key(), protection, diags)
		return
	}
	r.backend.refuseExisting(ctx, "pgplatform_database", plan.key(), diags)
	if !diags.HasError() {
		r.backend.warnMissingNamespace(ctx, plan.Namespace.ValueString(), diags)
	}
}

func (r *clusterResource) planUpdate(ctx context.Context, plan, config, state *databaseModel, archiving archivePlan, diags *diag.Diagnostics) {
	r.backend.refuseStorageChange(ctx, state.key(), dataVolume, plan.Storage, state.Storage, diags)
	r.backend.refuseWALStorageChange(ctx, state.key(), plan.WALStorage, state.WALStorage, diags)
	r.planPostgres(ctx, config.postgresPath(), plan, state, diags)
	r.backend.planGrowth(ctx, plan, state, diags)
	kept := *plan
	kept.Status, kept.Phase, kept.Connection, kept.Archive = state.Status, state.Phase, state.Connection, state.Archive
	// Whether an object store that is not known yet is another one will be known when the plan is applied, if it is for any
	// reason: by then, what it says now must hold.
	if !plan.changes(state) && !archiving.changes && (!archiving.open || same(&kept, state)) {
		*plan = kept
		return
	}
	r.backend.changesSoon.Store(state.key(), true)
	plan.Status, plan.Phase = types.StringUnknown(), types.StringUnknown()
	plan.Connection = plannedConnection(plan, state)
	archiving.of(ctx, plan, diags)
}

// changes tells whether anything differs that stands in Kubernetes.
func (m *databaseModel) changes(state *databaseModel) bool {
	return !m.OrgID.Equal(state.OrgID) || !m.Tier.Equal(state.Tier) || !m.Instances.Equal(state.Instances) ||
		!m.Storage.Equal(state.Storage) || !m.WALStorage.Equal(state.WALStorage) || !m.Resources.Equal(state.Resources) ||
		!m.Image.Equal(state.Image) || !sameElements(m.Parameters, state.Parameters) ||
		!sameElements(m.Labels, state.Labels) || !sameElements(m.Annotations, state.Annotations) ||
		!sameElements(m.ImagePullSecrets, state.ImagePullSecrets) || !sameElements(m.PgHBA, state.PgHBA) ||
		!sameElements(m.Scheduling, state.Scheduling) || !m.Backup.Equal(state.Backup)
}
