package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/objectvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

type backupsModel struct {
	Database      types.String   `tfsdk:"database"`
	ObjectStore   *archiveSource `tfsdk:"object_store"`
	Status        types.String   `tfsdk:"status"`
	Type          types.String   `tfsdk:"type"`
	StartedAfter  types.String   `tfsdk:"started_after"`
	StartedBefore types.String   `tfsdk:"started_before"`
	Limit         types.Int64    `tfsdk:"limit"`

	Backups        types.List   `tfsdk:"backups"`
	BackupEnabled  types.Bool   `tfsdk:"backup_enabled"`
	Schedule       types.String `tfsdk:"schedule"`
	RetentionDays  types.Int64  `tfsdk:"retention_days"`
	ServerName     types.String `tfsdk:"server_name"`
	Servers        types.List   `tfsdk:"servers"`
	RecoveryWindow types.Object `tfsdk:"recovery_window"`
	LatestWAL      types.String `tfsdk:"latest_wal"`
}

// archiveSource names an archive without a database: what differs from the provider's store, and the folder.
type archiveSource struct {
	refusedKeys

	DestinationPath types.String     `tfsdk:"destination_path"`
	EndpointURL     types.String     `tfsdk:"endpoint_url"`
	Region          types.String     `tfsdk:"region"`
	Profile         types.String     `tfsdk:"profile"`
	AssumeRole      *assumeRoleModel `tfsdk:"assume_role"`
	UsePathStyle    types.Bool       `tfsdk:"use_path_style"`
	CACertificate   types.String     `tfsdk:"ca_certificate"`
	ServerName      types.String     `tfsdk:"server_name"`
}

func (s *archiveSource) override() *storeOverride {
	return &storeOverride{
		DestinationPath: semanticString{StringValue: s.DestinationPath, kind: kindLocation}, EndpointURL: s.EndpointURL, Region: s.Region, Profile: s.Profile,
		AssumeRole: s.AssumeRole, UsePathStyle: s.UsePathStyle, CACertificate: s.CACertificate,
	}
}

type listedBackup struct {
	ID              types.String `tfsdk:"id"`
	BackupID        types.String `tfsdk:"backup_id"`
	Name            types.String `tfsdk:"name"`
	Type            types.String `tfsdk:"type"`
	Status          types.String `tfsdk:"status"`
	Timestamp       types.String `tfsdk:"timestamp"`
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
	Compression     types.String `tfsdk:"compression"`
	Error           types.String `tfsdk:"error"`
}

var listedBackupTypes = map[string]attr.Type{
	"id": types.StringType, "backup_id": types.StringType, "name": types.StringType, "type": types.StringType, "status": types.StringType,
	"timestamp": types.StringType, "started_at": types.StringType, "completed_at": types.StringType,
	"begin_wal": types.StringType, "end_wal": types.StringType, "begin_lsn": types.StringType, "end_lsn": types.StringType,
	"timeline": types.Int64Type, "size_bytes": types.Int64Type, "postgres_version": types.StringType,
	"system_id": types.StringType, "compression": types.StringType, "error": types.StringType,
}

var windowTypes = map[string]attr.Type{"earliest": types.StringType, "latest": types.StringType}

func (d *backupsDataSource) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	text := func(description string) schema.StringAttribute {
		return schema.StringAttribute{Computed: true, MarkdownDescription: description}
	}
	number := func(description string) schema.Int64Attribute {
		return schema.Int64Attribute{Computed: true, MarkdownDescription: description}
	}
	filter := func(description string, check validator.String) schema.StringAttribute {
		return schema.StringAttribute{Optional: true, MarkdownDescription: description, Validators: []validator.String{check}}
	}
	resp.Schema = schema.Schema{
		MarkdownDescription: "The base backups of a database, read from S3, and the window that it can be restored to.\n\n" +
			"Do not feed `backups[0]` into a restore: every new backup would then replace the restored database.",
		Attributes: map[string]schema.Attribute{
			// Optional attributes
			"database": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "The database, `namespace/name`, of which the archive is listed and the Backup objects with it. Exactly one of `database` and `object_store` is set. Default: none.",
				Validators:          []validator.String{isKey(), stringvalidator.ExactlyOneOf(path.MatchRoot("database"), path.MatchRoot("object_store"))},
			},
			"object_store": archiveSourceAttribute(),
			"status":       filter("Only backups of this status: `IN_PROGRESS`, `COMPLETED` or `FAILED`. Default: of any.", stringvalidator.OneOf(string(backupInProgress), string(backupCompleted), string(backupFailed))),
			"type":         filter("Only backups of this type: `MANUAL` or `SCHEDULED`. Needs `database`. Default: of either.", stringvalidator.OneOf(string(backupManual), string(backupScheduled))),

			"started_after":  filter("Only backups that began after this time, in RFC 3339. Default: at any time.", isInstant()),
			"started_before": filter("Only backups that began before this time, in RFC 3339. Default: at any time.", isInstant()),
			"limit": schema.Int64Attribute{
				Optional:            true,
				MarkdownDescription: "Only so many backups, the newest ones. Default: all. No more is read from S3 than is needed for them and for `recovery_window`.",
				Validators:          []validator.Int64{int64validator.AtLeast(1)},
			},

			// Computed attributes
			"backups": schema.ListNestedAttribute{
				Computed:            true,
				MarkdownDescription: "The base backups, newest first.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"id":               text("Name of the Backup object; the `backup_id` where there is none any more, or none is asked for."),
					"backup_id":        text("Name of the backup's folder in S3; null before barman has begun it."),
					"name":             text("Name that the backup was given when it was taken."),
					"type":             text("`MANUAL` or `SCHEDULED`; null where the Backup object is gone, or none is asked for."),
					"status":           text("`IN_PROGRESS`, `COMPLETED` or `FAILED`. What barman has not ended is in progress as long as its Backup object says so; without one, until a later backup is completed, and for seven days at most."),
					"timestamp":        text("`completed_at`, or `started_at` while it is not completed."),
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
					"compression":      text("Compression of its files, such as `gzip`; null without one."),
					"error":            text("Why it failed or cannot be read."),
				}},
			},
			"backup_enabled": schema.BoolAttribute{Computed: true, MarkdownDescription: "Whether the database archives now; null with `object_store`."},
			"schedule":       text("Schedule of its base backups, in CloudNativePG's six fields; null without one."),
			"retention_days": number("Days that it keeps backups for; null without a limit."),
			"server_name":    text("Folder of its archive in S3."),
			"servers": schema.ListAttribute{
				Computed: true, ElementType: types.StringType,
				MarkdownDescription: "Folders under the path that hold archives, of this and other databases. " +
					"Null where these credentials may list no more than the one archive, of which a warning tells with `object_store`, and where the database archives nowhere.",
			},
			"recovery_window": schema.SingleNestedAttribute{
				Computed:            true,
				MarkdownDescription: "Span of time that the database can be restored to, whatever is filtered; null while nothing can be restored.",
				Attributes: map[string]schema.Attribute{
					"earliest": text("End of the first base backup whose WAL is there without a gap, in RFC 3339 and UTC, as `target_time` takes it."),
					"latest":   text("About the last moment, in RFC 3339 and UTC, as `target_time` takes it: when the newest WAL segment that is reached without a gap was archived, or, where the archive was copied since, copied, unless a later backup shows that it is older."),
				},
			},
			"latest_wal": text("Newest WAL segment that is reached without a gap."),
		},
	}
}

// archiveSourceAttribute names an archive by its place: neither Kubernetes nor the database is asked.
func archiveSourceAttribute() schema.SingleNestedAttribute {
	text := func(description string, checks ...validator.String) schema.StringAttribute {
		return schema.StringAttribute{Optional: true, MarkdownDescription: description, Validators: checks}
	}
	attribute := schema.SingleNestedAttribute{
		Optional: true,
		MarkdownDescription: "Where the archive lies, for one whose database or Kubernetes cluster is gone: only S3 is asked. Default: what is not set here is the provider's; " +
			"an `endpoint_url` of its own stands for another store, to which the provider's `ca_certificate` and `use_path_style` do not apply; a `profile` of its own takes the place of the provider's keys and `assume_role`.",
		Validators: []validator.Object{objectvalidator.ConflictsWith(path.MatchRoot("type"))},
		Attributes: map[string]schema.Attribute{
			"destination_path": text("Where archives lie: `s3://bucket` or `s3://bucket/prefix`. Default: the provider's.", isDestinationPath()),
			"endpoint_url":     text("Address of the S3 API. Default: the provider's.", isURL()),
			"region":           text("Region of the bucket. Default: the provider's.", stringvalidator.LengthAtLeast(1)),
			"profile":          text("Profile of the shared AWS configuration files. Default: the provider's identity.", stringvalidator.LengthAtLeast(1)),
			"assume_role": schema.SingleNestedAttribute{
				Optional:            true,
				MarkdownDescription: "Role that is assumed to list the archive. Default: the provider's; with a `profile` of its own, none.",
				Attributes: map[string]schema.Attribute{
					"role_arn":     schema.StringAttribute{Required: true, MarkdownDescription: "ARN of the role."},
					"session_name": text("Name of the session, for audit logs. Default `terraform-provider-pgplatform`."),
					"external_id":  text("External ID that the role's trust policy asks for. Default: none."),
				},
			},
			"use_path_style": schema.BoolAttribute{Optional: true, MarkdownDescription: "Address buckets as `endpoint/bucket`. Default: the provider's; with an `endpoint_url` of its own, `true`."},
			"ca_certificate": text("Certificates of the authorities that sign the S3 endpoint's, PEM. Default: the provider's; with an `endpoint_url` of its own, the system's.", isCertificate()),
			"server_name":    text("Folder of the archive under `destination_path`. Unset: only `servers` is listed.", isServerName()),
		},
	}
	for name := range refusedKeyTypes {
		attribute.Attributes[name] = text(refusedKeyDescription, refusesKey{keysOfList})
	}
	return attribute
}
