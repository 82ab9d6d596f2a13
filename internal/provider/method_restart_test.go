package provider_test

import (
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
)

// A plan that has CNPG make the pods anew says so: where they get the plugin's container, or lose it.
func TestPlanSaysThatPodsAreRestarted(t *testing.T) {
	t.Parallel()
	const restarts = "Pods Are Restarted"
	off := database(unprotected)
	inTree, plugin := archivingBy(cnpg.MethodInTree, ""), archivingBy(cnpg.MethodPlugin, "")
	hibernates := func(f *fakes) {
		apitest.Edit(f.kube, fakeNamespace, "my-db", func(c *cnpgv1.Cluster) {
			c.Annotations[cnpg.AnnotationHibernation] = "on"
		})
	}
	lacksStore := func(f *fakes) {
		apitest.Delete[barmancloud.ObjectStore](f.kube, fakeNamespace, cnpg.ObjectStoreName("my-db"))
	}
	for name, test := range map[string]struct {
		before, after string
		meanwhile     func(*fakes)
		says          string // "" for nothing
	}{
		"to the plugin":                    {inTree, plugin, nil, "get the container"},
		"to the plugin, hibernated":        {inTree, plugin, hibernates, ""},
		"from the plugin":                  {plugin, inTree, nil, "lose the container"},
		"the plugin begins":                {off, plugin, nil, "get the container"},
		"the plugin ends":                  {plugin, off, nil, "lose the container"},
		"in-tree begins":                   {off, inTree, nil, ""},
		"in-tree ends":                     {inTree, off, nil, ""},
		"the plugin goes on":               {plugin, strings.Replace(plugin, "@daily", "@weekly", 1), nil, ""},
		"the plugin's ObjectStore is gone": {plugin, plugin, lacksStore, ""},
		"it is made":                       {"", plugin, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := onStage(t, operated(t))
			if test.before != "" {
				s.apply(s.config(test.before))
			}
			if test.meanwhile != nil {
				test.meanwhile(s.fakes)
			}
			plan, warnings := s.plan(s.config(test.after))
			if plan.Empty() {
				t.Fatal("nothing is planned")
			}
			if strings.Contains(warnings, restarts) != (test.says != "") || !strings.Contains(warnings, test.says) {
				t.Errorf("the plan warns of\n%s", warnings)
			}
		})
	}
}
