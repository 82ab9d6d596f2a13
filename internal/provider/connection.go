package provider

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// kubernetesVariables are the environment variables that the attributes of kubernetes may come from.
var kubernetesVariables = map[string]string{
	"host":                     "KUBE_HOST",
	"username":                 "KUBE_USER",
	"password":                 "KUBE_PASSWORD",
	"token":                    "KUBE_TOKEN",
	"insecure":                 "KUBE_INSECURE",
	"tls_server_name":          "KUBE_TLS_SERVER_NAME",
	"client_certificate":       "KUBE_CLIENT_CERT_DATA",
	"client_key":               "KUBE_CLIENT_KEY_DATA",
	"cluster_ca_certificate":   "KUBE_CLUSTER_CA_CERT_DATA",
	"config_path":              "KUBE_CONFIG_PATH",
	"config_paths":             "KUBE_CONFIG_PATHS",
	"config_context":           "KUBE_CTX",
	"config_context_auth_info": "KUBE_CTX_AUTH_INFO",
	"config_context_cluster":   "KUBE_CTX_CLUSTER",
	"proxy_url":                "KUBE_PROXY_URL",
}

// newConnection is the kubernetes attribute with what the environment adds to it. A value in the configuration beats not
// only its own variable, but also those that say the same in another way: where the configuration says which API server,
// how it is trusted or who one is there, the environment does not.
func newConnection(ctx context.Context, m *kubernetesModel, diags *diag.Diagnostics) *cnpg.Connection {
	set := func(values ...types.String) bool {
		for _, v := range values {
			if v.ValueString() != "" {
				return true
			}
		}
		return false
	}
	value := func(v types.String, attribute string, fromEnvironment bool) string {
		if !set(v) && fromEnvironment {
			return os.Getenv(kubernetesVariables[attribute])
		}
		return v.ValueString()
	}
	c := &cnpg.Connection{
		TLSServerName: value(m.TLSServerName, "tls_server_name", true),
		ProxyURL:      value(m.ProxyURL, "proxy_url", true),
	}

	if !m.ConfigPaths.IsNull() {
		diags.Append(m.ConfigPaths.ElementsAs(ctx, &c.ConfigPaths, false)...)
	}
	server := !set(m.Host, m.ConfigPath) && len(c.ConfigPaths) == 0
	c.Host = value(m.Host, "host", server)
	if file := value(m.ConfigPath, "config_path", server); file != "" {
		c.ConfigPaths = []string{file}
	} else if server {
		c.ConfigPaths = filepath.SplitList(os.Getenv(kubernetesVariables["config_paths"]))
	}
	files := len(c.ConfigPaths) > 0
	c.Context = value(m.ConfigContext, "config_context", files)
	c.AuthInfo = value(m.ConfigContextAuthInfo, "config_context_auth_info", files)
	c.Cluster = value(m.ConfigContextCluster, "config_context_cluster", files)

	basic, certificate := set(m.Username, m.Password), set(m.ClientCertificate, m.ClientKey)
	none := !basic && !certificate && !set(m.Token) && m.Exec == nil
	c.Token = value(m.Token, "token", none)
	c.Username = value(m.Username, "username", none || basic)
	c.Password = value(m.Password, "password", none || basic)
	c.ClientCertificate = value(m.ClientCertificate, "client_certificate", none || certificate)
	c.ClientKey = value(m.ClientKey, "client_key", none || certificate)
	if m.Exec != nil {
		c.Exec = &cnpg.ExecCredential{APIVersion: m.Exec.APIVersion.ValueString(), Command: m.Exec.Command.ValueString()}
		if !m.Exec.Args.IsNull() {
			diags.Append(m.Exec.Args.ElementsAs(ctx, &c.Exec.Args, false)...)
		}
		if !m.Exec.Env.IsNull() {
			diags.Append(m.Exec.Env.ElementsAs(ctx, &c.Exec.Env, false)...)
		}
	}

	c.ClusterCACertificate = value(m.ClusterCACertificate, "cluster_ca_certificate", !m.Insecure.ValueBool())
	c.Insecure = m.Insecure.ValueBoolPointer()
	if v := os.Getenv(kubernetesVariables["insecure"]); m.Insecure.IsNull() && !set(m.ClusterCACertificate) && v != "" {
		insecure, err := strconv.ParseBool(v)
		if err != nil {
			diags.AddAttributeError(path.Root("kubernetes").AtName("insecure"), "Invalid Environment Variable",
				"KUBE_INSECURE must be true or false.")
		}
		c.Insecure = &insecure
	}
	return c
}

// checkConnection refuses values that no connection can be made with, at their attributes.
func checkConnection(c *cnpg.Connection, diags *diag.Diagnostics) {
	var refused *cnpg.ConnectionError
	if errors.As(c.Check(), &refused) {
		diags.AddAttributeError(path.Root("kubernetes").AtName(refused.Attribute), "Invalid Kubernetes Connection", sentence(atFault(refused)))
	}
}

// addConnectionError says why there is no client, at the provider's attribute where one is at fault.
func addConnectionError(diags *diag.Diagnostics, summary string, err error) {
	var connection *cnpg.ConnectionError
	if errors.As(err, &connection) && connection.Attribute != "" {
		err = errors.New("provider attribute " + atFault(connection).Error())
	}
	diags.AddError(summary, sentence(err))
}

// addReadError says why a data source could not be read. Terraform takes no unknown answer from one: what is not known yet
// has to be waited for.
func addReadError(diags *diag.Diagnostics, summary string, err error) {
	if errors.Is(err, errNotKnown) {
		diags.AddError(summary, paragraphs(
			"The provider's configuration is decided by this apply, and not known while it is planned; without it this data source cannot be read.",
			"To have it read by the apply, add depends_on to the data source, with the resource that decides it."))
		return
	}
	addConnectionError(diags, summary, err)
}

// atFault names the attribute of a connection's error, with the variable that its value may come from.
func atFault(err *cnpg.ConnectionError) error {
	attribute := "kubernetes." + err.Attribute
	if variable := kubernetesVariables[err.Attribute]; variable != "" {
		attribute += " (or " + variable + ")"
	}
	return errors.New(attribute + ": " + err.Error())
}
