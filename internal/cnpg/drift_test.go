package cnpg_test

import (
	"errors"
	"maps"
	"slices"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// fluxScales applies a number of instances as another manager, by force.
func fluxScales(server *apitest.Server, instances int) {
	apitest.ApplyAs(server, "flux", &cnpgv1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}, Spec: cnpgv1.ClusterSpec{Instances: instances},
	})
}

// What an apply may take over of what stands in the Cluster, and what it may not.
func TestApplyClusterPutsDriftBack(t *testing.T) {
	t.Parallel()
	byHand := func(server *apitest.Server) {
		apitest.EditAs(server, "kubectl-edit", key.Namespace, key.Name, func(c *cnpgv1.Cluster) {
			c.Spec.Instances = 5
			c.Spec.PostgresConfiguration.Parameters["work_mem"] = "1GB"
			c.Annotations[cnpg.AnnotationTier] = "HA"
		})
	}
	tests := map[string]struct {
		foreign bool // made by kubectl: nothing in it was ever the provider's
		change  func(*apitest.Server)
		before  func() *cnpgv1.Cluster
		force   bool
		manager string // of the conflict; "" where there is none
	}{
		"changed by hand": {change: byHand, before: wanted},
		"changed by hand, and the prior state is not known": {change: byHand, manager: "kubectl-edit"},
		"one field by hand was never ours": {
			change: byHand,
			before: func() *cnpgv1.Cluster {
				before := wanted()
				delete(before.Spec.PostgresConfiguration.Parameters, "work_mem")
				return before
			},
			manager: "kubectl-edit",
		},
		"applied by another manager": {
			change: func(server *apitest.Server) { fluxScales(server, 5) },
			before: wanted, manager: "flux",
		},
		"one by hand, one applied": {
			change: func(server *apitest.Server) {
				byHand(server)
				fluxScales(server, 6)
			},
			before: wanted, manager: "flux",
		},
		"applied by another manager, by force": {
			change: func(server *apitest.Server) { fluxScales(server, 5) },
			force:  true,
		},
		"a foreign Cluster":           {foreign: true, change: byHand, before: wanted, manager: "kubectl-edit"},
		"a foreign Cluster, by force": {foreign: true, change: byHand, before: wanted, force: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			if test.foreign {
				server.Put(wanted())
			} else {
				create(ctx, t, server, client, wanted())
			}
			test.change(server)
			changed := apitest.Get[cnpgv1.Cluster](server, key.Namespace, key.Name)
			live, err := client.GetCluster(ctx, key)
			if err != nil {
				t.Fatal(err)
			}
			ownership := cnpg.Ownership[cnpgv1.Cluster]{Force: test.force}
			if test.before != nil {
				ownership.Before = test.before()
			}
			applied, err := client.ApplyCluster(ctx, live, wanted(), ownership)
			if test.manager == "" {
				if err != nil || applied.Spec.Instances != 1 || !maps.Equal(applied.Spec.PostgresConfiguration.Parameters, wanted().Spec.PostgresConfiguration.Parameters) ||
					applied.Annotations[cnpg.AnnotationTier] != "STANDARD" {
					t.Errorf("ApplyCluster = %+v, %v", applied, err)
				}
				return
			}
			var conflict *cnpg.ConflictError
			if !errors.As(err, &conflict) || !slices.ContainsFunc(conflict.Conflicts, func(c cnpg.FieldConflict) bool { return c.Manager == test.manager }) {
				t.Errorf("ApplyCluster: %v, want a ConflictError with %s", err, test.manager)
			}
			if now := apitest.Get[cnpgv1.Cluster](server, key.Namespace, key.Name); now.ResourceVersion != changed.ResourceVersion {
				t.Errorf("the Cluster was changed: %+v", now.Spec)
			}
		})
	}
}

// Who claims a field between the look at its managers and the apply with force is asked about, not run over.
func TestApplyClusterJudgesTheVersionThatItForces(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	live := create(ctx, t, server, client, wanted())
	apitest.EditAs(server, "kubectl-scale", key.Namespace, key.Name, func(c *cnpgv1.Cluster) { c.Spec.Instances = 5 })
	server.Fail(func(r apitest.Request) *apitest.Fault {
		if r.Is(apitest.VerbApply, "clusters") && r.Query.Get("force") == "true" && r.Query.Get("fieldManager") == cnpg.FieldManager {
			server.Fail(nil)
			return &apitest.Fault{Before: func() { fluxScales(server, 7) }}
		}
		return nil
	})
	_, err := client.ApplyCluster(ctx, live, wanted(), cnpg.Ownership[cnpgv1.Cluster]{Before: wanted()})
	var conflict *cnpg.ConflictError
	if !errors.As(err, &conflict) || conflict.Conflicts[0].Manager != "flux" {
		t.Errorf("ApplyCluster: %v, want a ConflictError with flux", err)
	}
	if n := apitest.Get[cnpgv1.Cluster](server, key.Namespace, key.Name).Spec.Instances; n != 7 {
		t.Errorf("%d instances: the other manager was run over", n)
	}
}

// CNPG writes the status of a Cluster all the time: that is no reason to leave drift where it is.
func TestApplyClusterPutsDriftBackWhileTheStatusChanges(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	live := create(ctx, t, server, client, wanted())
	apitest.EditAs(server, "kubectl-scale", key.Namespace, key.Name, func(c *cnpgv1.Cluster) { c.Spec.Instances = 5 })
	forced := 0
	server.Fail(func(r apitest.Request) *apitest.Fault {
		if r.Query.Get("force") != "true" || forced == 2 {
			return nil
		}
		forced++
		return &apitest.Fault{Before: func() {
			apitest.Edit(server, key.Namespace, key.Name, func(c *cnpgv1.Cluster) { c.Status.Instances = forced })
		}}
	})
	applied, err := client.ApplyCluster(ctx, live, wanted(), cnpg.Ownership[cnpgv1.Cluster]{Before: wanted()})
	if err != nil || applied.Spec.Instances != 1 || forced != 2 {
		t.Errorf("ApplyCluster = %+v, %v after %d attempts in vain", applied, err, forced)
	}
}

func TestApplyScheduledBackupPutsDriftBack(t *testing.T) {
	t.Parallel()
	scheduled := func(schedule string) *cnpgv1.ScheduledBackup {
		return &cnpgv1.ScheduledBackup{
			ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name},
			Spec:       cnpgv1.ScheduledBackupSpec{Schedule: schedule, Cluster: cnpgv1.LocalObjectReference{Name: key.Name}},
		}
	}
	for name, test := range map[string]struct {
		ownership cnpg.Ownership[cnpgv1.ScheduledBackup]
		refused   bool
	}{
		"drift":          {ownership: cnpg.Ownership[cnpgv1.ScheduledBackup]{Before: scheduled("0 0 2 * * *")}},
		"by force":       {ownership: cnpg.Ownership[cnpgv1.ScheduledBackup]{Force: true}},
		"nobody's drift": {refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			if _, err := client.ApplyScheduledBackup(ctx, scheduled("0 0 2 * * *"), cnpg.Ownership[cnpgv1.ScheduledBackup]{}); err != nil {
				t.Fatal(err)
			}
			apitest.EditAs(server, "kubectl-patch", key.Namespace, key.Name, func(s *cnpgv1.ScheduledBackup) { s.Spec.Schedule = "0 0 5 * * *" })
			_, err := client.ApplyScheduledBackup(ctx, scheduled("0 30 3 * * *"), test.ownership)
			var conflict *cnpg.ConflictError
			if errors.As(err, &conflict) != test.refused || err != nil && !test.refused {
				t.Errorf("ApplyScheduledBackup: %v", err)
			}
			want := "0 30 3 * * *"
			if test.refused {
				want = "0 0 5 * * *"
			}
			if got := apitest.Get[cnpgv1.ScheduledBackup](server, key.Namespace, key.Name).Spec.Schedule; got != want {
				t.Errorf("the schedule is %q, want %q", got, want)
			}
		})
	}
}
