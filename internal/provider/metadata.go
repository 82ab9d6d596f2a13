package provider

import (
	"maps"
	"slices"
	"strings"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework-validators/mapvalidator"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

func labelsAttribute() schema.MapAttribute {
	return schema.MapAttribute{
		Optional: true, ElementType: types.StringType,
		MarkdownDescription: "Labels of the Cluster. Those of others stay as they are; keys of `pgplatform.io/` and `cnpg.io/` are refused. Default: none. Changed in place.",
		Validators: []validator.Map{
			mapvalidator.KeysAre(isMetadataKey(reservedLabel)), mapvalidator.ValueStringsAre(isLabelValue()), mapvalidator.NoNullValues(),
		},
	}
}

func annotationsAttribute() schema.MapAttribute {
	return schema.MapAttribute{
		Optional: true, ElementType: types.StringType,
		MarkdownDescription: "Annotations of the Cluster. Default: none. Changed in place. Those of others stay as they are; keys of `pgplatform.io/` and `kubectl.kubernetes.io/` are refused, " +
			"and those of `cnpg.io/` that would switch off a check of CloudNativePG or the archiving.",
		Validators: []validator.Map{mapvalidator.KeysAre(isMetadataKey(reservedAnnotation)), mapvalidator.NoNullValues()},
	}
}

// reservedLabel tells whether a label is not the user's to set.
func reservedLabel(key string) bool {
	prefix, _, _ := strings.Cut(key, "/")
	return prefix == "pgplatform.io" || prefix == "cnpg.io" || strings.HasSuffix(prefix, ".cnpg.io")
}

// cnpgAnnotations are those that CNPG writes itself, and those by which a database could lose data unnoticed.
var cnpgAnnotations = []string{
	"cnpg.io/skipEmptyWalArchiveCheck", "cnpg.io/skipWalArchiving", "cnpg.io/validation", "cnpg.io/reloadedAt",
	"cnpg.io/operatorVersion", "cnpg.io/hash",
}

// reservedAnnotation tells whether an annotation is not the user's to set.
func reservedAnnotation(key string) bool {
	prefix, _, _ := strings.Cut(key, "/")
	return prefix == "pgplatform.io" || prefix == "kubectl.kubernetes.io" || slices.Contains(cnpgAnnotations, key)
}

// labelsOf reads the labels that the provider owns or knew before or, of a Cluster that was made by other means, all that
// somebody stated.
func labelsOf(cluster *cnpgv1.Cluster, fields *cnpg.Managed, before types.Map) types.Map {
	owned := fields.Entries(cluster.Labels, "metadata", "labels")
	maps.DeleteFunc(owned, func(key, _ string) bool { return reservedLabel(key) })
	return mapOr(andKnown(owned, cluster.Labels, before), before)
}

func annotationsOf(cluster *cnpgv1.Cluster, fields *cnpg.Managed, before types.Map) types.Map {
	owned := fields.Entries(cluster.Annotations, "metadata", "annotations")
	maps.DeleteFunc(owned, func(key, _ string) bool { return reservedAnnotation(key) })
	return mapOr(andKnown(owned, cluster.Annotations, before), before)
}

// orgIDOf reads the label org_id in the same way.
func orgIDOf(cluster *cnpgv1.Cluster, fields *cnpg.Managed, before types.String) types.String {
	if before.IsNull() && !fields.Ours("metadata", "labels", cnpg.LabelOrgID) {
		return before
	}
	return nullIfEmpty(cluster.Labels[cnpg.LabelOrgID])
}

// andKnown adds to the entries of a map that the provider owns those that it knew before, whoever has changed them since.
func andKnown(owned, all map[string]string, before types.Map) map[string]string {
	for key := range before.Elements() {
		if value, ok := all[key]; ok {
			owned[key] = value
		}
	}
	return owned
}

// hibernates tells whether the annotations that are ours put the database to sleep.
func (m *databaseModel) hibernates() bool {
	on, ok := m.Annotations.Elements()[cnpg.AnnotationHibernation].(types.String)
	return ok && on.ValueString() == "on"
}
