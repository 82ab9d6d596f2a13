package provider

import (
	"context"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework-validators/listvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/mapvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// schedulingModel says which nodes a database's pods run on.
type schedulingModel struct {
	NodeSelector types.Map    `tfsdk:"node_selector"`
	Tolerations  types.List   `tfsdk:"tolerations"`
	TopologyKey  types.String `tfsdk:"topology_key"`
}

type tolerationModel struct {
	Key               types.String `tfsdk:"key"`
	Operator          types.String `tfsdk:"operator"`
	Value             types.String `tfsdk:"value"`
	Effect            types.String `tfsdk:"effect"`
	TolerationSeconds wholeNumber  `tfsdk:"toleration_seconds"`
}

var tolerationTypes = types.ObjectType{AttrTypes: map[string]attr.Type{
	"key": types.StringType, "operator": types.StringType, "value": types.StringType, "effect": types.StringType,
	"toleration_seconds": wholeNumberType{},
}}

var schedulingTypes = map[string]attr.Type{
	"node_selector": types.MapType{ElemType: types.StringType},
	"tolerations":   types.ListType{ElemType: tolerationTypes},
	"topology_key":  types.StringType,
}

func schedulingAttribute() schema.SingleNestedAttribute {
	return schema.SingleNestedAttribute{
		Optional:            true,
		MarkdownDescription: "Which nodes the database's pods run on. Default: any, each instance on a node of its own where there are enough. Changing it restarts the pods, one after the other.",
		Attributes: map[string]schema.Attribute{
			"node_selector": schema.MapAttribute{
				Optional: true, ElementType: types.StringType,
				MarkdownDescription: "Labels that a node must have. Default: none.",
				Validators: []validator.Map{
					mapvalidator.KeysAre(isQualifiedName()), mapvalidator.ValueStringsAre(isLabelValue()), mapvalidator.NoNullValues(),
				},
			},
			"tolerations": schema.ListNestedAttribute{
				Optional:            true,
				MarkdownDescription: "Taints of nodes that do not keep the pods away, as in a Pod. Default: none.",
				Validators:          []validator.List{listvalidator.NoNullValues()},
				NestedObject: schema.NestedAttributeObject{
					Attributes: map[string]schema.Attribute{
						"key": schema.StringAttribute{
							Optional:            true,
							MarkdownDescription: "The taint's key. Unset, with the operator `Exists`: every taint.",
							Validators:          []validator.String{isQualifiedName()},
						},
						"operator": schema.StringAttribute{
							Optional:            true,
							MarkdownDescription: "`Equal`, which compares the value, or `Exists`. Unset: `Equal`.",
							Validators:          []validator.String{stringvalidator.OneOf(string(corev1.TolerationOpEqual), string(corev1.TolerationOpExists))},
						},
						"value": schema.StringAttribute{
							Optional:            true,
							MarkdownDescription: "The taint's value. Not with the operator `Exists`. Unset: a taint without a value.",
							Validators:          []validator.String{stringvalidator.LengthAtLeast(1), isLabelValue()},
						},
						"effect": schema.StringAttribute{
							Optional:            true,
							MarkdownDescription: "The taint's effect: `NoSchedule`, `PreferNoSchedule` or `NoExecute`. Unset: each.",
							Validators: []validator.String{stringvalidator.OneOf(
								string(corev1.TaintEffectNoSchedule), string(corev1.TaintEffectPreferNoSchedule), string(corev1.TaintEffectNoExecute))},
						},
						"toleration_seconds": schema.Int64Attribute{
							Optional: true, CustomType: wholeNumberType{},
							MarkdownDescription: "How long a pod stays on a node that gets the taint, in seconds. Only with the effect `NoExecute`. Unset: for ever.",
						},
					},
				},
			},
			"topology_key": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Label of nodes by whose value the instances are spread, such as `topology.kubernetes.io/zone`. Unset: CloudNativePG's choice, the node's name.",
				Validators:          []validator.String{isQualifiedName()},
			},
		},
	}
}

// validateScheduling refuses tolerations that contradict themselves.
func validateScheduling(ctx context.Context, object types.Object, diags *diag.Diagnostics) {
	var scheduling schedulingModel
	diags.Append(optional(ctx, object, &scheduling)...)
	for i, toleration := range tolerations(ctx, scheduling.Tolerations, diags) {
		if scheduling.Tolerations.Elements()[i].IsUnknown() {
			continue
		}
		at := path.Root("scheduling").AtName("tolerations").AtListIndex(i)
		exists := toleration.Operator.ValueString() == string(corev1.TolerationOpExists)
		if toleration.Key.IsNull() && !exists && !toleration.Operator.IsUnknown() {
			diags.AddAttributeError(at.AtName("key"), "Missing Key",
				"A toleration without scheduling.tolerations.key stands for every taint, and needs the operator Exists.")
		}
		if exists && toleration.Value.ValueString() != "" {
			diags.AddAttributeError(at.AtName("value"), "Value Without Comparison",
				"A toleration with the operator Exists compares no value: leave scheduling.tolerations.value out.")
		}
		if !toleration.TolerationSeconds.IsNull() && !toleration.Effect.IsUnknown() && toleration.Effect.ValueString() != string(corev1.TaintEffectNoExecute) {
			diags.AddAttributeError(at.AtName("toleration_seconds"), "Seconds Without Eviction",
				"Only the effect NoExecute evicts pods, so that only with it scheduling.tolerations.toleration_seconds has a meaning.")
		}
	}
}

func tolerations(ctx context.Context, list types.List, diags *diag.Diagnostics) []tolerationModel {
	var all []tolerationModel
	for _, element := range list.Elements() {
		var toleration tolerationModel
		if object, ok := element.(types.Object); ok {
			diags.Append(optional(ctx, object, &toleration)...)
		}
		all = append(all, toleration)
	}
	return all
}

// toAffinity is spec.affinity of a Cluster.
func toAffinity(ctx context.Context, object types.Object, diags *diag.Diagnostics) cnpgv1.AffinityConfiguration {
	var scheduling schedulingModel
	diags.Append(optional(ctx, object, &scheduling)...)
	affinity := cnpgv1.AffinityConfiguration{TopologyKey: scheduling.TopologyKey.ValueString()}
	diags.Append(elements(ctx, scheduling.NodeSelector, &affinity.NodeSelector)...)
	for _, toleration := range tolerations(ctx, scheduling.Tolerations, diags) {
		affinity.Tolerations = append(affinity.Tolerations, corev1.Toleration{
			Key:               toleration.Key.ValueString(),
			Operator:          corev1.TolerationOperator(toleration.Operator.ValueString()),
			Value:             toleration.Value.ValueString(),
			Effect:            corev1.TaintEffect(toleration.Effect.ValueString()),
			TolerationSeconds: toleration.TolerationSeconds.ValueInt64Pointer(),
		})
	}
	return affinity
}

// schedulingOf reads spec.affinity of a Cluster, as far as the scheduling attribute goes, and as far as the provider owns it
// or knew it before.
func schedulingOf(ctx context.Context, cluster *cnpgv1.Cluster, fields *cnpg.Managed, before types.Object, diags *diag.Diagnostics) types.Object {
	var old schedulingModel
	diags.Append(optional(ctx, before, &old)...)
	live := cluster.Spec.Affinity
	if old.Tolerations.IsNull() && !fields.Ours("spec", "affinity", "tolerations") {
		live.Tolerations = nil
	}
	if old.TopologyKey.IsNull() && !fields.Ours("spec", "affinity", "topologyKey") {
		live.TopologyKey = ""
	}
	selector := andKnown(fields.Entries(live.NodeSelector, "spec", "affinity", "nodeSelector"), live.NodeSelector, old.NodeSelector)
	if len(selector) == 0 && len(live.Tolerations) == 0 && live.TopologyKey == "" && (before.IsNull() || !holdsNothing(before)) {
		return types.ObjectNull(schedulingTypes)
	}
	return types.ObjectValueMust(schedulingTypes, map[string]attr.Value{
		"node_selector": mapOr(selector, old.NodeSelector),
		"tolerations":   tolerationsOf(live.Tolerations, old.Tolerations),
		"topology_key":  nullIfEmpty(live.TopologyKey),
	})
}

func tolerationsOf(live []corev1.Toleration, before types.List) types.List {
	if len(live) == 0 && (before.IsNull() || before.IsUnknown()) {
		return types.ListNull(tolerationTypes)
	}
	all := []attr.Value{}
	for _, toleration := range live {
		all = append(all, types.ObjectValueMust(tolerationTypes.AttrTypes, map[string]attr.Value{
			"key":                nullIfEmpty(toleration.Key),
			"operator":           nullIfEmpty(string(toleration.Operator)),
			"value":              nullIfEmpty(toleration.Value),
			"effect":             nullIfEmpty(string(toleration.Effect)),
			"toleration_seconds": wholeNumber{Int64Value: types.Int64PointerValue(toleration.TolerationSeconds)},
		}))
	}
	return types.ListValueMust(tolerationTypes, all)
}
