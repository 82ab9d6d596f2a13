package bench

import (
	"fmt"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
)

// kubeContext is the one of `platform apiserver`. What is made here is never removed, since that API server goes as a
// whole; so no other cluster is used, whatever the environment names.
const kubeContext = "pgplatform-apiserver"

// kubernetes is the API server that make bench runs.
type kubernetes struct {
	kubeconfig string
	config     *rest.Config
	core       *typedcorev1.CoreV1Client
}

func newKubernetes(b *testing.B) kubernetes {
	b.Helper()
	k := kubernetes{kubeconfig: os.Getenv("KUBE_CONFIG_PATH")}
	file, err := clientcmd.LoadFromFile(k.kubeconfig)
	if err != nil || file.CurrentContext != kubeContext {
		b.Skip("it needs an API server of its own: make bench runs one")
	}
	k.config, err = clientcmd.BuildConfigFromFlags("", k.kubeconfig)
	if err != nil {
		b.Fatal(err)
	}
	if k.core, err = typedcorev1.NewForConfig(k.config); err != nil {
		b.Fatal(err)
	}
	return k
}

// namespace makes a namespace.
func (k kubernetes) namespace(b *testing.B) string {
	b.Helper()
	made, err := k.core.Namespaces().Create(b.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "bench-"}}, metav1.CreateOptions{})
	if err != nil {
		b.Fatal(err)
	}
	return made.Name
}

// counter passes requests on to the API server and counts them.
type counter struct {
	url   string
	count atomic.Int64
}

func (k kubernetes) counter(b *testing.B) *counter {
	b.Helper()
	transport, err := rest.TransportFor(k.config)
	if err != nil {
		b.Fatal(err)
	}
	target, err := url.Parse(k.config.Host)
	if err != nil {
		b.Fatal(err)
	}
	c := &counter{}
	server := httptest.NewServer(&httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) {
		c.count.Add(1)
		r.SetURL(target)
	}})
	b.Cleanup(server.Close)
	c.url = server.URL
	return c
}

// reset begins to count anew.
func (c *counter) reset() { c.count.Store(0) }

// perDatabase is the number of requests for each database.
func (c *counter) perDatabase() float64 { return float64(c.count.Load()) / databases }

const (
	// databases is how many there are: each of them a Cluster and a ScheduledBackup.
	databases = 100
	// objects is how many terraform_data they are compared with.
	objects = 2 * databases
)

// databasesConfig is a configuration of databases with backups. reach is how the provider finds the API server.
func databasesConfig(b *testing.B, namespace, reach string) string {
	b.Helper()
	s3 := s3test.New(b)
	s3.CreateBucket("backups")
	return fmt.Sprintf(`
terraform {
  required_providers {
    pgplatform = { source = %q }
  }
}

provider "pgplatform" {
  namespace  = %q
  kubernetes = { %s }
  object_store = {
    destination_path  = "s3://backups/pg"
    endpoint_url      = %q
    region            = %q
    access_key_id     = %q
    secret_access_key = %q
  }
}

resource "pgplatform_database" "db" {
  count  = %d
  name   = "db-${count.index}"
  tier   = "STANDARD"
  backup = { schedule = "0 2 * * *", retention_days = 30 }
  wait   = false
}
`, address, namespace, reach, s3.URL, s3test.Region, s3test.AccessKeyID, s3test.SecretAccessKey, databases)
}

// direct reaches the API server as people do.
func (k kubernetes) direct() string { return fmt.Sprintf("config_path = %q", k.kubeconfig) }

// through reaches it by way of the counter.
func (c *counter) through() string { return fmt.Sprintf("host = %q", c.url) }

// floorConfig is as many of the smallest objects that Terraform has: what Terraform itself takes.
var floorConfig = fmt.Sprintf(`
resource "terraform_data" "floor" {
  count = %d
  input = "value-${count.index}"
}
`, objects)
