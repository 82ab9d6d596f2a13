package provider

import (
	"context"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

var (
	_ resource.ResourceWithConfigure      = (*databaseResource)(nil)
	_ resource.ResourceWithIdentity       = (*databaseResource)(nil)
	_ resource.ResourceWithImportState    = (*databaseResource)(nil)
	_ resource.ResourceWithModifyPlan     = (*databaseResource)(nil)
	_ resource.ResourceWithValidateConfig = (*databaseResource)(nil)
)

type databaseResource struct{ clusterResource }

func newDatabaseResource() resource.Resource { return &databaseResource{} }

func (r *databaseResource) Metadata(_ context.Context, _ resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = "pgplatform_database"
}

func (r *databaseResource) Schema(ctx context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = databaseSchema(ctx)
}

func (r *databaseResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	const summary = "Unable to Create Database"
	var plan databaseModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	timeout, d := plan.Timeouts.Create(ctx, defaultCreateTimeout)
	resp.Diagnostics.Append(d...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, client, end, ok := r.backend.begin(ctx, "create", timeout, summary, &resp.Diagnostics)
	defer end()
	if !ok {
		return
	}
	key := plan.key()
	if !namespaceExists(ctx, client, key.Namespace, summary, &resp.Diagnostics) {
		return
	}
	if backup := plan.backup(ctx, &resp.Diagnostics); backup.schedules() {
		if err := freeForSchedule(ctx, client, key, backup.method()); err != nil {
			addFailure(&resp.Diagnostics, summary, overdue(ctx, err), "Nothing was created.")
			return
		}
	}
	if err := plan.settleMethod(ctx, client, nil, &resp.Diagnostics); err != nil {
		addFailure(&resp.Diagnostics, summary, overdue(ctx, err), "Nothing was created.")
		return
	}
	location, ok := r.locate(ctx, &plan, nil, archiveSeen{}, summary, &resp.Diagnostics)
	if !ok {
		return
	}
	if err := location.freeForSecret(ctx, client, &plan); err != nil {
		addFailure(&resp.Diagnostics, summary, overdue(ctx, err), "Nothing was created.")
		return
	}
	cluster := plan.toCluster(ctx, location, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	cluster.Spec.Bootstrap = &cnpgv1.BootstrapConfiguration{
		InitDB: &cnpgv1.BootstrapInitDB{Database: plan.DatabaseName.ValueString(), Owner: plan.Owner.ValueString()},
	}
	noteOwed(cluster, plan.backup(ctx, &resp.Diagnostics), &resp.Diagnostics)
	created, err := client.CreateCluster(ctx, cluster)
	if created == nil {
		addCreateError(&resp.Diagnostics, summary, "pgplatform_database", key, err)
		return
	}

	// The object exists: from here on it is in the state, whatever happens.
	plan.ID = types.StringValue(key.String())
	early := plan
	early.nullUnknowns()
	resp.Diagnostics.Append(resp.State.Set(ctx, early)...)
	resp.Diagnostics.Append(resp.Identity.Set(ctx, identityOf(key))...)
	standsFor{UID: created.UID}.leave(ctx, resp.Private, &resp.Diagnostics)
	r.backend.seeArchive(created, nil, archiveSeen{}).leave(ctx, resp.Private, &resp.Diagnostics)
	if err == nil {
		err = applyBackups(ctx, client, created, cluster, plan.backup(ctx, &resp.Diagnostics), location, cnpg.Ownership[cnpgv1.ScheduledBackup]{Force: plan.ForceConflicts.ValueBool()})
	}
	if err == nil && plan.Wait.ValueBool() {
		created, err = client.WaitReady(ctx, key)
	}
	if err != nil {
		addFailure(&resp.Diagnostics, summary, overdue(ctx, err), stateAfterCreate("pgplatform_database", key))
		return
	}
	plan.observe(created)
	resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
}

func (r *databaseResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var state databaseModel
	resp.Diagnostics.Append(read(ctx, req.State, &state)...)
	last := state
	r.readCluster(ctx, "pgplatform_database", &state, req, resp, func(*cnpgv1.Cluster) {
		if !same(&state, &last) {
			resp.Diagnostics.Append(resp.State.Set(ctx, state)...)
		}
	})
}

func (r *databaseResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan, state, config databaseModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	r.updateCluster(ctx, "pgplatform_database", clusterUpdate{plan: &plan, state: &state, config: &config}, req, resp, func(now *databaseModel) {
		resp.Diagnostics.Append(resp.State.Set(ctx, *now)...)
	})
}

func (r *databaseResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state databaseModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	r.backend.destroyCluster(ctx, "Unable to Destroy Database", destruction{
		kind: "pgplatform_database", of: state.key(), is: standing(ctx, req.Private, &resp.Diagnostics),
		seen:       seenArchive(ctx, req.Private, &resp.Diagnostics),
		protection: state.DeletionProtection, finalBackup: state.FinalBackup, limits: state.Timeouts,
	}, &resp.Diagnostics)
}

func (r *databaseResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	importCluster(ctx, req, resp)
	setTerraformsOwn(ctx, &resp.State, &resp.Diagnostics)
	var id types.String
	resp.Diagnostics.Append(resp.State.GetAttribute(ctx, path.Root("id"), &id)...)
	if key, err := cnpg.ParseKey(id.ValueString()); err == nil {
		r.backend.warnOtherSchedules(ctx, key, &resp.Diagnostics)
	}
}

// setTerraformsOwn gives what only Terraform keeps its defaults.
func setTerraformsOwn(ctx context.Context, state *tfsdk.State, diags *diag.Diagnostics) {
	for name, value := range map[string]any{"database_type": typePostgreSQL, "wait": true, "final_backup": false, "force_conflicts": false} {
		diags.Append(state.SetAttribute(ctx, path.Root(name), value)...)
	}
}
