package provider

import (
	"context"
	"errors"
	"fmt"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

var (
	_ resource.ResourceWithConfigure   = (*restoreResource)(nil)
	_ resource.ResourceWithIdentity    = (*restoreResource)(nil)
	_ resource.ResourceWithImportState = (*restoreResource)(nil)
	_ resource.ResourceWithModifyPlan  = (*restoreResource)(nil)
)

const (
	defaultRestoreTimeout = 6 * time.Hour
	// archiveTimeout bounds the wait for the source's last WAL segment to reach S3.
	archiveTimeout = 5 * time.Minute
)

const unableToRestore = "Unable to Restore Database"

type restoreResource struct{ resourceBase }

func newRestoreResource() resource.Resource { return &restoreResource{} }

func (r *restoreResource) Metadata(_ context.Context, _ resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = "pgplatform_restore"
}

func (r *restoreResource) Schema(ctx context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = restoreSchema(ctx)
}

func (r *restoreResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan restoreModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	timeout, d := plan.Timeouts.Create(ctx, defaultRestoreTimeout)
	resp.Diagnostics.Append(d...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := within(ctx, "create", timeout)
	defer cancel()
	ctx, finish := r.backend.collectWarnings(ctx)
	defer finish(&resp.Diagnostics)

	key := plan.key()
	client, err := r.backend.kubernetesClient(ctx)
	if err != nil {
		addConnectionError(&resp.Diagnostics, unableToRestore, err)
		return
	}
	from, location, ok := r.prepare(ctx, client, &plan, &resp.Diagnostics)
	if !ok {
		return
	}
	cluster := plan.toCluster(ctx, from, location, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	created, err := client.CreateCluster(ctx, cluster)
	if created == nil {
		addCreateError(&resp.Diagnostics, unableToRestore, "pgplatform_restore", key, err)
		return
	}

	// The object exists: from here on it is in the state, whatever happens.
	plan.ID = types.StringValue(key.String())
	early := plan
	early.nullUnknowns()
	resp.Diagnostics.Append(resp.State.Set(ctx, early)...)
	resp.Diagnostics.Append(resp.Identity.Set(ctx, identityOf(key))...)
	standsFor{UID: created.UID}.leave(ctx, resp.Private, &resp.Diagnostics)
	if err == nil {
		err = applyBackups(ctx, client, created, from.backups, location, cnpg.Ownership[cnpgv1.ScheduledBackup]{})
	}
	if err == nil {
		created, _, err = client.WaitRestored(ctx, key, cnpg.Course{}, func(text string) {
			tflog.Info(ctx, "restoring", map[string]any{"cluster": key.String(), "progress": text})
		})
	}
	if err != nil {
		addFailureOf("pgplatform_restore", &resp.Diagnostics, unableToRestore, overdue(ctx, err), stateAfterCreate("pgplatform_restore", key))
		return
	}
	plan.observe(created)
	resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
}

// prepare does everything that comes before the new Cluster: it reads the source, flushes it, chooses the base backup
// and the folder of the new archive. What the plan could not check is checked here, before anything is created.
func (r *restoreResource) prepare(ctx context.Context, client *cnpg.Client, plan *restoreModel, diags *diag.Diagnostics) (from restoredFrom, location archiveLocation, ok bool) {
	if !namespaceExists(ctx, client, plan.Namespace.ValueString(), unableToRestore, diags) {
		return from, location, false
	}
	source, ok := readSource(ctx, client, plan.database(ctx, diags).ValueString(), plan.key(), diags)
	if !ok || !refuseFuture(plan, diags) {
		return from, location, false
	}
	// A name that is taken is said before the source is touched; the create itself makes sure of it.
	if _, err := client.GetCluster(ctx, plan.key()); err == nil {
		addCreateError(diags, unableToRestore, "pgplatform_restore", plan.key(), cnpg.ErrAlreadyExists)
		return from, location, false
	}
	scheduled, err := readSchedule(ctx, client, cnpg.KeyOf(source))
	if err != nil {
		diags.AddError(unableToRestore, paragraphs(sentence(err), "Nothing was created."))
		return from, location, false
	}
	backups := r.backend.backupsLike(source, scheduled, plan.Namespace.ValueString())
	if backups.schedules() {
		if err := freeForSchedule(ctx, client, plan.key()); err != nil {
			diags.AddAttributeError(path.Root("name"), unableToRestore, paragraphs(sentence(err), remedy(err), "Nothing was created."))
			return from, location, false
		}
	}
	store, ok := r.backend.storeLike(ctx, source, backups, diags)
	if !ok {
		return from, location, false
	}
	flushed := false
	if plan.FlushSource.ValueBool() {
		if flushed, ok = r.flush(ctx, client, source, diags); !ok {
			return from, location, false
		}
	}
	catalog, err := r.backend.catalogOf(ctx, source)
	if err != nil {
		diags.AddError(unableToRestore, paragraphs(sentence(err), "Nothing was created."))
		return from, location, false
	}
	choice, err := chooseBackup(catalog, plan.target(), flushed)
	if err != nil {
		addRefusal(diags, plan, err)
		return from, location, false
	}
	if location, ok = r.backend.newArchive(ctx, store, plan.key(), "", unableToRestore, diags); !ok {
		return from, location, false
	}
	origin := *store
	origin.destinationPath, origin.podEndpointURL = cnpg.Archiver(source).DestinationPath, cnpg.Archiver(source).EndpointURL
	return restoredFrom{
		cluster: source,
		backups: backups,
		backup:  choice.Backup,
		archive: archiveLocation{store: &origin, serverName: cnpg.ServerName(source)},
	}, location, true
}

// chooseBackup chooses the base backup. A source that was flushed has archived up to now. One that was not may never archive
// more, so that a target behind its last WAL is refused; but for a second, since S3 tells times of uploads in whole ones.
func chooseBackup(catalog *recovery.Catalog, target recovery.Target, flushed bool) (recovery.Choice, error) {
	choice, err := catalog.Choose(recovery.Request{Target: target, Live: true})
	if err != nil || flushed || choice.Covered || target.Kind != recovery.TargetTime {
		return choice, err
	}
	if target.Time.After(choice.Window.Latest.Add(time.Second)) {
		return catalog.Choose(recovery.Request{Target: target})
	}
	return choice, nil
}

// flush makes the source's archive reach up to now. done is false where the source's pod cannot be used, which is only a
// warning; ok is false where its WAL does not arrive in S3.
func (r *restoreResource) flush(ctx context.Context, client *cnpg.Client, source *cnpgv1.Cluster, diags *diag.Diagnostics) (done, ok bool) {
	key := cnpg.KeyOf(source)
	segment, err := flush(ctx, client, key)
	if err != nil {
		diags.AddWarning("Source Not Flushed", paragraphs(sentence(err),
			"The restore goes on with what is archived already: what was committed last may be missing from it, and a target_time later than the last archived commit is refused."))
		return false, true
	}
	tflog.Info(ctx, "waiting for the source's last WAL", map[string]any{"source": key.String(), "segment": segment})
	arriving, cancel := context.WithTimeout(ctx, archiveTimeout)
	defer cancel()
	err = r.backend.waitForSegment(arriving, source, segment, 0)
	switch {
	case err == nil:
		return true, true
	case arriving.Err() != nil && ctx.Err() == nil:
		err = fmt.Errorf("the WAL segment %s of %s has not arrived in S3 within %s", segment, key, archiveTimeout)
	case archive.Unreachable(err):
		diags.AddWarning("Object Store Not Reachable From Here", paragraphs(sentence(err), "Whether the source's last WAL has arrived could not be seen."))
		return false, true
	}
	reason := ""
	if now, getErr := client.GetCluster(ctx, key); getErr == nil {
		if works, message := cnpg.ContinuousArchiving(now); works != nil && !*works {
			reason = "The source's archiving fails: " + message
		}
	}
	diags.AddError(unableToRestore, paragraphs(sentence(err), reason,
		"Nothing was created. To restore without what the source committed last, set flush_source = false."))
	return false, false
}

func (r *restoreResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	const summary = "Unable to Read Restore"
	var state restoreModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	timeout, d := state.Timeouts.Read(ctx, defaultReadTimeout)
	resp.Diagnostics.Append(d...)
	if resp.Diagnostics.HasError() {
		return
	}
	// Also for an object that is gone: the framework asks for its identity, which older CLIs do not keep.
	resp.Diagnostics.Append(resp.Identity.Set(ctx, identityOf(state.key()))...)
	ctx, cancel := within(ctx, "read", timeout)
	defer cancel()
	client, err := r.backend.kubernetesClient(ctx)
	if errors.Is(err, errNotKnown) && (!state.Status.IsNull() || !state.Source.IsNull()) { // what is only being imported has nothing to keep
		warnNotRefreshed(state.key(), &resp.Diagnostics)
		return
	}
	if err != nil {
		addConnectionError(&resp.Diagnostics, summary, err)
		return
	}
	cluster, err := client.GetCluster(ctx, state.key())
	switch {
	case errors.Is(err, cnpg.ErrNotFound):
		resp.State.RemoveResource(ctx)
		return
	case err != nil:
		addFailureOf("pgplatform_restore", &resp.Diagnostics, summary, overdue(ctx, err))
		return
	}
	if !refreshed(ctx, "pgplatform_restore", cluster, req.Private, resp.Private, &resp.Diagnostics) {
		return
	}
	state.fromCluster(cluster)
	resp.Diagnostics.Append(resp.State.Set(ctx, state)...)
}

// Update has nothing to change in Kubernetes: what can change in place is Terraform's own.
func (r *restoreResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan restoreModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
	resp.Diagnostics.Append(resp.Identity.Set(ctx, identityOf(plan.key()))...)
}

func (r *restoreResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state restoreModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	r.backend.destroyCluster(ctx, "Unable to Destroy Restored Database", destruction{
		kind: "pgplatform_restore", of: state.key(), is: standing(ctx, req.Private, &resp.Diagnostics),
		protection: state.DeletionProtection, limits: state.Timeouts,
	}, &resp.Diagnostics)
}

func (r *restoreResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	importCluster(ctx, req, resp)
}
