package provider

import (
	"context"
	"fmt"
	"strconv"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// storageModel is a volume of each instance: the one for the data, or the one for the WAL.
type storageModel struct {
	Size         semanticString `tfsdk:"size"`
	StorageClass types.String   `tfsdk:"storage_class"`
}

var storageTypes = map[string]attr.Type{"size": quantityType, "storage_class": types.StringType}

func storageAttribute() schema.SingleNestedAttribute {
	return schema.SingleNestedAttribute{
		Optional: true, Computed: true,
		MarkdownDescription: "Volume of each instance. Default: of the tier's size. Changing it lets the volumes grow in place, where their storage class can; anything else is refused.",
		Attributes: map[string]schema.Attribute{
			"size": schema.StringAttribute{
				Optional: true, Computed: true, CustomType: quantityType,
				MarkdownDescription: "Size in bytes, with a suffix such as in `10Gi`. It may grow, never shrink. Default: the tier's.",
				Validators:          []validator.String{isSize()},
				PlanModifiers:       []planmodifier.String{keepSameMeaning{kindQuantity}},
			},
			"storage_class": storageClassAttribute(),
		},
	}
}

func walStorageAttribute() schema.SingleNestedAttribute {
	return schema.SingleNestedAttribute{
		Optional:            true,
		MarkdownDescription: "Volume of its own for the WAL of each instance. Default: none, the WAL lies with the data. Changing it adds the volume, which restarts the pods, or lets it grow in place; it cannot be removed from a database.",
		Attributes: map[string]schema.Attribute{
			"size": schema.StringAttribute{
				Required: true, CustomType: quantityType,
				MarkdownDescription: "Size in bytes, with a suffix such as in `2Gi`. It may grow, never shrink.",
				Validators:          []validator.String{isSize()},
				PlanModifiers:       []planmodifier.String{keepSameMeaning{kindQuantity}},
			},
			"storage_class": storageClassAttribute(),
		},
	}
}

func storageClassAttribute() schema.StringAttribute {
	return schema.StringAttribute{
		Optional:            true,
		MarkdownDescription: "Storage class of the volumes. Default: the Kubernetes cluster's. It cannot be changed: the plan is refused.",
		Validators:          []validator.String{isObjectName()},
	}
}

// toStorage is the volume as a Cluster states it.
func (s storageModel) toStorage() cnpgv1.StorageConfiguration {
	return cnpgv1.StorageConfiguration{Size: s.Size.ValueString(), StorageClass: s.StorageClass.ValueStringPointer()}
}

// toWALStorage is spec.walStorage of a Cluster; nil where the WAL lies with the data.
func toWALStorage(ctx context.Context, object types.Object, diags *diag.Diagnostics) *cnpgv1.StorageConfiguration {
	if object.IsNull() || object.IsUnknown() {
		return nil
	}
	var storage storageModel
	diags.Append(optional(ctx, object, &storage)...)
	configuration := storage.toStorage()
	return &configuration
}

// storageOf reads a volume of a Cluster. Clusters that were made by other means may state it as a template of the claim.
func storageOf(configuration cnpgv1.StorageConfiguration) types.Object {
	size, class := configuration.Size, configuration.StorageClass
	if template := configuration.PersistentVolumeClaimTemplate; template != nil {
		if request, ok := template.Resources.Requests[corev1.ResourceStorage]; ok && size == "" {
			size = request.String()
		}
		if class == nil {
			class = template.StorageClassName
		}
	}
	return storageModel{Size: quantityOrNull(size), StorageClass: types.StringPointerValue(class)}.object()
}

func walStorageOf(cluster *cnpgv1.Cluster) types.Object {
	if cluster.Spec.WalStorage == nil {
		return types.ObjectNull(storageTypes)
	}
	return storageOf(*cluster.Spec.WalStorage)
}

func (s storageModel) object() types.Object {
	return types.ObjectValueMust(storageTypes, map[string]attr.Value{"size": typed(s.Size, quantityType), "storage_class": s.StorageClass})
}

// volume is one of the two volumes of an instance: the attribute, and the field of a Cluster's spec.
type volume struct{ attribute, field string }

var (
	dataVolume = volume{"storage", "storage"}
	walVolume  = volume{"wal_storage", "walStorage"}
)

// refuseStorageChange refuses what volumes cannot do: to shrink, and to move to another storage class.
func (b *backend) refuseStorageChange(ctx context.Context, key cnpg.Key, of volume, planned, before types.Object, diags *diag.Diagnostics) {
	if planned.IsUnknown() || before.IsNull() {
		return
	}
	var from, to storageModel
	diags.Append(optional(ctx, before, &from)...)
	diags.Append(optional(ctx, planned, &to)...)
	old, errOld := parseSize(from.Size.ValueString())
	wanted, errNew := parseSize(to.Size.ValueString())
	if at := path.Root(of.attribute).AtName("size"); errOld == nil && errNew == nil && wanted.Cmp(old) < 0 {
		diags.AddAttributeError(at, "Storage Cannot Shrink", paragraphs(
			fmt.Sprintf("%s: the volumes have %s; %s is less. A volume can only grow.", at, from.Size.ValueString(), to.Size.ValueString()),
			b.setOutside(ctx, key, fmt.Sprintf("%s = %q", at, from.Size.ValueString()), "spec", of.field, "size")))
	}
	if at := path.Root(of.attribute).AtName("storage_class"); !to.StorageClass.IsUnknown() && !to.StorageClass.Equal(from.StorageClass) {
		diags.AddAttributeError(at, "Storage Class Cannot Change", paragraphs(
			fmt.Sprintf("%s: the volumes of a database keep the storage class that they were made with. The Cluster has %s, the configuration %s.",
				at, orNone(from.StorageClass), orNone(to.StorageClass)),
			b.setOutside(ctx, key, fmt.Sprintf("%s = %q", at, from.StorageClass.ValueString()), "spec", of.field, "storageClass")))
	}
}

// orNone is a value as a text says it.
func orNone(value types.String) string {
	if value.IsNull() {
		return "none"
	}
	return strconv.Quote(value.ValueString())
}

// refuseWALStorageChange refuses, beside that, to give up the volume for the WAL.
func (b *backend) refuseWALStorageChange(ctx context.Context, key cnpg.Key, planned, before types.Object, diags *diag.Diagnostics) {
	if planned.IsNull() && !before.IsNull() {
		at := path.Root(walVolume.attribute)
		diags.AddAttributeError(at, "WAL Storage Cannot Be Removed",
			fmt.Sprintf("%s: a database whose WAL has a volume of its own keeps it, since CloudNativePG cannot move the WAL back to the volume of the data.", at))
		return
	}
	b.refuseStorageChange(ctx, key, walVolume, planned, before, diags)
}
