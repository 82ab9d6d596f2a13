package cnpg

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	utilexec "k8s.io/client-go/util/exec"
)

// queryLimit bounds what a query may answer, in bytes.
const queryLimit = 64 << 10

// QueryError is a query that PostgreSQL refused, or whose answer is longer than anybody compares.
type QueryError struct {
	Cluster  Key
	Database string
	// Message is PostgreSQL's own.
	Message string
}

func (e *QueryError) Error() string {
	return fmt.Sprintf("the query in database %q of Cluster %s failed: %s", e.Database, e.Cluster, e.Message)
}

// PrimaryError is a primary that cannot be asked anything: there is none, its pod cannot be reached or may not be (then
// it is [ErrForbidden] too), or its PostgreSQL takes no connection.
type PrimaryError struct {
	Cluster Key
	Err     error
}

func (e *PrimaryError) Error() string {
	return fmt.Sprintf("the primary of Cluster %s cannot be asked: %v", e.Cluster, e.Err)
}

// Unwrap gives the cause.
func (e *PrimaryError) Unwrap() error { return e.Err }

// Query runs a query in a database of a Cluster through the pod of its primary, as the superuser over the local socket,
// and returns the answer as text: rows on lines, columns by tabs, null as nothing. It needs the right to create pods/exec.
//
// The query changes nothing: its transactions are read-only. Its text goes in over stdin, so that neither an audit log nor
// a process list shows it, and to PostgreSQL as it is: psql's own commands, of which one runs programs, are no part of it.
// A query that PostgreSQL refuses is a [QueryError], a primary that cannot be asked a [PrimaryError].
func (c *Client) Query(ctx context.Context, cluster Key, database, query string) (string, error) {
	pod, err := c.primary(ctx, cluster)
	if err != nil {
		return "", &PrimaryError{Cluster: cluster, Err: err}
	}
	quoted := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(database) // a name alone would be taken for a connection string where it looks like one
	out, stderr, err := c.exec(ctx, pod, postgresContainer, input{
		command: []string{"psql", "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-d", "dbname='" + quoted + "'"},
		stdin:   script(ctx, query),
		limit:   queryLimit,
	})
	if err == nil {
		return strings.TrimSuffix(out, "\n"), nil
	}
	message := psqlMessage(stderr)
	var exit utilexec.CodeExitError
	switch {
	case errors.Is(err, errTooLong):
		return "", &QueryError{Cluster: cluster, Database: database, Message: fmt.Sprintf("its answer is longer than %d bytes", queryLimit)}
	case errors.As(err, &exit) && (exit.Code != psqlNoConnection || strings.Contains(message, noDatabase)) && message != "":
		return "", &QueryError{Cluster: cluster, Database: database, Message: message}
	case message != "":
		err = fmt.Errorf("%s: %w", message, err)
	}
	return "", &PrimaryError{Cluster: cluster, Err: fmt.Errorf("Pod %s: %w", pod, err)}
}

// QueryPatiently is Query that asks again, for some seconds, a primary that could not be asked.
func (c *Client) QueryPatiently(ctx context.Context, cluster Key, database, query string) (answer string, err error) {
	ended := wait.ExponentialBackoffWithContext(ctx, askAgainBackoff, func(ctx context.Context) (bool, error) {
		answer, err = c.Query(ctx, cluster, database, query)
		var unasked *PrimaryError
		return !errors.As(err, &unasked) || errors.Is(err, ErrForbidden), nil
	})
	return answer, cmp.Or(err, ended) // one that ended before it began has asked nothing
}

const (
	// psqlNoConnection is psql's exit code where it got no connection, or lost it.
	psqlNoConnection = 2
	// noDatabase is the message of a refusal that says something of what was asked, not of PostgreSQL: database "…" does not exist.
	noDatabase = "does not exist"
)

// script is what psql reads. The query is a literal in it, whose value \gexec hands to PostgreSQL: so nothing in it is a
// command of psql's, and a quote that is not closed is PostgreSQL's to refuse.
func script(ctx context.Context, query string) string {
	var text strings.Builder
	text.WriteString("SET default_transaction_read_only = on;\n")
	if deadline, ok := ctx.Deadline(); ok { // psql goes on in the pod when the connection to it ends
		fmt.Fprintf(&text, "SET statement_timeout = %d;\n", min(max(1, time.Until(deadline).Milliseconds()), math.MaxInt32))
	}
	quote := "$q" + rand.Text() + "$" // a digit after the first dollar sign would make it a parameter
	text.WriteString("SELECT " + quote + query + quote + " \\gexec\n")
	return text.String()
}

// psqlPlace is where psql says that it read what failed.
var psqlPlace = regexp.MustCompile(`^psql:<stdin>:\d+: `)

func psqlMessage(stderr string) string {
	var lines []string
	for line := range strings.Lines(strings.TrimSpace(stderr)) {
		line = psqlPlace.ReplaceAllString(strings.TrimRight(line, "\n"), "")
		lines = append(lines, strings.Replace(line, ":  ", ": ", 1))
	}
	return strings.Join(lines, "\n")
}
