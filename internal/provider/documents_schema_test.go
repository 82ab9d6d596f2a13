package provider_test

import (
	"fmt"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
)

// checkAttributes are the attributes in a piece of HCL that the provider's schemas do not know. Terraform itself says nothing
// of one within an object, and drops it.
func checkAttributes(t *testing.T, f fence) []string {
	t.Helper()
	schemas := providerSchemas(t)
	var problems []string
	for _, b := range f.blocks {
		var schema *tfprotov6.Schema
		switch {
		case b.Type == "provider" && b.Labels[0] == "pgplatform":
			schema = schemas.Provider
		case b.Type == "resource":
			schema = schemas.ResourceSchemas[b.Labels[0]]
		case b.Type == "data":
			schema = schemas.DataSourceSchemas[b.Labels[0]]
		case b.Type == "ephemeral":
			schema = schemas.EphemeralResourceSchemas[b.Labels[0]]
		}
		if schema == nil {
			continue
		}
		known := attributesByName(schema.Block.Attributes)
		for name, a := range b.Body.Attributes {
			switch attribute := known[name]; {
			case attribute == nil && !metaArguments[name]:
				problems = append(problems, fmt.Sprintf("%s: %s has no attribute %s", a.SrcRange, b.Labels[0], name))
			case attribute != nil && attribute.NestedType != nil:
				problems = append(problems, checkObjects(name, attribute.NestedType.Attributes, a.Expr)...)
			}
		}
	}
	return problems
}

var metaArguments = map[string]bool{"count": true, "for_each": true, "depends_on": true, "provider": true, "alias": true, "version": true}

// checkObjects looks through what an expression may give for objects that are written out.
func checkObjects(at string, attributes []*tfprotov6.SchemaAttribute, expression hclsyntax.Expression) []string {
	var problems []string
	further := func(expressions ...hclsyntax.Expression) {
		for _, e := range expressions {
			problems = append(problems, checkObjects(at, attributes, e)...)
		}
	}
	switch e := expression.(type) {
	case *hclsyntax.ParenthesesExpr:
		further(e.Expression)
	case *hclsyntax.ConditionalExpr:
		further(e.TrueResult, e.FalseResult)
	case *hclsyntax.ForExpr:
		further(e.ValExpr)
	case *hclsyntax.TupleConsExpr:
		further(e.Exprs...)
	case *hclsyntax.ObjectConsExpr:
		known := attributesByName(attributes)
		for _, item := range e.Items {
			name := hcl.ExprAsKeyword(item.KeyExpr)
			if name == "" {
				value, diags := item.KeyExpr.Value(nil)
				if diags.HasErrors() {
					continue
				}
				name = value.AsString()
			}
			switch attribute := known[name]; {
			case attribute == nil:
				problems = append(problems, fmt.Sprintf("%s: %s has no attribute %s", item.KeyExpr.Range(), at, name))
			case attribute.NestedType != nil:
				problems = append(problems, checkObjects(name, attribute.NestedType.Attributes, item.ValueExpr)...)
			}
		}
	}
	return problems
}

func attributesByName(attributes []*tfprotov6.SchemaAttribute) map[string]*tfprotov6.SchemaAttribute {
	known := map[string]*tfprotov6.SchemaAttribute{}
	for _, a := range attributes {
		known[a.Name] = a
	}
	return known
}

func providerSchemas(t *testing.T) *tfprotov6.GetProviderSchemaResponse {
	t.Helper()
	server, err := factories["pgplatform"]()
	must(t, err)
	schemas, err := server.GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{})
	must(t, err)
	return schemas
}
