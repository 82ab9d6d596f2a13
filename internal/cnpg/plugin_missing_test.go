package cnpg_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	machinery "github.com/cloudnative-pg/machinery/pkg/api"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
)

const originStore = "my-db-origin"

func authorityIn(secret string) *cnpgv1.SecretKeySelector {
	return &cnpgv1.SecretKeySelector{LocalObjectReference: machinery.LocalObjectReference{Name: secret}, Key: "ca.crt"}
}

// restoredByPlugin is a Cluster that the plugin restores, and whose own archive and the source's need the same certificate.
func restoredByPlugin() *cnpgv1.Cluster {
	cluster := byPlugin(wanted())
	cnpg.Archiver(cluster).EndpointCA = authorityIn("my-db-backup-s3-creds")
	cluster.Spec.Bootstrap = &cnpgv1.BootstrapConfiguration{Recovery: &cnpgv1.BootstrapRecovery{Source: "origin"}}
	cluster.Spec.ExternalClusters = []cnpgv1.ExternalCluster{{Name: "origin", BarmanObjectStore: &cnpgv1.BarmanObjectStoreConfiguration{
		DestinationPath: "s3://source/", ServerName: "source", EndpointCA: authorityIn("my-db-backup-s3-creds"),
	}}}
	cnpg.SetOriginMethod(cluster, cnpg.MethodPlugin)
	return cluster
}

func createRestored(ctx context.Context, t *testing.T, server *apitest.Server, client *cnpg.Client) {
	t.Helper()
	server.Operate()
	created, err := client.CreateCluster(ctx, restoredByPlugin())
	if err == nil {
		err = client.CreateObjectStores(ctx, created, restoredByPlugin())
	}
	if err != nil {
		t.Fatal(err)
	}
	if missing := cnpg.MissingStores(created); len(missing) > 0 {
		t.Errorf("one that is just made lacks %v", missing)
	}
	server.Forget()
}

// versionsOf is the annotation by which CNPG is told of other ObjectStores.
func versionsOf(server *apitest.Server) string {
	return apitest.Get[cnpgv1.Cluster](server, key.Namespace, key.Name).Annotations[cnpg.AnnotationStores]
}

// A Cluster that was restored is read with both of its ObjectStores, by one request for the two.
func TestPluginReadsBothStores(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	createRestored(ctx, t, server, client)
	live := read(ctx, t, client)
	requests(t, server, "get clusters myorg/my-db", "list objectstores myorg")
	origin := live.Spec.ExternalClusters[0].BarmanObjectStore
	if cnpg.Archiver(live) == nil || origin == nil || origin.DestinationPath != "s3://source/" || origin.ServerName != "source" || len(cnpg.MissingStores(live)) > 0 {
		t.Errorf("read is %+v, %+v, without %v", cnpg.Archiver(live), origin, cnpg.MissingStores(live))
	}
	// Whoever may not list them, or has lost the label by which they are listed, gets each.
	server.Fail(apitest.Each(apitest.VerbList, "objectstores", apitest.Fault{Status: 403}))
	server.Forget()
	live = read(ctx, t, client)
	requests(t, server, "get clusters myorg/my-db", "list objectstores myorg", "get objectstores myorg/my-db-backup", "get objectstores myorg/my-db-origin")
	server.Fail(nil)
	apitest.Edit(server, key.Namespace, originStore, func(o *barmancloud.ObjectStore) { o.Labels = nil })
	server.Forget()
	if again := read(ctx, t, client); len(cnpg.MissingStores(live))+len(cnpg.MissingStores(again)) > 0 {
		t.Errorf("%v and %v are missing", cnpg.MissingStores(live), cnpg.MissingStores(again))
	}
	requests(t, server, "get clusters myorg/my-db", "list objectstores myorg", "get objectstores myorg/my-db-origin")
}

// What somebody has deleted is made anew as it was, and CNPG, which does not watch it, is made to look.
func TestPluginMakesMissingStoresAnew(t *testing.T) {
	t.Parallel()
	for _, name := range []string{ownStore, originStore} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			createRestored(ctx, t, server, client)
			was := storeNamed(server, name)
			before := cnpg.Ownership[cnpgv1.Cluster]{Before: restoredByPlugin()}
			if _, err := client.ApplyCluster(ctx, read(ctx, t, client), restoredByPlugin(), before); err != nil { // the control
				t.Fatal(err)
			}
			told := versionsOf(server)
			if again, err := client.ApplyCluster(ctx, read(ctx, t, client), restoredByPlugin(), before); err != nil || told == "" || again.Annotations[cnpg.AnnotationStores] != told {
				t.Errorf("without a change CNPG is told %q after %q (%v)", again.Annotations[cnpg.AnnotationStores], told, err)
			}
			apitest.Delete[barmancloud.ObjectStore](server, key.Namespace, name)
			live := read(ctx, t, client)
			if missing := cnpg.MissingStores(live); !slices.Equal(missing, []string{name}) || !cnpg.MendsStore(live, name) || cnpg.MendsStore(live, "other") {
				t.Fatalf("missing are %v", missing)
			}
			applied, err := client.ApplyCluster(ctx, live, restoredByPlugin(), before)
			if err != nil {
				t.Fatal(err)
			}
			now := storeNamed(server, name)
			if now == nil || now.Spec.Configuration.DestinationPath != was.Spec.Configuration.DestinationPath || now.Spec.Configuration.EndpointCA == nil || len(now.OwnerReferences) != 1 || now.Labels[cnpg.LabelCluster] != key.Name {
				t.Errorf("made is %+v in place of %+v", now, was)
			}
			if len(cnpg.MissingStores(applied)) > 0 || versionsOf(server) == told {
				t.Errorf("missing are %v, and CNPG is told %q after %q", cnpg.MissingStores(applied), versionsOf(server), told)
			}
		})
	}
}

// The certificate that pods mount is a reference in the ObjectStore, which CNPG does not watch.
func TestPluginTellsOfAnotherCertificate(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	createByPlugin(ctx, t, server, client)
	with, without := byPlugin(wanted()), byPlugin(wanted())
	cnpg.Archiver(with).EndpointCA = authorityIn("my-db-backup-s3-creds")
	told := map[string]bool{}
	for _, desired := range []*cnpgv1.Cluster{without, with, without} {
		if _, err := client.ApplyCluster(ctx, read(ctx, t, client), desired, cnpg.Ownership[cnpgv1.Cluster]{Before: with}); err != nil {
			t.Fatal(err)
		}
		told[versionsOf(server)] = true
	}
	if len(told) != 3 {
		t.Errorf("CNPG is told %v", told)
	}
	// Somebody takes it away with kubectl: what is put back is news too.
	if _, err := client.ApplyCluster(ctx, read(ctx, t, client), with, cnpg.Ownership[cnpgv1.Cluster]{Before: without}); err != nil {
		t.Fatal(err)
	}
	before := versionsOf(server)
	apitest.EditAs(server, "kubectl-edit", key.Namespace, ownStore, func(o *barmancloud.ObjectStore) { o.Spec.Configuration.EndpointCA = nil })
	if _, err := client.ApplyCluster(ctx, read(ctx, t, client), with, cnpg.Ownership[cnpgv1.Cluster]{Before: with}); err != nil {
		t.Fatal(err)
	}
	if storeNamed(server, ownStore).Spec.Configuration.EndpointCA == nil || versionsOf(server) == before {
		t.Errorf("CNPG is told %q after %q", versionsOf(server), before)
	}
}

// The pods of a restored database mount the certificate for the source's archive for ever. Where that lies in the Secret for its own
// archive, and is needed there no more, it must not be named any more: without it no pod would start.
func TestPluginForgetsTheSourcesCertificate(t *testing.T) {
	t.Parallel()
	plain := restoredByPlugin()
	cnpg.Archiver(plain).EndpointCA = nil
	off := restoredByPlugin()
	off.Spec.Backup = nil
	cnpg.SetMethod(off, cnpg.MethodInTree)
	for name, desired := range map[string]*cnpgv1.Cluster{"no certificate": plain, "no backups": off} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			createRestored(ctx, t, server, client)
			apply := func(desired *cnpgv1.Cluster) {
				t.Helper()
				if _, err := client.ApplyCluster(ctx, read(ctx, t, client), desired, cnpg.Ownership[cnpgv1.Cluster]{Before: restoredByPlugin()}); err != nil {
					t.Fatal(err)
				}
			}
			apply(restoredByPlugin())
			if ca := storeNamed(server, originStore).Spec.Configuration.EndpointCA; ca == nil {
				t.Fatal("it is gone while it is needed")
			}
			apply(desired)
			origin := storeNamed(server, originStore)
			if origin.Spec.Configuration.EndpointCA != nil || origin.Spec.Configuration.DestinationPath != "s3://source/" || !strings.Contains(versionsOf(server), originStore+"=") {
				t.Errorf("the ObjectStore of the source's archive is %+v, and CNPG is told %q", origin.Spec, versionsOf(server))
			}
			apitest.Delete[barmancloud.ObjectStore](server, key.Namespace, originStore)
			apply(desired)
			if again := storeNamed(server, originStore); again == nil || again.Spec.Configuration.EndpointCA != nil {
				t.Errorf("made anew it is %+v", again)
			}
		})
	}
}

// CNPG does nothing for a Cluster while an ObjectStore is missing, and says nothing of it: whoever waits for the Cluster in vain is told.
func TestPluginWaitNamesMissingStore(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	createRestored(ctx, t, server, client)
	apitest.Edit(server, key.Namespace, key.Name, func(c *cnpgv1.Cluster) { c.Status.Phase = cnpgv1.PhaseFirstPrimary })
	wait := func() *cnpg.StalledError {
		short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		defer cancel()
		_, err := client.WaitReady(short, key)
		var stalled *cnpg.StalledError
		if !errors.As(err, &stalled) {
			t.Fatalf("WaitReady = %v", err)
		}
		return stalled
	}
	if control := wait(); strings.Contains(control.Error(), "ObjectStore") || len(control.Causes) > 0 {
		t.Errorf("with all of them: %v, %+v", control, control.Causes)
	}
	apitest.Delete[barmancloud.ObjectStore](server, key.Namespace, originStore)
	stalled := wait()
	if !strings.Contains(stalled.Error(), "ObjectStore my-db-origin: does not exist") || len(stalled.Causes) != 1 || !strings.Contains(stalled.Causes[0].Meaning, "while an ObjectStore is missing") {
		t.Errorf("without one: %v, %+v", stalled, stalled.Causes)
	}
}
