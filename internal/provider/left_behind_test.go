package provider

import (
	"slices"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestLeftBehind(t *testing.T) {
	t.Parallel()
	cluster := func(labels, parameters map[string]string, hba ...string) *cnpgv1.Cluster {
		return &cnpgv1.Cluster{
			ObjectMeta: metav1.ObjectMeta{Labels: labels},
			Spec:       cnpgv1.ClusterSpec{PostgresConfiguration: cnpgv1.PostgresConfiguration{Parameters: parameters, PgHBA: hba}},
		}
	}
	before := cluster(map[string]string{"gone": "a", "stays": "b", "kept": "c"}, map[string]string{"work_mem": "8MB", "wal_level": "logical", "max_connections": "50"}, "local all all peer")
	desired := cluster(map[string]string{"kept": "c"}, nil)
	live := cluster(map[string]string{"stays": "b", "kept": "c", "theirs": "d"}, map[string]string{"work_mem": "8MB", "wal_level": "logical"}, "local all all peer")
	if got := leftBehind(before, desired, live); len(got) > 0 {
		t.Errorf("left behind are %q, which nobody states: CNPG sets them", got)
	}
	live.ManagedFields = []metav1.ManagedFieldsEntry{{
		Manager: "kubectl-edit", Operation: metav1.ManagedFieldsOperationUpdate, FieldsV1: metav1.NewFieldsV1(
			`{"f:metadata":{"f:labels":{"f:stays":{},"f:kept":{},"f:theirs":{}}},"f:spec":{"f:postgresql":{"f:parameters":{"f:work_mem":{}},"f:pg_hba":{}}}}`),
	}}
	if got, want := leftBehind(before, desired, live), []string{`labels["stays"]`, `parameters["work_mem"]`, "pg_hba"}; !slices.Equal(got, want) {
		t.Errorf("left behind are %q, want %q", got, want)
	}
	if got := leftBehind(before, desired, desired); len(got) > 0 {
		t.Errorf("left behind are %q of what is gone", got)
	}
}
