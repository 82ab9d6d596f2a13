package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"
)

func (r *databaseResource) ValidateConfig(ctx context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	var config databaseModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	validateScheduling(ctx, config.Scheduling, &resp.Diagnostics)
	backup := config.backup(ctx, &resp.Diagnostics)
	if backup == nil || !known(backup.Enabled, backup.Schedule) {
		return
	}
	if on := backup.Enabled.IsNull() || backup.Enabled.ValueBool(); on && backup.Schedule.IsNull() {
		resp.Diagnostics.AddAttributeError(path.Root("backup").AtName("schedule"), "Missing Schedule",
			`A database with backups needs backup.schedule for its base backups, such as "0 2 * * *": without a base backup, archived WAL restores nothing.`)
	}
}

// ModifyPlan is called twice where a replacement is planned, the second time without prior state, and must come to the
// same values: it uses no clock and nothing random.
func (r *databaseResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	var state, plan, config *databaseModel
	if !req.State.Raw.IsNull() {
		state = &databaseModel{}
		resp.Diagnostics.Append(req.State.Get(ctx, state)...)
	}
	if req.Plan.Raw.IsNull() {
		if !resp.Diagnostics.HasError() {
			planDestroy(state.key(), state.DeletionProtection, state.Archive, &resp.Diagnostics)
		}
		return
	}
	plan, config = &databaseModel{}, &databaseModel{}
	resp.Diagnostics.Append(req.Plan.Get(ctx, plan)...)
	resp.Diagnostics.Append(req.Config.Get(ctx, config)...)
	if resp.Diagnostics.HasError() || r.backend == nil {
		return
	}

	ctx, cancel := context.WithTimeout(ctx, planTimeout)
	defer cancel()
	if plan.Namespace.IsUnknown() && config.Namespace.IsNull() {
		plan.Namespace = r.backend.namespace
	}
	plan.size(ctx, config, state, &resp.Diagnostics)
	plan.choosePostgres(config, state)
	r.planArchive(ctx, plan, &resp.Diagnostics)
	switch {
	case state == nil:
		r.planCreate(ctx, plan, req.Private, &resp.Diagnostics)
	case plan.replaces(state):
		refuseReplace(state.key(), state.DeletionProtection, &resp.Diagnostics)
	default:
		r.planUpdate(ctx, plan, config, state, &resp.Diagnostics)
	}
	if state != nil {
		replacement{Of: state.key().String(), Protected: state.DeletionProtection.ValueBool()}.leave(ctx, resp.Private, &resp.Diagnostics)
	}
	resp.Diagnostics.Append(resp.Plan.Set(ctx, plan)...)
}

// replaces tells whether the inputs differ in a way that only another database can follow.
func (m *databaseModel) replaces(state *databaseModel) bool {
	return !m.Name.Equal(state.Name) || !m.Namespace.Equal(state.Namespace) ||
		!m.DatabaseName.Equal(state.DatabaseName) || !m.Owner.Equal(state.Owner)
}

// postgresPath is the attribute by which the configuration chooses PostgreSQL.
func (m *databaseModel) postgresPath() path.Path {
	if m.PostgresVersion.IsNull() {
		return path.Root("image")
	}
	return path.Root("postgres_version")
}

func (m *databaseModel) postgres() imageModel {
	return imageModel{image: m.Image, version: m.PostgresVersion}
}

// choosePostgres fills in which PostgreSQL the database runs.
func (m *databaseModel) choosePostgres(config, state *databaseModel) {
	before := imageModel{image: types.StringUnknown(), version: types.StringUnknown()}
	if state != nil {
		before = state.postgres()
	}
	planned := planImage(config.postgres(), before)
	m.Image, m.PostgresVersion = planned.image, planned.version
}

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
		m.Instances = types.Int64Value(sizes.instances)
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

	var resources resourcesModel
	diags.Append(optional(ctx, config.Resources, &resources)...)
	if config.Resources.IsUnknown() {
		return
	}
	if resources.CPU.IsNull() {
		resources.CPU = quantityOrNull(sizes.cpu)
	}
	if resources.Memory.IsNull() {
		resources.Memory = quantityOrNull(sizes.memory)
	}
	m.Resources = resources.object()
	if state != nil {
		m.Resources = keepResources(ctx, resources, state.Resources, diags)
	}
}

// sizeUnknown leaves open what a tier decides that is not known yet.
func (m *databaseModel) sizeUnknown(ctx context.Context, config, state *databaseModel, diags *diag.Diagnostics) {
	if config.Instances.IsNull() {
		m.Instances = types.Int64Unknown()
	}
	var storage storageModel
	diags.Append(optional(ctx, config.Storage, &storage)...)
	if !config.Storage.IsUnknown() && storage.Size.IsNull() {
		storage.Size = quantityType.unknown()
		m.Storage = storage.object()
	}
	var resources resourcesModel
	diags.Append(optional(ctx, config.Resources, &resources)...)
	if config.Resources.IsUnknown() {
		return
	}
	if resources.CPU.IsNull() {
		resources.CPU = quantityType.unknown()
	}
	if resources.Memory.IsNull() {
		resources.Memory = quantityType.unknown()
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

// optional reads an object into a model; a null or unknown one leaves the model as it is.
func optional(ctx context.Context, object types.Object, into any) diag.Diagnostics {
	if object.IsNull() || object.IsUnknown() {
		return nil
	}
	return object.As(ctx, into, basetypes.ObjectAsOptions{UnhandledNullAsEmpty: false})
}

func (r resourcesModel) object() types.Object {
	return types.ObjectValueMust(resourcesTypes, map[string]attr.Value{"cpu": typed(r.CPU, quantityType), "memory": typed(r.Memory, quantityType)})
}

// typed gives the zero value of a semantic string its kind.
func typed(v semanticString, t semanticStringType) semanticString {
	v.kind = t.kind
	return v
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

// planArchive refuses backups for which the provider's object store lacks what they need.
func (r *databaseResource) planArchive(ctx context.Context, plan *databaseModel, diags *diag.Diagnostics) {
	backup := plan.backup(ctx, diags)
	if r.backend.store == nil || backup == nil || backup.Enabled.IsUnknown() || !backup.enabled() {
		return
	}
	r.backend.requireArchive(path.Root("backup"), diags)
}

// planCreate refuses a create that cannot end well: the Cluster is there already, which an object that is marked as
// tainted looks like too.
func (r *databaseResource) planCreate(ctx context.Context, plan *databaseModel, private privateState, diags *diag.Diagnostics) {
	if !known(plan.Name, plan.Namespace) || followsDeletion(ctx, private, plan.key(), diags) {
		return
	}
	r.backend.refuseExisting(ctx, "pgplatform_database", plan.key(), diags)
	if !diags.HasError() {
		r.backend.warnMissingNamespace(ctx, plan.Namespace.ValueString(), diags)
	}
}

func (r *databaseResource) planUpdate(ctx context.Context, plan, config, state *databaseModel, diags *diag.Diagnostics) {
	refuseStorageChange(ctx, path.Root("storage"), plan.Storage, state.Storage, diags)
	refuseWALStorageChange(ctx, plan.WALStorage, state.WALStorage, diags)
	refuseDowngrade(config.postgresPath(), plan.postgres(), state.postgres(), diags)
	if !plan.changes(state) && !r.credentialsRotated(ctx, plan, state, diags) {
		plan.Status, plan.Phase, plan.Connection, plan.Archive = state.Status, state.Phase, state.Connection, state.Archive
		return
	}
	plan.Status, plan.Phase = types.StringUnknown(), types.StringUnknown()
	plan.Connection, plan.Archive = types.ObjectUnknown(connectionTypes), types.ObjectUnknown(archiveTypes)
}

// changes tells whether anything differs that stands in Kubernetes.
func (m *databaseModel) changes(state *databaseModel) bool {
	return !m.OrgID.Equal(state.OrgID) || !m.Tier.Equal(state.Tier) || !m.Instances.Equal(state.Instances) ||
		!m.Storage.Equal(state.Storage) || !m.WALStorage.Equal(state.WALStorage) || !m.Resources.Equal(state.Resources) ||
		!m.Image.Equal(state.Image) || !sameElements(m.Parameters, state.Parameters) ||
		!sameElements(m.Labels, state.Labels) || !sameElements(m.Annotations, state.Annotations) ||
		!sameElements(m.ImagePullSecrets, state.ImagePullSecrets) || !sameElements(m.PgHBA, state.PgHBA) ||
		!sameElements(m.Scheduling, state.Scheduling) || !m.Backup.Equal(state.Backup)
}

func (r *databaseResource) credentialsRotated(ctx context.Context, plan, state *databaseModel, diags *diag.Diagnostics) bool {
	if r.backend.store == nil || !plan.backup(ctx, diags).enabled() {
		return false
	}
	fingerprint, ok := state.Archive.Attributes()["credentials_fingerprint"].(types.String)
	return ok && !matchesFingerprint(fingerprint.ValueString(), r.backend.store.podKeys, r.backend.store.region)
}
