package cnpg_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// Commands in pods go over connections of their own, which client-go makes otherwise than those of requests: whoever one
// is, and whatever way leads to the server, must be the same there.
func TestConnectionIntoPods(t *testing.T) {
	t.Parallel()
	server := apitest.NewTLS(t)
	server.AddNamespace(key.Namespace)
	server.Put(&cnpgv1.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}, Status: cnpgv1.ClusterStatus{CurrentPrimary: "my-db-1"}})
	server.Put(&corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: "my-db-1"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "postgres"}}},
	})
	server.OnExec(func(string, string, []string) (string, string, error) { return "42\n", "", nil })
	certificate, private := server.ClientCertificate(t, "ci")
	file := filepath.Join(t.TempDir(), "credential.json")
	text := fmt.Sprintf(`{"apiVersion":%q,"kind":"ExecCredential","status":{"clientCertificateData":%s,"clientKeyData":%s}}`,
		execV1, strconv.Quote(string(certificate)), strconv.Quote(string(private)))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	proxy := apitest.NewProxy(t)

	at := cnpg.Connection{Host: server.URL, ClusterCACertificate: string(server.CA)}
	with := func(change func(*cnpg.Connection)) cnpg.Connection {
		connection := at
		change(&connection)
		return connection
	}
	tests := map[string]struct {
		connection cnpg.Connection
		seen       func(apitest.Request) bool
	}{
		"token": {with(func(c *cnpg.Connection) { c.Token = "mine" }), func(r apitest.Request) bool { return r.Authorization == "Bearer mine" }},
		"password": {with(func(c *cnpg.Connection) { c.Username, c.Password = "ci", "open" }), func(r apitest.Request) bool {
			return r.Authorization == "Basic Y2k6b3Blbg=="
		}},
		"certificate": {with(func(c *cnpg.Connection) { c.ClientCertificate, c.ClientKey = string(certificate), string(private) }), func(r apitest.Request) bool {
			return r.Certificate == "ci"
		}},
		"token of a command":       {script(server, credential(`{"token":"printed"}`), nil), func(r apitest.Request) bool { return r.Authorization == "Bearer printed" }},
		"certificate of a command": {script(server, "cat "+file, nil), func(r apitest.Request) bool { return r.Certificate == "ci" }},
		"server name": {with(func(c *cnpg.Connection) { c.TLSServerName, c.Token = apitest.TLSServerName, "named" }), func(r apitest.Request) bool {
			return r.ServerName == apitest.TLSServerName
		}},
		"proxy": {with(func(c *cnpg.Connection) { c.ProxyURL, c.Token = proxy.URL, "proxied" }), func(r apitest.Request) bool {
			return r.Authorization == "Bearer proxied" && len(proxy.Tunnels()) >= 2 // one for requests, one into the pod
		}},
	}
	for name, test := range tests { //nolint:paralleltest // each looks at the last request
		t.Run(name, func(t *testing.T) {
			config, err := test.connection.RESTConfig(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			client, err := cnpg.New(config, "test")
			if err != nil {
				t.Fatal(err)
			}
			got, err := client.QueryPrimary(t.Context(), key, "app", "SELECT 42")
			if err != nil || got != "42" {
				t.Fatalf("QueryPrimary: %q, %v", got, err)
			}
			requests := server.Requests()
			last := requests[len(requests)-1]
			if last.Subresource != "exec" || !test.seen(last) {
				t.Errorf("the last request was %+v", last)
			}
		})
	}
}

// A server that refuses WebSocket, and then does not answer at all, holds nobody up who gives up.
func TestCommandEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	server.Put(
		&cnpgv1.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}, Status: cnpgv1.ClusterStatus{CurrentPrimary: "my-db-1"}},
		pod("my-db-1", "postgres"),
	)
	var asked atomic.Int64
	server.Fail(func(r apitest.Request) *apitest.Fault {
		switch {
		case r.Subresource != "exec":
			return nil
		case asked.Add(1) == 1:
			return &apitest.Fault{Status: http.StatusForbidden}
		}
		return &apitest.Fault{Before: cancel, Hang: true}
	})
	if _, err := client.QueryPrimary(ctx, key, "postgres", "SELECT 1"); !errors.Is(err, context.Canceled) || asked.Load() != 2 {
		t.Errorf("QueryPrimary = %v after %d requests", err, asked.Load())
	}
}
