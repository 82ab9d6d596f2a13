package cnpg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

// Progress is told what a wait sees, whenever that changes and at least once in [Graces.Progress].
type Progress func(text string)

// Course is what lies before a recovery, as far as its caller knows: with it, the progress says how far a recovery is.
type Course struct {
	// FirstWAL and LastWAL are the WAL segments that the base backup begins in and that the archive ends with.
	FirstWAL, LastWAL string
	// SegmentSize is that of the archive; 0 is PostgreSQL's default.
	SegmentSize recovery.SegmentSize
	// Bytes is the size of the base backup; 0 where it is not known.
	Bytes int64
}

// restoreProgress tells how a recovery goes on.
type restoreProgress struct {
	client *Client
	course Course
	began  time.Time

	seen    string    // what the last snapshot showed
	read    time.Time // when the recovery's log was asked for last
	journal recoveryJournal
	unread  bool // the pods' logs may not be read

	mu     sync.Mutex // guards what follows, which the timer uses too
	tell   Progress
	told   string // how it stood last
	repeat *time.Timer
}

// newRestoreProgress begins to tell; [restoreProgress.stop] ends that.
func (c *Client) newRestoreProgress(course Course, tell Progress) *restoreProgress {
	p := &restoreProgress{client: c, course: course, began: time.Now(), tell: tell, told: "the API server has not answered yet"}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.repeat = time.AfterFunc(c.Graces.Progress, p.again)
	return p
}

// again tells how it stood last: what the next look asks may take its time to answer.
func (p *restoreProgress) again() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tell != nil {
		p.say(p.told, true)
	}
}

// say tells a text, with mu held.
func (p *restoreProgress) say(text string, since bool) {
	if since {
		text += fmt.Sprintf(" (%s so far)", time.Since(p.began).Round(time.Second))
	}
	p.repeat.Reset(p.client.Graces.Progress)
	p.tell(text)
}

// event tells of something that has happened.
func (p *restoreProgress) event(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.say(text, false)
}

// stop ends the telling: nothing is told after it.
func (p *restoreProgress) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tell = nil
	p.repeat.Stop()
}

// look tells what a snapshot shows, and what the recovery's log shows beyond it: what has changed at once, and what goes on
// as it did twice as often as something has to be told, so that there is time to read the log. The error is a recovery that goes
// on no more.
func (p *restoreProgress) look(ctx context.Context, s *Snapshot) error {
	text := progressOf(s)
	same := text == p.seen
	if same && time.Since(p.read) < p.client.Graces.Progress/2 {
		return nil
	}
	p.seen, p.read = text, time.Now()
	pod := recoveryPodIn(s, corev1.PodRunning)
	if pod != nil {
		p.readLog(ctx, pod)
		if stage := p.journal.stage(p.course); stage != "" {
			text += ": " + stage
		}
	}
	p.mu.Lock()
	p.told = text
	p.say(text, same)
	p.mu.Unlock()
	if pod != nil && p.journal.pod == pod.Name && p.journal.paused != nil {
		return &RecoveryError{Key: KeyOf(s.Cluster), Pod: pod.Name, Cause: *p.journal.paused, Failed: p.journal.pausedAt}
	}
	return nil
}

// journalLines and journalLimit bound what is read of a running recovery's log each time: its last lines, no more bytes than
// that, and no longer than that.
const (
	journalLines   = 200
	journalLimit   = 1 << 20
	journalTimeout = 3 * time.Second
)

// readLog brings the journal up to date. What cannot be read just now is read the next time.
func (p *restoreProgress) readLog(ctx context.Context, pod *corev1.Pod) {
	if p.journal.pod != pod.Name {
		p.journal = recoveryJournal{pod: pod.Name}
	}
	if p.unread {
		return
	}
	if err := p.client.readJournal(ctx, pod, &p.journal); err != nil {
		p.unread = errors.Is(err, ErrForbidden) // a pod that is gone has a successor
	}
}

// readJournal adds to a journal what the last lines of a pod's log tell.
func (c *Client) readJournal(ctx context.Context, pod *corev1.Pod, journal *recoveryJournal) error {
	ctx, cancel := context.WithTimeout(ctx, journalTimeout)
	defer cancel()
	log, err := c.recoveryLog(ctx, pod, logOptions{lines: journalLines, bytes: journalLimit})
	journal.add(bytes.NewReader(log))
	return err
}

// recoveryJournal is how far a recovery is, as its log tells.
type recoveryJournal struct {
	pod      string
	phase    string
	segment  string // the WAL segment that was restored last
	missing  string // the last one that was not there
	at       string // the location that was replayed last
	paused   *Cause // what keeps it from going on, for good
	pausedAt time.Time
}

// The phases of a recovery.
const (
	phaseCopying   = "copying the base backup"
	phaseStarting  = "starting PostgreSQL on the base backup"
	phaseReplaying = "replaying WAL"
	phaseRecovered = "recovered; configuring the database"
)

// PostgreSQL's lines while a recovery goes on; the plugin's program names the files that it fetches itself.
var (
	restoredLine   = regexp.MustCompile(`^restored log file "([0-9A-F]{24})" from archive$`)
	missingLine    = regexp.MustCompile(`ERROR: WAL file ([0-9A-F]{24}) for server .* does not exist`) // barman's
	inProgressLine = regexp.MustCompile(`^redo in progress, .*current LSN: ([0-9A-F]+/[0-9A-F]+)`)
)

// add takes in lines of the log, which may have been read before.
func (j *recoveryJournal) add(log io.Reader) {
	var hotStandby logLine
	for line := range managerLines(log) {
		message := line.Record.Message
		switch {
		case strings.HasPrefix(line.Msg, "Starting barman-cloud-restore"):
			j.phase = phaseCopying
		case line.Msg == "Restore completed":
			j.phase = phaseStarting
		case message == "archive recovery complete":
			j.phase = phaseRecovered
		case strings.HasPrefix(message, insufficientSettings):
			hotStandby = line
		case message == recoveryPaused && hotStandby.Record.Message != "":
			cause := causeOf([]string{hotStandby.record()})
			j.paused, j.pausedAt = &cause, line.time()
		}
		if j.phase == phaseRecovered {
			continue
		}
		if m := restoredLine.FindStringSubmatch(message); m != nil {
			j.phase, j.segment = phaseReplaying, m[1]
		}
		if m := missingLine.FindStringSubmatch(line.Msg); m != nil {
			j.missing = m[1]
		}
		if m := inProgressLine.FindStringSubmatch(message); m != nil {
			j.at = m[1]
		}
	}
}

// stage is where a recovery stands, in words.
func (j *recoveryJournal) stage(course Course) string {
	switch j.phase {
	case phaseCopying:
		if course.Bytes > 0 {
			return fmt.Sprintf("%s (%s)", j.phase, SizeText(course.Bytes))
		}
	case phaseReplaying:
		text := j.phase + ", segment " + j.segment
		if done, all := course.counts(j.segment); done > 0 && done <= all {
			text += fmt.Sprintf(" (%d of at most %d)", done, all)
		} else if done > 0 {
			text += fmt.Sprintf(" (%d so far)", done)
		}
		if j.at != "" {
			text += ", at " + j.at
		}
		return text
	}
	return j.phase
}

// counts tells which segment of a recovery this is, counted from 1, and how many there are up to the archive's end; 0 where that is
// not known. On another timeline the numbers go on.
func (c Course) counts(segment string) (done, all uint64) {
	size := c.SegmentSize
	if size == 0 {
		size = recovery.DefaultSegmentSize
	}
	first, err := recovery.ParseSegment(c.FirstWAL, size)
	if err != nil {
		return 0, 0
	}
	is, err := recovery.ParseSegment(segment, size)
	if err != nil || is.Number < first.Number {
		return 0, 0
	}
	if last, err := recovery.ParseSegment(c.LastWAL, size); err == nil && last.Number >= first.Number {
		all = last.Number - first.Number + 1
	}
	return is.Number - first.Number + 1, all
}

// SizeText is a number of bytes for people.
func SizeText(n int64) string {
	const unit = 1 << 10
	size, units := float64(n), []string{"bytes", "KiB", "MiB", "GiB"}
	for len(units) > 1 && size >= unit {
		size, units = size/unit, units[1:]
	}
	return fmt.Sprintf("%.4g %s", size, units[0])
}
