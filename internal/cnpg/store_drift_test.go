package cnpg_test

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
)

// An ObjectStore whose owner or labels somebody has removed or changed is the Cluster's still: that is told, and an apply puts it back.
func TestPluginPutsMetadataOfStoresBack(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(*barmancloud.ObjectStore)
		told   []string
	}{
		"without its owner": {func(o *barmancloud.ObjectStore) { o.OwnerReferences = nil }, []string{"metadata.ownerReferences"}},
		"without labels":    {func(o *barmancloud.ObjectStore) { o.Labels = nil }, []string{"metadata.labels"}},
		"of another label":  {func(o *barmancloud.ObjectStore) { o.Labels[cnpg.LabelCluster] = "theirs" }, []string{"metadata.labels"}},
		"without both": {func(o *barmancloud.ObjectStore) { o.Labels, o.OwnerReferences = nil, nil },
			[]string{"metadata.labels", "metadata.ownerReferences"}},
	}
	for name, test := range tests {
		for _, store := range []string{ownStore, originStore} {
			for _, noted := range []bool{false, true} {
				t.Run(name+" "+store, func(t *testing.T) {
					t.Parallel()
					ctx, server, client := setup(t)
					createRestored(ctx, t, server, client)
					before := cnpg.Ownership[cnpgv1.Cluster]{Before: restoredByPlugin()}
					if noted { // as it is from the first apply after the creation
						if _, err := client.ApplyCluster(ctx, read(ctx, t, client), restoredByPlugin(), before); err != nil {
							t.Fatal(err)
						}
					}
					was := storeNamed(server, store)
					if drift := cnpg.StoreDrift(read(ctx, t, client)); len(drift) > 0 {
						t.Fatalf("before the change it tells of %v", drift)
					}
					apitest.EditAs(server, "kubectl-edit", key.Namespace, store, test.change)
					live := read(ctx, t, client)
					if drift := cnpg.StoreDrift(live); !maps.EqualFunc(drift, map[string][]string{store: test.told}, slices.Equal) {
						t.Errorf("it tells of %v", drift)
					}
					desired := restoredByPlugin()
					desired.Spec.Backup.RetentionPolicy = "7d"
					applied, err := client.ApplyCluster(ctx, live, desired, before)
					if err != nil {
						t.Fatal(err)
					}
					if drift := cnpg.StoreDrift(applied); len(drift) > 0 {
						t.Errorf("applied, it tells of %v", drift)
					}
					if now := storeNamed(server, store); now.UID != was.UID || !slices.Equal(now.OwnerReferences, was.OwnerReferences) || now.Labels[cnpg.LabelCluster] != key.Name {
						t.Errorf("it is %+v", now.ObjectMeta)
					}
				})
			}
		}
	}
}

// What has the name of a Cluster's ObjectStore and no owner is not taken for the Cluster's: of another Cluster, of somebody else, made anew
// since, or left by a former Cluster of the name.
func TestPluginTakesNoStoreThatMayBeOfOthers(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		noted  bool // by the Cluster
		ours   bool // by its field manager
		change func(*barmancloud.ObjectStore)
	}{
		"of another Cluster": {false, true, func(o *barmancloud.ObjectStore) { o.OwnerReferences[0].Name = "theirs" }},
		"of somebody else":   {false, false, func(o *barmancloud.ObjectStore) { o.OwnerReferences = nil }},
		"made anew":          {true, true, func(o *barmancloud.ObjectStore) { o.OwnerReferences = nil }},
		"of a former Cluster": {false, true, func(o *barmancloud.ObjectStore) {
			o.OwnerReferences, o.CreationTimestamp = nil, metav1.NewTime(o.CreationTimestamp.Add(-time.Minute))
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			createByPlugin(ctx, t, server, client)
			if test.noted {
				if _, err := client.ApplyCluster(ctx, read(ctx, t, client), byPlugin(wanted()), cnpg.Ownership[cnpgv1.Cluster]{}); err != nil {
					t.Fatal(err)
				}
			}
			theirs := storeNamed(server, ownStore).DeepCopyObject().(*barmancloud.ObjectStore) //nolint:forcetypeassert // it is a copy
			test.change(theirs)
			another := wanted()
			another.Name = "theirs"
			server.Put(another)
			if owners := theirs.OwnerReferences; len(owners) > 0 {
				owners[0].UID = apitest.Get[cnpgv1.Cluster](server, key.Namespace, another.Name).UID
			}
			apitest.Delete[barmancloud.ObjectStore](server, key.Namespace, ownStore)
			theirs.ManagedFields = nil
			server.Put(theirs) // with another UID
			if test.ours {
				apitest.ApplyAs(server, cnpg.FieldManager, &barmancloud.ObjectStore{
					ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: ownStore, Labels: theirs.Labels},
					Spec:       theirs.Spec,
				})
			}
			apitest.Edit(server, key.Namespace, ownStore, func(o *barmancloud.ObjectStore) { o.CreationTimestamp = theirs.CreationTimestamp })
			version := storeNamed(server, ownStore).ResourceVersion
			live := read(ctx, t, client)
			if drift := cnpg.StoreDrift(live); len(drift) > 0 {
				t.Errorf("it tells of %v", drift)
			}
			desired := byPlugin(wanted())
			desired.Spec.Backup.RetentionPolicy = "7d"
			var foreign *cnpg.ForeignStoreError
			if _, err := client.ApplyCluster(ctx, live, desired, cnpg.Ownership[cnpgv1.Cluster]{Force: true, Before: desired}); !errors.As(err, &foreign) {
				t.Errorf("ApplyCluster = %v", err)
			}
			if storeNamed(server, ownStore).ResourceVersion != version {
				t.Error("it was written")
			}
		})
	}
}

// A new Cluster takes none that has no owner, whatever that says.
func TestPluginNewClusterTakesNoStoreWithoutOwner(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	createByPlugin(ctx, t, server, client)
	live := read(ctx, t, client)
	apitest.EditAs(server, "kubectl-edit", key.Namespace, ownStore, func(o *barmancloud.ObjectStore) { o.OwnerReferences = nil })
	version := storeNamed(server, ownStore).ResourceVersion
	var foreign *cnpg.ForeignStoreError
	if err := client.CreateObjectStores(ctx, live, byPlugin(wanted())); !errors.As(err, &foreign) {
		t.Errorf("CreateObjectStores = %v", err)
	}
	if storeNamed(server, ownStore).ResourceVersion != version {
		t.Error("it was written")
	}
}

// A label that is to be another one, as after a change of org_id, reaches both ObjectStores with the same apply.
func TestPluginStoresFollowLabels(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	createRestored(ctx, t, server, client)
	desired := restoredByPlugin()
	desired.Labels = map[string]string{cnpg.LabelOrgID: "other"}
	if _, err := client.ApplyCluster(ctx, read(ctx, t, client), desired, cnpg.Ownership[cnpgv1.Cluster]{Before: restoredByPlugin()}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{ownStore, originStore} {
		if label := storeNamed(server, name).Labels[cnpg.LabelOrgID]; label != "other" {
			t.Errorf("%s is labelled %q", name, label)
		}
	}
	if drift := cnpg.StoreDrift(read(ctx, t, client)); len(drift) > 0 {
		t.Errorf("it tells of %v", drift)
	}
}
