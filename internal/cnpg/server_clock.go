package cnpg

import (
	"net/http"
	"sync/atomic"
	"time"

	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// serverClock tells the time by the API server's answers: the clock of this machine may differ from those in the cluster, by
// which the times in objects are.
type serverClock struct {
	ahead atomic.Int64 // of this machine's clock, a time.Duration
}

// now is this machine's time until there was an answer.
func (c *serverClock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// over has the clock set by each answer that arrives over base.
func (c *serverClock) over(base http.RoundTripper) http.RoundTripper { return datedAnswers{base, c} }

type datedAnswers struct {
	base  http.RoundTripper
	clock *serverClock
}

var _ utilnet.RoundTripperWrapper = datedAnswers{}

// WrappedRoundTripper lets client-go find the TLS configuration.
func (d datedAnswers) WrappedRoundTripper() http.RoundTripper { return d.base }

// RoundTrip sends a request.
func (d datedAnswers) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := d.base.RoundTrip(request)
	if err == nil {
		if date, err := http.ParseTime(response.Header.Get("Date")); err == nil {
			d.clock.ahead.Store(int64(time.Until(date)))
		}
	}
	return response, err
}
