package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// size fills in what the configuration leaves to the tier. A volume never shrinks: a tier with a smaller one keeps
// what is there.
func (m *databaseModel) size(ctx context.Context, config, state *databaseModel, diags *diag.Diagnostics) {
	if config.Tier.IsNull() {
		m.Tier = types.StringValue(string(tierStandard))
		if state != nil {
			m.Tier = state.Tier
		}
	}
	if m.Tier.IsUnknown() {
		m.sizeUnknown(ctx, config, state, diags)
		return
	}
	sizes, known := tiers[tier(m.Tier.ValueString())]
	if !known {
		// A Cluster that was made without a tier: what it has stays.
		if state == nil {
			return
		}
		sizes = state.sizes(ctx, diags)
	}
	if config.Instances.IsNull() {
		m.Instances = wholeNumberOf(sizes.instances)
	}

	var storage, configured, before storageModel
	diags.Append(optional(ctx, config.Storage, &configured)...)
	storage = configured
	if state != nil {
		diags.Append(optional(ctx, state.Storage, &before)...)
	}
	switch {
	case config.Storage.IsUnknown():
	case configured.Size.IsNull():
		storage.Size = quantityType.value(larger(sizes.storage, before.Size.ValueString()))
		m.Storage = storage.object()
	case !configured.Size.IsUnknown() && configured.Size.same(before.Size):
		storage.Size = before.Size
		m.Storage = storage.object()
	}

	m.askFor(ctx, config, state, resourcesModel{CPU: quantityOrNull(sizes.cpu), Memory: quantityOrNull(sizes.memory)}, diags)
}

// sizeUnknown leaves open what a tier decides that is not known yet.
func (m *databaseModel) sizeUnknown(ctx context.Context, config, state *databaseModel, diags *diag.Diagnostics) {
	if config.Instances.IsNull() {
		m.Instances = wholeNumber{Int64Value: types.Int64Unknown()}
	}
	var storage storageModel
	diags.Append(optional(ctx, config.Storage, &storage)...)
	if !config.Storage.IsUnknown() && storage.Size.IsNull() {
		storage.Size = quantityType.unknown()
		m.Storage = storage.object()
	}
	m.askFor(ctx, config, state, resourcesModel{CPU: quantityType.unknown(), Memory: quantityType.unknown()}, diags)
}

// askFor plans what each instance asks for: what the configuration says, and otherwise what the tier does.
func (m *databaseModel) askFor(ctx context.Context, config, state *databaseModel, otherwise resourcesModel, diags *diag.Diagnostics) {
	var resources resourcesModel
	diags.Append(optional(ctx, config.Resources, &resources)...)
	if config.Resources.IsUnknown() {
		return
	}
	if resources.CPU.IsNull() {
		resources.CPU = otherwise.CPU
	}
	if resources.Memory.IsNull() {
		resources.Memory = otherwise.Memory
	}
	m.Resources = resources.object()
	if state != nil {
		m.Resources = keepResources(ctx, resources, state.Resources, diags)
	}
}

func (m *databaseModel) sizes(ctx context.Context, diags *diag.Diagnostics) tierSizes {
	var storage storageModel
	var resources resourcesModel
	diags.Append(optional(ctx, m.Storage, &storage)...)
	diags.Append(optional(ctx, m.Resources, &resources)...)
	return tierSizes{
		instances: m.Instances.ValueInt64(),
		storage:   storage.Size.ValueString(),
		cpu:       resources.CPU.ValueString(),
		memory:    resources.Memory.ValueString(),
	}
}

func (r resourcesModel) object() types.Object {
	return types.ObjectValueMust(resourcesTypes, map[string]attr.Value{"cpu": typed(r.CPU, quantityType), "memory": typed(r.Memory, quantityType)})
}

func keepResources(ctx context.Context, planned resourcesModel, before types.Object, diags *diag.Diagnostics) types.Object {
	var old resourcesModel
	diags.Append(optional(ctx, before, &old)...)
	if typed(planned.CPU, quantityType).same(old.CPU) {
		planned.CPU = old.CPU
	}
	if typed(planned.Memory, quantityType).same(old.Memory) {
		planned.Memory = old.Memory
	}
	return planned.object()
}

func quantityOrNull(s string) semanticString {
	if s == "" {
		return quantityType.null()
	}
	return quantityType.value(s)
}

func larger(a, b string) string {
	x, errX := parseSize(a)
	y, errY := parseSize(b)
	if errX != nil || errY == nil && y.Cmp(x) >= 0 {
		return b
	}
	return a
}
