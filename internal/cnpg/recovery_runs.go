package cnpg

import (
	"context"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// RecoveryRuns tells whether the recovery of a Cluster is on its way: its Job is there and has not failed, nor has a pod of it,
// and one has begun, so that work would be lost with it. A pod that waits for a node, a volume or an image has done none, though CNPG's
// own container and that of the Barman Cloud plugin come before PostgreSQL's and have images of their own; and a recovery that PostgreSQL has
// paused never goes on. It needs the rights to list Jobs and Pods.
func (c *Client) RecoveryRuns(ctx context.Context, key Key) (bool, error) {
	selector := labels.Set{LabelCluster: key.Name, labelJobRole: recoveryJobRole}.String()
	var jobs batchv1.JobList
	if err := c.batch.Get().Namespace(key.Namespace).Resource("jobs").Param("labelSelector", selector).Do(ctx).Into(&jobs); err != nil {
		return false, explain(err, "Job", key)
	}
	var pods corev1.PodList
	if err := c.core.Get().Namespace(key.Namespace).Resource("pods").Param("labelSelector", selector).Do(ctx).Into(&pods); err != nil {
		return false, explain(err, "Pod", key)
	}
	begun := false
	for i := range pods.Items {
		if containerFailed(&pods.Items[i]) || c.paused(ctx, &pods.Items[i]) {
			return false, nil
		}
		begun = begun || recoveryBegun(&pods.Items[i])
	}
	for _, job := range jobs.Items {
		if job.Status.Failed > 0 {
			return false, nil
		}
	}
	return begun && len(jobs.Items) > 0, nil
}

// recoveryBegun tells whether the container of a pod that recovers runs or has run, whatever others somebody has added to the pod.
func recoveryBegun(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.ContainerStatuses, func(status corev1.ContainerStatus) bool {
		return status.Name == recoveryJobRole && (status.State.Running != nil || status.State.Terminated != nil)
	})
}

// paused tells whether the log of a pod that runs says that its recovery waits for settings that nobody can change any more.
func (c *Client) paused(ctx context.Context, pod *corev1.Pod) bool {
	if pod.Status.Phase != corev1.PodRunning {
		return false
	}
	var journal recoveryJournal
	return c.readJournal(ctx, pod, &journal) == nil && journal.paused != nil
}
