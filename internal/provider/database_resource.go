package provider

import (
	"context"
	"errors"
	"fmt"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
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

type databaseResource struct{ resourceBase }

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
	backup := plan.backup(ctx, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	ctx, finish := r.backend.collectWarnings(ctx)
	defer finish(&resp.Diagnostics)

	key := plan.key()
	client, err := r.backend.kubernetesClient(ctx)
	if err != nil {
		addConnectionError(&resp.Diagnostics, summary, err)
		return
	}
	if !namespaceExists(ctx, client, key.Namespace, summary, &resp.Diagnostics) {
		return
	}
	var location archiveLocation
	if backup.enabled() {
		var ok bool
		if r.backend.requireArchive(path.Root("backup"), &resp.Diagnostics); resp.Diagnostics.HasError() {
			return
		}
		if location, ok = r.backend.newArchive(ctx, key.Name, summary, &resp.Diagnostics); !ok {
			return
		}
	}
	cluster := plan.toCluster(ctx, location, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	cluster.Spec.Bootstrap = &cnpgv1.BootstrapConfiguration{
		InitDB: &cnpgv1.BootstrapInitDB{Database: plan.DatabaseName.ValueString(), Owner: plan.Owner.ValueString()},
	}
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
	if err == nil {
		err = applyBackups(ctx, client, created, backup, location)
	}
	if err == nil {
		created, err = client.WaitReady(ctx, key)
	}
	if err != nil {
		resp.Diagnostics.AddError(summary, paragraphs(sentence(err), remedy(err), stateAfterCreate("pgplatform_database", key)))
		return
	}
	plan.observe(created)
	resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
}

func (r *databaseResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	const summary = "Unable to Read Database"
	var state databaseModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	timeout, d := state.Timeouts.Read(ctx, defaultReadTimeout)
	resp.Diagnostics.Append(d...)
	if resp.Diagnostics.HasError() {
		return
	}
	// Also for an object that is gone: the framework asks for its identity, which older CLIs do not keep.
	resp.Diagnostics.Append(resp.Identity.Set(ctx, identityOf(state.key()))...)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	client, err := r.backend.kubernetesClient(ctx)
	if errors.Is(err, errNotKnown) && !state.Status.IsNull() { // what is only being imported has nothing to keep
		warnNotRefreshed(state.key(), &resp.Diagnostics)
		return
	}
	if err != nil {
		addConnectionError(&resp.Diagnostics, summary, err)
		return
	}
	cluster, scheduled, err := readDatabase(ctx, client, state.key())
	if errors.Is(err, cnpg.ErrNotFound) {
		resp.State.RemoveResource(ctx)
		return
	}
	if err != nil {
		resp.Diagnostics.AddError(summary, sentence(err))
		return
	}
	state.fromCluster(ctx, cluster, scheduled, &resp.Diagnostics)
	resp.Diagnostics.Append(resp.State.Set(ctx, state)...)
}

func (r *databaseResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	const summary = "Unable to Update Database"
	var plan, state, config databaseModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	timeout, d := plan.Timeouts.Update(ctx, defaultUpdateTimeout)
	resp.Diagnostics.Append(d...)
	backup := plan.backup(ctx, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	// CLIs that know no identities pass none on from the state.
	resp.Diagnostics.Append(resp.Identity.Set(ctx, identityOf(plan.key()))...)
	if !plan.Status.IsUnknown() {
		// Only settings that Terraform keeps for itself have changed.
		resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	ctx, finish := r.backend.collectWarnings(ctx)
	defer finish(&resp.Diagnostics)

	key := plan.key()
	client, err := r.backend.kubernetesClient(ctx)
	if err != nil {
		addConnectionError(&resp.Diagnostics, summary, err)
		return
	}
	live, err := client.GetCluster(ctx, key)
	if err != nil {
		resp.Diagnostics.AddError(summary, sentence(err))
		return
	}
	location, ok := r.locationFor(ctx, live, backup, changesMajor(plan.postgres(), state.postgres()), summary, &resp.Diagnostics)
	if !ok {
		return
	}
	desired := plan.toCluster(ctx, location, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	if config.Image.IsNull() && config.PostgresVersion.IsNull() && !cnpg.OwnsImage(live) {
		desired.Spec.ImageName = "" // the operator's choice stays the operator's
	}
	cluster, err := client.ApplyCluster(ctx, live, desired)
	if err == nil {
		err = applyBackups(ctx, client, cluster, backup, location)
	}
	if err == nil {
		cluster, err = client.WaitReady(ctx, key)
	}
	if err != nil {
		r.stateAsItIs(ctx, client, &state, resp)
		resp.Diagnostics.AddError(summary, paragraphs(sentence(err), remedy(err),
			fmt.Sprintf("Terraform's state holds the database %s as it stands in Kubernetes now; the next plan shows what is still to be done.", key)))
		return
	}
	plan.observe(cluster)
	resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
}

// locationFor keeps the archive that a Cluster has, with the provider's keys of today; one that has none gets a new one,
// and so does one that needs a fresh one.
func (r *databaseResource) locationFor(ctx context.Context, live *cnpgv1.Cluster, backup *backupSettings, fresh bool, summary string, diags *diag.Diagnostics) (archiveLocation, bool) {
	if !backup.enabled() {
		return archiveLocation{}, true
	}
	if r.backend.requireArchive(path.Root("backup"), diags); diags.HasError() {
		return archiveLocation{}, false
	}
	if cnpg.Archiver(live) == nil || fresh {
		return r.backend.newArchive(ctx, live.Name, summary, diags)
	}
	store := r.backend.store
	fingerprint := live.Annotations[cnpg.AnnotationCredentials]
	if !matchesFingerprint(fingerprint, store.podKeys, store.region) {
		fingerprint = fingerprintOf(store.podKeys, store.region, "")
	}
	return archiveLocation{store: store, serverName: cnpg.ServerName(live), fingerprint: fingerprint}, true
}

// stateAsItIs records, after a failed update, what stands in Kubernetes; where that cannot be read, the state of before stays.
func (r *databaseResource) stateAsItIs(ctx context.Context, client *cnpg.Client, state *databaseModel, resp *resource.UpdateResponse) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), defaultReadTimeout)
	defer cancel()
	cluster, scheduled, err := readDatabase(ctx, client, state.key())
	if err != nil {
		return
	}
	state.fromCluster(ctx, cluster, scheduled, &resp.Diagnostics)
	resp.Diagnostics.Append(resp.State.Set(ctx, state)...)
}

func (r *databaseResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state databaseModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	r.backend.destroyCluster(ctx, "Unable to Destroy Database", state.key(), state.DeletionProtection, state.Timeouts, &resp.Diagnostics)
}

func (r *databaseResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	importCluster(ctx, req, resp)
	// What only Terraform keeps gets its defaults.
	for name, value := range map[string]any{"database_type": typePostgreSQL, "wait": true, "final_backup": false, "force_conflicts": false} {
		resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root(name), value)...)
	}
}
