package provider_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/tfversion"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// A move is taken from this provider, whichever registry or mirror it came from, and from no other one.
func TestMoveFromRegistries(t *testing.T) {
	t.Parallel()
	const refused = "only a pgplatform_restore of this provider can be moved"
	s, _ := restoreStage(t)
	s.apply(s.config(restoreOf(unprotected)))
	object := s.w.Object(pitr)
	state, err := ctyjson.Marshal(object.Value, object.Value.Type())
	if err != nil {
		t.Fatal(err)
	}
	unreadable := []byte(`{"name": ["written", "by", "another", "version"]}`)
	for name, test := range map[string]struct{ address, typeName, refusal string }{
		"Terraform's":        {"registry.terraform.io/pgplatform/pgplatform", "pgplatform_restore", ""},
		"OpenTofu's":         {"registry.opentofu.org/pgplatform/pgplatform", "pgplatform_restore", ""},
		"a private one":      {"app.terraform.io/acme/pgplatform", "pgplatform_restore", ""},
		"another provider":   {"registry.terraform.io/hashicorp/kubernetes", "pgplatform_restore", refused},
		"a name of its end":  {"registry.terraform.io/acme/notpgplatform", "pgplatform_restore", refused},
		"another type":       {"registry.terraform.io/pgplatform/pgplatform", "pgplatform_backup", refused},
		"no address at all":  {"", "pgplatform_restore", refused},
		"a type of its name": {"registry.terraform.io/hashicorp/kubernetes", "kubernetes_manifest", refused},
		"another version":    {"registry.terraform.io/pgplatform/pgplatform", "pgplatform_restore", "another version of the provider has written it"},
	} {
		state := state
		if name == "another version" {
			state = unreadable
		}
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
				if d := moved.Diagnostics; len(d) != 1 || d[0].Summary != "Unable to Move Resource" || !strings.Contains(d[0].Detail, test.refusal) || moved.TargetState != nil {
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

// What cannot be moved is refused with the way that there is instead, whatever it is to become.
func TestMoveOfOthers(t *testing.T) {
	t.Parallel()
	const orders = "resource \"terraform_data\" \"orders\" {\n}\n"
	bodies := map[string]string{
		"pgplatform_database": `name = "my-db"`,
		"pgplatform_restore":  "name = \"my-db\"\nsource = { database = \"myorg/other\" }",
		"pgplatform_backup":   `database = "myorg/my-db"`,
	}
	for to, body := range bodies {
		t.Run(to, func(t *testing.T) {
			t.Parallel()
			f := newFakes(t)
			unitCase(t, resource.TestCase{
				TerraformVersionChecks: []tfversion.TerraformVersionCheck{tfversion.SkipBelow(tfversion.Version1_8_0)},
				Steps: []resource.TestStep{
					{Config: orders},
					{
						Config: f.config("moved {\n  from = terraform_data.orders\n  to   = " + to + ".orders\n}\nresource \"" + to + "\" \"orders\" {\n" + body + "\n}\n"),
						ExpectError: says("Unable to Move Resource", "A terraform_data of the provider terraform.io/builtin/terraform cannot be moved to a "+to+":",
							"removed {", "from = terraform_data.NAME", "destroy = false", "import {", "to = "+to+".NAME", `id = "namespace/name"`, "Nothing was changed."),
					},
					{Config: orders},
				},
			})
			f.nothingWritten(t)
		})
	}
}
