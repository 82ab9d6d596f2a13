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
// instance_controller.go); CNPG never empties it. The recovery itself runs in a Job before that, to which nobody else can
// connect. The first instance of a replica cluster, which somebody else may have made of a restore, is no primary and starts
// without that, so that nothing is proved of one. CNPG's condition Initialized is True by then, and says nothing of it. The other
// fields are looked at too, since each of them alone shows that an instance runs or has run, and a status can be lost: with a Cluster
// that somebody has brought back from a copy, or to a patch. CNPG soon says of its volumes again that they are no new ones.
func NeverReady(cluster *cnpgv1.Cluster) bool {
	status := &cluster.Status
	return cluster.Annotations[AnnotationSource] != "" &&
		cluster.Spec.Bootstrap != nil && cluster.Spec.Bootstrap.Recovery != nil && cluster.Spec.ReplicaCluster == nil &&
		status.CurrentPrimary == "" && status.CurrentPrimaryTimestamp == "" && status.TimelineID == 0 &&
		len(status.HealthyPVC)+len(status.DanglingPVC)+len(status.ResizingPVC)+len(status.UnusablePVC) == 0 &&
		status.ReadyInstances == 0 && len(status.InstancesReportedState) == 0 && status.SystemID == "" &&
		!meta.IsStatusConditionTrue(status.Conditions, string(cnpgv1.ConditionClusterReady)) &&
		meta.FindStatusCondition(status.Conditions, string(cnpgv1.ConditionContinuousArchiving)) == nil
}

// DeleteNeverReady is [Client.DeleteCluster] for a Cluster that is [NeverReady], and deletes none that is not so any more: a
// recovery that was given up may have succeeded meanwhile. That is [ErrHasRun]. Nor does it delete one with a volume that tells
// otherwise than a status that may be lost: one that was there before the Cluster, since tools that bring back a namespace, or
// wake a Cluster, make it anew from what it was made of, without its status and with its volumes, is [ErrOlderVolume]; one that a
// recovery has filled is [ErrFilledVolume].
func (c *Client) DeleteNeverReady(ctx context.Context, live *cnpgv1.Cluster) error {
	key := KeyOf(live)
	for {
		if !NeverReady(live) {
			return fmt.Errorf("Cluster %s: %w", key, ErrHasRun)
		}
		if err := c.refuseOtherVolumes(ctx, live); err != nil {
			return err
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

// CNPG notes in a volume's annotation how far it is: one that a Job fills is initializing until the Job has succeeded.
const (
	annotationVolumeStatus = "cnpg.io/pvcStatus"
	volumeInitializing     = "initializing"
)

// refuseOtherVolumes is an error where a Cluster has a volume that no failed recovery leaves. Volumes that may not be seen are
// left to the status, unless there is none.
func (c *Client) refuseOtherVolumes(ctx context.Context, live *cnpgv1.Cluster) error {
	volumes, err := c.volumes(ctx, KeyOf(live))
	if errors.Is(err, ErrForbidden) && live.Status.Phase != "" {
		DoWithout(ctx, err, "whether the volumes of the failed restore hold a database was told by its status alone")
		return nil
	}
	if err != nil {
		return err
	}
	for i := range volumes {
		volume := &volumes[i]
		refuse := func(why error) error {
			return fmt.Errorf("Cluster %s: volume claim %s: %w", KeyOf(live), volume.Name, why)
		}
		if volume.CreationTimestamp.Before(&live.CreationTimestamp) {
			return refuse(ErrOlderVolume)
		}
		if status := volume.Annotations[annotationVolumeStatus]; status != "" && status != volumeInitializing {
			return refuse(ErrFilledVolume)
		}
	}
	return nil
}
