package provider

import (
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
		MarkdownDescription: "Labels of the Cluster. Those of others stay as they are; keys of `pgplatform.io/` and `cnpg.io/` are refused.",
		Validators: []validator.Map{
			mapvalidator.KeysAre(isMetadataKey(reservedLabel)), mapvalidator.ValueStringsAre(isLabelValue()), mapvalidator.NoNullValues(),
		},
	}
}

func annotationsAttribute() schema.MapAttribute {
	return schema.MapAttribute{
		Optional: true, ElementType: types.StringType,
		MarkdownDescription: "Annotations of the Cluster. Those of others stay as they are; keys of `pgplatform.io/` and `kubectl.kubernetes.io/` are refused, " +
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
func labelsOf(cluster *cnpgv1.Cluster, before types.Map) types.Map {
	return mapOr(userMetadata(cluster.Labels, cnpg.OwnedLabels(cluster), before, reservedLabel), before)
}

func annotationsOf(cluster *cnpgv1.Cluster, before types.Map) types.Map {
	return mapOr(userMetadata(cluster.Annotations, cnpg.OwnedAnnotations(cluster), before, reservedAnnotation), before)
}

func userMetadata(all, owned map[string]string, before types.Map, reserved func(string) bool) map[string]string {
	metadata := map[string]string{}
	for key, value := range owned {
		if !reserved(key) {
			metadata[key] = value
		}
	}
	for key := range before.Elements() {
		if value, ok := all[key]; ok {
			metadata[key] = value
		}
	}
	return metadata
}
