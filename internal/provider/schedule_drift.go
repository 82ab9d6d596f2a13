package provider

import (
	"context"
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

// scheduleDrift tells what of a database's ScheduledBackup is not as the provider writes it, where no attribute shows that.
// In one that it never wrote only a suspension counts: the rest may be as whoever made it wants it.
func scheduleDrift(owner *cnpgv1.Cluster, live *cnpgv1.ScheduledBackup) []string {
	if live == nil {
		return nil
	}
	want, key := scheduledBackupOf(owner), cnpg.KeyOf(live)
	differs := map[string]bool{fieldSuspend: ptr.Deref(live.Spec.Suspend, false)}
	if cnpg.Applied(live) {
		differs["spec.cluster"] = live.Spec.Cluster.Name != want.Spec.Cluster.Name
		differs["spec.backupOwnerReference"] = live.Spec.BackupOwnerReference != want.Spec.BackupOwnerReference
		differs["spec.method"] = live.Spec.Method != want.Spec.Method
		differs["spec.pluginConfiguration"] = !differs["spec.method"] && cnpg.ScheduleMethod(live) != cnpg.MethodOf(owner) // each of its backups would fail
		differs["metadata.ownerReferences"] = !slices.ContainsFunc(live.OwnerReferences, func(r metav1.OwnerReference) bool { return r.UID == owner.UID })
		for key, value := range want.Labels {
			differs["metadata.labels"] = differs["metadata.labels"] || live.Labels[key] != value
		}
	}
	maps.DeleteFunc(differs, func(_ string, differs bool) bool { return !differs })
	if len(differs) == 0 {
		return nil
	}
	text := "Somebody has changed %s of the ScheduledBackup %s. This update puts it back."
	if cnpg.IsUnfinished(owner, cnpg.BaseBackup) { // an update writes the schedule when the pods can take its backups
		text = "The ScheduledBackup %[2]s is not what the database is to have (%[1]s): an update has ended before it was written, or somebody has changed it. This update puts it right."
	}
	told := []string{fmt.Sprintf(text, strings.Join(slices.Sorted(maps.Keys(differs)), ", "), key)}
	if differs[fieldSuspend] {
		told = append([]string{fmt.Sprintf("The ScheduledBackup %s is suspended: no base backup is taken until this update resumes it.", key)}, told...)
	}
	return told
}

// warnOtherSchedules tells, when a database is imported, of schedules that the provider does not know it by: the one that it
// makes has the database's name, and all of them would run. Where they cannot be listed, nothing is told.
func (b *backend) warnOtherSchedules(ctx context.Context, key cnpg.Key, diags *diag.Diagnostics) {
	ctx, cancel := context.WithTimeout(ctx, planTimeout)
	defer cancel()
	client, err := b.kubernetesClient(ctx)
	if err != nil {
		return
	}
	all, err := client.ListScheduledBackups(ctx, key)
	if err != nil {
		return
	}
	var others []string
	for _, scheduled := range all {
		if scheduled.Name != key.Name {
			others = append(others, fmt.Sprintf("%s/%s (%s)", scheduled.Namespace, scheduled.Name, scheduled.Spec.Schedule))
		}
	}
	if len(others) == 0 {
		return
	}
	diags.AddAttributeWarning(path.Root("backup").AtName("schedule"), "Other Schedules", paragraphs(
		fmt.Sprintf("The database %s has schedules that are not the provider's: %s. That of backup.schedule is called %s; once it is applied, all of them run.",
			key, strings.Join(others, ", "), key.Name),
		"Take the schedule over into the configuration, apply it, and then delete the others with kubectl delete scheduledbackup; or keep them, beside it or, where backup.schedule is left out, alone."))
}
