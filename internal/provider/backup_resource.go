package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

var (
	_ resource.ResourceWithConfigure   = (*backupResource)(nil)
	_ resource.ResourceWithIdentity    = (*backupResource)(nil)
	_ resource.ResourceWithImportState = (*backupResource)(nil)
	_ resource.ResourceWithModifyPlan  = (*backupResource)(nil)
)

const defaultBackupTimeout = 2 * time.Hour

type backupResource struct{ resourceBase }

func newBackupResource() resource.Resource { return &backupResource{} }

func (r *backupResource) Metadata(_ context.Context, _ resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = "pgplatform_backup"
}

// ModifyPlan refuses a backup of a database that takes none. A database that is not there yet may be made by this apply.
func (r *backupResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if req.Plan.Raw.IsNull() || !req.State.Raw.IsNull() || r.backend == nil {
		return
	}
	var plan backupModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	client, err := r.backend.kubernetesClient(ctx)
	if resp.Diagnostics.HasError() || plan.Database.IsUnknown() || errors.Is(err, errNotKnown) {
		return
	}
	if err != nil {
		addConnectionError(&resp.Diagnostics, "Unable to Plan Backup", err)
		return
	}
	key, err := cnpg.ParseKey(plan.Database.ValueString())
	if err != nil {
		resp.Diagnostics.AddAttributeError(path.Root("database"), "Invalid Database", sentence(err))
		return
	}
	ctx, cancel := context.WithTimeout(ctx, planTimeout)
	defer cancel()
	cluster, err := client.GetCluster(ctx, key)
	if err != nil {
		return // the apply that takes the backup may make the database first
	}
	if summary, why := r.backend.takesNone(cluster, plannedToo); summary != "" {
		resp.Diagnostics.AddAttributeError(path.Root("database"), summary, why)
	}
}

// Whether what this run plans for the database counts, too.
const (
	plannedToo = true
	asItIs     = false
)

// takesNone says why a database can take no backup; "" where it can. At plan, one that the same apply gives backups or wakes
// up is not refused, and neither is one that may have recovered by then.
func (b *backend) takesNone(cluster *cnpgv1.Cluster, planned bool) (summary, why string) {
	key := cnpg.KeyOf(cluster)
	archives, hibernates := cnpg.Archiver(cluster) != nil, cnpg.Hibernates(cluster)
	if planned {
		_, archivesSoon := b.archivesSoon.Load(key)
		_, wakesSoon := b.wakesSoon.Load(key)
		archives, hibernates = archives || archivesSoon, hibernates && !wakesSoon
	}
	switch {
	case !archives:
		return "Database Has No Backups", fmt.Sprintf("The database %s archives nowhere, so it cannot be backed up. Give it a backup block first.", key)
	case hibernates:
		return "Database Is Hibernated", paragraphs(
			fmt.Sprintf("The database %s is hibernated: no instance runs that a backup could be taken from.", key), wakeUp(key))
	case planned:
		return "", ""
	}
	if why := cnpg.BackupRefused(cluster); why != "" {
		return "Database Cannot Be Backed Up", fmt.Sprintf("CNPG would keep a backup of the database %s waiting: %s. Apply again when the database runs.", key, why)
	}
	return "", ""
}

// wakeUp says how a database is woken up. What the attribute annotations hibernates, the next apply would hibernate again.
func wakeUp(key cnpg.Key) string {
	return fmt.Sprintf("Wake it up first: where the attribute annotations of the database has %s = \"on\", take it out there and apply that; else run\n\n"+
		"  kubectl annotate cluster %s -n %s %[1]s=off --overwrite", cnpg.AnnotationHibernation, key.Name, key.Namespace)
}

func (r *backupResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	const summary = "Unable to Take Backup"
	var plan backupModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	timeout, d := plan.Timeouts.Create(ctx, defaultBackupTimeout)
	resp.Diagnostics.Append(d...)
	database, err := cnpg.ParseKey(plan.Database.ValueString())
	if err != nil {
		resp.Diagnostics.AddAttributeError(path.Root("database"), summary, sentence(err))
	}
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, client, end, ok := r.backend.begin(ctx, "create", timeout, summary, &resp.Diagnostics)
	defer end()
	if !ok {
		return
	}
	cluster, err := client.GetCluster(ctx, database)
	if err != nil {
		resp.Diagnostics.AddAttributeError(path.Root("database"), summary, paragraphs(sentence(err), "Nothing was created."))
		return
	}
	if summary, why := r.backend.takesNone(cluster, asItIs); summary != "" {
		resp.Diagnostics.AddAttributeError(path.Root("database"), summary, paragraphs(why, "Nothing was created."))
		return
	}
	created, err := beginBackup(ctx, client, cluster, cnpg.BackupRequest{Target: plan.Target.ValueString()})
	if errors.Is(err, cnpg.ErrOutcomeUnknown) {
		resp.Diagnostics.AddError(summary, paragraphs(sentence(err), "It is not in Terraform's state. A backup that runs nevertheless is listed by data.pgplatform_backups."))
		return
	}
	if err != nil {
		resp.Diagnostics.AddError(summary, paragraphs(sentence(err), "Nothing was created."))
		return
	}
	key := cnpg.KeyOf(created)
	store := backupStoreOf(cluster)
	store.leave(ctx, resp.Private, &resp.Diagnostics)
	plan.fromBackup(created)
	plan.ServerName = types.StringValue(cnpg.ServerName(cluster))
	plan.DestinationPath = types.StringValue(cnpg.Archiver(cluster).DestinationPath)
	resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
	resp.Diagnostics.Append(resp.Identity.Set(ctx, identityOf(key))...)
	if !plan.Wait.ValueBool() {
		return
	}

	var done *cnpgv1.Backup
	err = client.WhileArchiving(ctx, database, func(ctx context.Context) (err error) {
		done, err = client.WaitBackup(ctx, key)
		return err
	})
	if err = overdue(ctx, err); done != nil {
		plan.fromBackup(done)
	}
	if err == nil && plan.wasCompleted() {
		r.backend.complete(ctx, &plan, store, &resp.Diagnostics)
	}
	var failed *cnpg.BackupError
	if errors.As(err, &failed) {
		plan.Error = types.StringValue(failed.Detail)
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
	if err == nil {
		return
	}
	if errors.Is(err, cnpg.ErrNotFound) { // the Backup, or the Cluster
		if _, askErr := client.GetBackup(context.WithoutCancel(ctx), key); errors.Is(askErr, cnpg.ErrNotFound) {
			resp.State.RemoveResource(ctx)
			resp.Diagnostics.AddError(summary, paragraphs(sentence(err), "The Backup object was deleted meanwhile; what it had put into S3 stays."))
			return
		}
	}
	stays := fmt.Sprintf("The Backup object %s stays and is recorded in Terraform's state; the next apply replaces it by another backup.", key)
	if blocksOthers(err) {
		if deleteErr := client.DeleteBackup(context.WithoutCancel(ctx), key); deleteErr != nil {
			stays = fmt.Sprintf("The Backup object %s blocks every later backup of the database and could not be removed: %s "+
				"It is recorded in Terraform's state, marked as tainted: the next apply removes it and takes another.", key, ended(deleteErr))
		} else {
			stays = fmt.Sprintf("The Backup object %s was removed, since it would block every later backup of the database. "+
				"Terraform's state holds no backup: the next apply takes one.", key)
			resp.State.RemoveResource(ctx)
		}
	}
	addFailureOf("pgplatform_backup", &resp.Diagnostics, summary, err, stays)
}

// blocksOthers tells whether CNPG holds every later backup back behind the one that ended so: until archiving works again,
// a Backup that waits for it is, or becomes, one in the phase walArchivingFailing.
func blocksOthers(err error) bool {
	var failed *cnpg.BackupError
	var archiving *cnpg.ArchivingError
	return errors.As(err, &archiving) || errors.As(err, &failed) && failed.Phase == cnpgv1.BackupPhaseWalArchivingFailing
}

func (r *backupResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	const summary = "Unable to Read Backup"
	var state backupModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, defaultReadTimeout)
	defer cancel()
	key, err := cnpg.ParseKey(state.ID.ValueString())
	if err != nil {
		resp.Diagnostics.AddError(summary, sentence(err))
		return
	}
	// Also for an object that is gone: the framework asks for its identity, which older CLIs do not keep.
	resp.Diagnostics.Append(resp.Identity.Set(ctx, identityOf(key))...)
	client, err := r.backend.kubernetesClient(ctx)
	if errors.Is(err, errNotKnown) && state.Database.IsNull() {
		resp.Diagnostics.AddError("Unable to Import Backup", "How to reach Kubernetes is not known while this plan is made, so the backup cannot be read, and would be taken again. Import it when the provider's configuration is known.")
		return
	}
	if errors.Is(err, errNotKnown) {
		warnNotRefreshed(key, &resp.Diagnostics)
		return
	}
	if err != nil {
		addConnectionError(&resp.Diagnostics, summary, err)
		return
	}
	before := state.Status
	backup, err := client.LocateBackup(ctx, key)
	gone := errors.Is(err, cnpg.ErrNotFound)
	switch {
	case gone && !state.wasCompleted():
		resp.State.RemoveResource(ctx)
		return
	case gone: // CNPG removes the objects of backups that retention removed from S3; so may anybody
	case err != nil:
		resp.Diagnostics.AddError(summary, paragraphs(sentence(err), "Terraform's state keeps it as it was seen last."))
		return
	default:
		state.fromBackup(backup)
		if state.is(backupFailed) && state.Error.IsNull() {
			state.Error = types.StringValue(client.BackupFailure(ctx, backup).Detail)
		}
		warnBlocking(backup, &resp.Diagnostics)
	}
	if store, ok := r.storeOf(ctx, client, &state, backup, req.Private, resp); ok && state.wasCompleted() {
		r.backend.lookUp(ctx, &state, store, before, gone, &resp.Diagnostics)
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, state)...)
}

// storeOf is how the archive of a backup is reached: as it was when it was taken. What nobody kept, as after an import, or
// what was kept before the database moved and the backup began, its database says, as long as it archives there still. ok is
// false where nobody can say it: another store that lacks the backup must not pass for the one that had it.
func (r *backupResource) storeOf(ctx context.Context, client *cnpg.Client, state *backupModel, object *cnpgv1.Backup, private privateState, resp *resource.ReadResponse) (store backupStore, ok bool) {
	kept, ok := keptBackupStore(ctx, private, &resp.Diagnostics)
	if object == nil || object.Status.DestinationPath == "" || ok && kept.PodEndpoint == object.Status.EndpointURL {
		return kept, ok
	}
	key, err := cnpg.ParseKey(state.Database.ValueString())
	if err != nil {
		return kept, false
	}
	cluster, err := client.GetCluster(ctx, key)
	switch {
	case err == nil && cnpg.Archiver(cluster) != nil:
		store = backupStoreOf(cluster)
	case r.backend.store != nil:
		store = backupStore{PodEndpoint: cmp.Or(r.backend.store.podEndpointURL, r.backend.store.environment.EndpointURL)}
	}
	if store.PodEndpoint != object.Status.EndpointURL {
		return kept, false
	}
	store.leave(ctx, resp.Private, &resp.Diagnostics)
	return store, true
}

// warnBlocking tells of a Backup that nobody waited for and that now holds every later one back.
func warnBlocking(backup *cnpgv1.Backup, diags *diag.Diagnostics) {
	if backup.Status.Phase == cnpgv1.BackupPhaseWalArchivingFailing {
		diags.AddWarning("Backup Blocks Later Ones", fmt.Sprintf(
			"CNPG gave up the Backup %s since WAL archiving failed, and holds every later backup of the database back behind it. When archiving works again, replace it: terraform apply -replace with this resource.",
			cnpg.KeyOf(backup)))
	}
}

// Update has nothing to change in Kubernetes: only what Terraform keeps for itself can differ.
func (r *backupResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan backupModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	key, err := cnpg.ParseKey(plan.ID.ValueString())
	if err != nil {
		resp.Diagnostics.AddError("Unable to Update Backup", sentence(err))
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
	resp.Diagnostics.Append(resp.Identity.Set(ctx, identityOf(key))...)
}

func (r *backupResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	const summary = "Unable to Remove Backup"
	var state backupModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	client, err := r.backend.kubernetesClient(ctx)
	if err != nil {
		addConnectionError(&resp.Diagnostics, summary, err)
	}
	key, err := cnpg.ParseKey(state.ID.ValueString())
	if err != nil {
		resp.Diagnostics.AddError(summary, sentence(err))
	}
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, defaultReadTimeout)
	defer cancel()
	if err := client.DeleteBackup(ctx, key); err != nil {
		resp.Diagnostics.AddError(summary, paragraphs(sentence(err),
			"The Backup object stays, and so does its entry in Terraform's state: the next apply tries again. To leave the object to others: terraform state rm with the address of this resource."))
	}
}

// ImportState takes a Backup over by its ID, namespace/name, or its identity.
func (r *backupResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	key, ok := importedKey(ctx, req, &resp.Diagnostics)
	if !ok {
		return
	}
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("id"), key.String())...)
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("wait"), true)...)
}
