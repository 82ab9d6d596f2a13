package cnpg

import (
	"encoding/json"
	"slices"

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

// ownedKeys are the keys of the map at the path (segments as managedFields writes them, "f:spec") that
// [FieldManager] owns; where it has never applied the object, those that any manager stated.
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
		var at map[string]json.RawMessage
		if err := json.Unmarshal(entry.FieldsV1.GetRawBytes(), &at); err != nil {
			continue
		}
		for _, segment := range path {
			var below map[string]json.RawMessage
			if raw, ok := at[segment]; ok {
				// A leaf has no fields below it, which is what an empty map says too.
				_ = json.Unmarshal(raw, &below)
			}
			at = below
		}
		for k := range at {
			if len(k) > 2 && k[:2] == "f:" {
				keys = append(keys, k[2:])
			}
		}
	}
	return keys
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
