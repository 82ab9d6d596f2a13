package provider_test

import (
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	corev1 "k8s.io/api/core/v1"
	quantities "k8s.io/apimachinery/pkg/api/resource"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

func (f *fakes) memoryLimit() string {
	limit := f.cluster().Spec.Resources.Limits[corev1.ResourceMemory]
	return limit.String()
}

// The limit of memory is the provider's in a database that it made: what somebody changes there is shown and put back.
func TestMemoryLimitThatWasChangedByHand(t *testing.T) {
	t.Parallel()
	f := operated(t)
	s := onStage(t, f)
	config := f.config(database(unprotected + `resources = { memory = "1Gi" }`))
	s.apply(config)
	f.edit("kubectl-edit", "my-db", func(c *cnpgv1.Cluster) {
		c.Spec.Resources.Limits[corev1.ResourceMemory] = quantities.MustParse("8Gi")
	})
	plan, _ := s.plan(config)
	if plan.Action(db) != terraformtest.Update {
		t.Fatalf("the plan is %q", plan.Action(db))
	}
	if before := plan.Change(db).Before.GetAttr("resources").GetAttr("memory"); before.AsString() != "8Gi" {
		t.Errorf("the plan shows %#v", before)
	}
	s.apply(config)
	if f.memoryLimit() != "1Gi" {
		t.Errorf("the limit is %s", f.memoryLimit())
	}
}

// So is one that somebody removes, or the request beside it.
func TestMemoryLimitThatWasRemovedByHand(t *testing.T) {
	t.Parallel()
	for name, remove := range map[string]func(*corev1.ResourceRequirements){
		"the limit":     func(r *corev1.ResourceRequirements) { delete(r.Limits, corev1.ResourceMemory) },
		"all limits":    func(r *corev1.ResourceRequirements) { r.Limits = nil },
		"the request":   func(r *corev1.ResourceRequirements) { delete(r.Requests, corev1.ResourceMemory) },
		"all resources": func(r *corev1.ResourceRequirements) { *r = corev1.ResourceRequirements{} },
	} {
		for _, memory := range []string{"", `resources = { memory = "1Gi" }`} {
			t.Run(name+" "+memory, func(t *testing.T) {
				t.Parallel()
				f := operated(t)
				s := onStage(t, f)
				config := f.config(database(unprotected + memory))
				s.apply(config)
				f.edit("kubectl-edit", "my-db", func(c *cnpgv1.Cluster) { remove(&c.Spec.Resources) })
				plan, _ := s.plan(config)
				if plan.Action(db) != terraformtest.Update {
					t.Fatalf("the plan is %q", plan.Action(db))
				}
				if before := plan.Change(db).Before.GetAttr("resources").GetAttr("memory"); !before.IsNull() {
					t.Errorf("the plan shows %#v", before)
				}
				s.apply(config)
				request := f.cluster().Spec.Resources.Requests[corev1.ResourceMemory]
				if f.memoryLimit() != "1Gi" || request.String() != "1Gi" {
					t.Errorf("the limit is %s, the request %s", f.memoryLimit(), request.String())
				}
			})
		}
	}
}

// The limit that whoever made a database gave it is left to them, also where fields are taken over.
func TestMemoryLimitOfWhoMadeTheDatabase(t *testing.T) {
	t.Parallel()
	s := adopted(t)
	s.edit(apitest.Kubectl, "my-db", func(c *cnpgv1.Cluster) {
		c.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceMemory: quantities.MustParse("1Gi")}
		c.Spec.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: quantities.MustParse("8Gi")}
	})
	config := func(more string) string {
		return s.config(strings.Replace(adoptedDatabase(more), "org_id", "backup = { schedule = \"0 2 * * *\", retention_days = 14 }\norg_id", 1))
	}
	for _, more := range []string{"", "labels = { team = \"a\" }\n", forced + "labels = { team = \"b\" }\n"} {
		s.apply(config(more))
		if s.memoryLimit() != "8Gi" || s.attribute("resources", "memory") != "1Gi" {
			t.Errorf("%q: the limit is %s, the state has %s", more, s.memoryLimit(), s.attribute("resources", "memory"))
		}
	}
}
