package terraformtest

import (
	"context"
	"sync/atomic"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
	"github.com/zclconf/go-cty/cty/msgpack"
)

// TerraformVersion is what the provider is told.
const TerraformVersion = "1.12.0"

// session is one walk over the resources: a provider of its own, configured.
type session struct {
	server  tfprotov6.ProviderServer
	schemas *schemas
	stopped atomic.Bool
}

// begin starts a provider and configures it, as Terraform does for each plan and each apply. end must be called.
func (w *Workspace) begin(ctx context.Context) (s *session, end func(), diags Diagnostics) {
	w.t.Helper()
	server, err := w.serve()
	if err != nil {
		w.t.Fatal(err)
	}
	s = &session{server: server, schemas: w.schema}
	w.mu.Lock()
	w.running = s
	w.mu.Unlock()
	end = func() { //nolint:contextcheck // the process ends, whatever has become of the command's context
		w.mu.Lock()
		w.running = nil
		w.mu.Unlock()
		s.interrupt()
	}
	config := s.encode(w.config.provider, w.schema.provider)
	validated, err := server.ValidateProviderConfig(ctx, &tfprotov6.ValidateProviderConfigRequest{Config: config})
	if err != nil {
		return s, end, broken(err)
	}
	diags = append(diags, validated.Diagnostics...)
	if diags.HasError() {
		return s, end, diags
	}
	if validated.PreparedConfig != nil {
		config = validated.PreparedConfig
	}
	configured, err := server.ConfigureProvider(ctx, &tfprotov6.ConfigureProviderRequest{
		TerraformVersion: TerraformVersion, Config: config, ClientCapabilities: &tfprotov6.ConfigureProviderClientCapabilities{},
	})
	if err != nil {
		return s, end, broken(err)
	}
	return s, end, append(diags, configured.Diagnostics...)
}

func (s *session) interrupt() {
	s.stopped.Store(true)
	_, _ = s.server.StopProvider(context.Background(), &tfprotov6.StopProviderRequest{}) // it never fails
}

// halted is why nothing more is begun after an interrupt.
func (s *session) halted() Diagnostics {
	if s.stopped.Load() {
		return Diagnostics{failure(halted, "The command was interrupted.")}
	}
	return nil
}

// broken is an error of the protocol itself.
func broken(err error) Diagnostics { return Diagnostics{failure("Plugin Error", "%v", err)} }

// encode and decode are the way of values over the wire; a value of a wrong type is the driver's own mistake.
func (s *session) encode(value cty.Value, of *schema) *tfprotov6.DynamicValue {
	raw, err := msgpack.Marshal(value, of.valueType)
	if err != nil {
		panic(err)
	}
	return &tfprotov6.DynamicValue{MsgPack: raw}
}

func (s *session) decode(value *tfprotov6.DynamicValue, of *schema) (cty.Value, error) {
	switch {
	case value == nil:
		return of.null(), nil
	case len(value.JSON) > 0:
		return ctyjson.Unmarshal(value.JSON, of.valueType)
	default:
		return msgpack.Unmarshal(value.MsgPack, of.valueType)
	}
}

// identified checks the identity of an object that exists.
func (s *session) identified(address string, of *schema, identity *tfprotov6.ResourceIdentityData) Diagnostics {
	if of.identity == nil {
		return nil
	}
	if identity == nil || identity.IdentityData == nil {
		return Diagnostics{failure(invalidIdentity, "The provider returned no identity for %s.", address)}
	}
	value, err := identity.IdentityData.Unmarshal(of.identity)
	if err != nil {
		return broken(err)
	}
	if !value.IsFullyKnown() || value.IsNull() {
		return Diagnostics{failure(invalidIdentity, "The provider returned an identity for %s that is not known: %s.", address, value)}
	}
	return nil
}

// upgrade reads an object as it lies in the state's file, in JSON.
func (s *session) upgrade(ctx context.Context, object *Object) (*Object, Diagnostics) {
	of := s.schemas.resources[object.Type]
	raw, err := ctyjson.Marshal(object.Value, of.valueType)
	if err != nil {
		return nil, broken(err)
	}
	answer, err := s.server.UpgradeResourceState(ctx, &tfprotov6.UpgradeResourceStateRequest{
		TypeName: object.Type, Version: of.version, RawState: &tfprotov6.RawState{JSON: raw},
	})
	if err != nil {
		return nil, broken(err)
	}
	diags := Diagnostics(answer.Diagnostics)
	if diags.HasError() {
		return nil, diags
	}
	upgraded := *object
	if upgraded.Value, err = s.decode(answer.UpgradedState, of); err != nil {
		return nil, broken(err)
	}
	return &upgraded, diags
}

// refresh reads an object anew; nil where it is gone.
func (s *session) refresh(ctx context.Context, address string, object *Object) (*Object, Diagnostics) {
	of := s.schemas.resources[object.Type]
	answer, err := s.server.ReadResource(ctx, &tfprotov6.ReadResourceRequest{
		TypeName: object.Type, CurrentState: s.encode(object.Value, of), Private: object.private, CurrentIdentity: object.identity,
		ClientCapabilities: &tfprotov6.ReadResourceClientCapabilities{},
	})
	if err != nil {
		return nil, broken(err)
	}
	diags := Diagnostics(answer.Diagnostics)
	if diags.HasError() {
		return object, diags
	}
	value, err := s.decode(answer.NewState, of)
	switch {
	case err != nil:
		return object, append(diags, failure(invalidObject, "%s: %v", address, err))
	case value.IsNull():
		return nil, diags
	case !value.IsWhollyKnown():
		return object, append(diags, failure(invalidObject, "The provider returned unknown values for %s during refresh.", address))
	}
	read := &Object{Type: object.Type, Value: value, Tainted: object.Tainted, private: answer.Private, identity: answer.NewIdentity}
	return read, append(diags, s.identified(address, of, read.identity)...)
}

// importOne makes an object of an ID or an identity, and reads it.
func (s *session) importOne(ctx context.Context, address, typeName string, target importTarget) (*Object, Diagnostics) {
	of := s.schemas.resources[typeName]
	request := &tfprotov6.ImportResourceStateRequest{
		TypeName: typeName, ID: target.id, ClientCapabilities: &tfprotov6.ImportResourceStateClientCapabilities{},
	}
	if target.identity != cty.NilVal {
		raw, err := ctyjson.Marshal(target.identity, target.identity.Type())
		if err != nil {
			return nil, broken(err)
		}
		request.Identity = &tfprotov6.ResourceIdentityData{IdentityData: &tfprotov6.DynamicValue{JSON: raw}}
	}
	answer, err := s.server.ImportResourceState(ctx, request)
	if err != nil {
		return nil, broken(err)
	}
	diags := Diagnostics(answer.Diagnostics)
	if diags.HasError() {
		return nil, diags
	}
	if len(answer.ImportedResources) != 1 {
		return nil, append(diags, failure("Invalid Import", "%d objects were imported to %s.", len(answer.ImportedResources), address))
	}
	imported := answer.ImportedResources[0]
	value, err := s.decode(imported.State, of)
	if err != nil {
		return nil, append(diags, broken(err)...)
	}
	object, more := s.refresh(ctx, address, &Object{Type: typeName, Value: value, private: imported.Private, identity: imported.Identity})
	diags = append(diags, more...)
	if object == nil && !diags.HasError() {
		diags = append(diags, failure("Cannot import non-existent remote object", "There is no object for %s.", address))
	}
	return object, diags
}

// nullIdentity is the identity of an object that does not exist.
func nullIdentity(of *schema) *tfprotov6.ResourceIdentityData {
	if of.identity == nil {
		return nil
	}
	value, err := tfprotov6.NewDynamicValue(of.identity, tftypes.NewValue(of.identity, nil))
	if err != nil {
		panic(err)
	}
	return &tfprotov6.ResourceIdentityData{IdentityData: &value}
}
