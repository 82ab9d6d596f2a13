package rights

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
)

// listener hears which rights a provider uses.
type listener struct {
	mu   sync.Mutex
	used map[string]bool
}

// listen has the world's provider heard.
func (w *world) listen() *listener {
	w.t.Helper()
	l := &listener{used: map[string]bool{}}
	proxy := passOn(w.t, w.platform.config)
	proxy.ModifyResponse = func(answer *http.Response) error {
		if answer.StatusCode == http.StatusForbidden {
			return nil
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, r := range rightsOf(answer) {
			l.used[r.String()] = true
		}
		return nil
	}
	server := httptest.NewTLSServer(proxy)
	w.t.Cleanup(server.Close)
	w.connect(server)
	return l
}

// forget has it not count what was used until now.
func (l *listener) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.used)
}

// rights are those that were used.
func (l *listener) rights() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.used))
}

// rightsOf are the rights that a request needs, by what the API server has answered: an apply that makes an object creates it too. For
// what is no object, such as the kinds that there are, there are none.
func rightsOf(answer *http.Response) []right {
	r := answer.Request
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	of := right{}
	switch {
	case len(parts) > 2 && parts[0] == "api":
		parts = parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		of.group, parts = parts[1], parts[3:]
	default:
		return nil
	}
	if parts[0] == "namespaces" && len(parts) > 2 {
		parts = parts[2:]
	}
	of.resource, parts = parts[0], parts[1:]
	if len(parts) == 2 {
		of.resource += "/" + parts[1]
	}
	switch {
	case r.Method == http.MethodPatch && answer.StatusCode == http.StatusCreated:
		created := of
		of.verb, created.verb = "patch", "create"
		return []right{of, created}
	case r.Method == http.MethodGet && r.URL.Query().Get("watch") != "":
		of.verb = "watch"
	case r.Method == http.MethodGet && len(parts) == 0:
		of.verb = "list"
	default:
		of.verb = map[string]string{http.MethodGet: "get", http.MethodPost: "create", http.MethodPatch: "patch", http.MethodPut: "update", http.MethodDelete: "delete"}[r.Method]
	}
	return []right{of}
}
