package apitest

import (
	"fmt"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Definition plays the schema of a resource's definition: it takes out of an object what the schema does not have, and tells
// which fields these were, such as spec.backup.barmanObjectStore. It runs with the server locked, so it must not use the server.
type Definition func(object map[string]any) (unknown []string)

// Define gives a resource, such as "clusters", a definition beside the Go type that it has anyway. Strict requests are refused
// for fields that it does not have, as a real server refuses them, and others lose them; so do objects that are there already, as
// they would when they are read.
func (s *Server) Define(plural string, definition Definition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.definitions[plural] = append(s.definitions[plural], definition)
	for res, objects := range s.objects {
		if res.plural != plural {
			continue
		}
		for _, object := range objects {
			definition(object.Object)
		}
	}
}

// RemoveField makes a resource lack a field, as a release does that has given it up; in a list each element lacks it.
func (s *Server) RemoveField(plural string, path ...string) {
	s.Define(plural, func(object map[string]any) []string { return removeField(object, "", path) })
}

// removeField takes a field out of what lies at a place, and tells where it was.
func removeField(value any, at string, path []string) (removed []string) {
	switch v := value.(type) {
	case []any:
		for i, element := range v {
			removed = append(removed, removeField(element, fmt.Sprintf("%s[%d]", at, i), path)...)
		}
	case map[string]any:
		below := path[0]
		if at != "" {
			below = at + "." + path[0]
		}
		inner, there := v[path[0]]
		switch {
		case there && len(path) == 1:
			delete(v, path[0])
			return []string{below}
		case there:
			return removeField(inner, below, path[1:])
		}
	}
	return removed
}

// define takes out of an object what its definitions do not have; an error where the request is strict. The server is locked.
func (s *Server) define(t target, object *unstructured.Unstructured) error {
	var unknown []string
	for _, definition := range s.definitions[t.res.plural] {
		unknown = append(unknown, definition(object.Object)...)
	}
	switch {
	case len(unknown) == 0:
		return nil
	case t.Verb == VerbApply: // strict or not
		return &apierrors.StatusError{ErrStatus: metav1.Status{
			Status: metav1.StatusFailure, Code: http.StatusInternalServerError,
			Message: fmt.Sprintf("failed to create typed patch object (%s; %s, Kind=%s): .%s: field not declared in schema",
				t.Namespace+"/"+t.Name, t.res.gvk.GroupVersion(), t.res.gvk.Kind, unknown[0]),
		}}
	case t.Query.Get("fieldValidation") == metav1.FieldValidationStrict:
		return apierrors.NewBadRequest(fmt.Sprintf("%s in version %q cannot be handled as a %s: strict decoding error: unknown field %q",
			t.res.gvk.Kind, t.res.gvk.Version, t.res.gvk.Kind, unknown[0]))
	}
	return nil
}
