package apitest_test

import (
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/ptr"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
)

func withPlugin(name string, stores ...string) *cnpgv1.Cluster {
	c := &cnpgv1.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}, Spec: cnpgv1.ClusterSpec{Instances: 1}}
	parameters := func(store string) cnpgv1.PluginConfiguration {
		return cnpgv1.PluginConfiguration{
			Name: barmancloud.PluginName, Parameters: map[string]string{barmancloud.ObjectStoreParameter: store},
		}
	}
	own := parameters(stores[0])
	own.IsWALArchiver = ptr.To(true)
	c.Spec.Plugins = []cnpgv1.PluginConfiguration{own}
	for _, store := range stores[1:] {
		source := parameters(store)
		c.Spec.ExternalClusters = append(c.Spec.ExternalClusters, cnpgv1.ExternalCluster{Name: store, PluginConfiguration: &source})
	}
	return c
}

func store(name string) *barmancloud.ObjectStore {
	return &barmancloud.ObjectStore{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
}

// The plugin's part in internal/cnpgi/operator/reconciler.go of its module: CNPG does nothing for a Cluster one of whose
// ObjectStores is missing.
func TestClustersWaitForTheirObjectStores(t *testing.T) {
	t.Parallel()
	server := apitest.New(t)
	server.Operate()
	phase := func(name string) string {
		return apitest.Get[cnpgv1.Cluster](server, "default", name).Status.Phase
	}
	server.Put(withPlugin("restored", "its-own", "source"), withPlugin("other", "elsewhere"))
	server.Put(store("its-own"))
	for _, name := range []string{"restored", "other"} {
		if got := phase(name); got != "" {
			t.Errorf("%s lacks an ObjectStore, and its phase is %q", name, got)
		}
	}
	server.Put(store("source"))
	if got := phase("restored"); got != cnpgv1.PhaseHealthy {
		t.Errorf("with both ObjectStores the phase is %q", got)
	}
	if got := phase("other"); got != "" {
		t.Errorf("with ObjectStores of another Cluster the phase is %q", got)
	}
}

// A Cluster whose recovery a test plays gets no instance by anything that is written meanwhile, also in a copy of the server.
func TestClustersWaitForTheirRecovery(t *testing.T) {
	t.Parallel()
	server := apitest.New(t)
	server.Operate()
	server.React(func(e apitest.Event) {
		if c := apitest.As[cnpgv1.Cluster](e.Object); c != nil && e.Type == watch.Added {
			server.Put(&batchv1.Job{ObjectMeta: metav1.ObjectMeta{
				Namespace: "default", Name: c.Name + "-1-full-recovery", Labels: map[string]string{"cnpg.io/jobRole": "full-recovery"},
				OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(c, cnpgv1.SchemeGroupVersion.WithKind("Cluster"))},
			}, Status: batchv1.JobStatus{Failed: 1}})
			apitest.Edit(server, "default", c.Name, func(c *cnpgv1.Cluster) { c.Status = cnpgv1.ClusterStatus{Phase: cnpgv1.PhaseFirstPrimary} })
		}
	})
	server.Put(withPlugin("restored", "its-own"))
	server.Put(store("its-own"))
	again := server.Copy(t)
	again.Operate()
	for _, s := range []*apitest.Server{server, again} {
		change := func() string {
			apitest.Edit(s, "default", "restored", func(c *cnpgv1.Cluster) { c.Spec.Instances++ })
			return apitest.Get[cnpgv1.Cluster](s, "default", "restored").Status.Phase
		}
		if got := change(); got != cnpgv1.PhaseFirstPrimary {
			t.Errorf("while the recovery has not succeeded the phase is %q", got)
		}
		apitest.Edit(s, "default", "restored-1-full-recovery", func(j *batchv1.Job) { j.Status.Succeeded = 1 })
		if got := change(); got != cnpgv1.PhaseHealthy {
			t.Errorf("when it has, the phase is %q", got)
		}
	}
}

func TestPluginArchivesAndBacksUp(t *testing.T) {
	t.Parallel()
	server := apitest.New(t)
	server.Operate()
	inTree := &cnpgv1.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "in-tree"}, Spec: cnpgv1.ClusterSpec{
		Instances: 1,
		Backup:    &cnpgv1.BackupConfiguration{BarmanObjectStore: &cnpgv1.BarmanObjectStoreConfiguration{DestinationPath: "s3://backups"}},
	}}
	server.Put(store("store"), withPlugin("plugin", "store"), inTree)
	for name, method := range map[string]cnpgv1.BackupMethod{"plugin": cnpgv1.BackupMethodPlugin, "in-tree": cnpgv1.BackupMethodBarmanObjectStore} {
		byPlugin := method == cnpgv1.BackupMethodPlugin
		cluster := apitest.Get[cnpgv1.Cluster](server, "default", name)
		if !meta.IsStatusConditionTrue(cluster.Status.Conditions, string(cnpgv1.ConditionContinuousArchiving)) {
			t.Errorf("%s does not archive: %v", name, cluster.Status.Conditions)
		}
		pod := apitest.Get[corev1.Pod](server, "default", name+"-1")
		if sidecar := len(pod.Spec.InitContainers) == 1 && pod.Spec.InitContainers[0].Name == apitest.SidecarContainer; sidecar != byPlugin {
			t.Errorf("the init containers of %s are %v", name, pod.Spec.InitContainers)
		}
		server.Put(&cnpgv1.Backup{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
			Spec:       cnpgv1.BackupSpec{Cluster: cnpgv1.LocalObjectReference{Name: name}, Method: method},
		})
		status := apitest.Get[cnpgv1.Backup](server, "default", name).Status
		if status.Phase != cnpgv1.BackupPhaseCompleted || status.BackupID == "" {
			t.Errorf("the Backup of %s is %v", name, status)
		}
		if told := status.DestinationPath != "" || status.ServerName != ""; told == byPlugin {
			t.Errorf("the Backup of %s says that it lies in %q, %q", name, status.DestinationPath, status.ServerName)
		}
	}
}
