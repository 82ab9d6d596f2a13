package provider

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// timeoutError is an operation whose time in timeouts is over.
type timeoutError struct {
	operation string
	after     time.Duration
}

func (e *timeoutError) Error() string { return fmt.Sprintf("not done after %s", e.after) }

func (e *timeoutError) Unwrap() error { return context.DeadlineExceeded }

// within bounds an operation by its time in timeouts, which is then the cause that the context ended.
func within(ctx context.Context, operation string, timeout time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, timeout, &timeoutError{operation: operation, after: timeout})
}

// overdue names the timeout that is over in an error that a request under its context has ended with.
func overdue(ctx context.Context, err error) error {
	var known, cause *timeoutError
	if err == nil || errors.As(err, &known) || !errors.As(context.Cause(ctx), &cause) {
		return err
	}
	return fmt.Errorf("%w: %w", cause, err)
}

// addFailure is addFailureOf for a database.
func addFailure(diags *diag.Diagnostics, summary string, err error, more ...string) {
	addFailureOf("pgplatform_database", diags, summary, err, more...)
}

// addFailureOf adds why an operation of a resource failed, with what to do about it, at the attribute that decides about it
// where the resource has one.
func addFailureOf(resourceType string, diags *diag.Diagnostics, summary string, err error, more ...string) {
	detail := paragraphs(append([]string{sentence(err), remedy(err)}, more...)...)
	if at, ok := decidedBy(err); ok && hasAttribute(resourceType, at) {
		diags.AddAttributeError(at, summary, detail)
		return
	}
	diags.AddError(summary, detail)
}

// hasAttribute tells whether a resource has the root attribute of a path.
func hasAttribute(resourceType string, at path.Path) bool {
	_, ok := schemas()[resourceType].Attributes[at.Steps()[0].String()]
	return ok
}

// schemas are those of the resources.
var schemas = sync.OnceValue(func() map[string]schema.Schema {
	all := map[string]schema.Schema{}
	for name, r := range map[string]resource.Resource{
		"pgplatform_database": &databaseResource{}, "pgplatform_restore": &restoreResource{}, "pgplatform_backup": &backupResource{},
	} {
		var answer resource.SchemaResponse
		r.Schema(context.Background(), resource.SchemaRequest{}, &answer)
		all[name] = answer.Schema
	}
	return all
})

// decidedBy is the attribute that an error is about, or that lets what was refused.
func decidedBy(err error) (at path.Path, ok bool) {
	var timeout *timeoutError
	var conflict *cnpg.ConflictError
	var growth *cnpg.GrowthError
	var leftover *cnpg.LeftoverVolumesError
	var held *cnpg.HeldError
	var foreign *foreignArchiveError
	var refused *cnpg.AdmissionError
	var taken *foreignScheduleError
	var secret *foreignSecretError
	var store *cnpg.ForeignStoreError
	switch {
	case aboutMethod(err):
		return methodPath, true
	case errors.As(err, &taken):
		return path.Root("backup").AtName("schedule"), true
	case errors.As(err, &secret), errors.As(err, &store):
		return path.Root("name"), true
	case errors.As(err, &refused):
		return refusedAttribute(refused)
	case errors.As(err, &foreign):
		return serverNamePath, true
	case errors.As(err, &held):
		return path.Root("backup"), true
	case errors.As(err, &timeout):
		return path.Root("timeouts").AtName(timeout.operation), true
	case errors.As(err, &growth) && growth.WAL:
		return path.Root("wal_storage").AtName("size"), true
	case errors.As(err, &growth):
		return path.Root("storage").AtName("size"), true
	case errors.As(err, &conflict):
		return path.Root("force_conflicts"), true
	case errors.As(err, &leftover):
		return path.Root("name"), true
	}
	return at, false
}

// remedy is what to do about an error, where that is known.
func remedy(err error) string {
	var conflict *cnpg.ConflictError
	var recovery *cnpg.RecoveryError
	var growth *cnpg.GrowthError
	var leftover *cnpg.LeftoverVolumesError
	var timeout *timeoutError
	var stalled *cnpg.StalledError
	var upgrade *cnpg.UpgradeError
	var held *cnpg.HeldError
	var foreign *foreignArchiveError
	var archiving *cnpg.ArchivingError
	var terminal *cnpg.TerminalPhaseError
	var taken *foreignScheduleError
	var secret *foreignSecretError
	var store *cnpg.ForeignStoreError
	switch {
	case errors.As(err, &store):
		return fmt.Sprintf("The database's own ObjectStore is to have this name, and another one is never written over, also not with force_conflicts. "+
			"Have it made anew under another name by whoever needs it, and then delete this one:\n\n  kubectl delete objectstore %s --namespace %s", store.Key.Name, store.Key.Namespace)
	case errors.As(err, &secret):
		text := fmt.Sprintf("The provider keeps keys for the pods in a Secret of this name. Whoever needs what is there may keep it under another name; then delete this one:\n\n"+
			"  kubectl delete secret %s --namespace %s", secret.key.Name, secret.key.Namespace)
		if secret.mayForce {
			text += "\n\nOr set force_conflicts = true, and the provider takes it over, and deletes it with the database."
		}
		return text
	case aboutMethod(err):
		return methodRemedy(err)
	case errors.As(err, &taken):
		return fmt.Sprintf("The schedule of a database has the database's name, and another one is never written over, also not with force_conflicts. "+
			"Have it made anew under another name by whoever needs it, and then delete this one:\n\n  kubectl delete scheduledbackup %s --namespace %s", taken.key.Name, taken.key.Namespace)
	case errors.As(err, &archiving):
		const lost = "The database runs, and what is committed in it from now on cannot be restored."
		if cause := archiving.Cause(); cause.Meaning != "" {
			return paragraphs(lost, cause.Meaning+" "+cause.Remedy)
		}
		return lost + " Its pods reach S3 by themselves: check the keys that they have, what these may write, and the endpoint (pod_endpoint_url)."
	case errors.As(err, &foreign):
		return "Set backup.server_name to the name of a folder that is empty."
	case errors.As(err, &held) && held.Method:
		return "CNPG archives by one method alone. To change it, remove " + held.Field + " there first, or set force_conflicts = true, and it is removed here whoever states it."
	case errors.As(err, &held):
		return "So the database would go on archiving without its schedule. To turn its backups off, remove " + held.Field + " there first, " +
			"or set force_conflicts = true, and it is removed here whoever states it."
	case errors.As(err, &upgrade):
		return "The data are still those of the version before, and the database is down. To have it run again as before, set postgres_version or image back " +
			"to that version, and apply; then mend the cause and upgrade again."
	case errors.As(err, &conflict):
		return "Somebody else manages these fields. To take them over, set force_conflicts = true; else remove them from the configuration, " +
			"or make the other manager give them up."
	case errors.As(err, &growth):
		at, _ := decidedBy(err)
		return "Leave " + at.String() + " as it is, or allow the growth in the storage class (allowVolumeExpansion), where its volumes can grow."
	case errors.As(err, &leftover):
		return fmt.Sprintf("Volumes that are being deleted are gone soon: apply again then. Others stay until somebody deletes them, and their data with them:\n\n"+
			"  kubectl delete pvc --namespace %s --selector %s=%s\n\nTo keep them, choose another name.", leftover.Cluster.Namespace, cnpg.LabelCluster, leftover.Cluster.Name)
	case errors.Is(err, cnpg.ErrHasRun):
		return "It is a database now, so that deletion_protection and final_backup hold."
	case errors.Is(err, cnpg.ErrOlderVolume), errors.Is(err, cnpg.ErrFilledVolume):
		return "Look at what the volume holds. If nobody needs it, delete the Cluster with kubectl, and apply."
	case errors.As(err, &recovery):
		return paragraphs(recovery.Cause.Meaning, recovery.Cause.Remedy)
	case errors.As(err, &terminal) && terminal.Phase == cnpgv1.PhaseWaitingForUser:
		return supervised(terminal.Key)
	case errors.As(err, &terminal) && terminal.NeedsPlugin():
		return "CloudNativePG has no such plugin at hand, or that does not answer. If it is the Barman Cloud plugin, see that its pod runs beside the operator, and what its log says. " +
			"Where it is not installed: " + installPlugin
	case errors.As(err, &timeout) && errors.As(err, &stalled) && len(stalled.Causes) > 0:
		var known []string
		for _, cause := range stalled.Causes {
			known = append(known, cause.Meaning+" "+cause.Remedy)
		}
		return paragraphs(append(known, fmt.Sprintf("The time in timeouts.%s is over; a longer one helps only where that is mended meanwhile.", timeout.operation))...)
	case errors.As(err, &timeout):
		return fmt.Sprintf("The time in timeouts.%s is over; a longer one may be all that is needed.", timeout.operation)
	case errors.Is(err, context.DeadlineExceeded):
		return "The time in `timeouts` is over; a longer one may be all that is needed."
	}
	return ""
}
