package apitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	kjson "sigs.k8s.io/json"
)

// Admission plays a webhook: it may change the object that is about to be stored, warn, or refuse it. old is nil for a
// new object. It runs with the server locked, so it must not use the server.
type Admission func(object, old *unstructured.Unstructured) (warnings []string, err error)

// Admit adds a webhook.
func (s *Server) Admit(a Admission) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.admit = append(s.admit, a)
}

// decode reads the object in a request's body, strictly where the request asks for that. The server is locked.
func (s *Server) decode(t target, body []byte) (*unstructured.Unstructured, error) {
	object := &unstructured.Unstructured{}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(body, &object.Object); err != nil {
		return nil, apierrors.NewBadRequest("error decoding: " + err.Error())
	}
	if kind := object.GroupVersionKind(); kind != t.res.gvk {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("the object is a %s, the request is about %s", kind, t.res.gvk))
	}
	typed, err := scheme.New(t.res.gvk)
	if err != nil {
		return nil, err
	}
	strict, err := kjson.UnmarshalStrict(body, typed)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	if len(strict) > 0 && t.Query.Get("fieldValidation") == metav1.FieldValidationStrict {
		return nil, apierrors.NewBadRequest("strict decoding error: " + strict[0].Error())
	}
	if err := s.define(t, object); err != nil {
		return nil, err
	}
	if object.GetNamespace() == "" && t.res.namespaced {
		object.SetNamespace(t.Namespace)
	}
	if object.GetNamespace() != t.Namespace {
		return nil, apierrors.NewBadRequest("the namespace of the provided object does not match the namespace sent on the request")
	}
	if t.Name != "" && object.GetName() != t.Name {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("the name of the object (%s) does not match the name on the URL (%s)", object.GetName(), t.Name))
	}
	if t.res.hasStatus {
		delete(object.Object, "status")
	}
	return object, nil
}

func manager(t target) string {
	if m := t.Query.Get("fieldManager"); m != "" {
		return m
	}
	m, _, _ := strings.Cut(t.UserAgent, "/")
	return m
}

// create answers a POST. The server is locked.
func (s *Server) create(t target, body []byte) (*unstructured.Unstructured, []string, error) {
	object, err := s.decode(t, body)
	if err != nil {
		return nil, nil, err
	}
	if object.GetResourceVersion() != "" {
		return nil, nil, apierrors.NewBadRequest("resourceVersion should not be set on objects to be created")
	}
	if s.lookup(t.res, keyOf(object)) != nil {
		return nil, nil, apierrors.NewAlreadyExists(t.res.groupResource(), object.GetName())
	}
	made, err := asUnstructured(t.res.main.Update(t.res.blank(), object, manager(t)))
	if err != nil {
		return nil, nil, err
	}
	return s.admitted(t, made, nil)
}

// apply answers a server-side apply, in the order in which the API server does: conflicts of field managers, then those
// of uid and resourceVersion, then admission. The server is locked.
func (s *Server) apply(t target, body []byte) (*unstructured.Unstructured, []string, error) {
	if t.Query.Get("fieldManager") == "" {
		return nil, nil, apierrors.NewInvalid(metav1.SchemeGroupVersion.WithKind("PatchOptions").GroupKind(), "",
			field.ErrorList{field.Required(field.NewPath("fieldManager"), "is required for apply patch")})
	}
	object, err := s.decode(t, body)
	if err != nil {
		return nil, nil, err
	}
	live := s.lookup(t.res, keyOf(object))
	base := live
	if live == nil {
		base = t.res.blank()
	}
	made, err := asUnstructured(t.res.main.Apply(base.DeepCopy(), object, t.Query.Get("fieldManager"), t.Query.Get("force") == "true"))
	if err != nil {
		return nil, nil, err
	}
	switch {
	case live == nil && made.GetUID() != "":
		return nil, nil, conflict(t.res, t.Name, "uid mismatch: the provided object specified uid %s, and no existing object was found", made.GetUID())
	case live == nil:
		made.SetResourceVersion("") // cleared before an object is stored
	case made.GetResourceVersion() != live.GetResourceVersion():
		return nil, nil, conflict(t.res, t.Name, "the object has been modified; please apply your changes to the latest version and try again")
	case made.GetUID() != live.GetUID():
		return nil, nil, apierrors.NewInvalid(t.res.gvk.GroupKind(), t.Name,
			field.ErrorList{field.Invalid(field.NewPath("metadata", "uid"), made.GetUID(), "field is immutable")})
	}
	return s.admitted(t, made, live)
}

// patch answers a merge patch. The server is locked.
func (s *Server) patch(t target, body []byte) (*unstructured.Unstructured, []string, error) {
	live := s.lookup(t.res, types.NamespacedName{Namespace: t.Namespace, Name: t.Name})
	if live == nil {
		return nil, nil, apierrors.NewNotFound(t.res.groupResource(), t.Name)
	}
	var change map[string]any
	if err := kjson.UnmarshalCaseSensitivePreserveInts(body, &change); err != nil {
		return nil, nil, apierrors.NewBadRequest("error decoding patch: " + err.Error())
	}
	wanted := live.DeepCopy()
	merge(wanted.Object, change)
	switch {
	case wanted.GetResourceVersion() != live.GetResourceVersion():
		return nil, nil, conflict(t.res, t.Name, "the object has been modified; please apply your changes to the latest version and try again")
	case wanted.GetUID() != live.GetUID():
		return nil, nil, apierrors.NewInvalid(t.res.gvk.GroupKind(), t.Name,
			field.ErrorList{field.Invalid(field.NewPath("metadata", "uid"), wanted.GetUID(), "field is immutable")})
	}
	if t.res.hasStatus {
		setStatus(wanted, live.Object["status"])
	}
	if err := s.define(t, wanted); err != nil {
		return nil, nil, err
	}
	made, err := asUnstructured(t.res.main.Update(live.DeepCopy(), wanted, manager(t)))
	if err != nil {
		return nil, nil, err
	}
	return s.admitted(t, made, live)
}

// merge changes an object as a merge patch (RFC 7386) says.
func merge(object, change map[string]any) {
	for name, value := range change {
		below, isObject := value.(map[string]any)
		switch {
		case value == nil:
			delete(object, name)
		case isObject:
			inner, ok := object[name].(map[string]any)
			if !ok {
				inner = map[string]any{}
			}
			merge(inner, below)
			object[name] = inner
		default:
			object[name] = value
		}
	}
}

// admitted stores an object that the webhooks let through, unless that is only tried.
func (s *Server) admitted(t target, object, old *unstructured.Unstructured) (*unstructured.Unstructured, []string, error) {
	if err := s.requireNamespace(t.res, object.GetNamespace()); err != nil {
		return nil, nil, err
	}
	var warnings []string
	for _, admit := range s.admit {
		w, err := admit(object, old)
		warnings = append(warnings, w...)
		if err != nil {
			return nil, warnings, err
		}
	}
	if t.DryRun() {
		return object, warnings, nil
	}
	return s.store(t.res, object), warnings, nil
}

// delete answers a DELETE. The server is locked.
func (s *Server) delete(t target, body []byte) (*unstructured.Unstructured, error) {
	var options metav1.DeleteOptions
	if len(bytes.TrimSpace(body)) > 0 {
		if err := json.Unmarshal(body, &options); err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
	}
	key := types.NamespacedName{Namespace: t.Namespace, Name: t.Name}
	object := s.lookup(t.res, key)
	if object == nil {
		return nil, apierrors.NewNotFound(t.res.groupResource(), t.Name)
	}
	if p := options.Preconditions; p != nil {
		if p.UID != nil && *p.UID != object.GetUID() {
			return nil, conflict(t.res, t.Name, "the UID in the precondition (%s) does not match the UID in record (%s). The object might have been deleted and then recreated", *p.UID, object.GetUID())
		}
		if p.ResourceVersion != nil && *p.ResourceVersion != object.GetResourceVersion() {
			return nil, conflict(t.res, t.Name, "the ResourceVersion in the precondition (%s) does not match the ResourceVersion in record (%s)", *p.ResourceVersion, object.GetResourceVersion())
		}
	}
	propagation := metav1.DeletePropagationBackground
	if options.PropagationPolicy != nil {
		propagation = *options.PropagationPolicy
	}
	s.remove(t.res, object, propagation)
	return s.lookup(t.res, key), nil
}
