package provider

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

var _ datasource.DataSourceWithConfigure = (*backupsDataSource)(nil)

type backupsDataSource struct{ backend *backend }

func newBackupsDataSource() datasource.DataSource { return &backupsDataSource{} }

type backupsModel struct {
	Database types.String `tfsdk:"database"`

	Backups        types.List   `tfsdk:"backups"`
	BackupEnabled  types.Bool   `tfsdk:"backup_enabled"`
	Schedule       types.String `tfsdk:"schedule"`
	RetentionDays  types.Int64  `tfsdk:"retention_days"`
	ServerName     types.String `tfsdk:"server_name"`
	RecoveryWindow types.Object `tfsdk:"recovery_window"`
	LatestWAL      types.String `tfsdk:"latest_wal"`
}

type listedBackup struct {
	ID              types.String `tfsdk:"id"`
	BackupID        types.String `tfsdk:"backup_id"`
	Type            types.String `tfsdk:"type"`
	Status          types.String `tfsdk:"status"`
	StartedAt       types.String `tfsdk:"started_at"`
	CompletedAt     types.String `tfsdk:"completed_at"`
	BeginWAL        types.String `tfsdk:"begin_wal"`
	EndWAL          types.String `tfsdk:"end_wal"`
	BeginLSN        types.String `tfsdk:"begin_lsn"`
	EndLSN          types.String `tfsdk:"end_lsn"`
	Timeline        types.Int64  `tfsdk:"timeline"`
	SizeBytes       types.Int64  `tfsdk:"size_bytes"`
	PostgresVersion types.String `tfsdk:"postgres_version"`
	SystemID        types.String `tfsdk:"system_id"`
	Error           types.String `tfsdk:"error"`
}

var listedBackupTypes = map[string]attr.Type{
	"id": types.StringType, "backup_id": types.StringType, "type": types.StringType, "status": types.StringType,
	"started_at": types.StringType, "completed_at": types.StringType,
	"begin_wal": types.StringType, "end_wal": types.StringType, "begin_lsn": types.StringType, "end_lsn": types.StringType,
	"timeline": types.Int64Type, "size_bytes": types.Int64Type, "postgres_version": types.StringType,
	"system_id": types.StringType, "error": types.StringType,
}

var windowTypes = map[string]attr.Type{"earliest": types.StringType, "latest": types.StringType}

func (d *backupsDataSource) Metadata(_ context.Context, _ datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = "pgplatform_backups"
}

func (d *backupsDataSource) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	text := func(description string) schema.StringAttribute {
		return schema.StringAttribute{Computed: true, MarkdownDescription: description}
	}
	number := func(description string) schema.Int64Attribute {
		return schema.Int64Attribute{Computed: true, MarkdownDescription: description}
	}
	resp.Schema = schema.Schema{
		MarkdownDescription: "The base backups of a database, read from S3, and the window that it can be restored to.\n\n" +
			"Do not feed `backups[0]` into a restore: every new backup would then replace the restored database.",
		Attributes: map[string]schema.Attribute{
			"database": schema.StringAttribute{
				Required:            true,
				MarkdownDescription: "The database, `namespace/name`.",
				Validators:          []validator.String{isKey()},
			},
			"backups": schema.ListNestedAttribute{
				Computed:            true,
				MarkdownDescription: "The base backups, newest first.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"id":               text("Name of the Backup object; the `backup_id` where there is none any more."),
					"backup_id":        text("Name of the backup's folder in S3; null before barman has begun it."),
					"type":             text("`MANUAL` or `SCHEDULED`; null where the Backup object is gone."),
					"status":           text("`IN_PROGRESS`, `COMPLETED` or `FAILED`."),
					"started_at":       text("Begin, in RFC 3339."),
					"completed_at":     text("End, in RFC 3339: the earliest moment that this backup can be restored to."),
					"begin_wal":        text("First WAL segment that the backup needs."),
					"end_wal":          text("Last WAL segment that the backup needs."),
					"begin_lsn":        text("WAL location of its begin."),
					"end_lsn":          text("WAL location of its end."),
					"timeline":         number("Timeline that it was taken on."),
					"size_bytes":       number("Size of the database when it was taken, in bytes; null where barman did not write it."),
					"postgres_version": text("Version of PostgreSQL that was backed up, such as `17.5`."),
					"system_id":        text("PostgreSQL's identifier of the database."),
					"error":            text("Why it failed or cannot be read."),
				}},
			},
			"backup_enabled": schema.BoolAttribute{Computed: true, MarkdownDescription: "Whether the database archives now."},
			"schedule":       text("Schedule of its base backups, in CloudNativePG's six fields; null without one."),
			"retention_days": number("Days that it keeps backups for; null without a limit."),
			"server_name":    text("Folder of its archive in S3."),
			"recovery_window": schema.SingleNestedAttribute{
				Computed:            true,
				MarkdownDescription: "Span of time that the database can be restored to; null while nothing can be restored.",
				Attributes: map[string]schema.Attribute{
					"earliest": text("End of the first base backup whose WAL is there without a gap."),
					"latest":   text("About the last moment: when the newest WAL segment that is reached without a gap was archived."),
				},
			},
			"latest_wal": text("Newest WAL segment that is reached without a gap."),
		},
	}
}

func (d *backupsDataSource) Configure(_ context.Context, req datasource.ConfigureRequest, resp *datasource.ConfigureResponse) {
	d.backend = backendFrom(req.ProviderData, &resp.Diagnostics)
}

func (d *backupsDataSource) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	const summary = "Unable to List Backups"
	var model backupsModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, defaultReadTimeout)
	defer cancel()

	key, err := cnpg.ParseKey(model.Database.ValueString())
	if err != nil {
		resp.Diagnostics.AddAttributeError(path.Root("database"), summary, sentence(err))
		return
	}
	client, err := d.backend.kubernetesClient(ctx)
	if err != nil {
		addReadError(&resp.Diagnostics, summary, err)
		return
	}
	cluster, scheduled, err := readDatabase(ctx, client, key)
	if err != nil {
		resp.Diagnostics.AddAttributeError(path.Root("database"), summary, sentence(err))
		return
	}
	objects, err := client.ListBackups(ctx, key)
	if err != nil {
		resp.Diagnostics.AddError(summary, sentence(err))
		return
	}
	catalog := &recovery.Catalog{}
	if cnpg.Archiver(cluster) != nil {
		if catalog, err = d.backend.catalogOf(ctx, cluster); err != nil {
			addReadError(&resp.Diagnostics, summary, err)
			return
		}
	}
	model.fromCatalog(ctx, catalog, objects, &resp.Diagnostics)
	model.fromCluster(cluster, scheduled)
	resp.Diagnostics.Append(resp.State.Set(ctx, model)...)
}

// catalogOf reads the archive that a Cluster writes.
func (b *backend) catalogOf(ctx context.Context, cluster *cnpgv1.Cluster) (*recovery.Catalog, error) {
	client, err := b.s3Client(ctx, b.storeOf(cluster))
	if err != nil {
		return nil, err
	}
	loc, err := locationOf(cluster)
	if err != nil {
		return nil, err
	}
	return client.Catalog(ctx, loc, cnpg.ServerName(cluster))
}

func (m *backupsModel) fromCluster(cluster *cnpgv1.Cluster, scheduled *cnpgv1.ScheduledBackup) {
	m.BackupEnabled = types.BoolValue(cnpg.Archiver(cluster) != nil)
	m.RetentionDays = retentionOf(cluster)
	m.Schedule, m.ServerName = types.StringNull(), types.StringNull()
	if scheduled != nil {
		m.Schedule = types.StringValue(scheduled.Spec.Schedule)
	}
	if cnpg.Archiver(cluster) != nil {
		m.ServerName = types.StringValue(cnpg.ServerName(cluster))
	}
}

func (m *backupsModel) fromCatalog(ctx context.Context, catalog *recovery.Catalog, objects []cnpgv1.Backup, diags *diag.Diagnostics) {
	list, d := types.ListValueFrom(ctx, types.ObjectType{AttrTypes: listedBackupTypes}, joined(catalog.Backups, objects))
	diags.Append(d...)
	m.Backups = list
	m.RecoveryWindow, m.LatestWAL = types.ObjectNull(windowTypes), types.StringNull()
	if catalog.WAL == nil {
		return
	}
	if window, ok := catalog.Window(); ok {
		m.RecoveryWindow = types.ObjectValueMust(windowTypes, map[string]attr.Value{
			"earliest": instantOf(window.Earliest),
			"latest":   instantOf(window.Latest),
		})
		m.LatestWAL = nullIfEmpty(window.LatestWAL)
	}
}

// joined lists the backups that S3 holds, with what their Backup objects add, and before them those that only Kubernetes
// knows: backups that run, or that failed before they left anything in S3. A completed one that S3 no longer has is gone.
func joined(inS3 []recovery.Backup, objects []cnpgv1.Backup) []listedBackup {
	byID := map[string]*cnpgv1.Backup{}
	list := []listedBackup{} // an empty list in Terraform, not null
	for i := range objects {
		object := &objects[i]
		if object.Status.BackupID != "" && slices.ContainsFunc(inS3, func(b recovery.Backup) bool { return b.ID == object.Status.BackupID }) {
			byID[object.Status.BackupID] = object
			continue
		}
		if backupStatusOf(object) != backupCompleted {
			list = append(list, listedFromObject(object))
		}
	}
	for i := range inS3 {
		list = append(list, listedFromS3(&inS3[i], byID[inS3[i].ID]))
	}
	slices.SortStableFunc(list, func(a, b listedBackup) int {
		return startOf(b).Compare(startOf(a))
	})
	return list
}

// startOf is when a backup began; the zero time where nobody says.
func startOf(b listedBackup) time.Time {
	start, err := time.Parse(time.RFC3339Nano, b.StartedAt.ValueString())
	if err != nil {
		return time.Time{}
	}
	return start
}

func listedFromObject(object *cnpgv1.Backup) listedBackup {
	started := timeOf(object.Status.StartedAt)
	if started.IsNull() {
		started = instantOf(object.CreationTimestamp.Time)
	}
	return listedBackup{
		ID:          types.StringValue(object.Name),
		BackupID:    nullIfEmpty(object.Status.BackupID),
		Type:        types.StringValue(string(typeOf(object))),
		Status:      types.StringValue(string(backupStatusOf(object))),
		StartedAt:   started,
		CompletedAt: timeOf(object.Status.StoppedAt),
		BeginWAL:    nullIfEmpty(object.Status.BeginWal),
		EndWAL:      nullIfEmpty(object.Status.EndWal),
		BeginLSN:    nullIfEmpty(object.Status.BeginLSN),
		EndLSN:      nullIfEmpty(object.Status.EndLSN),
		Error:       nullIfEmpty(object.Status.Error),
	}
}

func listedFromS3(b *recovery.Backup, object *cnpgv1.Backup) listedBackup {
	listed := listedBackup{
		ID:          types.StringValue(b.ID),
		BackupID:    types.StringValue(b.ID),
		Status:      types.StringValue(string(backupStatusInS3(b.Status))),
		StartedAt:   instantOf(b.BeginTime),
		CompletedAt: instantOf(b.EndTime),
		BeginWAL:    nullIfEmpty(b.BeginWAL),
		EndWAL:      nullIfEmpty(b.EndWAL),
		SystemID:    nullIfEmpty(b.SystemID),
		SizeBytes:   types.Int64PointerValue(b.ClusterSize),
		Error:       nullIfEmpty(strings.TrimSpace(strings.Join([]string{b.Error, b.Message}, " "))),
	}
	if b.BeginLSN != 0 {
		listed.BeginLSN = types.StringValue(b.BeginLSN.String())
	}
	if b.EndLSN != 0 {
		listed.EndLSN = types.StringValue(b.EndLSN.String())
	}
	if b.Timeline != 0 {
		listed.Timeline = types.Int64Value(int64(b.Timeline))
	}
	if b.ServerVersion != 0 {
		listed.PostgresVersion = types.StringValue(versionOf(b.ServerVersion))
	}
	if object != nil {
		listed.ID = types.StringValue(object.Name)
		listed.Type = types.StringValue(string(typeOf(object)))
	}
	return listed
}

// versionOf writes PostgreSQL's server_version_num as people do: 170005 is 17.5.
func versionOf(number int) string {
	const major, firstWithTwoParts = 10000, 100000
	if number < firstWithTwoParts {
		return fmt.Sprintf("%d.%d.%d", number/major, number/100%100, number%100)
	}
	return fmt.Sprintf("%d.%d", number/major, number%major)
}
