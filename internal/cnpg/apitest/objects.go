package apitest

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

// Tests play kubectl and controllers with the functions of this file. They make no requests: nothing of them is recorded.

// The field managers that tests write as.
const (
	// Kubectl is who Put writes as.
	Kubectl = "kubectl-client-side-apply"
	// Controller is who Edit writes as: the name of CNPG's operator binary.
	Controller = "manager"
)

// AddNamespace makes a namespace.
func (s *Server) AddNamespace(name string) {
	s.Put(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
}

// Put creates objects, or replaces them, together with their status, as the field manager Kubectl.
func (s *Server) Put(objects ...runtime.Object) {
	for _, object := range objects {
		res := resourceOf(object)
		content := fieldsOf(object)
		content.SetGroupVersionKind(res.gvk)
		must(s.mutate(func() error {
			live := s.lookup(res, keyOf(content))
			if live != nil {
				content.SetUID(live.GetUID())
				content.SetManagedFields(live.GetManagedFields())
			}
			return s.change(res, live, content, Kubectl)
		}))
	}
}

// Edit changes an object as the field manager Controller. It panics where there is none. change runs with the server
// locked, so it must not use the server.
func Edit[T any](s *Server, namespace, name string, change func(*T)) {
	EditAs(s, Controller, namespace, name, change)
}

// EditAs is Edit as another field manager.
func EditAs[T any](s *Server, manager, namespace, name string, change func(*T)) {
	object := asObject(new(T))
	res := resourceOf(object)
	must(s.mutate(func() error {
		live := s.lookup(res, types.NamespacedName{Namespace: namespace, Name: name})
		if live == nil {
			return fmt.Errorf("apitest: there is no %s %s/%s to edit", res.gvk.Kind, namespace, name)
		}
		edited := live.DeepCopy()
		typed := typedAs[T](edited)
		before := fieldsOf(asObject(typed))
		change(typed)
		overlay(edited.Object, before.Object, fieldsOf(asObject(typed)).Object)
		err := s.change(res, live, edited, manager)
		s.collect() // a finalizer may be gone
		return err
	}))
}

// ApplyAs applies the fields that are set in an object as a field manager, by force, as GitOps tools do. It panics where
// there is none.
func ApplyAs[T any](s *Server, manager string, object *T) {
	typed := asObject(object)
	res := resourceOf(typed)
	fields := fieldsOf(typed)
	fields.SetGroupVersionKind(res.gvk)
	delete(fields.Object, "status")
	must(s.mutate(func() error {
		live := s.lookup(res, keyOf(fields))
		if live == nil {
			return fmt.Errorf("apitest: there is no %s %s to apply to", res.gvk.Kind, keyOf(fields))
		}
		applied, err := asUnstructured(res.main.Apply(live.DeepCopy(), fields, manager, true))
		if err == nil {
			s.store(res, applied)
		}
		return err
	}))
}

// Get is an object as it stands; nil where there is none.
func Get[T any](s *Server, namespace, name string) *T {
	s.mu.Lock()
	defer s.mu.Unlock()
	live := s.lookup(resourceOf(asObject(new(T))), types.NamespacedName{Namespace: namespace, Name: name})
	if live == nil {
		return nil
	}
	return typedAs[T](live)
}

// All are the objects of a type in all namespaces, in the order of their names.
func All[T any](s *Server) []T {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []T
	for _, object := range s.sorted(resourceOf(asObject(new(T)))) {
		all = append(all, *typedAs[T](object))
	}
	return all
}

// As is an event's object as a type; nil where it is of another one.
func As[T any](object *unstructured.Unstructured) *T {
	if object == nil || resourceOf(asObject(new(T))).gvk != object.GroupVersionKind() {
		return nil
	}
	return typedAs[T](object)
}

// Delete removes an object as kubectl delete does; it is no error where there is none.
func Delete[T any](s *Server, namespace, name string) {
	res := resourceOf(asObject(new(T)))
	must(s.mutate(func() error {
		if live := s.lookup(res, types.NamespacedName{Namespace: namespace, Name: name}); live != nil {
			s.remove(res, live, metav1.DeletePropagationBackground)
		}
		return nil
	}))
}

// change stores an object with what the manager now owns of it: its status apart from the rest, as controllers write it.
// The server is locked.
func (s *Server) change(res *resource, live, wanted *unstructured.Unstructured, manager string) error {
	base := live
	if base == nil {
		base = res.blank()
	}
	main := wanted.DeepCopy()
	if res.hasStatus {
		setStatus(main, base.Object["status"])
	}
	result, err := asUnstructured(res.main.Update(base.DeepCopy(), main, manager))
	if err != nil {
		return err
	}
	if res.hasStatus {
		whole := result.DeepCopy()
		setStatus(whole, wanted.Object["status"])
		if result, err = asUnstructured(res.status.Update(result, whole, manager)); err != nil {
			return err
		}
	}
	s.store(res, result)
	return nil
}

func setStatus(object *unstructured.Unstructured, status any) {
	if status == nil {
		delete(object.Object, "status")
		return
	}
	object.Object["status"] = status
}

func asObject[T any](typed *T) runtime.Object {
	object, ok := any(typed).(runtime.Object)
	if !ok {
		panic(fmt.Sprintf("apitest: %T is no Kubernetes object", typed))
	}
	return object
}

func typedAs[T any](object *unstructured.Unstructured) *T {
	typed := new(T)
	raw, err := json.Marshal(object)
	must(err)
	must(json.Unmarshal(raw, typed))
	return typed
}

// fieldsOf is an object without the empty fields that Go's encoding adds.
func fieldsOf(object runtime.Object) *unstructured.Unstructured {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	must(err)
	if metadata, ok := content["metadata"].(map[string]any); ok && metadata["creationTimestamp"] == nil {
		delete(metadata, "creationTimestamp")
	}
	prune(content)
	return &unstructured.Unstructured{Object: content}
}

func prune(content map[string]any) {
	for k, v := range content {
		if m, ok := v.(map[string]any); ok {
			prune(m)
			if len(m) == 0 {
				delete(content, k)
			}
		}
	}
}

// overlay brings to target what differs between before and after.
func overlay(target, before, after map[string]any) {
	for k := range before {
		if _, kept := after[k]; !kept {
			delete(target, k)
		}
	}
	for k, v := range after {
		if reflect.DeepEqual(v, before[k]) {
			continue
		}
		inner, isMap := v.(map[string]any)
		innerTarget, targetIsMap := target[k].(map[string]any)
		innerBefore, beforeIsMap := before[k].(map[string]any)
		if isMap && targetIsMap && beforeIsMap {
			innerTarget = maps.Clone(innerTarget)
			overlay(innerTarget, innerBefore, inner)
			target[k] = innerTarget
			continue
		}
		target[k] = v
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
