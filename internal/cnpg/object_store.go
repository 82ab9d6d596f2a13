package cnpg

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
)

const objectStores = "objectstores"

var objectStoreTypeMeta = metav1.TypeMeta{APIVersion: barmancloud.SchemeGroupVersion.String(), Kind: "ObjectStore"}

// CredentialsSecretName is the Secret that the provider writes for the pods of a Cluster, with what they need for its own archive.
func CredentialsSecretName(cluster string) string { return cluster + "-backup-s3-creds" }

// ForeignStoreError is an ObjectStore that has the name which a database's own is to have, and is somebody else's.
type ForeignStoreError struct{ Key Key }

func (e *ForeignStoreError) Error() string {
	return fmt.Sprintf("the ObjectStore %s is not this database's: somebody else has made it, or it is of another Cluster", e.Key)
}

// GetObjectStore reads an ObjectStore of the Barman Cloud plugin; [ErrNotFound] where there is none.
func (c *Client) GetObjectStore(ctx context.Context, key Key) (*barmancloud.ObjectStore, error) {
	store := &barmancloud.ObjectStore{}
	if err := c.get(ctx, c.barman, objectStores, key, store); err != nil {
		return nil, explain(err, "ObjectStore", key)
	}
	return store, nil
}

// applyStore creates the ObjectStore of a Cluster, which is owner as it stands, or brings it to what store says. One of that name that
// is not that Cluster's is a [ForeignStoreError], and left alone; a field of it that another manager owns is a [ConflictError],
// unless ownership lets it be taken over.
func (c *Client) applyStore(ctx context.Context, owner *cnpgv1.Cluster, store *barmancloud.ObjectStore, ownership Ownership[barmancloud.ObjectStore], dryRun bool) (*barmancloud.ObjectStore, error) {
	key := KeyOf(store)
	live, err := c.GetObjectStore(ctx, key)
	switch {
	case errors.Is(err, ErrNotFound):
		return c.createStore(ctx, store, dryRun)
	case err != nil:
		return nil, err
	case !isStoreOf(owner, live):
		return nil, &ForeignStoreError{Key: key}
	}
	fields, err := storeFields(store, live)
	if err != nil {
		return nil, err
	}
	var before map[string]any
	if ownership.Before != nil {
		if before, err = storeFields(ownership.Before, live); err != nil {
			return nil, err
		}
	}
	applied, err := applyOwned[barmancloud.ObjectStore](ctx, c.barman, objectStores, key, fields, before, ownership.Force, dryRun)
	if err != nil {
		return nil, explain(err, "ObjectStore", key)
	}
	return applied, nil
}

// applyStores brings the ObjectStores of an existing Cluster to what they should be. The one of the archive that it was restored from
// is made anew where somebody has deleted it: nothing goes on without it.
func (c *Client) applyStores(ctx context.Context, live *cnpgv1.Cluster, parts division, ownership Ownership[cnpgv1.Cluster], dryRun bool) ([]*barmancloud.ObjectStore, error) {
	var applied []*barmancloud.ObjectStore
	if parts.origin != nil && parts.originDue {
		store, err := c.applyStore(ctx, live, parts.origin, Ownership[barmancloud.ObjectStore]{Force: true}, dryRun)
		if err != nil {
			return nil, err
		}
		applied = append(applied, store)
	}
	if parts.own == nil {
		return applied, nil
	}
	of := Ownership[barmancloud.ObjectStore]{Force: ownership.Force}
	if ownership.Before != nil {
		of.Before = split(ownership.Before, live).own
	}
	if leaves := ownStore(live); dryRun && parts.turns(live) && leaves != "" && Archiver(live) != nil {
		// Who means to keep what the one says that it leaves is told as if that were to change.
		left := parts.own.DeepCopy()
		left.Name = leaves
		if _, err := c.applyStore(ctx, live, left, of, true); err != nil {
			return nil, err
		}
	}
	store, err := c.applyStore(ctx, live, parts.own, of, dryRun)
	if err == nil && !dryRun && parts.turns(live) {
		store, err = c.keepSettings(ctx, live, store, parts.kept)
	}
	if err != nil {
		return nil, err
	}
	return append(applied, store), nil
}

// notedStores are the ObjectStores that were applied for a Cluster, by name, with their versions: [AnnotationStores].
func notedStores(cluster *cnpgv1.Cluster) map[string]string {
	noted := map[string]string{}
	for one := range strings.SplitSeq(cluster.Annotations[AnnotationStores], ",") {
		if name, version, ok := strings.Cut(one, "="); ok {
			noted[name] = version
		}
	}
	return noted
}

// noteStores notes in a Cluster that is to be applied which versions of its ObjectStores were applied, beside those that it notes
// already. One that it leaves by that is noted in any case, and those that it has left before as long as they are still to be removed.
func noteStores(live *cnpgv1.Cluster, parts division, applied []*barmancloud.ObjectStore) {
	cluster, external := parts.cluster, live.Spec.ExternalClusters // which an update leaves as they are, but for its origin
	noted, names, leaves := notedStores(live), storeNames(cluster), []string{ownStore(live)}
	if parts.originInTree != nil {
		external, leaves = parts.external, append(leaves, OriginStoreName(live.Name))
	}
	for _, name := range leaves {
		if _, has := noted[name]; name != "" && !has {
			noted[name] = "left"
		}
	}
	for _, e := range external {
		names = append(names, storeOf(e.PluginConfiguration))
	}
	if !IsUnfinished(cluster, StoreRemoval) {
		maps.DeleteFunc(noted, func(name, _ string) bool { return !slices.Contains(names, name) && !slices.Contains(leaves, name) })
	}
	for _, store := range applied {
		noted[store.Name] = fmt.Sprintf("%s/%d", store.UID, store.Generation)
	}
	if len(noted) == 0 {
		return
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(noted)) {
		all = append(all, name+"="+noted[name])
	}
	metav1.SetMetaDataAnnotation(&cluster.ObjectMeta, AnnotationStores, strings.Join(all, ","))
}

// createStore makes a new ObjectStore and never touches one that exists: that is a [ForeignStoreError]. As for a Cluster, a nonce
// tells our own from another's where an answer is lost.
func (c *Client) createStore(ctx context.Context, store *barmancloud.ObjectStore, dryRun bool) (*barmancloud.ObjectStore, error) {
	key := KeyOf(store)
	store = store.DeepCopy()
	nonce := rand.Text()
	metav1.SetMetaDataAnnotation(&store.ObjectMeta, AnnotationNonce, nonce)
	fields, err := storeFields(store, nil)
	if err != nil {
		return nil, err
	}
	created := &barmancloud.ObjectStore{}
	err = apply(ctx, c.barman, objectStores, key, atVersion(fields, createOnly), applyOptions{manager: FieldManager, dryRun: dryRun}, created)
	if err == nil || !mayHaveArrived(err) {
		return created, explain(err, "ObjectStore", key)
	}
	existing, askErr := again(ctx, func(ctx context.Context) (*barmancloud.ObjectStore, error) { return c.GetObjectStore(ctx, key) })
	switch {
	case askErr == nil && existing.Annotations[AnnotationNonce] == nonce:
		return existing, nil
	case askErr == nil:
		return nil, &ForeignStoreError{Key: key}
	case !errors.Is(askErr, ErrNotFound):
		return nil, fmt.Errorf("ObjectStore %s: %w: %w", key, ErrOutcomeUnknown, err)
	}
	return nil, explain(err, "ObjectStore", key)
}

// storeFields are what an apply of an ObjectStore states; live is nil for one that is to be made.
func storeFields(store, live *barmancloud.ObjectStore) (map[string]any, error) {
	store = store.DeepCopy()
	store.TypeMeta = objectStoreTypeMeta
	if live != nil {
		store.UID = live.UID
		metav1.SetMetaDataAnnotation(&store.ObjectMeta, AnnotationNonce, live.Annotations[AnnotationNonce])
	}
	return fieldsOf(store)
}

// DeleteObjectStore deletes an ObjectStore that [FieldManager] has applied, and leaves that of anybody else, or of another Cluster
// than that with the UID owner; it is no error when it is gone already.
func (c *Client) DeleteObjectStore(ctx context.Context, key Key, owner types.UID) error {
	return explain(c.deleteApplied(ctx, c.barman, objectStores, key, owner), "ObjectStore", key)
}
