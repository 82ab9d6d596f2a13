package cnpg

import (
	"context"
	"fmt"
	"regexp"
)

// flushSQL commits one transaction that changes no data, prints the name of the WAL segment that its commit record ends in, and
// ends that segment. pg_logical_emit_message writes a record that nobody listens to: a transaction that has written nothing is
// committed without a record, and one that has no more than an ID (pg_current_xact_id) without waiting for that to be flushed.
// The segment is named by the last byte that is flushed: where somebody else has just ended a segment, pg_switch_wal would answer
// with the beginning of the next one, which an idle database never archives.
// psql runs each statement of a -c string in one transaction unless told otherwise, hence the explicit COMMIT. It is
// local: the archive takes WAL from the primary, so that a synchronous replica that is gone need not hold it up.
const flushSQL = `SET statement_timeout = '30s'; BEGIN; SET LOCAL synchronous_commit = local; ` +
	`SELECT pg_logical_emit_message(true, 'pgplatform', '') IS NULL; COMMIT; ` +
	`SELECT pg_walfile_name(format('%s/%s', to_hex(div(last, 4294967296)::bigint), to_hex(mod(last, 4294967296)::bigint))::pg_lsn) ` +
	`FROM (SELECT pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0') - 1 AS last) AS flushed; ` +
	`SELECT pg_switch_wal() IS NULL;`

// segmentName is the name of a WAL segment as psql prints it.
var segmentName = regexp.MustCompile(`(?m)^[0-9A-F]{24}$`)

// Flush commits a transaction without data on a Cluster's primary and switches the WAL segment, and returns the name of the
// segment that was ended. When that segment is in the archive, everything committed before the call can be restored, and
// any time before the call is a target that recovery reaches. It changes no data.
func (c *Client) Flush(ctx context.Context, key Key) (segment string, err error) {
	out, err := c.QueryPrimary(ctx, key, "postgres", flushSQL)
	if err != nil {
		return "", fmt.Errorf("flush the WAL of Cluster %s: %w", key, err)
	}
	if segment = segmentName.FindString(out); segment == "" {
		return "", fmt.Errorf("flush the WAL of Cluster %s: unexpected answer %q", key, out)
	}
	return segment, nil
}
