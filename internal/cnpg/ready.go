package cnpg

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TerminalPhaseError is a Cluster in a phase that it does not leave by itself.
type TerminalPhaseError struct {
	Key    Key
	Phase  string // CNPG's status.phase
	Reason string // CNPG's status.phaseReason
	// Unknown tells of the Barman Cloud plugin, where it is that what the Cluster lacks; else nil.
	Unknown *UnknownPluginError
}

func (e *TerminalPhaseError) Error() string { return fmt.Sprintf("Cluster %s: %s", e.Key, e.words()) }

func (e *TerminalPhaseError) Unwrap() error {
	if e.Unknown == nil {
		return nil
	}
	return e.Unknown
}

// NeedsPlugin tells that a plugin is in the way, which CNPG does not know or which does not answer it.
func (e *TerminalPhaseError) NeedsPlugin() bool {
	return e.Phase == cnpgv1.PhaseUnknownPlugin || e.Phase == cnpgv1.PhaseFailurePlugin
}

func (e *TerminalPhaseError) words() string {
	text := e.Phase
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return text
}

// terminalPhases are those that no waiting ends; true: at once, false: after [Graces.Phase], [Graces.Plugin] where CNPG does
// not know the Barman Cloud plugin, or [Graces.Restart] where a plugin or the API server does not answer: CNPG asks it again, on a busy
// machine for minutes, and puts that off for longer each time.
var terminalPhases = map[string]bool{
	cnpgv1.PhaseUnrecoverable:              true,
	cnpgv1.PhaseDefinitionInvalid:          true,
	cnpgv1.PhaseImageCatalogError:          true,
	cnpgv1.PhaseUnknownPlugin:              false,
	cnpgv1.PhaseFailurePlugin:              false,
	cnpgv1.PhaseCannotCreateClusterObjects: false,
	phaseDiskFull:                          false,
	cnpgv1.PhaseWaitingForUser:             false,
}

// phaseDiskFull is a phase that the API module has no constant for.
const phaseDiskFull = "Not enough disk space"

// Healthy tells whether all instances of a Cluster run: CNPG's phase, its Ready condition, and the instances as asked for.
func Healthy(cluster *cnpgv1.Cluster) bool {
	return cluster.Status.Phase == cnpgv1.PhaseHealthy &&
		meta.IsStatusConditionTrue(cluster.Status.Conditions, string(cnpgv1.ConditionClusterReady)) &&
		cluster.Status.ReadyInstances == cluster.Spec.Instances &&
		cluster.Status.CurrentPrimary != ""
}

// AnnotationHibernation is CNPG's annotation that lets a Cluster's pods go and keeps its volumes, and the condition that tells of it.
const AnnotationHibernation = "cnpg.io/hibernation"

// Hibernates tells whether a Cluster is to hibernate.
func Hibernates(cluster *cnpgv1.Cluster) bool {
	return cluster.Annotations[AnnotationHibernation] == "on"
}

// Hibernated tells whether it does.
func Hibernated(cluster *cnpgv1.Cluster) bool {
	return Hibernates(cluster) && meta.IsStatusConditionTrue(cluster.Status.Conditions, AnnotationHibernation)
}

// Terminal tells whether a Cluster is in a phase that only a person can end, as far as the phase alone tells.
func Terminal(cluster *cnpgv1.Cluster) bool {
	_, ok := terminalPhases[cluster.Status.Phase]
	return ok && cluster.Status.Phase != cnpgv1.PhaseFailurePlugin
}

// BackupRefused says why CNPG takes no base backup of a Cluster as it stands: it hibernates, so that a Backup fails at once, or
// it is in a phase that only a person can end or its primary is not ready, so that one is kept waiting. "" where nothing is
// known to be in the way.
func BackupRefused(cluster *cnpgv1.Cluster) string {
	status := cluster.Status
	instances, told := status.InstancesStatus[cnpgv1.PodHealthy], len(status.InstancesStatus) > 0
	switch {
	case Hibernates(cluster):
		return "it hibernates"
	// While CNPG waits for a switchover by hand, the database runs.
	case Terminal(cluster) && status.Phase != cnpgv1.PhaseWaitingForUser:
		return (&TerminalPhaseError{Phase: status.Phase, Reason: status.PhaseReason}).words()
	case status.CurrentPrimary == "":
		return "it has no primary yet"
	case status.ReadyInstances == 0, told && !slices.Contains(instances, status.CurrentPrimary):
		return fmt.Sprintf("its primary %s is not ready, in the phase %q", status.CurrentPrimary, status.Phase)
	}
	return ""
}

// ContinuousArchiving is CNPG's condition of that name: whether the last WAL segment reached the archive. It is nil
// before the first one; message is the archiver's error.
func ContinuousArchiving(cluster *cnpgv1.Cluster) (works *bool, message string) {
	condition := archivingCondition(cluster)
	if condition == nil || condition.Status == metav1.ConditionUnknown || !Archives(cluster) {
		return nil, ""
	}
	ok := condition.Status == metav1.ConditionTrue
	if ok {
		return &ok, ""
	}
	return &ok, condition.Message
}

func archivingCondition(cluster *cnpgv1.Cluster) *metav1.Condition {
	return meta.FindStatusCondition(cluster.Status.Conditions, string(cnpgv1.ConditionContinuousArchiving))
}

// WaitReady waits until a Cluster is healthy, its pods and volumes are as its spec asks, and, where it has an archive, it
// archives to it; or until it hibernates, where its annotation asks for that. A phase that ends no more by itself is a
// [TerminalPhaseError], a failed upgrade an [UpgradeError], an archive that takes no WAL from a healthy Cluster an
// [ArchivingError]. When ctx ends first, the error says what the Cluster, its pods and its volumes are waiting for.
func (c *Client) WaitReady(ctx context.Context, key Key) (*cnpgv1.Cluster, error) {
	return c.waitReady(ctx, c.newReadiness(key), func(*Snapshot) (time.Duration, error) { return 0, nil })
}

// waitReady is WaitReady for a Cluster that has to be ready for some time without a break: settle tells for how long.
func (c *Client) waitReady(ctx context.Context, is *readiness, settle func(*Snapshot) (time.Duration, error)) (*cnpgv1.Cluster, error) {
	var last *Snapshot
	var readyFrom time.Time
	err := c.Observe(ctx, is.of, []Kind{KindCluster, KindPod, KindVolume, KindEvent}, func(s *Snapshot) (bool, error) {
		last = s
		if s.Cluster == nil {
			return false, c.stillThere(ctx, is.of)
		}
		if pod := failedUpgradePod(s); pod != nil {
			return false, c.upgradeError(ctx, is.of, pod)
		}
		ok, err := is.reached(ctx, s)
		if err != nil {
			return false, err
		}
		if !ok {
			readyFrom = time.Time{}
			return false, nil
		}
		if readyFrom.IsZero() {
			readyFrom = time.Now()
		}
		pause, err := settle(s)
		return err == nil && time.Since(readyFrom) >= pause, err
	})
	if err != nil {
		return nil, c.stalled(ctx, err, last)
	}
	return c.joined(ctx, last.Cluster)
}

// stillThere asks again for a Cluster that a watch does not see: its first list may come from a cache of the API server
// that has not seen the object yet. What the watch rides out is no answer either.
func (c *Client) stillThere(ctx context.Context, key Key) error {
	if _, err := c.getCluster(ctx, key); isAnswer(err) {
		return fmt.Errorf("while it was waited for: %w", err)
	}
	return nil
}

// isAnswer tells an error that says something of the object from one that only says that nothing could be asked.
func isAnswer(err error) bool { return errors.Is(err, ErrNotFound) || errors.Is(err, ErrForbidden) }
