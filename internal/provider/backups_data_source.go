package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

var _ datasource.DataSourceWithConfigure = (*backupsDataSource)(nil)

type backupsDataSource struct{ backend *backend }

func newBackupsDataSource() datasource.DataSource { return &backupsDataSource{} }

func (d *backupsDataSource) Metadata(_ context.Context, _ datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = "pgplatform_backups"
}

func (d *backupsDataSource) Configure(_ context.Context, req datasource.ConfigureRequest, resp *datasource.ConfigureResponse) {
	d.backend = backendFrom(req.ProviderData, &resp.Diagnostics)
}

const listSummary = "Unable to List Backups"

func (d *backupsDataSource) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var model backupsModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, defaultReadTimeout)
	defer cancel()
	if model.ObjectStore != nil {
		d.listArchive(ctx, &model, &resp.Diagnostics)
	} else {
		d.listDatabase(ctx, &model, &resp.Diagnostics)
	}
	if !resp.Diagnostics.HasError() {
		resp.Diagnostics.Append(resp.State.Set(ctx, model)...)
	}
}

// listDatabase lists the archive of a living database, and its Backup objects.
func (d *backupsDataSource) listDatabase(ctx context.Context, model *backupsModel, diags *diag.Diagnostics) {
	key, err := cnpg.ParseKey(model.Database.ValueString())
	if err != nil {
		diags.AddAttributeError(path.Root("database"), listSummary, sentence(err))
		return
	}
	client, err := d.backend.kubernetesClient(ctx)
	if err != nil {
		addReadError(diags, listSummary, err)
		return
	}
	cluster, scheduled, err := readDatabase(ctx, client, key)
	if err != nil {
		var archived string
		if errors.Is(err, cnpg.ErrNotFound) {
			archived = fmt.Sprintf("The archive of a database that is gone is listed with object_store instead of database, such as object_store = { server_name = %q }.", key.Name)
		}
		diags.AddAttributeError(path.Root("database"), listSummary, paragraphs(sentence(err), archived))
		return
	}
	all, err := client.ListBackups(ctx, key)
	if err != nil {
		diags.AddError(listSummary, sentence(err))
		return
	}
	inS3 := &archive.Listing{}
	model.Servers = types.ListNull(types.StringType)
	objects, filter := &backupObjects{all: all}, model.filter()
	if cnpg.Archiver(cluster) != nil {
		s3, loc, err := d.backend.openArchive(ctx, cluster)
		var servers archiveServers
		if err == nil {
			inS3, servers, err = listBeside(ctx, s3, loc, cnpg.ServerName(cluster), filter.query(objects))
		}
		if errors.Is(err, errNotKnown) {
			addReadError(diags, listSummary, err)
			return
		}
		if err != nil {
			diags.AddError(listSummary, paragraphs(
				fmt.Sprintf("The archive of the database %s cannot be read: %s", key, ended(err)),
				"Terraform's state keeps the data source as it was read last."))
			return
		}
		model.Servers = servers.value(ctx, diags)
	}
	model.BackupEnabled = types.BoolValue(cnpg.Archiver(cluster) != nil)
	model.RetentionDays = retentionOf(cluster)
	if scheduled != nil {
		model.Schedule = types.StringValue(scheduled.Spec.Schedule)
	}
	if cnpg.Archiver(cluster) != nil {
		model.ServerName = types.StringValue(cnpg.ServerName(cluster))
	}
	model.fromListing(ctx, inS3, objects, filter, diags)
}

// listArchive lists an archive by its place in S3, and asks nobody else.
func (d *backupsDataSource) listArchive(ctx context.Context, model *backupsModel, diags *diag.Diagnostics) {
	if d.backend == nil || d.backend.store == nil {
		addReadError(diags, listSummary, errNotKnown)
		return
	}
	store := d.backend.store.with(model.ObjectStore.override())
	if store.destinationPath == "" {
		diags.AddAttributeError(path.Root("object_store").AtName("destination_path"), "Missing Destination Path",
			"Neither object_store.destination_path nor the provider's says where archives lie.")
		return
	}
	client, err := d.backend.s3Client(ctx, store)
	var loc archive.Location
	if err == nil {
		loc, err = archive.ParseDestinationPath(store.destinationPath)
	}
	listing, servers, objects, filter := &archive.Listing{}, archiveServers{}, &backupObjects{}, model.filter()
	model.ServerName = model.ObjectStore.ServerName
	name := model.ServerName.ValueString()
	if err == nil && name == "" {
		if servers, err = serversIn(ctx, client, loc); servers.refused != nil {
			err = servers.refused // nothing else was asked for
		}
	} else if err == nil {
		listing, servers, err = listBeside(ctx, client, loc, name, filter.query(objects))
	}
	switch {
	case err != nil:
		model.ObjectStore.explain(err, diags)
		return
	case name != "" && listing.Empty && !slices.Contains(servers.names, name):
		diags.AddAttributeError(path.Root("object_store").AtName("server_name"), listSummary, servers.lacks(loc, name))
		return
	}
	servers.warn(diags)
	model.Servers = servers.value(ctx, diags)
	model.fromListing(ctx, listing, objects, filter, diags)
}

// explain tells of an error at the setting that it speaks of.
func (s *archiveSource) explain(err error, diags *diag.Diagnostics) {
	at := path.Root("object_store")
	var noBucket *archive.BucketNotFoundError
	var region *archive.WrongRegionError
	switch {
	case errors.As(err, &noBucket) && !s.DestinationPath.IsNull():
		at = at.AtName("destination_path")
	case errors.As(err, &region) && !s.Region.IsNull():
		at = at.AtName("region")
	case archive.Unreachable(err) && !s.EndpointURL.IsNull():
		at = at.AtName("endpoint_url")
	}
	// Of nested attributes the CLI shows no line.
	diags.AddAttributeError(at, listSummary, sentenceAt(at, err))
}

func (m *backupsModel) fromListing(ctx context.Context, inS3 *archive.Listing, objects *backupObjects, filter backupFilter, diags *diag.Diagnostics) {
	list, d := types.ListValueFrom(ctx, types.ObjectType{AttrTypes: listedBackupTypes}, filter.of(joined(inS3.Backups, objects, filter.now)))
	diags.Append(d...)
	m.Backups = list
	m.RecoveryWindow, m.LatestWAL = types.ObjectNull(windowTypes), types.StringNull()
	if window := inS3.Window; window != nil {
		m.RecoveryWindow = types.ObjectValueMust(windowTypes, map[string]attr.Value{
			"earliest": instantOf(window.Earliest),
			"latest":   instantOf(window.Latest),
		})
		m.LatestWAL = nullIfEmpty(window.LatestWAL)
	}
	if inS3.Unread != nil {
		lacks := "Without it nothing can be restored, so recovery_window is null"
		if inS3.Window != nil {
			lacks = "Without it only later backups can be restored, so recovery_window begins behind it"
		}
		diags.AddWarning("Timeline History Cannot Be Read", paragraphs(
			fmt.Sprintf("%s/wals/%s: %s", m.ServerName.ValueString(), inS3.Unread.File, ended(errors.New(inS3.Unread.Message))),
			fmt.Sprintf("The file tells how timeline %d was reached from the base backup %s on. %s.", inS3.Unread.Timeline, inS3.UnreadFrom, lacks)))
	}
}

func (m *backupsModel) filter() backupFilter {
	bound := func(value types.String) time.Time {
		if value.IsNull() {
			return time.Time{}
		}
		at, err := parseInstant(value.ValueString())
		if err != nil {
			return time.Time{} // the schema has refused it
		}
		return at
	}
	return backupFilter{
		status: backupStatus(m.Status.ValueString()), kind: backupType(m.Type.ValueString()),
		after: bound(m.StartedAfter), before: bound(m.StartedBefore), limit: int(m.Limit.ValueInt64()), now: time.Now(),
	}
}
