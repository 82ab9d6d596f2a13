package main

import (
	"context"
	"errors"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
)

// steps notes what is done to disks and claims, in its order.
type steps struct {
	seen []string
	fail error // of Extend
}

func (s *steps) Enlarge(name string, size int64) error {
	s.seen = append(s.seen, "enlarge "+name+" to "+resource.NewQuantity(size, resource.BinarySI).String())
	return nil
}

func (s *steps) Extend(_ context.Context, name string) error {
	s.seen = append(s.seen, "extend "+name)
	return s.fail
}

// claimed is a bound claim that asks for wanted and has has, and its volume, which has capacity.
func claimed(wanted, has, capacity string) (*corev1.PersistentVolumeClaim, *corev1.PersistentVolume) {
	storage := func(q string) corev1.ResourceList {
		return corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(q)}
	}
	return &corev1.PersistentVolumeClaim{
			ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "claim", UID: "1"},
			Spec: corev1.PersistentVolumeClaimSpec{
				VolumeName: "volume", Resources: corev1.VolumeResourceRequirements{Requests: storage(wanted)},
			},
			Status: corev1.PersistentVolumeClaimStatus{
				Phase: corev1.ClaimBound, Capacity: storage(has),
				Conditions: []corev1.PersistentVolumeClaimCondition{{Type: "Others", Status: corev1.ConditionTrue}},
			},
		}, &corev1.PersistentVolume{
			ObjectMeta: metav1.ObjectMeta{Name: "volume", Annotations: map[string]string{provisionedBy: provisionerName}},
			Spec:       corev1.PersistentVolumeSpec{Capacity: storage(capacity)},
		}
}

// resize lets a resizer look at the claim once. What it does is noted in did; what the claim has then is returned.
func resize(t *testing.T, did *steps, claim *corev1.PersistentVolumeClaim, volume *corev1.PersistentVolume) (string, error) {
	t.Helper()
	client := fake.NewClientset(claim, volume)
	client.PrependReactor("update", "persistentvolumeclaims", func(action clienttesting.Action) (bool, runtime.Object, error) {
		if update, ok := action.(clienttesting.UpdateAction); ok {
			did.seen = append(did.seen, describe(t, update.GetObject()))
		}
		return false, nil, nil
	})
	factory := informers.NewSharedInformerFactory(client, 0)
	core := factory.Core().V1()
	r := &resizer{
		client: client, claims: core.PersistentVolumeClaims().Lister(), volumes: core.PersistentVolumes().Lister(),
		disks: did, events: record.NewFakeRecorder(10),
	}
	factory.Start(t.Context().Done())
	factory.WaitForCacheSync(t.Context().Done())
	err := r.resize(t.Context(), cache.ObjectName{Namespace: "ns", Name: "claim"})
	after, getErr := client.CoreV1().PersistentVolumeClaims("ns").Get(t.Context(), "claim", metav1.GetOptions{})
	if getErr != nil {
		t.Fatal(getErr)
	}
	return describe(t, after), err
}

// describe tells what a claim has and its conditions.
func describe(t *testing.T, object runtime.Object) string {
	t.Helper()
	claim, ok := object.(*corev1.PersistentVolumeClaim)
	if !ok {
		t.Fatalf("%T is no claim", object)
	}
	line := "has " + claim.Status.Capacity.Storage().String()
	for _, c := range claim.Status.Conditions {
		line += " " + string(c.Type)
	}
	return line
}

func TestClaimsGetWhatTheyAskFor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		wanted, has, capacity string
		want                  []string
	}{
		"more than the volume has": {"2Gi", "1Gi", "1Gi", []string{
			"has 1Gi Others Resizing", "enlarge volume to 2Gi",
			"has 1Gi Others FileSystemResizePending", "extend volume", "has 2Gi Others",
		}},
		"interrupted between the two parts": {"2Gi", "1Gi", "2Gi", []string{
			"has 1Gi Others FileSystemResizePending", "extend volume", "has 2Gi Others",
		}},
		"as much as it has":                  {"1Gi", "1Gi", "1Gi", nil},
		"less than the smallest file system": {"100Mi", "300Mi", "300Mi", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			claim, volume := claimed(c.wanted, c.has, c.capacity)
			did := &steps{}
			if _, err := resize(t, did, claim, volume); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(did.seen, c.want) {
				t.Errorf("it did %q, want %q", did.seen, c.want)
			}
		})
	}
}

func TestWhatFailsIsNotReported(t *testing.T) {
	t.Parallel()
	claim, volume := claimed("2Gi", "1Gi", "1Gi")
	after, err := resize(t, &steps{fail: errors.New("no")}, claim, volume)
	if err == nil || after != "has 1Gi Others FileSystemResizePending" {
		t.Errorf("the claim %s, and the error is %v", after, err)
	}
}

func TestOnlyOwnBoundVolumesGrow(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*corev1.PersistentVolumeClaim, *corev1.PersistentVolume){
		"of another provisioner": func(_ *corev1.PersistentVolumeClaim, v *corev1.PersistentVolume) {
			v.Annotations[provisionedBy] = "rancher.io/local-path"
		},
		"not bound yet": func(c *corev1.PersistentVolumeClaim, _ *corev1.PersistentVolume) {
			c.Status.Phase = corev1.ClaimPending
		},
		"being deleted": func(c *corev1.PersistentVolumeClaim, _ *corev1.PersistentVolume) {
			now := metav1.Now()
			c.DeletionTimestamp, c.Finalizers = &now, []string{"kubernetes.io/pvc-protection"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			claim, volume := claimed("2Gi", "1Gi", "1Gi")
			change(claim, volume)
			did := &steps{}
			if _, err := resize(t, did, claim, volume); err != nil || len(did.seen) > 0 {
				t.Errorf("it did %q, %v", did.seen, err)
			}
		})
	}
}
