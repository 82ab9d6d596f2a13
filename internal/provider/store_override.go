package provider

import (
	"cmp"
	"encoding/json"
	"maps"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// storeOverride is a database's object_store: what differs from the provider's.
type storeOverride struct {
	refusedKeys

	DestinationPath semanticString   `tfsdk:"destination_path"`
	EndpointURL     types.String     `tfsdk:"endpoint_url"`
	PodEndpointURL  types.String     `tfsdk:"pod_endpoint_url"`
	Region          types.String     `tfsdk:"region"`
	Profile         types.String     `tfsdk:"profile"`
	AssumeRole      *assumeRoleModel `tfsdk:"assume_role"`
	UsePathStyle    types.Bool       `tfsdk:"use_path_style"`
	CACertificate   types.String     `tfsdk:"ca_certificate"`
}

var assumeRoleTypes = map[string]attr.Type{"role_arn": types.StringType, "session_name": types.StringType, "external_id": types.StringType}

var storeOverrideTypes = withKeys(map[string]attr.Type{
	"destination_path": locationType,
	"endpoint_url":     types.StringType,
	"pod_endpoint_url": types.StringType,
	"region":           types.StringType,
	"profile":          types.StringType,
	"assume_role":      types.ObjectType{AttrTypes: assumeRoleTypes},
	"use_path_style":   types.BoolType,
	"ca_certificate":   types.StringType,
})

// withKeys adds the attributes that take no value.
func withKeys(all map[string]attr.Type) map[string]attr.Type {
	maps.Copy(all, refusedKeyTypes)
	return all
}

// keptOverride is the form of a storeOverride in [cnpg.AnnotationObjectStore].
type keptOverride struct {
	DestinationPath *string   `json:"destination_path,omitempty"`
	EndpointURL     *string   `json:"endpoint_url,omitempty"`
	PodEndpointURL  *string   `json:"pod_endpoint_url,omitempty"`
	Region          *string   `json:"region,omitempty"`
	Profile         *string   `json:"profile,omitempty"`
	AssumeRole      *keptRole `json:"assume_role,omitempty"`
	UsePathStyle    *bool     `json:"use_path_style,omitempty"`
	CACertificate   *string   `json:"ca_certificate,omitempty"`
}

type keptRole struct {
	RoleARN     *string `json:"role_arn,omitempty"`
	SessionName *string `json:"session_name,omitempty"`
	ExternalID  *string `json:"external_id,omitempty"`
}

// kept is the override as an annotation keeps it.
func (o *storeOverride) kept() keptOverride {
	kept := keptOverride{
		DestinationPath: o.DestinationPath.ValueStringPointer(),
		EndpointURL:     o.EndpointURL.ValueStringPointer(),
		PodEndpointURL:  o.PodEndpointURL.ValueStringPointer(),
		Region:          o.Region.ValueStringPointer(),
		Profile:         o.Profile.ValueStringPointer(),
		UsePathStyle:    o.UsePathStyle.ValueBoolPointer(),
		CACertificate:   o.CACertificate.ValueStringPointer(),
	}
	if role := o.AssumeRole; role != nil {
		kept.AssumeRole = &keptRole{role.RoleARN.ValueStringPointer(), role.SessionName.ValueStringPointer(), role.ExternalID.ValueStringPointer()}
	}
	return kept
}

// annotation is what the Cluster keeps of the override; "" where it says nothing.
func (o *storeOverride) annotation() string {
	kept := o.kept()
	if kept == (keptOverride{}) {
		return ""
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return "" // strings and booleans can always be encoded
	}
	return string(text)
}

// object is the override as an attribute; null where it says nothing.
func (o *storeOverride) object() types.Object {
	if o.annotation() == "" {
		return types.ObjectNull(storeOverrideTypes)
	}
	return types.ObjectValueMust(storeOverrideTypes, o.attributes())
}

func (o *storeOverride) attributes() map[string]attr.Value {
	role := types.ObjectNull(assumeRoleTypes)
	if r := o.AssumeRole; r != nil {
		role = types.ObjectValueMust(assumeRoleTypes, map[string]attr.Value{"role_arn": r.RoleARN, "session_name": r.SessionName, "external_id": r.ExternalID})
	}
	return map[string]attr.Value{
		"destination_path": typed(o.DestinationPath, locationType),
		"endpoint_url":     o.EndpointURL,
		"pod_endpoint_url": o.PodEndpointURL,
		"region":           o.Region,
		"profile":          o.Profile,
		"assume_role":      role,
		"use_path_style":   o.UsePathStyle,
		"ca_certificate":   o.CACertificate,

		"access_key_id":     types.StringNull(),
		"secret_access_key": types.StringNull(),
		"session_token":     types.StringNull(),
	}
}

// overrideOf is the override that a Cluster was configured with.
func overrideOf(cluster *cnpgv1.Cluster) *storeOverride {
	return parseOverride(cluster.Annotations[cnpg.AnnotationObjectStore])
}

// parseOverride is the override of an annotation; one that cannot be read says nothing.
func parseOverride(annotation string) *storeOverride {
	var kept keptOverride
	if annotation != "" && json.Unmarshal([]byte(annotation), &kept) != nil {
		kept = keptOverride{}
	}
	return kept.override()
}

func (k keptOverride) override() *storeOverride {
	o := &storeOverride{
		DestinationPath: locationType.pointer(k.DestinationPath),
		EndpointURL:     types.StringPointerValue(k.EndpointURL),
		PodEndpointURL:  types.StringPointerValue(k.PodEndpointURL),
		Region:          types.StringPointerValue(k.Region),
		Profile:         types.StringPointerValue(k.Profile),
		UsePathStyle:    types.BoolPointerValue(k.UsePathStyle),
		CACertificate:   types.StringPointerValue(k.CACertificate),
	}
	if role := k.AssumeRole; role != nil {
		o.AssumeRole = &assumeRoleModel{types.StringPointerValue(role.RoleARN), types.StringPointerValue(role.SessionName), types.StringPointerValue(role.ExternalID)}
	}
	return o
}

// storeOverrideOf is the object_store attribute as it stands in Kubernetes. A Cluster that was made by other means names
// no override: what differs from the provider's store is one.
func (b *backend) storeOverrideOf(cluster *cnpgv1.Cluster) types.Object {
	override, archiver := overrideOf(cluster), cnpg.Archiver(cluster)
	if b != nil && b.store != nil && !cnpg.Applied(cluster) {
		if !sameLocation(archiver.DestinationPath, b.store.destinationPath) {
			override.DestinationPath = locationType.value(archiver.DestinationPath)
		}
		if archiver.EndpointURL != "" && archiver.EndpointURL != cmp.Or(b.store.podEndpointURL, b.store.environment.EndpointURL) {
			override.PodEndpointURL = types.StringValue(archiver.EndpointURL)
		}
	}
	return override.object()
}

// storeOf is the object store that a Cluster archives to, as this machine reaches it: the Cluster's own path and endpoint
// count, since it may have been made by other means. nil while the provider's is not known.
func (b *backend) storeOf(cluster *cnpgv1.Cluster) *objectStore {
	archiver := cnpg.Archiver(cluster)
	if b == nil || b.store == nil || archiver == nil {
		return nil
	}
	store := b.store.with(overrideOf(cluster))
	store.destinationPath, store.podEndpointURL = archiver.DestinationPath, archiver.EndpointURL
	return store
}
