package cnpg_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// A database that is not even there is told by the others; names are no part of the query's text but its literals.
func TestConfirmRestored(t *testing.T) {
	t.Parallel()
	const there = `{"databases" : [{"name" : "it's", "owner" : "o\\'n", "anew" : false}, {"name" : "postgres", "owner" : "postgres", "anew" : false}], "stranger" : false}`
	for name, test := range map[string]struct {
		missing bool // psql cannot connect to the database
		answer  string
		want    string
	}{
		"restored":      {answer: there},
		"not there":     {missing: true, answer: strings.Replace(there, "it's", "its", 1), want: `no database "it's" was restored`},
		"made since":    {answer: strings.Replace(there, "false", "true", 1), want: `no database "it's" was restored in Cluster myorg/my-db: CloudNativePG has made an empty one. What was restored: no database but PostgreSQL's own`},
		"another owner": {answer: strings.Replace(there, `"stranger" : false`, `"stranger" : true`, 1), want: `belongs to a role "o\\'n"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			cluster := wanted()
			healthy(cluster)
			server.Put(cluster, pod("my-db-1", "postgres"))
			server.OnExecWithInput(func(_, _ string, command []string, stdin string) (string, string, error) {
				if !strings.Contains(stdin, `rolname = E'o\\''n'`) {
					t.Errorf("asked %s", stdin)
				}
				if test.missing && strings.Contains(strings.Join(command, " "), `it\'s`) {
					return "", "psql: error: FATAL:  database \"it's\" does not exist\n", apitest.ExitError(2)
				}
				return test.answer + "\n", "", nil
			})
			err := client.ConfirmRestored(ctx, key, "it's", `o\'n`)
			if test.want == "" && err == nil {
				return
			}
			var wrong *cnpg.NotRestoredError
			if err == nil || !errors.As(err, &wrong) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("it says %v, want %q", err, test.want)
			}
		})
	}
}
