package cnpg

import (
	"context"
	"errors"
	"fmt"
	"strings"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
)

// labelVolumeRole is CNPG's label that tells a volume of data from one of WAL.
const labelVolumeRole = "cnpg.io/pvcRole"

const (
	volumeRoleData = "PG_DATA"
	volumeRoleWAL  = "PG_WAL"
)

// LeftoverVolumesError are volumes of a former Cluster of the same name: CNPG would take their data over into a new one.
type LeftoverVolumesError struct {
	Cluster Key
	Volumes []string
}

func (e *LeftoverVolumesError) Error() string {
	return fmt.Sprintf("Cluster %s: volume claims of a former Cluster of this name are left, and CNPG would make their data that of the new one: %s",
		e.Cluster, strings.Join(e.Volumes, ", "))
}

// refuseLeftoverVolumes is a [LeftoverVolumesError] where a new Cluster would meet the volumes of a former one. Those that
// may not be seen are left to CNPG.
func (c *Client) refuseLeftoverVolumes(ctx context.Context, key Key) error {
	volumes, err := c.volumes(ctx, key)
	if errors.Is(err, ErrForbidden) {
		DoWithout(ctx, err, fmt.Sprintf("whether a former Cluster %s has left volumes, whose data CloudNativePG would take over, was not looked at", key))
		return nil
	}
	if err != nil || len(volumes) == 0 {
		return err
	}
	switch _, err := c.getCluster(ctx, key); {
	case err == nil:
		return fmt.Errorf("Cluster %s: %w", key, ErrAlreadyExists)
	case !errors.Is(err, ErrNotFound):
		return err
	}
	left := &LeftoverVolumesError{Cluster: key}
	for _, volume := range volumes {
		name := volume.Name
		if volume.DeletionTimestamp != nil {
			name += " (being deleted)"
		}
		left.Volumes = append(left.Volumes, name)
	}
	return left
}

// GrowthError is a volume that is to grow, and whose storage class does not let it.
type GrowthError struct {
	Cluster Key
	Volume  string
	Class   string // "" for a volume that was made without one
	From    string
	To      string
	WAL     bool // a volume of spec.walStorage, not of spec.storage
}

func (e *GrowthError) Error() string {
	class := fmt.Sprintf("its storage class %q does not allow volume expansion", e.Class)
	if e.Class == "" {
		class = "it was made without a storage class"
	}
	return fmt.Sprintf("the volume claim %s of Cluster %s cannot grow from %s to %s: %s", e.Volume, e.Cluster, e.From, e.To, class)
}

// CheckGrowth is a [GrowthError] where a volume of a Cluster would have to grow to what spec asks for and cannot. What the
// credentials may not see is no obstacle.
func (c *Client) CheckGrowth(ctx context.Context, key Key, spec cnpgv1.ClusterSpec) error {
	volumes, err := c.volumes(ctx, key)
	if err != nil {
		return unlessForbidden(err)
	}
	expands := map[string]bool{}
	for _, volume := range volumes {
		wanted, ok := wantedSize(&volume, spec)
		asked := volume.Spec.Resources.Requests[corev1.ResourceStorage]
		if !ok || asked.Cmp(wanted) >= 0 {
			continue
		}
		class := ptr.Deref(volume.Spec.StorageClassName, "")
		if _, asked := expands[class]; !asked {
			if expands[class], err = c.expands(ctx, class); err != nil {
				return unlessForbidden(err)
			}
		}
		if !expands[class] {
			return &GrowthError{
				Cluster: key, Volume: volume.Name, Class: class, From: asked.String(), To: wanted.String(),
				WAL: volume.Labels[labelVolumeRole] == volumeRoleWAL,
			}
		}
	}
	return nil
}

// UnseenVolumesError are volumes of a Cluster without room for its WAL that may not be listed, so that nobody here can tell
// whether they have to grow.
type UnseenVolumesError struct {
	Phase string // the Cluster's
	Err   error
}

func (e *UnseenVolumesError) Error() string {
	return fmt.Sprintf("CloudNativePG leaves the volumes of a Cluster as they are that has no room for its WAL (%s), and whether they are smaller than its sizes could not be seen: %s",
		e.Phase, e.Err)
}

func (e *UnseenVolumesError) Unwrap() error { return e.Err }

// GrowFullVolumes asks for the sizes of a Cluster's spec where CNPG does not: while an instance has no room for its WAL, CNPG
// touches nothing of the Cluster, the volume that is full least of all. Volumes that may not be listed are an
// [UnseenVolumesError]: they may well be large enough.
func (c *Client) GrowFullVolumes(ctx context.Context, cluster *cnpgv1.Cluster) error {
	if cluster.Status.Phase != phaseDiskFull || !resizes(cluster.Spec) {
		return nil
	}
	key := KeyOf(cluster)
	volumes, err := c.volumes(ctx, key)
	if errors.Is(err, ErrForbidden) {
		return &UnseenVolumesError{Phase: cluster.Status.Phase, Err: err}
	}
	if err != nil {
		return err
	}
	for _, volume := range volumes {
		wanted, ok := wantedSize(&volume, cluster.Spec)
		asked := volume.Spec.Resources.Requests[corev1.ResourceStorage]
		if !ok || asked.Cmp(wanted) >= 0 {
			continue
		}
		larger := fmt.Sprintf(`"spec":{"resources":{"requests":{"storage":%q}}}`, wanted.String())
		err := c.core.Patch(types.MergePatchType).
			Namespace(volume.Namespace).Resource("persistentvolumeclaims").Name(volume.Name).
			Param("fieldManager", FieldManager).
			Body(fmt.Appendf(nil, `{"metadata":{"uid":%q},%s}`, volume.UID, larger)).Do(ctx).Error()
		if err = explain(err, "PersistentVolumeClaim", Key{Namespace: volume.Namespace, Name: volume.Name}); err != nil {
			return fmt.Errorf("CloudNativePG leaves the volumes of a Cluster as they are that has no room for its WAL (%s), and so somebody else has to enlarge them: %w; "+
				"with other credentials: kubectl patch pvc %s -n %s -p '{%s}'", cluster.Status.Phase, err, volume.Name, volume.Namespace, larger)
		}
	}
	return nil
}

func unlessForbidden(err error) error {
	if errors.Is(err, ErrForbidden) {
		return nil
	}
	return err
}

// expands tells whether volumes of a storage class can grow. A class that is gone is taken for one where they cannot.
func (c *Client) expands(ctx context.Context, class string) (bool, error) {
	if class == "" {
		return false, nil
	}
	found := &storagev1.StorageClass{}
	err := c.storage.Get().Resource("storageclasses").Name(class).Do(ctx).Into(found)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	return ptr.Deref(found.AllowVolumeExpansion, false), explain(err, "StorageClass", Key{Name: class})
}

// wantedSize is the size that a Cluster's spec asks of one of its volumes; not ok for one whose size it does not tell.
func wantedSize(volume *corev1.PersistentVolumeClaim, spec cnpgv1.ClusterSpec) (size resource.Quantity, ok bool) {
	var text string
	switch volume.Labels[labelVolumeRole] {
	case volumeRoleData:
		text = spec.StorageConfiguration.Size
	case volumeRoleWAL:
		if spec.WalStorage != nil {
			text = spec.WalStorage.Size
		}
	}
	size, err := resource.ParseQuantity(text)
	return size, err == nil
}

// volumes are the volume claims that carry a Cluster's name, whether the Cluster exists or not.
func (c *Client) volumes(ctx context.Context, cluster Key) ([]corev1.PersistentVolumeClaim, error) {
	list := &corev1.PersistentVolumeClaimList{}
	err := c.core.Get().Namespace(cluster.Namespace).Resource("persistentvolumeclaims").
		Param("labelSelector", LabelCluster+"="+cluster.Name).Do(ctx).Into(list)
	return list.Items, explain(err, "PersistentVolumeClaims of Cluster", cluster)
}
