package cnpg_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// upgradePod is the pod of an upgrade to an image, in which pg_upgrade has failed.
func upgradePod(image string) *corev1.Pod {
	p := pod("my-db-1-major-upgrade-x7k2p", "major-upgrade")
	p.Labels["cnpg.io/jobRole"] = "major-upgrade"
	p.Spec.Containers[0].Image = image
	p.Status.Phase = corev1.PodFailed
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: "major-upgrade", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1}},
	}}
	return p
}

func upgrading() *cnpgv1.Cluster {
	cluster := wanted()
	cluster.Spec.ImageName = newImage
	cluster.Status.Phase = cnpgv1.PhaseMajorUpgrade
	return cluster
}

func TestWaitEndsWithAFailedUpgrade(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	server.Put(upgrading(), upgradePod(newImage))
	server.Log(key.Namespace, "my-db-1-major-upgrade-x7k2p", "major-upgrade", `{"level":"info","msg":"Starting upgrade"}
{"level":"info","logger":"pg_upgrade","msg":"Performing Consistency Checks","pipe":"stdout"}
{"level":"info","logger":"pg_upgrade","msg":"Your installation contains user-defined objects\n","pipe":"stdout"}
{"level":"info","logger":"pg_upgrade","msg":"Failure, exiting","pipe":"stdout"}
Error: error while running pg_upgrade
`)
	_, err := client.WaitReady(ctx, key)
	var failure *cnpg.UpgradeError
	if !errors.As(err, &failure) {
		t.Fatalf("WaitReady says %v", err)
	}
	want := []string{"Performing Consistency Checks", "Your installation contains user-defined objects", "Failure, exiting"}
	if failure.Key != key || failure.Image != newImage || !slices.Equal(failure.Lines, want) {
		t.Errorf("the failure is %+v", failure)
	}
}

func TestWaitEndsWithAFailedUpgradeWithoutALog(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	server.Put(upgrading(), upgradePod(newImage))
	server.Fail(func(r apitest.Request) *apitest.Fault {
		if r.Subresource == "log" {
			return &apitest.Fault{Status: http.StatusForbidden, Message: `User "ci" cannot get resource "pods/log"`}
		}
		return nil
	})
	_, err := client.WaitReady(ctx, key)
	var failure *cnpg.UpgradeError
	if !errors.As(err, &failure) || !strings.Contains(failure.Error(), `cannot get resource "pods/log"`) {
		t.Fatalf("WaitReady says %v", err)
	}
}

// What is left of an upgrade that was given up is no obstacle.
func TestWaitPassesOverAnUpgradeThatWasGivenUp(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	cluster := wanted()
	cluster.Spec.ImageName = oldImage
	healthy(cluster)
	server.Put(cluster, upgradePod(newImage))
	if _, err := client.WaitReady(ctx, key); err != nil {
		t.Errorf("WaitReady: %v", err)
	}
}
