package cnpg

import (
	"context"
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

// createOnly is a resourceVersion that no stored object has. An apply that carries it is answered with a conflict where
// the object exists, and creates the object where it does not: creation and server-side apply in one atomic request.
const createOnly = "1"

type applyOptions struct {
	manager string
	// force takes fields over from other managers instead of failing with [ConflictError].
	force bool
	// dryRun has the API server, and its webhooks, say what would come of it, and change nothing.
	dryRun bool
}

// apply sends one server-side apply with strict field validation and decodes the answer into the object that into is.
func apply(ctx context.Context, client rest.Interface, resource string, key Key, fields map[string]any, options applyOptions, into runtime.Object) error {
	body, err := json.Marshal(fields)
	if err != nil {
		return fmt.Errorf("encode %s %s: %w", resource, key, err)
	}
	request := client.Patch(types.ApplyPatchType).
		Namespace(key.Namespace).Resource(resource).Name(key.Name).
		Param("fieldManager", options.manager).
		Param("fieldValidation", "Strict")
	if options.force {
		request = request.Param("force", "true")
	}
	if options.dryRun {
		request = request.Param("dryRun", metav1.DryRunAll)
	}
	return request.Body(body).Do(ctx).Into(into)
}

// mergePatch sends one merge patch (RFC 7386) with strict field validation and decodes the answer into the object that into is. Of options it
// knows the manager, and whether it is only tried.
func mergePatch(ctx context.Context, client rest.Interface, resource string, key Key, change map[string]any, options applyOptions, into runtime.Object) error {
	body, err := json.Marshal(change)
	if err != nil {
		return fmt.Errorf("encode a change of %s %s: %w", resource, key, err)
	}
	request := client.Patch(types.MergePatchType).
		Namespace(key.Namespace).Resource(resource).Name(key.Name).
		Param("fieldManager", options.manager).
		Param("fieldValidation", "Strict")
	if options.dryRun {
		request = request.Param("dryRun", metav1.DryRunAll)
	}
	return request.Body(body).Do(ctx).Into(into)
}

// fieldsOf is the object as an apply should state it: without status, and without the empty structs that Go's
// encoding writes for every field of struct type; stating those would claim fields that nobody configured.
func fieldsOf(object runtime.Object) (map[string]any, error) {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", object, err)
	}
	delete(fields, "status")
	if metadata, ok := fields["metadata"].(map[string]any); ok {
		delete(metadata, "creationTimestamp")
		delete(metadata, "managedFields")
	}
	pruneEmpty(fields)
	return fields, nil
}

func pruneEmpty(value any) (empty bool) {
	switch v := value.(type) {
	case nil:
		return true
	case map[string]any:
		for k, e := range v {
			if pruneEmpty(e) {
				delete(v, k)
			}
		}
		return len(v) == 0
	case []any:
		for _, e := range v {
			pruneEmpty(e)
		}
	}
	return false
}
