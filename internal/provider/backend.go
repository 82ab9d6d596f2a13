package provider

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// backend is what the configured provider gives to resources and data sources: the clients of Kubernetes and of S3,
// built when first needed, and the settings that they share.
type backend struct {
	userAgent string
	// namespace is the default for resources that name none; it may be unknown.
	namespace types.String

	// connection is nil while a value of the kubernetes attribute is not known.
	connection *cnpg.Connection
	// store is nil while a value of the object_store attribute is not known.
	store *objectStore

	kubernetesOnce sync.Once
	kubernetes     *cnpg.Client
	kubernetesErr  error

	s3Once sync.Once
	s3     *archive.Client
	s3Err  error

	// warned keeps admission warnings to one of each text per run.
	warned sync.Map

	// reserved are the archive folders that this run has chosen: two databases of one name in two namespaces find the same
	// folder empty.
	reserved sync.Map
}

func newBackend(ctx context.Context, m providerModel, userAgent string, diags *diag.Diagnostics) *backend {
	b := &backend{userAgent: userAgent, namespace: m.Namespace}
	if m.Namespace.IsNull() {
		b.namespace = types.StringValue("default")
	}
	var kubernetes kubernetesModel
	if whole(ctx, m.Kubernetes, &kubernetes, diags) {
		b.connection = newConnection(ctx, &kubernetes, diags)
	}
	var store providerObjectStore
	if whole(ctx, m.ObjectStore, &store, diags) {
		known := newObjectStore(&store)
		b.store = &known
	}
	return b
}

// backendFrom takes what Configure left for a resource or data source. There is none while Terraform only validates.
func backendFrom(data any, diags *diag.Diagnostics) *backend {
	if data == nil {
		return nil
	}
	b, ok := data.(*backend)
	if !ok {
		diags.AddError("Unexpected Provider Data", "The provider handed over data of another type. This is a bug of the provider.")
	}
	return b
}

var errNotKnown = errors.New("the provider's configuration is not known yet")

// kubernetesClient is the client of the API server; [errNotKnown] while its address is not known.
func (b *backend) kubernetesClient() (*cnpg.Client, error) {
	if b == nil || b.connection == nil {
		return nil, errNotKnown
	}
	b.kubernetesOnce.Do(func() {
		config, err := b.connection.RESTConfig()
		if err != nil {
			b.kubernetesErr = err
			return
		}
		b.kubernetes, b.kubernetesErr = cnpg.New(config, b.userAgent)
	})
	return b.kubernetes, b.kubernetesErr
}

// s3Client is the client of the provider's object store; [errNotKnown] while its settings are not known.
func (b *backend) s3Client(ctx context.Context) (*archive.Client, error) {
	if b == nil || b.store == nil {
		return nil, errNotKnown
	}
	// The client outlives the call that happens to be the first.
	b.s3Once.Do(func() { b.s3, b.s3Err = archive.New(context.WithoutCancel(ctx), b.store.client) })
	return b.s3, b.s3Err
}

// addConnectionError says why there is no client, at the provider's attribute where one is at fault.
func addConnectionError(diags *diag.Diagnostics, summary string, err error) {
	var connection *cnpg.ConnectionError
	if errors.As(err, &connection) && connection.Attribute != "" {
		err = errors.New("provider attribute kubernetes." + connection.Attribute + ": " + err.Error())
	}
	diags.AddError(summary, sentence(err))
}

// whole reads an object into a model. It is false, and the model left as it is, while anything in the object is unknown;
// an object that is not there is known, and empty.
func whole(ctx context.Context, object types.Object, into any, diags *diag.Diagnostics) bool {
	value, err := object.ToTerraformValue(ctx)
	if err != nil {
		diags.AddError("Unable to Read the Provider's Configuration", sentence(err))
		return false
	}
	if !value.IsFullyKnown() {
		return false
	}
	diags.Append(optional(ctx, object, into)...)
	return !diags.HasError()
}

func known(values ...attr.Value) bool {
	for _, v := range values {
		if v.IsUnknown() {
			return false
		}
	}
	return true
}

func newConnection(ctx context.Context, m *kubernetesModel, diags *diag.Diagnostics) *cnpg.Connection {
	fromEnv := func(v types.String, variable string) string { return cmp.Or(v.ValueString(), os.Getenv(variable)) }
	c := &cnpg.Connection{
		Host:                 fromEnv(m.Host, "KUBE_HOST"),
		Username:             fromEnv(m.Username, "KUBE_USER"),
		Password:             fromEnv(m.Password, "KUBE_PASSWORD"),
		Token:                fromEnv(m.Token, "KUBE_TOKEN"),
		Insecure:             m.Insecure.ValueBool(),
		TLSServerName:        fromEnv(m.TLSServerName, "KUBE_TLS_SERVER_NAME"),
		ClientCertificate:    fromEnv(m.ClientCertificate, "KUBE_CLIENT_CERT_DATA"),
		ClientKey:            fromEnv(m.ClientKey, "KUBE_CLIENT_KEY_DATA"),
		ClusterCACertificate: fromEnv(m.ClusterCACertificate, "KUBE_CLUSTER_CA_CERT_DATA"),
		Context:              fromEnv(m.ConfigContext, "KUBE_CTX"),
		AuthInfo:             fromEnv(m.ConfigContextAuthInfo, "KUBE_CTX_AUTH_INFO"),
		Cluster:              fromEnv(m.ConfigContextCluster, "KUBE_CTX_CLUSTER"),
		ProxyURL:             fromEnv(m.ProxyURL, "KUBE_PROXY_URL"),
	}
	if v := os.Getenv("KUBE_INSECURE"); m.Insecure.IsNull() && v != "" {
		insecure, err := strconv.ParseBool(v)
		if err != nil {
			diags.AddAttributeError(path.Root("kubernetes").AtName("insecure"), "Invalid Environment Variable",
				"KUBE_INSECURE must be true or false.")
		}
		c.Insecure = insecure
	}

	// Either way of naming files in the configuration beats both environment variables.
	if !m.ConfigPaths.IsNull() {
		diags.Append(m.ConfigPaths.ElementsAs(ctx, &c.ConfigPaths, false)...)
	}
	switch {
	case len(c.ConfigPaths) > 0:
	case m.ConfigPath.ValueString() != "":
		c.ConfigPaths = []string{m.ConfigPath.ValueString()}
	case os.Getenv("KUBE_CONFIG_PATH") != "":
		c.ConfigPaths = []string{os.Getenv("KUBE_CONFIG_PATH")}
	case os.Getenv("KUBE_CONFIG_PATHS") != "":
		c.ConfigPaths = filepath.SplitList(os.Getenv("KUBE_CONFIG_PATHS"))
	}

	if m.Exec != nil {
		c.Exec = &cnpg.ExecCredential{APIVersion: m.Exec.APIVersion.ValueString(), Command: m.Exec.Command.ValueString()}
		if !m.Exec.Args.IsNull() {
			diags.Append(m.Exec.Args.ElementsAs(ctx, &c.Exec.Args, false)...)
		}
		if !m.Exec.Env.IsNull() {
			diags.Append(m.Exec.Env.ElementsAs(ctx, &c.Exec.Env, false)...)
		}
	}
	return c
}
