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

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// validateBackup refuses what a look at the backup attribute alone can tell to be wrong.
func (m *databaseModel) validateBackup(ctx context.Context, diags *diag.Diagnostics) {
	backup := m.backup(ctx, diags)
	if backup == nil {
		return
	}
	refuseOwnSecret(ctx, m.Name, backup.CredentialsSecret, path.Root("backup").AtName("credentials_secret"), diags)
}

// archivePlan is what a plan can say of where a database will archive.
type archivePlan struct {
	// changes tells whether something of it is to be changed that no attribute shows.
	changes bool
	// open tells that nobody knows yet whether something is: the provider's object store is not known.
	open bool
	// archive and serverName are the attributes archive and backup.server_name, where anything is changed.
	archive    types.Object
	serverName types.String
}

// of makes a plan that changes something say where the database will archive.
func (a archivePlan) of(ctx context.Context, plan *databaseModel, diags *diag.Diagnostics) {
	plan.Archive = a.archive
	if backup := plan.backup(ctx, diags); backup != nil {
		backup.ServerName = a.serverName
		plan.Backup = backup.object()
	}
}

// archivePlanner plans the folder of an archive and everything else about it that the configuration leaves open.
type archivePlanner struct {
	backend            *backend
	plan, state        *databaseModel  // state is nil for a database that is to be made
	recovers           bool            // whether it is made from an archive, which its method reads
	backup, configured *backupSettings // nil without the block; backup is what is planned
	seen               archiveSeen
	store              *objectStore // nil while it is not known
	asked              bool         // whether live was asked for
	live               *cnpgv1.Cluster
	diags              *diag.Diagnostics
}

// clusterPlan is what a resource that stands for a Cluster is planned to become: plan, configuration, and the state that stays, which
// is nil where a Cluster is to be made; recovers tells that it is to be made from an archive.
type clusterPlan struct {
	plan, config, state *databaseModel
	recovers            bool
}

func (r *clusterResource) planArchive(ctx context.Context, of clusterPlan, private privateState, diags *diag.Diagnostics) archivePlan {
	plan, state := of.plan, of.state
	p := archivePlanner{
		backend: r.backend, plan: plan, state: state, recovers: of.recovers,
		backup: plan.backup(ctx, diags), configured: of.config.backup(ctx, diags), diags: diags,
	}
	if plan.Backup.IsUnknown() || diags.HasError() {
		return archivePlan{archive: types.ObjectUnknown(archiveTypes)}
	}
	if state != nil {
		if p.seen = seenArchive(ctx, private, diags); p.seen.Of == "" {
			p.seen = r.backend.archiveInState(state)
		}
	}
	p.method(ctx)
	var planned archivePlan
	if !p.backup.enabled() && (p.backup == nil || !p.backup.Enabled.IsUnknown()) {
		planned = p.off(ctx)
	} else {
		planned = p.on(ctx)
	}
	p.warnRestart(ctx)
	plan.Backup = p.backup.object()
	return planned
}

// archives tells whether the database has an archive.
func (p *archivePlanner) archives() bool { return p.state != nil && !p.state.Archive.IsNull() }

// fresh tells whether it needs another one in any case: the WAL of two major versions never lies in one folder.
func (p *archivePlanner) fresh() bool {
	return p.state != nil && changesMajor(p.plan.postgres(), p.state.postgres())
}

// off plans a database without backups.
func (p *archivePlanner) off(ctx context.Context) archivePlan {
	planned := archivePlan{archive: types.ObjectNull(archiveTypes), changes: len(p.seen.Repairs) > 0}
	if p.backup != nil {
		if p.configured.ServerName.IsNull() {
			p.backup.ServerName = types.StringNull()
		}
		planned.serverName = p.backup.ServerName
	}
	if !p.archives() {
		p.seen.warnRepairs(p.diags)
		return planned
	}
	warnGap(path.Root("backup"), "Nothing is archived any more. What is archived so far stays in S3, and is never restored from beyond this moment.", p.diags)
	if !p.plan.ForceConflicts.ValueBool() {
		p.backend.refuseHeldBackup(ctx, p.state.key(), p.diags)
	}
	return planned
}

// refuseHeldBackup refuses to turn off backups that another manager states too. Where that cannot be asked now, the apply will.
func (b *backend) refuseHeldBackup(ctx context.Context, key cnpg.Key, diags *diag.Diagnostics) {
	live := b.liveCluster(ctx, key)
	if live == nil {
		return
	}
	if err := cnpg.MayWithdrawBackup(live); err != nil {
		addFailure(diags, "Backups Cannot Be Turned Off", err, "Nothing was changed.")
	}
}

// liveCluster is a Cluster as it stands; nil where that cannot be asked now.
func (b *backend) liveCluster(ctx context.Context, key cnpg.Key) *cnpgv1.Cluster {
	client, err := b.kubernetesClient(ctx)
	if err != nil {
		return nil
	}
	live, err := client.GetCluster(ctx, key)
	if err != nil {
		return nil
	}
	return live
}

// standing is the Cluster as it stands, asked for once; nil where that cannot be asked now.
func (p *archivePlanner) standing(ctx context.Context) *cnpgv1.Cluster {
	if !p.asked {
		p.asked, p.live = true, p.backend.liveCluster(ctx, p.state.key())
	}
	return p.live
}

// on plans a database with backups.
func (p *archivePlanner) on(ctx context.Context) archivePlan {
	planned := archivePlan{archive: types.ObjectUnknown(archiveTypes), serverName: p.configured.ServerName}
	if planned.serverName.IsNull() {
		planned.serverName = types.StringUnknown()
	}
	p.backup.ServerName = planned.serverName
	p.changeMethod(ctx)
	if p.archives() && p.backend.store == nil {
		planned.open = true // that alone is no change
		if p.configured.ServerName.IsNull() {
			p.backup.ServerName = archivePart(p.state, "server_name")
		}
	}
	p.store = p.backend.storeFor(ctx, p.backup, p.seen.kept(), p.diags)
	if p.backup.Enabled.IsUnknown() || p.store == nil || !p.store.require(path.Root("backup"), p.diags) {
		return planned
	}
	if _, err := p.backend.s3Client(ctx, p.store); err != nil {
		p.diags.AddAttributeError(path.Root("backup"), "Invalid Object Store", sentence(err))
		return planned
	}
	switch {
	case p.state != nil && p.plan.PostgresVersion.IsUnknown(): // it may be another major one
	case p.archives():
		p.move(ctx, &planned)
	case !p.fresh() && p.goesOn(ctx):
	case !p.configured.ServerName.IsNull() && known(p.backup.ServerName, p.plan.Name, p.plan.Namespace):
		p.backend.refuseTakenFolder(ctx, p.store, p.plan.key(), p.backup.ServerName.ValueString(), p.diags)
	}
	planned.serverName = p.backup.ServerName
	return planned
}

// goesOn plans the archive of a database that somebody else keeps from archiving: it goes on in the folder that was applied
// last. It is false where that is not wanted.
func (p *archivePlanner) goesOn(ctx context.Context) bool {
	if p.backup.ServerName.IsUnknown() && p.seen.applied(p.store, p.seen.Folder.ServerName) {
		p.backup.ServerName = types.StringValue(p.seen.Folder.ServerName)
	}
	if !p.seen.applied(p.store, p.backup.ServerName.ValueString()) {
		return false
	}
	p.find(ctx)
	p.seen.warnRepairs(p.diags)
	warnGap(path.Root("backup"), "Somebody else has turned archiving off. It goes on in the same folder; the time from the last WAL there until the next base backup is complete cannot be restored.", p.diags)
	return true
}

// find looks for the database's own archive in the planned folder, and refuses another one's.
func (p *archivePlanner) find(ctx context.Context) (empty bool) {
	empty, err := p.backend.findArchive(ctx, archiveLocation{store: p.store, serverName: p.backup.ServerName.ValueString()}, p.seen.SystemID)
	if err != nil {
		addFailure(p.diags, "Archive Folder Is Taken", err, "Nothing was changed.")
	}
	return empty
}

// move plans the archive of a database that has one already.
func (p *archivePlanner) move(ctx context.Context, planned *archivePlan) {
	moves := p.folder(ctx)
	if moves {
		warnGap(path.Root("backup"), "The archive goes on in another folder, beginning with a base backup that is taken at once. The time from the last WAL in the old folder until that "+
			"backup is complete can be restored from neither. The old folder stays in S3.", p.diags)
	}

	want := &cnpgv1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: p.plan.Name.ValueString()}}
	p.backup.toCluster(ctx, want, archiveLocation{store: p.store}, p.diags)
	wired := wiringOf(want)
	rewired := !p.seen.wiredAs(wired)
	if rewired && wired.InheritRole && (!p.seen.Wiring.InheritRole || p.seen.Wiring.RoleARN != wired.RoleARN) {
		warnRole(p.plan, p.diags)
	}
	fingerprint, secret := archivePart(p.state, "credentials_fingerprint"), p.store.secretData()
	same := matchesFingerprint(fingerprint.ValueString(), secret)
	if !same {
		fingerprint = types.StringUnknown()
	}
	if len(secret) == 0 {
		fingerprint = types.StringNull()
	}
	p.seen.warnRepairs(p.diags)
	planned.changes = moves || rewired || !same && p.seen.Applied || len(p.seen.Repairs) > 0 ||
		p.store.destinationPath != archivePart(p.state, "destination_path").ValueString() || p.store.podEndpointURL != p.seen.Wiring.EndpointURL
	planned.archive = types.ObjectValueMust(archiveTypes, map[string]attr.Value{
		"destination_path":        types.StringValue(p.store.destinationPath),
		"endpoint_url":            p.endpoint(),
		"server_name":             p.backup.ServerName,
		"method":                  p.backup.Method,
		"continuous_archiving":    types.BoolUnknown(),
		"message":                 types.StringUnknown(),
		"credentials_fingerprint": fingerprint,
	})
}

// endpoint is the one that the Cluster will have. One that the configuration leaves to others stays theirs.
func (p *archivePlanner) endpoint() types.String {
	switch {
	case p.store.podEndpointURL != "":
		return types.StringValue(p.store.podEndpointURL)
	case p.seen.Wiring.EndpointURL != "": // given up: it goes, unless somebody else states it too
		return types.StringUnknown()
	}
	return archivePart(p.state, "endpoint_url")
}

// folder decides on the folder where the configuration names none, and tells whether it is another one than before.
func (p *archivePlanner) folder(ctx context.Context) (moves bool) {
	server := archivePart(p.state, "server_name")
	elsewhere := !sameLocation(p.store.destinationPath, archivePart(p.state, "destination_path").ValueString())
	if p.backup.ServerName.IsUnknown() && !p.fresh() {
		switch {
		case p.seen.applied(p.store, p.seen.Folder.ServerName): // also where somebody has changed it in Kubernetes
			p.backup.ServerName = types.StringValue(p.seen.Folder.ServerName)
		case !elsewhere:
			p.backup.ServerName = server
		}
	}
	switch {
	case p.backup.ServerName.IsUnknown():
		return true
	case elsewhere || !p.backup.ServerName.Equal(server):
		if p.seen.applied(p.store, p.backup.ServerName.ValueString()) {
			p.find(ctx)
		} else {
			p.backend.refuseTakenFolder(ctx, p.store, p.plan.key(), p.backup.ServerName.ValueString(), p.diags)
		}
		return true
	case p.fresh():
		p.diags.AddAttributeError(serverNamePath, "Archive Folder Is Taken", paragraphs(fmt.Sprintf(
			"%s: another major version of PostgreSQL needs a folder of its own, and %s holds the archive of the one before. Change server_name together with the version, or leave it out.",
			serverNamePath, server.ValueString()), "Nothing was changed."))
		return false
	case p.store.podEndpointURL != p.seen.Wiring.EndpointURL: // another store, or the same one by another address
		return p.find(ctx)
	}
	return false
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
