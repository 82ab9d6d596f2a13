package rights

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
)

// examples is the folder of the roles.
const examples = "../../examples/rbac"

// objects are those of the examples, as they are.
func objects(t *testing.T) []runtime.Object {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(examples, "*.yaml"))
	must(t, err)
	strict := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	var all []runtime.Object
	for _, file := range files {
		content, err := os.ReadFile(file)
		must(t, err)
		documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
		for {
			document, err := documents.Read()
			if document == nil {
				break
			}
			must(t, err)
			object, _, err := strict.Decode(document, nil, nil)
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			all = append(all, object)
		}
	}
	if len(all) == 0 {
		t.Fatalf("%s has no objects", examples)
	}
	return all
}

// rulesOf are the rules of a role; nil of what is none.
func rulesOf(object runtime.Object) *[]rbacv1.PolicyRule {
	switch role := object.(type) {
	case *rbacv1.Role:
		return &role.Rules
	case *rbacv1.ClusterRole:
		return &role.Rules
	}
	return nil
}

// right is one verb on one resource.
type right struct{ verb, resource, group string }

func (r right) String() string {
	if r.group == "" {
		return r.verb + " " + r.resource
	}
	return r.verb + " " + r.resource + "." + r.group
}

// denied is how the API server says that somebody lacks it in a namespace.
func (r right) denied(namespace string) string {
	text := fmt.Sprintf(`User "system:serviceaccount:%s:terraform" cannot %s resource %q in API group %q`, namespace, r.verb, r.resource, r.group)
	if r.resource == "namespaces" || r.resource == "storageclasses" {
		return text + " at the cluster scope"
	}
	return text + fmt.Sprintf(" in the namespace %q", namespace)
}

// rights are those of rules, one by one.
func rights(rules []rbacv1.PolicyRule) []right {
	var all []right
	for _, rule := range rules {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					all = append(all, right{verb, resource, group})
				}
			}
		}
	}
	return all
}

// except are rules of all rights but one.
func except(rules []rbacv1.PolicyRule, missing string) []rbacv1.PolicyRule {
	var kept []rbacv1.PolicyRule
	for _, r := range rights(rules) {
		if r.String() != missing {
			kept = append(kept, rbacv1.PolicyRule{APIGroups: []string{r.group}, Resources: []string{r.resource}, Verbs: []string{r.verb}})
		}
	}
	return kept
}

// everyRight are those of all roles, each once.
func everyRight(t *testing.T) []right {
	t.Helper()
	var all []right
	for _, object := range objects(t) {
		if rules := rulesOf(object); rules != nil {
			for _, r := range rights(*rules) {
				if slices.Contains(all, r) {
					t.Errorf("two of the roles have the right to %s", r)
				}
				all = append(all, r)
			}
		}
	}
	return all
}
