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

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

// ModifyPlan refuses a restore that cannot succeed. It is called twice where a replacement is planned, and its planned
// values depend on no clock; the clock only decides whether a target lies in the future.
func (r *restoreResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	var state *restoreModel
	if !req.State.Raw.IsNull() {
		state = &restoreModel{}
		resp.Diagnostics.Append(req.State.Get(ctx, state)...)
		if refuseAnother(ctx, "pgplatform_restore", state.key(), req.Private, &resp.Diagnostics) {
			return
		}
	}
	if req.Plan.Raw.IsNull() {
		if !resp.Diagnostics.HasError() {
			planDestroy(state.key(), state.DeletionProtection, state.Archive, &resp.Diagnostics)
		}
		return
	}
	var plan, config restoreModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	if resp.Diagnostics.HasError() || r.backend == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, planTimeout)
	defer cancel()
	if plan.Namespace.IsUnknown() && config.Namespace.IsNull() {
		plan.Namespace = r.backend.namespace
	}
	if state == nil {
		r.planCreate(ctx, &plan, req.Private, &resp.Diagnostics)
		resp.Diagnostics.Append(resp.Plan.Set(ctx, plan)...)
		return
	}
	if plan.replaces(state) {
		refuseReplace(state.key(), state.DeletionProtection, &resp.Diagnostics)
	} else {
		plan.keepComputed(state)
	}
	replacement{Of: state.key().String(), Protected: state.DeletionProtection.ValueBool()}.leave(ctx, resp.Private, &resp.Diagnostics)
	resp.Diagnostics.Append(resp.Plan.Set(ctx, plan)...)
}

func (r *restoreResource) planCreate(ctx context.Context, plan *restoreModel, private privateState, diags *diag.Diagnostics) {
	if known(plan.Name, plan.Namespace) {
		if refuseOwnSource(plan.database(ctx, diags).ValueString(), plan.key(), diags) {
			return
		}
		if !followsDeletion(ctx, private, plan.key(), diags) {
			r.backend.refuseExisting(ctx, "pgplatform_restore", plan.key(), diags)
		}
		if !diags.HasError() {
			r.backend.warnMissingNamespace(ctx, plan.Namespace.ValueString(), diags)
		}
	}
	if !diags.HasError() {
		r.planRestore(ctx, plan, diags)
	}
}

// planRestore checks, as far as source and archive are known, that the restore can succeed.
func (r *restoreResource) planRestore(ctx context.Context, plan *restoreModel, diags *diag.Diagnostics) {
	database := plan.database(ctx, diags)
	if database.IsUnknown() || plan.TargetTime.IsUnknown() || diags.HasError() {
		return
	}
	client, err := r.backend.kubernetesClient(ctx)
	if errors.Is(err, errNotKnown) || r.backend.store == nil {
		return
	}
	if err != nil {
		addConnectionError(diags, "Unable to Plan Restore", err)
		return
	}
	source, ok := readSource(ctx, client, database.ValueString(), plan.key(), diags)
	if !ok || !refuseFuture(plan, diags) {
		return
	}
	if _, ok := r.backend.storeLike(ctx, source, r.backend.backupsLike(source, nil, plan.Namespace.ValueString()), diags); !ok {
		return
	}
	s3, err := r.backend.s3Client(ctx, r.backend.storeOf(source))
	if err != nil {
		diags.AddError("Unable to Plan Restore", sentence(err))
		return
	}
	loc, err := locationOf(source)
	if err == nil {
		var catalog *recovery.Catalog
		if catalog, err = s3.SharedCatalog(ctx, loc, cnpg.ServerName(source)); err == nil {
			// Without a flush what is archived by then counts, which the plan can only compare with what is archived now.
			_, err = chooseBackup(catalog, plan.target(), plan.FlushSource.ValueBool())
		}
	}
	switch {
	case err == nil:
	case archive.Unreachable(err):
		diags.AddWarning("Object Store Not Reachable From Here", paragraphs(sentence(err),
			"Whether the restore can succeed is checked when it is applied, if the store can be reached then."))
	default:
		addRefusal(diags, plan, err)
	}
}

// refuseOwnSource refuses to restore a database under its own name.
func refuseOwnSource(database string, restored cnpg.Key, diags *diag.Diagnostics) bool {
	if database != restored.String() {
		return false
	}
	diags.AddAttributeError(path.Root("name"), "Restore Onto Its Source",
		fmt.Sprintf("A restore makes a new database; %s is the one to restore from. Choose another name.", restored))
	return true
}

// readSource reads the Cluster to restore from, which must archive, and must not be the new one itself.
func readSource(ctx context.Context, client *cnpg.Client, database string, restored cnpg.Key, diags *diag.Diagnostics) (*cnpgv1.Cluster, bool) {
	at := path.Root("source").AtName("database")
	key, err := cnpg.ParseKey(database)
	if err != nil {
		diags.AddAttributeError(at, "Invalid Source", sentence(err))
		return nil, false
	}
	if refuseOwnSource(key.String(), restored, diags) {
		return nil, false
	}
	source, err := client.GetCluster(ctx, key)
	if err != nil {
		diags.AddAttributeError(at, "Unable to Read the Source", paragraphs(sentence(err), "Nothing was changed."))
		return nil, false
	}
	if cnpg.Archiver(source) == nil {
		diags.AddAttributeError(at, "Source Has No Archive",
			fmt.Sprintf("The database %s archives nowhere, so there is nothing to restore it from.", key))
		return nil, false
	}
	return source, true
}

func refuseFuture(plan *restoreModel, diags *diag.Diagnostics) bool {
	target := plan.target()
	if now := time.Now(); target.Kind == recovery.TargetTime && target.Time.After(now) {
		diags.AddAttributeError(path.Root("target_time"), "Target Lies in the Future",
			fmt.Sprintf("It is %s now; target_time %s has not come yet.", now.UTC().Format(time.RFC3339), plan.TargetTime.ValueString()))
		return false
	}
	return true
}

// addRefusal says why there is nothing to restore the target from, at the attribute that can change it.
func addRefusal(diags *diag.Diagnostics, plan *restoreModel, err error) {
	var none *recovery.NoBackupError
	at := path.Root("source").AtName("database")
	if plan.target().Kind == recovery.TargetTime && !errors.As(err, &none) && isRefusal(err) {
		at = path.Root("target_time")
	}
	diags.AddAttributeError(at, "Restore Cannot Succeed", paragraphs(sentence(err), "Nothing was changed."))
}

func isRefusal(err error) bool {
	var before *recovery.BeforeWindowError
	var past *recovery.PastEndError
	var gap *recovery.GapError
	return errors.As(err, &before) || errors.As(err, &past) || errors.As(err, &gap)
}
