package provider

import (
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// sized is a model with sizes; "" and 0 stand for null.
func sized(tier string, instances int64, size, cpu, memory string) *databaseModel {
	m := &databaseModel{Tier: nullIfEmpty(tier)}
	if instances != 0 {
		m.Instances = wholeNumberOf(instances)
	}
	m.Storage, m.Resources = types.ObjectNull(storageTypes), types.ObjectNull(resourcesTypes)
	if size != "" {
		m.Storage = storageModel{Size: quantityType.value(size)}.object()
	}
	if cpu != "" || memory != "" {
		m.Resources = resourcesModel{CPU: quantityOrNull(cpu), Memory: quantityOrNull(memory)}.object()
	}
	return m
}

func TestSize(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name                string
		config, state, want *databaseModel
	}{
		{name: "no tier is STANDARD", config: sized("", 0, "", "", ""), want: sized("STANDARD", 1, "10Gi", "250m", "1Gi")},
		{name: "DEV", config: sized("DEV", 0, "", "", ""), want: sized("DEV", 1, "1Gi", "100m", "512Mi")},
		{name: "HA", config: sized("HA", 0, "", "", ""), want: sized("HA", 3, "20Gi", "250m", "2Gi")},
		{name: "explicit beats tier", config: sized("HA", 5, "30Gi", "2", "4Gi"), want: sized("HA", 5, "30Gi", "2", "4Gi")},
		{name: "part of the resources", config: sized("DEV", 0, "", "1", ""), want: sized("DEV", 1, "1Gi", "1", "512Mi")},
		{
			name: "another tier changes what is unset", config: sized("HA", 0, "", "", ""), state: sized("DEV", 1, "1Gi", "100m", "512Mi"),
			want: sized("HA", 3, "20Gi", "250m", "2Gi"),
		},
		{
			name: "another tier leaves what is set", config: sized("HA", 2, "", "3", ""), state: sized("DEV", 2, "1Gi", "3", "512Mi"),
			want: sized("HA", 2, "20Gi", "3", "2Gi"),
		},
		{
			name: "a volume does not shrink with the tier", config: sized("DEV", 0, "", "", ""), state: sized("HA", 3, "20Gi", "250m", "2Gi"),
			want: sized("DEV", 1, "20Gi", "100m", "512Mi"),
		},
		{
			name: "a tier that is no longer written stays", config: sized("", 0, "", "", ""), state: sized("HA", 3, "20Gi", "250m", "2Gi"),
			want: sized("HA", 3, "20Gi", "250m", "2Gi"),
		},
		{
			name: "a cluster that was made without tier keeps its sizes", config: sized("", 0, "", "", ""), state: sized("", 2, "7Gi", "1500m", ""),
			want: sized("", 2, "7Gi", "1500m", ""),
		},
		{
			name: "other writings of the same are no change", config: sized("DEV", 0, "1024Mi", "1", "1024Mi"), state: sized("DEV", 1, "1Gi", "1000m", "1Gi"),
			want: sized("DEV", 1, "1Gi", "1000m", "1Gi"),
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			plan := *test.config
			var diags diag.Diagnostics
			plan.size(t.Context(), test.config, test.state, &diags)
			if diags.HasError() {
				t.Fatal(diags)
			}
			if !plan.Tier.Equal(test.want.Tier) || !plan.Instances.Equal(test.want.Instances) || !plan.Storage.Equal(test.want.Storage) || !plan.Resources.Equal(test.want.Resources) {
				t.Errorf("planned\n%v %v %v %v, want\n%v %v %v %v", plan.Tier, plan.Instances, plan.Storage, plan.Resources,
					test.want.Tier, test.want.Instances, test.want.Storage, test.want.Resources)
			}
		})
	}
}

// A tier that is not known yet decides nothing, neither for a new database nor for one that has its sizes already.
func TestSizeOfWhatIsNotKnownYet(t *testing.T) {
	t.Parallel()
	config := sized("", 0, "", "", "")
	config.Tier = types.StringUnknown()
	for name, state := range map[string]*databaseModel{"new": nil, "there": sized("DEV", 1, "1Gi", "100m", "512Mi")} {
		plan := *config
		var diags diag.Diagnostics
		plan.size(t.Context(), config, state, &diags)
		open := func(object types.Object, attribute string) bool { return object.Attributes()[attribute].IsUnknown() }
		if diags.HasError() || !plan.Tier.IsUnknown() || !plan.Instances.IsUnknown() || !open(plan.Storage, "size") ||
			!open(plan.Resources, "cpu") || !open(plan.Resources, "memory") {
			t.Errorf("%s: planned %v %v %v %v, %v", name, plan.Tier, plan.Instances, plan.Storage, plan.Resources, diags)
		}
	}
}

func TestRefuseStorageChange(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		before, planned string
		refused         bool
	}{
		"grows": {"1Gi", "2Gi", false}, "stays": {"1Gi", "1024Mi", false}, "shrinks": {"2Gi", "1Gi", true}, "shrinks a little": {"1Gi", "1000Mi", true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var diags diag.Diagnostics
			object := func(size string) types.Object { return storageModel{Size: quantityType.value(size)}.object() }
			(&backend{}).refuseStorageChange(t.Context(), cnpg.Key{}, dataVolume, object(test.planned), object(test.before), &diags)
			if diags.HasError() != test.refused {
				t.Errorf("diagnostics: %v", diags)
			}
		})
	}
}
