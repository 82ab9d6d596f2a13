package terraformtest

import (
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"github.com/zclconf/go-cty/cty"
)

// What core proposes as the new state of nested attributes.
func TestProposed(t *testing.T) {
	t.Parallel()
	inner := []*tfprotov6.SchemaAttribute{
		{Name: "key", Type: tftypes.String, Optional: true},
		{Name: "id", Type: tftypes.String, Optional: true, Computed: true},
	}
	nested := func(mode tfprotov6.SchemaObjectNestingMode, computed bool) []*tfprotov6.SchemaAttribute {
		return []*tfprotov6.SchemaAttribute{{
			Name: "a", Optional: true, Computed: computed, NestedType: &tfprotov6.SchemaObject{Nesting: mode, Attributes: inner},
		}}
	}
	none := cty.NullVal(cty.String)
	object := func(key, id cty.Value) cty.Value { return cty.ObjectVal(map[string]cty.Value{"key": key, "id": id}) }
	s := cty.StringVal
	null := cty.NullVal(object(s(""), s("")).Type())
	const (
		single = tfprotov6.SchemaObjectNestingModeSingle
		list   = tfprotov6.SchemaObjectNestingModeList
		byKey  = tfprotov6.SchemaObjectNestingModeMap
		set    = tfprotov6.SchemaObjectNestingModeSet
	)
	tests := map[string]struct {
		attributes          []*tfprotov6.SchemaAttribute
		prior, config, want cty.Value
	}{
		"a computed value is kept": {
			nested(single, false), object(s("k"), s("1")), object(s("l"), none), object(s("l"), s("1")),
		},
		"a configured value is taken": {
			nested(single, false), object(s("k"), s("1")), object(s("k"), s("2")), object(s("k"), s("2")),
		},
		"what is not computed is removed": {
			nested(single, false), object(s("k"), s("1")), object(none, none), object(none, s("1")),
		},
		"an object that is not computed is removed": {
			nested(single, false), object(s("k"), s("1")), null, null,
		},
		"a computed object stays where it may be computed": {
			nested(single, true), object(none, s("1")), null, object(none, s("1")),
		},
		"a computed object that somebody wrote is removed": {
			nested(single, true), object(s("k"), s("1")), null, null,
		},
		"there was nothing before": {
			nested(single, false), null, object(s("k"), none), object(s("k"), none),
		},
		"lists go by place": {
			nested(list, false),
			cty.ListVal([]cty.Value{object(s("k"), s("1"))}),
			cty.ListVal([]cty.Value{object(s("l"), none), object(s("k"), none)}),
			cty.ListVal([]cty.Value{object(s("l"), s("1")), object(s("k"), none)}),
		},
		"maps go by key": {
			nested(byKey, false),
			cty.MapVal(map[string]cty.Value{"x": object(s("k"), s("1")), "y": object(s("k"), s("2"))}),
			cty.MapVal(map[string]cty.Value{"y": object(s("l"), none), "z": object(s("m"), none)}),
			cty.MapVal(map[string]cty.Value{"y": object(s("l"), s("2")), "z": object(s("m"), none)}),
		},
		"sets go by what was written": {
			nested(set, false),
			cty.SetVal([]cty.Value{object(s("k"), s("1")), object(s("l"), s("2"))}),
			cty.SetVal([]cty.Value{object(s("l"), none), object(s("m"), none)}),
			cty.SetVal([]cty.Value{object(s("l"), s("2")), object(s("m"), none)}),
		},
		"an unknown object is unknown": {
			nested(single, false), object(s("k"), s("1")), cty.UnknownVal(null.Type()), cty.UnknownVal(null.Type()),
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whole := func(a cty.Value) cty.Value { return cty.ObjectVal(map[string]cty.Value{"a": a}) }
			if got := proposed(test.attributes, whole(test.prior), whole(test.config)); !got.RawEquals(whole(test.want)) {
				t.Errorf("proposed %#v, want %#v", got, whole(test.want))
			}
		})
	}
}
