package main

import (
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

func options(size string) controller.ProvisionOptions {
	policy := corev1.PersistentVolumeReclaimDelete
	return controller.ProvisionOptions{
		StorageClass: &storagev1.StorageClass{ReclaimPolicy: &policy},
		PVName:       "pvc-1", SelectedNodeName: "here",
		PVC: &corev1.PersistentVolumeClaim{Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(size)}},
		}},
	}
}

func TestWhatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*controller.ProvisionOptions){
		"not on there": func(o *controller.ProvisionOptions) { o.SelectedNodeName = "there" },
		"selector":     func(o *controller.ProvisionOptions) { o.PVC.Spec.Selector = &metav1.LabelSelector{} },
		"ReadWriteMany": func(o *controller.ProvisionOptions) {
			o.PVC.Spec.AccessModes = append(o.PVC.Spec.AccessModes, corev1.ReadWriteMany)
		},
	} {
		o := options("1Gi")
		change(&o)
		// Nothing can be made in a folder that is a file.
		p := &provisioner{disks: Disks{Folder: "/dev/null"}, node: "here"}
		if _, _, err := p.Provision(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want one with %q", err, want)
		}
	}
}

func TestVolumesAreOfTheirNode(t *testing.T) {
	t.Parallel()
	p := &provisioner{disks: Disks{Folder: "/volumes"}, node: "here"}
	v := p.volume(options("1Gi"), 1<<30)
	if got := v.Spec.Capacity.Storage().String(); got != "1Gi" {
		t.Errorf("it has %s", got)
	}
	if got := v.Spec.NodeAffinity.Required.NodeSelectorTerms[0].MatchExpressions[0].Values; len(got) != 1 || got[0] != "here" {
		t.Errorf("it is on %v", got)
	}
	// Not the mount point, which is there, and empty, while nothing is mounted.
	if got := v.Spec.HostPath.Path; filepath.Dir(got) != p.disks.mount("pvc-1") || *v.Spec.HostPath.Type != corev1.HostPathDirectory {
		t.Errorf("pods get %s, which may be made for them", got)
	}
}
