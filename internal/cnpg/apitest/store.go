package apitest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/apimachinery/pkg/watch"
)

// Event is a change of an object.
type Event struct {
	Type   watch.EventType // Added, Modified or Deleted
	Object *unstructured.Unstructured
}

// change is an event in the history that watches follow.
type change struct {
	version int64
	res     *resource
	kind    watch.EventType
	object  *unstructured.Unstructured
	before  *unstructured.Unstructured // nil for Added
}

// foregroundDeletion is the finalizer that the garbage collector removes when an object's dependents are gone.
const foregroundDeletion = "foregroundDeletion"

func keyOf(object metav1.Object) types.NamespacedName {
	return types.NamespacedName{Namespace: object.GetNamespace(), Name: object.GetName()}
}

// The functions from here on need the server locked.

func (s *Server) lookup(res *resource, key types.NamespacedName) *unstructured.Unstructured {
	return s.objects[res][key]
}

// sorted are the objects of a resource in the order of their names.
func (s *Server) sorted(res *resource) []*unstructured.Unstructured {
	return slices.SortedFunc(maps.Values(s.objects[res]), func(a, b *unstructured.Unstructured) int {
		switch x, y := keyOf(a).String(), keyOf(b).String(); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
}

// store keeps an object under a new version and returns it as it is kept. An object that did not change keeps its version.
func (s *Server) store(res *resource, object *unstructured.Unstructured) *unstructured.Unstructured {
	key := keyOf(object)
	before := s.lookup(res, key)
	if before != nil && same(before, object) {
		return before
	}
	object = object.DeepCopy()
	kind := watch.Modified
	if before == nil {
		kind = watch.Added
		object.SetUID(uuid.NewUUID())
		object.SetCreationTimestamp(metav1.NewTime(time.Now().Truncate(time.Second)))
		object.SetGeneration(1)
	} else if !equality.Semantic.DeepEqual(before.Object["spec"], object.Object["spec"]) {
		object.SetGeneration(before.GetGeneration() + 1)
	}
	if s.objects[res] == nil {
		s.objects[res] = map[types.NamespacedName]*unstructured.Unstructured{}
	}
	s.record(change{res: res, kind: kind, object: object, before: before})
	s.objects[res][key] = object
	return object
}

// same compares objects but for their versions and the times of their managed fields.
func same(a, b *unstructured.Unstructured) bool {
	strip := func(o *unstructured.Unstructured) map[string]any {
		o = o.DeepCopy()
		entries := o.GetManagedFields()
		for i := range entries {
			entries[i].Time = nil
		}
		o.SetManagedFields(entries)
		o.SetResourceVersion("")
		return o.Object
	}
	return equality.Semantic.DeepEqual(strip(a), strip(b))
}

func (s *Server) record(c change) {
	s.version++
	c.version = s.version
	c.object.SetResourceVersion(strconv.FormatInt(c.version, 10))
	s.history = append(s.history, c)
	s.wake()
}

// remove deletes an object as a DELETE request does: one with finalizers is only marked.
func (s *Server) remove(res *resource, object *unstructured.Unstructured, propagation metav1.DeletionPropagation) {
	marked := object.DeepCopy()
	if propagation == metav1.DeletePropagationForeground && !slices.Contains(marked.GetFinalizers(), foregroundDeletion) {
		marked.SetFinalizers(append(marked.GetFinalizers(), foregroundDeletion))
	}
	if marked.GetDeletionTimestamp() == nil {
		now := metav1.NewTime(time.Now().Truncate(time.Second))
		marked.SetDeletionTimestamp(&now)
	}
	s.store(res, marked)
	s.collect()
}

func (s *Server) drop(res *resource, object *unstructured.Unstructured) {
	delete(s.objects[res], keyOf(object))
	s.record(change{res: res, kind: watch.Deleted, object: object.DeepCopy(), before: object})
}

// collect is the garbage collector: it removes what is marked and has no finalizer left, and marks what belongs to
// objects that are gone or that wait for their dependents.
func (s *Server) collect() {
	for again := true; again; {
		again = false
		for _, res := range resources {
			for _, object := range s.sorted(res) {
				again = s.collectOne(res, object) || again
			}
		}
	}
}

func (s *Server) collectOne(res *resource, object *unstructured.Unstructured) (changed bool) {
	if object.GetDeletionTimestamp() == nil {
		if !s.orphaned(object) {
			return false
		}
		s.remove(res, object, metav1.DeletePropagationBackground)
		return true
	}
	finalizers := object.GetFinalizers()
	if slices.Equal(finalizers, []string{foregroundDeletion}) && len(s.dependents(object.GetUID())) == 0 {
		finalizers = nil
	}
	if len(finalizers) == 0 {
		s.drop(res, object)
		return true
	}
	return false
}

// orphaned tells whether an object has owners and all of them are gone or wait for it to go.
func (s *Server) orphaned(object *unstructured.Unstructured) bool {
	owners := object.GetOwnerReferences()
	if len(owners) == 0 {
		return false
	}
	for _, owner := range owners {
		if o := s.byUID(owner.UID); o != nil && !waitsForDependents(o) {
			return false
		}
	}
	return true
}

func waitsForDependents(object *unstructured.Unstructured) bool {
	return object.GetDeletionTimestamp() != nil && slices.Contains(object.GetFinalizers(), foregroundDeletion)
}

func (s *Server) byUID(uid types.UID) *unstructured.Unstructured {
	for _, objects := range s.objects {
		for _, object := range objects {
			if object.GetUID() == uid {
				return object
			}
		}
	}
	return nil
}

func (s *Server) dependents(uid types.UID) []*unstructured.Unstructured {
	var found []*unstructured.Unstructured
	for _, objects := range s.objects {
		for _, object := range objects {
			if slices.ContainsFunc(object.GetOwnerReferences(), func(o metav1.OwnerReference) bool { return o.UID == uid }) {
				found = append(found, object)
			}
		}
	}
	return found
}

// requireNamespace refuses objects in a namespace that does not exist.
func (s *Server) requireNamespace(res *resource, name string) error {
	namespaces := find("", "v1", "namespaces")
	if !res.namespaced || s.lookup(namespaces, types.NamespacedName{Name: name}) != nil {
		return nil
	}
	return apierrors.NewNotFound(namespaces.groupResource(), name)
}

// events are the changes after a version, for the reactors.
func (s *Server) events(after int64) []Event {
	var events []Event
	for _, c := range s.history {
		if c.version > after {
			events = append(events, Event{Type: c.kind, Object: c.object.DeepCopy()})
		}
	}
	return events
}

// mutate runs f with the server locked, and then, unlocked, the reactors on what f has changed.
func (s *Server) mutate(f func() error) error {
	s.mu.Lock()
	before := s.version
	err := f()
	events, reactors := s.events(before), slices.Clone(s.reactors)
	s.mu.Unlock()
	for _, event := range events {
		for _, react := range reactors {
			react(event)
		}
	}
	return err
}

func conflict(res *resource, name, format string, args ...any) error {
	return apierrors.NewConflict(res.groupResource(), name, fmt.Errorf(format, args...))
}
