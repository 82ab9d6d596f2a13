package cnpg

import (
	"bytes"
	"slices"
	"strings"
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

// silent tells that nobody says what it is.
func (c Cause) silent() bool { return c.Line == silentFailure || strings.HasPrefix(c.Line, unreadLog) }

// Messages that more than one place looks for.
const (
	// insufficientSettings begins the warning of a recovery that waits for settings as large as the source's.
	insufficientSettings = "hot standby is not possible because of insufficient parameter settings"
	recoveryPaused       = "recovery has paused"
	silentFailure        = "the pod failed without an error in its log"
	unreadLog            = "its log cannot be read"
	endsBeforeBackup     = "WAL ends before end of online backup"
	endedBeforeTarget    = "recovery ended before configured recovery target was reached"
)

// knownCauses are what lines of a log stand for. The first line of a log that is known names the cause: what comes later is
// often only a consequence of it.
var knownCauses = []struct {
	patterns []string
	cause    Cause
}{
	{[]string{"Expected empty archive"}, Cause{
		Meaning:       "The folder that the new cluster would archive to holds WAL already.",
		Remedy:        "Leave backup.server_name out, and an empty folder is chosen, or name one that is empty.",
		Deterministic: true,
	}},
	{[]string{endedBeforeTarget}, Cause{
		Meaning: "The WAL that could be fetched ends before the target: nothing that late has been archived, no such transaction or restore point " +
			"comes in it, or a WAL segment on the way is missing from the archive.",
		Remedy: "Choose a target within the recovery window that data.pgplatform_backups shows, check the name or ID of the target, or leave the target out " +
			"to restore as far as the WAL leads.",
		Deterministic: true,
	}},
	{[]string{"requested recovery stop point is before consistent recovery point"}, Cause{
		Meaning:       "The base backup had not ended yet at the target.",
		Remedy:        "Choose a later target, or an older base backup: leave backup_id out, and one that ended before the target is chosen.",
		Deterministic: true,
	}},
	{[]string{"no target backup found"}, Cause{
		Meaning:       "The archive holds no base backup that ended before the target.",
		Remedy:        "Choose a target within the recovery window that data.pgplatform_backups shows, and check that source names the right archive.",
		Deterministic: true,
	}},
	{[]string{"no backup found with ID", "ERROR: Backup "}, Cause{
		Meaning:       "The base backup is not in the archive, or no longer.",
		Remedy:        "Apply again, or leave backup_id out: the base backup is then chosen from those that are there.",
		Deterministic: true,
	}},
	{[]string{"ERROR: Missing file "}, Cause{
		Meaning:       "The base backup is no longer whole: the archive lacks the file.",
		Remedy:        "Choose another base backup: leave backup_id out, or choose a target that another one covers.",
		Deterministic: true,
	}},
	{[]string{"object storage or file not found"}, Cause{
		Meaning:       "The first WAL segment that the base backup needs is not in the archive.",
		Remedy:        "Choose another base backup: leave backup_id out, or choose a target that another one covers.",
		Deterministic: true,
	}},
	{[]string{
		endsBeforeBackup, "WAL ends before consistent recovery point", "could not locate required checkpoint record", "could not locate a valid checkpoint record",
	}, Cause{
		Meaning:       "WAL that the base backup itself needs is missing from the archive, or cannot be read.",
		Remedy:        "Choose another base backup: leave backup_id out, or choose a target that another one covers.",
		Deterministic: true,
	}},
	{[]string{"recovery target timeline"}, Cause{
		Meaning:       "The archive has no history of the timeline to recover on.",
		Remedy:        "Set target_timeline to one that the archive holds, or leave it out.",
		Deterministic: true,
	}},
	{[]string{"is not a child of this server's history", "could not find redo location"}, Cause{
		Meaning:       "The base backup was taken after the source had left the timeline to recover on, so that no WAL leads from it there.",
		Remedy:        "Choose a base backup that was taken before the switch of timelines, or leave backup_id and target_timeline out.",
		Deterministic: true,
	}},
	{[]string{"database files are incompatible with server", "was initialized by PostgreSQL version", "pg_control version"}, Cause{
		Meaning:       "The image runs another major version of PostgreSQL than the one that made the backup.",
		Remedy:        "Set postgres_version or image to the backup's major version, or leave both out.",
		Deterministic: true,
	}},
	{[]string{insufficientSettings, "recovery aborted because of insufficient parameter settings"}, Cause{
		Meaning:       "The source ran with larger settings than the new cluster has (max_connections and others that recovery needs as large as they were), and PostgreSQL does not go on.",
		Remedy:        "Set the parameter that the message names in parameters to at least the source's value.",
		Deterministic: true,
	}},
	{[]string{"NoSuchBucket"}, Cause{
		Meaning:       "The bucket does not exist.",
		Remedy:        "Check destination_path, and that the pods reach the same S3 as Terraform does (pod_endpoint_url).",
		Deterministic: true,
	}},
	{[]string{"InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "ExpiredToken", "InvalidToken", forbiddenHead}, refusedKeys},
	{[]string{"AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraint"}, Cause{
		Meaning:       "The bucket is in another region than the one that the pods ask.",
		Remedy:        "Set region in source.object_store, or in the provider's object_store, to the bucket's.",
		Deterministic: true,
	}},
	{[]string{"CERTIFICATE_VERIFY_FAILED"}, Cause{
		Meaning:       "The pods do not trust the certificate of S3.",
		Remedy:        "Set ca_certificate in the provider's object_store to the authority that vouches for it.",
		Deterministic: true,
	}},
	{[]string{"WRONG_VERSION_NUMBER"}, Cause{
		Meaning:       "The endpoint that the pods use for S3 speaks no TLS.",
		Remedy:        "Name it with http:// in pod_endpoint_url, or in endpoint_url where that is the pods' too, or name the port that speaks TLS.",
		Deterministic: true,
	}},
	{[]string{forbiddenToPods, "no permission to download the backup credentials"}, mayNotRead},
	{missingStore, Cause{
		Meaning: "The ObjectStore is not there that tells the Barman Cloud plugin where the archive lies.",
		Remedy:  noStore.Remedy,
	}},
	{[]string{"executable file not found in $PATH"}, Cause{
		Meaning:       "The image lacks a program that a restore from S3 runs, such as barman-cloud's.",
		Remedy:        "Use an image of CloudNativePG's with barman-cloud in it, such as those with system in their tag, or leave image out.",
		Deterministic: true,
	}},
	{[]string{"while getting secret", "inside secret"}, Cause{
		Meaning: "The Secret from which the pods take their S3 keys does not exist, or has no such key.",
		Remedy:  "Check source.credentials_secret and backup.credentials_secret, their names and the names of the keys in them; the Secrets have to be in the new cluster's namespace.",
	}},
	{[]string{"No space left on device", "not enough space"}, fullVolume},
	{[]string{
		"Could not connect to the endpoint URL", "Can't connect to cloud provider", "Connect timeout", "Read timeout", "Connection was closed", "connectivity failure",
		"Connection reset", "Connection broken", "reached max retries", "SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout",
		"SSL validation failed", // a TLS handshake that was cut off or took too long
		"Network error (exit code 2)",
	}, Cause{
		Meaning: "The pods could not reach S3, or it failed.",
		Remedy:  "Check the endpoint that the pods use (pod_endpoint_url), and that the network lets them.",
	}},
	// What is not known better.
	{[]string{fetchFailed, pluginFetchFailed}, Cause{
		Meaning: "A WAL file could not be fetched, which is not the same as one that is not there. PostgreSQL takes either for the end of the archive.",
		Remedy:  "Mend what the message names, and apply again.",
	}},
	{[]string{"unexpected failure invoking barman-cloud-wal-archive"}, Cause{
		Meaning: "The Barman Cloud plugin could not make sure that the folder is empty that the new cluster would archive to: it holds WAL already, or S3 did not answer as it should.",
		Remedy:  "The log of the container " + pluginContainer + " says which. Leave backup.server_name out, and an empty folder is chosen.",
	}},
}

// forbiddenToPods is in the API server's words for what the service account of pods may not do.
const forbiddenToPods = `is forbidden: User "system:serviceaccount:`

// mayNotRead is what the Barman Cloud plugin gives the right to by itself, though only to the service account that CNPG makes.
var mayNotRead = Cause{
	Meaning: "The pods' service account may not read the ObjectStore, or the Secret with the S3 keys.",
	Remedy: "The Barman Cloud plugin gives the right to the service account of the Cluster's name: leave spec.serviceAccountName out of the Cluster, " +
		"and where it lasts look at the log of the plugin's own pod, beside the operator.",
}

// missingStore are the beginnings of what is said of an ObjectStore that is not there, or that may not be read, which is said more exactly.
var missingStore = []string{`objectstores.barmancloud.cnpg.io "`, `ObjectStore.barmancloud.cnpg.io "`}

var refusedKeys = Cause{
	Meaning:       "S3 refuses the keys with which the pods read the source's archive, or they lack a right.",
	Remedy:        "Check the keys in source.credentials_secret, where that is set, else those of the provider's object_store, and the bucket's policy.",
	Deterministic: true,
}

var fullVolume = Cause{
	Meaning:       "The volume is too small for the restored data and the WAL.",
	Remedy:        "Set storage.size (and wal_storage.size, where it is set) to at least the source's.",
	Deterministic: true,
}

// Of a volume that earlier tries have filled, which nobody can ask any more, less is certain.
const (
	filledMeaning = "Earlier tries failed before this one, of what nobody can tell any more, and left their data on the volume, so that it need not be too small."
	filledRemedy  = "Restore anew, which begins with an empty volume. Where that ends in the same way, set storage.size (and wal_storage.size, where it is set) to at least the source's."
)

// forbiddenHead is how boto3 tells of a refused request whose answer has no body.
const forbiddenHead = "An error occurred (403)"

// ownArchive is in barman's lines about the folder that the new cluster archives to, which it looks at before the recovery. All
// others of a recovery are about the source's.
const ownArchive = "WAL archive"

// Of the new cluster's own archive, other attributes decide.
const (
	ownKeysMeaning = "S3 refuses the keys with which the pods write their own archive, or they lack a right."
	ownKeysRemedy  = "Check the keys in backup.credentials_secret, where that is set, else those of the provider's object_store, and the bucket's policy."
)

// causeIn names the cause that a log tells, with what else of the log belongs to it.
func causeIn(log []byte) Cause {
	cause := causeOf(errorLines(bytes.NewReader(log)))
	switch {
	case cause.Line == silentFailure:
		if last := lastPlainLine(log); last != "" {
			cause.Line = last
		}
	case cause.Meaning == refusedKeys.Meaning && strings.Contains(cause.Line, ownArchive):
		cause.Meaning, cause.Remedy = ownKeysMeaning, ownKeysRemedy
	case strings.Contains(cause.Line, endedBeforeTarget), strings.Contains(cause.Line, endsBeforeBackup):
		cause.Meaning += endOfWAL(log)
	}
	return cause
}

// lastPlainLine is the last line that no program of CNPG's has written: what the system says of one that it could not run, or
// how one has crashed.
func lastPlainLine(log []byte) string {
	for _, line := range slices.Backward(bytes.Split(log, []byte("\n"))) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '{' {
			return string(line)
		}
	}
	return ""
}

// endOfWAL says how far the WAL led in a recovery that has not reached its target.
func endOfWAL(log []byte) string {
	var journal recoveryJournal
	journal.add(bytes.NewReader(log))
	var text string
	if last := recoveredIn(bytes.NewReader(log)).LastTransaction; !last.IsZero() {
		text += " The last transaction in it is of " + last.Format("2006-01-02 15:04:05.999999 MST") + "."
	}
	if journal.segment != "" {
		text += " The last segment that could be fetched is " + journal.segment
		if journal.missing > journal.segment {
			text += "; " + journal.missing + " is not in the archive"
		}
		text += "."
	}
	return text
}

// causeOf picks the first known cause among a log's error lines, else what PostgreSQL died of, else the last line: the
// instance manager ends with lines that only say that PostgreSQL has ended.
func causeOf(lines []string) Cause {
	for _, line := range lines {
		for _, known := range knownCauses {
			for _, pattern := range known.patterns {
				if strings.Contains(line, pattern) {
					cause := known.cause
					cause.Line = line
					return cause
				}
			}
		}
	}
	if len(lines) == 0 {
		return Cause{Line: silentFailure}
	}
	for i := len(lines) - 1; i >= 0; i-- {
		if ofPostgres(lines[i]) {
			return Cause{Line: lines[i]}
		}
	}
	return Cause{Line: lines[len(lines)-1]}
}

// ofPostgres tells a line of PostgreSQL's death.
func ofPostgres(line string) bool {
	return strings.HasPrefix(line, severityFatal) || strings.HasPrefix(line, severityPanic)
}
