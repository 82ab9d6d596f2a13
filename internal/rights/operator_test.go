package rights

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
)

var (
	clusters     = cnpgv1.SchemeGroupVersion.WithResource("clusters")
	backups      = cnpgv1.SchemeGroupVersion.WithResource("backups")
	schedules    = cnpgv1.SchemeGroupVersion.WithResource("scheduledbackups")
	objectStores = barmancloud.SchemeGroupVersion.WithResource("objectstores")
)

const recoveryContainer = "full-recovery"

// diskFull is the phase of a Cluster whose owner is full: CloudNativePG leaves its volumes alone then.
const diskFull = "Not enough disk space"

// operator plays CloudNativePG, its plugin and Kubernetes' controllers on good days, for all namespaces: Clusters have pods and volumes and are
// ready, restores have their Job before, Backups are completed, and what belonged to a Cluster that is deleted goes with it.
type operator struct {
	core    kubernetes.Interface
	dynamic dynamic.Interface

	seen map[string]bool // the generations of Clusters
}

// run operates until ctx ends. What it cannot do at one time it does at the next: others write the same objects.
func (o *operator) run(ctx context.Context) error {
	o.seen = map[string]bool{}
	for {
		err := errors.Join(each(ctx, o, clusters, o.operate), each(ctx, o, backups, o.backUp))
		if err != nil && ctx.Err() == nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func each[T any](ctx context.Context, o *operator, resource schema.GroupVersionResource, do func(context.Context, *T) error) error {
	list, err := o.dynamic.Resource(resource).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	var all []error
	for _, item := range list.Items {
		object := new(T)
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(item.Object, object); err != nil {
			return err
		}
		all = append(all, do(ctx, object))
	}
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

func (o *operator) operate(ctx context.Context, c *cnpgv1.Cluster) error {
	generation := fmt.Sprint(c.UID, c.Generation)
	switch {
	case c.DeletionTimestamp != nil:
		return o.collect(ctx, c)
	case o.seen[generation]:
		return nil
	}
	if waits, err := o.waitsForStores(ctx, c); err != nil || waits {
		return err
	}
	if c.Spec.Bootstrap != nil && c.Spec.Bootstrap.Recovery != nil {
		if err := o.recover(ctx, c); err != nil {
			return err
		}
	}
	pod := &corev1.Pod{ObjectMeta: part(c, c.Name+"-1", "cnpg.io/podRole", "instance"), Spec: podSpec("postgres")}
	if len(c.Spec.Plugins) > 0 {
		pod.Spec.InitContainers = []corev1.Container{{Name: apitest.SidecarContainer, Image: "sidecar", RestartPolicy: ptr.To(corev1.ContainerRestartPolicyAlways)}}
	}
	pod.Annotations = annotated(c)
	if err := o.pod(ctx, pod, corev1.PodRunning); err != nil {
		return err
	}
	if err := o.volume(ctx, c); err != nil {
		return err
	}
	apitest.Healthy(c)
	if c.Annotations["full"] != "" {
		c.Status.Phase = diskFull
	}
	if err := o.status(ctx, clusters, c.Namespace, c.Name, c.Status); err != nil {
		return err
	}
	o.seen[generation] = true
	return nil
}

// annotated has a pod say that it was made of the Cluster's resources.
func annotated(c *cnpgv1.Cluster) map[string]string {
	spec, err := json.Marshal(corev1.PodSpec{Containers: []corev1.Container{{Name: "postgres", Resources: c.Spec.Resources}}})
	if err != nil {
		return nil
	}
	return map[string]string{"cnpg.io/podSpec": string(spec)}
}

func podSpec(container string) corev1.PodSpec {
	return corev1.PodSpec{NodeName: node, AutomountServiceAccountToken: ptr.To(false), Containers: []corev1.Container{{Name: container, Image: "postgres"}}}
}

func part(c *cnpgv1.Cluster, name, label, value string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: c.Namespace, Name: name, Labels: map[string]string{cnpg.LabelCluster: c.Name, label: value},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: cnpgv1.SchemeGroupVersion.String(), Kind: "Cluster", Name: c.Name, UID: c.UID}},
	}
}

// waitsForStores tells whether ObjectStores are missing that a Cluster names.
func (o *operator) waitsForStores(ctx context.Context, c *cnpgv1.Cluster) (bool, error) {
	plugins := c.Spec.Plugins
	for _, e := range c.Spec.ExternalClusters {
		if e.PluginConfiguration != nil {
			plugins = append(plugins, *e.PluginConfiguration)
		}
	}
	for _, p := range plugins {
		_, err := o.dynamic.Resource(objectStores).Namespace(c.Namespace).Get(ctx, p.Parameters[barmancloud.ObjectStoreParameter], metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
	return false, nil
}

// recover has a Job and a pod of it that have done the recovery.
func (o *operator) recover(ctx context.Context, c *cnpgv1.Cluster) error {
	const role = "cnpg.io/jobRole"
	job := &batchv1.Job{
		ObjectMeta: part(c, c.Name+"-1-full-recovery", role, recoveryContainer),
		Spec:       batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: podSpec(recoveryContainer)}},
	}
	job.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyNever
	if _, err := o.core.BatchV1().Jobs(c.Namespace).Create(ctx, job, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	return o.pod(ctx, &corev1.Pod{ObjectMeta: part(c, c.Name+"-1-full-recovery-x", role, recoveryContainer), Spec: podSpec(recoveryContainer)}, corev1.PodSucceeded)
}

func (o *operator) pod(ctx context.Context, pod *corev1.Pod, phase corev1.PodPhase) error {
	pods := o.core.CoreV1().Pods(pod.Namespace)
	if err := pods.Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)}); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	made, err := pods.Create(ctx, pod, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	made.Status.Phase = phase
	_, err = pods.UpdateStatus(ctx, made, metav1.UpdateOptions{})
	return err
}

func (o *operator) volume(ctx context.Context, c *cnpgv1.Cluster) error {
	claims := o.core.CoreV1().PersistentVolumeClaims(c.Namespace)
	size := corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(c.Spec.StorageConfiguration.Size)}
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: part(c, c.Name+"-1", "cnpg.io/pvcRole", "PG_DATA"),
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, StorageClassName: c.Spec.StorageConfiguration.StorageClass,
			Resources: corev1.VolumeResourceRequirements{Requests: size},
		},
	}
	made, err := claims.Create(ctx, claim, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		made, err = claims.Get(ctx, claim.Name, metav1.GetOptions{})
	}
	if err != nil {
		return err
	}
	made.Status.Phase, made.Status.Capacity = corev1.ClaimBound, size
	_, err = claims.UpdateStatus(ctx, made, metav1.UpdateOptions{})
	return err
}

// collect is the garbage collector.
func (o *operator) collect(ctx context.Context, c *cnpgv1.Cluster) error {
	background := metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0), PropagationPolicy: ptr.To(metav1.DeletePropagationBackground)}
	for _, kind := range []schema.GroupVersionResource{
		corev1.SchemeGroupVersion.WithResource("pods"), corev1.SchemeGroupVersion.WithResource("persistentvolumeclaims"), corev1.SchemeGroupVersion.WithResource("secrets"),
		batchv1.SchemeGroupVersion.WithResource("jobs"), backups, schedules, objectStores,
	} {
		of := o.dynamic.Resource(kind).Namespace(c.Namespace)
		list, err := of.List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, item := range list.Items {
			owners := item.GetOwnerReferences()
			if len(owners) == 0 || owners[0].UID != c.UID {
				continue
			}
			if err := of.Delete(ctx, item.GetName(), background); err != nil && !apierrors.IsNotFound(err) {
				return err
			}
			if err := release(ctx, of, &item); err != nil {
				return err
			}
		}
	}
	item, err := toUnstructured(c)
	if err != nil {
		return err
	}
	return release(ctx, o.dynamic.Resource(clusters).Namespace(c.Namespace), item)
}

func toUnstructured(object any) (*unstructured.Unstructured, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	return &unstructured.Unstructured{Object: content}, err
}

// release lets go of an object that is being deleted.
func release(ctx context.Context, of dynamic.ResourceInterface, item *unstructured.Unstructured) error {
	if len(item.GetFinalizers()) == 0 {
		return nil
	}
	_, err := of.Patch(ctx, item.GetName(), types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// backUp ends a Backup: of a Cluster that has the annotation fails, it fails.
func (o *operator) backUp(ctx context.Context, b *cnpgv1.Backup) error {
	if b.Status.Phase != "" || b.DeletionTimestamp != nil {
		return nil
	}
	item, err := o.dynamic.Resource(clusters).Namespace(b.Namespace).Get(ctx, b.Spec.Cluster.Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	c := &cnpgv1.Cluster{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(item.Object, c); err != nil {
		return err
	}
	at := metav1.NewTime(time.Now().UTC().Truncate(time.Second))
	status := cnpgv1.BackupStatus{
		Phase: cnpgv1.BackupPhaseCompleted, BackupID: at.Format("20060102T150405"), StartedAt: &at, StoppedAt: &at,
		BeginWal: s3test.Segment(1, 5), EndWal: s3test.Segment(1, 5), BeginLSN: "0/5000028", EndLSN: "0/5000120",
		InstanceID: &cnpgv1.InstanceID{PodName: c.Name + "-1"},
	}
	if store := cnpg.Archiver(c); store != nil {
		status.ServerName, status.DestinationPath, status.EndpointURL = cnpg.ServerName(c), store.DestinationPath, store.EndpointURL
	}
	if c.Annotations["fails"] != "" {
		status.Phase, status.Error = cnpgv1.BackupPhaseFailed, "exit status 4"
	}
	return o.status(ctx, backups, b.Namespace, b.Name, status)
}

func (o *operator) status(ctx context.Context, resource schema.GroupVersionResource, namespace, name string, status any) error {
	body, err := json.Marshal(map[string]any{"status": status})
	if err != nil {
		return err
	}
	_, err = o.dynamic.Resource(resource).Namespace(namespace).Patch(ctx, name, types.MergePatchType, body, metav1.PatchOptions{}, "status")
	return err
}

// newOperator operates for as long as a test runs.
func newOperator(t *testing.T, o *operator) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- o.run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil && !strings.Contains(err.Error(), "context canceled") {
			t.Errorf("the operator: %v", err)
		}
	})
}
