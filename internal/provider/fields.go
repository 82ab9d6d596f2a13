package provider

import (
	"context"
	"fmt"
	"reflect"
	"sync"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"
)

// The framework looks at the tags of a struct anew each time it reads an object into it, and compiles a regular expression
// for each. A plan of one database reads some 300 fields, so that this was a tenth of its time; here, tags are looked at
// once.

// field is a field of a model, and the attribute that it stands for.
type field struct {
	index     []int
	attribute string
}

var modelFields sync.Map // reflect.Type to []field

// fieldsOf are the fields of a model, with those of a model in it; nil where one of them is not a value as it stands in an object.
func fieldsOf(model reflect.Type) []field {
	if known, ok := modelFields.Load(model); ok {
		fields, _ := known.([]field)
		return fields
	}
	var fields []field
	for _, f := range reflect.VisibleFields(model) {
		if f.Anonymous {
			continue // its own fields follow
		}
		attribute := f.Tag.Get("tfsdk")
		if attribute == "" || !f.Type.Implements(reflect.TypeFor[attr.Value]()) {
			fields = nil
			break
		}
		fields = append(fields, field{f.Index, attribute})
	}
	modelFields.Store(model, fields)
	return fields
}

// assign reads an object into the model that into points to.
func assign(ctx context.Context, object types.Object, into any) diag.Diagnostics {
	model := reflect.ValueOf(into).Elem()
	fields, values := fieldsOf(model.Type()), object.Attributes()
	if fields == nil {
		return object.As(ctx, into, basetypes.ObjectAsOptions{})
	}
	for _, f := range fields {
		value, target := reflect.ValueOf(values[f.attribute]), model.FieldByIndex(f.index)
		if !value.IsValid() || !value.Type().AssignableTo(target.Type()) {
			return diag.Diagnostics{diag.NewErrorDiagnostic("Unable to Read a Value", fmt.Sprintf(
				"%s of %s is %T, and should be %s. This is a bug of the provider.", f.attribute, model.Type(), values[f.attribute], target.Type()))}
		}
		target.Set(value)
	}
	return nil
}

// read reads a whole configuration, plan or state into the model that into points to.
func read(ctx context.Context, from interface {
	Get(ctx context.Context, target any) diag.Diagnostics
}, into any) diag.Diagnostics {
	var object types.Object
	diags := from.Get(ctx, &object)
	if !diags.HasError() {
		diags.Append(assign(ctx, object, into)...)
	}
	return diags
}

// same tells whether two models have the same values.
func same[T any](a, b *T) bool {
	x, y := reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem()
	for _, f := range fieldsOf(x.Type()) {
		one, ok := x.FieldByIndex(f.index).Interface().(attr.Value)
		other, alsoOK := y.FieldByIndex(f.index).Interface().(attr.Value)
		if !ok || !alsoOK || !one.Equal(other) {
			return false
		}
	}
	return true
}
