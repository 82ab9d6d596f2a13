package cnpg

import (
	"encoding/json"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Applied tells whether [FieldManager] has ever applied the object.
func Applied(object metav1.Object) bool { return managed(object, FieldManager) }

// Owns looks up once what [FieldManager] has applied of an object, and returns a function that tells whether a field, by
// its path in JSON, is part of it; of an object that it has never applied everything counts.
func Owns(object metav1.Object) func(path ...string) bool {
	var applied []map[string]any
	for _, e := range object.GetManagedFields() {
		if e.Manager != FieldManager || e.Operation != metav1.ManagedFieldsOperationApply {
			continue
		}
		var fields map[string]any
		if e.FieldsV1 != nil && json.Unmarshal(e.FieldsV1.GetRawBytes(), &fields) != nil {
			fields = nil // what cannot be read owns nothing
		}
		applied = append(applied, fields)
	}
	if len(applied) == 0 {
		return func(...string) bool { return true }
	}
	return func(path ...string) bool {
		return slices.ContainsFunc(applied, func(at map[string]any) bool {
			for _, name := range path {
				below, owned := at["f:"+name]
				if !owned {
					return false
				}
				at, _ = below.(map[string]any) // a leaf has nothing below it
			}
			return true
		})
	}
}

// managed tells whether a field manager has applied the object.
func managed(object metav1.Object, manager string) bool {
	return slices.ContainsFunc(object.GetManagedFields(), func(e metav1.ManagedFieldsEntry) bool {
		return e.Manager == manager && e.Operation == metav1.ManagedFieldsOperationApply
	})
}

// ownedKeys are the keys of the map at the path in JSON that [FieldManager] owns; where it has never applied the object, those that any manager stated.
func ownedKeys(object metav1.Object, path ...string) []string {
	ours := managed(object, FieldManager)
	var keys []string
	for _, entry := range object.GetManagedFields() {
		if entry.FieldsV1 == nil || entry.Subresource != "" {
			continue
		}
		if ours && (entry.Manager != FieldManager || entry.Operation != metav1.ManagedFieldsOperationApply) {
			continue
		}
		below, ok := fieldsBelow(entry.FieldsV1.GetRawBytes(), path)
		var at map[string]json.RawMessage
		if !ok || json.Unmarshal(below, &at) != nil {
			continue
		}
		for k := range at {
			if key, ok := strings.CutPrefix(k, "f:"); ok && key != "" {
				keys = append(keys, key)
			}
		}
	}
	return keys
}

// fieldsBelow is the part of a manager's fields below a path in JSON; ok is false where the path is not among them.
func fieldsBelow(fields json.RawMessage, path []string) (below json.RawMessage, ok bool) {
	for _, name := range path {
		var at map[string]json.RawMessage
		if json.Unmarshal(fields, &at) != nil || at["f:"+name] == nil {
			return nil, false
		}
		fields = at["f:"+name]
	}
	return fields, true
}

func pick(all map[string]string, keys []string) map[string]string {
	picked := map[string]string{}
	for _, k := range keys {
		if v, ok := all[k]; ok {
			picked[k] = v
		}
	}
	return picked
}
