package cnpg_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
)

const unknownReason = "Unknown plugin: '" + barmancloud.PluginName + "'. This may be caused by the plugin not being loaded correctly by the operator."

func TestUnknownPlugin(t *testing.T) {
	t.Parallel()
	own := func(c *cnpgv1.Cluster) { cnpg.SetMethod(c, cnpg.MethodPlugin) }
	origin := func(c *cnpgv1.Cluster) {
		c.Spec.ExternalClusters = []cnpgv1.ExternalCluster{{Name: "origin", PluginConfiguration: &cnpgv1.PluginConfiguration{Name: barmancloud.PluginName}}}
		c.Spec.Bootstrap = &cnpgv1.BootstrapConfiguration{Recovery: &cnpgv1.BootstrapRecovery{Source: "origin"}}
		c.Annotations = map[string]string{cnpg.AnnotationSource: "{}"}
	}
	ours := func(c *cnpgv1.Cluster) {
		origin(c)
		c.Spec.ExternalClusters[0].PluginConfiguration.Parameters = map[string]string{"barmanObjectName": originStore, "serverName": "old"}
		c.Annotations[cnpg.AnnotationOrigin] = `{"destinationPath":"s3://from/"}`
		c.ManagedFields = append(c.ManagedFields, metav1.ManagedFieldsEntry{
			Manager: cnpg.BootstrapManager, Operation: metav1.ManagedFieldsOperationApply, FieldsV1: metav1.NewFieldsV1(`{"f:spec":{"f:bootstrap":{},"f:externalClusters":{}}}`),
		})
	}
	nowhere := func(c *cnpgv1.Cluster) { c.Annotations[cnpg.AnnotationOrigin] = "{}" }
	inTree := func(c *cnpgv1.Cluster) { archiving(c) }
	says := func(reason string) func(*cnpgv1.Cluster) {
		return func(c *cnpgv1.Cluster) { c.Status.Phase, c.Status.PhaseReason = cnpgv1.PhaseUnknownPlugin, reason }
	}
	for name, test := range map[string]struct {
		is      []func(*cnpgv1.Cluster)
		unknown bool
		way     cnpg.WayBack
	}{
		"it archives by it":                          {is: []func(*cnpgv1.Cluster){own, says(unknownReason)}, unknown: true, way: cnpg.ByMethod},
		"it is being restored by it":                 {is: []func(*cnpgv1.Cluster){own, ours, says(unknownReason)}, unknown: true, way: cnpg.ByMethod},
		"it is restored by it and backed up by":      {is: []func(*cnpgv1.Cluster){own, ours, healthy, says(unknownReason)}, unknown: true, way: cnpg.ByMethod},
		"it is restored by it alone":                 {is: []func(*cnpgv1.Cluster){ours, healthy, says(unknownReason)}, unknown: true, way: cnpg.ByBackup},
		"it is restored by it and backed up in-tree": {is: []func(*cnpgv1.Cluster){inTree, ours, healthy, says(unknownReason)}, unknown: true, way: cnpg.ByUpdate},
		"others restored it by it":                   {is: []func(*cnpgv1.Cluster){own, origin, healthy, says(unknownReason)}, unknown: true, way: cnpg.NoWay},
		"others restored it by it alone":             {is: []func(*cnpgv1.Cluster){origin, healthy, says(unknownReason)}, unknown: true, way: cnpg.NoWay},
		"nothing tells where that lies":              {is: []func(*cnpgv1.Cluster){inTree, ours, nowhere, healthy, says(unknownReason)}, unknown: true, way: cnpg.NoWay},
		"it was about to need it before":             {is: []func(*cnpgv1.Cluster){says(unknownReason)}},
		"another plugin lacks":                       {is: []func(*cnpgv1.Cluster){own, says("Unknown plugin: 'other.example.com'.")}},
		"it is not used": {is: []func(*cnpgv1.Cluster){own, says(unknownReason), func(c *cnpgv1.Cluster) {
			c.Spec.Plugins[0].Enabled = ptr.To(false)
		}}},
		"it does not answer": {is: []func(*cnpgv1.Cluster){own, says(unknownReason), func(c *cnpgv1.Cluster) { c.Status.Phase = cnpgv1.PhaseFailurePlugin }}},
		"all is well":        {is: []func(*cnpgv1.Cluster){own, healthy}},
	} {
		cluster := wanted()
		for _, change := range test.is {
			change(cluster)
		}
		got := cnpg.UnknownPlugin(cluster)
		if (got != nil) != test.unknown || got != nil && (got.Way != test.way || got.Key != key || !strings.Contains(got.Error(), unknownReason)) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// CNPG looks for a plugin that it does not know every ten seconds: after a while that is its last word.
func TestWaitEndsForAPluginThatIsNotThere(t *testing.T) {
	t.Parallel()
	waits := map[string]func(context.Context, *cnpg.Client, *cnpgv1.Cluster) error{
		"of a new one": func(ctx context.Context, client *cnpg.Client, _ *cnpgv1.Cluster) error {
			_, err := client.WaitReady(ctx, key)
			return err
		},
		"of a restored one": func(ctx context.Context, client *cnpg.Client, _ *cnpgv1.Cluster) error {
			_, _, err := client.WaitRestored(ctx, key, cnpg.Course{}, ignore)
			return err
		},
		"of a changed one": func(ctx context.Context, client *cnpg.Client, cluster *cnpgv1.Cluster) error {
			before := cluster.DeepCopy()
			before.Status.Phase = cnpgv1.PhaseHealthy
			_, err := client.WaitUpdated(ctx, before, cluster, 0)
			return err
		},
		"of one that said so before": func(ctx context.Context, client *cnpg.Client, cluster *cnpgv1.Cluster) error {
			_, err := client.WaitUpdated(ctx, cluster, cluster, 0)
			return err
		},
	}
	for name, wait := range waits {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			client.Graces.Phase, client.Graces.Restart = time.Hour, time.Hour
			client.Graces.Plugin, client.Graces.LookAgain = 300*time.Millisecond, 10*time.Millisecond
			server.Operate()
			server.RemovePlugin()
			created, err := client.CreateCluster(ctx, byPlugin(wanted()))
			if err == nil {
				err = client.CreateObjectStores(ctx, created, byPlugin(wanted()))
			}
			if err != nil {
				t.Fatal(err)
			}
			begun := time.Now()
			err = wait(ctx, client, read(ctx, t, client))
			var unknown *cnpg.UnknownPluginError
			var terminal *cnpg.TerminalPhaseError
			if !errors.As(err, &unknown) || !errors.As(err, &terminal) || time.Since(begun) < client.Graces.Plugin {
				t.Errorf("after %s: %v", time.Since(begun), err)
			}
			// One that is found meanwhile is waited for.
			client.Graces.Plugin = time.Hour
			time.AfterFunc(50*time.Millisecond, server.InstallPlugin)
			if err := wait(ctx, client, read(ctx, t, client)); err != nil {
				t.Errorf("with the plugin: %v", err)
			}
		})
	}
	t.Run("another plugin", func(t *testing.T) {
		t.Parallel()
		ctx, server, client := setup(t)
		client.Graces.Phase, client.Graces.Plugin, client.Graces.LookAgain = time.Hour, time.Millisecond, 2*time.Millisecond
		cluster := wanted()
		cluster.Status.Phase, cluster.Status.PhaseReason = cnpgv1.PhaseUnknownPlugin, "Unknown plugin: 'other.example.com'."
		server.Put(cluster)
		short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		defer cancel()
		if _, err := client.WaitReady(short, key); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("WaitReady: %v", err)
		}
	})
}
