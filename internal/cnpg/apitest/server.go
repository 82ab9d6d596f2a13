// Package apitest is a Kubernetes API server in memory for tests: a loopback HTTP server that speaks as much of the
// protocol as the provider uses, for the few resources that it uses. Server-side apply runs on the API server's own code
// for managed fields. The server records every request and fails on demand.
//
// What differs from a real one: every identity is taken, and recorded; there is no schema beyond Go's types; lists are atomic and maps
// granular for every resource (which is how CNPG's own schema has the fields that the provider writes); lists are never
// paged; garbage is collected within the deleting request.
package apitest

import (
	"encoding/pem"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Server is the API server. Its methods may be called while requests are served.
type Server struct {
	// URL is its address, such as http://127.0.0.1:40123.
	URL string
	// CA is the PEM of the certificate authority of a server made by NewTLS; nil of one made by New.
	CA []byte

	clients *authority // signs client certificates; nil of a server made by New
	memory  *memory    // of a server made by NewInMemory

	mu       sync.Mutex
	objects  map[*resource]map[types.NamespacedName]*unstructured.Unstructured
	version  int64
	history  []change
	oldest   int64         // a watch from a version before this one has expired
	news     chan struct{} // closed when something happens that watches wait for
	watches  int64         // watches begun before this many CloseWatches end
	requests []Request
	open     int
	fault    func(Request) *Fault
	reactors []func(Event)
	admit    []Admission

	definitions map[string][]Definition // by the plural of the resource

	logs     map[logKey]string
	exec     ExecWithInput
	absent   map[string]bool
	noPlugin bool
	podsStay bool
	listOnly bool
}

// New starts a server without TLS that stops with the test. It has the namespace default.
func New(t testing.TB) *Server {
	t.Helper()
	return start(t, nil, nil)
}

// NewInMemory starts a server as New does, which only [Server.Config] reaches: without a network, so that it can run where
// testing/synctest plays the clock.
func NewInMemory(t testing.TB) *Server {
	t.Helper()
	return start(t, nil, newMemory())
}

// NewTLS starts a server whose certificate [Server.CA] has signed: for 127.0.0.1, and for [TLSServerName]. It takes the
// client certificates that [Server.ClientCertificate] makes.
func NewTLS(t testing.TB) *Server {
	t.Helper()
	return start(t, newAuthority(t), nil)
}

func start(t testing.TB, clients *authority, listener *memory) *Server {
	t.Helper()
	s := &Server{
		clients: clients,
		memory:  listener,
		objects: map[*resource]map[types.NamespacedName]*unstructured.Unstructured{},
		news:    make(chan struct{}),
		logs:    map[logKey]string{},
		absent:  map[string]bool{},

		definitions: map[string][]Definition{},

		version: 100, // no object has the version "1", as in a real cluster
	}
	http := httptest.NewUnstartedServer(s)
	http.Config.ErrorLog = log.New(io.Discard, "", 0) // what tests of certificates expect
	if listener != nil {
		_ = http.Listener.Close()
		http.Listener = listener
	}
	if clients == nil {
		http.Start()
	} else {
		http.TLS = clients.serverConfig()
		http.StartTLS()
	}
	t.Cleanup(func() {
		http.CloseClientConnections() // watches would hold up Close
		http.Close()
	})
	s.URL = http.URL
	if certificate := http.Certificate(); certificate != nil {
		s.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})
	}
	s.AddNamespace("default")
	return s
}

// Copy starts another server without TLS that has the same objects, and nothing else of this one.
func (s *Server) Copy(t testing.TB) *Server {
	t.Helper()
	other := New(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	other.mu.Lock()
	defer other.mu.Unlock()
	other.version, other.oldest, other.history = s.version, s.version, nil
	for res, objects := range s.objects {
		copies := make(map[types.NamespacedName]*unstructured.Unstructured, len(objects))
		for key, object := range objects {
			copies[key] = object.DeepCopy()
		}
		other.objects[res] = copies
	}
	return other
}

// Config is the configuration of a client of this server.
func (s *Server) Config() *rest.Config {
	config := &rest.Config{
		Host: s.URL, QPS: -1, TLSClientConfig: rest.TLSClientConfig{CAData: s.CA},
		ContentConfig: rest.ContentConfig{ContentType: runtime.ContentTypeJSON}, // it does not speak protobuf
	}
	if s.memory != nil {
		config.Dial = s.memory.dial
	}
	return config
}

// Kubeconfig writes a kubeconfig file whose current context "test" reaches this server, and returns its path.
func (s *Server) Kubeconfig(t testing.TB) string {
	t.Helper()
	config := clientcmdapi.NewConfig()
	config.Clusters["test"] = &clientcmdapi.Cluster{Server: s.URL, CertificateAuthorityData: s.CA}
	config.AuthInfos["test"] = &clientcmdapi.AuthInfo{}
	config.Contexts["test"] = &clientcmdapi.Context{Cluster: "test", AuthInfo: "test"}
	config.CurrentContext = "test"
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatalf("write the kubeconfig: %v", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Remove makes the server know nothing of a resource: CNPG is not installed ("clusters"), or its Barman Cloud plugin is
// not ("objectstores").
func (s *Server) Remove(plural string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.absent[plural] = true
}

// NoWatchList makes the server refuse sendInitialEvents, as servers do that are older than 1.32.
func (s *Server) NoWatchList() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listOnly = true
}

// Fail lets f decide for every request whether it fails; nil from f, or f nil, lets it through. f may be called by
// several requests at once.
func (s *Server) Fail(f func(Request) *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// React calls f after every change of an object, before the request that made it is answered: what f does, such as
// playing a controller, is done when the client reads its answer.
func (s *Server) React(f func(Event)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reactors = append(s.reactors, f)
}

// Requests are all requests so far, those that failed too, in the order in which they came.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Writes are the requests so far that change something, or would have.
func (s *Server) Writes() []Request {
	return slices.DeleteFunc(s.Requests(), func(r Request) bool { return !r.Writes() })
}

// Forget empties the record of requests; the next one has the index 0.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

// OpenWatches is the number of watches that are being served.
func (s *Server) OpenWatches() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

// CloseWatches ends all watches, as a server does that restarts.
func (s *Server) CloseWatches() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watches++
	s.wake()
}

// Compact forgets the history: a watch that resumes from an earlier version is told that it has expired (410).
func (s *Server) Compact() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	s.oldest = s.version
	s.history = nil
}

// wake lets watches look again. The server is locked.
func (s *Server) wake() {
	close(s.news)
	s.news = make(chan struct{})
}
