package cnpg_test

import (
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

const kubeconfig = `
apiVersion: v1
kind: Config
clusters:
- {name: one, cluster: {server: "https://one.example.com:6443"}}
- {name: two, cluster: {server: "https://two.example.com:6443"}}
users:
- {name: alice, user: {token: alices-token}}
- {name: bob, user: {username: bob, password: bobs-password}}
contexts:
- {name: first, context: {cluster: one, user: alice}}
- {name: second, context: {cluster: two, user: bob}}
current-context: first
`

func writeKubeconfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestConnection(t *testing.T) {
	t.Parallel()
	path := writeKubeconfig(t, kubeconfig)
	other := writeKubeconfig(t, strings.NewReplacer("one", "three", "first", "third", "two", "four", "second", "fourth").Replace(kubeconfig))
	tests := map[string]struct {
		connection cnpg.Connection
		check      func(*rest.Config) bool
	}{
		"host":                {cnpg.Connection{Host: "https://k8s.example.com:6443"}, func(c *rest.Config) bool { return c.Host == "https://k8s.example.com:6443" }},
		"host without scheme": {cnpg.Connection{Host: "k8s.example.com:6443"}, func(c *rest.Config) bool { return c.Host == "https://k8s.example.com:6443" }},
		"token":               {cnpg.Connection{Host: "https://k8s", Token: "t"}, func(c *rest.Config) bool { return c.BearerToken == "t" }},
		"username and password": {cnpg.Connection{Host: "https://k8s", Username: "u", Password: "p"}, func(c *rest.Config) bool {
			return c.Username == "u" && c.Password == "p"
		}},
		"insecure":        {cnpg.Connection{Host: "https://k8s", Insecure: true}, func(c *rest.Config) bool { return c.Insecure }},
		"tls_server_name": {cnpg.Connection{Host: "https://k8s", TLSServerName: "name"}, func(c *rest.Config) bool { return c.ServerName == "name" }},
		"client certificate": {cnpg.Connection{Host: "https://k8s", ClientCertificate: "cert", ClientKey: "key"}, func(c *rest.Config) bool {
			return string(c.CertData) == "cert" && string(c.KeyData) == "key"
		}},
		"cluster_ca_certificate": {cnpg.Connection{Host: "https://k8s", ClusterCACertificate: "ca"}, func(c *rest.Config) bool { return string(c.CAData) == "ca" }},
		"config_path": {cnpg.Connection{ConfigPaths: []string{path}}, func(c *rest.Config) bool {
			return c.Host == "https://one.example.com:6443" && c.BearerToken == "alices-token"
		}},
		"several config_paths": {cnpg.Connection{ConfigPaths: []string{path, other}, Context: "third"}, func(c *rest.Config) bool {
			return c.Host == "https://three.example.com:6443"
		}},
		"config_context": {cnpg.Connection{ConfigPaths: []string{path}, Context: "second"}, func(c *rest.Config) bool {
			return c.Host == "https://two.example.com:6443" && c.Username == "bob"
		}},
		"config_context_cluster": {cnpg.Connection{ConfigPaths: []string{path}, Cluster: "two"}, func(c *rest.Config) bool {
			return c.Host == "https://two.example.com:6443" && c.BearerToken == "alices-token"
		}},
		"config_context_auth_info": {cnpg.Connection{ConfigPaths: []string{path}, AuthInfo: "bob"}, func(c *rest.Config) bool {
			return c.Host == "https://one.example.com:6443" && c.Username == "bob" && c.BearerToken == ""
		}},
		"token beside a kubeconfig": {cnpg.Connection{ConfigPaths: []string{path}, Token: "mine"}, func(c *rest.Config) bool { return c.BearerToken == "mine" }},
		"proxy_url": {cnpg.Connection{Host: "https://k8s", ProxyURL: "http://proxy:3128"}, func(c *rest.Config) bool {
			u, err := c.Proxy(nil)
			return err == nil && u.String() == "http://proxy:3128"
		}},
		"exec": {cnpg.Connection{Host: "https://k8s", Exec: &cnpg.ExecCredential{
			APIVersion: "client.authentication.k8s.io/v1", Command: "get-token", Args: []string{"--cluster", "k8s"}, Env: map[string]string{"A": "B"},
		}}, func(c *rest.Config) bool {
			e := c.ExecProvider
			return e != nil && e.Command == "get-token" && len(e.Args) == 2 && len(e.Env) == 1 && e.Env[0].Name == "A" && e.Env[0].Value == "B"
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, err := test.connection.RESTConfig()
			if err != nil {
				t.Fatal(err)
			}
			if !test.check(config) {
				t.Errorf("the configuration is %+v", config)
			}
		})
	}
}

func TestConnectionErrorsNameTheAttribute(t *testing.T) {
	t.Parallel()
	path := writeKubeconfig(t, kubeconfig)
	tests := map[string]struct {
		connection cnpg.Connection
		attribute  string
		want       string
	}{
		"missing file":     {cnpg.Connection{ConfigPaths: []string{"/does/not/exist"}}, "config_path", "/does/not/exist: no such file or directory"},
		"missing in home":  {cnpg.Connection{ConfigPaths: []string{"~/.kube/pgplatform-no-such-file"}}, "config_path", "/.kube/pgplatform-no-such-file: no such file"},
		"one of several":   {cnpg.Connection{ConfigPaths: []string{path, "/does/not/exist"}}, "config_path", "/does/not/exist"},
		"not YAML":         {cnpg.Connection{ConfigPaths: []string{writeKubeconfig(t, "{")}}, "config_path", "error loading config file"},
		"a folder":         {cnpg.Connection{ConfigPaths: []string{t.TempDir()}}, "config_path", "is a directory"},
		"unknown context":  {cnpg.Connection{ConfigPaths: []string{path}, Context: "nope"}, "config_context", `context "nope" does not exist`},
		"nothing is given": {cnpg.Connection{}, "host", "set config_path (KUBE_CONFIG_PATH) or host (KUBE_HOST)"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := test.connection.RESTConfig()
			var connection *cnpg.ConnectionError
			if !errors.As(err, &connection) {
				t.Fatalf("RESTConfig: %v, want a ConnectionError", err)
			}
			if connection.Attribute != test.attribute || !strings.Contains(err.Error(), test.want) {
				t.Errorf("at %q: %v; want at %q: %q", connection.Attribute, err, test.attribute, test.want)
			}
		})
	}
}

// What a connection says must also work on the wire.
func TestConnectionOverTLS(t *testing.T) {
	t.Parallel()
	server := apitest.NewTLS(t)
	server.AddNamespace("myorg")
	get := func(t *testing.T, connection cnpg.Connection) error {
		t.Helper()
		config, err := connection.RESTConfig()
		if err != nil {
			t.Fatal(err)
		}
		client, err := cnpg.New(config, "test")
		if err != nil {
			t.Fatal(err)
		}
		return client.Namespace(t.Context(), "myorg")
	}
	t.Run("with the CA", func(t *testing.T) {
		t.Parallel()
		if err := get(t, cnpg.Connection{Host: server.URL, ClusterCACertificate: string(server.CA), Token: "secret-token"}); err != nil {
			t.Error(err)
		}
		for _, r := range server.Requests() {
			if r.Authorization != "Bearer secret-token" && r.Authorization != "" {
				t.Errorf("authorization %q", r.Authorization)
			}
		}
	})
	t.Run("insecure", func(t *testing.T) {
		t.Parallel()
		if err := get(t, cnpg.Connection{Host: server.URL, Insecure: true}); err != nil {
			t.Error(err)
		}
	})
	t.Run("without the CA", func(t *testing.T) {
		t.Parallel()
		if err := get(t, cnpg.Connection{Host: server.URL}); err == nil || !strings.Contains(err.Error(), "certificate signed by unknown authority") {
			t.Errorf("an unknown certificate was taken: %v", err)
		}
	})
	t.Run("by kubeconfig", func(t *testing.T) {
		t.Parallel()
		if err := get(t, cnpg.Connection{ConfigPaths: []string{server.Kubeconfig(t)}}); err != nil {
			t.Error(err)
		}
	})
}

func TestNewRefusesBrokenCertificates(t *testing.T) {
	t.Parallel()
	garbage := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("garbage")}))
	config, err := cnpg.Connection{Host: "https://k8s", ClientCertificate: garbage, ClientKey: garbage}.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	_, err = cnpg.New(config, "test")
	var connection *cnpg.ConnectionError
	if !errors.As(err, &connection) {
		t.Errorf("New: %v, want a ConnectionError", err)
	}
}

func TestUnreachableServer(t *testing.T) {
	t.Parallel()
	ctx, _, _ := setup(t)
	client, err := cnpg.New(&rest.Config{Host: "http://127.0.0.1:1"}, "test")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.GetCluster(ctx, key); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("GetCluster: %v", err)
	}
}
