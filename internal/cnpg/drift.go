package cnpg

import (
	"context"
	"maps"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
)

// Ownership says which fields of others an apply of [FieldManager] may take over; the zero value says none.
type Ownership[T any] struct {
	// Before is the object as the last apply stated it; nil where there was none. What somebody has changed of it by
	// hand since is drift, and is put back.
	Before *T
	// Force takes over whatever is in the way.
	Force bool
}

// driftAttempts bounds how often an apply that puts drift back begins anew because the object changed meanwhile: CNPG
// writes the status of a Cluster often.
const driftAttempts = 5

// applyOwned is apply as [FieldManager]. Where all fields that others own are drift from before (nil for none), it is
// repeated with force, for the very version of the object that was judged: whoever claims a field in between is asked
// about again.
func applyOwned[T any, P interface {
	*T
	runtime.Object
	metav1.Object
}](ctx context.Context, client rest.Interface, resource string, key Key, fields, before map[string]any, force, dryRun bool) (P, error) {
	applied := P(new(T))
	err := apply(ctx, client, resource, key, fields, applyOptions{manager: FieldManager, force: force, dryRun: dryRun}, applied)
	for range driftAttempts {
		conflicts := fieldConflicts(err)
		if before == nil || len(conflicts) == 0 {
			break
		}
		live := P(new(T))
		if client.Get().Namespace(key.Namespace).Resource(resource).Name(key.Name).Do(ctx).Into(live) != nil || !drifted(live, before, conflicts) {
			break
		}
		applied = P(new(T))
		err = apply(ctx, client, resource, key, atVersion(fields, live.GetResourceVersion()), applyOptions{manager: FieldManager, force: true, dryRun: dryRun}, applied)
		if apierrors.IsConflict(err) && !differsInUID(err) {
			applied = P(new(T))
			err = apply(ctx, client, resource, key, fields, applyOptions{manager: FieldManager, dryRun: dryRun}, applied)
		}
	}
	return applied, err
}

// atVersion are the fields with the resourceVersion that the stored object must have.
func atVersion(fields map[string]any, version string) map[string]any {
	fields = maps.Clone(fields)
	metadata, _ := fields["metadata"].(map[string]any)
	metadata = maps.Clone(metadata)
	metadata["resourceVersion"] = version
	fields["metadata"] = metadata
	return fields
}

// drifted tells whether every conflicting field was [FieldManager]'s before and was changed by hand since. Who changes a
// field with kubectl edit, patch or scale becomes its owner by an update, and [FieldManager] is its owner no more; so what
// it had is told by what it stated, and means nothing where it has never applied the object. Who applies a field means to
// keep it, whatever it was before.
func drifted(live metav1.Object, before map[string]any, conflicts []FieldConflict) bool {
	fields := Fields(live)
	if !fields.Applied() {
		return false
	}
	stated := map[string][]string{}
	statedPaths(before, "", nil, stated)
	for _, conflict := range conflicts {
		if conflict.Manager == MethodManager { // it has kept what nobody stated then
			continue
		}
		path, ok := stated[conflict.Field]
		if !ok || !updatedBy(fields, conflict.Manager, path) {
			return false
		}
	}
	return true
}

// statedPaths are the fields of an object, by their paths as the API server writes them. A list is one field.
func statedPaths(fields map[string]any, at string, above []string, into map[string][]string) {
	for name, value := range fields {
		path := slices.Concat(above, []string{name})
		into[at+"."+name] = path
		if below, ok := value.(map[string]any); ok {
			statedPaths(below, at+"."+name, path, into)
		}
	}
}

// updatedBy tells whether a manager owns a field by an update, and has not applied it.
func updatedBy(fields *Managed, manager string, path []string) bool {
	entries := fields.by(manager, path...)
	return len(entries) > 0 && !slices.ContainsFunc(entries, func(e *managedEntry) bool { return e.applied })
}
