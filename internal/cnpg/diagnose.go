package cnpg

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// logLines and logLimit bound how much of a pod's log is read: so many of its last lines, and no more bytes than that.
// A recovery writes a line for every WAL segment, and at last why it fails.
const (
	logLines = 5000
	logLimit = 4 << 20
	// logTimeout bounds how long the logs of a pod may take: the kubelet of a node that is gone answers nobody.
	logTimeout = 10 * time.Second
)

// diagnose names the cause of a pod's failure, by its status where the kubelet says it there, else by its logs. Of a pod
// whose containers are started again, it is the last end that counts. What cannot be read is said in the cause; the error is for
// what may be read when it is asked for again.
func (c *Client) diagnose(ctx context.Context, pod *corev1.Pod, again bool) (Cause, error) {
	if cause := statusCause(pod, again); cause != nil {
		return *cause, nil
	}
	ctx, cancel := context.WithTimeout(ctx, logTimeout)
	defer cancel()
	var all bytes.Buffer
	var unread error
	containers := slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers)
	if again { // the others have not failed
		containers = pod.Spec.Containers
	}
	for _, container := range containers {
		log, err := c.podLog(ctx, KeyOf(pod), logOptions{container: container.Name, lines: logLines, bytes: logLimit, previous: again})
		if err != nil {
			unread = err
			continue
		}
		all.Write(append(log, '\n'))
	}
	cause := causeIn(all.Bytes())
	if unread == nil || cause.Line != silentFailure {
		return cause, nil
	}
	cause.Line = fmt.Sprintf("%s: %v", unreadLog, unread)
	if isAnswer(unread) {
		return cause, nil
	}
	return cause, unread
}

// statusCause is what the kubelet says of the end of a pod whose programs had no say in it; nil for other ends.
func statusCause(pod *corev1.Pod, again bool) *Cause {
	if pod.Status.Reason != "" { // Evicted, NodeLost, Shutdown …
		return &Cause{
			Line:    fmt.Sprintf("the pod's end is %s: %s", pod.Status.Reason, pod.Status.Message),
			Meaning: "The node ended the pod, not the recovery.",
			Remedy:  "Have the nodes keep enough free disk and memory for the recovery.",
		}
	}
	for _, status := range containerStatuses(pod) {
		t := status.State.Terminated
		if again {
			t = status.LastTerminationState.Terminated
		}
		if t != nil && t.Reason == "OOMKilled" {
			return &Cause{
				Line:          fmt.Sprintf("container %s was killed for lack of memory (%s, exit code %d)%s", status.Name, t.Reason, t.ExitCode, memoryLimit(pod, status.Name)),
				Meaning:       "The recovery needs more memory than its pod may have.",
				Remedy:        "Set resources.memory to more than that; the source's is a measure.",
				Deterministic: true,
			}
		}
	}
	return nil
}

// containerStatuses are those of all containers of a pod, in the order in which they run.
func containerStatuses(pod *corev1.Pod) []corev1.ContainerStatus {
	return slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses)
}

func memoryLimit(pod *corev1.Pod, container string) string {
	for _, of := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		if limit, ok := of.Resources.Limits[corev1.ResourceMemory]; ok && of.Name == container {
			return fmt.Sprintf(": its limit is %s", limit.String())
		}
	}
	return ""
}

// logOptions say what of a container's log is read: so many of its last lines, and no more bytes than that.
type logOptions struct {
	container    string
	lines, bytes int64
	previous     bool // the log of the container's run before this one
}

func (c *Client) podLog(ctx context.Context, pod Key, of logOptions) ([]byte, error) {
	stream, err := c.core.Get().Namespace(pod.Namespace).Resource("pods").Name(pod.Name).SubResource("log").
		VersionedParams(&corev1.PodLogOptions{Container: of.container, TailLines: &of.lines, LimitBytes: &of.bytes, Previous: of.previous}, c.params).Stream(ctx)
	if err != nil {
		DoWithout(ctx, err, logsUnread)
		return nil, explain(err, "Pod", pod)
	}
	defer func() { _ = stream.Close() }()
	return io.ReadAll(stream)
}

// Severities of PostgreSQL that end a process.
const (
	severityFatal = "FATAL"
	severityPanic = "PANIC"
)

// refusedConnection is the message of FATAL lines that only say that PostgreSQL takes no connections yet, or no more.
const refusedConnection = "the database system is"

// logLine is what CNPG's instance manager writes: its own lines, and PostgreSQL's under record.
type logLine struct {
	Time   json.RawMessage `json:"ts"`
	Level  string          `json:"level"`
	Logger string          `json:"logger"`
	Msg    string          `json:"msg"`
	Error  string          `json:"error"`
	Stderr string          `json:"stderr"` // of a program that was run for its output
	Backup string          `json:"backupName"`
	Record struct {
		Severity string `json:"error_severity"`
		Message  string `json:"message"`
		Detail   string `json:"detail"`
	} `json:"record"`
}

// time is when the line was written; zero where it does not say, or as a number, as older releases do.
func (l *logLine) time() time.Time {
	at, _ := time.Parse(`"`+time.RFC3339Nano+`"`, string(l.Time))
	return at
}

// record is PostgreSQL's line as text.
func (l *logLine) record() string {
	text := l.Record.Severity + ": " + l.Record.Message
	if l.Record.Detail != "" {
		text += " (" + strings.TrimSuffix(l.Record.Detail, ".") + ")"
	}
	return text
}

// managerLines are the lines of a log that are the instance manager's, which are JSON.
func managerLines(log io.Reader) iter.Seq[logLine] {
	return func(yield func(logLine) bool) {
		scanner := bufio.NewScanner(log)
		scanner.Buffer(nil, 1<<20)
		for scanner.Scan() {
			var line logLine
			var odd *json.UnmarshalTypeError // what one field is not says nothing of the others
			if err := json.Unmarshal(scanner.Bytes(), &line); (err == nil || errors.As(err, &odd)) && !yield(line) {
				return
			}
		}
	}
}

// PostgreSQL's lines of a start that fails, as pg_ctl passes them on.
var (
	startFailed = regexp.MustCompile(`\b(FATAL|PANIC):  (.+)`)
	startDetail = regexp.MustCompile(`\bDETAIL:  (.+?)\.?$`)
)

// errorLines are the lines of a log that tell of an error, as text for people.
func errorLines(log io.Reader) []string { return errorsIn(managerLines(log)) }

func errorsIn(log iter.Seq[logLine]) []string {
	var lines []string
	for line := range log {
		for said := range strings.Lines(line.Stderr) { // it comes before what the instance manager makes of it
			if said = strings.TrimSpace(said); said != "" && line.Level == "error" {
				lines = append(lines, said)
			}
		}
		switch {
		case strings.HasPrefix(line.Record.Message, refusedConnection):
		case line.Record.Severity == severityFatal || line.Record.Severity == severityPanic:
			lines = append(lines, line.record())
		case line.Error != "" && line.Msg != "":
			lines = append(lines, line.Msg+": "+line.Error)
		case line.Level == "error" && line.Msg != "":
			lines = append(lines, line.Msg)
		case strings.Contains(line.Msg, "ERROR"):
			lines = append(lines, line.Msg) // barman's own output, passed on as it came
		case startFailed.MatchString(line.Msg): // before PostgreSQL writes its log where it is told to
			m := startFailed.FindStringSubmatch(line.Msg)
			lines = append(lines, m[1]+": "+strings.TrimSpace(m[2]))
		case startDetail.MatchString(line.Msg) && len(lines) > 0 && strings.HasPrefix(lines[len(lines)-1], severityFatal):
			lines[len(lines)-1] += " (" + startDetail.FindStringSubmatch(line.Msg)[1] + ")"
		}
	}
	return lines
}
