package provider

import (
	"context"
	"maps"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/boolplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/int64planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
)

// restoreSchema is that of a database, of which what is not configured is the source's, with what to restore.
func restoreSchema(ctx context.Context) schema.Schema {
	attributes := databaseSchema(ctx).Attributes
	for name, description := range inheritedAttributes {
		attributes[name] = inherited(attributes[name], description)
	}
	maps.Copy(attributes, recoveryAttributes())
	attributes["wait"] = schema.BoolAttribute{
		Optional: true, Computed: true, Default: booldefault.StaticBool(true),
		MarkdownDescription: "Whether a create waits until the data are restored and the database is healthy and archives, and an update until it is as configured. " +
			"Without it, nobody tells of a restore that fails, and nothing is verified. Default `true`. Changing it touches nothing in Kubernetes.",
	}
	attributes["timeouts"] = timeoutsAttribute(ctx, timeouts.Opts{
		Create: true, CreateDescription: "In hours, minutes and seconds. Default `6h`.",
		Read: true, ReadDescription: "In hours, minutes and seconds. Default `2m`.",
		Update: true, UpdateDescription: "In hours, minutes and seconds. Default `30m`.",
		Delete: true, DeleteDescription: "In hours, minutes and seconds. Default `1h`.",
	})
	return schema.Schema{
		MarkdownDescription: "A new database, made from the archive of another one: its latest state, or exactly its state at a target such as `target_time`. " +
			"The source is not touched, but for an empty transaction and a switch of its WAL segment. " +
			"The new database has everything that is not set here from its source, and archives to a folder of its own. " +
			"A block `moved` from it to a `pgplatform_database`, with Terraform 1.8 or OpenTofu 1.10 and later, makes an ordinary database of it, without a change where the configuration matches.",
		Attributes: attributes,
	}
}

// inheritedAttributes are those of a database that are the source's where they are not set, with what they say of that.
var inheritedAttributes = map[string]string{
	"org_id": "Organisation that the database belongs to: the label `pgplatform.io/org-id` on every object. Default: the source's. Changed in place.",
	"tier": "Size of what is not set otherwise, as of a `pgplatform_database`, but of a disk never smaller than the source's: `DEV`, `STANDARD` or `HA`. " +
		"Unset: what is not set is as large as in the source. Changing it recomputes in place what is not set otherwise, but no disk becomes smaller by it.",
	"instances":   "Number of PostgreSQL instances. Default: the tier's, or else the source's. Changing it adds or removes replicas in place.",
	"storage":     "Volume of each instance. Default: the source's, or a larger one of the tier. It must hold what was backed up. Changing it lets the volumes grow in place, where their storage class can; anything else is refused.",
	"wal_storage": "Volume of its own for the WAL of each instance. Default: the source's. Changing it adds the volume, which restarts the pods, or lets it grow in place; it cannot be removed from a database.",
	"resources":   "What each instance asks for. Memory is also its limit; CPU has none. Default: the tier's, or else the source's. Changing it restarts the pods, one after the other.",
	"postgres_version": "PostgreSQL's version, `17` or `17.5`, of the same major version as the backup, since one major version cannot read the data of another. " +
		"Not together with `image`. Default: the source's image. Changing it restarts the pods, as of a `pgplatform_database`.",
	"image":              "Image of PostgreSQL, whose tag begins with PostgreSQL's version, of the same major version as the backup. Not together with `postgres_version`. Default: the source's. Changing it restarts the pods, as of a `pgplatform_database`.",
	"parameters":         "PostgreSQL parameters, as in `postgresql.conf`, in place of the source's. Those that CloudNativePG sets itself, such as `archive_command`, are refused. Default: the source's. Changed in place; CloudNativePG restarts PostgreSQL for those that need it.",
	"database_name":      "Name of the application database, which must be that of the source: CloudNativePG would make another one, and empty. Default: the source's. Changing it restores anew.",
	"owner":              "Name of the role that owns the application database, which must be that of the source. Default: the source's. Changing it restores anew.",
	"image_pull_secrets": "Names of Secrets in the database's namespace with which its images are pulled. Default: the source's. Changed in place.",
	"pg_hba":             "Lines for `pg_hba.conf`, in place of the source's. Default: the source's. Changed in place; open connections stay.",
	"scheduling":         "Where the pods run. Default: as the source's. Changing it restarts the pods, one after the other.",
	"backup": "How the new database is backed up; a block stands for itself, without anything of the source's. Default: as the source is, in a folder of its own and by the `method` that is installed now. " +
		"`backup = { enabled = false }` for none. Changed in place; where that leaves a gap in what can be restored, the plan warns.",
}

// inherited is an attribute whose value the source decides where the configuration does not.
func inherited(attribute schema.Attribute, description string) schema.Attribute {
	switch a := attribute.(type) {
	case schema.StringAttribute:
		a.Computed, a.Default, a.MarkdownDescription = true, nil, description
		if len(a.PlanModifiers) > 0 { // what is left open is no change
			a.PlanModifiers = append([]planmodifier.String{stringplanmodifier.UseStateForUnknown()}, a.PlanModifiers...)
		}
		return a
	case schema.Int64Attribute:
		a.Computed, a.MarkdownDescription = true, description
		return a
	case schema.MapAttribute:
		a.Computed, a.MarkdownDescription = true, description
		return a
	case schema.ListAttribute:
		a.Computed, a.MarkdownDescription = true, description
		return a
	case schema.SingleNestedAttribute:
		a.Computed, a.MarkdownDescription = true, description
		if class, ok := a.Attributes["storage_class"].(schema.StringAttribute); ok {
			class.Computed, class.MarkdownDescription = true, "Storage class of the volumes. Default: the source's. It cannot be changed: the plan is refused."
			a.Attributes["storage_class"] = class
		}
		return a
	}
	return attribute
}

// recoveryAttributes say what is restored, and tell what was.
func recoveryAttributes() map[string]schema.Attribute {
	text := func(description string, modifier planmodifier.String, checks ...validator.String) schema.StringAttribute {
		a := schema.StringAttribute{Optional: true, MarkdownDescription: description + " Changing it restores anew.", Validators: checks}
		if modifier != nil {
			a.PlanModifiers = append(a.PlanModifiers, modifier)
		}
		a.PlanModifiers = append(a.PlanModifiers, stringplanmodifier.RequiresReplace())
		return a
	}
	time := text("Moment to restore, in RFC 3339 with a zone and up to six digits after the second: every transaction committed "+
		"at or before it is there, none after; of transactions that commit at the same time PostgreSQL decides by their order in the WAL, from which their times can differ by microseconds. Unset, and without any other target, the latest state is restored, or, with `backup_id` or `source.backup`, that of the base backup.",
		keepSameMeaning{kindInstant}, isInstant(), onlyTarget())
	time.CustomType = instantType
	lsn := text("WAL location to restore, such as `16/B374D848`. Default: none.", keepSameMeaning{kindLSN}, isLSN(), onlyTarget())
	lsn.CustomType = lsnType
	return map[string]schema.Attribute{
		"source":      sourceAttribute(),
		"target_time": time,
		"target_lsn":  lsn,
		"target_xid": text("Transaction to restore, by its ID. It needs `backup_id` or `source.backup`: where in the WAL it lies, the archive does not tell. Default: none.",
			nil, isXID(), onlyTarget()),
		"target_name": text("Restore point to restore, as `pg_create_restore_point` has named it. It needs `backup_id` or `source.backup`. Default: none.",
			nil, isRestorePoint(), onlyTarget()),
		"target_inclusive": schema.BoolAttribute{
			Optional: true, Computed: true, Default: booldefault.StaticBool(true),
			MarkdownDescription: "Whether what lies exactly at the target is restored, too. Default `true`. Changing it restores anew.",
			PlanModifiers:       []planmodifier.Bool{boolplanmodifier.RequiresReplace()},
		},
		"target_timeline": schema.Int64Attribute{
			Optional: true, CustomType: wholeNumberType{},
			MarkdownDescription: "Timeline to restore along, for what lies before a failover or a restore on a branch that was left. " +
				"Default: the newest that descends from the base backup's. Changing it restores anew.",
			Validators:    []validator.Int64{int64validator.Between(1, maxTimeline)},
			PlanModifiers: []planmodifier.Int64{int64planmodifier.RequiresReplace()},
		},
		"backup_id": text("Base backup to begin from, as `data.pgplatform_backups` lists them: alone, exactly that one is restored; with a target, WAL follows up to that. "+
			"Write it down here: an expression such as `data.pgplatform_backups.my_db.backups[0].backup_id` would replace the restored database at every new backup. Default: the newest that leads to the target.", nil, stringvalidator.LengthAtLeast(1), stringvalidator.ConflictsWith(path.MatchRoot("source").AtName("backup"))),
		"flush_source": schema.BoolAttribute{
			Optional: true, Computed: true, Default: booldefault.StaticBool(true),
			MarkdownDescription: "Before restoring, commit an empty transaction on a living source and have its WAL archived, so that `target_time` is reached " +
				"on an idle database too and the latest state is that of now; for an old target too, since nothing but a later commit ends a recovery. Needs the right to create `pods/exec`. Default `true`. Changing it touches nothing in Kubernetes: it counts when a database is restored.",
		},
		"verify": verifyAttribute(),

		"base_backup_id": schema.StringAttribute{
			Computed:            true,
			MarkdownDescription: "The base backup that the restore began from.",
		},
		"source_server_name": schema.StringAttribute{
			Computed:            true,
			MarkdownDescription: "Folder of the source's archive in S3.",
		},
		"restored_to": schema.StringAttribute{
			Computed:            true,
			MarkdownDescription: "Time of the last transaction that was restored, in RFC 3339; null where the recovery did not tell, and after an import. A commit at the very place of an inclusive `target_lsn` is restored, and PostgreSQL tells the transaction before it.",
		},
	}
}

// maxTimeline is the largest timeline of PostgreSQL.
const maxTimeline = 1<<32 - 1

// onlyTarget is a validator of a recovery target: there is at most one.
func onlyTarget() validator.String {
	return stringvalidator.ConflictsWith(path.MatchRoot("target_time"), path.MatchRoot("target_lsn"), path.MatchRoot("target_xid"), path.MatchRoot("target_name"))
}

func verifyAttribute() schema.SingleNestedAttribute {
	return schema.SingleNestedAttribute{
		Optional: true,
		MarkdownDescription: "A look into the restored database, in a transaction that can only read: where it shows anything else than is expected, the apply fails with both values. " +
			"It is done once, when the database was restored. Needs the right to create `pods/exec`. Default: none. Changing it touches nothing in Kubernetes, and asks nothing again.",
		Attributes: map[string]schema.Attribute{
			"query":    schema.StringAttribute{Required: true, MarkdownDescription: "SQL, such as `SELECT count(*) FROM orders`.", Validators: []validator.String{stringvalidator.LengthAtLeast(1)}},
			"expect":   schema.StringAttribute{Required: true, MarkdownDescription: "What it must answer: the columns of a row with a tab between them, the rows on a line each."},
			"database": schema.StringAttribute{Optional: true, MarkdownDescription: "Database to ask. Default: the application database.", Validators: []validator.String{stringvalidator.LengthAtLeast(1)}},
		},
	}
}
