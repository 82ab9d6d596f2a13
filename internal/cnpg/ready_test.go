package cnpg_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// onWatch plays CNPG: it makes the edits, one after the other, when the Cluster begins to be watched.
func onWatch(server *apitest.Server, edits ...func(*cnpgv1.Cluster)) {
	server.Fail(apitest.First(apitest.VerbWatch, "clusters", apitest.Fault{Before: func() {
		go func() {
			for _, edit := range edits {
				apitest.Edit(server, key.Namespace, key.Name, edit)
			}
		}()
	}}))
}

func TestWaitReady(t *testing.T) {
	t.Parallel()
	t.Run("without archive", func(t *testing.T) {
		t.Parallel()
		ctx, server, client := setup(t)
		server.Put(wanted())
		onWatch(server, func(c *cnpgv1.Cluster) { c.Status.Phase = cnpgv1.PhaseFirstPrimary }, healthy)
		cluster, err := client.WaitReady(ctx, key)
		if err != nil || !cnpg.Healthy(cluster) {
			t.Errorf("WaitReady = %+v, %v", cluster, err)
		}
	})
	t.Run("archiving is waited for", func(t *testing.T) {
		t.Parallel()
		ctx, server, client := setup(t)
		server.Put(archiving(wanted()))
		onWatch(server, healthy,
			func(c *cnpgv1.Cluster) {
				condition(c, cnpgv1.ConditionContinuousArchiving, metav1.ConditionFalse, "ContinuousArchivingFailing", "exit status 4")
			},
			func(c *cnpgv1.Cluster) {
				condition(c, cnpgv1.ConditionContinuousArchiving, metav1.ConditionTrue, "ContinuousArchivingSuccess", "Continuous archiving is working")
			})
		cluster, err := client.WaitReady(ctx, key)
		if err != nil {
			t.Fatal(err)
		}
		if works, _ := cnpg.ContinuousArchiving(cluster); works == nil || !*works {
			t.Error("returned before the archive worked")
		}
	})
}

func TestWaitReadyEndsAtOnce(t *testing.T) {
	t.Parallel()
	for _, phase := range []string{cnpgv1.PhaseUnrecoverable, cnpgv1.PhaseDefinitionInvalid, cnpgv1.PhaseImageCatalogError} {
		t.Run(phase, func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			server.Put(wanted())
			onWatch(server, func(c *cnpgv1.Cluster) { c.Status.Phase, c.Status.PhaseReason = phase, "CNPG's own words" })
			_, err := client.WaitReady(ctx, key)
			var terminal *cnpg.TerminalPhaseError
			if !errors.As(err, &terminal) || terminal.Phase != phase || terminal.Key != key {
				t.Fatalf("WaitReady: %v, want a TerminalPhaseError", err)
			}
			if want := "Cluster myorg/my-db: " + phase + ": CNPG's own words"; err.Error() != want {
				t.Errorf("the error says %q, want %q", err, want)
			}
		})
	}
	t.Run("deleted", func(t *testing.T) {
		t.Parallel()
		ctx, server, client := setup(t)
		server.Put(wanted())
		server.Fail(apitest.First(apitest.VerbWatch, "clusters", apitest.Fault{Before: func() { apitest.Delete[cnpgv1.Cluster](server, key.Namespace, key.Name) }}))
		if _, err := client.WaitReady(ctx, key); !errors.Is(err, cnpg.ErrNotFound) {
			t.Errorf("WaitReady: %v, want ErrNotFound", err)
		}
	})
}

// stuck is what is to be seen around a Cluster whose second instance finds no node.
func stuck(server *apitest.Server) {
	cluster := wanted()
	cluster.Status.Phase, cluster.Status.PhaseReason = cnpgv1.PhaseCreatingReplica, "Creating replica my-db-2-join"
	condition(cluster, cnpgv1.ConditionClusterReady, metav1.ConditionFalse, "ClusterIsNotReady", "Cluster Is Not Ready")
	unschedulable := pod("my-db-2-join-x", "join")
	unschedulable.Status.Conditions = []corev1.PodCondition{{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "0/1 nodes are available: 1 Insufficient memory.",
	}}
	pulling := pod("my-db-3", "postgres")
	pulling.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "postgres", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{
		Reason: "ImagePullBackOff", Message: `Back-off pulling image "example.com/postgresql:17"`,
	}}}}
	alike := pod("my-db-4-join-x", "join")
	alike.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "0/1 nodes are available"}}
	gated := pod("my-db-5-join-x", "join") // by whoever lets it go later
	gated.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "SchedulingGated"}}
	starting := pod("my-db-1", "postgres")
	starting.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "postgres", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}}}
	volume := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: "my-db-2", Labels: map[string]string{cnpg.LabelCluster: key.Name}}}
	volume.Status.Phase = corev1.ClaimPending
	warning := event("my-db.1", "my-db", corev1.EventTypeWarning)
	warning.Reason, warning.Message = "FailedCreate", "exceeded quota: compute"
	server.Put(cluster, unschedulable, alike, gated, pulling, starting, volume, warning)
}

func TestWaitSaysWhatItWaitedFor(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	stuck(server)
	interrupted := errors.New("interrupted by the user")
	ctx, cancel := context.WithCancelCause(ctx)
	_, _, err := client.WaitRestored(ctx, key, cnpg.Course{}, func(string) { cancel(interrupted) })
	var stalled *cnpg.StalledError
	if !errors.As(err, &stalled) || !errors.Is(err, interrupted) {
		t.Fatalf("WaitRestored: %v, want a StalledError for the context's cause", err)
	}
	for _, want := range []string{
		"phase: Creating a new replica (Creating replica my-db-2-join)",
		"condition Ready: ClusterIsNotReady: Cluster Is Not Ready",
		"pod my-db-2-join-x: Unschedulable: 0/1 nodes are available: 1 Insufficient memory.",
		`pod my-db-3, container postgres: ImagePullBackOff: Back-off pulling image "example.com/postgresql:17"`,
		"volume claim my-db-2: pending",
		"event of my-db: FailedCreate: exceeded quota: compute",
	} {
		if !strings.Contains(err.Error(), "\n  - "+want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "ContainerCreating") {
		t.Errorf("the error names what is no obstacle:\n%v", err)
	}
	// What is known of it, each once, although another pod waits for the same.
	var lines []string
	for _, cause := range stalled.Causes {
		lines = append(lines, cause.Line)
		if cause.Meaning == "" || cause.Remedy == "" || cause.Deterministic {
			t.Errorf("the cause says %+v", cause)
		}
	}
	if want := []string{"0/1 nodes are available: 1 Insufficient memory.", `Back-off pulling image "example.com/postgresql:17"`}; !slices.Equal(lines, want) {
		t.Errorf("the causes are %q, want %q", lines, want)
	}
}

func TestWaitReadyWithoutTheOperator(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	server.Put(wanted())
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	t.Cleanup(cancel)
	_, err := client.WaitReady(ctx, key)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "has the CloudNativePG operator seen it?") {
		t.Errorf("WaitReady: %v", err)
	}
}
