package cnpg

import (
	"encoding/json"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Managed tells which field managers state which fields of an object, its status apart. Fields are named by their paths in
// JSON. What defaults and webhooks have added has no manager.
type Managed struct{ entries []*managedEntry }

// ownManagers are the provider's.
var ownManagers = []string{FieldManager, BootstrapManager, MethodManager}

// managedEntry is what one manager states by one kind of operation.
type managedEntry struct {
	manager string
	applied bool // by server-side apply; else by an update
	raw     []byte
	fields  map[string]any // as FieldsV1 writes them; nil until somebody asks
}

// Fields looks at the managers of an object. What each of them states is decoded when it is first asked for, and once, so that
// a Managed is not for several goroutines.
func Fields(object metav1.Object) *Managed {
	m := &Managed{}
	for _, e := range object.GetManagedFields() {
		if e.Subresource != "" {
			continue
		}
		entry := &managedEntry{manager: e.Manager, applied: e.Operation == metav1.ManagedFieldsOperationApply}
		if e.FieldsV1 != nil {
			entry.raw = e.FieldsV1.GetRawBytes()
		}
		m.entries = append(m.entries, entry)
	}
	return m
}

// Applied tells whether [FieldManager] has ever applied the object.
func (m *Managed) Applied() bool { return slices.ContainsFunc(m.entries, (*managedEntry).ours) }

// Ours tells whether the provider states a field; of an object that it has never applied, whether anybody does.
func (m *Managed) Ours(path ...string) bool {
	return slices.ContainsFunc(m.stated(), func(e *managedEntry) bool { return e.states(path) })
}

// Keys are those of the map at a path of which the same is true.
func (m *Managed) Keys(path ...string) []string {
	var keys []string
	for _, e := range m.stated() {
		below, _ := e.below(path)
		for k := range below {
			if key, ok := strings.CutPrefix(k, "f:"); ok && key != "" {
				keys = append(keys, key)
			}
		}
	}
	return keys
}

// Entries are the entries of the map at a path, which all is, of which the same is true.
func (m *Managed) Entries(all map[string]string, path ...string) map[string]string {
	entries := map[string]string{}
	for _, k := range m.Keys(path...) {
		if v, ok := all[k]; ok {
			entries[k] = v
		}
	}
	return entries
}

// Others names the field managers, beside the provider's own, that state a field or something below it.
func (m *Managed) Others(path ...string) []string {
	var names []string
	for _, e := range m.others(path) {
		if !slices.Contains(names, e.manager) {
			names = append(names, e.manager)
		}
	}
	return names
}

// Applied tells whether [FieldManager] has ever applied the object.
func Applied(object metav1.Object) bool { return Fields(object).Applied() }

// stated are the entries that count: [FieldManager]'s where it has applied the object, and else everybody's.
func (m *Managed) stated() []*managedEntry {
	if i := slices.IndexFunc(m.entries, (*managedEntry).ours); i >= 0 {
		return m.entries[i : i+1]
	}
	return m.entries
}

func (m *Managed) others(path []string) []*managedEntry {
	return slices.DeleteFunc(slices.Clone(m.entries), func(e *managedEntry) bool {
		return slices.Contains(ownManagers, e.manager) || !e.states(path)
	})
}

// by are a manager's own entries that state a field; of any field without a path.
func (m *Managed) by(manager string, path ...string) []*managedEntry {
	return slices.DeleteFunc(slices.Clone(m.entries), func(e *managedEntry) bool { return e.manager != manager || !e.states(path) })
}

// ours is true of what [FieldManager] has applied. A merge patch under its name is an update, and no statement.
func (e *managedEntry) ours() bool { return e.manager == FieldManager && e.applied }

func (e *managedEntry) states(path []string) bool {
	_, ok := e.below(path)
	return ok
}

// below is what is stated below a path, nil for a leaf; ok is false where the path is not stated at all.
func (e *managedEntry) below(path []string) (at map[string]any, ok bool) {
	if e.fields == nil {
		e.fields = map[string]any{}
		if json.Unmarshal(e.raw, &e.fields) != nil {
			e.fields = map[string]any{} // what cannot be read states nothing
		}
	}
	at = e.fields
	for _, name := range path {
		below, stated := at["f:"+name]
		if !stated {
			return nil, false
		}
		at, _ = below.(map[string]any)
	}
	return at, true
}
