package apitest

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
)

// Proxy is an HTTP proxy that opens tunnels and records them.
type Proxy struct {
	// URL is its address, such as http://127.0.0.1:40123.
	URL string

	mu      sync.Mutex
	tunnels []Tunnel
}

// Tunnel is one connection through a proxy.
type Tunnel struct {
	// To is the host and port that the client asked for.
	To string
	// Authorization is the Proxy-Authorization header.
	Authorization string
}

// NewProxy starts a proxy that stops with the test.
func NewProxy(t testing.TB) *Proxy {
	t.Helper()
	p := &Proxy{}
	http := httptest.NewServer(p)
	t.Cleanup(http.Close)
	p.URL = http.URL
	return p
}

// Tunnels are the connections so far.
func (p *Proxy) Tunnels() []Tunnel {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.tunnels)
}

// ServeHTTP opens one tunnel.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		http.Error(w, "this proxy only opens tunnels", http.StatusMethodNotAllowed)
		return
	}
	p.mu.Lock()
	p.tunnels = append(p.tunnels, Tunnel{To: r.Host, Authorization: r.Header.Get("Proxy-Authorization")})
	p.mu.Unlock()

	server, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer server.Close()
	w.WriteHeader(http.StatusOK)
	client, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return // the client has gone
	}
	defer client.Close()
	go func() {
		_, _ = io.Copy(server, client) // either side ends a tunnel by closing it
		_ = server.Close()
	}()
	_, _ = io.Copy(client, server)
}
