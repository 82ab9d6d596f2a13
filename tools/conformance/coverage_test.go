package conformance

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/zclconf/go-cty/cty"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/provider"
)

// TestTableHasEveryAttribute compares the table with the schema.
func TestTableHasEveryAttribute(t *testing.T) {
	t.Parallel()
	configurable := databaseAttributes(t)
	if len(configurable) < 20 {
		t.Fatalf("the schema was not read: %v", configurable)
	}
	for _, path := range configurable {
		covered := slices.ContainsFunc(attributes, func(a attribute) bool {
			return sets(cty.ObjectVal(parse(t, a.config)), strings.Split(path, "."))
		})
		if !covered {
			t.Errorf("the table has no configuration with %s", path)
		}
	}
	if sets(cty.ObjectVal(parse(t, `backup = { enabled = false }`)), []string{"backup", "schedule"}) {
		t.Error("this test takes every attribute for covered")
	}
}

// databaseAttributes are the paths of all attributes of pgplatform_database that can be configured and have none below them.
func databaseAttributes(t *testing.T) []string {
	t.Helper()
	ctx := context.Background()
	for _, construct := range provider.New("test")().Resources(ctx) {
		r := construct()
		var metadata resource.MetadataResponse
		r.Metadata(ctx, resource.MetadataRequest{ProviderTypeName: "pgplatform"}, &metadata)
		if metadata.TypeName != "pgplatform_database" {
			continue
		}
		var answer resource.SchemaResponse
		r.Schema(ctx, resource.SchemaRequest{}, &answer)
		return leaves("", answer.Schema.Attributes)
	}
	t.Fatal("the provider has no pgplatform_database")
	return nil
}

func leaves(prefix string, attributes map[string]schema.Attribute) []string {
	var paths []string
	for name, a := range attributes {
		if !a.IsOptional() && !a.IsRequired() || refusesEveryValue(a) {
			continue
		}
		below := map[string]schema.Attribute{}
		if nested, ok := a.(schema.NestedAttribute); ok {
			for n, inner := range nested.GetNestedObject().GetAttributes() {
				below[n], _ = inner.(schema.Attribute)
			}
		}
		if len(below) == 0 {
			paths = append(paths, prefix+name)
			continue
		}
		paths = append(paths, leaves(prefix+name+".", below)...)
	}
	slices.Sort(paths)
	return paths
}

// refusesEveryValue tells an attribute that is there only to be refused, such as a key.
func refusesEveryValue(a schema.Attribute) bool {
	text, ok := a.(schema.StringAttribute)
	return ok && slices.ContainsFunc(text.Validators, func(v validator.String) bool { return v.Description(context.Background()) == "must not be set" })
}

// parse reads the arguments of a block, whose values are literals.
func parse(t *testing.T, config string) map[string]cty.Value {
	t.Helper()
	file, diags := hclsyntax.ParseConfig([]byte(config), "attributes.tf", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	arguments, diags := file.Body.JustAttributes()
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	values := map[string]cty.Value{}
	for name, argument := range arguments {
		value, diags := argument.Expr.Value(nil)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		values[name] = value
	}
	return values
}

// sets tells whether a value has something at a path; in one of its elements, where there are several.
func sets(value cty.Value, path []string) bool {
	switch {
	case value.IsNull():
		return false
	case len(path) == 0:
		return true
	case value.Type().IsTupleType():
		return slices.ContainsFunc(value.AsValueSlice(), func(e cty.Value) bool { return sets(e, path) })
	case !value.Type().IsObjectType() || !value.Type().HasAttribute(path[0]):
		return false
	}
	return sets(value.GetAttr(path[0]), path[1:])
}
