package provider_test

import (
	"fmt"
	"strings"
	"testing"
)

// Each is an error of the plan, at the provider's attribute, and holds no secret.
//
//nolint:paralleltest // the environment is the process's
func TestBadKubernetesSettings(t *testing.T) {
	const secret = "s3cr3t-s3cr3t"
	tests := map[string]struct {
		besides   func(*reach) settings
		attribute string
		value     string // config_path of the reach's files by their names
		want      string
	}{
		"host":                       {nil, "host", "https://", "must be of the form https://host:port"},
		"host with a password":       {nil, "host", "https://u:" + secret + "@h:port", "must be of the form https://host:port"},
		"proxy_url":                  {(*reach).address, "proxy_url", "http://u:" + secret + "@[::1", "must be of the form http://host:port"},
		"proxy_url without scheme":   {(*reach).address, "proxy_url", "proxy:3128", "must be of the form http://host:port"},
		"cluster_ca_certificate":     {func(r *reach) settings { return settings{"host": r.server.URL} }, "cluster_ca_certificate", "nonsense", "holds no certificate in PEM form"},
		"client_certificate":         {func(r *reach) settings { return r.address().with(settings{"client_key": r.key}) }, "client_certificate", "nonsense", "holds no certificate in PEM form"},
		"client_key":                 {func(r *reach) settings { return r.address().with(settings{"client_certificate": r.certificate}) }, "client_key", secret, "holds no private key in PEM form"},
		"token beside a password":    {func(r *reach) settings { return r.address().with(settings{"username": "u", "password": secret}) }, "token", secret, "only one can be used"},
		"insecure with a CA":         {(*reach).address, "insecure", "true", "needs no cluster_ca_certificate"},
		"config_path":                {nil, "config_path", "/does/not/exist", "/does/not/exist: no such file or directory"},
		"config_paths":               {nil, "config_paths", "/does/not/exist:/neither", "/does/not/exist: no such file or directory"},
		"config_path without server": {nil, "config_path", "users", "no Kubernetes API server is configured"},
		"config_context":             {func(r *reach) settings { return settings{"config_path": r.files["here"]} }, "config_context", "nope", `context "nope" does not exist; the kubeconfig has ["alice-here" "alice-there" "bob-here"]`},
		"config_context_auth_info":   {func(r *reach) settings { return settings{"config_path": r.files["here"]} }, "config_context_auth_info", "nope", `user "nope" does not exist; the kubeconfig has ["alice" "bob"]`},
		"config_context_cluster":     {func(r *reach) settings { return settings{"config_path": r.files["here"]} }, "config_context_cluster", "nope", `cluster "nope" does not exist; the kubeconfig has ["here" "there"]`},
		"exec": {(*reach).address, "exec", fmt.Sprintf(`{
  api_version = "client.authentication.k8s.io/v1"
  command     = "/bin/sh"
  args        = ["-c", "echo \"no session for $WHO: log in\" >&2; exit 3"]
  env         = { WHO = %q }
}`, secret), `the command "/bin/sh" failed: exit status 3: no session for [hidden]: log in`},
	}
	t.Run("config_paths beside config_path", func(t *testing.T) {
		bare(t)
		r := newReach(t)
		diags := planWith(t, settings{"config_path": r.files["here"], "config_paths": r.files["there"]}.attributes())
		if !says(`"kubernetes.config_path" cannot be specified when "kubernetes.config_paths" is specified`).MatchString(diags.Errors().String()) {
			t.Errorf("got %s", diags)
		}
	})
	for name, test := range tests {
		for _, exported := range []bool{false, true} {
			if exported && kubernetesVariables[test.attribute] == "" {
				continue
			}
			t.Run(fmt.Sprintf("%s exported %t", name, exported), func(t *testing.T) {
				bare(t)
				r := newReach(t)
				value := test.value
				if file := r.files[value]; file != "" {
					value = file
				}
				configured, bad := settings{}, settings{test.attribute: value}
				if test.besides != nil {
					configured = test.besides(r)
				}
				if exported {
					// What the configuration says would beat it.
					configured.with(bad).export(t)
					configured = settings{}
				} else {
					configured = configured.with(bad)
				}
				diags := planWith(t, configured.attributes())
				text := diags.String()
				if !says("kubernetes."+test.attribute).MatchString(text) || !strings.Contains(text, test.want) {
					t.Errorf("want at %s: %s\ngot %s", test.attribute, test.want, text)
				}
				if strings.Contains(text, secret) {
					t.Errorf("a secret is in %s", text)
				}
				if exported && !strings.Contains(text, kubernetesVariables[test.attribute]) {
					t.Errorf("%s is not named in %s", kubernetesVariables[test.attribute], text)
				}
				if n := len(r.server.Requests()); n > 0 {
					t.Errorf("%d requests", n)
				}
			})
		}
	}
}
