package cnpg

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
)

const clusters = "clusters"

// Annotations and labels that the provider writes.
const (
	// AnnotationTier keeps the tier that sizes were derived from.
	AnnotationTier = "pgplatform.io/tier"
	// AnnotationNonce is new with each call of CreateCluster; it tells our own object from one that was there before.
	AnnotationNonce = "pgplatform.io/create-nonce"
	// AnnotationCredentials is a salted, truncated fingerprint of the S3 keys in the credentials Secret.
	AnnotationCredentials = "pgplatform.io/credentials-fingerprint" //nolint:gosec // a fingerprint, not a credential
	// AnnotationRegion is the region that the credentials Secret holds, which nobody has to read for it then.
	AnnotationRegion = "pgplatform.io/region"
	// AnnotationObjectStore is what a database's configuration says of its object store beside the provider's, as JSON. It
	// holds no key: what reads the archive, also after an import, reaches the same store by it.
	AnnotationObjectStore = "pgplatform.io/object-store"
	// AnnotationKept is what the environment said of how the pods reach S3 when they got their archive, as JSON: they keep it
	// for as long as the configuration says nothing of it.
	AnnotationKept = "pgplatform.io/from-environment"
	// AnnotationUnfinished names what is still to follow the last apply, see [Unfinished].
	AnnotationUnfinished = "pgplatform.io/unfinished"
	// AnnotationRoleARN, on the pods' service account, is the IAM role that EKS lets them assume.
	AnnotationRoleARN = "eks.amazonaws.com/role-arn"
	// AnnotationSource is what a restored Cluster was made from: the namespace/name of a database, or the folder of its archive.
	AnnotationSource = "pgplatform.io/restored-from"
	// AnnotationRestore is what a restore was configured with, as JSON without any key: an import reads it.
	AnnotationRestore = "pgplatform.io/restore"
	// AnnotationLocation, on a Backup that the Barman Cloud plugin takes, is where it lies, as JSON: the plugin does not say so itself.
	AnnotationLocation = "pgplatform.io/archive"
	// AnnotationOrigin is where the archive lies that a Cluster is restored from, as JSON and without any key: the Barman Cloud plugin wants
	// an ObjectStore that says so as long as the Cluster lives, and the source, or the in-tree field, may be gone by then.
	AnnotationOrigin = "pgplatform.io/origin"
	// AnnotationStores tells which versions of a Cluster's ObjectStores were applied last. CNPG does not watch them: that this changes
	// has it look at the Cluster again, and so at what its pods mount of them.
	AnnotationStores = "pgplatform.io/object-stores"
	// LabelOrgID carries org_id on every object.
	LabelOrgID = "pgplatform.io/org-id"
)

// LabelCluster is CNPG's label on everything that belongs to a Cluster.
const LabelCluster = "cnpg.io/cluster"

// ClusterTypeMeta is the kind of CNPG's Cluster.
var ClusterTypeMeta = metav1.TypeMeta{APIVersion: cnpgv1.SchemeGroupVersion.String(), Kind: "Cluster"}

// GetCluster reads a Cluster, in its in-tree form; [ErrNotFound] where there is none.
func (c *Client) GetCluster(ctx context.Context, key Key) (*cnpgv1.Cluster, error) {
	cluster, err := c.getCluster(ctx, key)
	if err != nil {
		return nil, err
	}
	return c.joined(ctx, cluster)
}

// GetClusterAlone reads a Cluster as Kubernetes has it, without the ObjectStores of one that archives by the plugin: for who asks
// nothing of its archive, and so needs no right to read these.
func (c *Client) GetClusterAlone(ctx context.Context, key Key) (*cnpgv1.Cluster, error) {
	return c.getCluster(ctx, key)
}

// getCluster reads a Cluster as Kubernetes has it.
func (c *Client) getCluster(ctx context.Context, key Key) (*cnpgv1.Cluster, error) {
	cluster := &cnpgv1.Cluster{}
	if err := c.get(ctx, c.cnpg, clusters, key, cluster); err != nil {
		return nil, explain(err, "Cluster", key)
	}
	return cluster, nil
}

// CreateCluster makes a new Cluster and never touches one that exists: that is [ErrAlreadyExists]. What it needs beside it
// [Client.CreateObjectStores] makes; the Cluster that is returned tells of it as if it were there.
//
// The object is created by one server-side apply of [FieldManager]; a second one hands spec.bootstrap and
// spec.externalClusters to [BootstrapManager] too. When the second fails, the created Cluster is returned beside the
// error. An answer that got lost on the way is recognised by the nonce that each call writes; where that cannot be asked
// either, the error is [ErrOutcomeUnknown]. Where volumes of a former Cluster are left, nothing is made:
// [LeftoverVolumesError].
func (c *Client) CreateCluster(ctx context.Context, cluster *cnpgv1.Cluster) (*cnpgv1.Cluster, error) {
	key := KeyOf(cluster)
	if err := c.refuseLeftoverVolumes(ctx, key); err != nil {
		return nil, err
	}
	parts := split(cluster, nil)
	if err := c.freeForStores(ctx, parts); err != nil {
		return nil, err
	}
	cluster = parts.cluster
	cluster.TypeMeta = ClusterTypeMeta
	parts.noteOrigin()
	nonce := rand.Text()
	metav1.SetMetaDataAnnotation(&cluster.ObjectMeta, AnnotationNonce, nonce)

	fields, err := clusterFields(cluster)
	if err != nil {
		return nil, err
	}
	if err := unstructured.SetNestedField(fields, createOnly, "metadata", "resourceVersion"); err != nil {
		return nil, err
	}
	created := &cnpgv1.Cluster{}
	err = apply(ctx, c.cnpg, clusters, key, fields, applyOptions{manager: FieldManager}, created)
	if err != nil && mayHaveArrived(err) {
		// A request may have arrived whose answer did not: ask for what is there before calling it a failure.
		existing, getErr := again(ctx, func(ctx context.Context) (*cnpgv1.Cluster, error) { return c.getCluster(ctx, key) })
		switch {
		case getErr == nil && existing.Annotations[AnnotationNonce] == nonce:
			created, err = existing, nil
		case getErr == nil:
			return nil, fmt.Errorf("Cluster %s: %w", key, ErrAlreadyExists)
		case !errors.Is(getErr, ErrNotFound):
			return nil, fmt.Errorf("Cluster %s: %w: %w", key, ErrOutcomeUnknown, err)
		}
	}
	if err != nil {
		return nil, explain(err, "Cluster", key)
	}

	owned, err := c.applyBootstrap(ctx, created, cluster.Spec, false)
	if err != nil {
		return asIfJoined(created, parts.stores()), err
	}
	return asIfJoined(owned, parts.stores()), nil
}

// asIfJoined is a new Cluster in its in-tree form, before its ObjectStores are there: as those that it is to get will say it.
func asIfJoined(created *cnpgv1.Cluster, stores []*barmancloud.ObjectStore) *cnpgv1.Cluster {
	var applied []*barmancloud.ObjectStore
	for _, store := range stores {
		store = store.DeepCopy()
		fields, err := storeFields(store, nil)
		if err != nil {
			continue // it could not be made either
		}
		store.ManagedFields = []metav1.ManagedFieldsEntry{{
			Manager: FieldManager, Operation: metav1.ManagedFieldsOperationApply, FieldsV1: encodeFields(statedFields(fields)),
		}}
		applied = append(applied, store)
	}
	return Join(created, applied...)
}

// again reads an object whatever has become of ctx, and tries more than once, since what it asks about is the outcome of
// a request that met trouble on the way.
func again[T any](ctx context.Context, read func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askAgainTimeout)
	defer cancel()
	var object T
	var err error
	_ = wait.ExponentialBackoffWithContext(ctx, askAgainBackoff, func(ctx context.Context) (bool, error) {
		object, err = read(ctx)
		return err == nil || isAnswer(err), nil
	})
	return object, err
}

const askAgainTimeout = 30 * time.Second

// askAgainBackoff asks four times within some seconds.
var askAgainBackoff = wait.Backoff{Duration: 200 * time.Millisecond, Factor: 4, Steps: 4}

// mayHaveArrived is false only for answers in which the API server refused the request for what it says.
func mayHaveArrived(err error) bool {
	return !apierrors.IsInvalid(err) && !apierrors.IsBadRequest(err) && !apierrors.IsForbidden(err) &&
		!apierrors.IsUnauthorized(err) && !apierrors.IsNotFound(err) && undeclaredField(err) == ""
}

// clusterFields is fieldsOf for a Cluster, without the fields that Go's encoding writes always, whether somebody set them
// or not.
func clusterFields(cluster *cnpgv1.Cluster) (map[string]any, error) {
	fields, err := fieldsOf(cluster)
	if err != nil {
		return nil, err
	}
	if cluster.Spec.Instances == 0 {
		unstructured.RemoveNestedField(fields, "spec", "instances")
	}
	if !cluster.Spec.PostgresConfiguration.SyncReplicaElectionConstraint.Enabled {
		unstructured.RemoveNestedField(fields, "spec", "postgresql", "syncReplicaElectionConstraint")
	}
	pruneEmpty(fields)
	return fields, nil
}

// applyBootstrap hands the bootstrap fields of spec to [BootstrapManager]. live is the Cluster as it stands: its UID
// keeps the apply from making a new one where it is gone. With force what another manager states too is taken over.
func (c *Client) applyBootstrap(ctx context.Context, live *cnpgv1.Cluster, spec cnpgv1.ClusterSpec, force bool) (*cnpgv1.Cluster, error) {
	key := KeyOf(live)
	fields, err := clusterFields(&cnpgv1.Cluster{
		TypeMeta:   ClusterTypeMeta,
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, UID: live.UID},
		Spec:       cnpgv1.ClusterSpec{Bootstrap: spec.Bootstrap, ExternalClusters: divided(spec.ExternalClusters)},
	})
	if err != nil {
		return nil, err
	}
	owned := &cnpgv1.Cluster{}
	if err := apply(ctx, c.cnpg, clusters, key, fields, applyOptions{manager: BootstrapManager, force: force}, owned); err != nil {
		return nil, explain(err, "Cluster", key)
	}
	return owned, nil
}

// ApplyCluster brings the fields of an existing Cluster that [FieldManager] owns to what cluster says: fields that are
// no longer in it are removed. live is the Cluster as it was read; one that was deleted or made anew since is
// [ErrReplaced], never created. spec.bootstrap and spec.externalClusters are left as they are. A field that another
// manager owns is a [ConflictError], unless ownership lets it be taken over.
func (c *Client) ApplyCluster(ctx context.Context, live, cluster *cnpgv1.Cluster, ownership Ownership[cnpgv1.Cluster]) (*cnpgv1.Cluster, error) {
	return c.applyCluster(ctx, live, cluster, ownership, false)
}

// TryCluster asks whether ApplyCluster would succeed, and changes nothing of what the Cluster says: its error is the one that
// ApplyCluster would end with. Where a webhook of the API server's does not take part in that, the answer is yes.
func (c *Client) TryCluster(ctx context.Context, live, cluster *cnpgv1.Cluster, ownership Ownership[cnpgv1.Cluster]) error {
	_, err := c.applyCluster(ctx, live, cluster, ownership, true)
	if apierrors.IsBadRequest(err) && strings.Contains(err.Error(), "does not support dry run") {
		return nil
	}
	return err
}

func (c *Client) applyCluster(ctx context.Context, live, cluster *cnpgv1.Cluster, ownership Ownership[cnpgv1.Cluster], dryRun bool) (*cnpgv1.Cluster, error) {
	key := KeyOf(cluster)
	if handOverDue(live) { // also before a dry run: without it, that would be of a Cluster whose bootstrap is gone
		if _, err := c.applyBootstrap(ctx, live, live.Spec, false); err != nil {
			return nil, err
		}
	}
	parts := split(cluster, live)
	tries := !dryRun && parts.turns(live) // or an ObjectStore would be left that nobody uses
	if tries {
		if err := c.TryCluster(ctx, live, cluster, ownership); err != nil {
			return nil, err
		}
	}
	if parts.originLost(live) {
		if !tries { // also before a dry run, which would be refused for that
			if err := c.turnLostOrigin(ctx, live, parts); err != nil {
				return nil, err
			}
		}
		parts.external, parts.originDue = nil, false
	}
	stores, err := c.applyStores(ctx, live, parts, ownership, dryRun)
	if err != nil {
		return nil, err
	}
	// Whatever comes next, the Cluster is as good as before where CNPG knows the plugin. Where it does not, CNPG does nothing for the Cluster
	// until the plugin is there, or a later apply turns this back.
	if parts.external != nil && parts.originInTree == nil && !dryRun {
		if _, err := c.applyOrigin(ctx, live, parts); err != nil {
			return nil, err
		}
	}
	parts.noteOrigin()
	noteStores(live, parts, stores)
	fields, err := appliedFields(live, parts.cluster)
	if err != nil {
		return nil, err
	}
	var before map[string]any
	if ownership.Before != nil {
		if before, err = appliedFields(live, split(ownership.Before, live).cluster); err != nil {
			return nil, err
		}
	}
	if swapsMethod(live, cluster, parts.kept) {
		if err := c.swapMethod(ctx, live, parts, dryRun); err != nil {
			return nil, explain(err, "Cluster", key)
		}
		if dryRun { // of two writes one after the other nobody can be asked what would come of the second
			return live, nil
		}
	}
	applied, err := applyOwned[cnpgv1.Cluster](ctx, c.cnpg, clusters, key, fields, before, ownership.Force, dryRun)
	if err == nil && !dryRun {
		applied, err = c.releaseSwapped(ctx, applied)
	}
	if err == nil && !dryRun && parts.originInTree != nil { // by now the Cluster notes the ObjectStore that it is to leave
		return c.turnedBack(ctx, live, parts, stores)
	}
	if err != nil {
		return nil, explain(err, "Cluster", key)
	}
	return c.joined(ctx, applied, stores...)
}

// handOverDue tells that the hand-over of the bootstrap fields was cut off at creation: without it, the next apply would
// remove them. Those of a Cluster that others made were never stated by [FieldManager], and stay theirs.
func handOverDue(live *cnpgv1.Cluster) bool {
	fields := Fields(live)
	return len(fields.by(BootstrapManager)) == 0 &&
		len(fields.by(FieldManager, "spec", "bootstrap"))+len(fields.by(FieldManager, "spec", "externalClusters")) > 0
}

// appliedFields are what an apply to an existing Cluster states, which is divided already.
func appliedFields(live, cluster *cnpgv1.Cluster) (map[string]any, error) {
	cluster = cluster.DeepCopy()
	cluster.TypeMeta = ClusterTypeMeta
	cluster.UID = live.UID
	cluster.Spec.Bootstrap, cluster.Spec.ExternalClusters = nil, nil
	for _, stays := range []string{AnnotationNonce, AnnotationSource, AnnotationRestore, AnnotationOrigin} { // how it was made
		if value, ok := live.Annotations[stays]; ok && cluster.Annotations[stays] == "" {
			metav1.SetMetaDataAnnotation(&cluster.ObjectMeta, stays, value)
		}
	}
	return clusterFields(cluster)
}

// KeyOf is the namespace and name of an object.
func KeyOf(object metav1.Object) Key {
	return Key{Namespace: object.GetNamespace(), Name: object.GetName()}
}

// PrimaryPod is the name of the pod that runs the primary; "" while there is none.
func PrimaryPod(cluster *cnpgv1.Cluster) string { return cluster.Status.CurrentPrimary }

// Archiver is where a Cluster in its in-tree form archives its WAL and base backups; nil where it has no archive.
func Archiver(cluster *cnpgv1.Cluster) *cnpgv1.BarmanObjectStoreConfiguration {
	if cluster.Spec.Backup == nil {
		return nil
	}
	return cluster.Spec.Backup.BarmanObjectStore
}

// ServerName is the folder of a Cluster's archive under its destination path; CNPG uses the Cluster's name where none is set.
func ServerName(cluster *cnpgv1.Cluster) string {
	if store := Archiver(cluster); store != nil && store.ServerName != "" {
		return store.ServerName
	}
	return cluster.Name
}

var errNoPrimary = errors.New("the cluster has no primary at the moment")

// primary is the pod of a Cluster's primary. Whether it is there whoever goes on to use it is told.
func (c *Client) primary(ctx context.Context, key Key) (Key, error) {
	cluster, err := c.getCluster(ctx, key)
	if err != nil {
		return Key{}, err
	}
	name := PrimaryPod(cluster)
	if name == "" {
		return Key{}, fmt.Errorf("Cluster %s: %w", key, errNoPrimary)
	}
	return Key{Namespace: key.Namespace, Name: name}, nil
}
