package cnpg

import (
	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ChildOf is the metadata of an object that belongs to a Cluster: Kubernetes deletes it with the Cluster.
func ChildOf(owner *cnpgv1.Cluster, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace:       owner.Namespace,
		Name:            name,
		Labels:          ChildLabels(owner),
		OwnerReferences: []metav1.OwnerReference{OwnerReference(owner)},
	}
}

// OwnerReference names a Cluster as the owner of an object.
func OwnerReference(owner *cnpgv1.Cluster) metav1.OwnerReference {
	return metav1.OwnerReference{APIVersion: ClusterTypeMeta.APIVersion, Kind: ClusterTypeMeta.Kind, Name: owner.Name, UID: owner.UID}
}

// ChildLabels are the labels of what belongs to a Cluster.
func ChildLabels(owner *cnpgv1.Cluster) map[string]string {
	labels := map[string]string{LabelCluster: owner.Name}
	if org, ok := owner.Labels[LabelOrgID]; ok {
		labels[LabelOrgID] = org
	}
	return labels
}
