package terraformtest

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/zclconf/go-cty/cty"
)

// ReadData reads all data sources of the configuration at the same time, as a plan does with those that depend on nothing. The
// values are by address; those that could not be read are left out. The other commands leave data sources alone.
func (w *Workspace) ReadData(ctx context.Context) (map[string]cty.Value, Diagnostics) {
	w.t.Helper()
	s, end, diags := w.begin(ctx)
	defer end()
	if diags.HasError() {
		return nil, diags
	}
	addresses := slices.Sorted(maps.Keys(w.config.data))
	read := make([]cty.Value, len(addresses))
	told := make([]Diagnostics, len(addresses))
	var group sync.WaitGroup
	for i, address := range addresses {
		group.Go(func() { read[i], told[i] = s.readData(ctx, w.config.data[address]) })
	}
	group.Wait()
	values := map[string]cty.Value{}
	for i, address := range addresses {
		if diags = append(diags, told[i]...); !told[i].HasError() {
			values[address] = read[i]
		}
	}
	return values, diags
}

func (s *session) readData(ctx context.Context, wanted *resourceConfig) (cty.Value, Diagnostics) {
	schema := s.schemas.data[wanted.typeName]
	config := s.encode(wanted.value, schema)
	validated, err := s.server.ValidateDataResourceConfig(ctx, &tfprotov6.ValidateDataResourceConfigRequest{TypeName: wanted.typeName, Config: config})
	if err != nil {
		return cty.NilVal, broken(err)
	}
	diags := Diagnostics(validated.Diagnostics)
	if diags.HasError() {
		return cty.NilVal, diags
	}
	answer, err := s.server.ReadDataSource(ctx, &tfprotov6.ReadDataSourceRequest{TypeName: wanted.typeName, Config: config})
	if err != nil {
		return cty.NilVal, append(diags, broken(err)...)
	}
	if diags = append(diags, answer.Diagnostics...); diags.HasError() {
		return cty.NilVal, diags
	}
	value, err := s.decode(answer.State, schema)
	if err != nil {
		return cty.NilVal, append(diags, broken(err)...)
	}
	return value, diags
}
