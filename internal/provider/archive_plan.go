package provider

import (
	"context"
	"fmt"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// validateBackup refuses what a look at the backup attribute alone can tell to be wrong.
func (m *databaseModel) validateBackup(ctx context.Context, diags *diag.Diagnostics) {
	backup := m.backup(ctx, diags)
	if backup == nil {
		return
	}
	var secret credentialsSecretModel
	if whole(ctx, backup.CredentialsSecret, &secret, diags) && known(m.Name) && secret.Name.ValueString() == credentialsSecretName(m.Name.ValueString()) {
		diags.AddAttributeError(path.Root("backup").AtName("credentials_secret").AtName("name"), "Secret of the Provider's Own",
			fmt.Sprintf("backup.credentials_secret.name: the Secret %s is the one that the provider itself writes for this database, and removes. Give yours another name.", secret.Name.ValueString()))
	}
}

// archivePlan is what a plan can say of where a database will archive.
type archivePlan struct {
	changes bool         // whether something of it is to be changed that no attribute shows
	archive types.Object // the archive attribute, where anything is changed
	// open tells that where an update would archive is not known yet.
	open bool
}

// of makes a plan that changes something say where the database will archive.
func (a archivePlan) of(ctx context.Context, plan *databaseModel, diags *diag.Diagnostics) {
	plan.Archive = a.archive
	if backup := plan.backup(ctx, diags); a.open && backup != nil {
		backup.ServerName = types.StringUnknown()
		plan.Backup = backup.object()
	}
}

// planArchive plans the folder of the archive and everything else about it that the configuration leaves open.
func (r *databaseResource) planArchive(ctx context.Context, plan, config, state *databaseModel, private privateState, diags *diag.Diagnostics) archivePlan {
	planned := archivePlan{archive: types.ObjectUnknown(archiveTypes)}
	backup, configured := plan.backup(ctx, diags), config.backup(ctx, diags)
	if plan.Backup.IsUnknown() || diags.HasError() {
		return planned
	}
	seen, hasSeen := seenArchive(ctx, private, diags)
	if state == nil {
		seen, hasSeen = archiveSeen{}, false
	}
	archives := state != nil && !state.Archive.IsNull()
	if !backup.enabled() && (backup == nil || !backup.Enabled.IsUnknown()) {
		if backup != nil && configured.ServerName.IsNull() {
			backup.ServerName = types.StringNull()
		}
		if archives {
			warnGap(path.Root("backup"), "Nothing is archived any more. What is archived so far stays in S3, and is never restored from beyond this moment.", diags)
		}
		plan.Backup, planned.archive, planned.changes = backup.object(), types.ObjectNull(archiveTypes), seen.SecretLeft || seen.ScheduleLeft
		return planned
	}

	store := r.backend.storeFor(ctx, backup, seen.kept(), diags)
	fresh := state != nil && changesMajor(plan.postgres(), state.postgres())
	switch {
	case !configured.ServerName.IsNull():
		backup.ServerName = configured.ServerName
	case archives && r.backend.store == nil && !fresh:
		// The provider's store is not known: that alone is no change.
		backup.ServerName, planned.open = archivePart(state, "server_name"), true
	default:
		backup.ServerName = types.StringUnknown()
	}
	defer func() { plan.Backup = backup.object() }()
	if backup.Enabled.IsUnknown() || store == nil || !store.require(path.Root("backup"), diags) {
		return planned
	}
	if _, err := r.backend.s3Client(ctx, store); err != nil {
		diags.AddAttributeError(path.Root("backup"), "Invalid Object Store", sentence(err))
		return planned
	}
	if !archives && !fresh && planReturn(backup, store, seen, diags) {
		return planned
	}
	if !archives {
		if !configured.ServerName.IsNull() && known(backup.ServerName, plan.Name, plan.Namespace) {
			r.backend.refuseTakenFolder(ctx, store, plan.key(), backup.ServerName.ValueString(), diags)
		}
		return planned
	}
	if !hasSeen { // as after an import without a refresh
		seen.Wiring.EndpointURL = archivePart(state, "endpoint_url").ValueString()
	}
	r.planMove(ctx, plan, state, backup, store, fresh, seen, hasSeen, &planned, diags)
	return planned
}

// planReturn plans the archive of a database that somebody else keeps from archiving: it goes on in the folder that was
// applied last. It is false where that is not wanted.
func planReturn(backup *backupSettings, store *objectStore, seen archiveSeen, diags *diag.Diagnostics) bool {
	if backup.ServerName.IsUnknown() && seen.applied(store, seen.Folder.ServerName) {
		backup.ServerName = types.StringValue(seen.Folder.ServerName)
	}
	if !seen.applied(store, backup.ServerName.ValueString()) {
		return false
	}
	warnGap(path.Root("backup"), "Somebody else has turned archiving off. It goes on in the same folder; the time from the last WAL there until the next base backup is complete cannot be restored.", diags)
	return true
}

// planMove plans the archive of a database that has one already.
func (r *databaseResource) planMove(ctx context.Context, plan, state *databaseModel, backup *backupSettings, store *objectStore, fresh bool, seen archiveSeen, hasSeen bool, planned *archivePlan, diags *diag.Diagnostics) {
	moves := r.planFolder(ctx, plan, state, backup, store, fresh, seen, diags)
	if moves {
		warnGap(path.Root("backup"), "The archive goes on in another folder, beginning with a base backup that is taken at once. The time from the last WAL in the old folder until that "+
			"backup is complete can be restored from neither. The old folder stays in S3.", diags)
	}

	want := &cnpgv1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: plan.Name.ValueString()}}
	backup.toCluster(ctx, want, archiveLocation{store: store}, diags)
	wired := wiringOf(want)
	rewired := hasSeen && !seen.wiredAs(wired)
	if rewired && wired.InheritRole && (!seen.Wiring.InheritRole || seen.Wiring.RoleARN != wired.RoleARN) {
		warnRole(plan, diags)
	}
	fingerprint, secret := archivePart(state, "credentials_fingerprint"), store.secretData()
	same := matchesFingerprint(fingerprint.ValueString(), secret)
	rotated := !same && (!hasSeen || seen.Applied)
	if !same {
		fingerprint = types.StringUnknown()
	}
	if len(secret) == 0 {
		fingerprint = types.StringNull()
	}
	warnScheduleDrift(plan.key(), seen.ScheduleDrift, diags)
	planned.changes = moves || rewired || rotated || seen.Due != nil || seen.SecretLeft || len(seen.ScheduleDrift) > 0 ||
		store.destinationPath != archivePart(state, "destination_path").ValueString() || store.podEndpointURL != seen.Wiring.EndpointURL
	planned.archive = types.ObjectValueMust(archiveTypes, map[string]attr.Value{
		"destination_path":        types.StringValue(store.destinationPath),
		"endpoint_url":            plannedEndpoint(state, store, seen),
		"server_name":             backup.ServerName,
		"method":                  types.StringValue(methodBarmanObjectStore),
		"continuous_archiving":    types.BoolUnknown(),
		"message":                 types.StringUnknown(),
		"credentials_fingerprint": fingerprint,
	})
}

// plannedEndpoint is the endpoint that the Cluster will have. One that the configuration leaves to others stays theirs.
func plannedEndpoint(state *databaseModel, store *objectStore, seen archiveSeen) types.String {
	switch {
	case store.podEndpointURL != "":
		return types.StringValue(store.podEndpointURL)
	case seen.Wiring.EndpointURL != "": // given up: it goes, unless somebody else states it too
		return types.StringUnknown()
	}
	return archivePart(state, "endpoint_url")
}

// planFolder decides on the folder where the configuration names none, and tells whether it is another one than before.
func (r *databaseResource) planFolder(ctx context.Context, plan, state *databaseModel, backup *backupSettings, store *objectStore, fresh bool, seen archiveSeen, diags *diag.Diagnostics) (moves bool) {
	server := archivePart(state, "server_name")
	elsewhere := !sameLocation(store.destinationPath, archivePart(state, "destination_path").ValueString())
	if backup.ServerName.IsUnknown() && !fresh {
		switch {
		case seen.applied(store, seen.Folder.ServerName): // also where somebody has changed it in Kubernetes
			backup.ServerName = types.StringValue(seen.Folder.ServerName)
		case !elsewhere:
			backup.ServerName = server
		}
	}
	switch {
	case backup.ServerName.IsUnknown():
		return true
	case elsewhere || !backup.ServerName.Equal(server):
		if !seen.applied(store, backup.ServerName.ValueString()) {
			r.backend.refuseTakenFolder(ctx, store, plan.key(), backup.ServerName.ValueString(), diags)
		}
		return true
	case fresh:
		diags.AddAttributeError(serverNamePath, "Archive Folder Is Taken", paragraphs(fmt.Sprintf(
			"Another major version of PostgreSQL needs a folder of its own, and %s holds the archive of the one before. Change server_name together with the version, or leave it out.",
			server.ValueString()), "Nothing was changed."))
		return false
	}
	return r.backend.isAnotherStore(ctx, store, seen.Wiring.EndpointURL, server.ValueString())
}

// archivePart is a part of the archive attribute; the zero value where it is not known.
func archivePart(m *databaseModel, name string) types.String {
	value, _ := m.Archive.Attributes()[name].(types.String)
	return value
}

func warnGap(at path.Path, text string, diags *diag.Diagnostics) {
	diags.AddAttributeWarning(at, "Gap in Recoverability", text)
}

// warnRole: EKS gives a pod the role's token when it starts the pod, and CNPG starts none anew for it.
func warnRole(m *databaseModel, diags *diag.Diagnostics) {
	diags.AddAttributeWarning(path.Root("backup"), "Pods Take Up the Role When They Start", fmt.Sprintf(
		"The pods of %s get pod_iam_role_arn when they are started, and archive with nothing until then. Restart them after the apply: kubectl cnpg restart %s -n %s",
		m.key(), m.Name.ValueString(), m.Namespace.ValueString()))
}
