package provider_test

import (
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// Every way to reach and to convince an API server, from the provider's block to what the server has seen. The variables
// are those of the process, so these tests do not run beside others.

// kubernetesVariables are the variables of the attributes that have one.
var kubernetesVariables = map[string]string{
	"host": "KUBE_HOST", "username": "KUBE_USER", "password": "KUBE_PASSWORD", "token": "KUBE_TOKEN", "insecure": "KUBE_INSECURE",
	"tls_server_name": "KUBE_TLS_SERVER_NAME", "client_certificate": "KUBE_CLIENT_CERT_DATA", "client_key": "KUBE_CLIENT_KEY_DATA",
	"cluster_ca_certificate": "KUBE_CLUSTER_CA_CERT_DATA", "config_path": "KUBE_CONFIG_PATH", "config_paths": "KUBE_CONFIG_PATHS",
	"config_context": "KUBE_CTX", "config_context_auth_info": "KUBE_CTX_AUTH_INFO", "config_context_cluster": "KUBE_CTX_CLUSTER",
	"proxy_url": "KUBE_PROXY_URL",
}

// settings are values of attributes of kubernetes; config_paths are written as in their variable.
type settings map[string]string

func (s settings) with(more settings) settings {
	all := maps.Clone(s)
	maps.Copy(all, more)
	return all
}

// attributes are the settings as a configuration has them.
func (s settings) attributes() string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(s)) {
		value := fmt.Sprintf("%q", s[name])
		switch name {
		case "insecure", "exec":
			value = s[name]
		case "config_paths":
			value = "[" + strings.Join(quoteAll(filepath.SplitList(s[name])), ", ") + "]"
		}
		fmt.Fprintf(&text, "%s = %s\n", name, value)
	}
	return text.String()
}

func quoteAll(texts []string) []string {
	quoted := make([]string, 0, len(texts))
	for _, text := range texts {
		quoted = append(quoted, fmt.Sprintf("%q", text))
	}
	return quoted
}

// export sets the variables of the settings.
func (s settings) export(t *testing.T) {
	t.Helper()
	for name, value := range s {
		t.Setenv(kubernetesVariables[name], value)
	}
}

// bare removes from the environment what could say where Kubernetes is.
func bare(t *testing.T) {
	t.Helper()
	for _, name := range kubernetesVariables {
		t.Setenv(name, "")
	}
	t.Setenv("KUBECONFIG", "")
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	t.Setenv("KUBERNETES_SERVICE_PORT", "")
}

// planWith plans a database, which asks the API server about it.
func planWith(t *testing.T, kubernetes string) terraformtest.Diagnostics {
	t.Helper()
	w := terraformtest.New(t, onFakes)
	w.Write(fmt.Sprintf("provider \"pgplatform\" {\n  namespace = %q\n  kubernetes = {\n%s\n  }\n}\n", fakeNamespace, kubernetes) +
		database("  tier = \"DEV\"\n"))
	_, diags := w.Plan(t.Context())
	return diags
}

// reach is two API servers, two proxies, and credentials for the first server.
type reach struct {
	server, other       *apitest.Server
	proxy, otherProxy   *apitest.Proxy
	certificate, key    string // of ci
	otherCert, otherKey string // of somebody-else
	files               map[string]string
}

func newReach(t *testing.T) *reach {
	t.Helper()
	r := &reach{server: apitest.NewTLS(t), other: apitest.NewTLS(t), proxy: apitest.NewProxy(t), otherProxy: apitest.NewProxy(t), files: map[string]string{}}
	r.server.AddNamespace(fakeNamespace)
	r.other.AddNamespace(fakeNamespace)
	pair := func(user string) (string, string) {
		certificate, key := r.server.ClientCertificate(t, user)
		return string(certificate), string(key)
	}
	r.certificate, r.key = pair("ci")
	r.otherCert, r.otherKey = pair("somebody-else")

	folder := t.TempDir()
	ca := base64.StdEncoding.EncodeToString(r.server.CA)
	clusters := fmt.Sprintf(`
- {name: here, cluster: {server: %q, certificate-authority-data: %s}}
- {name: there, cluster: {server: %q, certificate-authority-data: %s}}
`, r.server.URL, ca, r.other.URL, ca)
	const users = `
- {name: alice, user: {token: alices}}
- {name: bob, user: {token: bobs}}
`
	const contexts = `
- {name: alice-here, context: {cluster: here, user: alice}}
- {name: bob-here, context: {cluster: here, user: bob}}
- {name: alice-there, context: {cluster: there, user: alice}}
`
	for name, text := range map[string]string{
		"here":     "clusters:" + clusters + "users:" + users + "contexts:" + contexts + "current-context: alice-here\n",
		"there":    "clusters:" + clusters + "users:" + users + "contexts:" + contexts + "current-context: alice-there\n",
		"clusters": "clusters:" + clusters,
		"users":    "users:" + users,
		"contexts": "contexts:" + contexts + "current-context: bob-here\n",
	} {
		r.files[name] = filepath.Join(folder, name)
		must(t, os.WriteFile(r.files[name], []byte("apiVersion: v1\nkind: Config\n"+text), 0o600))
	}
	return r
}

// address says which server, and that it is to be trusted.
func (r *reach) address() settings {
	return settings{"host": r.server.URL, "cluster_ca_certificate": string(r.server.CA)}
}

// every tells whether there were requests at the first server, and all of them were as they should be.
func (r *reach) every(is func(apitest.Request) bool) bool {
	requests := r.server.Requests()
	return len(requests) > 0 && !slices.ContainsFunc(requests, func(request apitest.Request) bool { return !is(request) })
}

func anyRequest(apitest.Request) bool { return true }

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func authorized(header string) func(*reach) bool {
	return func(r *reach) bool {
		return r.every(func(request apitest.Request) bool { return request.Authorization == header })
	}
}

func tunnelled(r *reach) bool {
	return len(r.proxy.Tunnels()) > 0 && "https://"+r.proxy.Tunnels()[0].To == r.server.URL && r.every(anyRequest)
}

//nolint:paralleltest // the environment is the process's
func TestKubernetesSettings(t *testing.T) {
	list := func(paths ...string) string { return strings.Join(paths, string(os.PathListSeparator)) }
	tests := map[string]struct {
		// besides is what the configuration has in any case.
		besides func(*reach) settings
		// right is what the test is about, wrong the same with other values, which must lose against it.
		right, wrong func(*reach) settings
		// seen tells whether the right values were used.
		seen func(*reach) bool
	}{
		"host": {
			besides: func(r *reach) settings { return settings{"cluster_ca_certificate": string(r.server.CA)} },
			right:   func(r *reach) settings { return settings{"host": r.server.URL} },
			wrong:   func(r *reach) settings { return settings{"host": r.other.URL} },
			seen:    func(r *reach) bool { return r.every(anyRequest) && len(r.other.Requests()) == 0 },
		},
		"token": {
			besides: (*reach).address,
			right:   func(*reach) settings { return settings{"token": "mine"} },
			wrong:   func(*reach) settings { return settings{"token": "another"} },
			seen:    authorized("Bearer mine"),
		},
		"username and password": {
			besides: (*reach).address,
			right:   func(*reach) settings { return settings{"username": "ci", "password": "open"} },
			wrong:   func(*reach) settings { return settings{"username": "somebody", "password": "else"} },
			seen:    authorized(basic("ci", "open")),
		},
		"client_certificate and client_key": {
			besides: (*reach).address,
			right:   func(r *reach) settings { return settings{"client_certificate": r.certificate, "client_key": r.key} },
			wrong: func(r *reach) settings {
				return settings{"client_certificate": r.otherCert, "client_key": r.otherKey}
			},
			seen: func(r *reach) bool {
				return r.every(func(request apitest.Request) bool { return request.Certificate == "ci" })
			},
		},
		"cluster_ca_certificate": {
			besides: func(r *reach) settings { return settings{"host": r.server.URL} },
			right:   func(r *reach) settings { return settings{"cluster_ca_certificate": string(r.server.CA)} },
			wrong:   func(r *reach) settings { return settings{"cluster_ca_certificate": r.otherCert} },
			seen:    func(r *reach) bool { return r.every(anyRequest) },
		},
		"insecure": {
			besides: func(r *reach) settings { return settings{"host": r.server.URL} },
			right:   func(*reach) settings { return settings{"insecure": "true"} },
			wrong:   func(*reach) settings { return settings{"insecure": "false"} },
			seen:    func(r *reach) bool { return r.every(anyRequest) },
		},
		"tls_server_name": {
			besides: (*reach).address,
			right:   func(*reach) settings { return settings{"tls_server_name": apitest.TLSServerName} },
			wrong:   func(*reach) settings { return settings{"tls_server_name": "not.in.the.certificate"} },
			seen: func(r *reach) bool {
				return r.every(func(request apitest.Request) bool { return request.ServerName == apitest.TLSServerName })
			},
		},
		"config_path": {
			besides: func(*reach) settings { return settings{} },
			right:   func(r *reach) settings { return settings{"config_path": r.files["here"]} },
			wrong:   func(r *reach) settings { return settings{"config_path": r.files["there"]} },
			seen:    authorized("Bearer alices"),
		},
		"config_paths": { // each of the three has a part of it
			besides: func(*reach) settings { return settings{} },
			right: func(r *reach) settings {
				return settings{"config_paths": list(r.files["clusters"], r.files["users"], r.files["contexts"])}
			},
			wrong: func(r *reach) settings { return settings{"config_paths": list(r.files["there"], r.files["here"])} },
			seen:  authorized("Bearer bobs"),
		},
		"config_context": {
			besides: func(r *reach) settings { return settings{"config_path": r.files["there"]} },
			right:   func(*reach) settings { return settings{"config_context": "bob-here"} },
			wrong:   func(*reach) settings { return settings{"config_context": "alice-here"} },
			seen:    authorized("Bearer bobs"),
		},
		"config_context_auth_info": {
			besides: func(r *reach) settings { return settings{"config_path": r.files["here"]} },
			right:   func(*reach) settings { return settings{"config_context_auth_info": "bob"} },
			wrong:   func(*reach) settings { return settings{"config_context_auth_info": "alice"} },
			seen:    authorized("Bearer bobs"),
		},
		"config_context_cluster": {
			besides: func(r *reach) settings { return settings{"config_path": r.files["there"]} },
			right:   func(*reach) settings { return settings{"config_context_cluster": "here"} },
			wrong:   func(*reach) settings { return settings{"config_context_cluster": "there"} },
			seen:    authorized("Bearer alices"),
		},
		"proxy_url": {
			besides: (*reach).address,
			right:   func(r *reach) settings { return settings{"proxy_url": r.proxy.URL} },
			wrong:   func(r *reach) settings { return settings{"proxy_url": r.otherProxy.URL} },
			seen:    func(r *reach) bool { return tunnelled(r) && len(r.otherProxy.Tunnels()) == 0 },
		},
	}
	for name, test := range tests {
		run := func(how string, wantSeen bool, configured, exported func(*reach) settings) {
			t.Run(name+" "+how, func(t *testing.T) {
				bare(t)
				r := newReach(t)
				exported(r).export(t)
				diags := planWith(t, test.besides(r).with(configured(r)).attributes())
				if seen := test.seen(r); seen != wantSeen || wantSeen && diags.HasError() {
					t.Errorf("seen: %t, want %t\nhere: %v\nthere: %v\n%s", seen, wantSeen, r.server.Requests(), r.other.Requests(), diags)
				}
			})
		}
		nothing := func(*reach) settings { return settings{} }
		run("configured", true, test.right, nothing)
		run("in the environment", true, nothing, test.right)
		run("against the environment", true, test.right, test.wrong)
		run("wrong", false, nothing, test.wrong) // or else the line before would show nothing
	}
}

// execOf is the exec attribute of a command that prints a token.
func execOf(token string) string {
	return fmt.Sprintf(`{
  api_version = "client.authentication.k8s.io/v1"
  command     = "/bin/sh"
  args        = ["-c", "printf '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"%%s\"}}' \"$PRINTED$1\"", "sh", %q]
  env         = { PRINTED = %q }
}`, token[1:], token[:1])
}

//nolint:paralleltest // the environment is the process's
func TestKubernetesExec(t *testing.T) {
	bare(t)
	r := newReach(t)
	if diags := planWith(t, r.address().with(settings{"exec": execOf("printed")}).attributes()); diags.HasError() || !authorized("Bearer printed")(r) {
		t.Errorf("requests %v\n%s", r.server.Requests(), diags)
	}
}

//nolint:paralleltest // the environment is the process's
func TestKubernetesProxyWithPassword(t *testing.T) {
	bare(t)
	r := newReach(t)
	proxy := strings.Replace(r.proxy.URL, "://", "://ci:open@", 1)
	if diags := planWith(t, r.address().with(settings{"proxy_url": proxy}).attributes()); diags.HasError() || !tunnelled(r) {
		t.Fatalf("requests %v\n%s", r.server.Requests(), diags)
	}
	if got := r.proxy.Tunnels()[0].Authorization; got != basic("ci", "open") {
		t.Errorf("the proxy saw %q", got)
	}
}

// A provider that is configured and not used asks nobody, and runs no command.
//
//nolint:paralleltest // the environment is the process's
func TestConfigureAsksNobody(t *testing.T) {
	bare(t)
	r := newReach(t)
	ran := filepath.Join(t.TempDir(), "ran")
	store := s3test.New(t)
	plan := func(resources string) terraformtest.Diagnostics {
		w := terraformtest.New(t, onFakes)
		w.Write(fmt.Sprintf(`
provider "pgplatform" {
  namespace = "myorg"
  kubernetes = {
    %s
    exec = {
      api_version = "client.authentication.k8s.io/v1"
      command     = "/bin/sh"
      args        = ["-c", "touch $RAN; exit 1"]
      env         = { RAN = %q }
    }
  }
  object_store = {
    destination_path  = "s3://backups/pg"
    endpoint_url      = %q
    access_key_id     = %q
    secret_access_key = %q
  }
}
`, r.address().attributes(), ran, store.URL, s3test.AccessKeyID, s3test.SecretAccessKey) + resources)
		_, diags := w.Plan(t.Context())
		return diags
	}
	if diags := plan(""); diags.HasError() {
		t.Error(diags)
	}
	if _, err := os.Stat(ran); err == nil || len(r.server.Requests()) > 0 || store.Count("") > 0 {
		t.Errorf("the command ran: %t; requests: %v, %v", err == nil, r.server.Requests(), store.Requests())
	}
	if diags := plan(database("")); !strings.Contains(diags.String(), "failed: exit status 1") {
		t.Errorf("with a resource: %s", diags)
	}
	if _, err := os.Stat(ran); err != nil {
		t.Error("the command runs for no resource either: this test shows nothing")
	}
}

// KUBECONFIG is not read: a plan must not go to whatever cluster a shell happens to point to.
func TestKUBECONFIGIsNotRead(t *testing.T) {
	bare(t)
	r := newReach(t)
	t.Setenv("KUBECONFIG", r.files["here"])
	diags := planWith(t, "")
	if !strings.Contains(diags.String(), "no Kubernetes API server is configured") || len(r.server.Requests()) > 0 {
		t.Errorf("requests %v\n%s", r.server.Requests(), diags)
	}
}
