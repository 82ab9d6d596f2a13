package main

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// provisionerName is what storage classes name.
const provisionerName = "pgplatform.io/loop"

// provisioner makes the volumes of one node.
type provisioner struct {
	disks Disks
	node  string
}

var _ controller.Provisioner = (*provisioner)(nil)

// Provision makes a volume of what the claim asks for.
func (p *provisioner) Provision(ctx context.Context, options controller.ProvisionOptions) (*corev1.PersistentVolume, controller.ProvisioningState, error) {
	spec := options.PVC.Spec
	if n := options.SelectedNodeName; n != "" && n != p.node {
		return nil, controller.ProvisioningReschedule, fmt.Errorf("there are volumes on the node %s only, not on %s", p.node, n)
	}
	if spec.Selector != nil {
		return nil, controller.ProvisioningFinished, fmt.Errorf("a claim with a selector asks for a volume that exists")
	}
	for _, mode := range spec.AccessModes {
		if mode != corev1.ReadWriteOnce && mode != corev1.ReadWriteOncePod {
			return nil, controller.ProvisioningFinished, fmt.Errorf("the volumes of this class are for one node: %s is not possible", mode)
		}
	}

	size := Fit(spec.Resources.Requests.Storage().Value())
	if err := p.disks.Make(ctx, options.PVName, size); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	return p.volume(options, size), controller.ProvisioningFinished, nil
}

func (p *provisioner) volume(options controller.ProvisionOptions, size int64) *corev1.PersistentVolume {
	isFolder := corev1.HostPathDirectory
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: options.PVName},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: *resource.NewQuantity(size, resource.BinarySI)},
			AccessModes:                   options.PVC.Spec.AccessModes,
			PersistentVolumeReclaimPolicy: *options.StorageClass.ReclaimPolicy,
			VolumeMode:                    options.PVC.Spec.VolumeMode,
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				HostPath: &corev1.HostPathVolumeSource{Path: p.disks.Path(options.PVName), Type: &isFolder},
			},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{
				NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{{
					Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{p.node},
				}}}},
			}},
		},
	}
}

// Delete removes what the volume is made of.
func (p *provisioner) Delete(_ context.Context, volume *corev1.PersistentVolume) error {
	return p.disks.Remove(volume.Name)
}
