package cnpg

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
)

// ArchivingError is a Cluster whose WAL does not reach its archive.
type ArchivingError struct {
	Key     Key
	Message string // CNPG's, which often is no more than an exit status
	Said    string // the archiver's own last words in the pod's log; "" where they cannot be read
}

func (e *ArchivingError) Error() string { return fmt.Sprintf("Cluster %s: %s", e.Key, e.words()) }

func (e *ArchivingError) words() string {
	text := "WAL archiving fails: " + e.Message
	if e.Said != "" {
		text += ": " + e.Said
	}
	return text
}

// Cause is what the failure means where CNPG's message alone tells that, as it does of the Barman Cloud plugin; with no
// meaning for others.
func (e *ArchivingError) Cause() Cause {
	for _, known := range archivingCauses {
		for _, pattern := range known.patterns {
			if strings.Contains(e.Message, pattern) {
				cause := known.cause
				cause.Line = e.Message
				return cause
			}
		}
	}
	return Cause{Line: e.Message}
}

var archivingCauses = []struct {
	patterns []string
	cause    Cause
}{
	{[]string{forbiddenToPods, "no permission to download the backup credentials"}, mayNotRead},
	{missingStore, noStore},
	{[]string{"wal archive plugin is not available"}, Cause{
		Meaning: "The pod of the primary has no container of the Barman Cloud plugin (" + pluginContainer + "), or it does not answer.",
		Remedy:  "See that the plugin runs, beside the operator, and that the pod could be made anew with that container: kubectl describe tells of the pod.",
	}},
}

// archiveClock judges archiving that fails. CNPG says so of each segment that could not be archived, also while another
// instance becomes the primary, and PostgreSQL tries again; so it counts when it has lasted, or at once where the archiver
// got an answer that it will get again.
type archiveClock struct {
	client *Client
	begun  time.Time // what the archiver said before is no matter
	since  time.Time // from when on archiving has failed without a break
	asked  int       // how often the archiver's words were looked for since then
	// patient: pods may still be reaching S3 as they did before a change, so that no answer counts at once.
	patient bool
}

func (c *Client) newArchiveClock() archiveClock { return archiveClock{client: c, begun: time.Now()} }

func (a *archiveClock) restart() { a.since, a.asked = time.Time{}, 0 }

// asks is how often the archiver's words are looked for: the log may come after the condition.
const asks = 3

// look is an [ArchivingError] where archiving fails for good.
func (a *archiveClock) look(ctx context.Context, cluster *cnpgv1.Cluster) error {
	works, _ := ContinuousArchiving(cluster)
	if works == nil || *works {
		a.restart()
		return nil
	}
	if a.since.IsZero() {
		a.since = time.Now()
	}
	over, waited := time.Since(a.since) >= a.client.Graces.Archiving, time.Since(a.begun)
	if !over && (a.patient || a.asked >= asks || waited < shortestLog) {
		return nil
	}
	failure := a.client.archivingError(ctx, cluster, waited)
	if over || lasting(failure.Message) || lasting(failure.Said) {
		return failure
	}
	a.asked++
	if failure.Said != "" {
		a.asked = asks
	}
	return nil
}

// ArchivingFails is an [ArchivingError] for a Cluster whose archiving has failed for longer than it may pass by itself,
// by the cluster's clock, which the condition's time is of.
func (c *Client) ArchivingFails(ctx context.Context, cluster *cnpgv1.Cluster) error {
	condition := archivingCondition(cluster)
	if works, _ := ContinuousArchiving(cluster); works == nil || *works || c.clock.now().Sub(condition.LastTransitionTime.Time) < c.Graces.Archiving {
		return nil
	}
	return c.archivingError(ctx, cluster, c.Graces.Archiving)
}

// lastingAnswers are those of S3, and of barman, that stay the same until somebody changes something. That to a HeadBucket, with
// which barman begins, has no code but its status.
var lastingAnswers = []string{forbiddenHead, "NoSuchBucket", "InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "Expected empty archive"}

func lasting(text string) bool {
	return slices.ContainsFunc(lastingAnswers, func(answer string) bool { return strings.Contains(text, answer) })
}

// archivingError tells of archiving that fails, with what the archiver said last in the time before.
func (c *Client) archivingError(ctx context.Context, cluster *cnpgv1.Cluster, before time.Duration) *ArchivingError {
	_, message := ContinuousArchiving(cluster)
	return &ArchivingError{Key: KeyOf(cluster), Message: message, Said: c.archiverSaid(ctx, cluster, before)}
}

// archivers are the commands of barman that CNPG archives with, and the names of their lines in the log.
var archivers = []string{"barman-cloud-wal-archive", "barman-cloud-check-wal-archive"}

// shortestLog is the least of a log that can be asked for by its age.
const shortestLog = time.Second

// archiverSaid has the kubelet judge each line by its age, by the very clock that the line's time is of. Ages are whole seconds,
// rounded down: the condition is as it was left until PostgreSQL tries a segment again, and a line from before may tell of what
// has been mended since.
func (c *Client) archiverSaid(ctx context.Context, cluster *cnpgv1.Cluster, before time.Duration) string {
	log := c.barmanLog(ctx, Key{Namespace: cluster.Namespace, Name: cluster.Status.CurrentPrimary}, &corev1.PodLogOptions{
		Container: barmanContainer(MethodOf(cluster)), TailLines: ptr.To[int64](logLines), LimitBytes: ptr.To[int64](logLimit),
		SinceSeconds: ptr.To(int64(max(before, shortestLog) / time.Second)),
	})
	said := ""
	for line := range managerLines(bytes.NewReader(log)) {
		if slices.Contains(archivers, line.Logger) && strings.Contains(line.Msg, "ERROR") {
			said = line.Msg
		}
	}
	return said
}
