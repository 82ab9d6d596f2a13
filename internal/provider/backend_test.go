package provider

import (
	"slices"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// kubeVariables are all that the kubernetes attribute may come from.
var kubeVariables = []string{
	"KUBE_HOST", "KUBE_USER", "KUBE_PASSWORD", "KUBE_TOKEN", "KUBE_INSECURE", "KUBE_TLS_SERVER_NAME", "KUBE_CLIENT_CERT_DATA",
	"KUBE_CLIENT_KEY_DATA", "KUBE_CLUSTER_CA_CERT_DATA", "KUBE_CONFIG_PATH", "KUBE_CONFIG_PATHS", "KUBE_CTX", "KUBE_CTX_AUTH_INFO",
	"KUBE_CTX_CLUSTER", "KUBE_PROXY_URL",
}

func TestConnectionFromTheEnvironment(t *testing.T) {
	for _, name := range kubeVariables {
		t.Setenv(name, "env-"+name)
	}
	t.Setenv("KUBE_INSECURE", "true")
	t.Setenv("KUBE_CONFIG_PATHS", "/one:/two")
	fromEnv := &cnpg.Connection{
		Host: "env-KUBE_HOST", Username: "env-KUBE_USER", Password: "env-KUBE_PASSWORD", Token: "env-KUBE_TOKEN", Insecure: true,
		TLSServerName: "env-KUBE_TLS_SERVER_NAME", ClientCertificate: "env-KUBE_CLIENT_CERT_DATA", ClientKey: "env-KUBE_CLIENT_KEY_DATA",
		ClusterCACertificate: "env-KUBE_CLUSTER_CA_CERT_DATA", ConfigPaths: []string{"env-KUBE_CONFIG_PATH"}, Context: "env-KUBE_CTX",
		AuthInfo: "env-KUBE_CTX_AUTH_INFO", Cluster: "env-KUBE_CTX_CLUSTER", ProxyURL: "env-KUBE_PROXY_URL",
	}
	connect := func(m *kubernetesModel) *cnpg.Connection {
		t.Helper()
		var diags diag.Diagnostics
		c := newConnection(t.Context(), m, &diags)
		if diags.HasError() {
			t.Fatal(diags)
		}
		return c
	}
	same := func(got, want *cnpg.Connection) {
		t.Helper()
		if got.Host != want.Host || got.Username != want.Username || got.Password != want.Password || got.Token != want.Token || got.Insecure != want.Insecure ||
			got.TLSServerName != want.TLSServerName || got.ClientCertificate != want.ClientCertificate || got.ClientKey != want.ClientKey ||
			got.ClusterCACertificate != want.ClusterCACertificate || !slices.Equal(got.ConfigPaths, want.ConfigPaths) || got.Context != want.Context ||
			got.AuthInfo != want.AuthInfo || got.Cluster != want.Cluster || got.ProxyURL != want.ProxyURL {
			t.Errorf("the connection is\n%+v, want\n%+v", got, want)
		}
	}
	same(connect(&kubernetesModel{}), fromEnv)

	set := types.StringValue
	configured := &kubernetesModel{
		Host: set("host"), Username: set("user"), Password: set("password"), Token: set("token"), Insecure: types.BoolValue(false),
		TLSServerName: set("name"), ClientCertificate: set("cert"), ClientKey: set("key"), ClusterCACertificate: set("ca"),
		ConfigPath: set("/mine"), ConfigContext: set("context"), ConfigContextAuthInfo: set("auth"), ConfigContextCluster: set("cluster"), ProxyURL: set("proxy"),
	}
	same(connect(configured), &cnpg.Connection{
		Host: "host", Username: "user", Password: "password", Token: "token", TLSServerName: "name", ClientCertificate: "cert", ClientKey: "key",
		ClusterCACertificate: "ca", ConfigPaths: []string{"/mine"}, Context: "context", AuthInfo: "auth", Cluster: "cluster", ProxyURL: "proxy",
	})

	several := &kubernetesModel{ConfigPaths: types.ListValueMust(types.StringType, []attr.Value{set("/a"), set("/b")})}
	if got := connect(several).ConfigPaths; !slices.Equal(got, []string{"/a", "/b"}) {
		t.Errorf("config_paths are %q", got)
	}
	t.Setenv("KUBE_CONFIG_PATH", "")
	if got := connect(&kubernetesModel{}).ConfigPaths; !slices.Equal(got, []string{"/one", "/two"}) {
		t.Errorf("without KUBE_CONFIG_PATH the files are %q", got)
	}
	t.Setenv("KUBE_INSECURE", "maybe")
	var diags diag.Diagnostics
	if newConnection(t.Context(), &kubernetesModel{}, &diags); !diags.HasError() {
		t.Error("KUBE_INSECURE=maybe was taken")
	}
}

// KUBECONFIG is not read: a plan must not go to whatever cluster a shell happens to point to.
func TestConnectionIgnoresKUBECONFIG(t *testing.T) {
	for _, name := range kubeVariables {
		t.Setenv(name, "")
	}
	t.Setenv("KUBECONFIG", apitest.New(t).Kubeconfig(t))
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	b := newBackend(t.Context(), providerModel{}, "test", &diag.Diagnostics{})
	if _, err := b.kubernetesClient(); err == nil {
		t.Error("a client without any configuration")
	}
}

// An admission warning is told once, however many objects it is about.
func TestAdmissionWarningsAreToldOnce(t *testing.T) {
	t.Parallel()
	server := apitest.New(t)
	server.Fail(apitest.Each("", "clusters", apitest.Fault{Warnings: []string{"in-tree barman is deprecated"}}))
	client, err := cnpg.New(server.Config(), "test")
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{}
	var told []string
	for range 2 {
		ctx, finish := b.collectWarnings(t.Context())
		for range 2 {
			_, _ = client.GetCluster(ctx, cnpg.Key{Namespace: "default", Name: "none"}) // the answer does not matter
		}
		var diags diag.Diagnostics
		finish(&diags)
		for _, d := range diags {
			if d.Severity() != diag.SeverityWarning {
				t.Errorf("%s is no warning", d.Summary())
			}
			told = append(told, d.Detail())
		}
	}
	if !slices.Equal(told, []string{"in-tree barman is deprecated"}) {
		t.Errorf("told were %q", told)
	}
}

func TestClientsOfAnUnknownConfiguration(t *testing.T) {
	t.Parallel()
	var diags diag.Diagnostics
	b := newBackend(t.Context(), providerModel{
		Kubernetes:  types.ObjectUnknown(map[string]attr.Type{}),
		ObjectStore: types.ObjectUnknown(map[string]attr.Type{}),
	}, "test", &diags)
	if diags.HasError() {
		t.Fatal(diags)
	}
	if _, err := b.kubernetesClient(); err != errNotKnown { //nolint:errorlint // this very value
		t.Errorf("kubernetesClient: %v", err)
	}
	if _, err := b.s3Client(t.Context()); err != errNotKnown { //nolint:errorlint // this very value
		t.Errorf("s3Client: %v", err)
	}
}
