package terraformtest

import (
	"context"
	"maps"
	"slices"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/zclconf/go-cty/cty"
)

// OpenEphemeral opens all ephemeral resources of the configuration, one after the other, and closes them again. The values are by
// address; those that could not be opened are left out. The other commands leave ephemeral resources alone.
func (w *Workspace) OpenEphemeral(ctx context.Context) (map[string]cty.Value, Diagnostics) {
	w.t.Helper()
	s, end, diags := w.begin(ctx)
	defer end()
	if diags.HasError() {
		return nil, diags
	}
	values := map[string]cty.Value{}
	for _, address := range slices.Sorted(maps.Keys(w.config.ephemeral)) {
		value, told := s.openEphemeral(ctx, w.config.ephemeral[address])
		if diags = append(diags, told...); !told.HasError() {
			values[address] = value
		}
	}
	return values, diags
}

func (s *session) openEphemeral(ctx context.Context, wanted *resourceConfig) (cty.Value, Diagnostics) {
	schema := s.schemas.ephemeral[wanted.typeName]
	config := s.encode(wanted.value, schema)
	validated, err := s.server.ValidateEphemeralResourceConfig(ctx, &tfprotov6.ValidateEphemeralResourceConfigRequest{TypeName: wanted.typeName, Config: config})
	if err != nil {
		return cty.NilVal, broken(err)
	}
	diags := Diagnostics(validated.Diagnostics)
	if diags.HasError() {
		return cty.NilVal, diags
	}
	opened, err := s.server.OpenEphemeralResource(ctx, &tfprotov6.OpenEphemeralResourceRequest{
		TypeName: wanted.typeName, Config: config, ClientCapabilities: &tfprotov6.OpenEphemeralResourceClientCapabilities{},
	})
	if err != nil {
		return cty.NilVal, append(diags, broken(err)...)
	}
	if diags = append(diags, opened.Diagnostics...); diags.HasError() {
		return cty.NilVal, diags
	}
	value, err := s.decode(opened.Result, schema)
	if err != nil {
		return cty.NilVal, append(diags, broken(err)...)
	}
	closed, err := s.server.CloseEphemeralResource(ctx, &tfprotov6.CloseEphemeralResourceRequest{TypeName: wanted.typeName, Private: opened.Private})
	if err != nil {
		return cty.NilVal, append(diags, broken(err)...)
	}
	return value, append(diags, closed.Diagnostics...)
}
