package cnpg_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

const recoveryJob = "my-db-1-full-recovery"

// recoveryPod is a pod of the recovery Job that ended with an exit code.
func recoveryPod(name string, exitCode int32) *corev1.Pod {
	p := pod(name, "full-recovery")
	p.Labels["cnpg.io/jobRole"] = "full-recovery"
	p.Labels["batch.kubernetes.io/job-name"] = recoveryJob
	p.Spec.InitContainers = []corev1.Container{{Name: "bootstrap-controller"}}
	p.Status.Phase = corev1.PodFailed
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: "full-recovery", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: exitCode, Reason: "Error"}},
	}}
	return p
}

func restoring() *cnpgv1.Cluster {
	cluster := wanted()
	cluster.Status.Phase = cnpgv1.PhaseFirstPrimary
	return cluster
}

func ignore(string) {}

func TestWaitRestored(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	server.Put(restoring())
	var progress []string
	cluster, _, err := client.WaitRestored(ctx, key, cnpg.Course{}, func(text string) {
		progress = append(progress, text)
		apitest.Edit(server, key.Namespace, key.Name, healthy)
	})
	if err != nil || !cnpg.Healthy(cluster) {
		t.Fatalf("WaitRestored = %+v, %v", cluster, err)
	}
	if want := []string{cnpgv1.PhaseFirstPrimary, cnpgv1.PhaseHealthy}; !slices.Equal(progress, want) {
		t.Errorf("progress was %q, want %q", progress, want)
	}
}

// recovering is a pod of the recovery Job that has not ended.
func recovering(name string) *corev1.Pod {
	p := recoveryPod(name, 0)
	p.Status.Phase = corev1.PodRunning
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "full-recovery", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
	return p
}

// logReads is how often a container's log was asked for.
func logReads(server *apitest.Server) int {
	reads := 0
	for _, r := range server.Requests() {
		if r.Subresource == "log" {
			reads++
		}
	}
	return reads
}

// A recovery that goes on for long is told of from time to time, with what its log says by then.
func TestWaitRestoredTellsHowItGoesOn(t *testing.T) {
	t.Parallel()
	const restores = "my-db-1-full-recovery-aaaaa"
	synctest.Test(t, func(t *testing.T) {
		server, client := clocked(t)
		server.Put(restoring(), recovering(restores))
		var told []string
		course := cnpg.Course{FirstWAL: "000000010000000000000003", LastWAL: "000000010000000000000005"}
		_, _, err := client.WaitRestored(t.Context(), key, course, func(text string) {
			told = append(told, text)
			switch len(told) {
			case 2:
				server.Log(key.Namespace, restores, "full-recovery", lineOf("LOG", `restored log file "000000010000000000000004" from archive`))
			case 4:
				apitest.Edit(server, key.Namespace, key.Name, healthy)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		const base, wal = "Setting up primary, pod my-db-1-full-recovery-aaaaa Running", ": replaying WAL, segment 000000010000000000000004 (2 of at most 3)"
		want := []string{base, base + " (5s so far)", base + wal + " (10s so far)", base + wal + " (15s so far)", strings.Replace(base, "Setting up primary", "Cluster in healthy state", 1) + wal}
		if !slices.Equal(told, want) {
			t.Errorf("told: %q, want %q", told, want)
		}
	})
}

// PostgreSQL waits for somebody to change the settings, and the Job with it, without an end.
func TestWaitRestoredEndsWhereARecoveryIsPaused(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	server.Put(restoring(), recovering("my-db-1-full-recovery-aaaaa"))
	line := func(severity, message, detail string) string {
		return `{"ts":"2026-03-26T12:00:07.5Z","logger":"postgres","msg":"record","record":{"error_severity":"` + severity + `","message":"` + message + `","detail":"` + detail + `"}}` + "\n"
	}
	server.Log(key.Namespace, "my-db-1-full-recovery-aaaaa", "full-recovery",
		line("WARNING", "hot standby is not possible because of insufficient parameter settings", "max_connections = 100 is a lower setting than on the primary server, where its value was 200.")+
			line("LOG", "recovery has paused", "If recovery is unpaused, the server will shut down."))
	_, _, err := client.WaitRestored(ctx, key, cnpg.Course{}, ignore)
	var failed *cnpg.RecoveryError
	if !errors.As(err, &failed) || !failed.Cause.Deterministic || !strings.Contains(failed.Cause.Line, "max_connections = 100 is a lower setting") {
		t.Fatalf("WaitRestored: %v, want a RecoveryError with the setting", err)
	}
	if want := time.Date(2026, 3, 26, 12, 0, 7, 500000000, time.UTC); !failed.Failed.Equal(want) {
		t.Errorf("it failed at %s, want %s", failed.Failed, want)
	}
}

func TestWaitRestoredAsksNoMoreForLogsItMayNotRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := clocked(t)
		server.Put(restoring(), recovering("my-db-1-full-recovery-aaaaa"))
		server.Fail(func(r apitest.Request) *apitest.Fault {
			if r.Subresource == "log" {
				return &apitest.Fault{Status: http.StatusForbidden, Message: `User "ci" cannot get resource "pods/log"`}
			}
			return nil
		})
		told := 0
		if _, _, err := client.WaitRestored(t.Context(), key, cnpg.Course{}, func(string) {
			if told++; told == 5 {
				apitest.Edit(server, key.Namespace, key.Name, healthy)
			}
		}); err != nil {
			t.Fatal(err)
		}
		if reads := logReads(server); reads != 1 {
			t.Errorf("logs were asked for %d times", reads)
		}
	})
}

// What the recovery itself has logged is read while its pod is there; the restored database tells the rest.
func TestWaitRestoredTellsWhereTheRecoveryEnded(t *testing.T) {
	t.Parallel()
	const restored = "my-db-1-full-recovery-aaaaa"
	line := func(message string) string {
		return `{"level":"info","logger":"postgres","msg":"record","record":{"error_severity":"LOG","message":"` + message + `"}}` + "\n"
	}
	log := line("redo done at 0/4049290 system usage: CPU: user: 0.00 s") +
		line("last completed transaction was at log time 2026-03-26 12:00:06.999999+00") + line("selected new timeline ID: 2")
	at := time.Date(2026, 3, 26, 12, 0, 6, 999999000, time.UTC)
	byPlugin := func(s *apitest.Server) {
		apitest.Edit(s, key.Namespace, restored, func(p *corev1.Pod) {
			p.Spec.InitContainers = append(p.Spec.InitContainers, corev1.Container{Name: apitest.SidecarContainer})
		})
		s.Log(key.Namespace, restored, apitest.SidecarContainer, `{"level":"warning","msg":"Failed restoring WAL file","error":"no route to host"}`+"\n")
	}
	unread := func(container string) func(apitest.Request) *apitest.Fault {
		return func(r apitest.Request) *apitest.Fault {
			if r.Subresource == "log" && r.Query.Get("container") == container {
				return &apitest.Fault{Status: http.StatusBadGateway, Message: "the kubelet does not answer"}
			}
			return nil
		}
	}
	tests := map[string]struct {
		prepare func(*apitest.Server)
		want    cnpg.Recovered
	}{
		"from the log": {func(s *apitest.Server) {
			s.Log(key.Namespace, restored, "full-recovery", log)
		}, cnpg.Recovered{LastTransaction: at, LSN: 0x4049290, Timeline: 2}},
		"from the log, when it is asked for again": {func(s *apitest.Server) {
			s.Log(key.Namespace, restored, "full-recovery", log)
			s.Fail(func() func(apitest.Request) *apitest.Fault {
				var asked atomic.Bool
				return func(r apitest.Request) *apitest.Fault {
					if r.Subresource == "log" && asked.CompareAndSwap(false, true) {
						apitest.Edit(s, key.Namespace, key.Name, func(c *cnpgv1.Cluster) { c.Status.Phase = cnpgv1.PhaseWaitingForInstancesToBeActive })
						return &apitest.Fault{Status: http.StatusBadGateway, Message: "the kubelet does not answer"}
					}
					return nil
				}
			}())
		}, cnpg.Recovered{LastTransaction: at, LSN: 0x4049290, Timeline: 2}},
		"from the log, and the plugin's": {func(s *apitest.Server) {
			byPlugin(s)
			s.Log(key.Namespace, restored, "full-recovery", log)
		}, cnpg.Recovered{LastTransaction: at, LSN: 0x4049290, Timeline: 2, Trouble: "Failed restoring WAL file: no route to host"}},
		"from the log, when the plugin's cannot be read": {func(s *apitest.Server) {
			byPlugin(s)
			s.Log(key.Namespace, restored, "full-recovery", log)
			s.Fail(unread(apitest.SidecarContainer))
		}, cnpg.Recovered{LastTransaction: at, LSN: 0x4049290, Timeline: 2}},
		"from the plugin's log, when the other one cannot be read": {func(s *apitest.Server) {
			byPlugin(s)
			s.Fail(unread("full-recovery"))
		}, cnpg.Recovered{Trouble: "Failed restoring WAL file: no route to host"}},
		"from the database": {func(s *apitest.Server) {
			s.OnExec(func(string, string, []string) (string, string, error) {
				return "00000003\t1\t0/3000000\tno recovery target specified\n\n2\t0/5000000\tafter LSN 0/4FFFFFF\n\n", "", nil
			})
		}, cnpg.Recovered{LSN: 0x4FFFFFF, Timeline: 3}},
		"from nobody": {func(*apitest.Server) {}, cnpg.Recovered{}},
		"from an answer that makes no sense": {func(s *apitest.Server) {
			s.OnExec(func(string, string, []string) (string, string, error) {
				return "f\n000000010000000000000007\n", "", nil
			})
		}, cnpg.Recovered{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			done := recoveryPod(restored, 0)
			done.Status.Phase = corev1.PodSucceeded
			server.Put(restoring(), done, pod("my-db-1", "postgres"))
			test.prepare(server)
			again := name == "from the log, when it is asked for again"
			_, recovered, err := client.WaitRestored(ctx, key, cnpg.Course{}, func(text string) {
				if !again || !strings.HasPrefix(text, cnpgv1.PhaseFirstPrimary) {
					apitest.Edit(server, key.Namespace, key.Name, healthy)
				}
			})
			if err != nil || recovered != test.want {
				t.Errorf("WaitRestored = %+v, %v, want %+v", recovered, err, test.want)
			}
		})
	}
}

func TestWaitRestoredEndsAtTheFirstPodThatNoRetryMends(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	server.Put(restoring(), recoveryPod("my-db-1-full-recovery-aaaaa", 1))
	server.Log(key.Namespace, "my-db-1-full-recovery-aaaaa", "full-recovery",
		`{"level":"info","msg":"Starting webserver"}`+"\n"+
			`{"level":"error","msg":"Error while restoring a backup","error":"no target backup found"}`+"\n")
	_, _, err := client.WaitRestored(ctx, key, cnpg.Course{}, ignore)
	var recovery *cnpg.RecoveryError
	if !errors.As(err, &recovery) {
		t.Fatalf("WaitRestored: %v, want a RecoveryError", err)
	}
	if recovery.Pod != "my-db-1-full-recovery-aaaaa" || recovery.Key != key || !recovery.Cause.Deterministic || recovery.Cause.Remedy == "" {
		t.Errorf("the error is %+v", recovery)
	}
	if want := "the recovery of Cluster myorg/my-db failed (pod my-db-1-full-recovery-aaaaa): Error while restoring a backup: no target backup found"; err.Error() != want {
		t.Errorf("the error says %q, want %q", err, want)
	}
}

// The first pod's failure may pass; a later one's may not. Each pod's log is read once.
// A log that cannot be read just now is asked for again, and no further than that.
func TestWaitRestoredReadsALogThatIsNotThereAtOnce(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		failing int // requests
		told    string
	}{
		"it comes":       {2, ""},
		"it never comes": {100, "pod my-db-1-full-recovery-aaaaa failed and will be tried again: its log cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			client.Graces.LookAgain = time.Millisecond
			server.Put(restoring(), recoveryPod("my-db-1-full-recovery-aaaaa", 1))
			server.Log(key.Namespace, "my-db-1-full-recovery-aaaaa", "full-recovery", `{"level":"error","msg":"Error while restoring a backup","error":"no target backup found"}`)
			var mu sync.Mutex
			asked := 0
			server.Fail(func(r apitest.Request) *apitest.Fault {
				mu.Lock()
				defer mu.Unlock()
				if r.Subresource != "log" {
					return nil
				}
				if asked++; asked > test.failing {
					return nil
				}
				return &apitest.Fault{Status: http.StatusBadGateway, Message: "the kubelet does not answer"}
			})
			var told []string
			_, _, err := client.WaitRestored(ctx, key, cnpg.Course{}, func(text string) {
				told = append(told, text)
				if test.told != "" && strings.HasPrefix(text, test.told) {
					apitest.Edit(server, key.Namespace, key.Name, healthy)
				}
			})
			var failure *cnpg.RecoveryError
			if got := errors.As(err, &failure) && failure.Cause.Deterministic; got != (test.told == "") || !got && err != nil {
				t.Errorf("WaitRestored: %v; told: %q", err, told)
			}
		})
	}
}

func TestWaitRestoredLeavesPassingFailuresToTheJob(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	network := `{"level":"info","logger":"barman-cloud-backup-list","msg":"ERROR: Could not connect to the endpoint URL"}`
	server.Put(restoring(), recoveryPod("my-db-1-full-recovery-aaaaa", 1))
	server.Log(key.Namespace, "my-db-1-full-recovery-aaaaa", "full-recovery", network)
	server.Log(key.Namespace, "my-db-1-full-recovery-bbbbb", "full-recovery", network)
	var told []string
	cluster, _, err := client.WaitRestored(ctx, key, cnpg.Course{}, func(text string) {
		told = append(told, text)
		switch {
		case strings.HasPrefix(text, "pod my-db-1-full-recovery-aaaaa failed"):
			server.Put(recoveryPod("my-db-1-full-recovery-bbbbb", 1))
		case strings.HasPrefix(text, "pod my-db-1-full-recovery-bbbbb failed"):
			apitest.Edit(server, key.Namespace, key.Name, healthy)
		}
	})
	if err != nil || !cnpg.Healthy(cluster) {
		t.Fatalf("WaitRestored: %v; told: %q", err, told)
	}
	if want := "pod my-db-1-full-recovery-aaaaa failed and will be tried again: ERROR: Could not connect to the endpoint URL"; !slices.Contains(told, want) {
		t.Errorf("told were %q, without %q", told, want)
	}
	if reads := logReads(server); reads != 4 { // two pods with two containers each
		t.Errorf("%d logs were read, want 4", reads)
	}
}

func TestWaitRestoredEndsWithTheJob(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: recoveryJob, Labels: map[string]string{cnpg.LabelCluster: key.Name}}}
	job.Status.Conditions = []batchv1.JobCondition{{Type: batchv1.JobFailed, Status: corev1.ConditionTrue, Reason: "BackoffLimitExceeded"}}
	server.Put(restoring(), recoveryPod("my-db-1-full-recovery-aaaaa", 1), job)
	server.Log(key.Namespace, "my-db-1-full-recovery-aaaaa", "full-recovery", `{"level":"error","msg":"restore error","error":"exit status 2"}`)
	_, _, err := client.WaitRestored(ctx, key, cnpg.Course{}, ignore)
	var recovery *cnpg.RecoveryError
	if !errors.As(err, &recovery) || recovery.Cause.Line != "restore error: exit status 2" || recovery.Cause.Deterministic {
		t.Fatalf("WaitRestored: %v, want the RecoveryError of the only pod", err)
	}
}

// The Job gives up some time after the pod whose failure might have passed; CNPG says so a moment later, or, before 1.28.4 and
// 1.29.2, never.
func TestWaitRestoredEndsWithTheJobThatHasTriedForLong(t *testing.T) {
	t.Parallel()
	gaveUp := func(s *apitest.Server) {
		job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: recoveryJob, Labels: map[string]string{cnpg.LabelCluster: key.Name}}}
		job.Status.Conditions = []batchv1.JobCondition{{Type: batchv1.JobFailed, Status: corev1.ConditionTrue, Reason: "BackoffLimitExceeded"}}
		s.Put(job)
	}
	unrecoverable := func(s *apitest.Server) {
		apitest.Edit(s, key.Namespace, key.Name, func(c *cnpgv1.Cluster) {
			c.Status.Phase, c.Status.PhaseReason = cnpgv1.PhaseUnrecoverable, "Instance creation failed for the following jobs: "+recoveryJob
		})
	}
	for name, end := range map[string]func(*apitest.Server){"the Job is seen": gaveUp, "the Cluster is seen": unrecoverable} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			failed := recoveryPod("my-db-1-full-recovery-aaaaa", 1)
			at := time.Date(2026, 3, 26, 12, 0, 7, 0, time.UTC)
			failed.Status.ContainerStatuses[0].State.Terminated.FinishedAt = metav1.NewTime(at)
			server.Put(restoring(), failed)
			server.Log(key.Namespace, failed.Name, "full-recovery", `{"level":"error","msg":"restore error","error":"exit status 2"}`)
			server.Log(key.Namespace, "my-db-1-full-recovery-bbbbb", "full-recovery", `{"level":"error","msg":"restore error","error":"something that the first try has left"}`)
			_, _, err := client.WaitRestored(ctx, key, cnpg.Course{}, func(text string) {
				switch {
				case strings.HasPrefix(text, "pod my-db-1-full-recovery-aaaaa failed"):
					server.Put(recoveryPod("my-db-1-full-recovery-bbbbb", 1))
				case strings.HasPrefix(text, "pod my-db-1-full-recovery-bbbbb failed"):
					end(server)
				}
			})
			var recovery *cnpg.RecoveryError
			if !errors.As(err, &recovery) || recovery.Pod != failed.Name || recovery.Cause.Line != "restore error: exit status 2" || !recovery.Failed.Equal(at) {
				t.Fatalf("WaitRestored: %v, want the RecoveryError of the first pod", err)
			}
		})
	}
}

// A try finds on the volume what the one before has left. Why that one failed is the cause, as long as its pod is there.
func TestWaitRestoredNamesWhatWasBeforeAFullVolume(t *testing.T) {
	t.Parallel()
	const first, second = "my-db-1-full-recovery-bbbbb", "my-db-1-full-recovery-aaaaa"
	const network, full = "ERROR: Could not connect to the endpoint URL", "ERROR: Barman cloud restore exception: [Errno 28] No space left on device"
	line := func(text string) string {
		return `{"level":"info","logger":"barman-cloud-restore","msg":"` + text + `"}`
	}
	refuses := func(s *apitest.Server, status int, times int32) {
		var asked atomic.Int32
		s.Fail(func(r apitest.Request) *apitest.Fault {
			if r.Subresource == "log" && strings.HasPrefix(r.Name, first) && asked.Add(1) <= times {
				return &apitest.Fault{Status: status, Message: "the log cannot be had"}
			}
			return nil
		})
	}
	job := func(failed int32) *batchv1.Job {
		job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: recoveryJob, Labels: map[string]string{cnpg.LabelCluster: key.Name}}}
		job.Status.Failed = failed
		return job
	}
	tests := map[string]struct {
		prepare func(*apitest.Server)
		gone    bool   // the first pod
		pod     string // that the error names
		line    string
		filled  bool // whether it tells of the later try
		says    string
	}{
		"both are there":                 {prepare: func(*apitest.Server) {}, pod: first, line: network, filled: true, says: "could not reach S3"},
		"the first one's log comes late": {prepare: func(s *apitest.Server) { refuses(s, http.StatusBadGateway, 2) }, pod: first, line: network, filled: true, says: "could not reach S3"},
		"the first one's log is not to be had": {
			prepare: func(s *apitest.Server) { refuses(s, http.StatusForbidden, 100) }, pod: second, line: full, says: "Earlier tries failed before this one",
		},
		"the first one is gone":    {prepare: func(s *apitest.Server) { s.Put(job(2)) }, gone: true, pod: second, line: full, says: "Earlier tries failed before this one"},
		"there was none before it": {prepare: func(s *apitest.Server) { s.Put(job(1)) }, gone: true, pod: second, line: full, says: "The volume is too small"},
		"nobody may see how often": {prepare: func(*apitest.Server) {}, gone: true, pod: second, line: full, says: "The volume is too small"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			client.Graces.LookAgain = time.Millisecond
			server.Put(restoring(), recoveryPod(second, 1))
			if !test.gone {
				server.Put(recoveryPod(first, 1))
				apitest.Edit(server, key.Namespace, first, func(p *corev1.Pod) {
					p.CreationTimestamp = metav1.NewTime(p.CreationTimestamp.Add(-20 * time.Second))
				})
			}
			server.Log(key.Namespace, first, "full-recovery", line(network))
			server.Log(key.Namespace, second, "full-recovery", line(full))
			test.prepare(server)
			_, _, err := client.WaitRestored(ctx, key, cnpg.Course{}, ignore)
			var failure *cnpg.RecoveryError
			if !errors.As(err, &failure) || failure.Pod != test.pod || failure.Cause.Line != test.line || !strings.Contains(failure.Cause.Meaning, test.says) || failure.Cause.Remedy == "" {
				t.Fatalf("WaitRestored: %v: %+v", err, failure)
			}
			if told := strings.Contains(err.Error(), "a later try (pod "+second+") found the volume full of what earlier ones had left: "+full); told != test.filled {
				t.Errorf("the error says %q", err)
			}
		})
	}
}

func TestWaitRestoredThatIsCutOffTellsWhatHasFailed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		log, says string
		known     bool
	}{
		"known":   {`{"level":"info","msg":"ERROR: Could not connect to the endpoint URL"}`, "ERROR: Could not connect to the endpoint URL", true},
		"unknown": {`{"level":"error","msg":"restore error","error":"exit status 2"}`, "restore error: exit status 2", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			ctx, cancel := context.WithCancel(ctx)
			server.Put(restoring(), recoveryPod("my-db-1-full-recovery-aaaaa", 1))
			server.Log(key.Namespace, "my-db-1-full-recovery-aaaaa", "full-recovery", test.log)
			_, _, err := client.WaitRestored(ctx, key, cnpg.Course{}, func(text string) {
				if strings.Contains(text, "failed and will be tried again") {
					cancel()
				}
			})
			var stalled *cnpg.StalledError
			if !errors.As(err, &stalled) || !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "pod my-db-1-full-recovery-aaaaa has failed: "+test.says) {
				t.Fatalf("WaitRestored: %v", err)
			}
			if known := len(stalled.Causes) == 1 && stalled.Causes[0].Line == test.says && stalled.Causes[0].Remedy != ""; known != test.known || !known && len(stalled.Causes) > 0 {
				t.Errorf("the causes are %+v", stalled.Causes)
			}
		})
	}
}

// The recovery is done, and the pod that runs the restored database fails again and again.
func TestWaitRestoredLooksAtTheRestoredDatabase(t *testing.T) {
	t.Parallel()
	full := `{"logger":"postgres","msg":"record","record":{"error_severity":"FATAL","message":"could not write to file: No space left on device"}}`
	other := `{"logger":"postgres","msg":"record","record":{"error_severity":"FATAL","message":"could not load library"}}`
	for name, test := range map[string]struct {
		log  string
		told string
	}{
		"for good":      {log: full},
		"it may mend":   {log: other, told: "pod my-db-1 failed and will be tried again: FATAL: could not load library"},
		"silent at all": {told: "pod my-db-1 failed and will be tried again: the pod failed without an error in its log"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			instance := pod("my-db-1", "postgres")
			instance.Labels["cnpg.io/podRole"] = "instance"
			instance.Status.ContainerStatuses = []corev1.ContainerStatus{{
				Name: "postgres", RestartCount: 2,
				State:                corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
				LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed"}},
			}}
			server.Put(restoring(), instance)
			server.Log(key.Namespace, "my-db-1", "postgres", test.log)
			var told []string
			_, _, err := client.WaitRestored(ctx, key, cnpg.Course{}, func(text string) {
				if told = append(told, text); text == test.told {
					server.Put(pod("my-db-1", "postgres"))
					apitest.Edit(server, key.Namespace, key.Name, healthy)
				}
			})
			var failure *cnpg.RecoveryError
			switch {
			case test.told != "" && (err != nil || !slices.Contains(told, test.told)):
				t.Errorf("WaitRestored: %v; told: %q", err, told)
			case test.told == "" && (!errors.As(err, &failure) || !failure.Recovered || !strings.Contains(err.Error(), "is recovered, but does not start (pod my-db-1): FATAL: could not write to file")):
				t.Errorf("WaitRestored: %v", err)
			}
		})
	}
}

// Nobody knows the words, but they are always the same.
func TestWaitRestoredEndsWherePostgreSQLDiesAlwaysInTheSameWay(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	dies := func(times int32) {
		instance := pod("my-db-1", "postgres")
		instance.Labels["cnpg.io/podRole"] = "instance"
		instance.Status.ContainerStatuses = []corev1.ContainerStatus{{
			Name: "postgres", RestartCount: times, LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}},
		}}
		server.Put(instance)
	}
	server.Put(restoring())
	server.Log(key.Namespace, "my-db-1", "postgres", `{"logger":"postgres","msg":"2026-03-26 12:00:07.158 UTC [24] FATAL:  could not set the cipher list (no valid ciphers available)"}`)
	dies(1)
	deaths := int32(1)
	_, _, err := client.WaitRestored(ctx, key, cnpg.Course{}, func(text string) {
		if strings.Contains(text, "will be tried again") {
			deaths++
			dies(deaths)
		}
	})
	var failure *cnpg.RecoveryError
	if !errors.As(err, &failure) || deaths != 3 || failure.Cause.Meaning != "PostgreSQL has ended 3 times with these words." ||
		failure.Cause.Line != "FATAL: could not set the cipher list (no valid ciphers available)" {
		t.Errorf("after %d deaths: %v", deaths, err)
	}
}

func TestWaitRestoredWithoutTheRightToReadLogs(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	server.Put(restoring(), recoveryPod("my-db-1-full-recovery-aaaaa", 1))
	server.Fail(func(r apitest.Request) *apitest.Fault {
		if r.Subresource == "log" {
			return &apitest.Fault{Status: http.StatusForbidden, Message: `User "ci" cannot get resource "pods/log"`}
		}
		return nil
	})
	var told []string
	_, _, err := client.WaitRestored(ctx, key, cnpg.Course{}, func(text string) {
		told = append(told, text)
		if strings.Contains(text, "failed and will be tried again") {
			apitest.Edit(server, key.Namespace, key.Name, func(c *cnpgv1.Cluster) { c.Status.Phase = cnpgv1.PhaseUnrecoverable })
		}
	})
	var terminal *cnpg.TerminalPhaseError
	if !errors.As(err, &terminal) {
		t.Errorf("WaitRestored: %v, want CNPG's own verdict", err)
	}
	if all := strings.Join(told, "\n"); !strings.Contains(all, `its log cannot be read`) || !strings.Contains(all, `cannot get resource "pods/log"`) {
		t.Errorf("told: %s", all)
	}
}

// Pods of other roles may fail without the recovery having failed.
func TestWaitRestoredLooksAtRecoveryPodsOnly(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	join := recoveryPod("my-db-2-join-aaaaa", 1)
	join.Labels["cnpg.io/jobRole"] = "join"
	server.Put(restoring(), join)
	server.Log(key.Namespace, "my-db-2-join-aaaaa", "full-recovery", `{"level":"error","msg":"restore error","error":"no target backup found"}`)
	if _, _, err := client.WaitRestored(ctx, key, cnpg.Course{}, func(string) { apitest.Edit(server, key.Namespace, key.Name, healthy) }); err != nil {
		t.Errorf("WaitRestored: %v", err)
	}
}
