package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

var (
	_ resource.ResourceWithConfigure      = (*restoreResource)(nil)
	_ resource.ResourceWithIdentity       = (*restoreResource)(nil)
	_ resource.ResourceWithImportState    = (*restoreResource)(nil)
	_ resource.ResourceWithModifyPlan     = (*restoreResource)(nil)
	_ resource.ResourceWithValidateConfig = (*restoreResource)(nil)
)

const defaultRestoreTimeout = 6 * time.Hour

const unableToRestore = "Unable to Restore Database"

type restoreResource struct{ clusterResource }

func newRestoreResource() resource.Resource { return &restoreResource{} }

func (r *restoreResource) Metadata(_ context.Context, _ resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = "pgplatform_restore"
}

func (r *restoreResource) Schema(ctx context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = restoreSchema(ctx)
}

func (r *restoreResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan, config restoreModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	timeout, d := plan.Timeouts.Create(ctx, defaultRestoreTimeout)
	resp.Diagnostics.Append(d...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, client, end, ok := r.backend.begin(ctx, "create", timeout, unableToRestore, &resp.Diagnostics)
	defer end()
	if !ok {
		return
	}
	key := plan.key()
	way, ok := r.prepare(ctx, client, &plan, &config, &resp.Diagnostics)
	if !ok {
		return
	}
	cluster := plan.toCluster(ctx, way, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	noteOwed(cluster, plan.backup(ctx, &resp.Diagnostics), &resp.Diagnostics)
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
	r.backend.seeArchive(created, nil, archiveSeen{}).leave(ctx, resp.Private, &resp.Diagnostics)
	if err == nil {
		err = way.from.applySecret(ctx, client, created)
	}
	if err == nil {
		err = applyBackups(ctx, client, created, cluster, plan.backup(ctx, &resp.Diagnostics), way.location, cnpg.Ownership[cnpgv1.ScheduledBackup]{Force: plan.ForceConflicts.ValueBool()})
	}
	if err == nil {
		err = r.finishOrigin(ctx, client, created, resp)
	}
	restored, recovered := created, cnpg.Recovered{}
	if err == nil && plan.Wait.ValueBool() {
		restored, recovered, err = client.WaitRestored(ctx, key, way.course(), logRecovery(ctx, key))
	}
	if err != nil {
		holds := []string{stateAfterRestore(key)}
		if hasRun(ctx, client, created, err) {
			resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("restored_to"), instantOf(recovered.LastTransaction))...)
			holds = []string{way.latest(&plan, recovered), stateAfterVerify(key, plan.DeletionProtection)}
		}
		addFailureOf("pgplatform_restore", &resp.Diagnostics, unableToRestore, overdue(ctx, err), append(holds, unverified(&plan))...)
		return
	}
	plan.observe(restored)
	plan.fromCluster(restored)
	plan.RestoredTo = instantOf(recovered.LastTransaction)
	early = plan
	early.nullUnknowns()
	resp.Diagnostics.Append(resp.State.Set(ctx, early)...)
	target := plan.target(way.from.backupID)
	if plan.Wait.ValueBool() && target.Kind == recovery.TargetLatest && (recovered.LSN == 0 || way.choice == nil) {
		warnUnverified(recovered, &resp.Diagnostics)
	}
	if err := reached(way.choice, target, recovered); err != nil {
		resp.Diagnostics.AddError(unableToRestore, paragraphs(sentence(err), stateAfterVerify(key, plan.DeletionProtection)))
		return
	}
	if way.from.cluster == nil && plan.Wait.ValueBool() && !confirmNames(ctx, client, &plan, &resp.Diagnostics) {
		return
	}
	r.verify(ctx, client, &plan, &resp.Diagnostics)
}

// confirmNames is false, with an error, where database_name or owner is none of what was restored. Of a source that is gone somebody
// has written them down, and the archive does not tell them.
func confirmNames(ctx context.Context, client *cnpg.Client, plan *restoreModel, diags *diag.Diagnostics) bool {
	err := client.ConfirmRestored(ctx, plan.key(), plan.DatabaseName.ValueString(), plan.Owner.ValueString())
	var wrong *cnpg.NotRestoredError
	switch {
	case err == nil:
		return true
	case errors.As(err, &wrong):
		at := path.Root("database_name")
		if wrong.Role != "" {
			at = path.Root("owner")
		}
		diags.AddAttributeError(at, notSourcesName, paragraphs(sentenceAt(at, err), stateAfterVerify(plan.key(), plan.DeletionProtection)))
		return false
	}
	diags.AddWarning("Names Not Verified", paragraphs(sentence(overdue(ctx, err)), fmt.Sprintf(
		"Whether the database %s and the role %s were restored could not be seen: CloudNativePG makes empty ones where they were not. Look into the database, or have verify do so.",
		plan.DatabaseName.ValueString(), plan.Owner.ValueString())))
	return true
}

// warnUnverified tells that nobody could compare where a recovery of the latest state has ended with the end of the archive:
// PostgreSQL takes a segment that could not be fetched for that end.
func warnUnverified(recovered cnpg.Recovered, diags *diag.Diagnostics) {
	trouble := "Neither its log nor the restored database could be asked how far it came, or the archive not from here."
	if recovered.Trouble != "" {
		trouble = "While it ran, WAL could not be fetched: " + recovered.Trouble
	}
	diags.AddWarning("Latest State Not Verified", paragraphs(
		"Whether the recovery reached the end of the archive could not be seen. "+trouble,
		"Compare the newest rows with what you expect, or look with verify."))
}

// verify looks into the restored database as the configuration asks for it.
func (r *restoreResource) verify(ctx context.Context, client *cnpg.Client, plan *restoreModel, diags *diag.Diagnostics) {
	if plan.Verify.IsNull() {
		return
	}
	var verify verifyModel
	diags.Append(optional(ctx, plan.Verify, &verify)...)
	database := verify.Database.ValueString()
	if database == "" {
		database = plan.DatabaseName.ValueString()
	}
	at := path.Root("verify")
	answer, err := client.QueryPatiently(ctx, plan.key(), database, verify.Query.ValueString())
	if err != nil {
		diags.AddAttributeError(at, "Unable to Verify the Restored Database", paragraphs(sentence(overdue(ctx, err)), stateAfterVerify(plan.key(), plan.DeletionProtection)))
		return
	}
	if want := strings.TrimSuffix(verify.Expect.ValueString(), "\n"); answer != want {
		diags.AddAttributeError(at, "Restored Database Is Not as Expected", paragraphs(
			fmt.Sprintf("verify.query answers in the database %s:\n\n%s\n\nverify.expect is:\n\n%s", database, indented(answer), indented(want)),
			stateAfterVerify(plan.key(), plan.DeletionProtection)))
	}
}

// indented sets an answer off from the text around it.
func indented(answer string) string {
	if answer == "" {
		return "  (nothing)"
	}
	return "  " + strings.ReplaceAll(answer, "\n", "\n  ")
}

// unverified says that a query that was to verify the restored database was not run.
func unverified(plan *restoreModel) string {
	if plan.Verify.IsNull() {
		return ""
	}
	return "verify.query was not run, and will not be: after an untaint, run it by hand."
}

// hasRun tells whether a restore that failed with err has an instance that was ever ready, so that there are data. Where the
// Cluster cannot be asked, the error may tell.
func hasRun(ctx context.Context, client *cnpg.Client, created *cnpgv1.Cluster, err error) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), defaultReadTimeout)
	defer cancel()
	if live, askErr := client.GetCluster(ctx, cnpg.KeyOf(created)); askErr == nil && live.UID == created.UID {
		return !cnpg.NeverReady(live)
	}
	var failed *cnpg.RecoveryError
	return errors.As(err, &failed) && failed.Recovered
}

// latest says of a database that is restored, but whose restore failed later, what nobody will look at again: whether the latest
// state is what was restored.
func (p *preparedRestore) latest(plan *restoreModel, recovered cnpg.Recovered) string {
	target := plan.target(p.from.backupID)
	if target.Kind != recovery.TargetLatest {
		return ""
	}
	if err := reached(p.choice, target, recovered); err != nil {
		return "Beside that, " + err.Error() + "."
	}
	if recovered.LSN == 0 || p.choice == nil {
		return "Whether the recovery reached the end of the archive was not seen: compare the newest rows with what you expect."
	}
	return ""
}

// stateAfterRestore says what Terraform's state holds when a restore fails after its Cluster was made, and how to go on.
func stateAfterRestore(key cnpg.Key) string {
	return fmt.Sprintf("The Cluster %s exists and is recorded in Terraform's state, marked as tainted. As long as none of its instances was ever ready it holds no data, and deletion_protection does not bind it: "+
		"correct the inputs and apply, and it is removed and restored anew. Where the cause is mended by itself, `terraform untaint pgplatform_restore.NAME` keeps it.", key)
}

// stateAfterVerify says it of a database that was restored, but is not what was expected.
func stateAfterVerify(key cnpg.Key, protection types.Bool) string {
	holds := fmt.Sprintf("The database %s is restored and recorded in Terraform's state, marked as tainted. ", key)
	if !protection.ValueBool() {
		return holds + "To keep it as it is, run terraform untaint pgplatform_restore.NAME. To restore anew, run that too, and then apply corrected inputs: deletion_protection is off, so they replace it."
	}
	return holds + "deletion_protection holds, so the next plan does not replace it. " +
		"To keep it as it is, run terraform untaint pgplatform_restore.NAME. To restore anew, run that first, then apply deletion_protection = false with the same inputs, and then the corrected ones."
}

func (r *restoreResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var state restoreModel
	resp.Diagnostics.Append(read(ctx, req.State, &state)...)
	last := state
	r.readCluster(ctx, "pgplatform_restore", &state.databaseModel, req, resp, func(cluster *cnpgv1.Cluster) {
		state.fromCluster(cluster)
		if !same(&state, &last) {
			resp.Diagnostics.Append(resp.State.Set(ctx, state)...)
		}
	})
}

func (r *restoreResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan, state, config restoreModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	of := clusterUpdate{plan: &plan.databaseModel, state: &state.databaseModel, config: &config.databaseModel}
	r.updateCluster(ctx, "pgplatform_restore", of, req, resp, func(now *databaseModel) {
		if now == of.plan {
			resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
		} else {
			resp.Diagnostics.Append(resp.State.Set(ctx, state)...)
		}
	})
}

func (r *restoreResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state restoreModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	d := destruction{
		kind: "pgplatform_restore", of: state.key(), is: standing(ctx, req.Private, &resp.Diagnostics),
		seen:       seenArchive(ctx, req.Private, &resp.Diagnostics),
		protection: state.DeletionProtection, finalBackup: state.FinalBackup, limits: state.Timeouts, restored: true,
	}
	if failed, ok := roomFor(ctx, d.of, d.is, req.Private, &resp.Diagnostics); ok {
		d.is, d.failed, d.inputs = standsFor{UID: failed.UID}, true, state.inputs(ctx, &resp.Diagnostics).annotation()
	}
	r.backend.destroyCluster(ctx, "Unable to Destroy Restored Database", d, &resp.Diagnostics)
}

func (r *restoreResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	importCluster(ctx, req, resp)
	setTerraformsOwn(ctx, &resp.State, &resp.Diagnostics)
}
