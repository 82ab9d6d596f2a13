package provider_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// A move is taken from this provider, whichever registry or mirror it came from, and from no other one.
func TestMoveFromRegistries(t *testing.T) {
	t.Parallel()
	const refused = "Unable to Move Resource State"
	s, _ := restoreStage(t)
	s.apply(s.config(restoreOf(unprotected)))
	object := s.w.Object(pitr)
	state, err := ctyjson.Marshal(object.Value, object.Value.Type())
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ address, typeName, refusal string }{
		"Terraform's":        {"registry.terraform.io/pgplatform/pgplatform", "pgplatform_restore", ""},
		"OpenTofu's":         {"registry.opentofu.org/pgplatform/pgplatform", "pgplatform_restore", ""},
		"a private one":      {"app.terraform.io/acme/pgplatform", "pgplatform_restore", ""},
		"another provider":   {"registry.terraform.io/hashicorp/kubernetes", "pgplatform_restore", refused},
		"a name of its end":  {"registry.terraform.io/acme/notpgplatform", "pgplatform_restore", refused},
		"another type":       {"registry.terraform.io/pgplatform/pgplatform", "pgplatform_backup", refused},
		"no address at all":  {"", "pgplatform_restore", refused},
		"a type of its name": {"registry.terraform.io/hashicorp/kubernetes", "kubernetes_manifest", refused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, err := onFakes["pgplatform"]()
			if err != nil {
				t.Fatal(err)
			}
			moved, err := server.MoveResourceState(t.Context(), &tfprotov6.MoveResourceStateRequest{
				SourceProviderAddress: test.address, SourceTypeName: test.typeName, SourceState: &tfprotov6.RawState{JSON: json.RawMessage(state)},
				SourcePrivate: object.Private(), TargetTypeName: "pgplatform_database",
			})
			if err != nil {
				t.Fatal(err)
			}
			if test.refusal != "" {
				if len(moved.Diagnostics) != 1 || moved.Diagnostics[0].Summary != test.refusal || moved.TargetState != nil {
					t.Errorf("moved: %v, %v, want a refusal", moved.TargetState, moved.Diagnostics)
				}
				return
			}
			schemas, err := server.GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{})
			if err != nil || len(moved.Diagnostics) > 0 {
				t.Fatalf("%v, %v", err, moved.Diagnostics)
			}
			target, err := moved.TargetState.Unmarshal(schemas.ResourceSchemas["pgplatform_database"].ValueType())
			if err != nil {
				t.Fatal(err)
			}
			values := map[string]tftypes.Value{}
			var id string
			if err := target.As(&values); err != nil {
				t.Fatal(err)
			}
			if err := values["id"].As(&id); err != nil || id != "myorg/my-db-pitr" {
				t.Errorf("moved is %q: %v", id, err)
			}
			var private map[string][]byte
			if err := json.Unmarshal(moved.TargetPrivate, &private); err != nil || !bytes.Contains(slices.Concat(slices.Collect(maps.Values(private))...), []byte(s.restored().UID)) {
				t.Errorf("it is no more known which Cluster it is: %s, %v", moved.TargetPrivate, err)
			}
		})
	}
}
