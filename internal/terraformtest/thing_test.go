package terraformtest_test

import (
	"context"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

func text(s string) tftypes.Value { return tftypes.NewValue(tftypes.String, s) }

func serve(server tfprotov6.ProviderServer) terraformtest.Providers {
	return terraformtest.Providers{"test": func() (tfprotov6.ProviderServer, error) { return server, nil }}
}

var (
	thingSchema = &tfprotov6.Schema{Block: &tfprotov6.SchemaBlock{Attributes: []*tfprotov6.SchemaAttribute{
		{Name: "name", Type: tftypes.String, Required: true},
		{Name: "kind", Type: tftypes.String, Optional: true},
		{Name: "note", Type: tftypes.String, Optional: true},
		{Name: "id", Type: tftypes.String, Computed: true},
	}}}
	thingIdentity = &tfprotov6.ResourceIdentitySchema{IdentityAttributes: []*tfprotov6.ResourceIdentitySchemaAttribute{{Name: "id", Type: tftypes.String}}}
)

// thingServer is a provider whose things are nowhere but in the state. A test changes what it answers.
type thingServer struct {
	tfprotov6.ProviderServer
	plan  func(planned map[string]tftypes.Value)
	apply func(resp *tfprotov6.ApplyResourceChangeResponse, state map[string]tftypes.Value)
}

func (*thingServer) GetProviderSchema(context.Context, *tfprotov6.GetProviderSchemaRequest) (*tfprotov6.GetProviderSchemaResponse, error) {
	return &tfprotov6.GetProviderSchemaResponse{
		Provider:        &tfprotov6.Schema{Block: &tfprotov6.SchemaBlock{}},
		ResourceSchemas: map[string]*tfprotov6.Schema{"test_thing": thingSchema},
	}, nil
}

func (*thingServer) GetResourceIdentitySchemas(context.Context, *tfprotov6.GetResourceIdentitySchemasRequest) (*tfprotov6.GetResourceIdentitySchemasResponse, error) {
	return &tfprotov6.GetResourceIdentitySchemasResponse{IdentitySchemas: map[string]*tfprotov6.ResourceIdentitySchema{"test_thing": thingIdentity}}, nil
}

func (*thingServer) ValidateProviderConfig(context.Context, *tfprotov6.ValidateProviderConfigRequest) (*tfprotov6.ValidateProviderConfigResponse, error) {
	return &tfprotov6.ValidateProviderConfigResponse{}, nil
}

func (*thingServer) ConfigureProvider(context.Context, *tfprotov6.ConfigureProviderRequest) (*tfprotov6.ConfigureProviderResponse, error) {
	return &tfprotov6.ConfigureProviderResponse{}, nil
}

func (*thingServer) StopProvider(context.Context, *tfprotov6.StopProviderRequest) (*tfprotov6.StopProviderResponse, error) {
	return &tfprotov6.StopProviderResponse{}, nil
}

func (*thingServer) ValidateResourceConfig(context.Context, *tfprotov6.ValidateResourceConfigRequest) (*tfprotov6.ValidateResourceConfigResponse, error) {
	return &tfprotov6.ValidateResourceConfigResponse{}, nil
}

func (*thingServer) UpgradeResourceState(_ context.Context, req *tfprotov6.UpgradeResourceStateRequest) (*tfprotov6.UpgradeResourceStateResponse, error) {
	return &tfprotov6.UpgradeResourceStateResponse{UpgradedState: &tfprotov6.DynamicValue{JSON: req.RawState.JSON}}, nil
}

func (*thingServer) ReadResource(_ context.Context, req *tfprotov6.ReadResourceRequest) (*tfprotov6.ReadResourceResponse, error) {
	return &tfprotov6.ReadResourceResponse{NewState: req.CurrentState, NewIdentity: identity("read")}, nil
}

func (*thingServer) ImportResourceState(_ context.Context, req *tfprotov6.ImportResourceStateRequest) (*tfprotov6.ImportResourceStateResponse, error) {
	state := values(nil)
	state["name"], state["id"] = text(req.ID), text(req.ID)
	return &tfprotov6.ImportResourceStateResponse{ImportedResources: []*tfprotov6.ImportedResource{{TypeName: req.TypeName, State: dynamic(state)}}}, nil
}

func (s *thingServer) PlanResourceChange(_ context.Context, req *tfprotov6.PlanResourceChangeRequest) (*tfprotov6.PlanResourceChangeResponse, error) {
	planned := values(req.ProposedNewState)
	if len(planned) > 0 && planned["id"].IsNull() {
		planned["id"] = tftypes.NewValue(tftypes.String, tftypes.UnknownValue)
	}
	if s.plan != nil {
		s.plan(planned)
	}
	return &tfprotov6.PlanResourceChangeResponse{
		PlannedState: dynamic(planned), RequiresReplace: []*tftypes.AttributePath{tftypes.NewAttributePath().WithAttributeName("kind")},
	}, nil
}

func (s *thingServer) ApplyResourceChange(_ context.Context, req *tfprotov6.ApplyResourceChangeRequest) (*tfprotov6.ApplyResourceChangeResponse, error) {
	state := values(req.PlannedState)
	if len(state) > 0 {
		state["id"] = text("made")
	}
	resp := &tfprotov6.ApplyResourceChangeResponse{NewIdentity: identity("made")}
	if s.apply != nil {
		s.apply(resp, state)
	}
	resp.NewState = dynamic(state)
	return resp, nil
}

func identity(id string) *tfprotov6.ResourceIdentityData {
	t := thingIdentity.ValueType()
	value, err := tfprotov6.NewDynamicValue(t, tftypes.NewValue(t, map[string]tftypes.Value{"id": text(id)}))
	if err != nil {
		panic(err)
	}
	return &tfprotov6.ResourceIdentityData{IdentityData: &value}
}

// values are the attributes of an object; none of one that does not exist.
func values(object *tfprotov6.DynamicValue) map[string]tftypes.Value {
	attributes := map[string]tftypes.Value{}
	if object == nil {
		for _, a := range thingSchema.Block.Attributes {
			attributes[a.Name] = tftypes.NewValue(a.Type, nil)
		}
		return attributes
	}
	value, err := object.Unmarshal(thingSchema.ValueType())
	if err != nil {
		panic(err)
	}
	if !value.IsNull() {
		if err := value.As(&attributes); err != nil {
			panic(err)
		}
	}
	return attributes
}

func dynamic(attributes map[string]tftypes.Value) *tfprotov6.DynamicValue {
	t := thingSchema.ValueType()
	object := tftypes.NewValue(t, nil)
	if len(attributes) > 0 {
		object = tftypes.NewValue(t, attributes)
	}
	value, err := tfprotov6.NewDynamicValue(t, object)
	if err != nil {
		panic(err)
	}
	return &value
}
