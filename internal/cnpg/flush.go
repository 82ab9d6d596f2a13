package cnpg

import (
	"context"
	"fmt"
	"strings"
)

// flushSQL commits one empty transaction and ends the WAL segment that holds its commit record, and prints the segment's
// name. pg_current_xact_id gives the transaction an ID, without which its end would write no commit record
// (PostgreSQL manual, "System Information Functions"); a recovery target on an idle database needs one later than it.
// psql runs each statement of a -c string in one transaction unless told otherwise, hence the explicit COMMIT. It is
// local: the archive takes WAL from the primary, so that a synchronous replica that is gone need not hold it up.
const flushSQL = `SET statement_timeout = '30s'; BEGIN; SET LOCAL synchronous_commit = local; ` +
	`SELECT pg_current_xact_id() IS NULL; COMMIT; SELECT pg_walfile_name(pg_switch_wal());`

// Flush commits an empty transaction on a Cluster's primary and switches the WAL segment, and returns the name of the
// segment that was ended. When that segment is in the archive, everything committed before the call can be restored, and
// any time before the call is a target that recovery reaches. It changes no data.
func (c *Client) Flush(ctx context.Context, key Key) (segment string, err error) {
	out, err := c.QueryPrimary(ctx, key, "postgres", flushSQL)
	if err != nil {
		return "", fmt.Errorf("flush the WAL of Cluster %s: %w", key, err)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	segment = strings.TrimSpace(lines[len(lines)-1])
	if len(segment) != 24 {
		return "", fmt.Errorf("flush the WAL of Cluster %s: unexpected answer %q", key, out)
	}
	return segment, nil
}
