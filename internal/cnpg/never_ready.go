package cnpg

import (
	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"k8s.io/apimachinery/pkg/api/meta"
)

// NeverReady tells a Cluster that the provider made as a restore and of which no instance has ever run: it holds nothing
// that anybody could have written. One that has run and is down now is never taken for it.
//
// What proves it is status.currentPrimary: the instance manager of the first instance writes its own name there before it
// starts PostgreSQL, and starts none where it could not (CNPG's internal/management/controller, instance_startup.go and
// instance_controller.go); nothing ever empties it. The recovery itself runs in a Job before that, to which nobody else can
// connect. CNPG's condition Initialized is True by then, and says nothing of it. The other fields are looked at too,
// since each of them alone shows that an instance runs or has run.
func NeverReady(cluster *cnpgv1.Cluster) bool {
	status := &cluster.Status
	return cluster.Annotations[AnnotationSource] != "" &&
		cluster.Spec.Bootstrap != nil && cluster.Spec.Bootstrap.Recovery != nil &&
		status.CurrentPrimary == "" && status.CurrentPrimaryTimestamp == "" && status.TimelineID == 0 &&
		status.ReadyInstances == 0 && len(status.InstancesReportedState) == 0 && status.SystemID == "" &&
		!meta.IsStatusConditionTrue(status.Conditions, string(cnpgv1.ConditionClusterReady)) &&
		meta.FindStatusCondition(status.Conditions, string(cnpgv1.ConditionContinuousArchiving)) == nil
}
