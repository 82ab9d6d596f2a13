package provider

import (
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
)

// A quantity that became known only when it was applied, so that no validator has seen it, is an error at its attribute.
func TestQuantityThatIsNone(t *testing.T) {
	t.Parallel()
	for name, resources := range map[string]resourcesModel{
		"cpu":    {CPU: quantityOrNull("many"), Memory: quantityOrNull("1Gi")},
		"memory": {CPU: quantityOrNull("1"), Memory: quantityOrNull("much")},
	} {
		var diags diag.Diagnostics
		resources.requirements(&diags)
		at := path.Root("resources").AtName(name)
		if len(diags) != 1 || !diags[0].(diag.DiagnosticWithPath).Path().Equal(at) { //nolint:forcetypeassert // the test fails either way
			t.Errorf("%s: the errors are %v", name, diags)
		}
	}
	var none diag.Diagnostics
	(resourcesModel{CPU: quantityOrNull("1"), Memory: quantityOrNull("1Gi")}).requirements(&none)
	if none.HasError() {
		t.Errorf("quantities are refused: %v", none)
	}
}
