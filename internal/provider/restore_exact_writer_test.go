package provider_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// writer commits numbered rows without a pause in a database of the world, each in a transaction of its own, and switches
// the WAL segment every few seconds.
type writer struct {
	*world
	database string
	ended    []chan error
}

// The numbers are the writer's own; extension pg_walinspect tells afterwards in which order the WAL has them.
const writerSQL = `
CREATE EXTENSION pg_walinspect;
CREATE TABLE numbers (n int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, padding text NOT NULL);
CREATE TABLE stopped (at timestamptz NOT NULL);
CREATE TABLE began AS SELECT pg_current_wal_insert_lsn() AS lsn;
CREATE PROCEDURE write(switches bool) LANGUAGE plpgsql AS $$
DECLARE
	begun    timestamptz := clock_timestamp();
	switched timestamptz := begun;
BEGIN
	-- A test that is killed stops nobody.
	WHILE NOT EXISTS (SELECT FROM stopped) AND clock_timestamp() < begun + interval '15 minutes' LOOP
		INSERT INTO numbers (padding) VALUES (repeat('x', 200));
		COMMIT;
		IF switches AND clock_timestamp() > switched + interval '7 seconds' THEN
			PERFORM pg_switch_wal();
			switched := clock_timestamp();
		END IF;
	END LOOP;
END $$`

func newWriter(w *world, database string) (*writer, error) {
	_, err := w.query(database, writerSQL)
	return &writer{world: w, database: database}, err
}

// begin lets so many sessions write side by side.
func (w *writer) begin(sessions int) error {
	if _, err := w.query(w.database, "TRUNCATE stopped"); err != nil {
		return err
	}
	for i := range sessions {
		ended := make(chan error, 1)
		w.ended = append(w.ended, ended)
		go func() {
			_, err := w.query(w.database, fmt.Sprintf("CALL write(%t)", i == 0))
			ended <- err
		}()
	}
	return nil
}

// wait returns when so many more rows are there.
func (w *writer) wait(more int) error {
	before, err := w.last()
	if err != nil {
		return err
	}
	return w.eventually(func() error {
		if now, err := w.last(); err != nil || now < before+more {
			return fmt.Errorf("%d rows, and %d before: %w", now, before, err)
		}
		return nil
	})
}

// last is the newest row's number.
func (w *writer) last() (int, error) {
	out, err := w.query(w.database, "SELECT coalesce(max(n), 0) FROM numbers")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(out)
}

// stop ends the sessions that write.
func (w *writer) stop() error {
	if _, err := w.query(w.database, "INSERT INTO stopped VALUES (clock_timestamp())"); err != nil {
		return err
	}
	for _, ended := range w.ended {
		if err := <-ended; err != nil {
			return err
		}
	}
	w.ended = nil
	return nil
}

const microseconds = "(extract(epoch FROM %s) * 1000000)::bigint"

// rows are those of the source after a number, with their commit timestamps, in the order of these.
func (w *writer) rows(after int) ([]ending, error) {
	return w.endings(fmt.Sprintf("SELECT n, "+microseconds+" FROM numbers WHERE n > %d ORDER BY 2, 1", "pg_xact_commit_timestamp(xmin)", after))
}

// wal are the ends of all transactions since the writer was made, in the order of the WAL: committed and rolled back ones,
// the writer's and others.
func (w *writer) wal() ([]ending, error) {
	return w.endings(fmt.Sprintf(`SELECT coalesce(n, 0), `+microseconds+`
		FROM began, pg_get_wal_records_info(lsn, pg_current_wal_flush_lsn()) AS record LEFT JOIN numbers ON numbers.xmin = record.xid
		WHERE resource_manager = 'Transaction' AND record_type IN ('COMMIT', 'ABORT') ORDER BY start_lsn`,
		"split_part(record.description, ';', 1)::timestamptz"))
}

func (w *writer) endings(sql string) ([]ending, error) {
	out, err := w.query(w.database, sql)
	if err != nil {
		return nil, err
	}
	var endings []ending
	for line := range strings.Lines(out) {
		row, at, _ := strings.Cut(strings.TrimSpace(line), "|")
		n, nErr := strconv.Atoi(row)
		committed, err := strconv.ParseInt(at, 10, 64)
		if err != nil || nErr != nil {
			return nil, fmt.Errorf("%q is no row with its time", line)
		}
		endings = append(endings, ending{at: time.UnixMicro(committed), row: n})
	}
	return endings, nil
}

// numbersIn are the rows of a database, ascending. They are more than a connection carries in a moment, and reading them again changes
// nothing: one that breaks on a busy machine is no verdict on the rows.
func (w *world) numbersIn(database string) ([]int, error) {
	var out string
	err := w.eventually(func() (err error) {
		out, err = w.query(database, "SELECT n FROM numbers")
		return err
	})
	if err != nil {
		return nil, err
	}
	var numbers []int
	for line := range strings.Lines(out) {
		n, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			return nil, err
		}
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	return numbers, nil
}
