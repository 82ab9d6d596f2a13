package provider_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

const podRole = "arn:aws:iam::123456789012:role/pods"

func (f *fakes) ownSecret() *corev1.Secret {
	return apitest.Get[corev1.Secret](f.kube, fakeNamespace, "my-db-backup-s3-creds")
}

// identity says in a line whom the pods are to S3, by everything that Kubernetes holds of it.
func (f *fakes) identity() string {
	var parts []string
	store := f.barman()
	if s := store.AWS.AccessKeyIDReference; s != nil {
		parts = append(parts, "keys of "+s.Name)
	}
	if store.AWS.InheritFromIAMRole {
		parts = append(parts, "inherited")
	}
	if template := f.cluster().Spec.ServiceAccountTemplate; template != nil {
		parts = append(parts, template.Metadata.Annotations["eks.amazonaws.com/role-arn"])
	}
	if s := store.AWS.RegionReference; s != nil {
		parts = append(parts, "region of "+s.Name)
	}
	if s := store.EndpointCA; s != nil {
		parts = append(parts, "certificate of "+s.Name)
	}
	if secret := f.ownSecret(); secret != nil {
		var held []string
		for key := range secret.Data {
			held = append(held, key)
		}
		slices.Sort(held)
		parts = append(parts, "Secret with "+strings.Join(held, " "))
		if key := secret.Data["ACCESS_KEY_ID"]; key != nil {
			parts = append(parts, string(key))
		}
		if secret.Labels[cnpg.LabelReload] != "true" || secret.Labels[cnpg.LabelOrgID] != "acme" {
			parts = append(parts, fmt.Sprint("labels ", secret.Labels))
		}
	}
	if f.cluster().Annotations[cnpg.AnnotationCredentials] != "" {
		parts = append(parts, "fingerprint")
	}
	return strings.Join(parts, ", ")
}

// A database goes from each kind of identity to each other; what the pods no longer need is removed.
func TestDatabaseIdentities(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testDatabaseIdentities)
}

func testDatabaseIdentities(t *testing.T) {
	t.Parallel()
	const (
		own     = "my-db-backup-s3-creds"
		keysOf  = "keys of " + own + ", region of " + own + ", Secret with ACCESS_KEY_ID ACCESS_SECRET_KEY REGION, "
		podKeys = `pod_credentials = { access_key_id = "OFPODSACCESSKEY00001", secret_access_key = "of-pods" }`
	)
	f := operated(t)
	f.archives()
	s := onStage(t, f)
	secretOfUser := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "my-keys"}, Data: map[string][]byte{"id": []byte("USERSACCESSKEY000001")}}
	f.kube.Put(secretOfUser)
	steps := []struct{ name, provider, block, want, warning string }{
		{name: "static keys", want: keysOf + s3test.AccessKeyID + ", fingerprint"},
		{name: "a Secret", block: `credentials_secret = { name = "my-keys" }`, want: "keys of my-keys, region of " + own + ", Secret with REGION, fingerprint"},
		{name: "a role", provider: `pod_iam_role_arn = "` + podRole + `"`, want: "inherited, " + podRole, warning: "kubectl cnpg restart my-db -n myorg"},
		{name: "another role", provider: `pod_iam_role_arn = "` + podRole + `-2"`, want: "inherited, " + podRole + "-2", warning: "kubectl cnpg restart my-db -n myorg"},
		{name: "keys for the pods", provider: podKeys, want: keysOf + "OFPODSACCESSKEY00001, fingerprint"},
		{name: "a role again", provider: `pod_iam_role_arn = "` + podRole + `"`, want: "inherited, " + podRole, warning: "Pods Take Up the Role When They Start"},
		{name: "a Secret that beats the role", provider: `pod_iam_role_arn = "` + podRole + `"`, block: `credentials_secret = { name = "my-keys" }`, want: "keys of my-keys, region of " + own + ", Secret with REGION, fingerprint"},
		{name: "static keys again", want: keysOf + s3test.AccessKeyID + ", fingerprint"},
	}
	for i, step := range steps {
		config := f.provider(step.provider) + strings.Replace(backedUp(step.block), "{", "{\n  org_id = \"acme\"", 1)
		if i > 0 {
			s.planned(config, terraformtest.Update)
		}
		f.kube.Forget()
		warnings := s.apply(config)
		if got := f.identity(); got != step.want {
			t.Errorf("%s: the pods have\n%s\nwant\n%s", step.name, got, step.want)
		}
		if !strings.Contains(warnings, step.warning) || step.warning == "" && warnings != "" {
			t.Errorf("%s: warnings %q, want %q", step.name, warnings, step.warning)
		}
		if i > 0 && strings.Contains(step.want, "Secret with") {
			writes := apitest.Summaries(f.kube.Writes())
			secret, cluster := slices.Index(writes, "apply secrets myorg/"+own), slices.Index(writes, "apply clusters myorg/my-db")
			if secret < 0 || cluster < secret {
				t.Errorf("%s: the Secret was not there before the Cluster said so: %v", step.name, writes)
			}
		}
	}
	if after := apitest.Get[corev1.Secret](f.kube, fakeNamespace, "my-keys"); after == nil || len(after.Data) != 1 || len(after.Labels) != 0 {
		t.Errorf("the Secret of the user was touched: %v", after)
	}
	for _, r := range f.kube.Requests() {
		if r.Is(apitest.VerbGet, "secrets") && !r.Metadata {
			t.Errorf("a Secret was read: %s", r)
		}
	}
}

// A certificate reaches the pods, and so does another one.
func TestDatabaseCertificate(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testDatabaseCertificate)
}

func testDatabaseCertificate(t *testing.T) {
	t.Parallel()
	f := operated(t)
	tls := s3test.NewTLS(t)
	tls.CreateBucket(fakeBucket)
	one, two := string(tls.CA), string(tls.CA)+string(s3test.NewTLS(t).CA)
	s := onStage(t, f)
	config := func(certificate string) string {
		return strings.Replace(f.provider(fmt.Sprintf("ca_certificate = %q", certificate)), f.s3.URL, tls.URL, 1) + backedUp("")
	}
	s.apply(config(one))
	certificate := func() string {
		selector := f.barman().EndpointCA
		if selector == nil || selector.Name != "my-db-backup-s3-creds" {
			return fmt.Sprint(selector)
		}
		return string(f.ownSecret().Data[selector.Key])
	}
	if got := certificate(); got != one {
		t.Errorf("the pods' certificate is %q", got)
	}
	before := s.attribute("archive", "credentials_fingerprint")
	s.planned(config(two), terraformtest.Update)
	s.apply(config(two))
	if got := certificate(); got != two || s.attribute("archive", "credentials_fingerprint") == before {
		t.Errorf("the pods' certificate is %q", got)
	}
	s.refused(config("no certificate"), "ca_certificate", "it holds no certificate in PEM form")
}

// Without an identity for its pods a database gets no backups, wherever Terraform's own keys come from.
func TestDatabaseWithoutIdentity(t *testing.T) {
	t.Parallel()
	f := operated(t)
	keys := fmt.Sprintf("access_key_id     = %q\n    secret_access_key = %q", s3test.AccessKeyID, s3test.SecretAccessKey)
	tests := map[string]string{
		"nothing":           "",
		"a profile":         `profile = "prod"`,
		"an assumed role":   `assume_role = { role_arn = "arn:aws:iam::123456789012:role/terraform" }`,
		"keys that expire":  keys + "\n    session_token = \"T\"",
		"a profile as well": `profile = "prod"` + "\n" + `assume_role = { role_arn = "arn:aws:iam::123456789012:role/terraform" }`,
	}
	for name, settings := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := onStage(t, f)
			config := f.provider("")
			if !strings.Contains(config, keys) {
				t.Fatal("the provider's block has no keys to replace")
			}
			s.refused(strings.Replace(config, keys, settings, 1)+backedUp(""), "No Keys for the Database Pods", "pod_iam_role_arn", "backup.credentials_secret")
			if strings.Contains(settings, "profile") {
				return // Terraform itself has no such profile here
			}
			if plan, _ := s.plan(strings.Replace(config, keys, settings, 1) + backedUp(`credentials_secret = { name = "my-keys" }`)); plan.Action(db) != terraformtest.Create {
				t.Errorf("with a Secret: %s", plan)
			}
		})
	}
}

// A restored database reads its source and writes its own archive with what the source has.
func TestRestoreIdentity(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testRestoreIdentity)
}

func testRestoreIdentity(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		provider, block, namespace, want string
	}{
		"keys":                          {want: "keys of my-db-pitr-backup-s3-creds"},
		"a Secret":                      {block: `credentials_secret = { name = "my-keys" }`, want: "keys of my-keys"},
		"a Secret of another namespace": {block: `credentials_secret = { name = "my-keys" }`, namespace: "elsewhere", want: "keys of my-db-pitr-backup-s3-creds"},
		"a role":                        {provider: `pod_iam_role_arn = "` + podRole + `"`, want: "inherited " + podRole},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := operated(t)
			tls := s3test.NewTLS(t)
			f.kube.AddNamespace("elsewhere")
			s := onStage(t, f)
			settings := fmt.Sprintf(`
  object_store = { destination_path = "s3://other/deep", endpoint_url = %q, pod_endpoint_url = "https://s3.internal", ca_certificate = %q, region = "us-east-1" }
  wal          = { compression = "zstd", max_parallel = 4 }
  data         = { jobs = 2 }
`, tls.URL, tls.CA)
			tls.CreateBucket("other")
			source := f.provider(test.provider) + backedUp(settings+test.block)
			s.apply(source)
			a := tls.Archive("other", "deep", "my-db")
			a.Backup("20260326T095900", onTheDay(10, 0), s3test.Segment(1, 5), s3test.Segment(1, 5), nil)
			a.Segments(1, 5, 3, onTheDay(10, 0), 0)

			namespace := "myorg"
			if test.namespace != "" {
				namespace = test.namespace
			}
			s.w.Write(source + restoreOf(fmt.Sprintf("flush_source = false\nnamespace = %q\n", namespace)+unprotected))
			if diags := s.w.Apply(t.Context()); diags.HasError() {
				t.Fatal(diags)
			}
			restored := apitest.Get[cnpgv1.Cluster](f.kube, namespace, "my-db-pitr")
			for what, store := range map[string]*cnpgv1.BarmanObjectStoreConfiguration{"archives": cnpg.Archiver(restored), "reads": restored.Spec.ExternalClusters[0].BarmanObjectStore} {
				identity := ""
				if store.AWS.AccessKeyIDReference != nil {
					identity = "keys of " + store.AWS.AccessKeyIDReference.Name
				}
				if store.AWS.InheritFromIAMRole {
					identity = "inherited " + restored.Spec.ServiceAccountTemplate.Metadata.Annotations["eks.amazonaws.com/role-arn"]
				}
				if identity != test.want || store.DestinationPath != "s3://other/deep" || store.EndpointURL != "https://s3.internal" || store.Wal.MaxParallel != 4 {
					t.Errorf("it %s with %q from %+v", what, identity, store)
				}
				if store.EndpointCA == nil || string(apitest.Get[corev1.Secret](f.kube, namespace, store.EndpointCA.Name).Data[store.EndpointCA.Key]) != string(tls.CA) {
					t.Errorf("it %s with the certificate of %v", what, store.EndpointCA)
				}
			}
			if own := cnpg.Archiver(restored); own.ServerName != "my-db-pitr" || own.Wal.Compression != "zstd" || *own.Data.Jobs != 2 {
				t.Errorf("it archives as %+v", own)
			}
		})
	}
}

// A Secret that somebody else made under the name of the provider's is theirs: it stops a database with backups from being
// made, and it outlives one without.
func TestDatabaseSecretOfOthers(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testDatabaseSecretOfOthers)
}

func testDatabaseSecretOfOthers(t *testing.T) {
	t.Parallel()
	f := operated(t)
	s := onStage(t, f)
	f.kube.Put(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "my-db-backup-s3-creds"},
		Data:       map[string][]byte{"ACCESS_KEY_ID": []byte("THEIRSACCESSKEY00001")},
	})
	s.fails(f.config(backedUp("")), "Unable to Create Database", "Secret myorg/my-db-backup-s3-creds", "force_conflicts = true", "Nothing was created")
	theirs := func(when string) {
		t.Helper()
		if secret := f.ownSecret(); secret == nil || string(secret.Data["ACCESS_KEY_ID"]) != "THEIRSACCESSKEY00001" || len(secret.OwnerReferences) != 0 {
			t.Errorf("%s the Secret is %v", when, secret)
		}
	}
	theirs("after the create")
	s.apply(f.config(database(unprotected)))
	s.fails(f.config(backedUp("")), "Unable to Update Database", "Secret myorg/my-db-backup-s3-creds", "force_conflicts = true", "Nothing was changed")
	theirs("after an update")
	s.w.Write(f.config(""))
	if diags := s.w.Apply(t.Context()); diags.HasError() || f.cluster() != nil {
		t.Fatalf("the database is not gone: %s", diags)
	}
	theirs("after the destroy")
	s.apply(f.config(strings.Replace(backedUp(""), "{", "{\n  force_conflicts = true", 1)))
	if secret := f.ownSecret(); string(secret.Data["ACCESS_KEY_ID"]) != s3test.AccessKeyID || len(secret.OwnerReferences) != 1 {
		t.Errorf("by force, the Secret is %v", secret)
	}
}
