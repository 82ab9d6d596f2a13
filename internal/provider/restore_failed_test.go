package provider_test

import (
	"fmt"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// recoveryFails has each recovery fail, for as long as failing is true.
func (f *fakes) recoveryFails(failing *bool) {
	const pod = "my-db-pitr-1-full-recovery-x7x7x"
	f.kube.Log(fakeNamespace, pod, "full-recovery", `{"level":"info","logger":"barman-cloud-check-wal-archive","msg":"ERROR: WAL archive check failed for server my-db-pitr: Expected empty archive"}`)
	f.kube.React(func(e apitest.Event) {
		c := apitest.As[cnpgv1.Cluster](e.Object)
		if c == nil || c.Name != "my-db-pitr" || e.Type != watch.Added || !*failing {
			return
		}
		failed := &corev1.Pod{ObjectMeta: f.recoveryPart(c.UID, pod), Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "full-recovery"}}}}
		failed.Status.Phase = corev1.PodFailed
		f.kube.Put(failed)
		apitest.Edit(f.kube, fakeNamespace, "my-db-pitr", neverReady)
	})
}

func neverReady(c *cnpgv1.Cluster) { c.Status = cnpgv1.ClusterStatus{Phase: cnpgv1.PhaseFirstPrimary} }

// recoveryPart is the metadata of a part of the recovery, which goes with the Cluster.
func (f *fakes) recoveryPart(owner types.UID, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: fakeNamespace, Name: name,
		Labels:          map[string]string{cnpg.LabelCluster: "my-db-pitr", "cnpg.io/jobRole": "full-recovery", "batch.kubernetes.io/job-name": "my-db-pitr-1-full-recovery"},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: cnpgv1.SchemeGroupVersion.String(), Kind: "Cluster", Name: "my-db-pitr", UID: owner}},
	}
}

// A recovery that PostgreSQL has paused goes on no more, although its pod runs: other settings restore anew.
func TestPausedRestoreIsNoDeadEnd(t *testing.T) {
	t.Parallel()
	const pod = "my-db-pitr-1-full-recovery-x7x7x"
	const paused = `{"level":"info","logger":"postgres","msg":"record","record":{"error_severity":"WARNING","message":"hot standby is not possible because of insufficient parameter settings","detail":"max_connections = 100 is a lower setting than on the primary server, where its value was 200."}}
{"level":"info","logger":"postgres","msg":"record","record":{"error_severity":"LOG","message":"recovery has paused","detail":"If recovery is unpaused, the server will shut down."}}
`
	for name, log := range map[string]string{"paused": paused, "on its way": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := restoreStage(t)
			s.kube.Log(fakeNamespace, pod, "full-recovery", paused)
			recovers := true
			s.kube.React(func(e apitest.Event) {
				c := apitest.As[cnpgv1.Cluster](e.Object)
				if c == nil || c.Name != "my-db-pitr" || e.Type != watch.Added || !recovers {
					return
				}
				running := &corev1.Pod{ObjectMeta: s.recoveryPart(c.UID, pod), Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "full-recovery"}}}}
				running.Status.Phase = corev1.PodRunning
				running.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "full-recovery", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
				s.kube.Put(running, &batchv1.Job{ObjectMeta: s.recoveryPart(c.UID, "my-db-pitr-1-full-recovery")})
				apitest.Edit(s.kube, fakeNamespace, "my-db-pitr", neverReady)
			})
			s.fails(s.config(restoreOf("")), "Unable to Restore Database", "max_connections = 100 is a lower setting", "parameters")
			s.kube.Log(fakeNamespace, pod, "full-recovery", log)
			recovers = false
			corrected := s.config(restoreOf("parameters = { max_connections = \"200\" }"))
			if log == "" {
				s.refused(corrected, "Restore Already Exists")
				return
			}
			first := s.restored().UID
			s.apply(corrected)
			if c := s.restored(); c.UID == first || c.Spec.PostgresConfiguration.Parameters["max_connections"] != "200" {
				t.Error("it was not restored anew")
			}
		})
	}
}

// A failed restore holds no data: with corrected inputs it is removed and restored anew, protected or not, and it can be
// destroyed, with or without a last backup.
func TestFailedRestoreIsNoDeadEnd(t *testing.T) {
	t.Parallel()
	for name, attributes := range map[string]string{"protected": "", "unprotected": unprotected, "with a last backup": "final_backup = true\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := restoreStage(t)
			failing := true
			s.recoveryFails(&failing)
			s.fails(s.config(restoreOf(attributes)), "Unable to Restore Database", "Expected empty archive", "recorded in Terraform's state, marked as tainted", "deletion_protection does not bind it")
			object, first := s.w.Object(pitr), s.restored().UID
			if object == nil || !object.Tainted {
				t.Fatalf("the state holds %+v", object)
			}
			// Tried once more, it fails once more.
			s.fails(s.config(restoreOf(attributes)), "Unable to Restore Database", "Expected empty archive")
			second := s.restored().UID
			if second == first {
				t.Error("the failed restore was not removed")
			}
			failing = false
			plan, warnings := s.plan(s.config(restoreOf(attributes + "target_time = \"2026-03-26T11:30:00Z\"")))
			if plan.Action(pitr) != terraformtest.Replace || !says("Failed Restore Is Removed", "never had a ready instance").MatchString(warnings) {
				t.Errorf("the plan is to %s, with %s", plan.Action(pitr), warnings)
			}
			s.apply(s.config(restoreOf(attributes + "target_time = \"2026-03-26T11:30:00Z\"")))
			if c := s.restored(); c.UID == second || c.Spec.Bootstrap.Recovery.RecoveryTarget.TargetTime == "" || s.w.Object(pitr).Tainted {
				t.Error("it was not restored anew")
			}
			if attributes != unprotected { // once it has run, protection holds
				s.refused(s.config(""), "Database Is Protected")
			}
		})
		t.Run(name+", destroyed", func(t *testing.T) {
			t.Parallel()
			s, _ := restoreStage(t)
			failing := true
			s.recoveryFails(&failing)
			s.fails(s.config(restoreOf(attributes)), "Unable to Restore Database")
			s.w.Write(s.config(""))
			if diags := s.w.Apply(t.Context()); diags.HasError() {
				t.Fatal(diags)
			}
			if s.restored() != nil || len(s.secretsOf(fakeNamespace)) > 0 {
				t.Error("it is still there")
			}
		})
		t.Run(name+", untainted", func(t *testing.T) {
			t.Parallel()
			s, _ := restoreStage(t)
			failing := true
			s.recoveryFails(&failing)
			s.fails(s.config(restoreOf(attributes)), "Unable to Restore Database")
			first := s.restored().UID
			s.w.Untaint(pitr)
			failing = false
			s.apply(s.config(restoreOf(attributes + "target_time = \"2026-03-26T11:30:00Z\"")))
			if s.restored().UID == first {
				t.Error("it was not restored anew")
			}
		})
	}
}

// What keeps the recovery's pod from starting may go by itself. When the time is over, the error says what it means and what to
// change, and an apply with that restores anew: there is nothing that would be lost.
func TestRestoreWhoseRecoveryDoesNotStart(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status corev1.PodStatus
		says   []string
	}{
		"unschedulable": {
			corev1.PodStatus{Conditions: []corev1.PodCondition{{
				Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "0/3 nodes are available: 3 Insufficient cpu.",
			}}},
			[]string{"Unschedulable: 0/3 nodes are available: 3 Insufficient cpu.", "No node takes the pod", "scheduling (node_selector, tolerations), resources", "timeouts.create is over; a longer one helps only"},
		},
		"no image": {
			corev1.PodStatus{
				InitContainerStatuses: []corev1.ContainerStatus{
					{Name: "bootstrap-controller", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed"}}},
					{Name: "plugin-barman-cloud", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}},
				},
				ContainerStatuses: []corev1.ContainerStatus{
					{Name: "somebodys-sidecar", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}},
					{Name: "full-recovery", State: corev1.ContainerState{
						Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "failed to resolve reference"},
					}},
				},
			},
			[]string{"ErrImagePull: failed to resolve reference", "The image cannot be pulled", "Check that image or postgres_version names one that exists, set image_pull_secrets", "timeouts.create is over; a longer one helps only"},
		},
		"anything else": {
			corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "full-recovery", State: corev1.ContainerState{
				Waiting: &corev1.ContainerStateWaiting{Reason: "PodSandboxIsSlow"},
			}}}},
			[]string{"PodSandboxIsSlow", "timeouts.create is over; a longer one may be all that is needed"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := restoreStage(t)
			s.kube.React(func(e apitest.Event) {
				if c := apitest.As[cnpgv1.Cluster](e.Object); c != nil && c.Name == "my-db-pitr" && e.Type == watch.Added {
					s.kube.Put(&batchv1.Job{ObjectMeta: s.recoveryPart(c.UID, "my-db-pitr-1-full-recovery")},
						&corev1.Pod{ObjectMeta: s.recoveryPart(c.UID, "my-db-pitr-1-full-recovery-x7x7x"), Status: test.status})
					apitest.Edit(s.kube, fakeNamespace, "my-db-pitr", neverReady)
				}
			})
			s.fails(s.config(restoreOf("timeouts = { create = \"2s\" }")),
				append(append([]string{"Unable to Restore Database", "not done after 2s"}, test.says...), "marked as tainted")...)
			plan, warnings := s.plan(s.config(restoreOf("image = \"ghcr.io/cloudnative-pg/postgresql:17.5\"")))
			if plan.Action(pitr) != terraformtest.Replace || !strings.Contains(warnings, "Failed Restore Is Removed") {
				t.Errorf("with another image the plan is to %s\n%s", plan.Action(pitr), warnings)
			}
		})
	}
}

// A recovery that still runs is not thrown away for the same one once more, in whatever writing.
func TestRestoreThatStillRuns(t *testing.T) {
	t.Parallel()
	at := func(path, target string) string {
		return strings.Replace(dead(target), "{ server_name", fmt.Sprintf("{ destination_path = %q, server_name", path), 1)
	}
	const other = `target_time = "2026-03-26T12:30:00Z"`
	for name, test := range map[string]struct{ config, same, other string }{
		"latest":       {restoreOf(""), restoreOf(""), restoreOf(other)},
		"to a time":    {restoreOf(`target_time = "2026-03-26T11:30:00Z"`), restoreOf(`target_time = "2026-03-26T13:30:00.0+02:00"`), restoreOf(other)},
		"to a place":   {restoreOf(`target_lsn = "0/B000100"`), restoreOf(`target_lsn = "0/b000100"`), restoreOf(`target_lsn = "0/B000101"`)},
		"from a place": {at("s3://backups/pg", ""), at("s3://backups/pg/", ""), at("s3://backups/pg/", other)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := restoreStage(t)
			config := s.config(test.config)
			s.apply(config)
			c := s.restored()
			apitest.Edit(s.kube, fakeNamespace, "my-db-pitr", neverReady)
			pod := &corev1.Pod{ObjectMeta: s.recoveryPart(c.UID, "my-db-pitr-1-full-recovery-x7x7x"), Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "full-recovery"}}}}
			pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "full-recovery", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
			s.kube.Put(&batchv1.Job{ObjectMeta: s.recoveryPart(c.UID, "my-db-pitr-1-full-recovery")}, pod)
			s.w.Taint(pitr)
			s.refused(config, "Restore Already Exists", "terraform untaint")
			s.refused(s.config(test.same), "Restore Already Exists", "terraform untaint")
			plan, _ := s.plan(s.config(test.other))
			if plan.Action(pitr) != terraformtest.Replace {
				t.Errorf("with other inputs the plan is to %s", plan.Action(pitr))
			}
			s.w.Untaint(pitr)
			plan, warned := s.plan(config)
			if plan.Action(pitr) != terraformtest.Update || !strings.Contains(warned, "Restore Not Complete Yet") { // which waits for its end
				t.Errorf("untainted, the plan is to %s, with %s", plan.Action(pitr), warned)
			}
		})
	}
}

// A Cluster that is none of the provider's restores, or one that has ever run, is nobody's to throw away.
func TestRestoreOntoWhatIsThere(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*cnpgv1.Cluster){
		"a database that was never ready": func(c *cnpgv1.Cluster) { neverReady(c) },
		"a restore of somebody else": func(c *cnpgv1.Cluster) {
			neverReady(c)
			c.Spec.Bootstrap = &cnpgv1.BootstrapConfiguration{Recovery: &cnpgv1.BootstrapRecovery{Source: "origin"}}
		},
		"a restore that has run": func(c *cnpgv1.Cluster) {
			neverReady(c)
			c.Spec.Bootstrap = &cnpgv1.BootstrapConfiguration{Recovery: &cnpgv1.BootstrapRecovery{Source: "origin"}}
			c.Annotations = map[string]string{cnpg.AnnotationSource: "myorg/my-db"}
			c.Status.CurrentPrimary = "my-db-pitr-1"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := restoreStage(t)
			there := s.archivedCluster()
			there.Name = "my-db-pitr"
			change(there)
			s.kube.Put(there)
			version := s.restored().ResourceVersion
			s.refused(s.config(restoreOf("")), "Restore Already Exists", `(AttributeName("name"))`, "import {")
			if s.restored().ResourceVersion != version {
				t.Error("it was changed")
			}
		})
	}
	t.Run("one that appears after the plan", func(t *testing.T) {
		t.Parallel()
		s, _ := restoreStage(t)
		plan, _ := s.plan(s.config(restoreOf("")))
		there := s.archivedCluster()
		there.Name = "my-db-pitr"
		neverReady(there)
		there.Spec.Bootstrap = &cnpgv1.BootstrapConfiguration{Recovery: &cnpgv1.BootstrapRecovery{Source: "origin"}}
		there.Annotations = map[string]string{cnpg.AnnotationSource: "myorg/my-db"}
		s.kube.Put(there)
		version := s.restored().ResourceVersion
		flushed := false
		s.kube.OnExec(func(string, string, []string) (string, string, error) { flushed = true; return "", "", nil })
		if diags := s.w.ApplyPlan(t.Context(), plan); !strings.Contains(diags.Errors().String(), "import {") {
			// A failed restore of another state passes the second plan, and is refused by the create.
			t.Errorf("the apply says %s", diags)
		}
		if s.restored().ResourceVersion != version || s.w.Object(pitr) != nil || flushed {
			t.Error("it was touched")
		}
	})
}

// A replacement restores anew under the same name; nothing is lost where it cannot.
func TestRestoreReplaced(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testRestoreReplaced)
}

func testRestoreReplaced(t *testing.T) {
	t.Parallel()
	s, _ := restoreStage(t)
	early, late := s.config(restoreOf(unprotected+"target_time = \"2026-03-26T11:30:00Z\"")), s.config(restoreOf(unprotected+"target_time = \"2026-03-26T12:30:00Z\""))
	s.apply(early)
	first := s.restored().UID
	s.refused(s.config(restoreOf(unprotected+"target_time = \"2026-03-26T09:00:00Z\"")), "Restore Cannot Succeed", "lies before the recovery window")
	s.apply(late)
	second := s.restored().UID
	if second == first || s.at("base_backup_id") != lateBackup {
		t.Error("it was not restored anew")
	}
	// Another name leaves nothing of the old one.
	s.apply(strings.Replace(late, "my-db-pitr", "my-db-again", 1))
	if s.restored() != nil || apitest.Get[cnpgv1.Cluster](s.kube, fakeNamespace, "my-db-again") == nil {
		t.Error("the old one is still there, or the new one is not")
	}
}

// The folder that a restored database archives to is not the next one's.
func TestRestoreReplacedWithAServerName(t *testing.T) {
	t.Parallel()
	s, _ := restoreStage(t)
	config := func(more string) string {
		return s.config(restoreOf(unprotected + `backup = { schedule = "@daily", server_name = "restored" }` + "\n" + more))
	}
	s.apply(config(""))
	s.s3.Put(fakeBucket, "pg/restored/wals/x", []byte("x"), onTheDay(14, 0))
	s.refused(config(`target_time = "2026-03-26T12:30:00Z"`), "Archive Folder Is Taken", `(AttributeName("backup").AttributeName("server_name"))`)
	if action := s.action(config("")); action != terraformtest.NoOp {
		t.Errorf("unchanged, the plan is to %s", action)
	}
}
