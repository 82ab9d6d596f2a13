package cnpg

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// StalledError is a wait that its context ended; Waiting are the reasons that were visible then, and Causes what is known of
// what some of them mean.
type StalledError struct {
	Err     error
	Waiting []string
	Causes  []Cause
}

func (e *StalledError) Error() string {
	if len(e.Waiting) == 0 {
		return e.Err.Error()
	}
	return e.Err.Error() + "; at that moment:\n  - " + strings.Join(e.Waiting, "\n  - ")
}

func (e *StalledError) Unwrap() error { return e.Err }

func (c *Client) stalled(ctx context.Context, err error, last *Snapshot) error {
	if ctx.Err() == nil || last == nil {
		return err
	}
	stalled := &StalledError{Err: err, Waiting: waitingFor(last), Causes: obstacles(last)}
	for _, text := range c.storesLack(ctx, last) {
		stalled.Waiting = append(stalled.Waiting, text)
		stalled.Causes = withCause(stalled.Causes, noStore, text)
	}
	return stalled
}

// noStore is what CNPG does not tell: the plugin lets it do nothing for a Cluster, and only the plugin's own log says so.
var noStore = Cause{
	Meaning: "The Barman Cloud plugin has CloudNativePG do nothing for a Cluster while an ObjectStore is missing that the Cluster names.",
	Remedy:  "Apply again: that makes one anew that the provider has made. Another one has to be made by whom it belongs to.",
}

// storesLack says which ObjectStores are missing that a Cluster names. What cannot be asked is not known.
func (c *Client) storesLack(ctx context.Context, s *Snapshot) []string {
	if s.Cluster == nil || len(storeNames(s.Cluster)) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), failureTimeout)
	defer cancel()
	cluster, err := c.joined(ctx, s.Cluster)
	if err != nil {
		return nil
	}
	var lack []string
	for _, name := range MissingStores(cluster) {
		lack = append(lack, fmt.Sprintf("ObjectStore %s: does not exist", name))
	}
	return lack
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
		reasons = append(reasons, volumeWaiting(&volume)...)
	}
	reasons = append(reasons, lacking(s)...)
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
	for _, status := range containerStatuses(pod) {
		if w := status.State.Waiting; w != nil && w.Reason != "PodInitializing" && w.Reason != "ContainerCreating" {
			reasons = append(reasons, fmt.Sprintf("pod %s, container %s: %s: %s", pod.Name, status.Name, w.Reason, w.Message))
		}
	}
	return reasons
}

func volumeWaiting(volume *corev1.PersistentVolumeClaim) []string {
	var reasons []string
	if volume.Status.Phase == corev1.ClaimPending {
		reasons = append(reasons, fmt.Sprintf("volume claim %s: pending", volume.Name))
	}
	for _, condition := range volume.Status.Conditions {
		if condition.Status == corev1.ConditionTrue { // Resizing, FileSystemResizePending, ControllerResizeError …
			reasons = append(reasons, strings.TrimSuffix(fmt.Sprintf("volume claim %s: %s: %s", volume.Name, condition.Type, condition.Message), ": "))
		}
	}
	return reasons
}
