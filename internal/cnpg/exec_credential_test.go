package cnpg_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

const execV1 = "client.authentication.k8s.io/v1"

// script is a connection whose credentials a shell script prints.
func script(server *apitest.Server, text string, env map[string]string) cnpg.Connection {
	return cnpg.Connection{Host: server.URL, ClusterCACertificate: string(server.CA), Exec: &cnpg.ExecCredential{
		APIVersion: execV1, Command: "/bin/sh", Args: []string{"-c", text, "sh"}, Env: env,
	}}
}

func credential(status string) string {
	return fmt.Sprintf(`printf '{"apiVersion":"%s","kind":"ExecCredential","status":%%s}' "%s"`, execV1, strings.ReplaceAll(status, `"`, `\"`))
}

// A token is kept until it expires or the server refuses it.
func TestExecTokens(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		expires time.Duration // after the script ran
		refused string        // the server's answer to this token is 401
		want    []string      // the tokens of three requests
	}{
		"kept":         {expires: time.Hour, want: []string{"token-1", "token-1", "token-1"}},
		"expired":      {expires: -time.Hour, want: []string{"token-2", "token-3", "token-4"}}, // the first looks whether it works
		"refused once": {expires: time.Hour, refused: "token-1", want: []string{"token-1", "token-2", "token-2"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := apitest.NewTLS(t)
			server.Fail(func(r apitest.Request) *apitest.Fault {
				if r.Authorization == "Bearer "+test.refused {
					return &apitest.Fault{Status: http.StatusUnauthorized}
				}
				return nil
			})
			count := filepath.Join(t.TempDir(), "count")
			text := `echo x >> "$COUNT"; n=$(wc -l < "$COUNT" | tr -d ' '); ` +
				credential(`{"token":"token-$n","expirationTimestamp":"`+time.Now().Add(test.expires).UTC().Format(time.RFC3339)+`"}`)
			config, err := script(server, text, map[string]string{"COUNT": count}).RESTConfig(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			client, err := cnpg.New(config, "test")
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if err := client.Namespace(t.Context(), "default"); err != nil && test.refused == "" {
					t.Error(err)
				}
			}
			var got []string
			for _, r := range server.Requests() {
				got = append(got, strings.TrimPrefix(r.Authorization, "Bearer "))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("the tokens were %q, want %q", got, test.want)
			}
		})
	}
}

func TestExecCertificate(t *testing.T) {
	t.Parallel()
	server := apitest.NewTLS(t)
	certificate, key := server.ClientCertificate(t, "ci")
	file := filepath.Join(t.TempDir(), "credential.json")
	text := fmt.Sprintf(`{"apiVersion":%q,"kind":"ExecCredential","status":{"clientCertificateData":%s,"clientKeyData":%s}}`,
		execV1, strconv.Quote(string(certificate)), strconv.Quote(string(key)))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := script(server, "cat "+file, nil).RESTConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client, err := cnpg.New(config, "test")
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Namespace(t.Context(), "default"); err != nil {
		t.Fatal(err)
	}
	if got := server.Requests()[0].Certificate; got != "ci" {
		t.Errorf("the certificate was of %q", got)
	}
}

func TestExecErrors(t *testing.T) {
	t.Setenv("SOME_SERVICE_TOKEN", "inherited-s3cr3t")
	server := apitest.NewTLS(t)
	env := map[string]string{"MINE": "s3cr3t-of-exec"}
	changed := func(c cnpg.Connection, change func(*cnpg.ExecCredential)) cnpg.Connection {
		change(c.Exec)
		return c
	}
	tests := map[string]struct {
		connection cnpg.Connection
		want       string
	}{
		"failure": {
			script(server, `echo "no session for $MINE and $SOME_SERVICE_TOKEN: log in" >&2; echo s3cr3t; exit 7`, env),
			`the command "/bin/sh" failed: exit status 7: no session for [hidden] and [hidden]: log in`,
		},
		"flags": {
			changed(script(server, `echo "bad flags: $*" >&2; exit 2`, nil), func(e *cnpg.ExecCredential) {
				e.Args = append(e.Args, "--password", "s3cr3t-1", "--api-key=s3cr3t-2", "--region", "eu-west-1")
			}),
			`bad flags: --password [hidden] --api-key=[hidden] --region eu-west-1`,
		},
		"says what it prints": {
			script(server, strings.Replace(credential(`{"token":"its-own-s3cr3t"}`), execV1, "v0", 1)+`; echo "got its-own-s3cr3t" >&2`, nil), `printed no ExecCredential: got [hidden]`,
		},
		"not there":        {changed(script(server, "", nil), func(e *cnpg.ExecCredential) { e.Command = "/no/such/command" }), "no such file or directory"},
		"not on the PATH":  {changed(script(server, "", nil), func(e *cnpg.ExecCredential) { e.Command = "no-such-command" }), "executable file not found in $PATH"},
		"another version":  {changed(script(server, "", nil), func(e *cnpg.ExecCredential) { e.APIVersion = "client.authentication.k8s.io/v1alpha1" }), `is neither client.authentication.k8s.io/v1 nor`},
		"prints text":      {script(server, "echo s3cr3t; echo odd >&2", nil), `printed no ExecCredential: odd`},
		"prints another":   {script(server, strings.Replace(credential(`{"token":"s3cr3t"}`), execV1, execV1+"beta1", 1), nil), `printed an ExecCredential of client.authentication.k8s.io/v1beta1`},
		"prints no token":  {script(server, credential(`{}`), nil), `without token or certificate`},
		"much to complain": {script(server, `yes complaint | head -c 100000 >&2; echo the end >&2; exit 1`, nil), "complaint\nthe end"},
	}
	for name, test := range tests { //nolint:paralleltest // the environment is the process's
		t.Run(name, func(t *testing.T) {
			_, err := test.connection.RESTConfig(t.Context())
			var connection *cnpg.ConnectionError
			if !errors.As(err, &connection) || connection.Attribute != "exec" {
				t.Fatalf("RESTConfig: %v, want a ConnectionError at exec", err)
			}
			if text := err.Error(); !strings.Contains(text, test.want) || strings.Contains(text, "s3cr3t") || len(text) > 2500 {
				t.Errorf("the error is %q, want %q", text, test.want)
			}
		})
	}
	if n := len(server.Requests()); n > 0 {
		t.Errorf("%d requests", n)
	}
}

// A kubeconfig's command is run in the same way, and is told of the cluster where it wants that.
func TestExecOfAKubeconfig(t *testing.T) {
	t.Parallel()
	server := apitest.NewTLS(t)
	text := fmt.Sprintf(`
apiVersion: v1
kind: Config
clusters: [{name: k, cluster: {server: %q, insecure-skip-tls-verify: true}}]
users:
- name: u
  user:
    exec:
      apiVersion: %s
      command: /bin/sh
      args: ["-c", %q]
      interactiveMode: IfAvailable
      provideClusterInfo: true
contexts: [{name: c, context: {cluster: k, user: u}}]
current-context: c
`, server.URL, execV1, `case $KUBERNETES_EXEC_INFO in *'"server":"`+server.URL+`"'*) `+credential(`{"token":"told"}`)+`;; *) echo "not told" >&2; exit 1;; esac`)
	config, err := cnpg.Connection{ConfigPaths: []string{writeKubeconfig(t, text)}}.RESTConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client, err := cnpg.New(config, "test")
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Namespace(t.Context(), "default"); err != nil {
		t.Fatal(err)
	}
	if got := server.Requests()[0].Authorization; got != "Bearer told" {
		t.Errorf("the authorization is %q", got)
	}

	failing := strings.Replace(text, "interactiveMode: IfAvailable", "interactiveMode: Always", 1)
	_, err = cnpg.Connection{ConfigPaths: []string{writeKubeconfig(t, failing)}}.RESTConfig(t.Context())
	var connection *cnpg.ConnectionError
	if !errors.As(err, &connection) || connection.Attribute != "config_path" || !strings.Contains(err.Error(), "interactiveMode: Always") {
		t.Errorf("RESTConfig: %v", err)
	}
}
