package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/mapvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

func databaseSchema(ctx context.Context) schema.Schema {
	return schema.Schema{
		MarkdownDescription: "A PostgreSQL database run by CloudNativePG: a Cluster, its scheduled backups, and the Secret with its keys for S3. " +
			"Destroying it removes these, and keeps what is archived in S3.",
		Attributes: map[string]schema.Attribute{
			// Required attributes
			"name": nameAttribute(),

			// Optional attributes
			"namespace": namespaceAttribute(),
			"org_id": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Organisation that the database belongs to: the label `pgplatform.io/org-id` on every object. Default: none. Changed in place.",
				Validators:          []validator.String{stringvalidator.LengthAtLeast(1), isLabelValue()},
			},
			"database_type": schema.StringAttribute{
				Optional: true, Computed: true, Default: stringdefault.StaticString(typePostgreSQL),
				MarkdownDescription: "Kind of database. Default `POSTGRESQL`. It cannot be changed: there is no other.",
				Validators:          []validator.String{stringvalidator.OneOf(typePostgreSQL)},
			},
			"tier": schema.StringAttribute{
				Optional: true, Computed: true,
				MarkdownDescription: "Size of what is not set otherwise: `DEV` (1 instance, 1Gi of disk, 100m CPU, 512Mi of memory), `STANDARD` (1, 10Gi, 250m, 1Gi) or `HA` (3, 20Gi, 250m, 2Gi). Default `STANDARD`. Changing it recomputes in place what is not set otherwise, but no disk becomes smaller by it.",
				Validators:          []validator.String{stringvalidator.OneOf(tierNames...)},
			},
			"instances": schema.Int64Attribute{
				Optional: true, Computed: true, CustomType: wholeNumberType{},
				MarkdownDescription: "Number of PostgreSQL instances: one primary, the others replicas. Default: the tier's. Changing it adds or removes replicas in place.",
				Validators:          []validator.Int64{int64validator.AtLeast(1)},
			},
			"storage":     storageAttribute(),
			"wal_storage": walStorageAttribute(),
			"resources": schema.SingleNestedAttribute{
				Optional: true, Computed: true,
				MarkdownDescription: "What each instance asks for. Memory is also its limit; CPU has none. Default: the tier's. Changing it restarts the pods, one after the other. " +
					"In a database that was made by other means, a limit of memory that its maker states otherwise stays as it is.",
				Attributes: map[string]schema.Attribute{
					"cpu": schema.StringAttribute{
						Optional: true, Computed: true, CustomType: quantityType,
						MarkdownDescription: "CPU in cores or thousandths of one, such as `2` or `500m`. Default: the tier's.",
						Validators:          []validator.String{isCPU()},
						PlanModifiers:       []planmodifier.String{keepSameMeaning{kindQuantity}},
					},
					"memory": schema.StringAttribute{
						Optional: true, Computed: true, CustomType: quantityType,
						MarkdownDescription: "Memory in bytes, with a suffix such as in `512Mi` or `1Gi`. Default: the tier's.",
						Validators:          []validator.String{isSize()},
						PlanModifiers:       []planmodifier.String{keepSameMeaning{kindQuantity}},
					},
				},
			},
			"postgres_version": postgresVersionAttribute(),
			"image":            imageAttribute(),
			"parameters": schema.MapAttribute{
				Optional: true, ElementType: types.StringType,
				MarkdownDescription: "PostgreSQL parameters, as in `postgresql.conf`. Those that CloudNativePG sets itself, such as `archive_command`, are refused. Default: CloudNativePG's and PostgreSQL's. Changed in place; CloudNativePG restarts PostgreSQL for those that need it.",
				Validators:          []validator.Map{mapvalidator.KeysAre(isParameter()), mapvalidator.NoNullValues()},
			},
			"database_name":       databaseNameAttribute(),
			"owner":               ownerAttribute(),
			"labels":              labelsAttribute(),
			"annotations":         annotationsAttribute(),
			"image_pull_secrets":  imagePullSecretsAttribute(),
			"pg_hba":              pgHBAAttribute(),
			"scheduling":          schedulingAttribute(),
			"backup":              backupAttribute(),
			"deletion_protection": deletionProtectionAttribute(),
			"final_backup": schema.BoolAttribute{
				Optional: true, Computed: true, Default: booldefault.StaticBool(false),
				MarkdownDescription: "Whether a destroy first takes a last base backup and waits until it and its WAL are in S3; where that fails, " +
					"nothing is destroyed. Needs backups. Default `false`. Changing it touches nothing in Kubernetes.",
			},
			"force_conflicts": schema.BoolAttribute{
				Optional: true, Computed: true, Default: booldefault.StaticBool(false),
				MarkdownDescription: "Whether to take over fields that another manager of the Cluster applies otherwise, instead of failing with their names. What was merely changed with kubectl is put back in any case. Default `false`. Changing it alone touches nothing in Kubernetes.",
			},
			"wait": schema.BoolAttribute{
				Optional: true, Computed: true, Default: booldefault.StaticBool(true),
				MarkdownDescription: "Whether a create or update waits until the database is healthy, as configured, and, with backups, archives to S3. Default `true`. Changing it touches nothing in Kubernetes.",
			},
			"timeouts": timeoutsAttribute(ctx, timeouts.Opts{
				Create: true, CreateDescription: "In hours, minutes and seconds. Default `30m`.",
				Read: true, ReadDescription: "In hours, minutes and seconds. Default `2m`.",
				Update: true, UpdateDescription: "In hours, minutes and seconds. Default `30m`.",
				Delete: true, DeleteDescription: "In hours, minutes and seconds. Default `1h`.",
			}),

			// Computed attributes
			"id":              idAttribute(),
			"status":          statusAttribute(),
			"phase":           phaseAttribute(),
			"connection_info": connectionAttribute(),
			"archive":         archiveAttribute(),
		},
	}
}

// typePostgreSQL is the only database_type.
const typePostgreSQL = "POSTGRESQL"

func nameAttribute() schema.StringAttribute {
	return schema.StringAttribute{
		Required:            true,
		MarkdownDescription: "Name of the Cluster: lower case letters, digits and hyphens, beginning with a letter, at most 50 characters. Changing it makes a new database.",
		Validators: []validator.String{
			stringvalidator.LengthBetween(1, maxNameLength),
			stringvalidator.RegexMatches(dns1035, "must consist of lower case letters, digits and hyphens, begin with a letter and end with a letter or digit"),
		},
		PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace()},
	}
}

func namespaceAttribute() schema.StringAttribute {
	return schema.StringAttribute{
		Optional: true, Computed: true,
		MarkdownDescription: "Namespace, which must exist. Default: the provider's. Changing it makes a new database.",
		Validators:          namespaceValidators(),
		PlanModifiers: []planmodifier.String{
			stringplanmodifier.UseStateForUnknown(),
			stringplanmodifier.RequiresReplace(),
		},
	}
}

func deletionProtectionAttribute() schema.BoolAttribute {
	return schema.BoolAttribute{
		Optional: true, Computed: true, Default: booldefault.StaticBool(true),
		MarkdownDescription: "Refuse to destroy or to replace the database. Default `true`: to delete it, first apply `false`. Changing it touches nothing in Kubernetes.",
	}
}
