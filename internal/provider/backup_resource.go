package provider

import (
	"context"
	"errors"
	"fmt"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/mapplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

var (
	_ resource.ResourceWithConfigure  = (*backupResource)(nil)
	_ resource.ResourceWithIdentity   = (*backupResource)(nil)
	_ resource.ResourceWithModifyPlan = (*backupResource)(nil)
)

const defaultBackupTimeout = 2 * time.Hour

type backupResource struct{ resourceBase }

func newBackupResource() resource.Resource { return &backupResource{} }

type backupModel struct {
	Database types.String   `tfsdk:"database"`
	Triggers types.Map      `tfsdk:"triggers"`
	Timeouts timeouts.Value `tfsdk:"timeouts"`

	ID          types.String `tfsdk:"id"`
	Name        types.String `tfsdk:"name"`
	Type        types.String `tfsdk:"type"`
	Status      types.String `tfsdk:"status"`
	BackupID    types.String `tfsdk:"backup_id"`
	ServerName  types.String `tfsdk:"server_name"`
	StartedAt   types.String `tfsdk:"started_at"`
	CompletedAt types.String `tfsdk:"completed_at"`
	BeginWAL    types.String `tfsdk:"begin_wal"`
	EndWAL      types.String `tfsdk:"end_wal"`
	BeginLSN    types.String `tfsdk:"begin_lsn"`
	EndLSN      types.String `tfsdk:"end_lsn"`
	Error       types.String `tfsdk:"error"`
}

func (r *backupResource) Metadata(_ context.Context, _ resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = "pgplatform_backup"
}

func (r *backupResource) Schema(ctx context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	computed := func(description string) schema.StringAttribute {
		return schema.StringAttribute{
			Computed: true, MarkdownDescription: description,
			PlanModifiers: []planmodifier.String{stringplanmodifier.UseStateForUnknown()},
		}
	}
	resp.Schema = schema.Schema{
		MarkdownDescription: "A base backup of a database, taken when the resource is created. Destroying it removes the Backup object and keeps what is in S3.",
		Attributes: map[string]schema.Attribute{
			// Required attributes
			"database": schema.StringAttribute{
				Required:            true,
				MarkdownDescription: "The database, `namespace/name`: the `id` of a `pgplatform_database` or `pgplatform_restore`. Changing it takes another backup.",
				Validators:          []validator.String{isKey()},
				PlanModifiers:       []planmodifier.String{stringplanmodifier.RequiresReplace()},
			},

			// Optional attributes
			"triggers": schema.MapAttribute{
				Optional: true, ElementType: types.StringType,
				MarkdownDescription: "Anything: when a value changes, another backup is taken.",
				PlanModifiers:       []planmodifier.Map{mapplanmodifier.RequiresReplace()},
			},
			"timeouts": timeouts.Attributes(ctx, timeouts.Opts{Create: true, CreateDescription: "Default `2h`."}),

			// Computed attributes
			"id":           computed("`namespace/name` of the Backup object."),
			"name":         computed("Name of the Backup object: `<database>-backup-YYYYMMDD-HHMMSS`, in UTC."),
			"type":         computed("`MANUAL`."),
			"status":       computed("`IN_PROGRESS`, `COMPLETED` or `FAILED`."),
			"backup_id":    computed("Name of the backup's folder in S3."),
			"server_name":  computed("Folder of the database's archive in S3."),
			"started_at":   computed("Begin, in RFC 3339."),
			"completed_at": computed("End, in RFC 3339: the earliest moment that this backup can be restored to."),
			"begin_wal":    computed("First WAL segment that the backup needs."),
			"end_wal":      computed("Last WAL segment that the backup needs."),
			"begin_lsn":    computed("WAL location of its begin."),
			"end_lsn":      computed("WAL location of its end."),
			"error":        computed("Why it failed."),
		},
	}
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
	if err == nil && cnpg.Archiver(cluster) == nil {
		resp.Diagnostics.AddAttributeError(path.Root("database"), "Database Has No Backups",
			fmt.Sprintf("The database %s archives nowhere, so it cannot be backed up. Give it a backup block first.", key))
	}
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
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	ctx, finish := r.backend.collectWarnings(ctx)
	defer finish(&resp.Diagnostics)

	client, err := r.backend.kubernetesClient(ctx)
	if err != nil {
		addConnectionError(&resp.Diagnostics, summary, err)
		return
	}
	cluster, err := client.GetCluster(ctx, database)
	if err == nil && cnpg.Archiver(cluster) == nil {
		err = errors.New("the database archives nowhere, so it cannot be backed up")
	}
	if err != nil {
		resp.Diagnostics.AddAttributeError(path.Root("database"), summary, paragraphs(sentence(err), "Nothing was created."))
		return
	}
	created, err := client.CreateBackup(ctx, database, time.Now(), childLabels(cluster))
	if errors.Is(err, cnpg.ErrOutcomeUnknown) {
		resp.Diagnostics.AddError(summary, paragraphs(sentence(err), "It is not in Terraform's state. A backup that runs nevertheless is listed by data.pgplatform_backups."))
		return
	}
	if err != nil {
		resp.Diagnostics.AddError(summary, paragraphs(sentence(err), "Nothing was created."))
		return
	}
	key := cnpg.KeyOf(created)
	plan.fromBackup(created)
	plan.ServerName = types.StringValue(cnpg.ServerName(cluster))
	resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
	resp.Diagnostics.Append(resp.Identity.Set(ctx, identityOf(key))...)

	done, err := client.WaitBackup(ctx, key)
	if done != nil {
		plan.fromBackup(done)
		resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
	}
	if err == nil {
		return
	}
	if errors.Is(err, cnpg.ErrNotFound) {
		resp.State.RemoveResource(ctx)
		resp.Diagnostics.AddError(summary, paragraphs(sentence(err), "The Backup object was deleted meanwhile; what it had put into S3 stays."))
		return
	}
	stays := fmt.Sprintf("The Backup object %s stays and is recorded in Terraform's state; the next apply replaces it by another backup.", key)
	var failed *cnpg.BackupError
	if errors.As(err, &failed) && failed.Phase == cnpgv1.BackupPhaseWalArchivingFailing {
		// CNPG holds every later backup back behind one in this phase.
		if deleteErr := client.DeleteBackup(ctx, key); deleteErr != nil {
			stays = fmt.Sprintf("The Backup object %s blocks every later backup of the database and could not be removed: %s", key, sentence(deleteErr))
		} else {
			stays = fmt.Sprintf("The Backup object %s was removed, since it would block every later backup of the database.", key)
			resp.State.RemoveResource(ctx)
		}
	}
	resp.Diagnostics.AddError(summary, paragraphs(sentence(err), remedy(err), stays))
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
	if errors.Is(err, errNotKnown) {
		warnNotRefreshed(key, &resp.Diagnostics)
		return
	}
	if err != nil {
		addConnectionError(&resp.Diagnostics, summary, err)
		return
	}
	backup, err := client.GetBackup(ctx, key)
	switch {
	case errors.Is(err, cnpg.ErrNotFound):
		resp.State.RemoveResource(ctx)
		return
	case err != nil:
		resp.Diagnostics.AddError(summary, sentence(err))
		return
	}
	state.fromBackup(backup)
	resp.Diagnostics.Append(resp.State.Set(ctx, state)...)
}

// Update has nothing to change in Kubernetes: only timeouts can differ.
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
		resp.Diagnostics.AddError(summary, sentence(err))
	}
}

// fromBackup takes over what CNPG says of the backup.
func (m *backupModel) fromBackup(backup *cnpgv1.Backup) {
	m.ID = types.StringValue(cnpg.KeyOf(backup).String())
	m.Name = types.StringValue(backup.Name)
	m.Type = types.StringValue(string(typeOf(backup)))
	m.Status = types.StringValue(string(backupStatusOf(backup)))
	m.BackupID = nullIfEmpty(backup.Status.BackupID)
	if m.ServerName.IsUnknown() || backup.Status.ServerName != "" {
		m.ServerName = nullIfEmpty(backup.Status.ServerName)
	}
	m.StartedAt = timeOf(backup.Status.StartedAt)
	m.CompletedAt = timeOf(backup.Status.StoppedAt)
	m.BeginWAL = nullIfEmpty(backup.Status.BeginWal)
	m.EndWAL = nullIfEmpty(backup.Status.EndWal)
	m.BeginLSN = nullIfEmpty(backup.Status.BeginLSN)
	m.EndLSN = nullIfEmpty(backup.Status.EndLSN)
	m.Error = nullIfEmpty(backup.Status.Error)
}
