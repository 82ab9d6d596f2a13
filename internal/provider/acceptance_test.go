package provider_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-testing/config"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

// world is the real platform as acceptance tests look at it, beside what Terraform's state says: one namespace and one
// prefix in S3 for each test.
type world struct {
	t          *testing.T
	kubernetes *cnpg.Client
	core       *typedcorev1.CoreV1Client
	s3         *archive.Client
	store      store
	namespace  string
	kubeConfig string // of the API server that the provider asks; "" for KUBE_CONFIG_PATH
}

// store is an S3 of the platform, with one account of it.
type store struct {
	endpoint, podEndpoint, bucket, accessKeyID, secretAccessKey string
	certificate                                                 string // of who vouches for it, PEM; none for one without TLS
}

// newWorld connects to the platform and makes the test's namespace. Where tests are asked to run against the platform
// (TF_ACC is set), a missing one is a failure; without TF_ACC the test is not one that was asked for.
func newWorld(t *testing.T) *world {
	t.Helper()
	if os.Getenv("TF_ACC") == "" {
		t.Skip("an acceptance test: make testacc runs it")
	}
	w := &world{t: t, store: store{
		endpoint:        env(t, "AWS_ENDPOINT_URL_S3"),
		podEndpoint:     env(t, "PGPLATFORM_POD_ENDPOINT_URL"),
		bucket:          env(t, "PGPLATFORM_BUCKET"),
		accessKeyID:     env(t, "AWS_ACCESS_KEY_ID"),
		secretAccessKey: env(t, "AWS_SECRET_ACCESS_KEY"),
	}}
	connection, err := cnpg.Connection{ConfigPaths: []string{env(t, "KUBE_CONFIG_PATH")}}.RESTConfig(t.Context())
	must(t, err)
	w.kubernetes, err = cnpg.New(connection, "acceptance-test")
	must(t, err)
	w.core, err = typedcorev1.NewForConfig(connection)
	must(t, err)
	w.use(w.store)

	name := strings.ToLower(strings.NewReplacer("TestAcc", "", "_", "-", "/"+string(cnpg.MethodInTree), "", "/", "-").Replace(t.Name()))
	namespace, err := w.core.Namespaces().Create(t.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: name + "-"}}, metav1.CreateOptions{})
	must(t, err)
	w.namespace = namespace.Name
	t.Cleanup(func() {
		if t.Failed() {
			return // what is in it tells why
		}
		must(t, w.core.Namespaces().Delete(context.Background(), w.namespace, metav1.DeleteOptions{}))
	})
	return w
}

// use makes another S3 the test's.
func (w *world) use(s store) {
	w.t.Helper()
	client, err := archive.New(w.t.Context(), archive.Config{
		EndpointURL: s.endpoint, Region: "us-east-1", AccessKeyID: s.accessKeyID, SecretAccessKey: s.secretAccessKey, CACertificate: s.certificate,
	})
	must(w.t, err)
	w.store, w.s3 = s, client
}

// strict is the platform's S3 that refuses wrong keys.
func strict(t *testing.T) store {
	t.Helper()
	return store{
		endpoint:        env(t, "PGPLATFORM_STRICT_ENDPOINT_URL"),
		podEndpoint:     env(t, "PGPLATFORM_STRICT_POD_ENDPOINT_URL"),
		bucket:          env(t, "PGPLATFORM_STRICT_BUCKET"),
		accessKeyID:     env(t, "PGPLATFORM_STRICT_ACCESS_KEY_ID"),
		secretAccessKey: env(t, "PGPLATFORM_STRICT_SECRET_ACCESS_KEY"),
	}
}

func env(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is not set: make testacc, or make platform and source .platform/env", name)
	}
	return value
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// config is a configuration with the provider's block in front. $NS stands for the test's namespace.
func (w *world) config(resources string) string { return w.configWith("", resources) }

// configWith is config with more settings of the object store.
func (w *world) configWith(more, resources string) string {
	if w.store.certificate != "" {
		more += fmt.Sprintf("\n    ca_certificate = %q", w.store.certificate)
	}
	kubernetes := ""
	if w.kubeConfig != "" {
		kubernetes = fmt.Sprintf("kubernetes = { config_path = %q }", w.kubeConfig)
	}
	return fmt.Sprintf(`
provider "pgplatform" {
  namespace = %q
  %s
  object_store = {
    destination_path  = "s3://%s/%s"
    endpoint_url      = %q
    pod_endpoint_url  = %q
    region            = "us-east-1"
    access_key_id     = %q
    secret_access_key = %q
    %s
  }
}
`, w.namespace, kubernetes, w.store.bucket, w.namespace, w.store.endpoint, w.store.podEndpoint, w.store.accessKeyID, w.store.secretAccessKey, more) +
		strings.ReplaceAll(resources, "$NS", w.namespace)
}

// late is a configuration that is written when its step begins, of what the steps before it found out.
func (w *world) late(resources func() string) config.TestStepConfigFunc {
	return func(config.TestStepConfigRequest) string {
		file := filepath.Join(w.t.TempDir(), "main.tf")
		must(w.t, os.WriteFile(file, []byte(w.config(resources())), 0o600))
		return file
	}
}

func (w *world) key(name string) cnpg.Key { return cnpg.Key{Namespace: w.namespace, Name: name} }

func (w *world) cluster(name string) (*cnpgv1.Cluster, error) {
	return w.kubernetes.GetCluster(w.t.Context(), w.key(name))
}

// query runs SQL in the application database.
func (w *world) query(name, sql string) (string, error) {
	return w.kubernetes.QueryPrimary(w.t.Context(), w.key(name), "app", sql)
}

func (w *world) location() archive.Location {
	return archive.Location{Bucket: w.store.bucket, Prefix: w.namespace}
}

func (w *world) catalog(server string) (*recovery.Catalog, error) {
	return w.s3.Catalog(w.t.Context(), w.location(), server)
}

// eventually asks until there is no error: for what follows from an apply by itself, such as a reload or a backup. On a busy
// machine all of that takes its time, and a backup may wait for those of other tests, so that only what never comes is a failure.
func (w *world) eventually(check func() error) error {
	const patience = 10 * time.Minute
	var last error
	err := wait.PollUntilContextTimeout(w.t.Context(), time.Second, patience, true, func(context.Context) (bool, error) {
		last = check()
		return last == nil, nil
	})
	if err != nil && last != nil {
		return fmt.Errorf("after %s: %w", patience, last)
	}
	return err
}

// check makes a check of a test step of a function that looks at the world.
func check(f func() error) func(*terraform.State) error {
	return func(*terraform.State) error { return f() }
}

// gone: neither the Cluster nor anything that belonged to it is left.
func (w *world) gone(name string) error {
	if _, err := w.cluster(name); !errors.Is(err, cnpg.ErrNotFound) {
		return errors.Join(fmt.Errorf("the Cluster %s is not gone", w.key(name)), err)
	}
	if _, err := w.kubernetes.GetScheduledBackup(w.t.Context(), w.key(name)); !errors.Is(err, cnpg.ErrNotFound) {
		return errors.Join(fmt.Errorf("the ScheduledBackup %s is not gone", w.key(name)), err)
	}
	ofCluster := metav1.ListOptions{LabelSelector: cnpg.LabelCluster + "=" + name}
	volumes, err := w.core.PersistentVolumeClaims(w.namespace).List(w.t.Context(), ofCluster)
	if err != nil || len(volumes.Items) > 0 {
		return fmt.Errorf("volumes of %s are left: %v, %w", w.key(name), volumes.Items, err)
	}
	secrets, err := w.core.Secrets(w.namespace).List(w.t.Context(), ofCluster)
	if err != nil || len(secrets.Items) > 0 {
		return fmt.Errorf("Secrets of %s are left: %d, %w", w.key(name), len(secrets.Items), err)
	}
	stores, err := w.resource(barmancloud.SchemeGroupVersion.WithResource("objectstores")).List(w.t.Context(), ofCluster)
	if err != nil || len(stores.Items) > 0 {
		return fmt.Errorf("ObjectStores of %s are left: %d, %w", w.key(name), len(stores.Items), err)
	}
	return nil
}

// archived: the folder in S3 holds WAL, and a base backup that is done.
func (w *world) archived(server string) error {
	catalog, err := w.catalog(server)
	if err != nil {
		return err
	}
	if len(catalog.WAL.Ranges()) == 0 {
		return fmt.Errorf("no WAL in the folder %s", server)
	}
	for _, b := range catalog.Backups {
		if b.Status == recovery.StatusDone {
			return nil
		}
	}
	return fmt.Errorf("no finished base backup in the folder %s: %+v\n%s", server, catalog.Backups, w.told())
}

// told is what became of Backups in the test's namespace, and the warnings in it.
func (w *world) told() string {
	events, err := w.core.Events(w.namespace).List(w.t.Context(), metav1.ListOptions{})
	if err != nil {
		return err.Error()
	}
	var text strings.Builder
	for _, e := range events.Items {
		if e.Type == corev1.EventTypeWarning || e.InvolvedObject.Kind == "Backup" {
			fmt.Fprintf(&text, "%s %s %s: %s: %s\n", e.LastTimestamp.Format(time.TimeOnly), e.InvolvedObject.Kind, e.InvolvedObject.Name, e.Reason, e.Message)
		}
	}
	return text.String()
}

// noSecrets: the S3 key is nowhere in the state.
func (w *world) noSecrets(s *terraform.State) error {
	text := s.String()
	if !strings.Contains(text, w.namespace) {
		return errors.New("the state does not even have the namespace: this check looks at nothing")
	}
	if strings.Contains(text, w.store.secretAccessKey) || strings.Contains(text, w.store.accessKeyID) {
		return errors.New("the state holds an S3 key")
	}
	return nil
}

// lines writes each line to the test's log as it comes.
type lines struct {
	t    *testing.T
	rest string
}

var _ io.Writer = (*lines)(nil)

func (l *lines) Write(p []byte) (int, error) {
	l.rest += string(p)
	for {
		line, rest, ok := strings.Cut(l.rest, "\n")
		if !ok {
			return len(p), nil
		}
		l.t.Log(line)
		l.rest = rest
	}
}
