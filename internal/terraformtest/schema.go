package terraformtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// schemas are a provider's, in the types of Terraform's own values.
type schemas struct {
	provider  *schema
	resources map[string]*schema
	data      map[string]*schema
	ephemeral map[string]*schema
}

// schema is one object's: the attributes, and the types of its values and of its identity.
type schema struct {
	version    int64
	attributes []*tfprotov6.SchemaAttribute
	valueType  cty.Type
	identity   tftypes.Type // nil where it has none
}

func readSchemas(ctx context.Context, server tfprotov6.ProviderServer) (*schemas, error) {
	answer, err := server.GetProviderSchema(ctx, &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		return nil, err
	}
	if diags := Diagnostics(answer.Diagnostics); diags.HasError() {
		return nil, errors.New(diags.String())
	}
	identities, err := server.GetResourceIdentitySchemas(ctx, &tfprotov6.GetResourceIdentitySchemasRequest{})
	if err != nil {
		return nil, err
	}
	all := &schemas{resources: map[string]*schema{}, data: map[string]*schema{}, ephemeral: map[string]*schema{}}
	if all.provider, err = newSchema(answer.Provider); err != nil {
		return nil, fmt.Errorf("the provider's schema: %w", err)
	}
	for name, resource := range answer.ResourceSchemas {
		if all.resources[name], err = newSchema(resource); err != nil {
			return nil, fmt.Errorf("the schema of %s: %w", name, err)
		}
		if identity := identities.IdentitySchemas[name]; identity != nil {
			all.resources[name].identity = identity.ValueType()
		}
	}
	for name, source := range answer.DataSourceSchemas {
		if all.data[name], err = newSchema(source); err != nil {
			return nil, fmt.Errorf("the schema of the data source %s: %w", name, err)
		}
	}
	for name, resource := range answer.EphemeralResourceSchemas {
		if all.ephemeral[name], err = newSchema(resource); err != nil {
			return nil, fmt.Errorf("the schema of the ephemeral resource %s: %w", name, err)
		}
	}
	return all, nil
}

func newSchema(from *tfprotov6.Schema) (*schema, error) {
	if len(from.Block.BlockTypes) > 0 {
		return nil, errors.New("nested blocks are not played")
	}
	valueType, err := typeOf(from.ValueType())
	return &schema{version: from.Version, attributes: from.Block.Attributes, valueType: valueType}, err
}

// typeOf is a type of the plugin protocol as one of Terraform's values; both write it in the same way.
func typeOf(t tftypes.Type) (cty.Type, error) {
	text, err := json.Marshal(t)
	if err != nil {
		return cty.NilType, err
	}
	return ctyjson.UnmarshalType(text)
}

// null is the object that does not exist.
func (s *schema) null() cty.Value { return cty.NullVal(s.valueType) }

// configType is what a configuration may write for attributes: those that are not required may be left out.
func configType(attributes []*tfprotov6.SchemaAttribute) (cty.Type, error) {
	types := make(map[string]cty.Type, len(attributes))
	var optional []string
	for _, a := range attributes {
		t, err := attributeType(a)
		if err != nil {
			return cty.NilType, fmt.Errorf("%s: %w", a.Name, err)
		}
		types[a.Name] = t
		if !a.Required {
			optional = append(optional, a.Name)
		}
	}
	return cty.ObjectWithOptionalAttrs(types, optional), nil
}

func attributeType(a *tfprotov6.SchemaAttribute) (cty.Type, error) {
	if a.NestedType == nil {
		return typeOf(a.Type)
	}
	object, err := configType(a.NestedType.Attributes)
	switch a.NestedType.Nesting {
	case tfprotov6.SchemaObjectNestingModeList:
		return cty.List(object), err
	case tfprotov6.SchemaObjectNestingModeSet:
		return cty.Set(object), err
	case tfprotov6.SchemaObjectNestingModeMap:
		return cty.Map(object), err
	default:
		return object, err
	}
}
