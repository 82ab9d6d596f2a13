package provider

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
)

// What a restore warns of as not taken over has no attribute, which would take it over.
func TestNothingIsLeftOutThatHasAnAttribute(t *testing.T) {
	t.Parallel()
	// All of the fields that the warning knows are set here.
	spec := cnpgv1.ClusterSpec{}
	fill(reflect.ValueOf(&spec).Elem(), 0)
	left := leftOut(&spec)
	if !slices.Contains(left, "spec.managed") {
		t.Fatalf("of a Cluster that states everything, %q is left out", left)
	}
	for _, field := range left {
		for _, known := range attributesOfFields["Cluster"] {
			if known.field == field || strings.HasPrefix(known.field, field+".") {
				t.Errorf("%s is said to be left out, and %s is its attribute", field, known.at)
			}
		}
	}
}

// fill sets everything in a value to something that is not zero, as deep as lists and maps of it go.
func fill(v reflect.Value, depth int) {
	if depth > 6 { // a schema may hold itself
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), depth+1)
	case reflect.Struct:
		for _, field := range v.Fields() {
			if field.CanSet() {
				fill(field, depth+1)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), depth+1)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, depth+1)
		fill(value, depth+1)
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString("some")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(1)
	default: // nothing that is looked at
	}
}
