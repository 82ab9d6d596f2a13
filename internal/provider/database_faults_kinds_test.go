package provider_test

import (
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// fault is one way in which a request fails.
type fault struct {
	name string
	kube apitest.Fault
	s3   s3test.Fault
	// interrupted is a Ctrl-C at the request: before it has an effect or, with after, when it has had it.
	interrupted, after bool
	// lasting faults are met by every request from then on, until somebody loses patience.
	lasting bool
	// killed is the end of Terraform and the provider when the request has had its effect: nothing else of the operation
	// happens, and no state is saved of what has.
	killed bool
	// always harmless faults are ridden out wherever they happen, watched ones where a watch meets them.
	always, watched bool
	// written faults are those of requests that change something: to a read they are what another one is.
	written bool
}

// harmless tells whether the operation must succeed in spite of the fault.
func (f fault) harmless(at point) bool { return f.always || f.watched && at.watch }

// The ways in which requests of Kubernetes fail.
var kubeFaults = []fault{
	{name: "409", kube: apitest.Fault{Status: http.StatusConflict}, written: true},
	{name: "429 with Retry-After", kube: apitest.Fault{Status: http.StatusTooManyRequests, RetryAfter: "0"}, always: true},
	{name: "500", kube: apitest.Fault{Status: http.StatusInternalServerError}, watched: true},
	{name: "reset before", kube: apitest.Fault{ResetBefore: true}, watched: true},
	{name: "reset after", kube: apitest.Fault{ResetAfter: true}, written: true},
	{name: "slow", kube: apitest.Fault{Latency: 50 * time.Millisecond}, always: true},
	{name: "interrupted before", interrupted: true},
	{name: "interrupted after", interrupted: true, after: true, written: true},
	{name: "503 from then on", kube: apitest.Fault{Status: http.StatusServiceUnavailable}, lasting: true},
}

// What happens to watches beside that.
var watchFaults = []fault{
	{name: "closed", kube: apitest.Fault{EndWatch: true}, always: true},
	{name: "expired in the stream", kube: apitest.Fault{ExpireWatch: true}, always: true},
	{name: "410", kube: apitest.Fault{Status: http.StatusGone}, always: true},
	{name: "503", kube: apitest.Fault{Status: http.StatusServiceUnavailable}, always: true},
}

// The ways in which requests of S3 fail, which only reads come from.
var s3Faults = []fault{
	{name: "403", s3: s3test.Fault{Status: http.StatusForbidden, Code: "AccessDenied"}},
	{name: "500", s3: s3test.Fault{Status: http.StatusInternalServerError, Code: "InternalError"}, always: true},
	{name: "503", s3: s3test.Fault{Status: http.StatusServiceUnavailable, Code: "SlowDown"}, always: true},
	{name: "reset", s3: s3test.Fault{Reset: true}, always: true},
	{name: "slow", s3: s3test.Fault{Latency: 50 * time.Millisecond}, always: true},
	{name: "interrupted", interrupted: true},
	{name: "503 from then on", s3: s3test.Fault{Status: http.StatusServiceUnavailable, Code: "SlowDown"}, lasting: true},
}

// reads are the ways in which requests fail that change nothing.
var reads = slices.DeleteFunc(slices.Clone(kubeFaults), func(f fault) bool { return f.written })

// killed is what happens to updates beside that: a create that no state tells of is there for an import block to take over.
var killed = fault{name: "killed after", killed: true}

func (s *story) faultsAt(p point) []fault {
	if faults := faultsAt(p); p.writes && s.before != "" && s.config != "" && !s.deletes() {
		return append(slices.Clone(faults), killed)
	}
	return faultsAt(p)
}

func faultsAt(p point) []fault {
	switch {
	case p.s3:
		return s3Faults
	case p.watch:
		return append(watchFaults, reads...)
	case p.writes:
		return kubeFaults
	}
	return reads
}

// watchRequests lets decide see every request from now on, and the fault meet those that it says true to.
func (w *scene) watchRequests(decide func(point) bool, f fault) {
	if decide == nil {
		w.kube.Fail(nil)
		w.s3.Fail(nil)
		return
	}
	var dead atomic.Bool
	w.kube.Fail(func(r apitest.Request) *apitest.Fault {
		if !decide(kubePoint(r)) {
			return nil
		}
		met := f.kube
		switch {
		case f.killed && dead.Swap(true): // what the provider makes of that is of no account, and is not tried again
			met.Status = http.StatusForbidden
		case f.killed:
			met.After = w.interrupt
		case f.interrupted && f.after:
			met.After = w.interrupt
		case f.interrupted:
			met.Before, met.Hang = w.interrupt, true
		}
		return &met
	})
	w.s3.Fail(func(r s3test.Request) *s3test.Fault {
		if !decide(s3Point(r)) {
			return nil
		}
		met := f.s3
		if f.interrupted {
			w.interrupt()
			met.Hang = true
		}
		if f.killed {
			met.Status, met.Code = http.StatusForbidden, "AccessDenied"
		}
		return &met
	})
}
