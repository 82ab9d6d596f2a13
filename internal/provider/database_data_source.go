package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	resourceschema "github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

var _ datasource.DataSourceWithConfigure = (*databaseDataSource)(nil)

type databaseDataSource struct{ backend *backend }

func newDatabaseDataSource() datasource.DataSource { return &databaseDataSource{} }

type databaseDataModel struct {
	Name      types.String `tfsdk:"name"`
	Namespace types.String `tfsdk:"namespace"`

	ID              types.String `tfsdk:"id"`
	OrgID           types.String `tfsdk:"org_id"`
	Tier            types.String `tfsdk:"tier"`
	Instances       types.Int64  `tfsdk:"instances"`
	Storage         types.Object `tfsdk:"storage"`
	WALStorage      types.Object `tfsdk:"wal_storage"`
	Resources       types.Object `tfsdk:"resources"`
	PostgresVersion types.String `tfsdk:"postgres_version"`
	Image           types.String `tfsdk:"image"`
	DatabaseName    types.String `tfsdk:"database_name"`
	Owner           types.String `tfsdk:"owner"`
	Status          types.String `tfsdk:"status"`
	Phase           types.String `tfsdk:"phase"`
	Connection      types.Object `tfsdk:"connection_info"`
	Archive         types.Object `tfsdk:"archive"`
}

func (d *databaseDataSource) Metadata(_ context.Context, _ datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = "pgplatform_database"
}

func (d *databaseDataSource) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	text := func(description string) schema.StringAttribute {
		return schema.StringAttribute{Computed: true, MarkdownDescription: description}
	}
	quantity := func(description string) schema.StringAttribute {
		return schema.StringAttribute{Computed: true, CustomType: quantityType, MarkdownDescription: description}
	}
	volume := func(description string) schema.SingleNestedAttribute {
		return schema.SingleNestedAttribute{
			Computed:            true,
			MarkdownDescription: description,
			Attributes: map[string]schema.Attribute{
				"size":          quantity("Size in bytes, with a suffix such as in `10Gi`."),
				"storage_class": text("Storage class; null where the Kubernetes cluster's default was taken."),
			},
		}
	}
	resp.Schema = schema.Schema{
		MarkdownDescription: "A database that exists, whoever made it: a `pgplatform_database`, a `pgplatform_restore`, or any Cluster of CloudNativePG.",
		Attributes: map[string]schema.Attribute{
			"name": schema.StringAttribute{
				Required:            true,
				MarkdownDescription: "Name of the Cluster.",
				Validators:          []validator.String{isObjectName()},
			},
			"namespace": schema.StringAttribute{
				Optional: true, Computed: true,
				MarkdownDescription: "Its namespace. Default: the provider's.",
				Validators:          []validator.String{isObjectName()},
			},

			"id":          text("`namespace/name`, as `pgplatform_backup`, `pgplatform_restore` and `pgplatform_backups` take it."),
			"org_id":      text("Organisation that the database belongs to."),
			"tier":        text("`DEV`, `STANDARD` or `HA`; null for a Cluster that was made without."),
			"instances":   schema.Int64Attribute{Computed: true, MarkdownDescription: "Number of PostgreSQL instances."},
			"storage":     volume("Volume of each instance."),
			"wal_storage": volume("Volume for the WAL of each instance; null where the WAL lies with the data."),
			"resources": schema.SingleNestedAttribute{
				Computed:            true,
				MarkdownDescription: "What each instance asks for.",
				Attributes: map[string]schema.Attribute{
					"cpu":    quantity("CPU in cores or thousandths of one, such as `2` or `500m`."),
					"memory": quantity("Memory in bytes, with a suffix such as in `1Gi`."),
				},
			},
			"postgres_version": text("Version of PostgreSQL that the image's tag begins with."),
			"image":            text("Image of PostgreSQL."),
			"database_name":    text("Application database."),
			"owner":            text("Role that owns the application database."),
			"status":           text(statusAttribute().MarkdownDescription),
			"phase":            text(phaseAttribute().MarkdownDescription),
			"connection_info":  computedObject(connectionAttribute()),
			"archive":          computedObject(archiveAttribute()),
		},
	}
}

// computedObject is a resource's computed object as a data source has it.
func computedObject(object resourceschema.SingleNestedAttribute) schema.SingleNestedAttribute {
	attributes := map[string]schema.Attribute{}
	for name, attribute := range object.Attributes {
		description := attribute.GetMarkdownDescription()
		switch attribute.(type) {
		case resourceschema.Int64Attribute:
			attributes[name] = schema.Int64Attribute{Computed: true, MarkdownDescription: description}
		case resourceschema.BoolAttribute:
			attributes[name] = schema.BoolAttribute{Computed: true, MarkdownDescription: description}
		default:
			attributes[name] = schema.StringAttribute{Computed: true, MarkdownDescription: description}
		}
	}
	return schema.SingleNestedAttribute{Computed: true, MarkdownDescription: object.MarkdownDescription, Attributes: attributes}
}

func (d *databaseDataSource) Configure(_ context.Context, req datasource.ConfigureRequest, resp *datasource.ConfigureResponse) {
	d.backend = backendFrom(req.ProviderData, &resp.Diagnostics)
}

func (d *databaseDataSource) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	const summary = "Unable to Read Database"
	var model databaseDataModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, defaultReadTimeout)
	defer cancel()

	if model.Namespace.IsNull() {
		model.Namespace = d.backend.namespace
	}
	client, err := d.backend.kubernetesClient(ctx)
	if err == nil && model.Namespace.IsUnknown() {
		err = errNotKnown
	}
	if err != nil {
		addReadError(&resp.Diagnostics, summary, err)
		return
	}
	database := databaseModel{Name: model.Name, Namespace: model.Namespace}
	cluster, err := client.GetCluster(ctx, database.key())
	if err != nil {
		resp.Diagnostics.AddAttributeError(path.Root("name"), summary, sentence(err))
		return
	}
	database.fromCluster(ctx, d.backend, cluster, nil, d.backend.seeArchive(cluster, nil, archiveSeen{}), &resp.Diagnostics)
	resp.Diagnostics.Append(resp.State.Set(ctx, databaseDataModel{
		Name: database.Name, Namespace: database.Namespace, ID: database.ID,
		OrgID: nullIfEmpty(cluster.Labels[cnpg.LabelOrgID]),
		Tier:  database.Tier, Instances: database.Instances.Int64Value, Storage: database.Storage, WALStorage: walStorageOf(cluster),
		Resources: database.Resources, PostgresVersion: database.PostgresVersion, Image: database.Image,
		DatabaseName: database.DatabaseName, Owner: database.Owner,
		Status: database.Status, Phase: database.Phase, Connection: database.Connection, Archive: database.Archive,
	})...)
}
