package cnpg

import (
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	corev1 "k8s.io/api/core/v1"
)

// Lines as the Barman Cloud plugin writes them in its own container, and what CNPG makes of its answers in the recovery's.
func pluginLine(logger, text string) string {
	return `{"level":"info","ts":"2026-03-26T12:00:05Z","logger":"` + logger + `","msg":` + jsonText("2026-03-26 12:00:05,120 [53] "+text) + `,"pipe":"stderr","logging_pod":"my-db-pitr-1-full-recovery"}`
}

func fetchFails(why string) string {
	return `{"level":"warning","ts":"2026-03-26T12:00:05Z","msg":"Failed restoring WAL file (Postgres might retry)","walName":"000000010000000000000007","options":["s3://backups/","my-db"],"error":` + jsonText(why) + `}`
}

func answeredWith(desc string) string {
	return `{"level":"error","ts":"2026-03-26T12:00:06Z","msg":"Error while restoring a backup","error":` + jsonText("rpc error: code = Unknown desc = "+desc) + `}`
}

const (
	lineNotThere = `{"level":"info","ts":"2026-03-26T12:00:05Z","msg":"WAL file not found in the recovery object store","walName":"000000010000000000000007","options":["s3://backups/","my-db"]}`
	lineGRPC     = `{"level":"error","ts":"2026-03-26T12:00:05Z","msg":"Error while handling GRPC request","error":"rpc error: code = Unavailable desc = transient error while downloading \"000000010000000000000007\": generic error code encountered while executing barman-cloud-wal-restore: generic error","stacktrace":"github.com/cloudnative-pg/machinery/pkg/log.(*logger).Error"}`
)

// CNPG takes whatever the plugin answers for WAL that is not there, so that PostgreSQL says that the target was not reached. The
// plugin's own log has the reason.
func TestCausesOfRecoveriesByThePlugin(t *testing.T) {
	t.Parallel()
	const generic, connectivity = "generic error code encountered while executing barman-cloud-wal-restore: generic error",
		"connectivity failure while executing barman-cloud-wal-restore, retrying: connectivity error"
	fetch := func(text, why string) []string {
		return []string{lineStart, pluginLine("barman-cloud-wal-restore", "ERROR: Barman cloud WAL restore exception: "+text), fetchFails(why), lineGRPC, lineLog, lineTarget, lineSocket}
	}
	tests := map[string]struct {
		log           []string
		line, meaning string
		deterministic bool
	}{
		"the end of the archive": {
			[]string{pluginLine("barman-cloud-wal-restore", "ERROR: WAL file 000000010000000000000007 for server my-db does not exists"), lineNotThere, lineLog, lineTarget, lineSocket},
			"recovery ended before configured recovery target", "The WAL that could be fetched ends before the target", true,
		},
		"keys that are refused while WAL is fetched": {
			fetch("An error occurred (InvalidAccessKeyId) when calling the ListObjectsV2 operation", generic), "(InvalidAccessKeyId)", "refuses the keys", true,
		},
		"a bucket that goes while WAL is fetched": {
			fetch("An error occurred (NoSuchBucket) when calling the ListObjectsV2 operation", generic), "(NoSuchBucket)", "bucket does not exist", true,
		},
		"no network while WAL is fetched": {
			fetch(`Could not connect to the endpoint URL: "http://s3/backups"`, connectivity), "Could not connect to the endpoint URL", "could not reach S3", false,
		},
		"something that nobody knows while WAL is fetched": {
			fetch("invalid literal for int()", generic), "invalid literal for int()", "could not be fetched", false,
		},
		"WAL that is not fetched without a word of barman's": {
			[]string{fetchFails(generic), lineGRPC, lineLog, lineTarget, lineSocket}, "Failed restoring WAL file (Postgres might retry): " + generic, "could not be fetched", false,
		},
		"no base backup":   {[]string{answeredWith("no target backup found")}, "no target backup found", "no base backup that ended before the target", true},
		"no such backup":   {[]string{answeredWith("no backup found with ID 20260326T110000")}, "no backup found with ID", "not in the archive", true},
		"no first segment": {[]string{answeredWith("encountered an error while checking the presence of first needed WAL in the archive: object storage or file not found 000000010000000000000003: WAL not found")}, "000000010000000000000003", "first WAL segment", true},
		"a folder that is not empty": {
			[]string{pluginLine("barman-cloud-check-wal-archive", "ERROR: WAL archive check failed for server my-db-pitr: Expected empty archive"), answeredWith("unexpected failure invoking barman-cloud-wal-archive: exit status 1")},
			"Expected empty archive", "holds WAL already", true,
		},
		"a folder of its own, without the plugin's log": {
			[]string{answeredWith("unexpected failure invoking barman-cloud-wal-archive: exit status 1")}, "exit status 1", "could not make sure that the folder is empty", false,
		},
		"keys that are refused when the catalogue is read": {
			[]string{
				`{"level":"error","logger":"barman","msg":"Can't extract backup id","command":"barman-cloud-backup-list","stderr":` +
					jsonText("2026-03-26 12:00:02,345 [24] ERROR: Barman cloud backup list exception: An error occurred (SignatureDoesNotMatch) when calling the ListObjectsV2 operation\n") + `,"error":"exit status 4"}`,
				answeredWith("exit status 4"),
			},
			"(SignatureDoesNotMatch)", "refuses the keys", true,
		},
		"a network that fails when the base backup is copied": {[]string{answeredWith("Network error (exit code 2)")}, "Network error (exit code 2)", "could not reach S3", false},
		"no ObjectStore": {
			[]string{answeredWith(`objectstores.barmancloud.cnpg.io "my-db-pitr-origin" not found`)}, `"my-db-pitr-origin" not found`, "The ObjectStore is not there", false,
		},
		"no Secret": {[]string{answeredWith(`while getting secret keys: secrets "keys" not found`)}, `secrets "keys" not found`, "take their S3 keys", false},
		"another service account": {
			[]string{answeredWith(`objectstores.barmancloud.cnpg.io "my-db-pitr-origin" is forbidden: User "system:serviceaccount:myorg:theirs" cannot get resource "objectstores" in API group "barmancloud.cnpg.io" in the namespace "myorg"`)},
			"serviceaccount:myorg:theirs", "service account may not read", false,
		},
		"another service account, for a Secret": {
			[]string{answeredWith(`while getting secret keys: secrets "keys" is forbidden: User "system:serviceaccount:myorg:theirs" cannot get resource "secrets" in API group "" in the namespace "myorg"`)},
			"serviceaccount:myorg:theirs", "service account may not read", false,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cause := causeIn([]byte(strings.Join(test.log, "\n")))
			if !strings.Contains(cause.Line, test.line) || !strings.Contains(cause.Meaning, test.meaning) || cause.Remedy == "" || cause.Deterministic != test.deterministic {
				t.Errorf("cause is %+v, want %+v", cause, test)
			}
		})
	}
}

// What CNPG's condition says of archiving by the plugin means something where barman has no part in it.
func TestCausesOfArchivingByThePlugin(t *testing.T) {
	t.Parallel()
	for message, meaning := range map[string]string{
		"rpc error: code = FailedPrecondition desc = no permission to download the backup credentials, retrying":  "service account may not read",
		`rpc error: code = Unknown desc = objectstores.barmancloud.cnpg.io "my-db-backup" not found`:              "while an ObjectStore is missing",
		`objectstores.barmancloud.cnpg.io "s" is forbidden: User "system:serviceaccount:myorg:theirs" cannot get`: "service account may not read",
		"wal archive plugin is not available: barman-cloud.cloudnative-pg.io":                                     "no container of the Barman Cloud plugin",
		"rpc error: code = Unknown desc = unexpected failure invoking barman-cloud-wal-archive: exit status 4":    "", // barman's words tell
		"unexpected failure invoking barman-cloud-wal-archive: exit status 2":                                     "",
	} {
		if cause := (&ArchivingError{Message: message}).Cause(); cause.Line != message || !strings.Contains(cause.Meaning, meaning) || (cause.Meaning == "") != (meaning == "") {
			t.Errorf("%q is %+v", message, cause)
		}
	}
}

// What keeps the plugin's container from starting is the plugin's installation, or a certificate.
func TestObstaclesOfThePlugin(t *testing.T) {
	t.Parallel()
	pod := corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodPending}}
	pod.Name = "my-db-1"
	waits := func(container string) corev1.Pod {
		p := *pod.DeepCopy()
		p.Status.InitContainerStatuses = []corev1.ContainerStatus{{
			Name: container, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "Back-off pulling image"}},
		}}
		return p
	}
	mount := corev1.Event{Reason: "FailedMount", Message: `MountVolume.SetUp failed for volume "barman-certificates" : secret "keys" not found`}
	mount.InvolvedObject.Name = pod.Name
	started := *pod.DeepCopy()
	started.Status.Phase = corev1.PodRunning
	for name, test := range map[string]struct {
		s       *Snapshot
		meaning string
	}{
		"the plugin's image":               {&Snapshot{Pods: []corev1.Pod{waits(pluginContainer)}}, noPluginImage.Meaning},
		"another image":                    {&Snapshot{Pods: []corev1.Pod{waits("bootstrap-controller")}}, noImage.Meaning},
		"a certificate":                    {&Snapshot{Pods: []corev1.Pod{pod}, Events: []corev1.Event{mount}}, noCertificate.Meaning},
		"a certificate that was there yet": {&Snapshot{Pods: []corev1.Pod{started}, Events: []corev1.Event{mount}}, ""},
	} {
		found := obstacles(test.s)
		switch {
		case test.meaning == "" && len(found) > 0, test.meaning != "" && (len(found) != 1 || found[0].Meaning != test.meaning || found[0].Line == ""):
			t.Errorf("%s: found %+v", name, found)
		}
	}
}

// CNPG says that it lacks a plugin in two phases.
func TestPhasesThatNeedAPlugin(t *testing.T) {
	t.Parallel()
	for phase, needs := range map[string]bool{cnpgv1.PhaseUnknownPlugin: true, cnpgv1.PhaseFailurePlugin: true, cnpgv1.PhaseUnrecoverable: false} {
		if got := (&TerminalPhaseError{Phase: phase}).NeedsPlugin(); got != needs {
			t.Errorf("%q: %t", phase, got)
		}
	}
}
