package cnpg

import (
	"encoding/json"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// The logs are those of pods that failed on a real platform, but for what names places there.
func TestCausesOfRealFailures(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		line, meaning, remedy string
		passes                bool // another try may end otherwise
	}{
		"past_end": {
			"FATAL: recovery ended before configured recovery target was reached",
			"The last transaction in it is of 2026-11-22 21:58:38.090398 UTC. The last segment that could be fetched is 000000010000000000000006; 000000010000000000000007 is not in the archive.",
			"recovery window", false,
		},
		"archive_not_empty":     {"ERROR: WAL archive check failed for server my-db: Expected empty archive", "holds WAL already", "backup.server_name", false},
		"unknown_key_id":        {"(InvalidAccessKeyId)", "read the source's archive", "source.credentials_secret", false},
		"wrong_secret_key":      {"(SignatureDoesNotMatch)", "read the source's archive", "source.credentials_secret", false},
		"access_denied":         {"(AccessDenied)", "read the source's archive", "source.credentials_secret", false},
		"own_archive_forbidden": {"(403) when calling the HeadBucket operation: Forbidden", "write their own archive", "backup.credentials_secret", false},
		"no_bucket":             {"(NoSuchBucket)", "bucket does not exist", "destination_path", false},
		"bucket_gone":           {"(NoSuchBucket)", "bucket does not exist", "destination_path", false}, // while WAL was fetched: PostgreSQL saw the archive's end
		"disk_full":             {"[Errno 28] No space left on device", "volume is too small", "storage.size", false},
		"disk_full_of_wal":      {`FATAL: could not extend file "base/16385/16398": No space left on device`, "volume is too small", "storage.size", false},
		"gap": {
			"FATAL: recovery ended before configured recovery target was reached",
			"The last segment that could be fetched is 00000001000000000000000F; 000000010000000000000010 is not in the archive.", "recovery window", false,
		},
		"not_starting":        {"FATAL: could not set the cipher list (no valid ciphers available)", "", "", true},
		"no_backup":           {"no target backup found", "no base backup that ended before the target", "source names the right archive", false},
		"no_such_backup":      {"no backup found with ID 20200101T000000", "not in the archive", "backup_id", false},
		"backup_wal_missing":  {"FATAL: WAL ends before end of online backup", "The last segment that could be fetched is 00000001000000000000002E; 00000001000000000000002F is not in the archive.", "another base backup", false},
		"backup_file_missing": {"ERROR: Missing file my-db/base/20261122T215751/data.*", "no longer whole", "backup_id", false},
		"first_wal_missing":   {"object storage or file not found 000000010000000000000003", "first WAL segment", "another base backup", false},
		"no_such_timeline":    {"FATAL: recovery target timeline 7 does not exist", "no history", "target_timeline", false},
		"before_consistency":  {"FATAL: requested recovery stop point is before consistent recovery point", "had not ended yet", "later target", false},
		"another_major": {
			"FATAL: database files are incompatible with server (The data directory was initialized by PostgreSQL version 17, which is not compatible with this version 15.20",
			"another major version", "postgres_version", false,
		},
		"no_secret":             {`secrets "nosuch" not found`, "take their S3 keys", "source.credentials_secret", true}, // it may yet be made
		"untrusted_certificate": {"CERTIFICATE_VERIFY_FAILED", "do not trust", "ca_certificate", false},
		"endpoint_unreachable":  {"Could not connect to the endpoint URL", "could not reach S3", "pod_endpoint_url", true},

		// By the plugin: what its container says comes first, then that of the recovery.
		"plugin_no_backup":         {"no target backup found", "no base backup that ended before the target", "source names the right archive", false},
		"plugin_first_wal_missing": {"object storage or file not found 000000010000000000000004", "first WAL segment", "another base backup", false},
		"plugin_archive_not_empty": {"ERROR: WAL archive check failed for server taken: Expected empty archive", "holds WAL already", "backup.server_name", false},
		"plugin_unknown_key_id":    {"(InvalidAccessKeyId)", "read the source's archive", "source.credentials_secret", false},
		"plugin_no_bucket":         {"(NoSuchBucket)", "bucket does not exist", "destination_path", false},
		"plugin_bucket_gone":       {"(NoSuchBucket)", "bucket does not exist", "destination_path", false}, // while WAL was fetched, of which the recovery's own log says nothing
		"plugin_disk_full":         {"[Errno 28] No space left on device", "volume is too small", "storage.size", false},
		"plugin_endpoint_resets":   {"Connection reset by peer", "could not reach S3", "pod_endpoint_url", true},
		"plugin_another_major": {
			"FATAL: database files are incompatible with server (The data directory was initialized by PostgreSQL version 17, which is not compatible with this version 15.20",
			"another major version", "postgres_version", false,
		},
		"plugin_gap": {
			"FATAL: recovery ended before configured recovery target was reached",
			"The last segment that could be fetched is 000000010000000000000006; 000000010000000000000007 is not in the archive.", "recovery window", false,
		},
		"plugin_past_end": {
			"FATAL: recovery ended before configured recovery target was reached",
			"The last transaction in it is of 2026-11-23 05:43:11.189702 UTC. The last segment that could be fetched is 000000010000000000000019; 00000001000000000000001A is not in the archive.",
			"recovery window", false,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cause := causeIn([]byte(fixture(t, name+".log")))
			if !strings.Contains(cause.Line, test.line) || !strings.Contains(cause.Meaning, test.meaning) || !strings.Contains(cause.Remedy, test.remedy) {
				t.Errorf("cause is %+v, want %+v", cause, test)
			}
			if cause.Deterministic == test.passes {
				t.Errorf("deterministic: %t", cause.Deterministic)
			}
		})
	}
}

// What S3 and the network do and may not do again, in the words that barman-cloud 3.19.1 writes of servers that answer so. None of it
// ends a wait, wherever in a recovery it comes, and whatever PostgreSQL makes of it.
func TestCausesThatPass(t *testing.T) {
	t.Parallel()
	const (
		url    = "https://s3.example.com/backups?list-type=2&prefix=pg%2Fmy-db%2Fbase%2F&delimiter=%2F&encoding-type=url"
		listed = " when calling the ListObjectsV2 operation (reached max retries: 4): "
	)
	said := map[string]string{
		"SlowDown":                  "An error occurred (SlowDown)" + listed + "Please reduce your request rate.",
		"ServiceUnavailable":        "An error occurred (ServiceUnavailable)" + listed + "Service is not able to handle request.",
		"503 of a load balancer":    "An error occurred (503)" + listed + "Service Unavailable",
		"502 of a load balancer":    "An error occurred (502)" + listed + "Bad Gateway",
		"429":                       "An error occurred (TooManyRequests)" + listed + "Please reduce your request rate.",
		"InternalError":             "An error occurred (InternalError)" + listed + "We encountered an internal error. Please try again.",
		"an answer that is cut off": "An error occurred (500)" + listed + "Internal Server Error",
		"RequestTimeout":            "An error occurred (RequestTimeout)" + listed + "Your socket connection to the server was not read from or written to within the timeout period.",
		"connection reset":          `Connection was closed before we received a valid response from endpoint URL: "` + url + `".`,
		"connection refused or DNS": `Could not connect to the endpoint URL: "` + url + `"`,
		"no answer":                 `Read timeout on endpoint URL: "` + url + `"`,
		"no connection":             `Connect timeout on endpoint URL: "` + url + `"`,
		"TLS handshake timeout":     "SSL validation failed for " + url + " _ssl.c:1000: The handshake operation timed out",
		"TLS handshake cut off":     "SSL validation failed for " + url + " [SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol (_ssl.c:1006)",
		"a file that is cut off":    "An error occurred while reading from response stream: ('Connection broken: IncompleteRead(16384 bytes read, 4 more expected)', IncompleteRead(16384 bytes read, 4 more expected))",
	}
	places := map[string]func(text string) []string{
		"looking for the base backup": func(text string) []string {
			return []string{`{"level":"error","logger":"barman","msg":"Can't extract backup id","command":"barman-cloud-backup-list","stderr":` +
				jsonText("2026-11-22 22:20:09,266 [16] ERROR: Barman cloud backup list exception: "+text+"\n") + `,"error":"exit status 4"}`, lineExit1}
		},
		"copying the base backup": func(text string) []string {
			return []string{`{"level":"info","logger":"barman-cloud-restore","msg":` + jsonText("2026-11-22 22:20:09,266 [16] ERROR: Barman cloud restore exception: "+text) + `,"pipe":"stderr"}`, lineExit1}
		},
		"fetching WAL": func(text string) []string {
			return []string{
				lineLog,
				`{"level":"info","logger":"barman-cloud-wal-restore","msg":` + jsonText("2026-11-22 22:20:09,266 [53] ERROR: Barman cloud WAL restore exception: "+text) + `,"pipe":"stderr"}`,
				lineTarget, lineSocket, lineExit1,
			}
		},
		"looking at its own archive": func(text string) []string {
			return []string{`{"level":"info","logger":"barman-cloud-check-wal-archive","msg":` + jsonText("2026-11-22 22:20:09,266 [24] ERROR: Barman cloud WAL archive check exception: "+text) + `,"pipe":"stderr"}`, lineExit1}
		},
	}
	for name, text := range said {
		for place, log := range places {
			t.Run(name+"/"+place, func(t *testing.T) {
				t.Parallel()
				cause := causeIn([]byte(strings.Join(log(text), "\n")))
				if cause.Deterministic || !strings.Contains(cause.Line, text) || !strings.Contains(cause.Meaning, "could not reach S3, or it failed") || !strings.Contains(cause.Remedy, "pod_endpoint_url") {
					t.Errorf("cause is %+v, want one that passes", cause)
				}
			})
		}
	}
}

func jsonText(text string) string {
	encoded, _ := json.Marshal(text) // a string always can be
	return string(encoded)
}

// It is no error line: PostgreSQL goes on living, and waits.
func TestRealRecoveryThatIsPaused(t *testing.T) {
	t.Parallel()
	var journal recoveryJournal
	journal.add(strings.NewReader(fixture(t, "lesser_settings.log")))
	if journal.paused == nil || !strings.Contains(journal.paused.Line, "max_connections = 100 is a lower setting than on the primary server, where its value was 150") ||
		!strings.Contains(journal.paused.Remedy, "parameters") || !journal.paused.Deterministic || journal.pausedAt.IsZero() {
		t.Errorf("paused: %+v", journal.paused)
	}
}

// What the kubelet does to a pod stands in its status, not in its log.
func TestCauseInStatus(t *testing.T) {
	t.Parallel()
	pod := func(change func(*corev1.Pod)) *corev1.Pod {
		p := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "full-recovery", Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("512Mi")}},
		}}}}
		p.Status.Phase = corev1.PodFailed
		change(p)
		return p
	}
	ended := func(reason string, code int32) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Status.ContainerStatuses = []corev1.ContainerStatus{{
				Name: "full-recovery", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: reason, ExitCode: code}},
			}}
		}
	}
	killed := statusCause(pod(ended("OOMKilled", 137)), false)
	if killed == nil || killed.Line != "container full-recovery was killed for lack of memory (OOMKilled, exit code 137): its limit is 512Mi" || !killed.Deterministic ||
		!strings.Contains(killed.Remedy, "resources.memory") {
		t.Errorf("killed for lack of memory: %+v", killed)
	}
	restarted := statusCause(pod(func(p *corev1.Pod) {
		ended("OOMKilled", 137)(p)
		status := &p.Status.ContainerStatuses[0]
		status.LastTerminationState, status.State = status.State, corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	}), true)
	if restarted == nil || restarted.Line != killed.Line {
		t.Errorf("killed and started again: %+v", restarted)
	}
	evicted := statusCause(pod(func(p *corev1.Pod) {
		p.Status.Reason, p.Status.Message = "Evicted", "The node was low on resource: ephemeral-storage."
	}), false)
	if evicted == nil || evicted.Line != "the pod's end is Evicted: The node was low on resource: ephemeral-storage." || evicted.Deterministic {
		t.Errorf("evicted: %+v", evicted)
	}
	if other := statusCause(pod(ended("Error", 1)), false); other != nil {
		t.Errorf("an error of its own: %+v", other)
	}
}
