package provider_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// Tests on the platform run by each method of archiving, and write the same configurations for all: those say none. By the plugin they
// run against the API server as it will be when CNPG's own support for barman is gone, so that each database gets the plugin, and
// whatever would still use the field of before fails.

// runs says when a test on the platform runs by which methods.
type runs int

const (
	inShort  runs = iota // make testacc runs it by every method
	atLength             // make testacc runs it in-tree, make testlong by the plugin
)

// onPlatform runs a test once for each method by which it is to run: PGPLATFORM_TEST_METHODS, where that is set, names them for all
// tests. A method that the platform does not have is a failure.
func onPlatform(t *testing.T, when runs, test func(t *testing.T, w *world)) {
	t.Helper()
	if os.Getenv("TF_ACC") == "" {
		t.Skip("an acceptance test: make testacc runs it")
	}
	by := methods
	if when == atLength {
		by = []cnpg.Method{cnpg.MethodInTree}
	}
	if named := os.Getenv("PGPLATFORM_TEST_METHODS"); named != "" {
		by = nil
		for name := range strings.FieldsSeq(named) {
			by = append(by, cnpg.Method(name))
		}
	}
	installed := strings.Fields(env(t, "PGPLATFORM_BACKUP_METHODS"))
	for _, method := range by {
		t.Run(string(method), func(t *testing.T) {
			t.Parallel()
			if !slices.Contains(methods, method) || !slices.Contains(installed, string(method)) {
				t.Fatalf("the platform has the methods %q, and not %q", installed, method)
			}
			w := newWorld(t)
			if method == cnpg.MethodPlugin {
				w.withoutInTree()
			}
			test(t, w)
		})
	}
}

// withoutInTree has the provider of the test's configurations reach an API server whose Clusters lack the field of CNPG's own support
// for barman, in front of the platform's.
func (w *world) withoutInTree() {
	w.t.Helper()
	before, err := clientcmd.LoadFromFile(env(w.t, "KUBE_CONFIG_PATH"))
	must(w.t, err)
	connection, err := cnpg.Connection{ConfigPaths: []string{env(w.t, "KUBE_CONFIG_PATH")}}.RESTConfig(w.t.Context())
	must(w.t, err)
	server := httptest.NewServer(newWithoutInTree(w.t, connection))
	w.t.Cleanup(func() {
		server.CloseClientConnections() // watches do not end by themselves
		server.Close()
	})

	const name = "without-in-tree"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: server.URL}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{}
	config.Contexts[before.CurrentContext] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = before.CurrentContext
	w.kubeConfig = filepath.Join(w.t.TempDir(), "kubeconfig")
	must(w.t, clientcmd.WriteToFile(*config, w.kubeConfig))
}

// refuseField answers a write of a field that the schema does not have: an apply is a server's failure, anything else a bad request.
func refuseField(answer http.ResponseWriter, method string) {
	status := metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Reason: metav1.StatusReasonBadRequest, Code: http.StatusBadRequest,
		Message: `Cluster in version "v1" cannot be handled as a Cluster: strict decoding error: unknown field "spec.backup.barmanObjectStore"`,
	}
	if method == http.MethodPatch {
		status.Reason, status.Code = metav1.StatusReasonInternalError, http.StatusInternalServerError
		status.Message = "failed to create typed patch object: .spec.backup.barmanObjectStore: field not declared in schema"
	}
	answer.Header().Set("Content-Type", "application/json")
	answer.WriteHeader(int(status.Code))
	_ = json.NewEncoder(answer).Encode(status) // a client that is gone needs none
}

// newWithoutInTree passes requests on, but for those that write the field: to them it says what an API server says of a field that it
// does not know.
func newWithoutInTree(t testing.TB, connection *rest.Config) http.Handler {
	t.Helper()
	server, err := url.Parse(connection.Host)
	must(t, err)
	tls, err := rest.TLSConfigFor(connection)
	must(t, err)
	transport := &http.Transport{TLSClientConfig: tls} // no HTTP/2, which cannot pass on what becomes another protocol
	t.Cleanup(transport.CloseIdleConnections)
	proxy := &httputil.ReverseProxy{
		Transport: transport, FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(server) },
	}
	return http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/clusters") && (r.Method == http.MethodPost || r.Method == http.MethodPatch || r.Method == http.MethodPut) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				http.Error(answer, err.Error(), http.StatusBadRequest)
				return
			}
			if bytes.Contains(body, []byte(`"barmanObjectStore":{`)) {
				refuseField(answer, r.Method)
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		proxy.ServeHTTP(answer, r)
	})
}

// The API server without the field is one for the provider's own question, and passes on all else.
func TestWithoutInTree(t *testing.T) {
	t.Parallel()
	kube := apitest.New(t)
	kube.AddNamespace(fakeNamespace)
	front := httptest.NewServer(newWithoutInTree(t, &rest.Config{Host: kube.URL}))
	t.Cleanup(front.Close)
	for host, inTree := range map[string]bool{kube.URL: true, front.URL: false} {
		client, err := cnpg.New(&rest.Config{Host: host}, "test")
		must(t, err)
		for method, want := range map[cnpg.Method]bool{cnpg.MethodInTree: inTree, cnpg.MethodPlugin: true} {
			if installed, err := client.Installed(t.Context(), method, fakeNamespace); installed != want || err != nil {
				t.Errorf("%s: Installed(%s): %t, %v", host, method, installed, err)
			}
		}
		cluster := &cnpgv1.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "new"}, Spec: cnpgv1.ClusterSpec{
			Backup: &cnpgv1.BackupConfiguration{BarmanObjectStore: &cnpgv1.BarmanObjectStoreConfiguration{DestinationPath: "s3://bucket"}},
		}}
		var undeclared *cnpg.UndeclaredFieldError
		if _, err := client.CreateCluster(t.Context(), cluster); inTree && err != nil || !inTree && !errors.As(err, &undeclared) {
			t.Errorf("%s: CreateCluster: %v", host, err)
		}
		if _, err := client.GetCluster(t.Context(), cnpg.Key{Namespace: fakeNamespace, Name: "new"}); inTree && err != nil {
			t.Errorf("%s: GetCluster: %v", host, err)
		}
		apitest.Delete[cnpgv1.Cluster](kube, fakeNamespace, "new")
	}
}
