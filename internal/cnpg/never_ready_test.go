package cnpg_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// failedRestore is a restored Cluster as CNPG 1.30 leaves it when its recovery has failed.
func failedRestore() *cnpgv1.Cluster {
	cluster := wanted()
	cluster.Annotations[cnpg.AnnotationSource] = "myorg/source"
	cluster.Spec.Bootstrap = &cnpgv1.BootstrapConfiguration{Recovery: &cnpgv1.BootstrapRecovery{Source: "origin", Database: "app", Owner: "app"}}
	cluster.Status = cnpgv1.ClusterStatus{
		Instances: 1, InstanceNames: []string{"my-db-1"}, PVCCount: 1, InitializingPVC: []string{"my-db-1"}, JobCount: 1,
		TargetPrimary: "my-db-1", TargetPrimaryTimestamp: "2026-11-22T21:58:09.749821Z",
		Phase: cnpgv1.PhaseFirstPrimary, PhaseReason: "Creating primary instance my-db-1",
	}
	condition(cluster, "Initialized", metav1.ConditionTrue, "BootstrapCompleted", "Cluster has been bootstrapped")
	condition(cluster, "ConsistentSystemID", metav1.ConditionFalse, "NotFound", "No instances are present in the cluster to report a system ID.")
	condition(cluster, cnpgv1.ConditionClusterReady, metav1.ConditionFalse, "ClusterIsNotReady", "Cluster Is Not Ready")
	return cluster
}

func TestNeverReady(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(*cnpgv1.Cluster)
		want   bool
	}{
		"a failed recovery":        {func(*cnpgv1.Cluster) {}, true},
		"CNPG has given up":        {func(c *cnpgv1.Cluster) { c.Status.Phase = cnpgv1.PhaseUnrecoverable }, true},
		"CNPG has not seen it yet": {func(c *cnpgv1.Cluster) { c.Status = cnpgv1.ClusterStatus{} }, true},
		"no restore of the provider's": {func(c *cnpgv1.Cluster) {
			delete(c.Annotations, cnpg.AnnotationSource)
		}, false},
		"no restore": {func(c *cnpgv1.Cluster) {
			c.Spec.Bootstrap = &cnpgv1.BootstrapConfiguration{InitDB: &cnpgv1.BootstrapInitDB{Database: "app", Owner: "app"}}
		}, false},
		"a replica cluster of somebody else's making": {func(c *cnpgv1.Cluster) {
			c.Spec.ReplicaCluster = &cnpgv1.ReplicaClusterConfiguration{Source: "origin"}
		}, false},
		"hibernating, and it never ran": {func(c *cnpgv1.Cluster) { c.Annotations[cnpg.AnnotationHibernation] = "on" }, true},
		"hibernating": {func(c *cnpgv1.Cluster) {
			healthy(c)
			c.Annotations[cnpg.AnnotationHibernation] = "on"
			c.Status.ReadyInstances, c.Status.HealthyPVC, c.Status.DanglingPVC = 0, nil, []string{"my-db-1"}
			condition(c, cnpgv1.ConditionClusterReady, metav1.ConditionFalse, "ClusterIsNotReady", "Cluster Is Not Ready")
		}, false},
		"healthy": {healthy, false},
		// Whatever else has happened to the status since: an instance has run once.
		"down": {func(c *cnpgv1.Cluster) { c.Status.CurrentPrimary = "my-db-1" }, false},
		"down, after it became ready when nobody waited any more": {func(c *cnpgv1.Cluster) {
			healthy(c)
			c.Status.ReadyInstances, c.Status.Phase, c.Status.TimelineID = 0, cnpgv1.PhaseUnrecoverable, 2
			condition(c, cnpgv1.ConditionClusterReady, metav1.ConditionFalse, "ClusterIsNotReady", "Cluster Is Not Ready")
		}, false},
		"a timeline":       {func(c *cnpgv1.Cluster) { c.Status.TimelineID = 2 }, false},
		"a primary's time": {func(c *cnpgv1.Cluster) { c.Status.CurrentPrimaryTimestamp = "2026-11-22T21:59:09.749821Z" }, false},
		"a system ID":      {func(c *cnpgv1.Cluster) { c.Status.SystemID = "7511" }, false},
		"a ready instance": {func(c *cnpgv1.Cluster) { c.Status.ReadyInstances = 1 }, false},
		"a reported state": {func(c *cnpgv1.Cluster) {
			c.Status.InstancesReportedState = map[cnpgv1.PodName]cnpgv1.InstanceReportedState{"my-db-1": {}}
		}, false},
		"volumes that are no new ones": {func(c *cnpgv1.Cluster) {
			c.Status.InitializingPVC, c.Status.DanglingPVC = nil, []string{"my-db-1"}
		}, false},
		"archiving was seen": {func(c *cnpgv1.Cluster) {
			condition(c, cnpgv1.ConditionContinuousArchiving, metav1.ConditionFalse, "ContinuousArchivingFailing", "")
		}, false},
		"ready": {func(c *cnpgv1.Cluster) {
			condition(c, cnpgv1.ConditionClusterReady, metav1.ConditionTrue, "ClusterIsReady", "Cluster is Ready")
		}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster := failedRestore()
			test.change(cluster)
			if got := cnpg.NeverReady(cluster); got != test.want {
				t.Errorf("NeverReady = %t, want %t", got, test.want)
			}
		})
	}
}

// Whatever happens between the look and the deletion: one that has run is not deleted.
func TestDeleteNeverReady(t *testing.T) {
	t.Parallel()
	meanwhile := func(change func(*apitest.Server)) func(*apitest.Server) {
		return func(s *apitest.Server) {
			s.Fail(apitest.First(apitest.VerbDelete, "clusters", apitest.Fault{Before: func() { change(s) }}))
		}
	}
	volume := func(status string, older time.Duration) func(*apitest.Server) {
		return func(s *apitest.Server) {
			volume := claim("my-db-1", "PG_DATA", "1Gi", nil)
			volume.Annotations = map[string]string{"cnpg.io/pvcStatus": status}
			s.Put(volume)
			apitest.Edit(s, key.Namespace, volume.Name, func(v *corev1.PersistentVolumeClaim) {
				v.CreationTimestamp = metav1.NewTime(v.CreationTimestamp.Add(-older))
			})
		}
	}
	unseen := func(status cnpgv1.ClusterStatus) func(*apitest.Server) {
		return func(s *apitest.Server) {
			apitest.Edit(s, key.Namespace, key.Name, func(c *cnpgv1.Cluster) { c.Status = status })
			s.Fail(apitest.Each(apitest.VerbList, "persistentvolumeclaims", apitest.Fault{Status: http.StatusForbidden}))
		}
	}
	tests := map[string]struct {
		prepare func(*apitest.Server)
		want    error
		stays   bool
	}{
		"with a volume that is being filled":              {volume("initializing", 0), nil, false},
		"with a volume that is filled":                    {volume("ready", 0), cnpg.ErrFilledVolume, true},
		"with a volume that somebody has detached":        {volume("detached", 0), cnpg.ErrFilledVolume, true},
		"with a volume that is older":                     {volume("initializing", time.Hour), cnpg.ErrOlderVolume, true},
		"with volumes that may not be seen":               {unseen(failedRestore().Status), nil, false},
		"with volumes that may not be seen and no status": {unseen(cnpgv1.ClusterStatus{}), cnpg.ErrForbidden, true},
		"with a volume that is filled meanwhile": {meanwhile(func(s *apitest.Server) {
			volume("ready", 0)(s)
			apitest.Edit(s, key.Namespace, key.Name, func(c *cnpgv1.Cluster) { c.Status.Phase = cnpgv1.PhaseUnrecoverable })
		}), cnpg.ErrFilledVolume, true},
		"as it was read": {func(*apitest.Server) {}, nil, false},
		"CNPG writes its status meanwhile": {meanwhile(func(s *apitest.Server) {
			apitest.Edit(s, key.Namespace, key.Name, func(c *cnpgv1.Cluster) { c.Status.Phase = cnpgv1.PhaseUnrecoverable })
		}), nil, false},
		"its first instance starts meanwhile": {meanwhile(func(s *apitest.Server) {
			apitest.Edit(s, key.Namespace, key.Name, func(c *cnpgv1.Cluster) { c.Status.CurrentPrimary = "my-db-1" })
		}), cnpg.ErrHasRun, true},
		"it is made anew meanwhile": {meanwhile(func(s *apitest.Server) {
			apitest.Delete[cnpgv1.Cluster](s, key.Namespace, key.Name)
			s.Put(failedRestore())
		}), cnpg.ErrReplaced, true},
		"it goes meanwhile": {meanwhile(func(s *apitest.Server) { apitest.Delete[cnpgv1.Cluster](s, key.Namespace, key.Name) }), nil, false},
		"it may not be deleted": {func(s *apitest.Server) {
			s.Fail(apitest.Each(apitest.VerbDelete, "clusters", apitest.Fault{Status: http.StatusForbidden}))
		}, cnpg.ErrForbidden, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			server.Put(failedRestore())
			test.prepare(server)
			live, err := client.GetCluster(ctx, key)
			if err != nil {
				t.Fatal(err)
			}
			if err := client.DeleteNeverReady(ctx, live); !errors.Is(err, test.want) {
				t.Errorf("DeleteNeverReady: %v, want %v", err, test.want)
			}
			if left := apitest.Get[cnpgv1.Cluster](server, key.Namespace, key.Name); (left != nil) != test.stays {
				t.Errorf("the Cluster is there: %t, want %t", left != nil, test.stays)
			}
		})
	}
}
