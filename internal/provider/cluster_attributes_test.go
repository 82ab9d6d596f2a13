package provider

import (
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestStatusOf(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(*cnpgv1.Cluster)
		want   databaseStatus
	}{
		"healthy":            {func(*cnpgv1.Cluster) {}, statusReady},
		"not seen yet":       {func(c *cnpgv1.Cluster) { c.Status = cnpgv1.ClusterStatus{} }, statusProvisioning},
		"first instance":     {func(c *cnpgv1.Cluster) { c.Status.Phase = cnpgv1.PhaseFirstPrimary }, statusProvisioning},
		"more instances":     {func(c *cnpgv1.Cluster) { c.Status.Phase = cnpgv1.PhaseCreatingReplica }, statusProvisioning},
		"an instance lacks":  {func(c *cnpgv1.Cluster) { c.Status.ReadyInstances = 2 }, statusDegraded},
		"no primary":         {func(c *cnpgv1.Cluster) { c.Status.CurrentPrimary = "" }, statusDegraded},
		"not Ready":          {func(c *cnpgv1.Cluster) { c.Status.Conditions = nil }, statusDegraded},
		"fails over":         {func(c *cnpgv1.Cluster) { c.Status.Phase = cnpgv1.PhaseFailOver }, statusDegraded},
		"upgrades":           {func(c *cnpgv1.Cluster) { c.Status.Phase = cnpgv1.PhaseUpgrade }, statusDegraded},
		"unrecoverable":      {func(c *cnpgv1.Cluster) { c.Status.Phase = cnpgv1.PhaseUnrecoverable }, statusFailed},
		"invalid definition": {func(c *cnpgv1.Cluster) { c.Status.Phase = cnpgv1.PhaseDefinitionInvalid }, statusFailed},
		"plugin is silent":   {func(c *cnpgv1.Cluster) { c.Status.Phase = cnpgv1.PhaseFailurePlugin }, statusDegraded},
		"disk full":          {func(c *cnpgv1.Cluster) { c.Status.Phase = "Not enough disk space" }, statusFailed},
		"needs a person":     {func(c *cnpgv1.Cluster) { c.Status.Phase = cnpgv1.PhaseWaitingForUser }, statusFailed},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &cnpgv1.Cluster{Spec: cnpgv1.ClusterSpec{Instances: 3}, Status: cnpgv1.ClusterStatus{
				Phase: cnpgv1.PhaseHealthy, ReadyInstances: 3, CurrentPrimary: "my-db-1",
				Conditions: []metav1.Condition{{Type: string(cnpgv1.ConditionClusterReady), Status: metav1.ConditionTrue}},
			}}
			test.change(c)
			if got := statusOf(c); got != test.want {
				t.Errorf("status is %s, want %s", got, test.want)
			}
		})
	}
}

func TestBootstrapped(t *testing.T) {
	t.Parallel()
	user := &cnpgv1.LocalObjectReference{Name: "owner-secret"}
	tests := map[string]struct {
		bootstrap               *cnpgv1.BootstrapConfiguration
		database, owner, secret string
	}{
		"nothing stated":  {nil, "app", "app", "my-db-app"},
		"initdb":          {&cnpgv1.BootstrapConfiguration{InitDB: &cnpgv1.BootstrapInitDB{Database: "shop", Owner: "seller"}}, "shop", "seller", "my-db-app"},
		"initdb, secret":  {&cnpgv1.BootstrapConfiguration{InitDB: &cnpgv1.BootstrapInitDB{Database: "shop", Owner: "seller", Secret: user}}, "shop", "seller", "owner-secret"},
		"recovery":        {&cnpgv1.BootstrapConfiguration{Recovery: &cnpgv1.BootstrapRecovery{Database: "shop", Owner: "seller"}}, "shop", "seller", "my-db-app"},
		"recovery, plain": {&cnpgv1.BootstrapConfiguration{Recovery: &cnpgv1.BootstrapRecovery{}}, "app", "app", "my-db-app"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &cnpgv1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "my-db"}, Spec: cnpgv1.ClusterSpec{Bootstrap: test.bootstrap}}
			database, owner, secret := bootstrapped(c)
			if database != test.database || owner != test.owner || secret != test.secret {
				t.Errorf("bootstrapped = %q, %q, %q; want %q, %q, %q", database, owner, secret, test.database, test.owner, test.secret)
			}
		})
	}
}

func TestRetentionOf(t *testing.T) {
	t.Parallel()
	for policy, want := range map[string]int64{"30d": 30, "4w": 28, "2m": 62, "": -1, "d": -1, "xd": -1} {
		c := &cnpgv1.Cluster{Spec: cnpgv1.ClusterSpec{Backup: &cnpgv1.BackupConfiguration{RetentionPolicy: policy}}}
		got := retentionOf(c)
		if want < 0 != got.IsNull() || !got.IsNull() && got.ValueInt64() != want {
			t.Errorf("retention of %q is %s, want %d", policy, got, want)
		}
	}
	if got := retentionOf(&cnpgv1.Cluster{}); !got.IsNull() {
		t.Errorf("retention without backups is %s", got)
	}
}
