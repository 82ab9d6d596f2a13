package provider_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

const laterBackup = "Base Backup Still To Be Taken"

// backedUpAtOnce is the configuration of a database with a backup block, without one for "".
func (f *fakes) backedUpAtOnce(backup, more string) string {
	if backup != "" {
		backup = `backup = { schedule = "@daily", ` + backup + " }\n"
	}
	return f.config(database(unprotected + backup + more))
}

// releasesPods lets the pods change as soon as somebody watches them.
func (s *stage) releasesPods() {
	release := sync.OnceFunc(s.kube.ReleasePods)
	s.kube.Fail(func(r apitest.Request) *apitest.Fault {
		if r.Resource == "pods" && r.Verb == apitest.VerbWatch {
			go release()
		}
		return nil
	})
}

// schedulesBegin has the fake operator take the backup that a new ScheduledBackup begins with, as CNPG does, which tries none again.
func (f *fakes) schedulesBegin() {
	f.kube.React(func(e apitest.Event) {
		scheduled := apitest.As[cnpgv1.ScheduledBackup](e.Object)
		if scheduled == nil || !ptr.Deref(scheduled.Spec.Immediate, false) {
			return
		}
		for _, b := range apitest.All[cnpgv1.Backup](f.kube) {
			if b.Labels[cnpg.LabelImmediateBackup] == "true" {
				return
			}
		}
		cluster := f.cluster()
		f.kube.Put(&cnpgv1.Backup{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: fakeNamespace, Name: "my-db-" + f.now().Format("20060102150405"),
				Labels:          map[string]string{cnpg.LabelCluster: "my-db", cnpg.LabelScheduledBackup: "my-db", cnpg.LabelImmediateBackup: "true"},
				OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(cluster, cnpgv1.SchemeGroupVersion.WithKind("Cluster"))},
			},
			Spec: cnpgv1.BackupSpec{Cluster: cnpgv1.LocalObjectReference{Name: "my-db"}, Method: scheduled.Spec.Method, PluginConfiguration: scheduled.Spec.PluginConfiguration},
		})
	})
}

// completed is how many base backups by a method are completed, and how many others there are.
func (s *stage) completed(method cnpg.Method) (completed, others int) {
	by, _ := cnpg.BackupBy(method)
	for _, b := range s.begun() {
		if b.Spec.Method == by && b.Status.Phase == cnpgv1.BackupPhaseCompleted {
			completed++
		} else {
			others++
		}
	}
	return completed, others
}

// An update that begins backups by the plugin and is cut off while the pods get its container owes the base backup, and the next one sees
// to it: to one, whoever takes it.
func TestBaseBackupAfterACutOffBeginning(t *testing.T) {
	t.Parallel()
	const plugin, short = `method = "plugin"`, `timeouts = { update = "3s" }`
	for name, test := range map[string]struct {
		backup            string         // what is configured besides
		cutOff            func(s *stage) // nil: while the pods change
		then              []string       // what the applies after it say besides
		begins            func(s *stage) // before the last of them
		completed, others int            // base backups in the end
	}{
		"the pods change during the next":   {then: []string{""}, begins: (*stage).releasesPods, completed: 1},
		"the pods have changed":             {then: []string{""}, begins: func(s *stage) { s.kube.ReleasePods() }, completed: 1},
		"and the pods change, nobody waits": {then: []string{"wait = false", "wait = false"}, begins: func(s *stage) { s.kube.ReleasePods() }, completed: 1, others: 1},
		"none is to be taken":               {backup: ", immediate = false", then: []string{""}, begins: (*stage).releasesPods},
		"when the schedule has begun": {
			cutOff: func(s *stage) {
				s.kube.ReleasePods()
				s.kube.Fail(apitest.Each(apitest.VerbPatch, "clusters", apitest.Fault{Status: http.StatusForbidden}))
			},
			then: []string{""}, begins: func(s *stage) { s.kube.Fail(nil) }, completed: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := operated(t)
			f.schedulesBegin()
			s := onStage(t, f)
			s.apply(f.backedUpAtOnce("", ""))
			s.kube.HoldPods()
			if test.cutOff != nil {
				test.cutOff(s)
			}
			s.fails(f.backedUpAtOnce(plugin+test.backup, short), "Unable to Update Database")
			if note, owed := f.cluster().Annotations[cnpg.AnnotationUnfinished], test.backup == ""; (note == "base-backup") != owed {
				t.Errorf("noted is %q", note)
			}
			for i, more := range test.then {
				if last := i == len(test.then)-1; last {
					test.begins(s)
				}
				s.w.Write(f.backedUpAtOnce(plugin+test.backup, more))
				if diags := s.w.Apply(t.Context()); diags.HasError() {
					t.Fatal(diags)
				}
			}
			if completed, others := s.completed(cnpg.MethodPlugin); completed != test.completed || others != test.others {
				t.Errorf("%d base backups are completed, and %d not", completed, others)
			}
			s.kube.Fail(nil)
			if plan, _ := s.plan(f.backedUpAtOnce(plugin+test.backup, test.then[0])); !plan.Empty() {
				t.Errorf("in the end there is more to do:\n%s", plan)
			}
		})
	}
}

// One that nothing cuts off takes one base backup too, that of the schedule.
func TestBaseBackupThatTheScheduleTakes(t *testing.T) {
	t.Parallel()
	f := operated(t)
	f.schedulesBegin()
	s := onStage(t, f)
	s.apply(f.backedUpAtOnce("", ""))
	s.kube.HoldPods()
	s.releasesPods()
	s.apply(f.backedUpAtOnce(`method = "plugin"`, ""))
	if completed, others := s.completed(cnpg.MethodPlugin); completed != 1 || others != 0 {
		t.Errorf("%d base backups are completed, and %d not", completed, others)
	}
}

// Nor does that of a database that hibernates get lost, whose schedule begins in vain.
func TestBaseBackupOfOneThatBeginsWhileItHibernates(t *testing.T) {
	t.Parallel()
	const asleep = `annotations = { "cnpg.io/hibernation" = "on" }`
	for _, method := range methods {
		for _, wait := range []bool{true, false} {
			t.Run(fmt.Sprintf("by %s, wait: %t", method, wait), func(t *testing.T) {
				t.Parallel()
				configured := func(f *fakes, backup, more string) string {
					return f.backedUpAtOnce(backup, fmt.Sprintf("wait = %t\n%s\n", wait, more))
				}
				by := fmt.Sprintf("method = %q", method)
				f := operated(t)
				f.hibernating()
				f.schedulesBegin()
				s := onStage(t, f)
				s.apply(configured(f, "", asleep))
				s.w.Write(configured(f, by, asleep))
				if diags := s.w.Apply(t.Context()); diags.HasError() || !strings.Contains(diags.String(), laterBackup) {
					t.Errorf("the apply says\n%s", diags)
				}
				if completed, others := s.completed(method); completed != 0 || others != 1 {
					t.Errorf("while it hibernates, %d base backups are completed, and %d not", completed, others) // the second is the control
				}
				s.apply(configured(f, by, ""))
				if completed, others := s.completed(method); completed != 1 || others != 1 {
					t.Errorf("%d base backups are completed, and %d not", completed, others)
				}
			})
		}
	}
}

// One that in-tree backups begin with is owed by nobody whom the pods keep waiting: these need nothing for it, and the schedule takes it.
func TestBaseBackupThatAnInTreeScheduleTakes(t *testing.T) {
	t.Parallel()
	for _, more := range []string{"wait = true", "wait = false"} {
		t.Run(more, func(t *testing.T) {
			t.Parallel()
			f := operated(t)
			f.schedulesBegin()
			s := onStage(t, f)
			s.apply(f.backedUpAtOnce("", more))
			if warned := s.apply(f.backedUpAtOnce(`method = "barmanObjectStore"`, more)); strings.Contains(warned, laterBackup) {
				t.Errorf("the apply warns of %q", warned)
			}
			if completed, others := s.completed(cnpg.MethodInTree); completed != 1 || others != 0 {
				t.Errorf("%d base backups are completed, and %d not", completed, others)
			}
			if _, noted := f.cluster().Annotations[cnpg.AnnotationUnfinished]; noted {
				t.Error("it is still owed")
			}
		})
	}
}

// Where nobody waits, a base backup stays owed for as long as the pods lack what it needs, and so does all that is to follow it.
func TestBaseBackupThatStaysOwed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ before, after, lacks string }{
		"backups by the plugin begin": {"", `method = "plugin"`, "pod my-db-1: does not have the container plugin-barman-cloud"},
		"in-tree becomes the plugin":  {`method = "barmanObjectStore"`, `method = "plugin"`, "pod my-db-1: does not have the container plugin-barman-cloud"},
		"the plugin becomes in-tree":  {`method = "plugin"`, `method = "barmanObjectStore"`, "pod my-db-1: still has the container plugin-barman-cloud"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const nobody = "wait = false"
			f := operated(t)
			s := onStage(t, f)
			s.apply(f.backedUpAtOnce(test.before, nobody))
			s.kube.HoldPods()
			begun, stores := len(s.begun()), len(apitest.All[barmancloud.ObjectStore](s.kube))
			for range 3 {
				s.w.Write(f.backedUpAtOnce(test.after, nobody))
				diags := s.w.Apply(t.Context())
				if diags.HasError() || !strings.Contains(diags.String(), laterBackup) || len(s.begun()) != begun {
					t.Errorf("%d base backups were begun, and it says %q", len(s.begun())-begun, diags)
				}
				if !cnpg.IsUnfinished(f.cluster(), cnpg.BaseBackup) || len(apitest.All[barmancloud.ObjectStore](s.kube)) < stores {
					t.Errorf("noted is %q, and %d ObjectStores are there", f.cluster().Annotations[cnpg.AnnotationUnfinished], len(apitest.All[barmancloud.ObjectStore](s.kube)))
				}
			}
			if warnings := s.w.Apply(t.Context()).Warnings().String(); !says(test.lacks).MatchString(warnings) {
				t.Errorf("it does not say what the pods lack: %q", warnings)
			}
			s.kube.ReleasePods()
			if warnings := s.apply(f.backedUpAtOnce(test.after, nobody)); strings.Contains(warnings, laterBackup) || len(s.begun())-begun != 1 {
				t.Errorf("when the pods have changed, it has %d base backups, and warns %q", len(s.begun())-begun, warnings)
			}
			for _, b := range s.begun()[begun:] {
				if b.Status.Phase != cnpgv1.BackupPhaseCompleted {
					t.Errorf("the Backup %s is %q: %s", b.Name, b.Status.Phase, b.Status.Error)
				}
			}
			s.planned(f.backedUpAtOnce(test.after, nobody), terraformtest.NoOp)
		})
	}
}
