package cnpg_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

func deleteAndWait(ctx context.Context, client *cnpg.Client, cluster *cnpgv1.Cluster) error {
	if err := client.DeleteCluster(ctx, cluster); err != nil {
		return err
	}
	return client.WaitDeleted(ctx, cluster)
}

func TestDeleteClusterWaitsForTheVolumes(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	cluster := create(ctx, t, server, client, wanted())
	server.Put(&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{
		Namespace: key.Namespace, Name: "my-db-1", Labels: map[string]string{cnpg.LabelCluster: key.Name},
		Finalizers:      []string{"kubernetes.io/pvc-protection"},
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(cluster, cnpgv1.SchemeGroupVersion.WithKind("Cluster"))},
	}})
	watched := make(chan struct{})
	server.Fail(apitest.First(apitest.VerbWatch, "persistentvolumeclaims", apitest.Fault{Before: func() { close(watched) }}))
	deleted := make(chan error, 1)
	go func() { deleted <- deleteAndWait(ctx, client, cluster) }()
	<-watched
	if len(deleted) > 0 {
		t.Fatalf("DeleteCluster returned %v while the volume was there", <-deleted)
	}
	apitest.Edit(server, key.Namespace, "my-db-1", func(v *corev1.PersistentVolumeClaim) { v.Finalizers = nil })
	if err := <-deleted; err != nil {
		t.Fatal(err)
	}
	if all := apitest.All[cnpgv1.Cluster](server); len(all) != 0 {
		t.Errorf("still there: %v", all)
	}
	if err := deleteAndWait(ctx, client, cluster); err != nil {
		t.Errorf("deleting what is gone: %v", err)
	}
}

// finalized is a volume of a Cluster that something still uses.
func finalized(cluster *cnpgv1.Cluster) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{
		Namespace: key.Namespace, Name: "my-db-1", Labels: map[string]string{cnpg.LabelCluster: key.Name},
		Finalizers:      []string{"kubernetes.io/pvc-protection"},
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(cluster, cnpgv1.SchemeGroupVersion.WithKind("Cluster"))},
	}}
}

// A Cluster that was made anew since is another one.
func TestDeleteClusterRefusesAnotherObject(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	cluster := create(ctx, t, server, client, wanted())
	apitest.Delete[cnpgv1.Cluster](server, key.Namespace, key.Name)
	anew := create(ctx, t, server, client, wanted())
	if err := deleteAndWait(ctx, client, cluster); !errors.Is(err, cnpg.ErrReplaced) {
		t.Errorf("DeleteCluster: %v, want ErrReplaced", err)
	}
	if live := apitest.Get[cnpgv1.Cluster](server, key.Namespace, key.Name); live == nil || live.UID != anew.UID || live.DeletionTimestamp != nil {
		t.Errorf("there is %v", live)
	}
	if err := deleteAndWait(ctx, client, anew); err != nil || len(apitest.All[cnpgv1.Cluster](server)) != 0 {
		t.Errorf("DeleteCluster of what is there: %v", err)
	}
}

// Another Cluster that takes the name while the old one's volumes go is not waited for.
func TestDeleteClusterLooksAtItsOwnVolumes(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	cluster := create(ctx, t, server, client, wanted())
	server.Fail(apitest.First(apitest.VerbDelete, "clusters", apitest.Fault{After: func() {
		server.Put(wanted())
		anew := finalized(apitest.Get[cnpgv1.Cluster](server, key.Namespace, key.Name))
		server.Put(anew)
	}}))
	if err := deleteAndWait(ctx, client, cluster); err != nil {
		t.Errorf("DeleteCluster: %v", err)
	}
	if len(apitest.All[corev1.PersistentVolumeClaim](server)) != 1 {
		t.Error("the other Cluster's volume is gone")
	}
}

func TestDeleteClusterSaysWhatItWaitedFor(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	cluster := create(ctx, t, server, client, wanted())
	server.Put(finalized(cluster))
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	t.Cleanup(cancel)
	err := deleteAndWait(ctx, client, cluster)
	var stalled *cnpg.StalledError
	if !errors.As(err, &stalled) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("DeleteCluster: %v, want a StalledError", err)
	}
	for _, want := range []string{
		"Cluster my-db: being deleted, held by foregroundDeletion",
		"volume claim my-db-1: being deleted, held by kubernetes.io/pvc-protection",
	} {
		if !strings.Contains(err.Error(), "\n  - "+want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
}
