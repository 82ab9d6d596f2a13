package provider_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
)

// fewTargets is how many random targets TestAccRestore_exact restores unless PGPLATFORM_EXACT_TARGETS says it.
const fewTargets = 3

// someRows is how many are committed at least between two things that happen meanwhile: some seconds' worth.
const someRows = 10_000

// While base backups are taken and WAL segments are switched, one writer commits without a pause, then four of them at once. A
// restore to a target among the first has exactly the rows whose commit timestamps say so, to the microsecond; one among the
// others has those that precede the first later commit in the WAL.
func TestAccRestore_exact(t *testing.T) {
	t.Parallel()
	onPlatform(t, atLength, testAccRestoreExact)
}

func testAccRestoreExact(t *testing.T, w *world) {
	count := fewTargets
	if value := os.Getenv("PGPLATFORM_EXACT_TARGETS"); value != "" {
		var err error
		count, err = strconv.Atoi(value)
		must(t, err)
	}
	e := &exactness{world: w, seed: rand.Uint64()}
	source := func(trigger int) string {
		text := `
resource "pgplatform_database" "source" {
  name = "source"
  tier = "DEV"
  parameters = {
    track_commit_timestamp = "on"
    # A base backup begins with a checkpoint, which takes its time where much is written.
    checkpoint_timeout           = "30s"
    checkpoint_completion_target = "0.1"
    # The WAL that the writers fill is read once they are done.
    wal_keep_size = "4GB"
  }
  backup = {
    schedule  = "@yearly"
    immediate = false
    wal       = { compression = "gzip" }
    data      = { compression = "gzip" }
  }
  deletion_protection = false
}
`
		if trigger > 0 {
			text += fmt.Sprintf(`
resource "pgplatform_backup" "now" {
  database = pgplatform_database.source.id
  triggers = { number = %d }
}
`, trigger)
		}
		return text
	}
	steps := []resource.TestStep{
		{ConfigFile: w.late(func() string { return source(0) }), Check: check(e.begin)},
		{ConfigFile: w.late(func() string { return source(1) }), Check: check(e.backedUp)},
		{ConfigFile: w.late(func() string { return source(2) }), Check: check(e.backedUp)},
		{ConfigFile: w.late(func() string { return source(3) }), Check: check(func() error {
			return errors.Join(e.backedUp(), e.end(count))
		})},
	}
	e.targets = make([]instant, count+1)
	if count > fewTargets {
		e.targets = append(e.targets, instant{}, instant{}) // an idle source, and the latest state
	}
	for i := range e.targets {
		steps = append(steps, resource.TestStep{
			PreConfig: func() { e.started = time.Now() },
			ConfigFile: w.late(func() string {
				return source(3) + e.restore(i)
			}),
			Check: e.exact(i),
		})
	}
	resource.Test(t, resource.TestCase{
		CheckDestroy: check(func() error { return errors.Join(w.gone("source"), w.archived("source")) }),
		Steps:        withFactories(steps),
	})
	if !t.Failed() {
		t.Logf("%d of %d restores have exactly the rows that they must have, of %d rows; seed %d", e.right, len(e.targets), len(e.all), e.seed)
	}
}

// exactness is one source, what was committed there, and the targets to which it is restored.
type exactness struct {
	*world
	writer  *writer
	seed    uint64
	rows    []ending // of the single writer, in the order of their commits
	wal     []ending // of all transactions, in the order of the WAL
	all     []int
	targets []instant // a zero one is the latest state
	started time.Time
	right   int
}

// begin lets the single writer begin.
func (e *exactness) begin() (err error) {
	if e.writer, err = newWriter(e.world, "source"); err != nil {
		return err
	}
	return errors.Join(e.writer.begin(1), e.writer.wait(someRows))
}

// backedUp waits for more rows behind a base backup.
func (e *exactness) backedUp() error { return e.writer.wait(someRows) }

// end ends the single writer, lets four write at once, ends them, and chooses the targets.
func (e *exactness) end(count int) (err error) {
	if err := e.writer.stop(); err != nil {
		return err
	}
	if e.rows, err = e.writer.rows(0); err != nil {
		return err
	}
	single := e.rows[len(e.rows)-1].row
	if err := errors.Join(e.writer.begin(4), e.writer.wait(someRows), e.writer.stop()); err != nil {
		return err
	}
	if e.wal, err = e.writer.wal(); err != nil {
		return err
	}
	if e.all, err = e.numbersIn("source"); err != nil {
		return err
	}
	concurrent, err := e.writer.rows(single)
	if err != nil {
		return err
	}
	catalog, err := e.catalog("source")
	if err != nil {
		return err
	}
	window, ok := catalog.Window()
	if !ok {
		return fmt.Errorf("nothing can be restored: %+v", catalog.Backups)
	}
	// barman notes a backup's end before PostgreSQL has written it into the WAL, from where on the backup is consistent.
	from := window.Earliest.Add(2 * time.Second)
	e.t.Logf("%d backups; %d rows of one writer, %d of four, %d transactions in the WAL; targets from %s to %s, seed %d",
		len(catalog.Backups), len(e.rows), len(concurrent), len(e.wal), from.UTC().Format(time.TimeOnly), e.rows[len(e.rows)-1].at.UTC().Format(time.TimeOnly), e.seed)
	random := rand.New(rand.NewPCG(e.seed, 0))
	targets := instants(random, e.rows, from, count)
	for _, target := range targets {
		// The positive control: of one writer, timestamps and WAL tell the same.
		kept, _ := target.replays(e.wal)
		if err := sameRows(kept, target.keeps(e.rows)); err != nil {
			return fmt.Errorf("the WAL and the commit timestamps of one writer differ for %s: %w", target, err)
		}
	}
	copy(e.targets, append(targets,
		e.outOfOrder(random, concurrent),
		instant{kind: "on an idle source", at: time.Now().Truncate(time.Microsecond)},
		instant{kind: "the latest state"},
	))
	return nil
}

// outOfOrder is a target among concurrent writers: where there is one, on a commit that the WAL has behind a later one.
func (e *exactness) outOfOrder(random *rand.Rand, concurrent []ending) instant {
	var found []instant
	for i := range e.wal[1:] {
		if earlier := e.wal[i+1]; earlier.at.Before(e.wal[i].at) && earlier.at.After(concurrent[0].at) {
			found = append(found, instant{kind: "among four writers, behind a later commit", at: earlier.at})
		}
	}
	e.t.Logf("%d commits of concurrent writers lie behind a later one in the WAL", len(found))
	if len(found) == 0 {
		return instant{kind: "among four writers", at: concurrent[random.IntN(len(concurrent))].at}
	}
	return found[random.IntN(len(found))]
}

// restore is the configuration of a restore to a target: another resource than the one before, which is destroyed beside it.
func (e *exactness) restore(i int) string {
	target := ""
	if t := e.targets[i]; !t.at.IsZero() {
		target = fmt.Sprintf("target_time         = %q\n  target_inclusive    = %t", t.at.UTC().Format("2006-01-02T15:04:05.000000Z"), !t.exclusive)
	}
	return restoredFromSource(restoredName(i), target)
}

func restoredName(i int) string { return fmt.Sprintf("exact-%d", i+1) }

// exact: the restored database has the rows that the WAL has up to the target, no less and no more, and says of what time the
// last transaction is.
func (e *exactness) exact(i int) resource.TestCheckFunc {
	return func(s *terraform.State) error {
		target, want, last := e.targets[i], e.all, time.Time{}
		if !target.at.IsZero() {
			want, last = target.replays(e.wal)
		}
		attributes := s.RootModule().Resources["pgplatform_restore."+restoredName(i)].Primary.Attributes
		got, err := e.numbersIn(restoredName(i))
		if err == nil {
			err = sameRows(got, want)
		}
		// What others have committed on the source since its WAL was read is not known.
		if known := !last.IsZero() && target.at.Before(e.wal[len(e.wal)-1].at); err == nil && known {
			err = isInstant(attributes["restored_to"], last)
		}
		if err != nil {
			return fmt.Errorf("%s from %s: %w", target, attributes["base_backup_id"], err)
		}
		e.right++
		e.t.Logf("%d: %s from %s: the %d rows of %d that it must have, after %.0f s", i+1, target, attributes["base_backup_id"],
			len(got), len(e.all), time.Since(e.started).Seconds())
		return nil
	}
}

func isInstant(text string, want time.Time) error {
	if is, err := time.Parse(time.RFC3339Nano, text); err != nil || !is.Equal(want) {
		return fmt.Errorf("restored_to is %q, not %s", text, want.UTC().Format(time.RFC3339Nano))
	}
	return nil
}
