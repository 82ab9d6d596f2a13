package provider_test

import (
	"strings"
	"testing"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// What says the same in another way loses too.
//
//nolint:paralleltest // the environment is the process's
func TestConfigurationBeatsOtherVariables(t *testing.T) {
	tests := map[string]struct {
		configured, exported func(*reach) settings
		seen                 func(*reach) bool
		refused              string
	}{
		"password against a token": {
			configured: func(r *reach) settings { return r.address().with(settings{"username": "ci", "password": "open"}) },
			exported:   func(*reach) settings { return settings{"token": "another"} },
			seen:       authorized(basic("ci", "open")),
		},
		"token against a password": {
			configured: func(r *reach) settings { return r.address().with(settings{"token": "mine"}) },
			exported:   func(*reach) settings { return settings{"username": "somebody", "password": "else"} },
			seen:       authorized("Bearer mine"),
		},
		"half of a password": {
			configured: func(r *reach) settings { return r.address().with(settings{"username": "ci"}) },
			exported:   func(*reach) settings { return settings{"username": "somebody", "password": "open"} },
			seen:       authorized(basic("ci", "open")),
		},
		"certificate against a token": {
			configured: func(r *reach) settings {
				return r.address().with(settings{"client_certificate": r.certificate, "client_key": r.key})
			},
			exported: func(*reach) settings { return settings{"token": "another"} },
			seen: func(r *reach) bool {
				return r.every(func(request apitest.Request) bool { return request.Certificate == "ci" && request.Authorization == "" })
			},
		},
		"exec against a token": {
			configured: func(r *reach) settings { return r.address().with(settings{"exec": execOf("printed")}) },
			exported:   func(*reach) settings { return settings{"token": "another"} },
			seen:       authorized("Bearer printed"),
		},
		"host against a kubeconfig, whose token is not for it": {
			configured: (*reach).address,
			exported: func(r *reach) settings {
				return settings{"config_path": r.files["there"], "config_context": "alice-there"}
			},
			seen: authorized(""),
		},
		"kubeconfig against a host, for which its token is not": {
			configured: func(r *reach) settings { return settings{"config_path": r.files["here"]} },
			exported:   func(r *reach) settings { return settings{"host": r.other.URL} },
			seen:       authorized("Bearer alices"),
		},
		"several kubeconfigs against one": {
			configured: func(r *reach) settings { return settings{"config_paths": r.files["here"]} },
			exported:   func(r *reach) settings { return settings{"config_path": r.files["there"]} },
			seen:       authorized("Bearer alices"),
		},
		"one kubeconfig against several": {
			configured: func(r *reach) settings { return settings{"config_path": r.files["here"]} },
			exported:   func(r *reach) settings { return settings{"config_paths": r.files["there"]} },
			seen:       authorized("Bearer alices"),
		},
		"insecure against a CA": {
			configured: func(r *reach) settings { return settings{"host": r.server.URL, "insecure": "true"} },
			exported:   func(r *reach) settings { return settings{"cluster_ca_certificate": r.otherCert} },
			seen:       func(r *reach) bool { return r.every(anyRequest) },
		},
		"a CA against insecure": {
			configured: func(r *reach) settings { return settings{"host": r.server.URL, "cluster_ca_certificate": r.otherCert} },
			exported:   func(*reach) settings { return settings{"insecure": "true"} },
			refused:    "certificate signed by unknown authority",
		},
		"not insecure against insecure": {
			configured: func(r *reach) settings { return settings{"host": r.server.URL, "insecure": "false"} },
			exported:   func(*reach) settings { return settings{"insecure": "true"} },
			refused:    "certificate signed by unknown authority",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			bare(t)
			r := newReach(t)
			test.exported(r).export(t)
			diags := planWith(t, test.configured(r).attributes())
			switch {
			case test.refused != "" && !strings.Contains(diags.String(), test.refused):
				t.Errorf("not refused: %s", diags)
			case test.seen != nil && (diags.HasError() || !test.seen(r)):
				t.Errorf("not seen; requests %v\n%s", r.server.Requests(), diags)
			case len(r.other.Requests()) > 0:
				t.Error("the other server was asked")
			}
		})
	}
}
