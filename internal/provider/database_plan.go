package provider

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

func (r *databaseResource) ValidateConfig(ctx context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	var config databaseModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
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

	if plan.Namespace.IsUnknown() && config.Namespace.IsNull() {
		plan.Namespace = r.backend.namespace
	}
	plan.size(ctx, config, state, &resp.Diagnostics)
	r.planArchive(ctx, plan, &resp.Diagnostics)
	switch {
	case state == nil:
		r.planCreate(ctx, plan, &resp.Diagnostics)
	case !plan.Name.Equal(state.Name) || !plan.Namespace.Equal(state.Namespace):
		refuseReplace(state.key(), state.DeletionProtection, &resp.Diagnostics)
	default:
		r.planUpdate(ctx, plan, state, &resp.Diagnostics)
	}
	resp.Diagnostics.Append(resp.Plan.Set(ctx, plan)...)
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
	sizes, known := tiers[tier(m.Tier.ValueString())]
	if !known {
		// An unknown tier, or a Cluster that was made without one: what it has stays, as far as it is known.
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
	case configured.Size.same(before.Size):
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

func (s storageModel) object() types.Object {
	return types.ObjectValueMust(storageTypes, map[string]attr.Value{"size": typed(s.Size, quantityType), "storage_class": s.StorageClass})
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
func (r *databaseResource) planCreate(ctx context.Context, plan *databaseModel, diags *diag.Diagnostics) {
	if !known(plan.Name, plan.Namespace) {
		return
	}
	r.backend.refuseExisting(ctx, "pgplatform_database", plan.key(), diags)
	r.backend.warnMissingNamespace(ctx, plan.Namespace.ValueString(), diags)
}

func (r *databaseResource) planUpdate(ctx context.Context, plan, state *databaseModel, diags *diag.Diagnostics) {
	refuseShrink(ctx, plan.Storage, state.Storage, diags)
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
		!m.Storage.Equal(state.Storage) || !m.Resources.Equal(state.Resources) || !m.Parameters.Equal(state.Parameters) ||
		!m.Backup.Equal(state.Backup)
}

func (r *databaseResource) credentialsRotated(ctx context.Context, plan, state *databaseModel, diags *diag.Diagnostics) bool {
	if r.backend.store == nil || !plan.backup(ctx, diags).enabled() {
		return false
	}
	fingerprint, ok := state.Archive.Attributes()["credentials_fingerprint"].(types.String)
	return ok && !matchesFingerprint(fingerprint.ValueString(), r.backend.store.podKeys, r.backend.store.region)
}

func refuseShrink(ctx context.Context, planned, before types.Object, diags *diag.Diagnostics) {
	var from, to storageModel
	diags.Append(optional(ctx, before, &from)...)
	diags.Append(optional(ctx, planned, &to)...)
	old, errOld := parseSize(from.Size.ValueString())
	wanted, errNew := parseSize(to.Size.ValueString())
	if errOld == nil && errNew == nil && wanted.Cmp(old) < 0 {
		diags.AddAttributeError(path.Root("storage").AtName("size"), "Storage Cannot Shrink",
			fmt.Sprintf("The volumes have %s; %s is less. A volume can only grow.", from.Size.ValueString(), to.Size.ValueString()))
	}
	if !to.StorageClass.IsUnknown() && !to.StorageClass.Equal(from.StorageClass) {
		diags.AddAttributeError(path.Root("storage").AtName("storage_class"), "Storage Class Cannot Change",
			"The volumes of a database keep the storage class that they were made with.")
	}
}

// planDestroy refuses to destroy what is protected, and warns of what a destroy leaves behind.
func planDestroy(key cnpg.Key, protection types.Bool, archive types.Object, diags *diag.Diagnostics) {
	if protection.ValueBool() {
		refuseDestroy(key, diags)
		return
	}
	destination, ok := archive.Attributes()["destination_path"].(types.String)
	if server, named := archive.Attributes()["server_name"].(types.String); ok && named {
		diags.AddWarning("Archive Stays in S3", fmt.Sprintf(
			"Destroying the database %s deletes its volumes, and keeps its backups and WAL in %s, folder %s.",
			key, destination.ValueString(), server.ValueString()))
	}
}

func refuseDestroy(key cnpg.Key, diags *diag.Diagnostics) {
	diags.AddAttributeError(path.Root("deletion_protection"), "Database Is Protected", paragraphs(
		fmt.Sprintf("The database %s has deletion_protection, so it is not destroyed. Nothing was changed.", key),
		"To destroy it, first apply deletion_protection = false."))
}

func refuseReplace(key cnpg.Key, protection types.Bool, diags *diag.Diagnostics) {
	if protection.ValueBool() {
		diags.AddAttributeError(path.Root("deletion_protection"), "Database Is Protected", paragraphs(
			fmt.Sprintf("This change would destroy the database %s and make another one, which its deletion_protection refuses. Nothing was changed.", key),
			"Undo the change, or, to let the database go, first apply deletion_protection = false."))
	}
}

// refuseExisting fails a plan to create a Cluster that exists. Where that cannot be asked now, the create itself will.
func (b *backend) refuseExisting(ctx context.Context, resourceType string, key cnpg.Key, diags *diag.Diagnostics) {
	client, err := b.kubernetesClient()
	if errors.Is(err, errNotKnown) {
		return
	}
	summary := "Unable to Plan " + titles[resourceType]
	if err != nil {
		addConnectionError(diags, summary, err)
		return
	}
	switch _, err := client.GetCluster(ctx, key); {
	case err == nil:
		diags.AddAttributeError(path.Root("name"), titles[resourceType]+" Already Exists", alreadyExists(resourceType, key))
	case !errors.Is(err, cnpg.ErrNotFound):
		diags.AddError(summary, paragraphs(sentence(err), "Nothing was changed."))
	}
}

// warnMissingNamespace only warns: the namespace may be made by the same apply.
func (b *backend) warnMissingNamespace(ctx context.Context, namespace string, diags *diag.Diagnostics) {
	client, err := b.kubernetesClient()
	if err != nil {
		return
	}
	if err := client.Namespace(ctx, namespace); errors.Is(err, cnpg.ErrNotFound) {
		diags.AddAttributeWarning(path.Root("namespace"), "Namespace Does Not Exist Yet",
			fmt.Sprintf("The namespace %q does not exist. Unless this apply makes it, creating the database will fail.", namespace))
	}
}
