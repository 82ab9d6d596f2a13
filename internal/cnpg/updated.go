package cnpg

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"
)

// WaitUpdated waits, as [Client.WaitReady] does, for what an apply has changed: before is the Cluster as it was read,
// applied as the apply left it.
//
// CNPG tells of no generation that it has looked at, and stays in its healthy phase until it has. What pods and volumes
// show by themselves is waited for; of other changes, such as a parameter that PostgreSQL has to be restarted for or other keys for S3, nothing
// is to be seen at first, so that the Cluster has to stay ready for the time settle. What was amiss before, such as a phase
// that the change may mend, is given time to end.
func (c *Client) WaitUpdated(ctx context.Context, before, applied *cnpgv1.Cluster, settle time.Duration) (*cnpgv1.Cluster, error) {
	key := KeyOf(applied)
	shown := before.Annotations[AnnotationCredentials] == applied.Annotations[AnnotationCredentials] &&
		(before.Generation == applied.Generation && equality.Semantic.DeepEqual(before.Spec.Backup, applied.Spec.Backup) || shows(before.Spec, applied.Spec))
	return c.waitReady(ctx, c.newReadiness(key).after(before, applied), func(s *Snapshot) (time.Duration, error) {
		switch {
		case s.Cluster.UID != applied.UID:
			return 0, fmt.Errorf("Cluster %s: %w", key, ErrReplaced)
		case s.Cluster.Generation < applied.Generation: // a watch may begin with a version from before the apply
			return forever, nil
		case shown:
			if standing, _ := instancePods(s); len(standing) > 0 { // pods that may not be seen show nothing
				return 0, nil
			}
		}
		return settle, nil
	})
}

const forever = time.Duration(1<<63 - 1)

// shows tells whether all that differs between two specs is to be seen in the Cluster's status, its pods and its volumes.
func shows(before, after cnpgv1.ClusterSpec) bool {
	visible := *before.DeepCopy()
	visible.Instances, visible.ImageName, visible.Resources = after.Instances, after.ImageName, after.Resources
	visible.StorageConfiguration.Size = after.StorageConfiguration.Size
	if visible.WalStorage == nil || after.WalStorage == nil {
		visible.WalStorage = after.WalStorage
	} else {
		visible.WalStorage.Size = after.WalStorage.Size
	}
	return equality.Semantic.DeepEqual(visible, after)
}

const (
	labelPodRole    = "cnpg.io/podRole"
	podRoleInstance = "instance"

	// annotationPodSpec is where CNPG keeps the spec that it made a pod from; in the pod itself, others may have their say.
	annotationPodSpec = "cnpg.io/podSpec"
)

// instancePods are the pods of a Cluster's instances.
func instancePods(s *Snapshot) (standing, leaving []corev1.Pod) {
	for _, pod := range s.Pods {
		switch {
		case pod.Labels[labelPodRole] != podRoleInstance:
		case pod.DeletionTimestamp == nil:
			standing = append(standing, pod)
		default:
			leaving = append(leaving, pod)
		}
	}
	return standing, leaving
}

// lacking says what the pods and volumes of a Cluster do not have yet of what its spec asks for.
func lacking(s *Snapshot) []string {
	if s.Cluster == nil {
		return nil
	}
	lack := podsLack(s)
	for _, volume := range volumesLack(s) {
		wanted, _ := wantedSize(&volume, s.Cluster.Spec)
		has := volume.Status.Capacity[corev1.ResourceStorage]
		lack = append(lack, fmt.Sprintf("volume claim %s: has %s of %s", volume.Name, has.String(), wanted.String()))
	}
	return lack
}

// podsLack says what the pods of a Cluster do not have yet.
func podsLack(s *Snapshot) []string {
	var lack []string
	spec := s.Cluster.Spec
	instances, leaving := instancePods(s)
	// A healthy phase may be from before CNPG took the pods away. Pods that may not be seen show nothing.
	if len(instances)+len(leaving) > 0 && len(instances) < spec.Instances {
		lack = append(lack, fmt.Sprintf("%d of %d instances have a pod", len(instances), spec.Instances))
	}
	for _, pod := range instances {
		running, asked := containerOf(&pod.Spec), containerOf(specOf(&pod))
		lacksArchiver := podLacksArchiver(s.Cluster, &pod, s.certificateOf)
		switch {
		case spec.ImageName != "" && running.Image != spec.ImageName:
			lack = append(lack, fmt.Sprintf("pod %s: runs the image %s, not yet %s", pod.Name, running.Image, spec.ImageName))
		case !equalResources(asked.Resources, spec.Resources):
			lack = append(lack, fmt.Sprintf("pod %s: does not have the resources of the Cluster yet", pod.Name))
		case lacksArchiver != "":
			lack = append(lack, lacksArchiver)
		case spec.WalStorage != nil && len(s.Volumes) > 0 && !hasVolume(s, pod.Name+"-wal"):
			lack = append(lack, fmt.Sprintf("pod %s: has no volume for its WAL yet", pod.Name))
		}
	}
	return lack
}

// podLacksArchiver says what a pod does not have yet, or still has, of what a Cluster archives by; "" where it is as it should be.
func podLacksArchiver(cluster *cnpgv1.Cluster, pod *corev1.Pod, certificateOf string) string {
	switch {
	case archiverEntry(cluster) != nil && !hasPluginContainer(pod):
		return fmt.Sprintf("pod %s: does not have the container %s of the Barman Cloud plugin yet", pod.Name, pluginContainer)
	case !pluginInPods(cluster) && hasPluginContainer(pod):
		return fmt.Sprintf("pod %s: still has the container %s of the Barman Cloud plugin", pod.Name, pluginContainer)
	case certificateOf != "" && !mountsCertificate(pod, certificateOf):
		return fmt.Sprintf("pod %s: does not mount the certificate of the ObjectStore %s yet", pod.Name, certificateOf)
	}
	return ""
}

// certificateStore is the ObjectStore whose certificate the pods of a Cluster are to mount; "" without one.
func certificateStore(cluster *cnpgv1.Cluster) string {
	if store := Archiver(cluster); store != nil && store.EndpointCA != nil {
		return storeOf(archiverEntry(cluster))
	}
	return ""
}

// ArchivePodsLack says what the pods of a Cluster, those too that are about to go, do not have yet of what it archives by: a base backup
// fails in them. Pods that may not be seen show nothing, nor do those that are not there: CNPG lets a Backup wait for one.
func (c *Client) ArchivePodsLack(ctx context.Context, cluster *cnpgv1.Cluster) ([]string, error) {
	selector := labels.Set{LabelCluster: cluster.Name, labelPodRole: podRoleInstance}.String()
	var pods corev1.PodList
	err := c.core.Get().Namespace(cluster.Namespace).Resource("pods").Param("labelSelector", selector).Do(ctx).Into(&pods)
	if apierrors.IsForbidden(err) {
		DoWithout(ctx, err, unseen[KindPod])
		return nil, nil
	}
	if err != nil {
		return nil, explain(err, "Pods of Cluster", KeyOf(cluster))
	}
	var lack []string
	for _, pod := range pods.Items {
		if lacks := podLacksArchiver(cluster, &pod, certificateStore(cluster)); lacks != "" {
			lack = append(lack, lacks)
		}
	}
	return lack, nil
}

// volumesLack are the volumes that have not reached the size that the Cluster asks for.
func volumesLack(s *Snapshot) []corev1.PersistentVolumeClaim {
	var lack []corev1.PersistentVolumeClaim
	for _, volume := range s.Volumes {
		wanted, ok := wantedSize(&volume, s.Cluster.Spec)
		has := volume.Status.Capacity[corev1.ResourceStorage]
		if ok && volume.Status.Phase == corev1.ClaimBound && has.Cmp(wanted) < 0 && resizes(s.Cluster.Spec) {
			lack = append(lack, volume)
		}
	}
	return lack
}

// containerOf is the container that runs PostgreSQL.
func containerOf(spec *corev1.PodSpec) corev1.Container {
	for _, container := range spec.Containers {
		if container.Name == postgresContainer {
			return container
		}
	}
	return corev1.Container{}
}

// specOf is the spec that CNPG made a pod from.
func specOf(pod *corev1.Pod) *corev1.PodSpec {
	spec := &corev1.PodSpec{}
	if text, ok := pod.Annotations[annotationPodSpec]; ok && json.Unmarshal([]byte(text), spec) == nil {
		return spec
	}
	return &pod.Spec
}

func equalResources(a, b corev1.ResourceRequirements) bool {
	same := func(a, b corev1.ResourceList) bool {
		return len(a) == 0 && len(b) == 0 || equality.Semantic.DeepEqual(a, b)
	}
	return same(a.Requests, b.Requests) && same(a.Limits, b.Limits)
}

func hasVolume(s *Snapshot, name string) bool {
	for _, volume := range s.Volumes {
		if volume.Name == name {
			return true
		}
	}
	return false
}

// resizes tells whether CNPG lets volumes grow at all.
func resizes(spec cnpgv1.ClusterSpec) bool {
	return ptr.Deref(spec.StorageConfiguration.ResizeInUseVolumes, true)
}
