package cnpg_test

import (
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"

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
	careless := writeKubeconfig(t, strings.Replace(kubeconfig, `6443"`, `6443", insecure-skip-tls-verify: true`, 1))
	pair := func() (certificate, key string) {
		c, k := apitest.NewTLS(t).ClientCertificate(t, "ci")
		return string(c), string(k)
	}
	certificate, key := pair()
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
		"insecure":        {cnpg.Connection{Host: "https://k8s", Insecure: ptr.To(true)}, func(c *rest.Config) bool { return c.Insecure }},
		"tls_server_name": {cnpg.Connection{Host: "https://k8s", TLSServerName: "name"}, func(c *rest.Config) bool { return c.ServerName == "name" }},
		"client certificate": {cnpg.Connection{Host: "https://k8s", ClientCertificate: certificate, ClientKey: key}, func(c *rest.Config) bool {
			return string(c.CertData) == certificate && string(c.KeyData) == key
		}},
		"cluster_ca_certificate": {cnpg.Connection{Host: "https://k8s", ClusterCACertificate: certificate}, func(c *rest.Config) bool { return string(c.CAData) == certificate }},
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
		"token in place of a kubeconfig's": {cnpg.Connection{ConfigPaths: []string{path}, Token: "mine"}, func(c *rest.Config) bool { return c.BearerToken == "mine" }},
		"token in place of a kubeconfig's password": {cnpg.Connection{ConfigPaths: []string{path}, Context: "second", Token: "mine"}, func(c *rest.Config) bool {
			return c.BearerToken == "mine" && c.Username == "" && c.Password == ""
		}},
		"password in place of a kubeconfig's token": {cnpg.Connection{ConfigPaths: []string{path}, Username: "u", Password: "p"}, func(c *rest.Config) bool {
			return c.BearerToken == "" && c.Username == "u" && c.Password == "p"
		}},
		"a CA where the kubeconfig trusts anybody": {cnpg.Connection{ConfigPaths: []string{careless}, ClusterCACertificate: certificate}, func(c *rest.Config) bool {
			return !c.Insecure && string(c.CAData) == certificate
		}},
		"not insecure where the kubeconfig is": {cnpg.Connection{ConfigPaths: []string{careless}, Insecure: ptr.To(false)}, func(c *rest.Config) bool { return !c.Insecure }},
		"insecure as the kubeconfig is":        {cnpg.Connection{ConfigPaths: []string{careless}}, func(c *rest.Config) bool { return c.Insecure }},
		"proxy_url": {cnpg.Connection{Host: "https://k8s", ProxyURL: "http://proxy:3128"}, func(c *rest.Config) bool {
			u, err := c.Proxy(nil)
			return err == nil && u.String() == "http://proxy:3128"
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, err := test.connection.RESTConfig(t.Context())
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
	noContext := writeKubeconfig(t, strings.Replace(kubeconfig, "current-context: first", "", 1))
	brokenUser := writeKubeconfig(t, strings.Replace(kubeconfig, "token: alices-token", `client-certificate-data: "Z2FyYmFnZQ==", client-key-data: "Z2FyYmFnZQ=="`, 1))
	server := apitest.NewTLS(t)
	certificate, key := server.ClientCertificate(t, "ci")
	_, otherKey := server.ClientCertificate(t, "other")
	garbage := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("garbage")}))
	tests := map[string]struct {
		connection cnpg.Connection
		attribute  string
		want       string
	}{
		"missing file":          {cnpg.Connection{ConfigPaths: []string{"/does/not/exist"}}, "config_path", "/does/not/exist: no such file or directory"},
		"missing in home":       {cnpg.Connection{ConfigPaths: []string{"~/.kube/pgplatform-no-such-file"}}, "config_path", "/.kube/pgplatform-no-such-file: no such file"},
		"one of several":        {cnpg.Connection{ConfigPaths: []string{path, "/does/not/exist"}}, "config_paths", "/does/not/exist"},
		"not YAML":              {cnpg.Connection{ConfigPaths: []string{writeKubeconfig(t, "{")}}, "config_path", "it is no YAML at or near line 1"},
		"a folder":              {cnpg.Connection{ConfigPaths: []string{t.TempDir()}}, "config_path", "is a directory"},
		"unknown context":       {cnpg.Connection{ConfigPaths: []string{path}, Context: "nope"}, "config_context", `context "nope" does not exist; the kubeconfig has ["first" "second"]`},
		"unknown user":          {cnpg.Connection{ConfigPaths: []string{path}, AuthInfo: "nope"}, "config_context_auth_info", `user "nope" does not exist; the kubeconfig has ["alice" "bob"]`},
		"unknown cluster":       {cnpg.Connection{ConfigPaths: []string{path}, Cluster: "nope"}, "config_context_cluster", `cluster "nope" does not exist; the kubeconfig has ["one" "two"]`},
		"no context":            {cnpg.Connection{ConfigPaths: []string{noContext}}, "config_context", `no current context; its contexts are ["first" "second"]`},
		"broken user":           {cnpg.Connection{ConfigPaths: []string{brokenUser}}, "config_path", "failed to find any PEM data in certificate"},
		"no URL":                {cnpg.Connection{Host: "https://"}, "host", "https://host:port"},
		"no proxy":              {cnpg.Connection{Host: "k8s", ProxyURL: "http://user:s3cr3t@[::1"}, "proxy_url", "http://host:port"},
		"proxy of another kind": {cnpg.Connection{Host: "k8s", ProxyURL: "ftp://user:s3cr3t@proxy"}, "proxy_url", "socks5://host:port"},
		"no CA":                 {cnpg.Connection{Host: "k8s", ClusterCACertificate: "nonsense"}, "cluster_ca_certificate", "no certificate in PEM form"},
		"CA in base64":          {cnpg.Connection{Host: "k8s", ClusterCACertificate: "LS0tLS1CRUdJTiBDRVJ"}, "cluster_ca_certificate", "base64decode()"},
		"no certificate":        {cnpg.Connection{Host: "k8s", ClientCertificate: "nonsense", ClientKey: string(key)}, "client_certificate", "no certificate in PEM form"},
		"key alone":             {cnpg.Connection{Host: "k8s", ClientKey: string(key)}, "client_certificate", "no certificate in PEM form"},
		"certificate alone":     {cnpg.Connection{Host: "k8s", ClientCertificate: string(certificate)}, "client_key", "no private key in PEM form"},
		"broken certificate":    {cnpg.Connection{Host: "k8s", ClientCertificate: garbage, ClientKey: string(key)}, "client_certificate", "x509: malformed certificate"},
		"another's key":         {cnpg.Connection{Host: "k8s", ClientCertificate: string(certificate), ClientKey: string(otherKey)}, "client_certificate", "private key does not match public key"},
		"token and password":    {cnpg.Connection{Host: "k8s", Token: "s3cr3t", Username: "u", Password: "s3cr3t"}, "token", "only one can be used"},
		"token and exec":        {cnpg.Connection{Host: "k8s", Token: "s3cr3t", Exec: &cnpg.ExecCredential{Command: "c"}}, "exec", "would never be run"},
		"insecure with CA":      {cnpg.Connection{Host: "k8s", Insecure: ptr.To(true), ClusterCACertificate: string(certificate)}, "insecure", "needs no cluster_ca_certificate"},
		"nothing is given":      {cnpg.Connection{}, "host", "set config_path (KUBE_CONFIG_PATH) or host (KUBE_HOST)"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := test.connection.RESTConfig(t.Context())
			var connection *cnpg.ConnectionError
			if !errors.As(err, &connection) {
				t.Fatalf("RESTConfig: %v, want a ConnectionError", err)
			}
			if connection.Attribute != test.attribute || !strings.Contains(err.Error(), test.want) {
				t.Errorf("at %q: %v; want at %q: %q", connection.Attribute, err, test.attribute, test.want)
			}
			if strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("%v holds a secret", err)
			}
		})
	}
}

// What is wrong with a kubeconfig is said without what stands there: those who read YAML, JSON, base64 and addresses quote it.
func TestKubeconfigErrorsHideSecrets(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t-s3cr3t"
	of := func(user, server, more string) string {
		return fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: here
contexts:
- {name: here, context: {cluster: one, user: alice}}
clusters:
- name: one
  cluster:
    server: %q
    %s
users:
- name: alice
  user:
    token: %s
`, server, more, user)
	}
	const server = "https://one.example.com:6443"
	tests := map[string]struct{ kubeconfig, want string }{
		"a token alone":         {secret, "it is no kubeconfig in YAML or JSON"},
		"of another version":    {"apiVersion: " + secret + "\nkind: Config\n", "it is no kubeconfig in YAML or JSON"},
		"template":              {of("{{ "+secret+" }}", server, ""), "it is no kubeconfig in YAML or JSON"},
		"alias":                 {of("*"+secret, server, ""), "it is no kubeconfig in YAML or JSON"},
		"tag":                   {of("!!int "+secret, server, ""), "it is no kubeconfig in YAML or JSON"},
		"colon":                 {of("a: "+secret, server, ""), "it is no YAML at or near line 14"},
		"list":                  {of("["+secret+"]", server, ""), "users.user.token holds a JSON or YAML array, and not a string"},
		"number":                {of("1234567890", server, ""), "users.user.token holds a JSON or YAML number, and not a string"},
		"base64":                {of("a\n    client-key-data: "+secret, server, ""), "one of its fields that end in -data is not in base64"},
		"server":                {of("a", "https://u:"+secret+"@h:port", ""), "the kubeconfig's server is no address of the form https://host:port"},
		"proxy":                 {of("a", server, `proxy-url: "http://u:`+secret+`@[::1"`), `invalid 'proxy-url' "http://[hidden]@[::1"`},
		"proxy of another kind": {of("a", server, `proxy-url: "ftp://u:`+secret+`@proxy"`), `unsupported scheme "ftp"`},
		"token and password":    {of("a", server, "") + "    username: u\n    password: " + secret, "more than one authentication method found"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := writeKubeconfig(t, test.kubeconfig)
			_, err := cnpg.Connection{ConfigPaths: []string{path}}.RESTConfig(t.Context())
			var connection *cnpg.ConnectionError
			if !errors.As(err, &connection) || connection.Attribute != "config_path" {
				t.Fatalf("RESTConfig: %v, want a ConnectionError at config_path", err)
			}
			if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "s3cr3t") || strings.Contains(err.Error(), "1234567890") {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestConnectionHidesSecrets(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t-s3cr3t"
	c := cnpg.Connection{
		Host: "https://me:" + secret + "@k8s.example.com", Password: secret, Token: secret, ClientKey: secret, ProxyURL: "http://me:" + secret + "@proxy",
		Exec: &cnpg.ExecCredential{Command: "get-token", Env: map[string]string{"SECRET": secret}},
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, value := range []any{c, &c, *c.Exec, c.Exec} {
			if text := fmt.Sprintf(format, value); strings.Contains(text, secret) || !strings.Contains(text, "k8s.example.com") && !strings.Contains(text, "get-token") {
				t.Errorf("%s of %T is %q", format, value, text)
			}
		}
	}
}

// What a connection says must also work on the wire.
func TestConnectionOverTLS(t *testing.T) {
	t.Parallel()
	server := apitest.NewTLS(t)
	server.AddNamespace("myorg")
	get := func(t *testing.T, connection cnpg.Connection) error {
		t.Helper()
		config, err := connection.RESTConfig(t.Context())
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
		if err := get(t, cnpg.Connection{Host: server.URL, Insecure: ptr.To(true)}); err != nil {
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
