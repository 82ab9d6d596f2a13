package provider_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	providerschema "github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// standInProgram is the name under which the tests' own program is the provider cyrilgdn/postgresql, of which tests have no
// other: of its settings and its resources it has what examples use, and it asks PostgreSQL by the psql on the PATH.
const standInProgram = "terraform-provider-postgresql"

// standIns are the providers that the tests' own program is, by the name that it is called with, and where they come from.
var standIns = map[string]struct {
	source string
	serve  func() provider.Provider
}{
	standInProgram:                  {"cyrilgdn/postgresql", func() provider.Provider { return &standIn{} }},
	"terraform-provider-aws":        {"hashicorp/aws", func() provider.Provider { return &schemaStandIn{"aws", awsResources} }},
	"terraform-provider-kubernetes": {"hashicorp/kubernetes", func() provider.Provider { return &schemaStandIn{"kubernetes", kubernetesResources} }},
}

// serveStandIn is true, when it has ended, where the program was called as a provider.
func serveStandIn() bool {
	called, found := standIns[filepath.Base(os.Args[0])]
	if !found {
		return false
	}
	err := providerserver.Serve(context.Background(), called.serve, providerserver.ServeOpts{Address: "registry.terraform.io/" + called.source})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

type standIn struct{}

type standInModel struct {
	Host      types.String `tfsdk:"host"`
	Port      types.Int64  `tfsdk:"port"`
	Database  types.String `tfsdk:"database"`
	Username  types.String `tfsdk:"username"`
	Password  types.String `tfsdk:"password"`
	SSLMode   types.String `tfsdk:"sslmode"`
	Superuser types.Bool   `tfsdk:"superuser"`
}

func (*standIn) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName = "postgresql"
}

func (*standIn) Schema(_ context.Context, _ provider.SchemaRequest, resp *provider.SchemaResponse) {
	resp.Schema = providerschema.Schema{Attributes: map[string]providerschema.Attribute{
		"host":      providerschema.StringAttribute{Optional: true},
		"port":      providerschema.Int64Attribute{Optional: true},
		"database":  providerschema.StringAttribute{Optional: true},
		"username":  providerschema.StringAttribute{Optional: true},
		"password":  providerschema.StringAttribute{Optional: true, Sensitive: true},
		"sslmode":   providerschema.StringAttribute{Optional: true},
		"superuser": providerschema.BoolAttribute{Optional: true},
	}}
}

func (*standIn) Configure(ctx context.Context, req provider.ConfigureRequest, resp *provider.ConfigureResponse) {
	var model standInModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	resp.ResourceData = model
}

func (*standIn) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{func() resource.Resource { return &standInSchema{} }}
}

func (*standIn) DataSources(context.Context) []func() datasource.DataSource { return nil }

// standInSchema is a schema of PostgreSQL.
type standInSchema struct{ provider standInModel }

type standInSchemaModel struct {
	Name types.String `tfsdk:"name"`
}

func (*standInSchema) Metadata(_ context.Context, _ resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = "postgresql_schema"
}

func (*standInSchema) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = schema.Schema{Attributes: map[string]schema.Attribute{
		"name": schema.StringAttribute{Required: true, PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace()}},
	}}
}

func (s *standInSchema) Configure(_ context.Context, req resource.ConfigureRequest, _ *resource.ConfigureResponse) {
	s.provider, _ = req.ProviderData.(standInModel) // there is none while Terraform only validates
}

// ask has psql run SQL with the provider's configuration, in the variables of libpq.
func (s *standInSchema) ask(ctx context.Context, sql string) error {
	psql := exec.CommandContext(ctx, "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1")
	p := s.provider
	psql.Env = append(os.Environ(),
		"PGHOST="+p.Host.ValueString(), "PGPORT="+strconv.FormatInt(p.Port.ValueInt64(), 10), "PGDATABASE="+p.Database.ValueString(),
		"PGUSER="+p.Username.ValueString(), "PGPASSWORD="+p.Password.ValueString(), "PGSSLMODE="+p.SSLMode.ValueString())
	psql.Stdin = strings.NewReader(sql)
	if output, err := psql.CombinedOutput(); err != nil {
		return fmt.Errorf("psql: %w\n%s", err, output)
	}
	return nil
}

func (s *standInSchema) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var model standInSchemaModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &model)...)
	if err := s.ask(ctx, fmt.Sprintf("CREATE SCHEMA %q;\n", model.Name.ValueString())); err != nil {
		resp.Diagnostics.AddError("Unable to Create Schema", err.Error())
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, model)...)
}

func (s *standInSchema) Read(ctx context.Context, _ resource.ReadRequest, resp *resource.ReadResponse) {
	if err := s.ask(ctx, "SELECT 1;\n"); err != nil {
		resp.Diagnostics.AddError("Unable to Read Schema", err.Error())
	}
}

func (*standInSchema) Update(context.Context, resource.UpdateRequest, *resource.UpdateResponse) {}

func (s *standInSchema) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var model standInSchemaModel
	resp.Diagnostics.Append(req.State.Get(ctx, &model)...)
	if err := s.ask(ctx, fmt.Sprintf("DROP SCHEMA %q;\n", model.Name.ValueString())); err != nil {
		resp.Diagnostics.AddError("Unable to Delete Schema", err.Error())
	}
}
