package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
)

func restoreSchema(ctx context.Context) schema.Schema {
	return schema.Schema{
		MarkdownDescription: "A new database, made from the archive of another one: its latest state, or exactly its state at `target_time`. " +
			"The source is not touched, but for an empty transaction and a switch of its WAL segment. " +
			"The new database gets the source's image, size, parameters and backup settings, and archives to a folder of its own. " +
			"A block `moved` from it to a `pgplatform_database`, with Terraform 1.8 or later, makes an ordinary database of it, without a change where the configuration matches.",
		Attributes: map[string]schema.Attribute{
			// Required attributes
			"name": nameAttribute(),
			"source": schema.SingleNestedAttribute{
				Required:            true,
				MarkdownDescription: "What is restored.",
				Attributes: map[string]schema.Attribute{
					"database": schema.StringAttribute{
						Required:            true,
						MarkdownDescription: "The database, `namespace/name`: the `id` of a `pgplatform_database` or `pgplatform_restore`. Changing it restores anew.",
						Validators:          []validator.String{isKey()},
						PlanModifiers:       []planmodifier.String{stringplanmodifier.RequiresReplace()},
					},
				},
			},

			// Optional attributes
			"namespace": namespaceAttribute(),
			"target_time": schema.StringAttribute{
				Optional: true, CustomType: instantType,
				MarkdownDescription: "Moment to restore, in RFC 3339 with a zone and up to six digits after the second: every transaction committed " +
					"at or before it is there, none after. Unset: the latest state. Changing it restores anew.",
				Validators: []validator.String{isInstant()},
				PlanModifiers: []planmodifier.String{
					keepSameMeaning{kindInstant},
					stringplanmodifier.RequiresReplace(),
				},
			},
			"flush_source": schema.BoolAttribute{
				Optional: true, Computed: true, Default: booldefault.StaticBool(true),
				MarkdownDescription: "Before restoring, commit an empty transaction on a living source and have its WAL archived, so that `target_time` is reached " +
					"on an idle database too and the latest state is that of now. Needs the right to create `pods/exec`. Default `true`.",
			},
			"deletion_protection": deletionProtectionAttribute(),
			"timeouts": timeoutsAttribute(ctx, timeouts.Opts{
				Create: true, CreateDescription: "Default `6h`.",
				Read: true, ReadDescription: "Default `2m`.",
				Delete: true, DeleteDescription: "Default `1h`.",
			}),

			// Computed attributes
			"id":              idAttribute(),
			"status":          statusAttribute(),
			"phase":           phaseAttribute(),
			"connection_info": connectionAttribute(),
			"archive":         archiveAttribute(),
			"base_backup_id": schema.StringAttribute{
				Computed:            true,
				MarkdownDescription: "The base backup that the restore began from.",
			},
			"source_server_name": schema.StringAttribute{
				Computed:            true,
				MarkdownDescription: "Folder of the source's archive in S3.",
			},
		},
	}
}
