package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/retry"
	"k8s.io/client-go/util/workqueue"
)

// provisionedBy is the annotation that tells whose volume one is.
const provisionedBy = "pv.kubernetes.io/provisioned-by"

// growing is what a resizer does to a disk.
type growing interface {
	Enlarge(name string, size int64) error
	Extend(ctx context.Context, name string) error
}

// resizer gives claims what they ask for beyond what they have. Conditions and events are those of the CSI project's
// external-resizer and, of the file system's part, of the kubelet.
type resizer struct {
	client  kubernetes.Interface
	claims  corelisters.PersistentVolumeClaimLister
	volumes corelisters.PersistentVolumeLister
	disks   growing
	events  record.EventRecorder
	queue   workqueue.TypedRateLimitingInterface[cache.ObjectName]
}

// enqueue takes an object of an informer of claims.
func (r *resizer) enqueue(object any) {
	// What is no object is a tombstone, and what is deleted does not grow.
	if name, err := cache.ObjectToName(object); err == nil {
		r.queue.Add(name)
	}
}

// work handles claims until the queue is shut down.
func (r *resizer) work(ctx context.Context) {
	for {
		name, ended := r.queue.Get()
		if ended {
			return
		}
		if err := r.resize(ctx, name); err != nil && !apierrors.IsNotFound(err) {
			slog.Error("resize", "claim", name, "error", err)
			r.queue.AddRateLimited(name)
		} else {
			r.queue.Forget(name)
		}
		r.queue.Done(name)
	}
}

// resize does what is left to do for the claim, wherever a run before was interrupted.
func (r *resizer) resize(ctx context.Context, name cache.ObjectName) error {
	claim, err := r.claims.PersistentVolumeClaims(name.Namespace).Get(name.Name)
	if err != nil {
		return err
	}
	if claim.Status.Phase != corev1.ClaimBound || claim.DeletionTimestamp != nil {
		return nil
	}
	volume, err := r.volumes.Get(claim.Spec.VolumeName)
	if err != nil {
		return err
	}
	if volume.Annotations[provisionedBy] != provisionerName {
		return nil
	}
	wanted := resource.NewQuantity(Fit(claim.Spec.Resources.Requests.Storage().Value()), resource.BinarySI)
	if volume.Spec.Capacity.Storage().Cmp(*wanted) < 0 {
		if volume, err = r.enlarge(ctx, claim, volume, *wanted); err != nil {
			return err
		}
	}
	if claim.Status.Capacity.Storage().Cmp(*volume.Spec.Capacity.Storage()) < 0 {
		return r.extend(ctx, claim, volume)
	}
	return nil
}

// enlarge is the part that a resizer does where the volume is made: the volume is bigger, its file system not yet.
func (r *resizer) enlarge(ctx context.Context, claim *corev1.PersistentVolumeClaim, volume *corev1.PersistentVolume, size resource.Quantity) (*corev1.PersistentVolume, error) {
	r.events.Eventf(claim, corev1.EventTypeNormal, "Resizing", "External resizer is resizing volume %s", volume.Name)
	if err := r.updateStatus(ctx, claim, condition(corev1.PersistentVolumeClaimResizing, "")); err != nil {
		return nil, err
	}
	if err := r.disks.Enlarge(volume.Name, size.Value()); err != nil {
		return nil, r.failed(claim, "VolumeResizeFailed", err)
	}
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		live, err := r.client.CoreV1().PersistentVolumes().Get(ctx, volume.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		live.Spec.Capacity[corev1.ResourceStorage] = size
		volume, err = r.client.CoreV1().PersistentVolumes().Update(ctx, live, metav1.UpdateOptions{})
		return err
	})
	return volume, err
}

// extend is the part that is done where the volume is mounted.
func (r *resizer) extend(ctx context.Context, claim *corev1.PersistentVolumeClaim, volume *corev1.PersistentVolume) error {
	// The field's words, which people look up: here nobody has to start anything.
	const waits = "Waiting for user to (re-)start a pod to finish file system resize of volume on node."
	if err := r.updateStatus(ctx, claim, condition(corev1.PersistentVolumeClaimFileSystemResizePending, waits)); err != nil {
		return err
	}
	if err := r.disks.Extend(ctx, volume.Name); err != nil {
		return r.failed(claim, "FileSystemResizeFailed", err)
	}
	if err := r.updateStatus(ctx, claim, func(status *corev1.PersistentVolumeClaimStatus) {
		setConditions(status)
		status.Capacity[corev1.ResourceStorage] = *volume.Spec.Capacity.Storage()
	}); err != nil {
		return err
	}
	r.events.Eventf(claim, corev1.EventTypeNormal, "FileSystemResizeSuccessful", "The file system of volume %s has %s", volume.Name, volume.Spec.Capacity.Storage())
	return nil
}

// failed tells people of an error, which is tried again.
func (r *resizer) failed(claim *corev1.PersistentVolumeClaim, reason string, err error) error {
	r.events.Event(claim, corev1.EventTypeWarning, reason, err.Error())
	return err
}

func (r *resizer) updateStatus(ctx context.Context, claim *corev1.PersistentVolumeClaim, change func(*corev1.PersistentVolumeClaimStatus)) error {
	claims := r.client.CoreV1().PersistentVolumeClaims(claim.Namespace)
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		live, err := claims.Get(ctx, claim.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if live.UID != claim.UID {
			return errors.New("another claim has that name now")
		}
		change(&live.Status)
		_, err = claims.UpdateStatus(ctx, live, metav1.UpdateOptions{})
		return err
	})
}

// condition makes the one condition of a resize the only one.
func condition(kind corev1.PersistentVolumeClaimConditionType, message string) func(*corev1.PersistentVolumeClaimStatus) {
	return func(status *corev1.PersistentVolumeClaimStatus) {
		setConditions(status, corev1.PersistentVolumeClaimCondition{
			Type: kind, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Now(), Message: message,
		})
	}
}

// setConditions replaces the conditions of a resize and keeps those of others.
func setConditions(status *corev1.PersistentVolumeClaimStatus, conditions ...corev1.PersistentVolumeClaimCondition) {
	status.Conditions = slices.DeleteFunc(status.Conditions, func(c corev1.PersistentVolumeClaimCondition) bool {
		return c.Type == corev1.PersistentVolumeClaimResizing || c.Type == corev1.PersistentVolumeClaimFileSystemResizePending
	})
	status.Conditions = append(status.Conditions, conditions...)
}
