package provider_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// A Secret of somebody else's that has the name of one which the provider needs is neither written to nor deleted, and nothing
// is made beside it.
func TestSecretOfSomebodyElse(t *testing.T) {
	t.Parallel()
	alone := func(t *testing.T) *stage { t.Helper(); return onStage(t, operated(t)) }
	sourced := func(t *testing.T) *stage { t.Helper(); s, _ := restoreStage(t); return s }
	for secret, test := range map[string]struct {
		stage     func(*testing.T) *stage
		resources string
	}{
		"my-db-backup-s3-creds":      {alone, backedUp("")},
		"my-db-pitr-backup-s3-creds": {sourced, restoreOf("")},
		"my-db-pitr-origin-s3-creds": {sourced, restoreOf("backup = { enabled = false }")},
	} {
		t.Run(secret, func(t *testing.T) {
			t.Parallel()
			s := test.stage(t)
			s.kube.Put(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: secret}, Data: map[string][]byte{"TOKEN": []byte("theirs")}})
			s.kube.Forget()
			s.fails(s.config(test.resources), "Unable to", "the Secret myorg/"+secret+" exists", "kubectl delete secret "+secret, "Nothing was created")
			for _, r := range s.kube.Writes() {
				if !strings.HasSuffix(r.Path, "/exec") { // a flush
					t.Errorf("written: %s", r)
				}
			}
			apitest.Delete[corev1.Secret](s.kube, fakeNamespace, secret)
			s.apply(s.config(test.resources))
			if made := apitest.Get[corev1.Secret](s.kube, fakeNamespace, secret); made == nil || len(made.Data) == 0 {
				t.Errorf("where nobody has the name, the Secret is %v", made)
			}
		})
	}
}

// The Secrets that the provider writes are no place for anybody's keys.
func TestKeysInASecretOfTheProviders(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"my-db-pitr-origin-s3-creds", "my-db-pitr-backup-s3-creds"} {
		s, _ := restoreStage(t)
		s.refused(s.config(restoreFrom(`database = "myorg/my-db", credentials_secret = { name = "`+name+`" }`, "")),
			"Secret of the Provider's Own", `AttributeName("source").AttributeName("credentials_secret").AttributeName("name")`, name)
		s.refused(s.config(restoreOf(`backup = { schedule = "@daily", credentials_secret = { name = "`+name+`" } }`)),
			"Secret of the Provider's Own", `AttributeName("backup").AttributeName("credentials_secret").AttributeName("name")`, name)
	}
}
