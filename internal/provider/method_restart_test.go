package provider_test

import (
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// A plan that has CNPG make the pods anew says so, and how: where they get the plugin's container, or lose it.
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
	// What whoever keeps the Cluster has chosen for its primary, of two instances or of one.
	chosen := func(instances int, strategy cnpgv1.PrimaryUpdateStrategy, method cnpgv1.PrimaryUpdateMethod) func(*fakes) {
		return func(f *fakes) {
			apitest.EditAs(f.kube, "kubectl-edit", fakeNamespace, "my-db", func(c *cnpgv1.Cluster) {
				c.Spec.Instances, c.Spec.PrimaryUpdateStrategy, c.Spec.PrimaryUpdateMethod = instances, strategy, method
			})
		}
	}
	supervised := chosen(2, cnpgv1.PrimaryUpdateStrategySupervised, cnpgv1.PrimaryUpdateMethodRestart)
	switchover := chosen(2, cnpgv1.PrimaryUpdateStrategyUnsupervised, cnpgv1.PrimaryUpdateMethodSwitchover)
	alone := chosen(1, cnpgv1.PrimaryUpdateStrategyUnsupervised, cnpgv1.PrimaryUpdateMethodSwitchover)
	for name, test := range map[string]struct {
		before, after string
		meanwhile     func(*fakes)
		says          string // "" for nothing
	}{
		"to the plugin":                    {inTree, plugin, nil, "get the container"},
		"to the plugin, in place":          {inTree, plugin, nil, "without a switchover"},
		"to the plugin, by a switchover":   {inTree, plugin, switchover, "without a switchover"},
		"to the plugin, supervised":        {inTree, plugin, supervised, "archives none of it"},
		"from the plugin, by a switchover": {plugin, inTree, switchover, "after a switchover to one of them"},
		"from the plugin, one instance":    {plugin, inTree, alone, "without a switchover"},
		"from the plugin, supervised":      {plugin, inTree, supervised, "kubectl patch cluster my-db --namespace myorg"},
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

// Where CNPG leaves the primary to a person, an apply ends within its grace with what that person is to do, and owes the base backup until
// the primary has its container.
func TestMethodChangesUnderSupervision(t *testing.T) {
	t.Parallel()
	const two = "instances = 2\n"
	s := &stage{fakes: operated(t), t: t, w: terraformtest.New(t, impatient)}
	s.apply(s.config(archivingBy(cnpg.MethodInTree, two)))
	apitest.EditAs(s.kube, "kubectl-edit", fakeNamespace, "my-db", func(c *cnpgv1.Cluster) {
		c.Spec.PrimaryUpdateStrategy = cnpgv1.PrimaryUpdateStrategySupervised
	})
	s.kube.HoldPods()
	s.kube.React(func(e apitest.Event) { // the replica changes, and then CNPG waits
		c := apitest.As[cnpgv1.Cluster](e.Object)
		if c == nil || c.Status.Phase != cnpgv1.PhaseUpgrade || c.Spec.PrimaryUpdateStrategy != cnpgv1.PrimaryUpdateStrategySupervised {
			return
		}
		apitest.Edit(s.kube, fakeNamespace, "my-db-2", func(pod *corev1.Pod) {
			pod.Spec.InitContainers = []corev1.Container{{Name: apitest.SidecarContainer, RestartPolicy: ptr.To(corev1.ContainerRestartPolicyAlways)}}
		})
		apitest.Edit(s.kube, fakeNamespace, "my-db", func(c *cnpgv1.Cluster) {
			c.Status.Phase, c.Status.PhaseReason = cnpgv1.PhaseWaitingForUser, "User must issue a supervised switchover"
		})
	})
	s.fails(s.config(archivingBy(cnpg.MethodPlugin, two)), "Unable to Update Database", "Waiting for user action: User must issue a supervised switchover",
		"kubectl patch cluster my-db --namespace myorg", "not while the primary lacks the container", "the next plan shows what is still to be done")
	if begun := s.begun(); len(begun) > 0 || !cnpg.IsUnfinished(s.cluster(), cnpg.BaseBackup) {
		t.Errorf("%d base backups are begun, and noted is %q", len(begun), s.cluster().Annotations[cnpg.AnnotationUnfinished])
	}
	// Whoever does not wait is told as well, and begins none in vain.
	nobody := s.config(archivingBy(cnpg.MethodPlugin, two+"wait = false\n"))
	s.w.Write(nobody)
	if diags := s.w.Apply(t.Context()); diags.HasError() || !says(laterBackup, "pod my-db-1: does not have the container").MatchString(diags.String()) || len(s.begun()) > 0 {
		t.Errorf("%d base backups are begun, and the apply says\n%s", len(s.begun()), diags)
	}
	// The person does as they are told.
	apitest.EditAs(s.kube, "kubectl-patch", fakeNamespace, "my-db", func(c *cnpgv1.Cluster) {
		c.Spec.PrimaryUpdateStrategy = cnpgv1.PrimaryUpdateStrategyUnsupervised
	})
	apitest.Edit(s.kube, fakeNamespace, "my-db", func(c *cnpgv1.Cluster) { c.Status.Phase = cnpgv1.PhaseUpgrade })
	s.kube.ReleasePods()
	s.apply(s.config(archivingBy(cnpg.MethodPlugin, two)))
	if begun := s.begun(); len(begun) != 1 || begun[0].Status.Phase != cnpgv1.BackupPhaseCompleted {
		t.Errorf("the base backups are %+v", begun)
	}
}
