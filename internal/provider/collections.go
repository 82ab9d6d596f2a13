package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// optional reads an object into a model; a null or unknown one leaves the model as it is.
func optional(ctx context.Context, object types.Object, into any) diag.Diagnostics {
	if object.IsNull() || object.IsUnknown() {
		return nil
	}
	return assign(ctx, object, into)
}

// elements reads a list or map into Go's; null and unknown ones leave it as it is.
func elements(ctx context.Context, value interface {
	attr.Value
	ElementsAs(ctx context.Context, target any, allowUnhandled bool) diag.Diagnostics
}, into any) diag.Diagnostics {
	if value.IsNull() || value.IsUnknown() {
		return nil
	}
	return value.ElementsAs(ctx, into, false)
}

// listOr is a list that was read from Kubernetes, which makes no difference between an empty one and none: the model keeps
// which of the two it had before.
func listOr(values []attr.Value, before types.List) types.List {
	if len(values) == 0 && (before.IsNull() || before.IsUnknown()) {
		return types.ListNull(types.StringType)
	}
	return types.ListValueMust(types.StringType, values)
}

// mapOr is the same for a map.
func mapOr(values map[string]string, before types.Map) types.Map {
	if len(values) == 0 && (before.IsNull() || before.IsUnknown()) {
		return types.MapNull(types.StringType)
	}
	all := map[string]attr.Value{}
	for k, v := range values {
		all[k] = types.StringValue(v)
	}
	return types.MapValueMust(types.StringType, all)
}

// sameElements tells whether two lists or maps hold the same; an empty one is no other than none.
func sameElements(a, b attr.Value) bool {
	return a.Equal(b) || holdsNothing(a) && holdsNothing(b)
}

// holdsNothing is true of null, of what is empty, and of an object of nothing else.
func holdsNothing(v attr.Value) bool {
	if v.IsUnknown() {
		return false
	}
	switch v := v.(type) {
	case types.List:
		return len(v.Elements()) == 0
	case types.Map:
		return len(v.Elements()) == 0
	case types.Object:
		for _, attribute := range v.Attributes() {
			if !holdsNothing(attribute) {
				return false
			}
		}
		return true
	}
	return v.IsNull()
}
