package provider

import (
	"net/http"
	"time"

	"github.com/hashicorp/terraform-plugin-log/tflog"
	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// requestLog tells Terraform's log (TF_LOG=debug) what the API server is asked: never a header or a body, where credentials
// and Secrets are, nor the query, which holds the SQL of a verification.
type requestLog struct{ base http.RoundTripper }

var _ utilnet.RoundTripperWrapper = requestLog{}

// WrappedRoundTripper lets client-go find the TLS configuration.
func (l requestLog) WrappedRoundTripper() http.RoundTripper { return l.base }

// RoundTrip sends a request.
func (l requestLog) RoundTrip(request *http.Request) (*http.Response, error) {
	begun := time.Now()
	response, err := l.base.RoundTrip(request)
	line := map[string]any{
		"method": request.Method, "host": request.URL.Host, "path": request.URL.Path, "milliseconds": time.Since(begun).Milliseconds(),
	}
	if err != nil {
		line["error"] = textOf(err)
	} else {
		line["status"] = response.StatusCode
	}
	tflog.Debug(request.Context(), "Kubernetes API request", line)
	return response, err
}
