package provider

import (
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// An update that was planned by whatever means from a state that was never read is refused before anything is asked.
func TestUpdateOfAnUnreadDatabase(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	schema := databaseSchema(ctx)
	nothing := tftypes.NewValue(schema.Type().TerraformType(ctx), nil)
	state := tfsdk.State{Schema: schema, Raw: nothing}
	for name, value := range map[string]string{"id": "myorg/my-db", "namespace": "myorg", "name": "my-db"} {
		if diags := state.SetAttribute(ctx, path.Root(name), value); diags.HasError() {
			t.Fatal(diags)
		}
	}
	resp := resource.UpdateResponse{State: state}
	(&databaseResource{}).Update(ctx, resource.UpdateRequest{
		State: state, Plan: tfsdk.Plan{Schema: schema, Raw: state.Raw}, Config: tfsdk.Config{Schema: schema, Raw: state.Raw},
	}, &resp)
	if errors := resp.Diagnostics.Errors(); len(errors) != 1 || !strings.Contains(errors[0].Detail(), "myorg/my-db was never read") {
		t.Errorf("the update says %v", errors)
	}
}
