package cnpg

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Cause is why a pod failed.
type Cause struct {
	// Line is the log line that says it, in PostgreSQL's, barman's or CNPG's own words.
	Line string
	// Meaning says what the line means for whoever asked for the restore; "" for a line that is not known.
	Meaning string
	// Remedy is what to change; "" for a line that is not known.
	Remedy string
	// Deterministic: trying again, as the Job does by itself, ends the same way.
	Deterministic bool
}

// knownCauses are looked for in this order: what comes later is often only a consequence of what comes first.
var knownCauses = []struct {
	pattern string
	cause   Cause
}{
	{"Expected empty archive", Cause{
		Meaning:       "The folder that the new cluster would archive to holds WAL already.",
		Remedy:        "Choose another name for the new cluster, so that its archive begins in an empty folder.",
		Deterministic: true,
	}},
	{"recovery ended before configured recovery target was reached", Cause{
		Meaning:       "The archive ends before the target: no transaction later than target_time has been archived.",
		Remedy:        "Choose a target_time within the recovery window, or restore the latest state by leaving target_time out.",
		Deterministic: true,
	}},
	{"requested recovery stop point is before consistent recovery point", Cause{
		Meaning:       "The base backup had not ended yet at the target.",
		Remedy:        "Choose a target_time after the end of the first base backup.",
		Deterministic: true,
	}},
	{"no target backup found", Cause{
		Meaning:       "The archive holds no base backup that ended before the target.",
		Remedy:        "Choose a target_time within the recovery window that data.pgplatform_backups shows.",
		Deterministic: true,
	}},
	{"no backup found with ID", Cause{
		Meaning:       "The base backup is no longer in the archive.",
		Remedy:        "Apply again: the base backup is then chosen from those that are there.",
		Deterministic: true,
	}},
	{"checking the presence of first needed WAL", Cause{
		Meaning:       "The first WAL segment that the base backup needs is not in the archive.",
		Remedy:        "Choose a target_time that another base backup covers.",
		Deterministic: true,
	}},
	{"database files are incompatible with server", Cause{
		Meaning:       "The image runs another major version of PostgreSQL than the one that made the backup.",
		Remedy:        "Use an image of the backup's major version.",
		Deterministic: true,
	}},
	{"NoSuchBucket", Cause{
		Meaning:       "The bucket does not exist.",
		Remedy:        "Check destination_path, and that the pods reach the same S3 as Terraform does (pod_endpoint_url).",
		Deterministic: true,
	}},
	{"InvalidAccessKeyId", refusedKeys},
	{"SignatureDoesNotMatch", refusedKeys},
	{"AccessDenied", refusedKeys},
	{forbiddenHead, refusedKeys},
	{"No space left on device", Cause{
		Meaning:       "The volume is too small for the restored data.",
		Remedy:        "Give the new cluster at least the storage of the source.",
		Deterministic: true,
	}},
}

// forbiddenHead is how boto3 tells of a refused request whose answer has no body.
const forbiddenHead = "An error occurred (403)"

var refusedKeys = Cause{
	Meaning:       "S3 refuses the keys that the pods use, or they lack a right.",
	Remedy:        "Check the access keys in the provider's object_store, and the bucket's policy.",
	Deterministic: true,
}

// logLines and logLimit bound how much of a pod's log is read: so many of its last lines, and no more bytes than that.
// A recovery writes a line for every WAL segment, and what it fails of at last.
const (
	logLines = 5000
	logLimit = 4 << 20
)

// diagnose reads the logs of a failed pod and names the cause. It never fails: what cannot be read is said in the cause.
func (c *Client) diagnose(ctx context.Context, pod *corev1.Pod) Cause {
	var lines []string
	for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		log, err := c.podLog(ctx, KeyOf(pod), container.Name)
		if err != nil {
			lines = append(lines, fmt.Sprintf("its log cannot be read: %v", err))
			continue
		}
		lines = append(lines, errorLines(bytes.NewReader(log))...)
	}
	return causeOf(lines)
}

func (c *Client) podLog(ctx context.Context, pod Key, container string) ([]byte, error) {
	lines, limit := int64(logLines), int64(logLimit)
	stream, err := c.core.Get().Namespace(pod.Namespace).Resource("pods").Name(pod.Name).SubResource("log").
		VersionedParams(&corev1.PodLogOptions{Container: container, TailLines: &lines, LimitBytes: &limit}, c.params).Stream(ctx)
	if err != nil {
		return nil, explain(err, "Pod", pod)
	}
	defer func() { _ = stream.Close() }()
	return io.ReadAll(stream)
}

// causeOf picks the known cause among a log's error lines, else what PostgreSQL died of, else the last line: the instance
// manager ends with lines that only say that PostgreSQL has ended.
func causeOf(lines []string) Cause {
	for _, known := range knownCauses {
		for _, line := range lines {
			if strings.Contains(line, known.pattern) {
				cause := known.cause
				cause.Line = line
				return cause
			}
		}
	}
	if len(lines) == 0 {
		return Cause{Line: "the pod failed without an error in its log"}
	}
	for _, line := range slices.Backward(lines) {
		if strings.HasPrefix(line, severityFatal) || strings.HasPrefix(line, severityPanic) {
			return Cause{Line: line}
		}
	}
	return Cause{Line: lines[len(lines)-1]}
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
	Level  string `json:"level"`
	Logger string `json:"logger"`
	Msg    string `json:"msg"`
	Error  string `json:"error"`
	Record struct {
		Severity string `json:"error_severity"`
		Message  string `json:"message"`
	} `json:"record"`
}

// managerLines are the lines of a log that are the instance manager's, which are JSON.
func managerLines(log io.Reader) iter.Seq[logLine] {
	return func(yield func(logLine) bool) {
		scanner := bufio.NewScanner(log)
		scanner.Buffer(nil, 1<<20)
		for scanner.Scan() {
			var line logLine
			if json.Unmarshal(scanner.Bytes(), &line) == nil && !yield(line) {
				return
			}
		}
	}
}

// errorLines are the lines of a log that tell of an error, as text for people.
func errorLines(log io.Reader) []string {
	var lines []string
	for line := range managerLines(log) {
		switch {
		case strings.HasPrefix(line.Record.Message, refusedConnection):
		case line.Record.Severity == severityFatal || line.Record.Severity == severityPanic:
			lines = append(lines, line.Record.Severity+": "+line.Record.Message)
		case line.Error != "" && line.Msg != "":
			lines = append(lines, line.Msg+": "+line.Error)
		case line.Level == "error" && line.Msg != "":
			lines = append(lines, line.Msg)
		case strings.Contains(line.Msg, "ERROR"):
			lines = append(lines, line.Msg) // barman's own output, passed on as it came
		}
	}
	return lines
}
