package cnpg

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

// flushSQL commits one transaction that changes no data, prints the time right before that and the name of the WAL segment that its
// commit record ends in, and ends that segment. pg_logical_emit_message writes a record that nobody listens to: a transaction that has written nothing is
// committed without a record, and one that has no more than an ID (pg_current_xact_id) without waiting for that to be flushed.
// The segment is named by the last byte that is flushed: where somebody else has just ended a segment, pg_switch_wal would answer
// with the beginning of the next one, which an idle database never archives.
// psql runs each statement of a -c string in one transaction unless told otherwise, hence the explicit COMMIT. It is
// local: the archive takes WAL from the primary, so that a synchronous replica that is gone need not hold it up.
const flushSQL = `SET statement_timeout = '30s'; BEGIN; SET LOCAL synchronous_commit = local; ` +
	`SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'); ` +
	`SELECT pg_logical_emit_message(true, 'pgplatform', '') IS NULL; COMMIT; ` +
	`SELECT pg_walfile_name(format('%s/%s', to_hex(div(last, 4294967296)::bigint), to_hex(mod(last, 4294967296)::bigint))::pg_lsn) ` +
	`FROM (SELECT pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0') - 1 AS last) AS flushed; ` +
	`SELECT pg_switch_wal() IS NULL;`

// flushAnswer is what psql prints: the time, a truth, and the name of a WAL segment.
var flushAnswer = regexp.MustCompile(`(?m)^(\d{4}-\d\d-\d\dT\S+Z)$\s^\w$\s^([0-9A-F]{24})$`)

// Flushed is what a flush has ended.
type Flushed struct {
	// Segment is the WAL segment that the commit lies in. When it is in the archive, everything committed before the flush can be
	// restored.
	Segment string
	// At is the time right before the commit, by the clock that commits are dated by: a time up to it is a target that recovery
	// reaches with that segment.
	At time.Time
}

// Flush commits a transaction without data on a Cluster's primary and switches the WAL segment. It changes no data.
func (c *Client) Flush(ctx context.Context, key Key) (Flushed, error) {
	out, err := c.QueryPrimary(ctx, key, "postgres", flushSQL)
	if err != nil {
		return Flushed{}, fmt.Errorf("flush the WAL of Cluster %s: %w", key, err)
	}
	answer := flushAnswer.FindStringSubmatch(out)
	if answer == nil {
		return Flushed{}, fmt.Errorf("flush the WAL of Cluster %s: unexpected answer %q", key, out)
	}
	at, err := time.Parse(time.RFC3339, answer[1])
	if err != nil {
		return Flushed{}, fmt.Errorf("flush the WAL of Cluster %s: unexpected answer %q", key, out)
	}
	return Flushed{Segment: answer[2], At: at}, nil
}

// archivedSQL asks PostgreSQL for the file that its archive_command has archived last.
const archivedSQL = `SELECT last_archived_wal FROM pg_stat_archiver`

// Archived tells, by the word of PostgreSQL itself, whether a Cluster's primary has archived a WAL segment of its timeline, and
// which file it has archived last.
func (c *Client) Archived(ctx context.Context, key Key, segment string) (last string, archived bool, err error) {
	if last, err = c.Query(ctx, key, "postgres", archivedSQL); err != nil {
		return "", false, err
	}
	return last, archivedSince(last, segment), nil
}

// archivedSince tells by the file that was archived last whether a segment was too: those of a timeline are archived in their
// order, as are the labels of base backups among them. Neither a history nor the partial segment of a timeline that was left says
// anything of another timeline.
func archivedSince(last, segment string) bool {
	done, ok := recovery.ParseWALFile(last)
	wanted, okWanted := recovery.ParseWALFile(segment)
	if !ok || !okWanted || done.Kind != recovery.WALSegment && done.Kind != recovery.WALLabel || done.Timeline != wanted.Timeline {
		return false
	}
	return done.Log > wanted.Log || done.Log == wanted.Log && done.Seg >= wanted.Seg
}
