// Package provider is the Terraform side of pgplatform: schemas, plans, state and diagnostics. What it knows of
// Kubernetes is in internal/cnpg, what it knows of S3 in internal/archive.
package provider

import (
	"context"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/resource"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

var (
	_ provider.Provider                       = (*pgplatformProvider)(nil)
	_ provider.ProviderWithEphemeralResources = (*pgplatformProvider)(nil)
)

type pgplatformProvider struct {
	version string
	pace    pace
}

// pace is how long operations give what nothing tells the end of.
type pace struct {
	// settle is how long a changed Cluster has to stay healthy before the change counts as done, where nothing tells when
	// CNPG has looked at it. It does so within a second or two; on a machine that is busy otherwise, a restart of PostgreSQL
	// was seen to begin six seconds after the change. It is also longer than [pluginCache]: WAL that shows that rotated keys work
	// is not to be archived with those of before.
	settle time.Duration
	// outage is how long S3 may give no answer while something is waited for there.
	outage time.Duration
	// overtaken is how long WAL that later WAL has overtaken may take until it is in S3 too.
	overtaken time.Duration
	// reading is how long a plan waits for an archive to be read.
	reading time.Duration
	graces  cnpg.Graces
}

// pluginCache is how long the Barman Cloud plugin goes on with a Secret or an ObjectStore as it has read it: ten seconds, counted in
// whole ones, so that it is up to eleven.
const pluginCache = 11 * time.Second

var defaultPace = pace{settle: pluginCache + time.Second, outage: 5 * time.Minute, overtaken: 5 * time.Minute, reading: planTimeout, graces: cnpg.DefaultGraces}

// New returns the constructor that the plugin server asks for. version is what the release build stamped.
func New(version string) func() provider.Provider {
	return func() provider.Provider { return &pgplatformProvider{version: version, pace: defaultPace} }
}

func (p *pgplatformProvider) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName = "pgplatform"
	resp.Version = p.version
}

func (p *pgplatformProvider) Schema(_ context.Context, _ provider.SchemaRequest, resp *provider.SchemaResponse) {
	resp.Schema = providerSchema()
}

// Configure only takes the settings over: the clients are built when a resource first needs them, so that values which
// are not known yet, such as a cluster that the same apply makes, are no obstacle to a plan.
func (p *pgplatformProvider) Configure(ctx context.Context, req provider.ConfigureRequest, resp *provider.ConfigureResponse) {
	var model providerModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	if resp.Diagnostics.HasError() {
		return
	}
	backend := newBackend(ctx, model, "terraform-provider-pgplatform/"+p.version, &resp.Diagnostics)
	backend.pace = p.pace
	if resp.Diagnostics.HasError() {
		return
	}
	resp.ResourceData = backend
	resp.DataSourceData = backend
	resp.EphemeralResourceData = backend
}

func (p *pgplatformProvider) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{
		newDatabaseResource,
		newBackupResource,
		newRestoreResource,
	}
}

func (p *pgplatformProvider) DataSources(context.Context) []func() datasource.DataSource {
	return []func() datasource.DataSource{
		newDatabaseDataSource,
		newBackupsDataSource,
	}
}

func (p *pgplatformProvider) EphemeralResources(context.Context) []func() ephemeral.EphemeralResource {
	return []func() ephemeral.EphemeralResource{
		newCredentialsEphemeralResource,
	}
}
