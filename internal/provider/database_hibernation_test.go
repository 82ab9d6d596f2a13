package provider_test

import (
	"fmt"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// An update that hibernates a database ends when CNPG has let its pods go, and one that wakes it up when it is ready again.
func TestDatabaseHibernates(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testDatabaseHibernates)
}

func testDatabaseHibernates(t *testing.T) {
	t.Parallel()
	f := operated(t)
	s := onStage(t, f)
	config := func(more string) string {
		return f.config(backedUp("")[:len(backedUp(""))-len("}\n")] + more + "\n  timeouts = { update = \"20s\" }\n}\n")
	}
	s.apply(config(""))
	f.hibernating()
	s.apply(config(`annotations = { "cnpg.io/hibernation" = "on" }`))
	if got := s.attribute("status"); got != "HIBERNATED" {
		t.Errorf("the status is %s", got)
	}
	s.apply(config(""))
	if got := s.attribute("status"); got != "READY" {
		t.Errorf("the status is %s", got)
	}
}

// hibernating has the fake operator let the pods of the database go and come back, and lets Backups fail as CNPG does meanwhile.
func (f *fakes) hibernating() {
	const condition = cnpg.AnnotationHibernation
	f.kube.React(func(e apitest.Event) {
		c := apitest.As[cnpgv1.Cluster](e.Object)
		if b := apitest.As[cnpgv1.Backup](e.Object); b != nil && b.Status.Phase == cnpgv1.BackupPhaseCompleted && cnpg.Hibernates(f.cluster()) {
			apitest.Edit(f.kube, b.Namespace, b.Name, func(b *cnpgv1.Backup) {
				b.Status = cnpgv1.BackupStatus{Phase: cnpgv1.BackupPhaseFailed, Error: "cannot backup a hibernated cluster"}
			})
		}
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
}

// The archive of a hibernated database moves, and the base backup that begins it is owed until the database is awake.
func TestDatabaseMovesItsArchiveWhileItHibernates(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testDatabaseMovesItsArchiveWhileItHibernates)
}

func testDatabaseMovesItsArchiveWhileItHibernates(t *testing.T) {
	t.Parallel()
	const asleep, later = `annotations = { "cnpg.io/hibernation" = "on" }`, "Base Backup Still To Be Taken"
	configured := func(f *fakes, wait bool, backup, more string) string {
		return f.config(strings.Replace(backedUp(backup), "{\n", fmt.Sprintf("{\n  wait = %t\n  %s\n", wait, more), 1))
	}
	kubectl := func(f *fakes, value string) {
		f.edit("kubectl-annotate", "my-db", func(c *cnpgv1.Cluster) {
			metav1.SetMetaDataAnnotation(&c.ObjectMeta, cnpg.AnnotationHibernation, value)
		})
	}
	for name, test := range map[string]struct {
		sleeps func(*stage, bool) // before the archive moves; nil: together with that
		asleep string             // what the configuration says while it does
		wakes  func(*fakes)       // nil: by an apply
	}{
		"by an apply":      {sleeps: func(s *stage, wait bool) { s.apply(configured(s.fakes, wait, "", asleep)) }, asleep: asleep},
		"together":         {asleep: asleep},
		"woken by kubectl": {sleeps: func(s *stage, _ bool) { kubectl(s.fakes, "on") }, wakes: func(f *fakes) { kubectl(f, "off") }},
	} {
		for _, wait := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, wait: %t", name, wait), func(t *testing.T) {
				t.Parallel()
				f := operated(t)
				f.hibernating()
				s := onStage(t, f)
				s.apply(configured(f, wait, "", ""))
				if test.sleeps != nil {
					test.sleeps(s, wait)
				}
				moved := configured(f, wait, `server_name = "v2"`, test.asleep)
				if warned := s.apply(moved); !strings.Contains(warned, later) || !strings.Contains(warned, "in the folder v2") {
					t.Errorf("the apply warns of\n%s", warned)
				}
				plan, warned := s.plan(moved)
				if note := f.cluster().Annotations[cnpg.AnnotationUnfinished]; !plan.Empty() || !strings.Contains(warned, later) || note != "base-backup" || len(s.begun()) != 0 {
					t.Errorf("the plan is %q with warnings %q, noted is %q, with %d base backups", plan, warned, note, len(s.begun()))
				}
				if test.wakes != nil {
					test.wakes(f)
				}
				woken := configured(f, wait, `server_name = "v2"`, "")
				s.planned(woken, terraformtest.Update)
				s.apply(woken)
				_, warned = s.plan(woken)
				if note, left := f.cluster().Annotations[cnpg.AnnotationUnfinished]; left || len(s.begun()) != 1 || strings.Contains(warned, later) {
					t.Errorf("noted is %q, with %d base backups, and the plan warns of %q", note, len(s.begun()), warned)
				}
			})
		}
	}
}

// A database that is made to hibernate at once has the base backup of its schedule fail, and the apply that wakes it takes one.
func TestDatabaseIsMadeHibernating(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testDatabaseIsMadeHibernating)
}

func testDatabaseIsMadeHibernating(t *testing.T) {
	t.Parallel()
	const asleep, later = `annotations = { "cnpg.io/hibernation" = "on" }`, "Base Backup Still To Be Taken"
	for name, test := range map[string]struct {
		backup string
		owes   bool
	}{
		"with a schedule that begins at once": {"", true},
		"with one that does not":              {", immediate = false", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := operated(t)
			f.hibernating()
			f.schedulesBegin()
			s := onStage(t, f)
			config := func(more string) string {
				return f.config(database(unprotected + `backup = { schedule = "@daily"` + test.backup + " }\n" + more))
			}
			warned := s.apply(config(asleep))
			if strings.Contains(warned, later) != test.owes {
				t.Errorf("the apply warns of\n%s", warned)
			}
			plan, warned := s.plan(config(asleep))
			if !plan.Empty() || strings.Contains(warned, later) != test.owes {
				t.Errorf("the plan is %q with warnings %q", plan, warned)
			}
			before, _ := s.completed(methodOf(t))
			s.apply(config(""))
			after, _ := s.completed(methodOf(t))
			if took := after - before; (took == 1) != test.owes || before != 0 {
				t.Errorf("%d base backups are completed while it hibernates, and %d more by the apply that wakes it", before, took)
			}
			if _, left := f.cluster().Annotations[cnpg.AnnotationUnfinished]; left {
				t.Errorf("noted is %q", f.cluster().Annotations[cnpg.AnnotationUnfinished])
			}
		})
	}
}
