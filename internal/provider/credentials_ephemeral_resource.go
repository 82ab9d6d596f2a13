package provider

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

var _ ephemeral.EphemeralResourceWithConfigure = (*credentialsEphemeralResource)(nil)

// credentialsEphemeralResource is the login of a database's owner, which Terraform keeps nowhere.
type credentialsEphemeralResource struct{ backend *backend }

func newCredentialsEphemeralResource() ephemeral.EphemeralResource {
	return &credentialsEphemeralResource{}
}

type credentialsModel struct {
	Database types.String `tfsdk:"database"`

	Username     types.String `tfsdk:"username"`
	Password     types.String `tfsdk:"password"`
	DatabaseName types.String `tfsdk:"database_name"`
	Host         types.String `tfsdk:"host"`
	Port         types.Int64  `tfsdk:"port"`
	URI          types.String `tfsdk:"uri"`
	JDBCURI      types.String `tfsdk:"jdbc_uri"`
}

func (e *credentialsEphemeralResource) Metadata(_ context.Context, _ ephemeral.MetadataRequest, resp *ephemeral.MetadataResponse) {
	resp.TypeName = "pgplatform_credentials"
}

func (e *credentialsEphemeralResource) Schema(_ context.Context, _ ephemeral.SchemaRequest, resp *ephemeral.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "User name, password and address of a database's owner, for as long as a plan or an apply needs them: neither a state nor a plan file has them. Terraform 1.10 and OpenTofu 1.11 are the first that know ephemeral resources; every other resource works with older ones. " +
			"They are read from Kubernetes each time, so a password that was changed there is the one that is used. " +
			"OpenTofu does not read them in a plan that changes the resource that `database` refers to: for a provider that connects in each plan, write the id of a database that exists " +
			"as a string. And where the same apply decides which Kubernetes cluster it is in, OpenTofu needs `depends_on` with what decides it.",
		Attributes: map[string]schema.Attribute{
			// Required attributes
			"database": schema.StringAttribute{
				Required:            true,
				MarkdownDescription: "The database, `namespace/name`: the `id` of a `pgplatform_database` or `pgplatform_restore`, or any Cluster of CloudNativePG.",
				Validators:          []validator.String{isKey()},
			},

			// Computed attributes
			"username":      schema.StringAttribute{Computed: true, MarkdownDescription: "Owner of the application database."},
			"password":      schema.StringAttribute{Computed: true, Sensitive: true, MarkdownDescription: "The owner's password."},
			"database_name": schema.StringAttribute{Computed: true, MarkdownDescription: "Application database."},
			"host": schema.StringAttribute{
				Computed:            true,
				MarkdownDescription: "Service of the primary, as `connection_info.host` of the database has it: a name that is known inside of the Kubernetes cluster.",
			},
			"port": schema.Int64Attribute{Computed: true, MarkdownDescription: "Port of the service."},
			"uri": schema.StringAttribute{
				Computed: true, Sensitive: true,
				MarkdownDescription: "All of that as a connection URI of libpq: `postgresql://username:password@host:port/database_name`.",
			},
			"jdbc_uri": schema.StringAttribute{
				Computed: true, Sensitive: true,
				MarkdownDescription: "All of that for JDBC: `jdbc:postgresql://host:port/database_name?password=…&user=…`.",
			},
		},
	}
}

func (e *credentialsEphemeralResource) Configure(_ context.Context, req ephemeral.ConfigureRequest, resp *ephemeral.ConfigureResponse) {
	e.backend = backendFrom(req.ProviderData, &resp.Diagnostics)
}

// Open reads the login. Terraform opens it in each plan and each apply that needs it, and not before database is known.
func (e *credentialsEphemeralResource) Open(ctx context.Context, req ephemeral.OpenRequest, resp *ephemeral.OpenResponse) {
	const summary = "Unable to Read Credentials"
	var model credentialsModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, defaultReadTimeout)
	defer cancel()

	client, err := e.backend.kubernetesClient(ctx)
	if errors.Is(err, errNotKnown) {
		// The apply knows, and opens it once more.
		resp.Diagnostics.Append(resp.Result.Set(ctx, unknownCredentials(model.Database))...)
		return
	}
	if err != nil {
		addConnectionError(&resp.Diagnostics, summary, err)
		return
	}
	key, err := cnpg.ParseKey(model.Database.ValueString())
	if err != nil {
		resp.Diagnostics.AddAttributeError(path.Root("database"), summary, sentence(err))
		return
	}
	cluster, err := client.GetClusterAlone(ctx, key)
	if err != nil {
		resp.Diagnostics.AddAttributeError(path.Root("database"), summary, paragraphs(sentence(err), whereNoCluster(err)))
		return
	}
	_, _, secret := bootstrapped(cluster)
	login, err := client.GetLogin(ctx, cnpg.Key{Namespace: key.Namespace, Name: secret})
	if err != nil {
		resp.Diagnostics.AddAttributeError(path.Root("database"), summary, paragraphs(sentence(err), whereNoLogin(err, key)))
		return
	}
	resp.Diagnostics.Append(resp.Result.Set(ctx, credentialsOf(model.Database, cluster, login))...)
}

func unknownCredentials(database types.String) credentialsModel {
	return credentialsModel{
		Database: database, Username: types.StringUnknown(), Password: types.StringUnknown(), DatabaseName: types.StringUnknown(),
		Host: types.StringUnknown(), Port: types.Int64Unknown(), URI: types.StringUnknown(), JDBCURI: types.StringUnknown(),
	}
}

// credentialsOf joins a Cluster and its owner's login. Of the Secret only user name and password are taken, as CNPG itself does:
// the addresses that CNPG has written beside them once do not follow a password that is changed there, and a Secret that somebody
// else has made for the Cluster has none.
func credentialsOf(database types.String, cluster *cnpgv1.Cluster, login cnpg.Login) credentialsModel {
	name, _, _ := bootstrapped(cluster)
	host := serviceHost(cluster, "rw")
	address := url.URL{Host: net.JoinHostPort(host, strconv.Itoa(postgresPort)), Path: "/" + name}
	uri, jdbc := address, address
	uri.Scheme, uri.User = "postgresql", url.UserPassword(login.Username, login.Password)
	jdbc.Scheme, jdbc.RawQuery = "jdbc:postgresql", url.Values{"user": {login.Username}, "password": {login.Password}}.Encode()
	return credentialsModel{
		Database: database, Username: types.StringValue(login.Username), Password: types.StringValue(login.Password),
		DatabaseName: types.StringValue(name), Host: types.StringValue(host), Port: types.Int64Value(postgresPort),
		URI: types.StringValue(uri.String()), JDBCURI: types.StringValue(jdbc.String()),
	}
}

// whereNoCluster is what to do about a database that is not there. Terraform waits only for what it knows that an apply makes.
func whereNoCluster(err error) string {
	if !errors.Is(err, cnpg.ErrNotFound) {
		return ""
	}
	return "If the same configuration makes the database, refer to its id instead of writing it down, as in `database = pgplatform_database.NAME.id`: " +
		"then the apply reads the credentials, when the database is there."
}

// whereNoLogin is what to do about a Secret that is not there, or may not be read.
func whereNoLogin(err error, database cnpg.Key) string {
	switch {
	case errors.Is(err, cnpg.ErrNotFound):
		return fmt.Sprintf("CloudNativePG makes this Secret when the Cluster %s begins to be set up, unless the Cluster names one of somebody else. "+
			"`kubectl describe cluster %s -n %s` tells how far it is.", database, database.Name, database.Namespace)
	case errors.Is(err, cnpg.ErrForbidden):
		return "The password of a database is in this Secret alone; the role that Terraform has in Kubernetes needs the verb get on it."
	}
	return ""
}
