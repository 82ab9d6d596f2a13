package apitest

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The verbs of requests, as the API server's audit log names them, but for apply, which is a patch there.
const (
	VerbGet    = "get"
	VerbList   = "list"
	VerbWatch  = "watch"
	VerbCreate = "create"
	VerbApply  = "apply"
	VerbPatch  = "patch" // a merge patch
	VerbDelete = "delete"
	VerbOther  = "other"
)

// Request is one request as the server saw it.
type Request struct {
	// Index counts from 0 since the server began, or since Forget.
	Index       int
	Verb        string
	Group       string
	Resource    string // plural; "" where the path names none
	Namespace   string
	Name        string
	Subresource string
	Path        string
	Query       url.Values
	UserAgent   string
	// Metadata tells that the answer is to have the object's metadata alone (PartialObjectMetadata).
	Metadata bool
	// Authorization is the header of that name.
	Authorization string
	// Certificate is the common name of the client certificate; "" where none was shown.
	Certificate string
	// ServerName is the name that the client wants to reach, where it says one (TLS SNI).
	ServerName string
}

// Writes tells whether the request changes something.
func (r Request) Writes() bool {
	switch r.Verb {
	case VerbGet, VerbList, VerbWatch:
		return r.Subresource == "exec"
	}
	return !r.DryRun()
}

// DryRun tells whether the request only asks whether it would succeed.
func (r Request) DryRun() bool { return r.Query.Get("dryRun") == metav1.DryRunAll }

// String is the request in short: "apply clusters default/my-db".
func (r Request) String() string {
	if r.Resource == "" {
		return r.Verb + " " + r.Path
	}
	what := r.Resource
	if r.Subresource != "" {
		what += "/" + r.Subresource
	}
	object := strings.Trim(r.Namespace+"/"+r.Name, "/")
	return strings.TrimSpace(r.Verb + " " + what + " " + object)
}

// Summaries are requests in short, for comparing.
func Summaries(requests []Request) []string {
	texts := make([]string, 0, len(requests))
	for _, r := range requests {
		texts = append(texts, r.String())
	}
	return texts
}

// Is tells whether the request is of a verb and a resource ("" for any).
func (r Request) Is(verb, resource string) bool {
	return (verb == "" || r.Verb == verb) && (resource == "" || r.Resource == resource)
}

// Fault is what happens to a request. The zero Fault does nothing.
type Fault struct {
	// Status answers with an HTTP status in place of the effect. Reason and Message are those of the Status object;
	// without Reason it is the one that belongs to the HTTP status.
	Status  int
	Reason  metav1.StatusReason
	Message string
	// RetryAfter is the header of that name, in seconds; "0" lets a client try again at once.
	RetryAfter string

	// Before runs before the request has its effect, for example to cancel the client's context or to change the object.
	Before func()
	// After runs when it has had its effect, before the answer.
	After func()
	// Latency delays the request.
	Latency time.Duration
	// Hang never answers, until the client gives up; the request has no effect.
	Hang bool
	// ResetBefore breaks the connection before the request has an effect, ResetAfter when it has had it.
	ResetBefore bool
	ResetAfter  bool

	// EndWatch ends a watch after what it has to tell at its begin.
	EndWatch bool
	// ExpireWatch tells a watch that its version is too old, after what it has to tell at its begin.
	ExpireWatch bool
	// Warnings are sent with the answer.
	Warnings []string
}

// At is a function for [Server.Fail] that lets one request fail: the one of that index.
func At(index int, fault Fault) func(Request) *Fault {
	return func(r Request) *Fault {
		if r.Index == index {
			return &fault
		}
		return nil
	}
}

// Each is a function for [Server.Fail] that lets every request fail that is of a verb and a resource ("" for any).
func Each(verb, resource string, fault Fault) func(Request) *Fault {
	return func(r Request) *Fault {
		if r.Is(verb, resource) {
			return &fault
		}
		return nil
	}
}

// First is Each for the first such request after Fail is called.
func First(verb, resource string, fault Fault) func(Request) *Fault {
	done := make(chan struct{}, 1)
	return func(r Request) *Fault {
		if !r.Is(verb, resource) {
			return nil
		}
		select {
		case done <- struct{}{}:
			return &fault
		default:
			return nil
		}
	}
}

// target is what a request is about; res is nil where the path names no resource that the server knows.
type target struct {
	Request
	res *resource
}

// describe reads what a request is about from its method and path.
func describe(r *http.Request) target {
	t := target{Request: Request{
		Path: r.URL.Path, Query: r.URL.Query(), UserAgent: r.UserAgent(), Authorization: r.Header.Get("Authorization"), Verb: VerbOther,
		Metadata: strings.Contains(r.Header.Get("Accept"), "as=PartialObjectMetadata"),
	}}
	if r.TLS != nil {
		t.ServerName = r.TLS.ServerName
		if len(r.TLS.PeerCertificates) > 0 {
			t.Certificate = r.TLS.PeerCertificates[0].Subject.CommonName
		}
	}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	var version string
	switch {
	case len(parts) >= 3 && parts[0] == "api":
		version, parts = parts[1], parts[2:]
	case len(parts) >= 4 && parts[0] == "apis":
		t.Group, version, parts = parts[1], parts[2], parts[3:]
	default:
		return t
	}
	if len(parts) >= 3 && parts[0] == "namespaces" && parts[2] != "status" {
		t.Namespace, parts = parts[1], parts[2:]
	}
	t.Resource = parts[0]
	if len(parts) > 1 {
		t.Name = parts[1]
	}
	if len(parts) > 2 {
		t.Subresource = parts[2]
	}
	t.res = find(t.Group, version, t.Resource)
	t.Verb = verbOf(r.Method, t.Request, r.Header.Get("Content-Type"))
	return t
}

func verbOf(method string, r Request, contentType string) string {
	switch {
	case method == http.MethodGet && r.Name != "":
		return VerbGet
	case method == http.MethodGet && (r.Query.Get("watch") == "true" || r.Query.Get("watch") == "1"):
		return VerbWatch
	case method == http.MethodGet:
		return VerbList
	case method == http.MethodPost:
		return VerbCreate
	case method == http.MethodPatch && strings.HasPrefix(contentType, "application/apply-patch+yaml"):
		return VerbApply
	case method == http.MethodPatch && strings.HasPrefix(contentType, "application/merge-patch+json"):
		return VerbPatch
	case method == http.MethodDelete && r.Name != "":
		return VerbDelete
	}
	return VerbOther
}
