package cnpg

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

// Recovered is what PostgreSQL says of the end of a recovery. Zero values are what nobody could say any more.
type Recovered struct {
	// LastTransaction is the time of the last transaction that was replayed.
	LastTransaction time.Time
	// LSN lies within the last WAL record that was replayed, so that its segment is the last one that was reached.
	LSN recovery.LSN
	// Timeline is the one that the recovery ended with.
	Timeline uint32
	// Trouble is barman's line about WAL that it could not fetch, which is not the same as WAL that is not there: PostgreSQL
	// takes that for the archive's end, so that a recovery without a target has ended too early. "" where there was none.
	Trouble string
}

// PostgreSQL's lines at the end of a recovery. The times in them are in the zone of its setting timezone.
var (
	lastTransactionLine = regexp.MustCompile(`^last completed transaction was at log time (.+)$`)
	redoDoneLine        = regexp.MustCompile(`^redo done at ([0-9A-F]+/[0-9A-F]+)`)
	newTimelineLine     = regexp.MustCompile(`^selected new timeline ID: (\d+)$`)
)

// fetchFailed is in barman's line where it could not look, rather than that it found nothing.
const fetchFailed = "ERROR: Barman cloud WAL restore exception"

// pluginFetchFailed begins the line of the Barman Cloud plugin about the same.
const pluginFetchFailed = "Failed restoring WAL file"

// recoveredIn reads the log of a recovery that has succeeded.
func recoveredIn(log io.Reader) Recovered {
	var r Recovered
	for line := range managerLines(log) {
		message := line.Record.Message
		if r.Trouble == "" && r.LSN == 0 && strings.Contains(line.Msg, fetchFailed) {
			r.Trouble = line.Msg
		}
		if r.Trouble == "" && r.LSN == 0 && strings.HasPrefix(line.Msg, pluginFetchFailed) {
			r.Trouble = line.Msg + ": " + line.Error
		}
		if m := lastTransactionLine.FindStringSubmatch(message); m != nil {
			r.LastTransaction, _ = parseLogTime(m[1])
		}
		if m := redoDoneLine.FindStringSubmatch(message); m != nil {
			r.LSN, _ = recovery.ParseLSN(m[1])
		}
		if m := newTimelineLine.FindStringSubmatch(message); m != nil {
			timeline, _ := strconv.ParseUint(m[1], 10, 32)
			r.Timeline = uint32(timeline)
			return r // what follows are the starts of a database that is recovered
		}
	}
	return r
}

// parseLogTime reads a time as PostgreSQL writes it into its messages: 2026-03-26 12:00:07.411000+05:30.
func parseLogTime(text string) (time.Time, error) {
	var t time.Time
	var err error
	for _, layout := range []string{"2006-01-02 15:04:05.999999Z07", "2006-01-02 15:04:05.999999Z07:00", "2006-01-02 15:04:05.999999Z07:00:00"} {
		if t, err = time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, err
}

// recoveredBy is what the log of a pod says that has done a recovery, beside what is known of it. It is false where some of the log may
// be read when it is asked for again; what may not be read stays unknown.
func (c *Client) recoveredBy(ctx context.Context, pod *corev1.Pod, known Recovered) (Recovered, bool) {
	ctx, cancel := context.WithTimeout(ctx, logTimeout)
	defer cancel()
	log, err := c.recoveryLog(ctx, pod, logOptions{lines: logLines, bytes: logLimit})
	return known.and(recoveredIn(bytes.NewReader(log))), err == nil || isAnswer(err)
}

// and is what is known where more was read.
func (r Recovered) and(more Recovered) Recovered {
	if r.LastTransaction.IsZero() {
		r.LastTransaction = more.LastTransaction
	}
	return Recovered{
		LastTransaction: r.LastTransaction, LSN: cmp.Or(r.LSN, more.LSN), Timeline: cmp.Or(r.Timeline, more.Timeline), Trouble: cmp.Or(r.Trouble, more.Trouble),
	}
}

// recoveryLog is what the containers of a pod say that do a recovery: where the Barman Cloud plugin fetches what PostgreSQL
// replays, barman's words are in the log of the plugin's, and come first here. Beside an error it is what the other container says:
// that of PostgreSQL is asked first, and has the time that there is.
func (c *Client) recoveryLog(ctx context.Context, pod *corev1.Pod, of logOptions) ([]byte, error) {
	of.container = recoveryJobRole
	log, err := c.podLog(ctx, KeyOf(pod), of)
	if !hasPluginContainer(pod) {
		return log, err
	}
	of.container = pluginContainer
	barman, barmanErr := c.podLog(ctx, KeyOf(pod), of)
	return slices.Concat(barman, []byte{'\n'}, log), cmp.Or(err, barmanErr)
}

// historySQL reads the history of the timeline that a database writes on: its last line tells where the recovery ended.
const historySQL = `SELECT timeline, pg_read_file('pg_wal/' || timeline || '.history', 0, 65536, true) ` +
	`FROM substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) AS timeline`

// askRecovered completes what is known of a recovery by what the restored database itself knows. It needs the right to
// create pods/exec; without it, what is unknown stays so.
func (c *Client) askRecovered(ctx context.Context, key Key, known Recovered) Recovered {
	if known.LSN != 0 && known.Timeline != 0 {
		return known
	}
	answer, err := c.Query(ctx, key, "postgres", historySQL)
	if err != nil {
		return known
	}
	name, content, _ := strings.Cut(answer, "\t")
	timeline, err := strconv.ParseUint(name, 16, 32)
	if err != nil {
		return known
	}
	history, err := recovery.ParseHistory(uint32(timeline), []byte(content))
	if err != nil || len(history.Switches) == 0 {
		return known
	}
	last := history.Switches[len(history.Switches)-1]
	known.Timeline = history.Timeline
	known.LSN = last.At - 1 // the last byte that was replayed
	return known
}
