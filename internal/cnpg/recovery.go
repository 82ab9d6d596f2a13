package cnpg

import (
	"context"
	"fmt"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

const (
	// recoveryJobRole is CNPG's name for the Job, and the container in it, that restores from an object store.
	recoveryJobRole = "full-recovery"
	labelJobRole    = "cnpg.io/jobRole"
	labelJobName    = "batch.kubernetes.io/job-name"
)

// WaitRestored waits until a Cluster that is bootstrapped from an archive is ready, as [Client.WaitReady] does. The first
// pod of the recovery Job that fails for a reason that trying again cannot mend ends the wait with a [RecoveryError];
// other failures are left to the Job's retries until the Job itself has failed.
func (c *Client) WaitRestored(ctx context.Context, key Key, course Course, tell Progress) (*cnpgv1.Cluster, Recovered, error) {
	var last *Snapshot
	var recovered Recovered
	read := false // the log of the pod that succeeded: CNPG removes it soon after the Cluster is ready
	is := c.newReadiness(key)
	progress := c.newRestoreProgress(course, tell)
	explained := map[string]bool{} // pods whose failure was looked at and found to be worth another try
	kinds := []Kind{KindCluster, KindJob, KindPod, KindVolume, KindEvent}
	err := c.Observe(ctx, key, kinds, func(s *Snapshot) (bool, error) {
		last = s
		if s.Cluster == nil {
			return false, c.stillThere(ctx, key)
		}
		for _, pod := range failedRecoveryPods(s) {
			if explained[pod.Name] {
				continue
			}
			cause := c.diagnose(ctx, &pod)
			if cause.Deterministic || jobFailed(s, &pod) {
				return false, &RecoveryError{Key: key, Pod: pod.Name, Cause: cause, Failed: failedAt(&pod)}
			}
			explained[pod.Name] = true
			tell(fmt.Sprintf("pod %s failed and will be tried again: %s", pod.Name, cause.Line))
		}
		if err := progress.look(ctx, s); err != nil {
			return false, err
		}
		if pod := succeededRecoveryPod(s); pod != nil && !read {
			recovered, read = c.recoveredBy(ctx, pod), true
		}
		return is.reached(ctx, s)
	})
	if err != nil {
		return nil, recovered, stalled(ctx, err, last)
	}
	return last.Cluster, c.askRecovered(ctx, key, recovered), nil
}

// RecoveryError is a recovery that failed, with the cause that the first failed pod named.
type RecoveryError struct {
	Key   Key
	Pod   string
	Cause Cause
	// Failed is when the pod failed, by the clock of its node; zero where nobody says it.
	Failed time.Time
}

func (e *RecoveryError) Error() string {
	return fmt.Sprintf("the recovery of Cluster %s failed (pod %s): %s", e.Key, e.Pod, e.Cause.Line)
}

func failedRecoveryPods(s *Snapshot) []corev1.Pod {
	var failed []corev1.Pod
	for _, pod := range s.Pods {
		if pod.Labels[labelJobRole] == recoveryJobRole && containerFailed(&pod) {
			failed = append(failed, pod)
		}
	}
	return failed
}

func succeededRecoveryPod(s *Snapshot) *corev1.Pod {
	for i := range s.Pods {
		if pod := &s.Pods[i]; pod.Labels[labelJobRole] == recoveryJobRole && pod.Status.Phase == corev1.PodSucceeded {
			return pod
		}
	}
	return nil
}

func containerFailed(pod *corev1.Pod) bool {
	for _, statuses := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for _, status := range statuses {
			if t := status.State.Terminated; t != nil && t.ExitCode != 0 {
				return true
			}
		}
	}
	return pod.Status.Phase == corev1.PodFailed
}

// failedAt is when a pod's first container failed.
func failedAt(pod *corev1.Pod) time.Time {
	var first time.Time
	for _, statuses := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for _, status := range statuses {
			if t := status.State.Terminated; t != nil && t.ExitCode != 0 && (first.IsZero() || t.FinishedAt.Time.Before(first)) {
				first = t.FinishedAt.Time
			}
		}
	}
	return first
}

func jobFailed(s *Snapshot, pod *corev1.Pod) bool {
	for _, job := range s.Jobs {
		if job.Name != pod.Labels[labelJobName] {
			continue
		}
		for _, condition := range job.Status.Conditions {
			if condition.Type == batchv1.JobFailed && condition.Status == corev1.ConditionTrue {
				return true
			}
		}
	}
	return false
}

func progressOf(s *Snapshot) string {
	if s.Cluster == nil {
		return ""
	}
	text := s.Cluster.Status.Phase
	for _, pod := range s.Pods {
		if pod.Labels[labelJobRole] == recoveryJobRole {
			text += fmt.Sprintf(", pod %s %s", pod.Name, pod.Status.Phase)
		}
		for _, reason := range podWaiting(&pod) {
			text += ", " + reason
		}
	}
	return text
}
