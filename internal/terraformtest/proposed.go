package terraformtest

import (
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/zclconf/go-cty/cty"
)

// proposed is what core proposes as the new state: what the configuration says and, for computed attributes that it leaves
// unset, what was there before.
func proposed(attributes []*tfprotov6.SchemaAttribute, prior, config cty.Value) cty.Value {
	if config.IsNull() || !config.IsKnown() {
		return config
	}
	values := make(map[string]cty.Value, len(attributes))
	for _, a := range attributes {
		written := config.GetAttr(a.Name)
		before := cty.NullVal(written.Type())
		if !prior.IsNull() {
			before = prior.GetAttr(a.Name)
		}
		switch {
		case a.Computed && written.IsNull() && fromConfiguration(a, before):
			values[a.Name] = written
		case a.Computed && written.IsNull():
			values[a.Name] = before
		case a.NestedType != nil:
			values[a.Name] = proposedNested(a.NestedType, before, written)
		default:
			values[a.Name] = written
		}
	}
	return cty.ObjectVal(values)
}

// fromConfiguration tells whether a nested value must have been written in an earlier configuration, since it holds
// something that no provider computes: leaving it out now removes it.
func fromConfiguration(a *tfprotov6.SchemaAttribute, value cty.Value) bool {
	if !a.Optional || a.NestedType == nil || value.IsNull() {
		return false
	}
	for _, element := range elementsOf(a.NestedType.Nesting, value) {
		if element.IsNull() {
			continue
		}
		for _, inner := range a.NestedType.Attributes {
			held := element.GetAttr(inner.Name)
			if held.IsNull() {
				continue
			}
			if !inner.Computed || fromConfiguration(inner, held) {
				return true
			}
		}
	}
	return false
}

func proposedNested(nested *tfprotov6.SchemaObject, prior, config cty.Value) cty.Value {
	if config.IsNull() || !config.IsKnown() {
		return config
	}
	if nested.Nesting == tfprotov6.SchemaObjectNestingModeSingle {
		return proposed(nested.Attributes, prior, config)
	}
	if config.LengthInt() == 0 {
		return config
	}
	switch nested.Nesting {
	case tfprotov6.SchemaObjectNestingModeMap:
		values := map[string]cty.Value{}
		for key, element := range config.Elements() {
			values[key.AsString()] = proposed(nested.Attributes, at(prior, key), element)
		}
		return cty.MapVal(values)
	case tfprotov6.SchemaObjectNestingModeSet:
		return proposedSet(nested, prior, config)
	default:
		var values []cty.Value
		for index, element := range config.Elements() {
			values = append(values, proposed(nested.Attributes, at(prior, index), element))
		}
		return cty.ListVal(values)
	}
}

// at is an element of a list or map; null where there is none.
func at(collection, key cty.Value) cty.Value {
	if collection.IsNull() || !collection.HasIndex(key).True() {
		return cty.NullVal(collection.Type().ElementType())
	}
	return collection.Index(key)
}

// proposedSet pairs each element with the first one of before that it can have become by computed values alone.
func proposedSet(nested *tfprotov6.SchemaObject, prior, config cty.Value) cty.Value {
	var before []cty.Value
	if !prior.IsNull() {
		before = prior.AsValueSlice()
	}
	var values []cty.Value
	for _, element := range config.AsValueSlice() {
		match := cty.NullVal(config.Type().ElementType())
		for i, candidate := range before {
			if completes(nested.Attributes, candidate, element) {
				match = candidate
				before = append(before[:i:i], before[i+1:]...)
				break
			}
		}
		values = append(values, proposed(nested.Attributes, match, element))
	}
	return cty.SetVal(values)
}

// completes tells whether a value is what was written, with nothing added but computed values.
func completes(attributes []*tfprotov6.SchemaAttribute, value, written cty.Value) bool {
	if value.IsNull() || written.IsNull() || !written.IsKnown() {
		return value.RawEquals(written)
	}
	for _, a := range attributes {
		has, wrote := value.GetAttr(a.Name), written.GetAttr(a.Name)
		switch {
		case has.RawEquals(wrote), a.Computed && wrote.IsNull():
		case a.NestedType != nil && a.NestedType.Nesting == tfprotov6.SchemaObjectNestingModeSingle && completes(a.NestedType.Attributes, has, wrote):
		default:
			return false
		}
	}
	return true
}
