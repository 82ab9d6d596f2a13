package apitest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t := describe(r)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has gone
	}
	s.mu.Lock()
	t.Index = len(s.requests)
	s.requests = append(s.requests, t.Request)
	decide := s.fault
	if s.absent[t.Resource] {
		t.res = nil
	}
	s.mu.Unlock()

	var fault Fault
	if decide != nil {
		if f := decide(t.Request); f != nil {
			fault = *f
		}
	}
	if !before(w, r, t, fault) {
		return
	}
	if t.res == nil {
		// What a real one says of paths that it does not know is no Status object.
		http.Error(w, "404 page not found", http.StatusNotFound)
		return
	}
	if t.Verb == VerbWatch {
		s.watch(w, r, t, fault)
		return
	}
	if t.Subresource != "" {
		s.serveSubresource(w, r, t)
		return
	}
	code, answer, warnings := s.answer(t, body)
	if fault.After != nil {
		fault.After()
	}
	if fault.ResetAfter {
		panic(http.ErrAbortHandler)
	}
	warn(w, append(warnings, fault.Warnings...))
	write(w, code, answer)
}

// before does what a fault wants done before the request has its effect; false where it has no effect.
func before(w http.ResponseWriter, r *http.Request, t target, fault Fault) bool {
	if fault.Before != nil {
		fault.Before()
	}
	if fault.Latency > 0 {
		select {
		case <-r.Context().Done():
			return false
		case <-time.After(fault.Latency):
		}
	}
	switch {
	case fault.Hang:
		<-r.Context().Done()
		return false
	case fault.ResetBefore:
		panic(http.ErrAbortHandler)
	case fault.Status != 0:
		warn(w, fault.Warnings)
		if fault.RetryAfter != "" {
			w.Header().Set("Retry-After", fault.RetryAfter)
		}
		write(w, fault.Status, fault.status(t))
		return false
	}
	return true
}

func (f Fault) status(t target) *metav1.Status {
	verb, group := t.Verb, metav1.StatusDetails{Name: t.Name, Group: t.Group, Kind: t.Resource}
	status := &metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
		Status:   metav1.StatusFailure, Code: int32(f.Status), Reason: f.Reason, Message: f.Message, Details: &group, //nolint:gosec // an HTTP status
	}
	if status.Reason == "" {
		status.Reason = reasons[f.Status]
	}
	if status.Message == "" {
		status.Message = fmt.Sprintf("%s %s %q: injected %s", verb, t.Resource, t.Name, http.StatusText(f.Status))
	}
	return status
}

var reasons = map[int]metav1.StatusReason{
	http.StatusBadRequest:          metav1.StatusReasonBadRequest,
	http.StatusUnauthorized:        metav1.StatusReasonUnauthorized,
	http.StatusForbidden:           metav1.StatusReasonForbidden,
	http.StatusNotFound:            metav1.StatusReasonNotFound,
	http.StatusConflict:            metav1.StatusReasonConflict,
	http.StatusGone:                metav1.StatusReasonExpired,
	http.StatusUnprocessableEntity: metav1.StatusReasonInvalid,
	http.StatusTooManyRequests:     metav1.StatusReasonTooManyRequests,
	http.StatusInternalServerError: metav1.StatusReasonInternalError,
	http.StatusServiceUnavailable:  metav1.StatusReasonServiceUnavailable,
	http.StatusGatewayTimeout:      metav1.StatusReasonTimeout,
}

// answer gives a request its effect.
func (s *Server) answer(t target, body []byte) (code int, answer any, warnings []string) {
	var object *unstructured.Unstructured
	code = http.StatusOK
	err := s.mutate(func() (err error) {
		switch t.Verb {
		case VerbGet:
			if object = s.lookup(t.res, types.NamespacedName{Namespace: t.Namespace, Name: t.Name}); object == nil {
				err = apierrors.NewNotFound(t.res.groupResource(), t.Name)
			}
		case VerbList:
			answer, err = s.list(t)
		case VerbCreate:
			code = http.StatusCreated
			object, warnings, err = s.create(t, body)
		case VerbApply:
			if s.lookup(t.res, types.NamespacedName{Namespace: t.Namespace, Name: t.Name}) == nil {
				code = http.StatusCreated
			}
			object, warnings, err = s.apply(t, body)
		case VerbPatch:
			object, warnings, err = s.patch(t, body)
		case VerbDelete:
			if object, err = s.delete(t, body); object == nil {
				answer = &metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusSuccess}
			}
		default:
			err = apierrors.NewMethodNotSupported(t.res.groupResource(), t.Verb)
		}
		switch {
		case object != nil && t.Metadata:
			answer = map[string]any{"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": object.DeepCopy().Object["metadata"]}
		case object != nil:
			answer = object.DeepCopy()
		}
		return err
	})
	if err != nil {
		return refusal(err)
	}
	return code, answer, warnings
}

func refusal(err error) (int, any, []string) {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		err = apierrors.NewInternalError(err)
		errors.As(err, &status)
	}
	s := status.Status()
	s.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
	return int(s.Code), &s, nil
}

func (s *Server) list(t target) (any, error) {
	selector, err := t.res.selector(t.Request)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	list := &unstructured.UnstructuredList{Object: map[string]any{}}
	list.SetGroupVersionKind(t.res.gvk.GroupVersion().WithKind(t.res.gvk.Kind + "List"))
	list.SetResourceVersion(strconv.FormatInt(s.version, 10))
	for _, object := range s.sorted(t.res) {
		if selector.matches(object) {
			list.Items = append(list.Items, *object.DeepCopy())
		}
	}
	return list, nil
}

func warn(w http.ResponseWriter, warnings []string) {
	for _, text := range warnings {
		header, err := utilnet.NewWarningHeader(299, "-", text)
		if err != nil {
			panic(err) // a test's own text
		}
		w.Header().Add("Warning", header)
	}
}

func write(w http.ResponseWriter, code int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(answer) // the client may have gone
}
