package provider

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

func (r *restoreResource) ValidateConfig(ctx context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	var config restoreModel
	resp.Diagnostics.Append(read(ctx, req.Config, &config)...)
	validateScheduling(ctx, config.Scheduling, &resp.Diagnostics)
	backup := config.backup(ctx, &resp.Diagnostics)
	if backup != nil { // without the block the source decides
		validateFinalBackup(config.databaseModel, backup, &resp.Diagnostics)
	}
	config.validateBackup(ctx, &resp.Diagnostics)
	if source, _, ok := config.source(ctx, &resp.Diagnostics); ok {
		refuseOwnSecret(ctx, config.Name, source.CredentialsSecret, path.Root("source").AtName("credentials_secret"), &resp.Diagnostics)
	}
	if !config.Verify.IsNull() && config.Wait.Equal(types.BoolValue(false)) {
		resp.Diagnostics.AddAttributeError(path.Root("verify"), "Nothing to Verify", "verify looks into the restored database, and wait = false does not wait for it: leave out one of them.")
	}
	config.validateTarget(ctx, &resp.Diagnostics)
}

// validateTarget refuses what a look at the target alone can tell to be wrong.
func (m *restoreModel) validateTarget(ctx context.Context, diags *diag.Diagnostics) {
	target := m.target("")
	source, _, ok := m.source(ctx, diags)
	if ok && (target.Kind == recovery.TargetXID || target.Kind == recovery.TargetName) && m.BackupID.IsNull() && source.Backup.IsNull() {
		diags.AddAttributeError(m.targetPath(), "Missing Backup",
			fmt.Sprintf("%s needs a base backup to begin from, backup_id or source.backup: where in the WAL it lies, the archive does not tell.", m.targetPath()))
	}
	if target.Exclusive && target.Kind == recovery.TargetLatest && m.targetKnown() {
		diags.AddAttributeError(path.Root("target_inclusive"), "No Target",
			"target_inclusive = false leaves out what lies exactly at a target, and there is none: set target_time, target_lsn or target_xid.")
	}
	if target.Kind == recovery.TargetName && target.Exclusive {
		diags.AddAttributeError(path.Root("target_inclusive"), "Restore Points Have No Content",
			"target_inclusive: at a restore point there is no transaction to leave out. Leave target_inclusive out.")
	}
}

// ModifyPlan refuses a restore that cannot succeed. It is called twice where a replacement is planned, and its planned
// values depend on no clock; the clock only decides whether a target lies in the future.
func (r *restoreResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	// An archive that is too large or too slow to be read takes the time that reading has, and leaves as much for all else.
	ctx, cancel := context.WithTimeout(ctx, 2*planTimeout)
	defer cancel()
	var state *restoreModel
	if !req.State.Raw.IsNull() {
		state = &restoreModel{}
		resp.Diagnostics.Append(read(ctx, req.State, state)...)
		if refuseAnother(ctx, "pgplatform_restore", state.key(), req.Private, &resp.Diagnostics) {
			return
		}
	}
	if req.Plan.Raw.IsNull() {
		if !resp.Diagnostics.HasError() {
			planDestroy(state.key(), r.backend.protects(ctx, state.key(), state.DeletionProtection, true), state.Archive, &resp.Diagnostics)
			planFinalBackup(&state.databaseModel, &resp.Diagnostics)
		}
		return
	}
	var plan, config restoreModel
	resp.Diagnostics.Append(read(ctx, req.Plan, &plan)...)
	resp.Diagnostics.Append(read(ctx, req.Config, &config)...)
	if resp.Diagnostics.HasError() || r.backend == nil {
		return
	}
	proposed := plan
	if plan.Namespace.IsUnknown() && config.Namespace.IsNull() {
		plan.Namespace = r.backend.namespace
	}
	plan.open(ctx, &config.databaseModel, &resp.Diagnostics)
	if state != nil && !plan.recoversAnew(&config, state) {
		if refuseUnread(&state.databaseModel, "Unable to Plan Restore", &resp.Diagnostics) {
			return
		}
		r.planChange(ctx, &plan, &config, state, req.Private, &resp.Diagnostics)
	} else {
		r.planRestore(ctx, &plan, &config, state, req.Private, resp.Private, &resp.Diagnostics)
	}
	if state != nil {
		replacement{Of: state.key().String(), Protected: state.DeletionProtection.ValueBool()}.leave(ctx, resp.Private, &resp.Diagnostics)
	}
	if !same(&plan, &proposed) {
		resp.Diagnostics.Append(resp.Plan.Set(ctx, plan)...)
	}
}

// planChange plans a change of what was restored, as of any database. What the configuration leaves open stays.
func (r *restoreResource) planChange(ctx context.Context, plan, config, state *restoreModel, private privateState, diags *diag.Diagnostics) {
	before := &state.databaseModel
	plan.inherit(ctx, &config.databaseModel, before, diags)
	plan.keepRecovered(state)
	plan.planSchedule(ctx, before, diags)
	r.backend.planned(ctx, &plan.databaseModel, before, diags)
	archiving := r.planArchive(ctx, clusterPlan{plan: &plan.databaseModel, config: effective(ctx, &config.databaseModel, &plan.databaseModel), state: before}, private, diags)
	if plan.Wait.ValueBool() && r.backend.recovers(ctx, before) {
		archiving.changes = true
		diags.AddWarning("Restore Not Complete Yet", fmt.Sprintf(
			"No instance of the restored database %s was ready yet, as after an apply that was interrupted, or an import meanwhile. This update waits for the end of the recovery, "+
				"and fails with its cause where it has failed.", state.key()))
	}
	r.planUpdate(ctx, &plan.databaseModel, &config.databaseModel, before, archiving, diags)
	r.planScheduleName(ctx, &plan.databaseModel, before, diags)
}

// effective is a configuration as if it said itself what is planned for what it leaves open.
func effective(ctx context.Context, config, plan *databaseModel) *databaseModel {
	said := *config
	if config.Backup.IsNull() {
		said.Backup = plan.Backup
		var diags diag.Diagnostics
		if backup := plan.backup(ctx, &diags); backup != nil {
			// The folder and the method that were chosen are nothing that anybody asks for.
			backup.ServerName, backup.Method = types.StringNull(), types.StringNull()
			said.Backup = backup.object()
		}
	}
	return &said
}

// planRestore plans a restore, and checks, as far as things are known, that it can succeed. private is what was left for it, and
// left what it leaves.
func (r *restoreResource) planRestore(ctx context.Context, plan, config, state *restoreModel, private, left privateState, diags *diag.Diagnostics) {
	if state != nil {
		refuseReplace(state.key(), r.backend.protects(ctx, state.key(), state.DeletionProtection, true), diags)
	}
	source, _, _ := plan.source(ctx, diags)
	if known(plan.Name, plan.Namespace) && refuseOwnSource(source.Database.ValueString(), plan.key(), diags) {
		return
	}
	if state == nil {
		r.planCreate(ctx, plan, private, left, diags)
	}
	from := r.backend.originOf(ctx, plan, diags)
	if from != nil && state != nil && refuseOwnArchive(state, from, diags) {
		return
	}
	if diags.HasError() {
		return
	}
	if from == nil || !plan.targetKnown() {
		r.backend.warnUnchecked(diags)
	}
	if from != nil {
		r.planOrigin(ctx, plan, config, from, diags)
	}
	if diags.HasError() {
		return
	}
	r.backend.planned(ctx, &plan.databaseModel, nil, diags)
	r.planArchive(ctx, clusterPlan{plan: &plan.databaseModel, config: effective(ctx, &config.databaseModel, &plan.databaseModel), recovers: true}, private, diags)
	r.planScheduleName(ctx, &plan.databaseModel, nil, diags)
}

// warnUnchecked tells that what a restore depends on is not known yet: once, however many restores there are.
func (b *backend) warnUnchecked(diags *diag.Diagnostics) {
	if b == nil {
		return
	}
	if _, told := b.warned.LoadOrStore("unchecked", true); !told {
		diags.AddWarning("Restore Not Checked Yet", "What is restored, or up to where, is not known before the apply. Whether that can succeed is checked then, before anything is created.")
	}
}

// planCreate refuses a create that would meet a Cluster. One that is a failed restore holds no data, and goes first: Terraform
// destroys what it has marked as tainted, which reaches its plan as a create.
func (r *restoreResource) planCreate(ctx context.Context, plan *restoreModel, private, left privateState, diags *diag.Diagnostics) {
	if !known(plan.Name, plan.Namespace) {
		return
	}
	if protection, follows := followsDeletion(ctx, private, plan.key(), diags); follows {
		refuseReplace(plan.key(), r.backend.protects(ctx, plan.key(), protection, true), diags)
	} else if !r.backend.makesRoom(ctx, plan, left, diags) {
		r.backend.refuseExisting(ctx, "pgplatform_restore", plan.key(), diags)
	}
	if !diags.HasError() {
		r.backend.warnMissingNamespace(ctx, plan.Namespace.ValueString(), diags)
	}
}

// planOrigin plans what the source decides, and refuses what its archive tells to be impossible.
func (r *restoreResource) planOrigin(ctx context.Context, plan, config *restoreModel, from *origin, diags *diag.Diagnostics) {
	var catalog *recovery.Catalog
	var unread error
	if plan.targetKnown() {
		catalog, unread = r.backend.catalog(ctx, from, true)
		if !plan.refuseFuture(catalog, diags) {
			return
		}
	}
	if !r.backend.changes(from) { // else what it will be decides when it is
		// What only the archive tells stays open: Terraform plans once more when it applies, and S3 may give no answer then.
		plan.inheritFrom(ctx, r.backend, config, from, nil, diags)
	}
	plan.warnLeftOut(from, diags)
	plan.refuseSettings(ctx, r.backend, config, from, diags)
	if diags.HasError() || !plan.targetKnown() {
		return
	}
	if unread != nil {
		if client, err := r.backend.s3Client(ctx, from.store); err == nil && archive.Unreachable(unread) {
			r.backend.warnUnreachable(client, unread, "Whether the restore can succeed is checked when it is applied, if the store can be reached then.", diags)
			return
		}
		r.backend.addRefusal(ctx, plan, config, from, nil, unread, diags)
		return
	}
	// Without a flush what is archived by then counts, which the plan can only compare with what is archived now.
	choice, err := plan.chooseBackup(from, catalog, plan.flushing())
	if err != nil { // a backup may have been taken since the archive was read for another restore
		if catalog, unread = r.backend.catalog(ctx, from, false); unread == nil {
			choice, err = plan.chooseBackup(from, catalog, plan.flushing())
		}
	}
	if err != nil {
		r.backend.addRefusal(ctx, plan, config, from, catalog, err, diags)
		return
	}
	warnImage(config, from, choice.Backup, diags)
	plan.refuseBackup(ctx, choice.Backup, diags)
}

// changes tells whether this run changes the source before it restores from it.
func (b *backend) changes(from *origin) bool {
	if from.cluster == nil {
		return false
	}
	_, soon := b.changesSoon.Load(cnpg.KeyOf(from.cluster))
	return soon
}

// inheritFrom gives what the configuration leaves open the values of the source; catalog is nil where nobody has read it.
func (m *restoreModel) inheritFrom(ctx context.Context, b *backend, config *restoreModel, from *origin, catalog *recovery.Catalog, diags *diag.Diagnostics) {
	var backup *recovery.Backup
	if catalog != nil && from.cluster == nil {
		if choice, err := m.chooseBackup(from, catalog, willFlush); err == nil {
			backup = choice.Backup
		}
	}
	m.inherit(ctx, &config.databaseModel, from.settings(ctx, b, m.Namespace.ValueString(), backup, diags), diags)
}

// recovers tells of a restored database in the state that none of its instances was ever ready.
func (b *backend) recovers(ctx context.Context, state *databaseModel) bool {
	if state.Status.ValueString() == string(statusReady) { // which spares most plans the question
		return false
	}
	client, err := b.kubernetesClient(ctx)
	if err != nil {
		return false
	}
	cluster, err := client.GetCluster(ctx, state.key())
	return err == nil && cnpg.NeverReady(cluster)
}

// makesRoom tells whether a Cluster that a restore would meet is a restore that has failed, and leaves which one it is. One that
// still runs is not thrown away for the same restore once more.
func (b *backend) makesRoom(ctx context.Context, plan *restoreModel, private privateState, diags *diag.Diagnostics) bool {
	client, err := b.kubernetesClient(ctx)
	if err != nil {
		return false
	}
	cluster, err := client.GetCluster(ctx, plan.key())
	if err != nil || !cnpg.NeverReady(cluster) {
		return false
	}
	if parseInputs(cluster.Annotations[cnpg.AnnotationRestore]).mean(plan.inputs(ctx, diags)) {
		if runs, err := client.RecoveryRuns(ctx, plan.key()); err != nil || runs {
			return false
		}
	}
	diags.AddWarning("Failed Restore Is Removed", paragraphs(
		fmt.Sprintf("The Cluster %s is a restore that never had a ready instance, so it holds no data. "+
			"Where Terraform's state has it, marked as tainted, this apply deletes it and restores anew.", plan.key()),
		"Where the state does not have it, as when Terraform was killed, nothing of it is touched, and the apply fails. Import it first:\n\n"+
			importBlock("pgplatform_restore", plan.key())))
	room{Of: plan.key().String(), UID: cluster.UID}.leave(ctx, private, diags)
	return true
}
