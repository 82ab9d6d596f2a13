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

// The folders of the roles: of those in the namespace of the databases, and of those in that of a restore's source.
const (
	examples         = "../../examples/rbac"
	examplesOfSource = examples + "/source"
)

// objects are those of the examples in a folder, as they are.
func objects(t *testing.T, folder string) []runtime.Object {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
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
		t.Fatalf("%s has no objects", folder)
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

// right is one verb on one resource, in the namespace of the databases or in that of a restore's source.
type right struct {
	verb, resource, group string
	ofSource              bool
}

func (r right) String() string {
	text := r.verb + " " + r.resource
	if r.group != "" {
		text += "." + r.group
	}
	if r.ofSource {
		text += " of the source"
	}
	return text
}

// denied is how the API server says that the service account of a namespace lacks it.
func (r right) denied(w *world) string {
	text := fmt.Sprintf(`User "system:serviceaccount:%s:terraform" cannot %s resource %q in API group %q`, w.namespace, r.verb, r.resource, r.group)
	switch {
	case r.resource == "namespaces" || r.resource == "storageclasses":
		return text + " at the cluster scope"
	case r.ofSource:
		return text + fmt.Sprintf(" in the namespace %q", w.source)
	}
	return text + fmt.Sprintf(" in the namespace %q", w.namespace)
}

// rights are those of rules in one of the folders, one by one.
func rights(rules []rbacv1.PolicyRule, folder string) []right {
	var all []right
	for _, rule := range rules {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					all = append(all, right{verb, resource, group, folder == examplesOfSource})
				}
			}
		}
	}
	return all
}

// except are rules of all rights but those that are missing.
func except(rules []rbacv1.PolicyRule, folder string, missing []string) []rbacv1.PolicyRule {
	var kept []rbacv1.PolicyRule
	for _, r := range rights(rules, folder) {
		if !slices.Contains(missing, r.String()) {
			kept = append(kept, rbacv1.PolicyRule{APIGroups: []string{r.group}, Resources: []string{r.resource}, Verbs: []string{r.verb}})
		}
	}
	return kept
}

// everyRight are those of all roles, each once.
func everyRight(t *testing.T) []right {
	t.Helper()
	var all []right
	for _, folder := range []string{examples, examplesOfSource} {
		for _, object := range objects(t, folder) {
			if rules := rulesOf(object); rules != nil {
				for _, r := range rights(*rules, folder) {
					if slices.Contains(all, r) {
						t.Errorf("two of the roles have the right to %s", r)
					}
					all = append(all, r)
				}
			}
		}
	}
	return all
}
