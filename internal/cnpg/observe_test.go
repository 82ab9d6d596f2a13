package cnpg_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

func TestObserveBeginsWithWhatIsThere(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	server.Put(wanted(), pod("my-db-1", "postgres"),
		&batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: "my-db-1-initdb", Labels: map[string]string{cnpg.LabelCluster: key.Name}}},
		&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: "my-db-1", Labels: map[string]string{cnpg.LabelCluster: key.Name}}},
		event("one", "my-db", corev1.EventTypeWarning), event("two", "my-db-1", corev1.EventTypeWarning),
		// None of these is of the Cluster.
		&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: "other-1", Labels: map[string]string{cnpg.LabelCluster: "other"}}},
		event("three", "my-db", corev1.EventTypeNormal), event("four", "my-dbx", corev1.EventTypeWarning),
	)
	server.Forget()
	asked := 0
	err := client.Observe(ctx, key, []cnpg.Kind{cnpg.KindCluster, cnpg.KindJob, cnpg.KindPod, cnpg.KindVolume, cnpg.KindEvent}, func(s *cnpg.Snapshot) (bool, error) {
		asked++
		if s.Cluster == nil || len(s.Jobs) != 1 || len(s.Pods) != 1 || len(s.Volumes) != 1 || len(s.Events) != 2 {
			t.Errorf("snapshot: cluster %v, %d jobs, %d pods, %d volumes, %d events", s.Cluster != nil, len(s.Jobs), len(s.Pods), len(s.Volumes), len(s.Events))
		}
		return true, nil
	})
	if err != nil || asked != 1 {
		t.Errorf("Observe asked %d times and returned %v", asked, err)
	}
	for _, r := range server.Requests() {
		if r.Verb != apitest.VerbWatch {
			t.Errorf("unexpected request %s", r)
		}
	}
}

func event(name, about, kind string) *corev1.Event {
	return &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: key.Namespace, Name: name},
		InvolvedObject: corev1.ObjectReference{Name: about}, Type: kind, Reason: "Reason", Message: "of " + name,
	}
}

// A change is seen however the watch that should tell of it fares.
func TestObserveSeesAChange(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		prepare func(*apitest.Server)
		// disturb runs when the watch is open, before the change.
		disturb func(*apitest.Server)
	}{
		"on an open watch":              {},
		"on a server without watchlist": {prepare: (*apitest.Server).NoWatchList},
		"after the watch was closed":    {disturb: (*apitest.Server).CloseWatches},
		"after the version expired": {disturb: func(s *apitest.Server) {
			s.Compact()
			s.CloseWatches()
		}},
		"when the first watch says 410": {prepare: func(s *apitest.Server) {
			s.Fail(apitest.First(apitest.VerbWatch, "clusters", apitest.Fault{ExpireWatch: true}))
		}},
		"when the first watch ends at once": {prepare: func(s *apitest.Server) {
			s.Fail(apitest.First(apitest.VerbWatch, "clusters", apitest.Fault{EndWatch: true}))
		}},
		"when the first request meets a server error": {prepare: func(s *apitest.Server) {
			s.Fail(apitest.First("", "clusters", apitest.Fault{Status: http.StatusInternalServerError}))
		}},
		"when the first request is throttled": {prepare: func(s *apitest.Server) {
			s.Fail(apitest.First("", "clusters", apitest.Fault{Status: http.StatusTooManyRequests, RetryAfter: "0"}))
		}},
		"when the first connection breaks": {prepare: func(s *apitest.Server) {
			s.Fail(apitest.First("", "clusters", apitest.Fault{ResetBefore: true}))
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			server.Put(wanted())
			if test.prepare != nil {
				test.prepare(server)
			}
			changed := false
			err := client.Observe(ctx, key, []cnpg.Kind{cnpg.KindCluster}, func(s *cnpg.Snapshot) (bool, error) {
				if s.Cluster != nil && !changed {
					changed = true
					if test.disturb != nil {
						test.disturb(server)
					}
					apitest.Edit(server, key.Namespace, key.Name, healthy)
				}
				return s.Cluster != nil && s.Cluster.Status.Phase == cnpgv1.PhaseHealthy, nil
			})
			if err != nil {
				t.Errorf("Observe: %v", err)
			}
		})
	}
}

// A change is looked at when the watch tells of it, not when it is time to look again.
func TestObserveIsPrompt(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	client.Graces.LookAgain = time.Hour
	server.Put(wanted())
	written := false
	err := client.Observe(ctx, key, []cnpg.Kind{cnpg.KindCluster, cnpg.KindPod, cnpg.KindVolume}, func(s *cnpg.Snapshot) (bool, error) {
		if !written {
			written = true
			apitest.Edit(server, key.Namespace, key.Name, healthy)
		}
		return s.Cluster.Status.Phase == cnpgv1.PhaseHealthy, nil
	})
	if err != nil {
		t.Errorf("Observe: %v", err)
	}
}

// refuse ends the watches that are open and answers requests for a resource with 401: twice, and calls then, or for good
// where there is none.
func refuse(server *apitest.Server, resource string, then func()) {
	var asked atomic.Int64
	server.Fail(func(r apitest.Request) *apitest.Fault {
		if r.Resource != resource {
			return nil
		}
		refused := &apitest.Fault{Status: http.StatusUnauthorized, Message: "Unauthorized"}
		if n := asked.Add(1); then != nil && n == 2 {
			refused.Before = then
		} else if then != nil && n > 2 {
			return nil
		}
		return refused
	})
	server.CloseWatches()
}

// A token that expires during a wait is replaced when it is refused: that ends no wait.
func TestObserveWhenATokenExpires(t *testing.T) {
	t.Parallel()
	t.Run("of the Cluster", func(t *testing.T) {
		t.Parallel()
		ctx, server, client := setup(t)
		server.Put(wanted())
		expire := sync.OnceFunc(func() {
			refuse(server, "clusters", func() { apitest.Edit(server, key.Namespace, key.Name, healthy) })
		})
		err := client.Observe(ctx, key, []cnpg.Kind{cnpg.KindCluster}, func(s *cnpg.Snapshot) (bool, error) {
			expire()
			return s.Cluster.Status.Phase == cnpgv1.PhaseHealthy, nil
		})
		if err != nil {
			t.Errorf("Observe: %v", err)
		}
	})
	t.Run("of the Cluster, for good", func(t *testing.T) {
		t.Parallel()
		ctx, server, client := setup(t)
		server.Put(wanted())
		expire := sync.OnceFunc(func() { refuse(server, "clusters", nil) })
		err := client.Observe(ctx, key, []cnpg.Kind{cnpg.KindCluster}, func(*cnpg.Snapshot) (bool, error) {
			expire()
			return false, nil
		})
		if err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), "Unauthorized") {
			t.Errorf("Observe: %v", err)
		}
	})
	t.Run("of what is around it", func(t *testing.T) {
		t.Parallel()
		ctx, server, client := setup(t)
		server.Put(wanted(), pod("my-db-1", "postgres"))
		expire := sync.OnceFunc(func() {
			refuse(server, "pods", func() {
				apitest.Delete[corev1.Pod](server, key.Namespace, "my-db-1")
				server.Put(pod("my-db-2", "postgres"))
			})
		})
		err := client.Observe(ctx, key, []cnpg.Kind{cnpg.KindCluster, cnpg.KindPod}, func(s *cnpg.Snapshot) (bool, error) {
			expire()
			return len(s.Pods) == 1 && s.Pods[0].Name == "my-db-2", nil
		})
		if err != nil {
			t.Errorf("Observe: %v", err)
		}
	})
	// What was seen last would be taken for what is there now.
	t.Run("of what is around it, for good", func(t *testing.T) {
		t.Parallel()
		ctx, server, client := setup(t)
		server.Put(wanted(), pod("my-db-1", "postgres"))
		expire := sync.OnceFunc(func() { refuse(server, "pods", nil) })
		err := client.Observe(ctx, key, []cnpg.Kind{cnpg.KindCluster, cnpg.KindPod}, func(s *cnpg.Snapshot) (bool, error) {
			expire()
			return s.Cluster != nil && len(s.Pods) == 0, nil
		})
		if err != nil {
			t.Errorf("Observe: %v", err)
		}
	})
}

func TestObserveWithoutRights(t *testing.T) {
	t.Parallel()
	all := []cnpg.Kind{cnpg.KindCluster, cnpg.KindJob, cnpg.KindPod, cnpg.KindVolume, cnpg.KindEvent}
	forbid := func(is func(apitest.Request) bool) func(apitest.Request) *apitest.Fault {
		return func(r apitest.Request) *apitest.Fault {
			if is(r) {
				return &apitest.Fault{Status: http.StatusForbidden, Message: `User "ci" cannot watch resource "` + r.Resource + `"`}
			}
			return nil
		}
	}
	t.Run("what is around the Cluster stays empty", func(t *testing.T) {
		t.Parallel()
		ctx, server, client := setup(t)
		server.Put(wanted(), pod("my-db-1", "postgres"))
		server.Fail(forbid(func(r apitest.Request) bool { return r.Resource != "clusters" }))
		err := client.Observe(ctx, key, all, func(s *cnpg.Snapshot) (bool, error) {
			if len(s.Pods) != 0 {
				t.Errorf("pods that may not be seen: %v", s.Pods)
			}
			return s.Cluster != nil, nil
		})
		if err != nil {
			t.Errorf("Observe: %v", err)
		}
	})
	t.Run("the Cluster itself is needed", func(t *testing.T) {
		t.Parallel()
		ctx, server, client := setup(t)
		server.Put(wanted())
		server.Fail(forbid(func(r apitest.Request) bool { return r.Resource == "clusters" }))
		err := client.Observe(ctx, key, all, func(*cnpg.Snapshot) (bool, error) {
			t.Error("asked without having seen anything")
			return true, nil
		})
		if !errors.Is(err, cnpg.ErrForbidden) || !strings.Contains(err.Error(), `cannot watch resource "clusters"`) {
			t.Errorf("Observe: %v, want ErrForbidden", err)
		}
	})
	t.Run("rights that go while it watches", func(t *testing.T) {
		t.Parallel()
		ctx, server, client := setup(t)
		server.Put(wanted())
		revoked := false
		err := client.Observe(ctx, key, []cnpg.Kind{cnpg.KindCluster}, func(*cnpg.Snapshot) (bool, error) {
			if !revoked {
				revoked = true
				server.Fail(forbid(func(apitest.Request) bool { return true }))
				server.Compact()
				server.CloseWatches()
			}
			return false, nil
		})
		if !errors.Is(err, cnpg.ErrForbidden) {
			t.Errorf("Observe: %v, want ErrForbidden", err)
		}
	})
}

func TestObserveEndsWithItsContext(t *testing.T) {
	t.Parallel()
	interrupted := errors.New("interrupted by the user")
	t.Run("while it watches", func(t *testing.T) {
		t.Parallel()
		ctx, server, client := setup(t)
		server.Put(wanted())
		ctx, cancel := context.WithCancelCause(ctx)
		err := client.Observe(ctx, key, []cnpg.Kind{cnpg.KindCluster}, func(*cnpg.Snapshot) (bool, error) {
			cancel(interrupted)
			return false, nil
		})
		if !errors.Is(err, interrupted) {
			t.Errorf("Observe: %v, want the cause of the context", err)
		}
	})
	t.Run("before the first answer", func(t *testing.T) {
		t.Parallel()
		ctx, server, client := setup(t)
		ctx, cancel := context.WithCancelCause(ctx)
		server.Fail(apitest.Each("", "", apitest.Fault{Before: func() { cancel(interrupted) }, Hang: true}))
		err := client.Observe(ctx, key, []cnpg.Kind{cnpg.KindCluster}, func(*cnpg.Snapshot) (bool, error) {
			t.Error("asked without having seen anything")
			return true, nil
		})
		if !errors.Is(err, interrupted) {
			t.Errorf("Observe: %v, want the cause of the context", err)
		}
	})
}

func TestObserveReturnsWhatTheConditionReturns(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	server.Put(wanted())
	failed := errors.New("terminal")
	if err := client.Observe(ctx, key, []cnpg.Kind{cnpg.KindCluster}, func(*cnpg.Snapshot) (bool, error) { return false, failed }); !errors.Is(err, failed) {
		t.Errorf("Observe: %v, want %v", err, failed)
	}
}
