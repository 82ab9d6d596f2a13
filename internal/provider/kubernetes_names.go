package provider

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/util/validation"
)

// maxNameLength is CNPG's limit for a Cluster's name: the names of its pods and services are made of it.
const maxNameLength = 50

// maxNamespaceLength is Kubernetes' limit for the names of namespaces.
const maxNamespaceLength = 63

var (
	dns1035 = regexp.MustCompile(`^[a-z]([-a-z0-9]*[a-z0-9])?$`)
	dns1123 = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
)

// namespaceValidators refuse what cannot be the name of a namespace.
func namespaceValidators() []validator.String {
	return []validator.String{
		stringvalidator.LengthBetween(1, maxNamespaceLength),
		stringvalidator.RegexMatches(dns1123, "must consist of lower case letters, digits and hyphens"),
	}
}

// rule makes a parser of one of Kubernetes' own validations.
func rule(kind string, check func(string) []string) func(string) error {
	return func(s string) error {
		if problems := check(s); len(problems) > 0 {
			return fmt.Errorf("%q is no %s: %s", s, kind, strings.Join(problems, "; "))
		}
		return nil
	}
}

func isObjectName() validator.String {
	return parses{"the name of a Kubernetes object", rule("name of a Kubernetes object", validation.IsDNS1123Subdomain)}
}

func isQualifiedName() validator.String {
	return parses{"a qualified name of Kubernetes, such as example.com/team", rule("qualified name", content.IsLabelKey)}
}

func isLabelValue() validator.String {
	return parses{"a value of a Kubernetes label", rule("value of a label", content.IsLabelValue)}
}

// isMetadataKey also refuses the keys that belong to others.
func isMetadataKey(reserved func(string) bool) validator.String {
	return parses{"a key of your own", func(s string) error {
		if reserved(s) {
			return fmt.Errorf("%q belongs to the provider, CloudNativePG or kubectl, and cannot be configured", s)
		}
		return rule("qualified name", content.IsLabelKey)(s)
	}}
}
