package provider_test

import (
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// An update that hibernates a database ends when CNPG has let its pods go, and one that wakes it up when it is ready again.
func TestDatabaseHibernates(t *testing.T) {
	t.Parallel()
	const condition = "cnpg.io/hibernation"
	f := operated(t)
	s := onStage(t, f)
	config := func(more string) string {
		return f.config(backedUp("")[:len(backedUp(""))-len("}\n")] + more + "\n  timeouts = { update = \"20s\" }\n}\n")
	}
	s.apply(config(""))
	f.kube.React(func(e apitest.Event) {
		c := apitest.As[cnpgv1.Cluster](e.Object)
		if c == nil {
			return
		}
		asleep := meta.FindStatusCondition(c.Status.Conditions, condition) != nil
		switch asked := c.Annotations[condition] == "on"; {
		case asked && !asleep:
			apitest.Edit(f.kube, fakeNamespace, "my-db", func(c *cnpgv1.Cluster) {
				c.Status.ReadyInstances = 0
				meta.SetStatusCondition(&c.Status.Conditions, metav1.Condition{Type: condition, Status: metav1.ConditionTrue, Reason: "Hibernated"})
			})
		case !asked && asleep:
			apitest.Edit(f.kube, fakeNamespace, "my-db", apitest.Healthy)
		}
	})
	s.apply(config(`annotations = { "cnpg.io/hibernation" = "on" }`))
	if got := s.attribute("status"); got != "HIBERNATED" {
		t.Errorf("the status is %s", got)
	}
	s.apply(config(""))
	if got := s.attribute("status"); got != "READY" {
		t.Errorf("the status is %s", got)
	}
}
