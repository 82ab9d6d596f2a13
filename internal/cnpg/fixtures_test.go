package cnpg_test

import (
	"context"
	"slices"
	"testing"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// key is the Cluster that all tests are about.
var key = cnpg.Key{Namespace: "myorg", Name: "my-db"}

// patience is how long a test waits for what happens at once unless something is broken.
const patience = time.Minute

// setup is a server with the namespace, a client of it, and a context that ends when something hangs.
func setup(t *testing.T) (context.Context, *apitest.Server, *cnpg.Client) {
	t.Helper()
	server := apitest.New(t)
	server.AddNamespace(key.Namespace)
	client, err := cnpg.New(server.Config(), "cnpg-test/1")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx, server, client
}

// wanted is a Cluster as the provider asks for one.
func wanted() *cnpgv1.Cluster {
	return &cnpgv1.Cluster{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: key.Namespace, Name: key.Name,
			Annotations: map[string]string{cnpg.AnnotationTier: "STANDARD"},
		},
		Spec: cnpgv1.ClusterSpec{
			Instances:             1,
			StorageConfiguration:  cnpgv1.StorageConfiguration{Size: "1Gi"},
			PostgresConfiguration: cnpgv1.PostgresConfiguration{Parameters: map[string]string{"work_mem": "8MB", "log_connections": "on"}},
			Bootstrap:             &cnpgv1.BootstrapConfiguration{InitDB: &cnpgv1.BootstrapInitDB{Database: "app", Owner: "app"}},
		},
	}
}

// create makes the Cluster and forgets the requests that it took.
func create(ctx context.Context, t *testing.T, server *apitest.Server, client *cnpg.Client, cluster *cnpgv1.Cluster) *cnpgv1.Cluster {
	t.Helper()
	created, err := client.CreateCluster(ctx, cluster)
	if err != nil {
		t.Fatalf("CreateCluster: %v", err)
	}
	server.Forget()
	return created
}

// archiving makes a Cluster archive to S3.
func archiving(cluster *cnpgv1.Cluster) *cnpgv1.Cluster {
	cluster.Spec.Backup = &cnpgv1.BackupConfiguration{
		BarmanObjectStore: &cnpgv1.BarmanObjectStoreConfiguration{DestinationPath: "s3://backups/", ServerName: cluster.Name},
	}
	return cluster
}

// healthy writes the status that CNPG writes when all instances run.
func healthy(cluster *cnpgv1.Cluster) {
	cluster.Status.Phase = cnpgv1.PhaseHealthy
	cluster.Status.ReadyInstances = cluster.Spec.Instances
	cluster.Status.CurrentPrimary = cluster.Name + "-1"
	condition(cluster, cnpgv1.ConditionClusterReady, metav1.ConditionTrue, "ClusterIsReady", "Cluster is Ready")
}

func condition(cluster *cnpgv1.Cluster, of cnpgv1.ClusterConditionType, status metav1.ConditionStatus, reason, message string) {
	cluster.Status.Conditions = slices.DeleteFunc(cluster.Status.Conditions, func(c metav1.Condition) bool { return c.Type == string(of) })
	cluster.Status.Conditions = append(cluster.Status.Conditions, metav1.Condition{
		Type: string(of), Status: status, Reason: reason, Message: message, LastTransitionTime: metav1.Now(),
	})
}

// pod is a pod of the Cluster with one container.
func pod(name, container string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: name, Labels: map[string]string{cnpg.LabelCluster: key.Name}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: container}}},
	}
}

// requests fails the test unless the server saw exactly these, in short.
func requests(t *testing.T, server *apitest.Server, want ...string) {
	t.Helper()
	if got := apitest.Summaries(server.Requests()); !slices.Equal(got, want) {
		t.Errorf("requests:\n%q\nwant:\n%q", got, want)
	}
}

// clusterOf is a Cluster that archives nowhere.
func clusterOf(key cnpg.Key) *cnpgv1.Cluster {
	return &cnpgv1.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
}
