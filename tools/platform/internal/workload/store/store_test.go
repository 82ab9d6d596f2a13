package store

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// serve answers requests, named by method and path, with a status, 500 for those not listed, and returns the
// server and the names of the requests as they came. A request of the account "owner" begins with that word.
func serve(t *testing.T, answers map[string]int) (Server, *[]string) {
	t.Helper()
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.Method + " " + r.URL.Path
		if strings.Contains(r.Header.Get("Authorization"), "Credential=owner/") {
			name = "owner " + name
		}
		seen = append(seen, name)
		status, known := answers[name]
		if !known {
			status = http.StatusInternalServerError
		}
		w.WriteHeader(status)
		if status == http.StatusConflict && r.Method == http.MethodPut {
			_, _ = fmt.Fprint(w, `<Error><Code>BucketAlreadyOwnedByYou</Code></Error>`)
		}
	}))
	t.Cleanup(server.Close)
	return Server{Endpoint: server.URL, Region: "us-east-1", Account: Account{"root", "secret"}}, &seen
}

func TestHasBucket(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]struct{ has, fails bool }{
		http.StatusOK:                  {has: true},
		http.StatusNotFound:            {},
		http.StatusForbidden:           {},
		http.StatusInternalServerError: {fails: true},
	} {
		server, _ := serve(t, map[string]int{"HEAD /b": status})
		has, err := server.HasBucket(t.Context(), "b")
		if has != want.has || (err != nil) != want.fails {
			t.Errorf("%d: %t, %v", status, has, err)
		}
	}
	if _, err := (Server{Endpoint: "http://127.0.0.1:1", Region: "r"}).HasBucket(t.Context(), "b"); err == nil {
		t.Error("a server that is not there is no error")
	}
}

func TestServersOverTLSAreTrustedByTheirAuthority(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	s := Server{Endpoint: server.URL, Region: "us-east-1", Account: Account{"root", "secret"}}
	if _, err := s.HasBucket(t.Context(), "b"); err == nil {
		t.Error("a server that nobody vouches for is trusted")
	}
	s.Authority = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if there, err := s.HasBucket(t.Context(), "b"); err != nil || !there {
		t.Errorf("with its authority: %t, %v", there, err)
	}
}

func TestMakeBucketThatIsThere(t *testing.T) {
	t.Parallel()
	server, _ := serve(t, map[string]int{"PUT /b": http.StatusConflict})
	if err := server.MakeBucket(t.Context(), "b"); err != nil {
		t.Error(err)
	}
}

func TestGiveBucket(t *testing.T) {
	t.Parallel()
	owner := Account{"owner", "secret"}
	for name, c := range map[string]struct {
		answers map[string]int
		want    []string
		fails   bool
	}{
		"given before": {
			answers: map[string]int{"owner HEAD /b": 200},
			want:    []string{"owner HEAD /b"},
		},
		"new": {
			answers: map[string]int{
				"owner HEAD /b": 403, "PATCH /create-user": 201, "HEAD /b": 404, "PUT /b": 200, "PATCH /change-bucket-owner": 200,
			},
			want: []string{"owner HEAD /b", "PATCH /create-user", "HEAD /b", "PUT /b", "PATCH /change-bucket-owner"},
		},
		"interrupted before the last step": {
			answers: map[string]int{
				"owner HEAD /b": 403, "PATCH /create-user": 409, "HEAD /b": 200, "PATCH /change-bucket-owner": 200,
			},
			want: []string{"owner HEAD /b", "PATCH /create-user", "HEAD /b", "PATCH /change-bucket-owner"},
		},
		"refused": {
			answers: map[string]int{"owner HEAD /b": 403, "PATCH /create-user": 403},
			want:    []string{"owner HEAD /b", "PATCH /create-user"},
			fails:   true,
		},
	} {
		server, seen := serve(t, c.answers)
		if err := server.GiveBucket(t.Context(), "b", owner); (err != nil) != c.fails {
			t.Errorf("%s: %v", name, err)
		}
		if !slices.Equal(*seen, c.want) {
			t.Errorf("%s: requests were %q, want %q", name, *seen, c.want)
		}
	}
}
