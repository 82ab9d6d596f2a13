package provider

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

func TestSentence(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"the target lies in the future":           "The target lies in the future.",
		"not done after 5m0s.":                    "Not done after 5m0s.",
		"backup.schedule is missing":              "backup.schedule is missing.",
		"s3://backups/ cannot be reached":         "s3://backups/ cannot be reached.",
		"pg_upgrade failed":                       "pg_upgrade failed.",
		"name: must be shorter":                   "name: must be shorter.",
		`Cluster myorg/my-db: not found`:          "Cluster myorg/my-db: not found.",
		"http://h:1 cannot be reached: a@b":       "http://h:1 cannot be reached: a@b.",
		`proxy "http://u:s3cr3t/x@[::1" is odd`:   `Proxy "http://[hidden]@[::1" is odd.`,
		"s3://bucket/me@example.com is not there": "s3://bucket/me@example.com is not there.",
	}
	for text, want := range tests {
		if got := sentence(errors.New(text)); got != want {
			t.Errorf("of %q: %q, want %q", text, got, want)
		}
	}
	if got := ended(errors.New("the target")); got != "the target." {
		t.Errorf("after a colon: %q", got)
	}
	missing := fmt.Errorf(`clusters is forbidden: User "u" cannot list resource "clusters": %w`, cnpg.ErrForbidden)
	if got, want := sentence(missing), `Clusters is forbidden: User "u" cannot list resource "clusters": forbidden.`+"\n\n"+leastRole; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// HTTPS_PROXY may hold a password, and Go's error about a broken one quotes it.
func TestPasswordOfAProxyIsNotShown(t *testing.T) {
	t.Parallel()
	proxy := fmt.Sprintf("http://me:%s@[::1", "s3cr3t-s3cr3t")
	transport := &http.Transport{Proxy: func(*http.Request) (*url.URL, error) {
		_, err := url.Parse(proxy)
		return nil, fmt.Errorf("invalid proxy address %q: %w", proxy, err) // as net/http has it, which reads the variable once in a process
	}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(request)
	if err == nil {
		response.Body.Close()
		t.Fatal("no error")
	}
	want := `Invalid proxy address "http://[hidden]@[::1": parse "http://[hidden]@[::1": missing ']' in host.`
	if got := sentence(err); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
