package provider_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typedrbacv1 "k8s.io/client-go/kubernetes/typed/rbac/v1"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// What TestSecretsAreNowhere shows on fakes, on the real thing: a token of a service account and the platform's client
// certificate, two accounts of the strict S3, and a database with a password.
func TestAccSecrets(t *testing.T) {
	t.Parallel()
	onPlatform(t, atLength, testAccSecrets)
}

func testAccSecrets(t *testing.T, w *world) {
	w.use(strict(t))
	kubeconfig, err := clientcmd.LoadFromFile(os.Getenv("KUBE_CONFIG_PATH"))
	must(t, err)
	at := kubeconfig.Contexts[kubeconfig.CurrentContext]
	cluster, user := kubeconfig.Clusters[at.Cluster], kubeconfig.AuthInfos[at.AuthInfo]

	secrets := map[string]string{
		"Kubernetes token": w.token(),
		"client key":       string(user.ClientKeyData),
		"S3 access key":    env(t, "PGPLATFORM_STRICT_ROOT_ACCESS_KEY_ID"),
		"S3 secret":        env(t, "PGPLATFORM_STRICT_ROOT_SECRET_ACCESS_KEY"),
		"pods' access key": w.store.accessKeyID,
		"pods' secret":     w.store.secretAccessKey,
	}
	for name, secret := range secrets {
		if secret == "" {
			t.Fatalf("the platform gives no %s", name)
		}
	}
	d := newWorkdir(t, backedUpBy(methodOf(t), secretsConfig), map[string]string{
		"bucket": w.store.bucket, "namespace": w.namespace, "secrets": asVariable(t, secrets),
		"kubernetes": asVariable(t, map[string]string{
			"host": cluster.Server, "ca": string(cluster.CertificateAuthorityData), "certificate": string(user.ClientCertificateData),
		}),
		"store": asVariable(t, map[string]string{"endpoint": w.store.endpoint, "pod_endpoint": w.store.podEndpoint}),
	})
	bucket := "-var=bucket=" + w.store.bucket
	d.apply(bucket)
	must(t, w.eventually(func() error { return w.archived("my-db") }))
	application, err := w.core.Secrets(w.namespace).Get(t.Context(), "my-db-app", metav1.GetOptions{})
	must(t, err)
	secrets["database's password"] = string(application.Data["password"])
	secrets["database's URI"] = string(application.Data["uri"])
	d.run("plan", "-input=false", bucket)

	// The pods get another key, which is one of those above.
	rotated := maps.Clone(secrets)
	rotated["pods' access key"], rotated["pods' secret"] = secrets["S3 access key"], secrets["S3 secret"]
	d.variables["secrets"] = asVariable(t, rotated)
	d.apply(bucket)
	keys, err := w.core.Secrets(w.namespace).Get(t.Context(), "my-db-backup-s3-creds", metav1.GetOptions{})
	must(t, err)
	if string(keys.Data["ACCESS_SECRET_KEY"]) != rotated["pods' secret"] {
		t.Error("the rotated key did not reach the pods")
	}

	// A key that the store refuses gives an error, of the provider and of S3.
	wrong := maps.Clone(rotated)
	wrong["S3 secret"] = "wrong-secret-access-key-000000000000000001"
	d.variables["secrets"] = asVariable(t, wrong)
	d.write("second.tf", backedUpBy(methodOf(t), `
resource "pgplatform_database" "second" {
  name                = "my-second"
  tier                = "DEV"
  backup              = { schedule = "0 2 * * *" }
  deletion_protection = false
}
`))
	if output, err := d.try("apply", "-auto-approve", "-input=false", bucket); err == nil || !says("Unable to Create Database", "does not belong to the access key ID").MatchString(output) {
		t.Errorf("a wrong secret: %v\n%s", err, output)
	}
	d.variables["secrets"] = asVariable(t, rotated)
	d.run("destroy", "-auto-approve", "-input=false", bucket)
	must(t, errors.Join(w.gone("my-db"), w.gone("my-second")))
	secrets["wrong secret"] = wrong["S3 secret"]
	d.search(w.store.bucket, w.namespace, secrets)
}

// token makes a service account that may do what the test does, and a token of it.
func (w *world) token() string {
	w.t.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "terraform"}}
	_, err := w.core.ServiceAccounts(w.namespace).Create(w.t.Context(), account, metav1.CreateOptions{})
	must(w.t, err)
	connection, err := cnpg.Connection{ConfigPaths: []string{env(w.t, "KUBE_CONFIG_PATH")}}.RESTConfig(w.t.Context())
	must(w.t, err)
	rbac, err := typedrbacv1.NewForConfig(connection)
	must(w.t, err)
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: w.namespace},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: w.namespace, Name: "terraform"}},
	}
	_, err = rbac.ClusterRoleBindings().Create(w.t.Context(), binding, metav1.CreateOptions{})
	must(w.t, err)
	w.t.Cleanup(func() {
		must(w.t, rbac.ClusterRoleBindings().Delete(context.Background(), w.namespace, metav1.DeleteOptions{}))
	})
	token, err := w.core.ServiceAccounts(w.namespace).CreateToken(w.t.Context(), "terraform", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	must(w.t, err)
	return token.Status.Token
}
