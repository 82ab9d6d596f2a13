package provider_test

import (
	"os"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// What TestTerraformCloud shows on fakes, on the real thing: with tokens of a service account, and with the S3 that only pods reach,
// by its name in the Kubernetes cluster.
func TestAccTerraformCloud(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	kubeconfig, err := clientcmd.LoadFromFile(os.Getenv("KUBE_CONFIG_PATH"))
	must(t, err)
	cluster := kubeconfig.Clusters[kubeconfig.Contexts[kubeconfig.CurrentContext].Cluster]
	r := newRemoteRuns(t, cloudExample, map[string]string{
		"kube_host": cluster.Server, "kube_ca": string(cluster.CertificateAuthorityData),
		"namespace": w.namespace, "destination_path": "s3://" + w.store.bucket + "/" + w.namespace,
		"s3_region": "us-east-1", "s3_endpoint_url": w.store.podEndpoint,
		"backup_keys": asVariable(t, map[string]string{"access_key_id": w.store.accessKeyID, "secret_access_key": w.store.secretAccessKey}),
	})
	tokens := 0
	r.story(func() string {
		if tokens++; tokens == 1 {
			return w.token()
		}
		token, err := w.core.ServiceAccounts(w.namespace).CreateToken(t.Context(), "terraform", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
		must(t, err)
		return token.Status.Token
	})
	for _, name := range []string{"shop", "second"} {
		made, err := w.cluster(name)
		must(t, err)
		if made.Labels["team"] != "shop" || !cnpg.Healthy(made) {
			t.Errorf("%s has the labels %v and is in the phase %q", name, made.Labels, made.Status.Phase)
		}
		must(t, w.eventually(func() error { return w.archived(cnpg.ServerName(made)) }))
	}
}
