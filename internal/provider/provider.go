// Package provider is the Terraform side of pgplatform: schemas, plans, state and diagnostics. What it knows of
// Kubernetes is in internal/cnpg, what it knows of S3 in internal/archive.
package provider

import (
	"context"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/resource"
)

var _ provider.Provider = (*pgplatformProvider)(nil)

type pgplatformProvider struct {
	version string
	settle  time.Duration // see backend.settle
}

// settleTime is how long a changed Cluster has to stay healthy before the change counts as done, where nothing tells when
// CNPG has looked at it. It does so within a second or two; on a machine that is busy otherwise, a restart of PostgreSQL was
// seen to begin six seconds after the change.
const settleTime = 10 * time.Second

// New returns the constructor that the plugin server asks for. version is what the release build stamped.
func New(version string) func() provider.Provider {
	return func() provider.Provider { return &pgplatformProvider{version: version, settle: settleTime} }
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
	backend.settle = p.settle
	if resp.Diagnostics.HasError() {
		return
	}
	resp.ResourceData = backend
	resp.DataSourceData = backend
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
