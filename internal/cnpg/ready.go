package cnpg

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TerminalPhaseError is a Cluster in a phase that it does not leave by itself.
type TerminalPhaseError struct {
	Key    Key
	Phase  string // CNPG's status.phase
	Reason string // CNPG's status.phaseReason
}

func (e *TerminalPhaseError) Error() string {
	text := fmt.Sprintf("Cluster %s: %s", e.Key, e.Phase)
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return text
}

// phaseGrace is how long a phase that healthy clusters pass through under load may last before it counts as final.
const phaseGrace = time.Minute

// terminalPhases are those that no waiting ends; true: at once, false: after phaseGrace.
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

// Terminal tells whether a Cluster is in a phase that only a person can end.
func Terminal(cluster *cnpgv1.Cluster) bool {
	_, ok := terminalPhases[cluster.Status.Phase]
	return ok
}

// ContinuousArchiving is CNPG's condition of that name: whether the last WAL segment reached the archive. It is nil
// before the first one; message is the archiver's error.
func ContinuousArchiving(cluster *cnpgv1.Cluster) (works *bool, message string) {
	condition := meta.FindStatusCondition(cluster.Status.Conditions, string(cnpgv1.ConditionContinuousArchiving))
	if condition == nil || condition.Status == metav1.ConditionUnknown || Archiver(cluster) == nil {
		return nil, ""
	}
	ok := condition.Status == metav1.ConditionTrue
	if ok {
		return &ok, ""
	}
	return &ok, condition.Message
}

// WaitReady waits until a Cluster is healthy and, where it has an archive, archives to it. A phase that ends no more by
// itself is a [TerminalPhaseError]. When ctx ends first, the error says what the Cluster and its pods are waiting for.
func (c *Client) WaitReady(ctx context.Context, key Key) (*cnpgv1.Cluster, error) {
	var last *Snapshot
	var since phaseClock
	err := c.Observe(ctx, key, []Kind{KindCluster, KindPod, KindVolume, KindEvent}, func(s *Snapshot) (bool, error) {
		last = s
		if s.Cluster == nil {
			return false, c.stillThere(ctx, key)
		}
		return ready(key, s, &since)
	})
	if err != nil {
		return nil, stalled(ctx, err, last)
	}
	return last.Cluster, nil
}

// stillThere asks again for a Cluster that a watch does not see: its first list may come from a cache of the API server
// that has not seen the object yet. What the watch rides out is no answer either.
func (c *Client) stillThere(ctx context.Context, key Key) error {
	if _, err := c.GetCluster(ctx, key); isAnswer(err) {
		return fmt.Errorf("while it was waited for: %w", err)
	}
	return nil
}

// isAnswer tells an error that says something of the object from one that only says that nothing could be asked.
func isAnswer(err error) bool { return errors.Is(err, ErrNotFound) || errors.Is(err, ErrForbidden) }

func ready(key Key, s *Snapshot, since *phaseClock) (bool, error) {
	phase := s.Cluster.Status.Phase
	lasted := since.lasted(phase)
	if atOnce, terminal := terminalPhases[phase]; terminal && (atOnce || lasted > phaseGrace) {
		return false, &TerminalPhaseError{Key: key, Phase: phase, Reason: s.Cluster.Status.PhaseReason}
	}
	if !Healthy(s.Cluster) {
		return false, nil
	}
	if Archiver(s.Cluster) == nil {
		return true, nil
	}
	works, _ := ContinuousArchiving(s.Cluster)
	return works != nil && *works, nil
}

// phaseClock measures how long one phase has lasted.
type phaseClock struct {
	phase string
	from  time.Time
}

func (p *phaseClock) lasted(phase string) time.Duration {
	if now := time.Now(); p.phase != phase || p.from.IsZero() {
		p.phase, p.from = phase, now
	}
	return time.Since(p.from)
}

// StalledError is a wait that its context ended; Waiting are the reasons that were visible then.
type StalledError struct {
	Err     error
	Waiting []string
}

func (e *StalledError) Error() string {
	if len(e.Waiting) == 0 {
		return e.Err.Error()
	}
	return e.Err.Error() + "; at that moment:\n  - " + strings.Join(e.Waiting, "\n  - ")
}

func (e *StalledError) Unwrap() error { return e.Err }

func stalled(ctx context.Context, err error, last *Snapshot) error {
	if ctx.Err() == nil || last == nil {
		return err
	}
	return &StalledError{Err: err, Waiting: waitingFor(last)}
}

// waitingFor says in CNPG's, the scheduler's and the kubelet's own words what keeps a Cluster from being ready.
func waitingFor(s *Snapshot) []string {
	var reasons []string
	if s.Cluster != nil {
		phase := s.Cluster.Status.Phase
		if phase == "" {
			phase = "no phase yet: has the CloudNativePG operator seen it?"
		}
		text := "phase: " + phase
		if s.Cluster.Status.PhaseReason != "" {
			text += " (" + s.Cluster.Status.PhaseReason + ")"
		}
		reasons = append(reasons, text)
		for _, condition := range s.Cluster.Status.Conditions {
			if condition.Status == metav1.ConditionFalse {
				reasons = append(reasons, fmt.Sprintf("condition %s: %s: %s", condition.Type, condition.Reason, condition.Message))
			}
		}
	}
	for _, pod := range s.Pods {
		reasons = append(reasons, podWaiting(&pod)...)
	}
	for _, volume := range s.Volumes {
		if volume.Status.Phase == corev1.ClaimPending {
			reasons = append(reasons, fmt.Sprintf("volume claim %s: pending", volume.Name))
		}
	}
	return append(reasons, warnings(s.Events)...)
}

// toldEvents is how many of the last warnings are told.
const toldEvents = 3

// warnings are the last events' own words, each once: of some obstacles, such as an exhausted quota, only they tell.
func warnings(events []corev1.Event) []string {
	var texts []string
	for _, event := range slices.Backward(events) {
		text := fmt.Sprintf("event of %s: %s: %s", event.InvolvedObject.Name, event.Reason, event.Message)
		if len(texts) < toldEvents && !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	slices.Reverse(texts)
	return texts
}

func podWaiting(pod *corev1.Pod) []string {
	var reasons []string
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
			reasons = append(reasons, fmt.Sprintf("pod %s: %s: %s", pod.Name, condition.Reason, condition.Message))
		}
	}
	for _, statuses := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for _, status := range statuses {
			if w := status.State.Waiting; w != nil && w.Reason != "PodInitializing" && w.Reason != "ContainerCreating" {
				reasons = append(reasons, fmt.Sprintf("pod %s, container %s: %s: %s", pod.Name, status.Name, w.Reason, w.Message))
			}
		}
	}
	return reasons
}
