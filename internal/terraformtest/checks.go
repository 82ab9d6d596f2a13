package terraformtest

import (
	"fmt"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/zclconf/go-cty/cty"
)

// The checks of what a provider answers, as core makes them. Each returns what is wrong, one text for each place.

// disobeyed is what a plan says otherwise than the configuration. A provider may fill in computed attributes that are not
// configured, and keep what was there before where that means the same as what is configured; nothing else.
func disobeyed(attributes []*tfprotov6.SchemaAttribute, prior, config, planned cty.Value, path string) []string {
	var wrong []string
	for _, a := range attributes {
		here := path + "." + a.Name
		written, plan := config.GetAttr(a.Name), planned.GetAttr(a.Name)
		before := cty.NullVal(written.Type())
		if !prior.IsNull() {
			before = prior.GetAttr(a.Name)
		}
		switch {
		case plan.RawEquals(written),
			plan.RawEquals(before) && !before.IsNull() && !written.IsNull(),
			a.Computed && !a.Optional,
			a.Computed && written.IsNull():
		case a.WriteOnly && plan.IsNull():
		case written.IsNull(), a.WriteOnly, a.NestedType == nil:
			wrong = append(wrong, fmt.Sprintf("%s: planned %#v, configured %#v, before %#v", here, plan, written, before))
		default:
			wrong = append(wrong, disobeyedNested(a.NestedType, before, written, plan, here)...)
		}
	}
	return wrong
}

func disobeyedNested(nested *tfprotov6.SchemaObject, prior, config, planned cty.Value, path string) []string {
	switch {
	case !config.IsKnown():
		return nil
	case planned.IsNull(), !planned.IsKnown():
		return []string{fmt.Sprintf("%s: planned %#v, configured %#v", path, planned, config)}
	case nested.Nesting == tfprotov6.SchemaObjectNestingModeSingle:
		return disobeyed(nested.Attributes, prior, config, planned, path)
	case planned.LengthInt() != config.LengthInt():
		return []string{fmt.Sprintf("%s: planned %d elements, configured %d", path, planned.LengthInt(), config.LengthInt())}
	case nested.Nesting == tfprotov6.SchemaObjectNestingModeSet:
		return nil // elements of sets cannot be told apart
	}
	var wrong []string
	for key, element := range config.Elements() {
		here := fmt.Sprintf("%s[%#v]", path, key)
		if !planned.HasIndex(key).True() {
			wrong = append(wrong, here+": configured, not planned")
			continue
		}
		wrong = append(wrong, disobeyed(nested.Attributes, at(prior, key), element, planned.Index(key), here)...)
	}
	return wrong
}

// differs is what an actual value has otherwise than planned: only what the plan left unknown may be anything.
func differs(planned, actual cty.Value, path string) []string {
	switch {
	case !planned.IsKnown():
		if fits := planned.Range().Includes(actual); fits.IsKnown() && fits.False() {
			return []string{fmt.Sprintf("%s: %#v is not what was promised: %#v", path, actual, planned)}
		}
		return nil
	case planned.IsNull() && actual.IsNull():
		return nil
	case !actual.IsKnown(), planned.IsNull(), actual.IsNull():
		return []string{fmt.Sprintf("%s: was %#v, but now %#v", path, planned, actual)}
	}
	switch t := planned.Type(); {
	case t.IsObjectType():
		var wrong []string
		for name := range t.AttributeTypes() {
			wrong = append(wrong, differs(planned.GetAttr(name), actual.GetAttr(name), path+"."+name)...)
		}
		return wrong
	case t.IsSetType():
		return setDiffers(planned, actual, path)
	case t.IsListType(), t.IsMapType():
		return collectionDiffers(planned, actual, path)
	case !planned.RawEquals(actual):
		return []string{fmt.Sprintf("%s: was %#v, but now %#v", path, planned, actual)}
	}
	return nil
}

func collectionDiffers(planned, actual cty.Value, path string) []string {
	var wrong []string
	for key, element := range planned.Elements() {
		here := fmt.Sprintf("%s[%#v]", path, key)
		if !actual.HasIndex(key).True() {
			wrong = append(wrong, here+": has vanished")
			continue
		}
		wrong = append(wrong, differs(element, actual.Index(key), here)...)
	}
	for key := range actual.Elements() {
		if !planned.HasIndex(key).True() {
			wrong = append(wrong, fmt.Sprintf("%s[%#v]: has appeared", path, key))
		}
	}
	return wrong
}

// setDiffers pairs elements of sets, which have no names: each must fit one of the other set.
func setDiffers(planned, actual cty.Value, path string) []string {
	var wrong []string
	fits := func(one cty.Value, others []cty.Value, differ func(one, other cty.Value) bool) bool {
		for _, other := range others {
			if !differ(one, other) {
				return true
			}
		}
		return false
	}
	for _, element := range planned.AsValueSlice() {
		if !fits(element, actual.AsValueSlice(), func(p, a cty.Value) bool { return len(differs(p, a, path)) > 0 }) {
			wrong = append(wrong, fmt.Sprintf("%s: planned %#v has vanished", path, element))
		}
	}
	for _, element := range actual.AsValueSlice() {
		if !fits(element, planned.AsValueSlice(), func(a, p cty.Value) bool { return len(differs(p, a, path)) > 0 }) {
			wrong = append(wrong, fmt.Sprintf("%s: %#v has appeared", path, element))
		}
	}
	return wrong
}
