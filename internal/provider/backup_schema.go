package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/int64planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/mapplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
)

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
				MarkdownDescription: "Anything. Default: none. Changing it takes another backup.",
				PlanModifiers:       []planmodifier.Map{mapplanmodifier.RequiresReplace()},
			},
			"target": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Instance that it is taken from: `primary` or `prefer-standby`. Default: what the Cluster's `spec.backup.target` says, which CloudNativePG sets to `prefer-standby` where nobody has set it: the most up-to-date standby, or the primary where there is none. Changing it takes another backup.",
				Validators:          []validator.String{stringvalidator.OneOf(string(cnpgv1.BackupTargetPrimary), string(cnpgv1.BackupTargetStandby))},
				PlanModifiers:       []planmodifier.String{stringplanmodifier.RequiresReplace()},
			},
			"wait": schema.BoolAttribute{
				Optional: true, Computed: true, Default: booldefault.StaticBool(true),
				MarkdownDescription: "Whether a create waits until the backup is completed. Without it `status` is `IN_PROGRESS`, and a later refresh tells how it ended. Default `true`. Changing it touches nothing in Kubernetes.",
			},
			"timeouts": timeoutsAttribute(ctx, timeouts.Opts{Create: true, CreateDescription: "In hours, minutes and seconds. Default `2h`."}),

			// Computed attributes
			"id":               computed("`namespace/name` of the Backup object."),
			"name":             computed("Name of the Backup object: `<database>-backup-YYYYMMDD-HHMMSS`, in UTC."),
			"type":             computed("`MANUAL`."),
			"status":           computed("`IN_PROGRESS`, `COMPLETED`, `FAILED`, or `EXPIRED`: S3 no longer has it. An expired backup stays in the state and is not taken again."),
			"backup_id":        computed("Name of the backup's folder in S3."),
			"server_name":      computed("Folder of the database's archive in S3."),
			"destination_path": computed("Where in S3 that folder is."),
			"started_at":       computed("Begin, in RFC 3339."),
			"completed_at":     computed("End, in RFC 3339: the earliest moment that this backup can be restored to."),
			"begin_wal":        computed("First WAL segment that the backup needs."),
			"end_wal":          computed("Last WAL segment that the backup needs."),
			"begin_lsn":        computed("WAL location of its begin."),
			"end_lsn":          computed("WAL location of its end."),
			"size_bytes": schema.Int64Attribute{
				Computed: true, MarkdownDescription: "Size of the database when it was taken, in bytes; null where S3 cannot be read from here.",
				PlanModifiers: []planmodifier.Int64{int64planmodifier.UseStateForUnknown()},
			},
			"postgres_version": computed("Version of PostgreSQL that was backed up, such as `17.5`; null where S3 cannot be read from here."),
			"error":            computed("Why it failed."),
		},
	}
}
