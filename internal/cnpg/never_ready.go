package cnpg

import (
	"context"
	"errors"
	"fmt"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// NeverReady tells a Cluster that the provider made as a restore and of which no instance has ever run: it holds nothing
// that anybody could have written. One that has run and is down now is never taken for it.
//
// What proves it is status.currentPrimary: the instance manager of the first instance writes its own name there before it
// starts PostgreSQL, and starts none where it could not (CNPG's internal/management/controller, instance_startup.go and
// instance_controller.go); nothing ever empties it. The recovery itself runs in a Job before that, to which nobody else can
// connect. CNPG's condition Initialized is True by then, and says nothing of it. The other fields are looked at too, since each
// of them alone shows that an instance runs or has run; volumes that CNPG does not call initializing any more may be of a former
// Cluster, whose status is lost where somebody has brought it back from a copy.
func NeverReady(cluster *cnpgv1.Cluster) bool {
	status := &cluster.Status
	return cluster.Annotations[AnnotationSource] != "" &&
		cluster.Spec.Bootstrap != nil && cluster.Spec.Bootstrap.Recovery != nil &&
		status.CurrentPrimary == "" && status.CurrentPrimaryTimestamp == "" && status.TimelineID == 0 &&
		len(status.HealthyPVC)+len(status.DanglingPVC)+len(status.ResizingPVC)+len(status.UnusablePVC) == 0 &&
		status.ReadyInstances == 0 && len(status.InstancesReportedState) == 0 && status.SystemID == "" &&
		!meta.IsStatusConditionTrue(status.Conditions, string(cnpgv1.ConditionClusterReady)) &&
		meta.FindStatusCondition(status.Conditions, string(cnpgv1.ConditionContinuousArchiving)) == nil
}

// DeleteNeverReady is [Client.DeleteCluster] for a Cluster that is [NeverReady], and deletes none that is not so any more: a
// recovery that was given up may have succeeded meanwhile. That is [ErrHasRun]. Nor does it delete one with a volume that was
// there before it: tools that bring back a namespace, or wake a Cluster, make it anew from what it was made of, without its
// status and with its volumes. That is [ErrOlderVolume].
func (c *Client) DeleteNeverReady(ctx context.Context, live *cnpgv1.Cluster) error {
	key := KeyOf(live)
	if err := c.refuseOlderVolumes(ctx, live); err != nil {
		return err
	}
	for {
		if !NeverReady(live) {
			return fmt.Errorf("Cluster %s: %w", key, ErrHasRun)
		}
		// The version makes it the very Cluster that was judged: whoever is its first instance has to write that first.
		err := c.delete(ctx, c.cnpg, clusters, key, &metav1.DeleteOptions{
			PropagationPolicy: ptr.To(metav1.DeletePropagationForeground),
			Preconditions:     &metav1.Preconditions{UID: ptr.To(live.UID), ResourceVersion: ptr.To(live.ResourceVersion)},
		})
		switch {
		case apierrors.IsNotFound(err):
			return nil
		case !apierrors.IsConflict(err):
			return explain(err, "Cluster", key)
		}
		now := &cnpgv1.Cluster{}
		switch err := c.get(ctx, c.cnpg, clusters, key, now); {
		case apierrors.IsNotFound(err):
			return nil
		case err != nil:
			return explain(err, "Cluster", key)
		case now.UID != live.UID:
			return fmt.Errorf("Cluster %s: %w", key, ErrReplaced)
		}
		live = now
	}
}

// refuseOlderVolumes is [ErrOlderVolume] where a Cluster has got the volume of a former one. Volumes that may not be seen are
// taken for its own.
func (c *Client) refuseOlderVolumes(ctx context.Context, live *cnpgv1.Cluster) error {
	volumes, err := c.volumes(ctx, KeyOf(live))
	if err != nil && !errors.Is(err, ErrForbidden) {
		return err
	}
	for i := range volumes {
		if volumes[i].CreationTimestamp.Before(&live.CreationTimestamp) {
			return fmt.Errorf("Cluster %s: volume claim %s: %w", KeyOf(live), volumes[i].Name, ErrOlderVolume)
		}
	}
	return nil
}
