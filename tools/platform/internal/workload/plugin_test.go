package workload

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/workload/images"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/workload/kube"
)

const pluginRelease = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: objectstores.barmancloud.cnpg.io}
---
apiVersion: v1
kind: Secret
metadata: {name: plugin-barman-cloud-8tfddg42gf, namespace: cnpg-system}
data: {SIDECAR_IMAGE: dXBzdHJlYW0=}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: barman-cloud, namespace: cnpg-system}
spec:
  strategy: {type: Recreate}
  template:
    spec:
      containers:
        - name: barman-cloud
          args: [operator, --server-address=:9090, --leader-elect, --log-level=debug]
          image: upstream
          env:
            - name: SIDECAR_IMAGE
              valueFrom: {secretKeyRef: {key: SIDECAR_IMAGE, name: plugin-barman-cloud-8tfddg42gf}}
          readinessProbe: {initialDelaySeconds: 10, periodSeconds: 10, tcpSocket: {port: 9090}}
          resources: {}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: barman-cloud-client, namespace: cnpg-system}
`

func TestPluginIsAdapted(t *testing.T) {
	t.Parallel()
	names := images.Names{Plugin: "ours", PluginSidecar: "our-sidecar"}
	objects, err := pluginObjects([]byte(pluginRelease), names, pluginCertificates{Server: "server", Client: "client"})
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, o := range objects {
		kinds = append(kinds, o.GetKind()+" "+o.GetName())
	}
	if want := []string{
		"Secret barman-cloud-server-tls", "Secret barman-cloud-client-tls",
		"CustomResourceDefinition objectstores.barmancloud.cnpg.io", "Deployment barman-cloud",
	}; !slices.Equal(kinds, want) {
		t.Fatalf("the objects are %q", kinds)
	}
	for i, want := range []string{"c2VydmVy", "Y2xpZW50"} {
		if got, _, _ := unstructured.NestedString(objects[i].Object, "data", "tls.crt"); got != want {
			t.Errorf("the certificate of %s is %q", kinds[i], got)
		}
	}
	deployment := objects[3]
	if got := imageOf(t, deployment); got != "ours" {
		t.Errorf("the image is %q", got)
	}
	text, err := deployment.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{"leader-elect", "debug", "upstream", "secretKeyRef", `"initialDelaySeconds":10`} {
		if strings.Contains(string(text), gone) {
			t.Errorf("%q is still there: %s", gone, text)
		}
	}
	for _, kept := range []string{"--server-address=:9090", `"value":"our-sidecar"`, "tcpSocket", "48Mi", "100m", "IfNotPresent"} {
		if !strings.Contains(string(text), kept) {
			t.Errorf("%q is not there: %s", kept, text)
		}
	}

	for name, manifest := range map[string]string{
		"no Deployment":              "kind: Namespace",
		"no name of the other image": strings.ReplaceAll(pluginRelease, "name: SIDECAR_IMAGE", "name: OTHER_IMAGE"),
	} {
		if _, err := pluginObjects([]byte(manifest), names, pluginCertificates{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// The operator and the plugin take each other for who they are, as their code does it: each trusts what is in the other's
// certificate file, and the operator asks for the Service's name.
func TestPluginAndOperatorKnowEachOther(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "certificates.json")
	made, err := loadPluginCertificates(file)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := loadPluginCertificates(file); err != nil || again != made {
		t.Errorf("read again, they are others: %v", err)
	}
	other, err := loadPluginCertificates(filepath.Join(t.TempDir(), "certificates.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := handshake(t, made, made); err != nil {
		t.Error(err)
	}
	if err := handshake(t, made, other); err == nil {
		t.Error("another platform's operator is taken for this one's")
	}
	// The plugin's own certificate is no client's.
	posing := made
	posing.Client, posing.ClientKey = made.Server, made.ServerKey
	if err := handshake(t, made, posing); err == nil {
		t.Error("the plugin's certificate is taken for the operator's")
	}
}

// handshake connects an operator to a plugin, and returns what the plugin makes of it.
func handshake(t *testing.T, plugin, operator pluginCertificates) error {
	t.Helper()
	pair := func(certificate, key string) []tls.Certificate {
		p, err := tls.X509KeyPair([]byte(certificate), []byte(key))
		if err != nil {
			t.Fatal(err)
		}
		return []tls.Certificate{p}
	}
	pool := func(certificates string) *x509.CertPool {
		p := x509.NewCertPool()
		if !p.AppendCertsFromPEM([]byte(certificates)) {
			t.Fatal("there is no certificate")
		}
		return p
	}
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	client := tls.Client(near, &tls.Config{
		Certificates: pair(operator.Client, operator.ClientKey), RootCAs: pool(plugin.Server), ServerName: "barman-cloud", MinVersion: tls.VersionTLS13,
	})
	go func() {
		_ = client.HandshakeContext(t.Context())
		_, _ = client.Read(make([]byte, 1)) // what the server says of the client's certificate
	}()
	return tls.Server(far, &tls.Config{
		Certificates: pair(plugin.Server, plugin.ServerKey), ClientCAs: pool(plugin.Client),
		ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13,
	}).HandshakeContext(t.Context())
}

func TestVersionOfPlugin(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`kind: Cluster`: "",
		`status: {pluginStatus: [{name: other, version: 1.0.0}]}`:                                                          "",
		`status: {pluginStatus: [{name: other, version: 1.0.0}, {name: barman-cloud.cloudnative-pg.io, version: 0.14.0}]}`: "0.14.0",
	} {
		objects, err := kube.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := versionOfPlugin(objects[0]); got != want {
			t.Errorf("%s has the version %q", text, got)
		}
	}
}
