package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/diag"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// foreignScheduleError is a ScheduledBackup that has the name which a database's own is to have, and is somebody else's.
type foreignScheduleError struct {
	key  cnpg.Key
	does string
}

func (e *foreignScheduleError) Error() string {
	return fmt.Sprintf("the ScheduledBackup %s is not this database's: it %s", e.key, e.does)
}

// foreign tells whether a ScheduledBackup of a Cluster's name is somebody else's: made for another Cluster or another method, and
// not by the provider.
func foreign(scheduled *cnpgv1.ScheduledBackup, key cnpg.Key) bool {
	return !cnpg.Applied(scheduled) && !cnpg.Schedules(scheduled, key)
}

// ofItsMethod is a ScheduledBackup that is one of the archive of a Cluster; nil where there is none, or one of another method than the
// one by which that archives.
func ofItsMethod(scheduled *cnpgv1.ScheduledBackup, cluster *cnpgv1.Cluster) *cnpgv1.ScheduledBackup {
	if scheduled == nil || cnpg.Applied(scheduled) || cnpg.Archiver(cluster) == nil || cnpg.ScheduleMethod(scheduled) == cnpg.MethodOf(cluster) {
		return scheduled
	}
	return nil
}

// freeForSchedule is a [foreignScheduleError] where the name of a Cluster's ScheduledBackup is taken. To write it would fail, or
// take another one's schedule away.
func freeForSchedule(ctx context.Context, client *cnpg.Client, key cnpg.Key, method cnpg.Method) error {
	scheduled, err := client.GetScheduledBackup(ctx, key)
	switch {
	case errors.Is(err, cnpg.ErrNotFound):
		return nil
	case err != nil:
		return err
	case !foreign(scheduled, key) && (cnpg.Applied(scheduled) || cnpg.ScheduleMethod(scheduled) == method):
		return nil
	}
	does := fmt.Sprintf("takes backups of the Cluster %q", scheduled.Spec.Cluster.Name)
	if scheduled.Spec.Cluster.Name == key.Name {
		does = fmt.Sprintf("takes backups by the method %q", cmp.Or(scheduled.Spec.Method, cnpgv1.BackupMethodBarmanObjectStore))
	}
	return &foreignScheduleError{key: key, does: does}
}

// schedules tells whether a database has, or is to have, a ScheduledBackup.
func (b *backupSettings) schedules() bool {
	return b.enabled() && !b.Schedule.IsNull() && !b.Schedule.IsUnknown()
}

// hasSchedule tells whether the state has a ScheduledBackup of the database's own.
func (m *databaseModel) hasSchedule(ctx context.Context, diags *diag.Diagnostics) bool {
	return !m.Archive.IsNull() && m.backup(ctx, diags).schedules()
}

// planScheduleName refuses a plan to make a ScheduledBackup whose name is taken. Where that cannot be asked now, the apply will.
func (r *clusterResource) planScheduleName(ctx context.Context, plan, state *databaseModel, diags *diag.Diagnostics) {
	settings := plan.backup(ctx, diags)
	if !known(plan.Name, plan.Namespace) || !settings.schedules() {
		return
	}
	// One that was imported is good for as long as it need not be made anew.
	if state != nil && state.hasSchedule(ctx, diags) && (settings.Method.IsUnknown() || settings.method() == state.backup(ctx, diags).method()) {
		return
	}
	client, err := r.backend.kubernetesClient(ctx)
	if err != nil {
		return
	}
	var taken *foreignScheduleError
	if err := freeForSchedule(ctx, client, plan.key(), settings.method()); errors.As(err, &taken) {
		addFailure(diags, "Schedule's Name Is Taken", taken, "Nothing was changed.")
	}
}
