package provider

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

const fieldSuspend = "spec.suspend"

// scheduleDrift names what of a database's ScheduledBackup is not as the provider writes it, where no attribute shows that.
// In one that it never wrote only a suspension counts: the rest may be as whoever made it wants it.
func scheduleDrift(owner *cnpgv1.Cluster, live *cnpgv1.ScheduledBackup) []string {
	if live == nil || cnpg.Archiver(owner) == nil {
		return nil
	}
	want := scheduledBackupOf(owner)
	differs := map[string]bool{fieldSuspend: ptr.Deref(live.Spec.Suspend, false)}
	if cnpg.Applied(live) {
		differs["spec.cluster"] = live.Spec.Cluster.Name != want.Spec.Cluster.Name
		differs["spec.backupOwnerReference"] = live.Spec.BackupOwnerReference != want.Spec.BackupOwnerReference
		differs["spec.method"] = live.Spec.Method != want.Spec.Method
		differs["metadata.ownerReferences"] = !slices.ContainsFunc(live.OwnerReferences, func(r metav1.OwnerReference) bool { return r.UID == owner.UID })
		for key, value := range want.Labels {
			differs["metadata.labels"] = differs["metadata.labels"] || live.Labels[key] != value
		}
	}
	maps.DeleteFunc(differs, func(_ string, differs bool) bool { return !differs })
	return slices.Sorted(maps.Keys(differs))
}

// warnScheduleDrift tells what an update puts back that the plan does not show.
func warnScheduleDrift(key cnpg.Key, drift []string, diags *diag.Diagnostics) {
	if len(drift) == 0 {
		return
	}
	text := fmt.Sprintf("Somebody has changed %s of the ScheduledBackup %s. This update puts it back.", strings.Join(drift, ", "), key)
	if slices.Contains(drift, fieldSuspend) {
		text = fmt.Sprintf("The ScheduledBackup %s is suspended: no base backup is taken until this update resumes it.", key) + "\n\n" + text
	}
	diags.AddAttributeWarning(path.Root("backup").AtName("schedule"), "Schedule Was Changed", text)
}
