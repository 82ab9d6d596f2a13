package terraformtest

import (
	"errors"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// configuration is what the text of a workspace says.
type configuration struct {
	provider  cty.Value
	resources map[string]*resourceConfig // by address
	data      map[string]*resourceConfig // data sources, by address
	ephemeral map[string]*resourceConfig // ephemeral resources, by address
	imports   map[string]importTarget    // by address
}

// importTarget is what an import block names: an ID, or else an identity.
type importTarget struct {
	id       string
	identity cty.Value // cty.NilVal beside an ID
}

type resourceConfig struct {
	typeName string
	value    cty.Value
}

func (s *schemas) parse(text string) (configuration, error) {
	config := configuration{
		provider: cty.NilVal, resources: map[string]*resourceConfig{}, data: map[string]*resourceConfig{},
		ephemeral: map[string]*resourceConfig{}, imports: map[string]importTarget{},
	}
	file, diags := hclsyntax.ParseConfig([]byte(text), "main.tf", hcl.InitialPos)
	if diags.HasErrors() {
		return config, diags
	}
	body, ok := file.Body.(*hclsyntax.Body)
	if !ok {
		return config, fmt.Errorf("%T is no HCL in its native syntax", file.Body)
	}
	for _, block := range body.Blocks {
		if err := s.parseBlock(&config, block); err != nil {
			return config, fmt.Errorf("%s: %w", block.DefRange(), err)
		}
	}
	if config.provider == cty.NilVal {
		var err error
		config.provider, err = decode(s.provider, &hclsyntax.Body{})
		return config, err
	}
	return config, nil
}

func (s *schemas) parseBlock(config *configuration, block *hclsyntax.Block) (err error) {
	switch block.Type {
	case "provider":
		config.provider, err = decode(s.provider, block.Body)
		return err
	case "resource":
		return parseResource("resource", "", s.resources, block, config.resources)
	case "data":
		return parseResource("data source", "data.", s.data, block, config.data)
	case "ephemeral":
		return parseResource("ephemeral resource", "ephemeral.", s.ephemeral, block, config.ephemeral)
	case "import":
		to, diags := hcl.AbsTraversalForExpr(block.Body.Attributes["to"].Expr)
		if diags.HasErrors() {
			return diags
		}
		name, ok := to[1].(hcl.TraverseAttr)
		if !ok {
			return fmt.Errorf("%v is no address", to)
		}
		target, err := decodeTarget(block.Body.Attributes)
		config.imports[to.RootName()+"."+name.Name] = target
		return err
	default:
		return fmt.Errorf("%s blocks are not played", block.Type)
	}
}

// parseResource reads a block of a kind whose addresses begin with prefix.
func parseResource(kind, prefix string, all map[string]*schema, block *hclsyntax.Block, into map[string]*resourceConfig) error {
	schema := all[block.Labels[0]]
	if schema == nil {
		return fmt.Errorf("the provider has no %s %s", kind, block.Labels[0])
	}
	value, err := decode(schema, block.Body)
	into[prefix+block.Labels[0]+"."+block.Labels[1]] = &resourceConfig{block.Labels[0], value}
	return err
}

func decodeTarget(attributes hclsyntax.Attributes) (importTarget, error) {
	if id := attributes["id"]; id != nil {
		value, diags := id.Expr.Value(nil)
		if diags.HasErrors() {
			return importTarget{}, diags
		}
		return importTarget{id: value.AsString()}, nil
	}
	if attributes["identity"] == nil {
		return importTarget{}, errors.New("an import block needs an id or an identity")
	}
	value, diags := attributes["identity"].Expr.Value(nil)
	if diags.HasErrors() {
		return importTarget{}, diags
	}
	return importTarget{identity: value}, nil
}

// variables are what expressions may name.
var variables = &hcl.EvalContext{Variables: map[string]cty.Value{"unknown": cty.DynamicVal}}

// decode makes a value of a schema's type of a block's arguments. Those that are left out are null.
func decode(s *schema, body *hclsyntax.Body) (cty.Value, error) {
	if len(body.Blocks) > 0 {
		return cty.NilVal, fmt.Errorf("%s blocks are not played", body.Blocks[0].Type)
	}
	written := map[string]cty.Value{}
	for name, attribute := range body.Attributes {
		value, diags := attribute.Expr.Value(variables)
		if diags.HasErrors() {
			return cty.NilVal, diags
		}
		written[name] = value
	}
	object := cty.ObjectVal(written)
	if err := noOthers(s.attributes, object, "the configuration"); err != nil {
		return cty.NilVal, err
	}
	allowed, err := configType(s.attributes)
	if err != nil {
		return cty.NilVal, err
	}
	return convert.Convert(object, allowed)
}

// noOthers refuses names that the schema does not know, which a conversion would drop.
func noOthers(attributes []*tfprotov6.SchemaAttribute, object cty.Value, at string) error {
	if object.IsNull() || !object.Type().IsObjectType() {
		return nil
	}
	known := map[string]*tfprotov6.SchemaAttribute{}
	for _, a := range attributes {
		known[a.Name] = a
	}
	for name, value := range object.AsValueMap() {
		attribute := known[name]
		if attribute == nil {
			return fmt.Errorf("%s has no attribute %s", at, name)
		}
		if attribute.NestedType == nil {
			continue
		}
		for _, element := range elementsOf(attribute.NestedType.Nesting, value) {
			if err := noOthers(attribute.NestedType.Attributes, element, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// elementsOf are the objects in a nested attribute as it is written.
func elementsOf(nesting tfprotov6.SchemaObjectNestingMode, value cty.Value) []cty.Value {
	switch {
	case nesting == tfprotov6.SchemaObjectNestingModeSingle:
		return []cty.Value{value}
	case value.IsNull() || !value.CanIterateElements():
		return nil
	}
	var elements []cty.Value
	for _, element := range value.Elements() {
		elements = append(elements, element)
	}
	return elements
}
