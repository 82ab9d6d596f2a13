package cnpg_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

func TestQuery(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	cluster := wanted()
	healthy(cluster)
	server.Put(cluster, pod("my-db-1", "postgres"))
	const query = `SELECT name, '\! id' FROM "odd$names" WHERE note = 'it''s'`
	var ran []string
	var read string
	server.OnExecWithInput(func(pod, container string, command []string, stdin string) (string, string, error) {
		ran, read = append([]string{pod, container}, command...), stdin
		return "a\tb\n\tc\n\n", "", nil
	})
	answer, err := client.Query(ctx, key, `it's`, query)
	if err != nil || answer != "a\tb\n\tc\n" { // the last row is one of a single null
		t.Fatalf("Query = %q, %v", answer, err)
	}
	if len(ran) < 3 || ran[0] != "my-db-1" || ran[1] != "postgres" || ran[2] != "psql" || !slices.Contains(ran, `dbname='it\'s'`) {
		t.Errorf("ran %q", ran)
	}
	for _, want := range []string{"SET default_transaction_read_only = on;\n", "\nSELECT $q", query, "\\gexec\n"} {
		if !strings.Contains(read, want) {
			t.Errorf("psql reads %q, without %q", read, want)
		}
	}
	for _, r := range server.Requests() {
		if text := fmt.Sprint(r.Path, r.Query); strings.Contains(text, "odd$names") {
			t.Errorf("the query is in the address of a request: %s", text)
		}
	}
}

// A query that nobody has time for any more has no answer, rather than an empty one.
func TestQueryThatComesTooLate(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	cluster := wanted()
	healthy(cluster)
	server.Put(cluster, pod("my-db-1", "postgres"))
	server.OnExec(func(string, string, []string) (string, string, error) { return "\n", "", nil })
	if answer, err := client.QueryPatiently(ctx, key, "app", "SELECT ''"); answer != "" || err != nil {
		t.Fatalf("in time it is %q, %v", answer, err)
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	if answer, err := client.QueryPatiently(over, key, "app", "SELECT ''"); !errors.Is(err, context.Canceled) {
		t.Errorf("too late it is %q, %v", answer, err)
	}
}

func TestQueryThatFails(t *testing.T) {
	t.Parallel()
	answers := func(stdout, stderr string, err error) func(*apitest.Server) {
		return func(s *apitest.Server) {
			s.OnExec(func(string, string, []string) (string, string, error) { return stdout, stderr, err })
		}
	}
	tests := map[string]struct {
		prepare func(*apitest.Server)
		refused bool // by PostgreSQL, for what the query says
		want    string
	}{
		"refused": {
			answers("", "psql:<stdin>:3: ERROR:  relation \"nope\" does not exist\nLINE 1: SELECT * FROM nope\n                      ^\n", apitest.ExitError(3)), true,
			"ERROR: relation \"nope\" does not exist\nLINE 1: SELECT * FROM nope",
		},
		"no such database": {
			answers("", "psql: error: connection to server on socket \"/controller/run/.s.PGSQL.5432\" failed: FATAL:  database \"nope\" does not exist\n", apitest.ExitError(2)), true,
			`FATAL: database "nope" does not exist`,
		},
		"too long": {answers(strings.Repeat("row\n", 20_000), "", nil), true, "its answer is longer than 65536 bytes"},
		"not up": {
			answers("", "psql: error: connection to server on socket \"/controller/run/.s.PGSQL.5432\" failed: FATAL:  the database system is starting up\n", apitest.ExitError(2)), false,
			"the database system is starting up",
		},
		"no primary": {func(s *apitest.Server) {
			apitest.Edit(s, key.Namespace, key.Name, func(c *cnpgv1.Cluster) { c.Status.CurrentPrimary = "" })
		}, false, "the cluster has no primary at the moment"},
		"no right": {func(*apitest.Server) {}, false, `cannot create resource "pods/exec"`},
		"no API server": {func(s *apitest.Server) {
			s.OnExec(func(string, string, []string) (string, string, error) { return "", "", nil })
			s.Fail(func(r apitest.Request) *apitest.Fault {
				if r.Subresource == "exec" {
					return &apitest.Fault{Status: http.StatusServiceUnavailable, Message: "the kubelet does not answer"}
				}
				return nil
			})
		}, false, "the kubelet does not answer"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			cluster := wanted()
			healthy(cluster)
			server.Put(cluster, pod("my-db-1", "postgres"))
			test.prepare(server)
			answer, err := client.Query(ctx, key, "nope", "SELECT * FROM nope")
			if err == nil || answer != "" || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("Query = %q, %v, want an error with %q", answer, err, test.want)
			}
			var refused *cnpg.QueryError
			var unreachable *cnpg.PrimaryError
			if errors.As(err, &refused) != test.refused || errors.As(err, &unreachable) == test.refused {
				t.Errorf("the error is %T", err)
			}
			if forbidden := name == "no right"; errors.Is(err, cnpg.ErrForbidden) != forbidden {
				t.Errorf("forbidden: %t, want %t", !forbidden, forbidden)
			}
		})
	}
}
