package cnpg_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// clocked is what setup makes, for a test in which testing/synctest plays the clock: hours pass in no time.
func clocked(t *testing.T) (*apitest.Server, *cnpg.Client) {
	t.Helper()
	server := apitest.NewInMemory(t)
	server.AddNamespace(key.Namespace)
	client, err := cnpg.New(server.Config(), "cnpg-test/1")
	if err != nil {
		t.Fatal(err)
	}
	return server, client
}

// lineOf is PostgreSQL's own line, as the instance manager passes it on.
func lineOf(severity, message string) string {
	return fmt.Sprintf(`{"level":"info","logger":"postgres","msg":"record","record":{"error_severity":%q,"message":%q}}`+"\n", severity, message)
}

// Whatever a wait meets, no ten seconds go by without a word of it, which says in which phase the recovery is, which WAL it has
// come to, and how far that is.
func TestWaitRestoredTellsEveryTenSeconds(t *testing.T) {
	t.Parallel()
	const restores = "my-db-1-full-recovery-aaaaa"
	replayed := func(s *apitest.Server, n int) {
		var log strings.Builder
		for i := range n {
			log.WriteString(lineOf("LOG", fmt.Sprintf("restored log file \"0000000100000000000000%02X\" from archive", i+3)))
		}
		s.Log(key.Namespace, restores, "full-recovery", log.String())
	}
	replaying := func(s *apitest.Server) {
		s.Put(recovering(restores))
		replayed(s, 2)
	}
	tests := map[string]struct {
		goesOn func(*apitest.Server)
		told   string // in a line at least
	}{
		"nothing is to be seen": {func(*apitest.Server) {}, "Setting up primary (20s so far)"},
		"CloudNativePG has not begun": {func(s *apitest.Server) {
			apitest.Edit(s, key.Namespace, key.Name, func(c *cnpgv1.Cluster) { c.Status.Phase = "" })
		}, "CloudNativePG has not begun yet (20s so far)"},
		"a pod finds no node": {func(s *apitest.Server) {
			p := recovering(restores)
			p.Status.Phase, p.Status.ContainerStatuses = corev1.PodPending, nil
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "0/1 nodes are available"}}
			s.Put(p)
		}, "0/1 nodes are available"},
		"a base backup is copied": {func(s *apitest.Server) {
			s.Put(recovering(restores))
			s.Log(key.Namespace, restores, "full-recovery", `{"level":"info","msg":"Starting barman-cloud-restore"}`+"\n")
		}, ": copying the base backup (1.5 GiB)"},
		"WAL is replayed": {func(s *apitest.Server) {
			replaying(s)
			for n := range 30 {
				time.Sleep(7 * time.Second)
				replayed(s, n+2)
			}
		}, ": replaying WAL, segment 000000010000000000000021 (31 of at most 62) (4m"},
		"the kubelet is slow": {func(s *apitest.Server) {
			replaying(s)
			s.Fail(func(r apitest.Request) *apitest.Fault {
				if r.Subresource == "log" {
					return &apitest.Fault{Latency: 2500 * time.Millisecond}
				}
				return nil
			})
		}, ": replaying WAL, segment 000000010000000000000004 (2 of at most 62) ("},
		"the log of the plugin's container never comes": {func(s *apitest.Server) {
			s.Fail(func(r apitest.Request) *apitest.Fault {
				if r.Subresource == "log" && r.Query.Get("container") == apitest.SidecarContainer {
					return &apitest.Fault{Hang: true}
				}
				return nil
			})
			p := recovering(restores)
			p.Spec.InitContainers = append(p.Spec.InitContainers, corev1.Container{Name: apitest.SidecarContainer})
			s.Put(p)
			replayed(s, 2)
		}, ": replaying WAL, segment 000000010000000000000004 (2 of at most 62) (3"},
		"a try has failed": {func(s *apitest.Server) {
			s.Put(recoveryPod("my-db-1-full-recovery-00000", 1))
			s.Log(key.Namespace, "my-db-1-full-recovery-00000", "full-recovery", `{"level":"info","msg":"ERROR: Could not connect to the endpoint URL"}`+"\n")
			time.Sleep(30 * time.Second)
			replaying(s)
		}, "pod my-db-1-full-recovery-00000 failed and will be tried again: ERROR: Could not connect to the endpoint URL"},
		"the kubelet answers late or never": {func(s *apitest.Server) {
			replaying(s)
			time.Sleep(20 * time.Second)
			s.Put(recoveryPod("my-db-1-full-recovery-00000", 1))
			s.Fail(func(r apitest.Request) *apitest.Fault {
				if r.Subresource == "log" {
					return &apitest.Fault{Hang: true}
				}
				return nil
			})
		}, "its log cannot be read"},
		"the API server is away": {func(s *apitest.Server) {
			replaying(s)
			time.Sleep(20 * time.Second)
			s.Fail(apitest.Each("", "", apitest.Fault{Status: http.StatusServiceUnavailable}))
			s.CloseWatches()
			time.Sleep(2 * time.Minute)
			s.Fail(nil)
		}, "replaying WAL, segment 000000010000000000000004 (2 of at most 62) (2m"},
		"the API server is away from the beginning": {func(s *apitest.Server) {
			s.Fail(apitest.Each("", "", apitest.Fault{Status: http.StatusServiceUnavailable}))
			time.Sleep(2 * time.Minute)
			s.Fail(nil)
			replaying(s)
		}, "the API server has not answered yet (1m"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server, client := clocked(t)
				server.Put(restoring())
				go func() {
					test.goesOn(server)
					time.Sleep(time.Minute)
					server.Fail(nil)
					apitest.Edit(server, key.Namespace, key.Name, healthy)
				}()
				begun := time.Now()
				last, told := begun, ""
				said := func(text string) {
					if silence := time.Since(last); silence > 10*time.Second {
						t.Errorf("nothing was told for %s, until %s after the beginning: %q", silence, time.Since(begun), text)
					}
					last, told = time.Now(), told+text+"\n"
				}
				course := cnpg.Course{FirstWAL: "000000010000000000000003", LastWAL: "000000010000000000000040", Bytes: 3 << 29}
				if _, _, err := client.WaitRestored(t.Context(), key, course, said); err != nil {
					t.Fatalf("%v; told:\n%s", err, told)
				}
				said("ready")
				if !strings.Contains(told, test.told) {
					t.Errorf("told:\n%swant a line with %q", told, test.told)
				}
			})
		})
	}
}
