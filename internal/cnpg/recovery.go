package cnpg

import (
	"cmp"
	"context"
	"fmt"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	corev1 "k8s.io/api/core/v1"
)

const (
	// recoveryJobRole is CNPG's name for the Job, and the container in it, that restores from an object store.
	recoveryJobRole = "full-recovery"
	labelJobRole    = "cnpg.io/jobRole"
)

// WaitRestored waits until a Cluster that is bootstrapped from an archive is ready, as [Client.WaitReady] does. The first
// pod of the recovery Job that fails for a reason that trying again cannot mend ends the wait with a [RecoveryError]; other
// failures are left to the Job's retries until the Job itself has failed. The restored database's own pods are looked at
// in the same way.
func (c *Client) WaitRestored(ctx context.Context, key Key, course Course, tell Progress) (*cnpgv1.Cluster, Recovered, error) {
	var last *Snapshot
	var recovered Recovered
	read := false // the log of the pod that succeeded: CNPG removes it soon after the Cluster is ready
	is := c.newReadiness(key)
	progress := c.newRestoreProgress(course, tell)
	defer progress.stop()
	failures := &recoveryFailures{client: c, tell: progress.event}
	kinds := []Kind{KindCluster, KindJob, KindPod, KindVolume, KindEvent}
	err := c.Observe(ctx, key, kinds, func(s *Snapshot) (bool, error) {
		last = s
		if s.Cluster == nil {
			return false, c.stillThere(ctx, key)
		}
		if err := failures.look(ctx, s); err != nil {
			return false, err
		}
		if err := progress.look(ctx, s); err != nil {
			return false, err
		}
		if pod := recoveryPodIn(s, corev1.PodSucceeded); pod != nil && !read {
			recovered, read = c.recoveredBy(ctx, pod, recovered)
		}
		return is.reached(ctx, s)
	})
	if err != nil {
		return nil, recovered, failures.explain(c.stalled(ctx, err, last))
	}
	cluster, err := c.joined(ctx, last.Cluster)
	return cluster, c.askRecovered(ctx, key, recovered), err
}

// recoveryPodIn is a pod of the recovery Job that is in a phase; nil where there is none.
func recoveryPodIn(s *Snapshot, phase corev1.PodPhase) *corev1.Pod {
	for i := range s.Pods {
		if pod := &s.Pods[i]; pod.Labels[labelJobRole] == recoveryJobRole && pod.Status.Phase == phase {
			return pod
		}
	}
	return nil
}

func progressOf(s *Snapshot) string {
	if s.Cluster == nil {
		return "the Cluster is not seen yet"
	}
	text := cmp.Or(s.Cluster.Status.Phase, "CloudNativePG has not begun yet")
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
