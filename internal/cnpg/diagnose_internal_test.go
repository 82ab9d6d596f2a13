package cnpg

import (
	"strings"
	"testing"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Lines as CNPG's instance manager writes them.
const (
	lineStart     = `{"level":"info","ts":"2026-03-26T12:00:01.002Z","msg":"Starting webserver","logging_pod":"my-db-pitr-1-full-recovery","address":"localhost:8010","hasTLS":false}`
	lineNoBackup  = `{"level":"error","ts":"2026-03-26T12:00:03.1Z","msg":"Error while restoring a backup","logging_pod":"my-db-pitr-1-full-recovery","error":"no target backup found","stacktrace":"github.com/cloudnative-pg/machinery/pkg/log.(*logger).Error\n\tpkg/log/log.go:125"}`
	lineRestore   = `{"level":"error","ts":"2026-03-26T12:00:03.2Z","msg":"restore error","logging_pod":"my-db-pitr-1-full-recovery","error":"while restoring cluster: no target backup found"}`
	lineWAL       = `{"level":"info","ts":"2026-03-26T12:00:05Z","logger":"wal-restore","msg":"Restored WAL file","logging_pod":"my-db-pitr-1-full-recovery","walName":"000000010000000000000004"}`
	lineHistory   = `{"level":"info","ts":"2026-03-26T12:00:05Z","logger":"barman-cloud-wal-restore","msg":"2026-03-26 12:00:05,120 [53] ERROR: WAL file 00000002.history for server my-db does not exists","pipe":"stderr","logging_pod":"my-db-pitr-1-full-recovery"}`
	lineStarting  = `{"level":"info","ts":"2026-03-26T12:00:06Z","logger":"postgres","msg":"record","logging_pod":"my-db-pitr-1-full-recovery","record":{"log_time":"2026-03-26 12:00:06.011 UTC","user_name":"postgres","database_name":"postgres","process_id":"44","error_severity":"FATAL","sql_state_code":"57P03","message":"the database system is starting up","backend_type":"client backend"}}`
	lineTarget    = `{"level":"info","ts":"2026-03-26T12:00:07Z","logger":"postgres","msg":"record","logging_pod":"my-db-pitr-1-full-recovery","record":{"log_time":"2026-03-26 12:00:07.411 UTC","process_id":"31","error_severity":"FATAL","sql_state_code":"XX000","message":"recovery ended before configured recovery target was reached","backend_type":"startup"}}`
	lineLibrary   = `{"level":"info","ts":"2026-03-26T12:00:07Z","logger":"postgres","msg":"record","record":{"error_severity":"FATAL","message":"could not access file \"timescaledb\": No such file or directory"}}`
	lineLog       = `{"level":"info","ts":"2026-03-26T12:00:07Z","logger":"postgres","msg":"record","record":{"error_severity":"LOG","message":"starting point-in-time recovery to 2026-03-26 11:00:00+00"}}`
	lineSocket    = `{"level":"error","ts":"2026-03-26T12:00:08Z","msg":"Error while restoring a backup","error":"while waiting for PostgreSQL to stop recovery mode: while executing the status query: failed to connect: dial unix /controller/run/.s.PGSQL.5432: connect: no such file or directory"}`
	lineNotEmpty  = `{"level":"info","ts":"2026-03-26T12:00:02Z","logger":"barman-cloud-check-wal-archive","msg":"2026-03-26 12:00:02,345 [24] ERROR: WAL archive check failed for server my-db-pitr: Expected empty archive","pipe":"stderr","logging_pod":"my-db-pitr-1-full-recovery"}`
	lineExit1     = `{"level":"error","ts":"2026-03-26T12:00:02Z","msg":"restore error","error":"unexpected failure invoking barman-cloud-wal-archive: exit status 1"}`
	lineNetwork   = `{"level":"info","ts":"2026-03-26T12:00:02Z","logger":"barman-cloud-backup-list","msg":"2026-03-26 12:00:02,345 [24] ERROR: Barman cloud backup list exception: Could not connect to the endpoint URL: \"http://localstack:4566/backups\"","pipe":"stderr"}`
	lineBucket    = `{"level":"info","ts":"2026-03-26T12:00:02Z","logger":"barman-cloud-backup-list","msg":"2026-03-26 12:00:02,345 [24] ERROR: Barman cloud backup list exception: An error occurred (NoSuchBucket) when calling the ListObjectsV2 operation: The specified bucket does not exist","pipe":"stderr"}`
	lineKeys      = `{"level":"info","ts":"2026-03-26T12:00:02Z","logger":"barman-cloud-backup-list","msg":"2026-03-26 12:00:02,345 [24] ERROR: Barman cloud backup list exception: An error occurred (InvalidAccessKeyId) when calling the ListObjectsV2 operation: The AWS Access Key Id you provided does not exist in our records.","pipe":"stderr"}`
	lineNoBody    = `{"level":"info","ts":"2026-03-26T12:00:02Z","logger":"barman-cloud-backup-list","msg":"2026-03-26 12:00:02,345 [24] ERROR: Barman cloud backup list exception: An error occurred (403) when calling the HeadBucket operation: Forbidden","pipe":"stderr"}`
	lineDiskFull  = `{"level":"info","ts":"2026-03-26T12:00:09Z","logger":"barman-cloud-restore","msg":"2026-03-26 12:00:09,345 [24] ERROR: [Errno 28] No space left on device","pipe":"stderr"}`
	lineMajor     = `{"level":"info","ts":"2026-03-26T12:00:07Z","logger":"postgres","msg":"record","record":{"error_severity":"FATAL","message":"database files are incompatible with server"}}`
	lineTooEarly  = `{"level":"info","ts":"2026-03-26T12:00:07Z","logger":"postgres","msg":"record","record":{"error_severity":"FATAL","message":"requested recovery stop point is before consistent recovery point"}}`
	lineBackupID  = `{"level":"error","ts":"2026-03-26T12:00:03Z","msg":"Error while restoring a backup","error":"no backup found with ID 20260326T110000"}`
	lineFirstWAL  = `{"level":"error","ts":"2026-03-26T12:00:03Z","msg":"Error while restoring a backup","error":"encountered an error while checking the presence of first needed WAL in the archive: object storage or file not found 000000010000000000000003: WAL not found"}`
	lineNoBarman  = `{"level":"error","msg":"restore error","error":"unexpected failure invoking barman-cloud-wal-archive: exec: \"barman-cloud-check-wal-archive\": executable file not found in $PATH"}`
	lineRegion    = `{"level":"info","logger":"barman-cloud-backup-list","msg":"ERROR: Barman cloud backup list exception: An error occurred (AuthorizationHeaderMalformed) when calling the ListObjectsV2 operation","pipe":"stderr"}`
	lineBackupWAL = `{"logger":"postgres","msg":"record","record":{"error_severity":"FATAL","message":"WAL ends before end of online backup"}}`
	lineNoCAText  = `ERROR: Barman cloud backup list exception: SSL validation failed for https://s3.example.com/ [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed`
	lineNoCA      = `{"level":"info","logger":"barman-cloud-backup-list","msg":"` + lineNoCAText + `","pipe":"stderr"}`
	lineNoTLSText = `ERROR: Barman cloud backup list exception: SSL validation failed for https://s3.example.com/ [SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)`
	lineNoTLS     = `{"level":"info","logger":"barman-cloud-backup-list","msg":"` + lineNoTLSText + `","pipe":"stderr"}`
	lineNotJSON   = `Defaulted container "full-recovery" out of: full-recovery, bootstrap-controller (init)`
	lineCutInHalf = `{"level":"error","msg":"restore er`
)

func TestCauseOf(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name          string
		log           []string
		line          string
		deterministic bool
	}{
		{"target before the first backup", []string{lineNotJSON, lineStart, lineNoBackup, lineRestore}, "Error while restoring a backup: no target backup found", true},
		{
			"target past the archive's end", []string{lineStart, lineWAL, lineHistory, lineStarting, lineLog, lineTarget, lineSocket},
			"FATAL: recovery ended before configured recovery target was reached", true,
		},
		{"target before the end of the backup", []string{lineStarting, lineTooEarly, lineSocket}, "FATAL: requested recovery stop point is before consistent recovery point", true},
		{
			"archive not empty", []string{lineStart, lineNotEmpty, lineExit1},
			"2026-03-26 12:00:02,345 [24] ERROR: WAL archive check failed for server my-db-pitr: Expected empty archive", true,
		},
		{"backup expired", []string{lineBackupID, lineExit1}, "Error while restoring a backup: no backup found with ID 20260326T110000", true},
		{"WAL expired", []string{lineFirstWAL}, "Error while restoring a backup: encountered an error while checking the presence of first needed WAL in the archive: object storage or file not found 000000010000000000000003: WAL not found", true},
		{"another major version", []string{lineStarting, lineMajor, lineSocket}, "FATAL: database files are incompatible with server", true},
		{
			"no bucket", []string{lineBucket, lineExit1},
			"2026-03-26 12:00:02,345 [24] ERROR: Barman cloud backup list exception: An error occurred (NoSuchBucket) when calling the ListObjectsV2 operation: The specified bucket does not exist", true,
		},
		{
			"wrong keys", []string{lineKeys, lineExit1},
			"2026-03-26 12:00:02,345 [24] ERROR: Barman cloud backup list exception: An error occurred (InvalidAccessKeyId) when calling the ListObjectsV2 operation: The AWS Access Key Id you provided does not exist in our records.", true,
		},
		{
			"wrong keys, in an answer without a body", []string{lineNoBody, lineExit1},
			"2026-03-26 12:00:02,345 [24] ERROR: Barman cloud backup list exception: An error occurred (403) when calling the HeadBucket operation: Forbidden", true,
		},
		{"times as numbers, as older releases write them", []string{strings.Replace(lineNoBackup, `"2026-03-26T12:00:03.1Z"`, "1774526403.1", 1)}, "Error while restoring a backup: no target backup found", true},
		{"disk full", []string{lineDiskFull, lineExit1}, "2026-03-26 12:00:09,345 [24] ERROR: [Errno 28] No space left on device", true},
		// A retry fills the disk with a second copy of the data: what failed first is the cause.
		{"disk full in a retry", []string{lineNoBackup, lineDiskFull}, "Error while restoring a backup: no target backup found", true},
		{
			"network", []string{lineStart, lineNetwork, lineExit1},
			`2026-03-26 12:00:02,345 [24] ERROR: Barman cloud backup list exception: Could not connect to the endpoint URL: "http://localstack:4566/backups"`, false,
		},
		// PostgreSQL takes WAL that could not be fetched for the archive's end.
		{
			"network while WAL is fetched", []string{lineLog, lineNetwork, lineTarget, lineSocket},
			`2026-03-26 12:00:02,345 [24] ERROR: Barman cloud backup list exception: Could not connect to the endpoint URL: "http://localstack:4566/backups"`, false,
		},
		{"unknown death of PostgreSQL", []string{lineStarting, lineLibrary, lineStarting, lineSocket}, `FATAL: could not access file "timescaledb": No such file or directory`, false},
		{"cut off", []string{lineStart, lineCutInHalf}, "the pod failed without an error in its log", false},
		{"a field of another type", []string{`{"level":"error","msg":"restore error","error":"no target backup found","stderr":{"text":""}}`}, "restore error: no target backup found", true},
		{"no barman", []string{lineNoBarman, lineStart}, `restore error: unexpected failure invoking barman-cloud-wal-archive: exec: "barman-cloud-check-wal-archive": executable file not found in $PATH`, true},
		{"no CA", []string{lineNoCA, lineExit1}, lineNoCAText, true},
		{"no TLS", []string{lineNoTLS, lineExit1}, lineNoTLSText, true},
		{"another region", []string{lineRegion, lineExit1}, "ERROR: Barman cloud backup list exception: An error occurred (AuthorizationHeaderMalformed) when calling the ListObjectsV2 operation", true},
		{"WAL of the backup itself", []string{lineBackupWAL, lineSocket}, "FATAL: WAL ends before end of online backup", true},
		{"no program at all", []string{lineStart, "exec /controller/manager: exec format error", ""}, "exec /controller/manager: exec format error", false},
		{"empty", nil, "the pod failed without an error in its log", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			cause := causeIn([]byte(strings.Join(test.log, "\n")))
			if cause.Line != test.line || cause.Deterministic != test.deterministic {
				t.Errorf("cause is %+v, want line %q, deterministic %t", cause, test.line, test.deterministic)
			}
			if test.deterministic && (cause.Meaning == "" || cause.Remedy == "") {
				t.Errorf("meaning %q, remedy %q", cause.Meaning, cause.Remedy)
			}
		})
	}
}

func TestErrorLinesAreOfErrorsOnly(t *testing.T) {
	t.Parallel()
	if lines := errorLines(strings.NewReader(strings.Join([]string{lineNotJSON, lineStart, lineWAL, lineLog, lineStarting}, "\n"))); len(lines) != 0 {
		t.Errorf("error lines: %q", lines)
	}
}

// Some phases are passed through by healthy clusters: they count as final only after a while.
func TestReadyGivesPhasesGrace(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		phase, reason string
		asksAgain     bool // CNPG does, a plugin or the API server
	}{
		{phase: cnpgv1.PhaseUnknownPlugin},
		{phase: cnpgv1.PhaseFailurePlugin, asksAgain: true},
		{phase: cnpgv1.PhaseCannotCreateClusterObjects, reason: `services "my-db-rw" is forbidden: exceeded quota: few, requested: services=1, used: services=2, limited: services=2`},
		{phase: cnpgv1.PhaseCannotCreateClusterObjects, reason: "Timeout: request did not complete within requested timeout - context deadline exceeded", asksAgain: true},
		{phase: phaseDiskFull},
		{phase: cnpgv1.PhaseWaitingForUser},
	} {
		phase := test.phase
		t.Run(phase+" "+test.reason, func(t *testing.T) {
			t.Parallel()
			key := Key{Namespace: "myorg", Name: "my-db"}
			s := &Snapshot{Cluster: &cnpgv1.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: "myorg", Name: "my-db"}}}
			s.Cluster.Status.Phase, s.Cluster.Status.PhaseReason = phase, test.reason
			is := (&Client{Graces: DefaultGraces}).newReadiness(key)
			if done, err := is.reached(t.Context(), s); done || err != nil {
				t.Errorf("at first: %t, %v", done, err)
			}
			grace := DefaultGraces.Phase
			if test.asksAgain {
				grace = DefaultGraces.Restart
				is.phase.from = time.Now().Add(-DefaultGraces.Phase - time.Second)
				if done, err := is.reached(t.Context(), s); done || err != nil {
					t.Errorf("while CNPG asks again: %t, %v", done, err)
				}
			}
			is.phase.from = time.Now().Add(-grace - time.Second)
			if _, err := is.reached(t.Context(), s); err == nil {
				t.Error("after the grace period it is still waited for")
			}
			is.phase.from = time.Now().Add(-DefaultGraces.Phase - time.Second)
			s.Cluster.Status.Phase = cnpgv1.PhaseFirstPrimary
			if _, err := is.reached(t.Context(), s); err != nil {
				t.Errorf("back in a passing phase: %v", err)
			}
			s.Cluster.Status.Phase = phase
			if _, err := is.reached(t.Context(), s); err != nil {
				t.Errorf("again in it: %v", err)
			}
		})
	}
}

// A plugin that does not answer CNPG for a while is asked again, and the backup waits for it.
func TestBackupRefusedInPhases(t *testing.T) {
	t.Parallel()
	for phase, refused := range map[string]bool{cnpgv1.PhaseHealthy: false, cnpgv1.PhaseFailurePlugin: false, cnpgv1.PhaseWaitingForUser: false, cnpgv1.PhaseUnknownPlugin: true, phaseDiskFull: true} {
		cluster := &cnpgv1.Cluster{Status: cnpgv1.ClusterStatus{Phase: phase, CurrentPrimary: "my-db-1", ReadyInstances: 1}}
		if why := BackupRefused(cluster); (why != "") != refused {
			t.Errorf("%s: refused for %q", phase, why)
		}
	}
}

// A phase from before a change that the Cluster leaves and comes back to is a verdict on the change.
func TestReadyJudgesAPhaseThatComesBack(t *testing.T) {
	t.Parallel()
	key := Key{Namespace: "myorg", Name: "my-db"}
	s := &Snapshot{Cluster: &cnpgv1.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: "myorg", Name: "my-db"}}}
	s.Cluster.Status.Phase = cnpgv1.PhaseDefinitionInvalid
	is := (&Client{Graces: DefaultGraces}).newReadiness(key).after(s.Cluster.DeepCopy(), s.Cluster.DeepCopy())
	for _, phase := range []string{cnpgv1.PhaseDefinitionInvalid, cnpgv1.PhaseApplyingConfiguration} {
		s.Cluster.Status.Phase = phase
		if done, err := is.reached(t.Context(), s); done || err != nil {
			t.Errorf("in the phase %s: %t, %v", phase, done, err)
		}
	}
	s.Cluster.Status.Phase = cnpgv1.PhaseDefinitionInvalid
	if _, err := is.reached(t.Context(), s); err == nil {
		t.Error("the phase that came back is waited for")
	}
}
