package cnpg

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
)

// DeleteCluster has the Cluster that live is deleted, and with it its pods, volumes and data; [Client.WaitDeleted] waits for
// that. Another one that was made under the same name since live was read is left alone: [ErrReplaced]. It is no error when
// the Cluster is gone already.
func (c *Client) DeleteCluster(ctx context.Context, live *cnpgv1.Cluster) error {
	key := KeyOf(live)
	err := c.delete(ctx, c.cnpg, clusters, key, &metav1.DeleteOptions{
		PropagationPolicy: ptr.To(metav1.DeletePropagationForeground),
		Preconditions:     &metav1.Preconditions{UID: ptr.To(live.UID)},
	})
	switch {
	case apierrors.IsConflict(err): // only the UID was a condition
		return fmt.Errorf("Cluster %s: %w", key, ErrReplaced)
	case err != nil && !apierrors.IsNotFound(err):
		return explain(err, "Cluster", key)
	}
	return nil
}

// WaitDeleted waits until a Cluster that is being deleted is gone, and its volumes too. When ctx ends first, the error says
// what is left and what holds it.
func (c *Client) WaitDeleted(ctx context.Context, live *cnpgv1.Cluster) error {
	key := KeyOf(live)
	var last *Snapshot
	err := c.Observe(ctx, key, []Kind{KindCluster, KindVolume, KindPod}, func(s *Snapshot) (bool, error) {
		last = s
		if s.Cluster != nil && s.Cluster.UID == live.UID {
			return false, nil
		}
		return len(volumesOf(s, live.UID)) == 0, nil
	})
	if err != nil && ctx.Err() != nil && last != nil {
		return &StalledError{Err: err, Waiting: deletionWaitsFor(last, live.UID)}
	}
	return err
}

// deleteRead deletes an object as it was read, where it belongs to the Cluster with the UID owner, or to none: under the same
// name there may be something by now that belongs to another Cluster.
func (c *Client) deleteRead(ctx context.Context, client rest.Interface, resource string, key Key, owner types.UID, object metav1.Object) error {
	if ofAnother(object, owner) {
		return nil
	}
	err := c.delete(ctx, client, resource, key, &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: ptr.To(object.GetUID())}})
	if apierrors.IsConflict(err) { // the one that was read may be gone
		switch now, askErr := c.metadata(ctx, client, resource, key); {
		case askErr != nil:
			err = askErr
		case now.UID != object.GetUID():
			err = nil
		}
	}
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// deleteApplied is deleteRead for an object that [FieldManager] has applied; that of anybody else is left alone. It is no error when
// it is gone already.
func (c *Client) deleteApplied(ctx context.Context, client rest.Interface, resource string, key Key, owner types.UID) error {
	live, err := c.metadata(ctx, client, resource, key)
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil || !Applied(live):
		return err
	}
	return c.deleteRead(ctx, client, resource, key, owner, live)
}

// metadata reads an object without what it holds: the API server sends nothing else.
func (c *Client) metadata(ctx context.Context, client rest.Interface, resource string, key Key) (*metav1.PartialObjectMetadata, error) {
	answer, err := raw(client.Get().Namespace(key.Namespace).Resource(resource).Name(key.Name).SetHeader("Accept", onlyMetadata).Do(ctx))
	if err != nil {
		return nil, err
	}
	object := &metav1.PartialObjectMetadata{}
	return object, json.Unmarshal(answer, object)
}

// onlyMetadata asks for an object without what it holds.
const onlyMetadata = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

// volumesOf are the volumes of one Cluster, not those of another one of its name.
func volumesOf(s *Snapshot, cluster types.UID) []corev1.PersistentVolumeClaim {
	var of []corev1.PersistentVolumeClaim
	for _, volume := range s.Volumes {
		if ownedBy(&volume, cluster) {
			of = append(of, volume)
		}
	}
	return of
}

func ownedBy(object metav1.Object, uid types.UID) bool {
	for _, owner := range object.GetOwnerReferences() {
		if owner.UID == uid {
			return true
		}
	}
	return false
}

// ofAnother tells whether an object belongs to another Cluster than that with the UID owner.
func ofAnother(object metav1.Object, owner types.UID) bool {
	return slices.ContainsFunc(object.GetOwnerReferences(), func(of metav1.OwnerReference) bool {
		return of.Kind == ClusterTypeMeta.Kind && of.UID != owner
	})
}

// deletionWaitsFor says what is left of a Cluster that is being deleted, and what holds it.
func deletionWaitsFor(s *Snapshot, cluster types.UID) []string {
	var left []string
	if s.Cluster != nil && s.Cluster.UID == cluster {
		left = append(left, "Cluster "+s.Cluster.Name+heldBy(s.Cluster))
	}
	for _, volume := range volumesOf(s, cluster) {
		left = append(left, "volume claim "+volume.Name+heldBy(&volume))
	}
	for _, pod := range s.Pods {
		if ownedBy(&pod, cluster) {
			left = append(left, fmt.Sprintf("pod %s: %s%s", pod.Name, pod.Status.Phase, heldBy(&pod)))
		}
	}
	return left
}

func heldBy(object metav1.Object) string {
	text := ": not deleted yet"
	if object.GetDeletionTimestamp() != nil {
		text = ": being deleted"
	}
	if finalizers := object.GetFinalizers(); len(finalizers) > 0 {
		text += ", held by " + strings.Join(finalizers, ", ")
	}
	return text
}
