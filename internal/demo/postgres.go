package demo

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// row is one order, with the commit time that PostgreSQL itself recorded.
type row struct {
	id        int
	committed time.Time
}

const applicationDatabase = "app"

// createOrders makes the table of the story. Its owner is the application's.
const createOrders = `CREATE TABLE orders (id int PRIMARY KEY, committed timestamptz NOT NULL DEFAULT clock_timestamp()); ALTER TABLE orders OWNER TO app`

func (d *Demo) exec(ctx context.Context, key cnpg.Key, sql string) error {
	_, err := d.Kubernetes.QueryPrimary(ctx, key, applicationDatabase, sql)
	return err
}

// write inserts orders, each in a transaction of its own.
func (d *Demo) write(ctx context.Context, key cnpg.Key, first, last int) error {
	return d.exec(ctx, key, fmt.Sprintf(
		`DO $$ BEGIN FOR i IN %d..%d LOOP INSERT INTO orders (id) VALUES (i); COMMIT; END LOOP; END $$`, first, last))
}

// rows reads the orders. A restored database has no record of the commits of its source, so the time that was written
// with each row comes along; where the record exists it is the time that counts.
func (d *Demo) rows(ctx context.Context, key cnpg.Key) ([]row, error) {
	out, err := d.Kubernetes.QueryPrimary(ctx, key, applicationDatabase,
		`SELECT id, extract(epoch FROM coalesce(pg_xact_commit_timestamp(xmin), committed)) FROM orders ORDER BY id`)
	if err != nil {
		return nil, err
	}
	var rows []row
	for line := range strings.Lines(out) {
		id, epoch, _ := strings.Cut(strings.TrimSpace(line), "|")
		n, err := strconv.Atoi(id)
		if err != nil {
			return nil, fmt.Errorf("unexpected row %q", line)
		}
		committed, err := parseEpoch(epoch)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row{id: n, committed: committed})
	}
	return rows, nil
}

// deleteEverything is the mistake; it returns when that was committed.
func (d *Demo) deleteEverything(ctx context.Context, key cnpg.Key) (time.Time, error) {
	xid, err := d.Kubernetes.QueryPrimary(ctx, key, applicationDatabase, `WITH gone AS (DELETE FROM orders RETURNING id) SELECT pg_current_xact_id() FROM gone LIMIT 1`)
	if err != nil {
		return time.Time{}, err
	}
	out, err := d.Kubernetes.QueryPrimary(ctx, key, applicationDatabase,
		fmt.Sprintf(`SELECT extract(epoch FROM pg_xact_commit_timestamp('%s'::xid))`, strings.TrimSpace(xid)))
	if err != nil {
		return time.Time{}, err
	}
	return parseEpoch(out)
}

// parseEpoch reads what extract(epoch FROM …) prints: seconds with six digits after the point, exactly.
func parseEpoch(s string) (time.Time, error) {
	seconds, micros, ok := strings.Cut(strings.TrimSpace(s), ".")
	sec, errSec := strconv.ParseInt(seconds, 10, 64)
	usec, errUsec := strconv.ParseInt(micros, 10, 64)
	if !ok || errSec != nil || errUsec != nil || len(micros) != 6 {
		return time.Time{}, fmt.Errorf("unexpected time %q", s)
	}
	return time.Unix(sec, usec*1000).UTC(), nil
}

func sameIDs(a, b []row) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].id != b[i].id {
			return false
		}
	}
	return true
}
