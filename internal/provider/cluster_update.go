package provider

import (
	"context"
	"fmt"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/resource"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// clusterUpdate is what a resource that stands for a Cluster is to become: the configuration, plan and state of it.
type clusterUpdate struct{ plan, state, config *databaseModel }

// updateCluster brings a Cluster to what a plan says. What it is by then save makes the state: that is the plan or, after a
// failure, the state of before with what stands in Kubernetes.
func (r *clusterResource) updateCluster(ctx context.Context, resourceType string, of clusterUpdate, req resource.UpdateRequest, resp *resource.UpdateResponse, save func(*databaseModel)) {
	plan, state, config := of.plan, of.state, of.config
	summary := "Unable to Update " + titles[resourceType]
	timeout, d := plan.Timeouts.Update(ctx, defaultUpdateTimeout)
	resp.Diagnostics.Append(d...)
	if resp.Diagnostics.HasError() {
		return
	}
	if refuseUnread(state, summary, &resp.Diagnostics) {
		return
	}
	// CLIs that know no identities pass none on from the state.
	resp.Diagnostics.Append(resp.Identity.Set(ctx, identityOf(plan.key()))...)
	if !plan.Status.IsUnknown() {
		// Only settings that Terraform keeps for itself have changed.
		save(plan)
		return
	}
	ctx, client, end, ok := r.backend.begin(ctx, "update", timeout, summary, &resp.Diagnostics)
	defer end()
	if !ok {
		return
	}
	key := plan.key()
	live, err := client.GetCluster(ctx, key)
	if err != nil {
		addFailure(&resp.Diagnostics, summary, overdue(ctx, err), "Nothing was changed.")
		return
	}
	if !standing(ctx, req.Private, &resp.Diagnostics).is(live) {
		resp.Diagnostics.AddError(summary, paragraphs(anotherHasTheName(resourceType, key), "Nothing was changed."))
		return
	}
	// One that the state has was the database's own; without force it is not written over where it is another one by now.
	if backup := plan.backup(ctx, &resp.Diagnostics); backup.schedules() &&
		(plan.ForceConflicts.ValueBool() || !state.hasSchedule(ctx, &resp.Diagnostics) || changesMethod(live, backup)) {
		if err := freeForSchedule(ctx, client, key, backup.method()); err != nil {
			addFailure(&resp.Diagnostics, summary, overdue(ctx, err), "Nothing was changed.")
			return
		}
	}
	if err := plan.settleMethod(ctx, client, live, &resp.Diagnostics); err != nil {
		addFailure(&resp.Diagnostics, summary, overdue(ctx, err), "Nothing was changed.")
		return
	}
	known := seenArchive(ctx, req.Private, &resp.Diagnostics)
	seen := r.backend.seeArchive(live, nil, known)
	location, ok := r.locate(ctx, plan, live, seen, summary, &resp.Diagnostics)
	if !ok {
		return
	}
	if live.Annotations[cnpg.AnnotationCredentials] == "" { // it has no Secret of the provider's yet
		if err := location.freeForSecret(ctx, client, plan); err != nil {
			addFailure(&resp.Diagnostics, summary, overdue(ctx, err), "Nothing was changed.")
			return
		}
	}
	desired := plan.toCluster(ctx, location, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	if !config.statesImage(live) {
		desired.Spec.ImageName = "" // the operator's choice stays the operator's
		if fields := cnpg.Fields(live); fields.Applied() && fields.Ours("spec", "imageCatalogRef") {
			desired.Spec.ImageCatalogRef = live.Spec.ImageCatalogRef // of a restored database
		}
	}
	leaveLimit(live, desired)
	keepMemory(live, desired)
	keepOriginRole(live, desired)
	if grows(live, desired) {
		if err := client.CheckGrowth(ctx, key, desired.Spec); err != nil {
			addFailure(&resp.Diagnostics, summary, overdue(ctx, err), "Nothing was changed.")
			return
		}
	}
	// An archive that the state does not know was not in the plan.
	ends := !plan.backup(ctx, &resp.Diagnostics).enabled() && (!state.Archive.IsNull() || known.Folder.ServerName != "")
	if ends && !plan.ForceConflicts.ValueBool() {
		if err := cnpg.MayWithdrawBackup(live); err != nil {
			addFailure(&resp.Diagnostics, summary, err, "Nothing was changed.")
			return
		}
	}
	if backup := plan.backup(ctx, &resp.Diagnostics); backup.enabled() && changesMethod(live, backup) && !plan.ForceConflicts.ValueBool() {
		if err := cnpg.MayChangeMethod(live); err != nil {
			addFailure(&resp.Diagnostics, summary, err, "Nothing was changed.")
			return
		}
	}
	if lacksOriginSecret(live) && !r.writeOriginSecret(ctx, client, plan, live, summary, &resp.Diagnostics) {
		return
	}
	cluster, err := r.applyUpdate(ctx, client, clusterChange{live: live, seen: seen, ends: ends, before: state, desired: desired, plan: plan, location: location}, resp)
	if err != nil {
		holds := r.stateAsItIs(ctx, client, live, state, resp, save)
		addFailure(&resp.Diagnostics, summary, overdue(ctx, err), holds, restoreAnew(err))
		return
	}
	archive, connection := plan.Archive, plan.Connection
	plan.observe(cluster)
	plan.Connection = connectionAsPlanned(connection, plan.Connection)
	if archive.IsNull() {
		plan.Archive = archive // one that somebody has added since the plan is for the next one to show
	}
	save(plan)
}

// clusterChange is what an update brings about: the Cluster as it stands, the state and the plan, and what the plan asks for.
type clusterChange struct {
	live     *cnpgv1.Cluster
	seen     archiveSeen
	ends     bool // whether it turns an archive off
	before   *databaseModel
	desired  *cnpgv1.Cluster
	plan     *databaseModel
	location archiveLocation
}

// applyUpdate brings a Cluster and what belongs to it to what is desired. The Secret comes first: by a fingerprint in the
// Cluster everybody sees that its keys have arrived. Where they change, the Cluster is tried before that: pods whose Cluster
// stays as it was need the keys that they have. What is to follow the apply the Cluster tells, until it is done.
func (r *clusterResource) applyUpdate(ctx context.Context, client *cnpg.Client, change clusterChange, resp *resource.UpdateResponse) (*cnpgv1.Cluster, error) {
	live, desired, plan, location := change.live, change.desired, change.plan, change.location
	desired.UID = live.UID
	clusters, schedules := change.before.ownership(ctx, r.backend, live, change.seen, plan.ForceConflicts.ValueBool())
	backup := plan.backup(ctx, &resp.Diagnostics)
	// What a new schedule begins with fails in pods without the plugin's container, and in a database that hibernates, and CNPG does not try it
	// again: whoever does not wait for them, or is cut off meanwhile, owes it.
	scheduleBegins := backup.enabled() && backup.Immediate.ValueBool() && !cnpg.Archives(live)
	if backup.enabled() && (location.begins || scheduleBegins || cnpg.IsUnfinished(live, cnpg.BaseBackup)) {
		cnpg.NoteUnfinished(desired, cnpg.BaseBackup)
	}
	adopted := change.seen.hasAdopted(live)
	if !backup.enabled() && adopted {
		cnpg.NoteUnfinished(desired, cnpg.ScheduleRemoval)
	}
	if location.fingerprint == "" && (live.Annotations[cnpg.AnnotationCredentials] != "" || cnpg.IsUnfinished(live, cnpg.SecretRemoval)) {
		cnpg.NoteUnfinished(desired, cnpg.SecretRemoval)
	}
	if cnpg.LeavesStore(live, desired) || cnpg.IsUnfinished(live, cnpg.StoreRemoval) {
		cnpg.NoteUnfinished(desired, cnpg.StoreRemoval)
	}
	if fingerprint := desired.Annotations[cnpg.AnnotationCredentials]; fingerprint != "" && fingerprint != live.Annotations[cnpg.AnnotationCredentials] {
		if err := client.TryCluster(ctx, live, desired, clusters); err != nil {
			return nil, err
		}
	}
	if err := applyCredentials(ctx, client, desired, location, plan.ForceConflicts.ValueBool()); err != nil {
		return nil, err
	}
	cluster, err := client.ApplyCluster(ctx, live, desired, clusters)
	if err != nil {
		return nil, err
	}
	if change.ends {
		if cluster, err = client.WithdrawBackup(ctx, cluster); err != nil {
			return nil, err
		}
	}
	warnLeftBehind(clusters.Before, desired, cluster, &resp.Diagnostics)
	r.backend.seeArchive(cluster, nil, archiveSeen{}).leave(ctx, resp.Private, &resp.Diagnostics)
	// A backup that a new schedule begins at once fails where the pods are still to get the plugin's container, or to lose it.
	owed := owedBackup{is: cnpg.IsUnfinished(desired, cnpg.BaseBackup), anew: location.begins, before: cnpg.IsUnfinished(live, cnpg.BaseBackup)}
	if owed.is && !plan.Wait.ValueBool() {
		if err := owed.lookAtPods(ctx, client, live, cluster); err != nil {
			return nil, err
		}
	}
	scheduled := func() error {
		if err := owed.lookAtSchedule(ctx, client, live, backup); err != nil {
			return err
		}
		return applySchedule(ctx, client, cluster, backup, adopted, schedules)
	}
	// The attempt before this one may have been cut off while they change: the Cluster has the method, and nothing else is done.
	later := plan.Wait.ValueBool() && backup.enabled() && (backup.method() != cnpg.MethodOf(live) || owed.before)
	if !later {
		if err := scheduled(); err != nil {
			return nil, err
		}
	}
	if err := growFull(ctx, client, cluster, &resp.Diagnostics); err != nil {
		return nil, err
	}
	if plan.Wait.ValueBool() && cnpg.NeverReady(live) { // an update does not hide why a recovery fails
		if _, _, err = client.WaitRestored(ctx, cnpg.KeyOf(live), cnpg.Course{}, logRecovery(ctx, cnpg.KeyOf(live))); err != nil {
			return nil, err
		}
		warnUncompared(cnpg.KeyOf(live), &resp.Diagnostics)
	}
	if plan.Wait.ValueBool() {
		if cluster, err = client.WaitUpdated(ctx, live, cluster, r.backend.pace.settle); err != nil {
			return nil, err
		}
	}
	if later {
		if err := scheduled(); err != nil {
			return nil, err
		}
	}
	switch {
	case owed.is && cnpg.Hibernates(cluster): // what is noted stays noted, and follows when it is awake
		r.backend.seeArchive(cluster, nil, archiveSeen{}).leave(ctx, resp.Private, &resp.Diagnostics)
		warnOwedLater(owedLater(cluster), &resp.Diagnostics)
		return cluster, nil
	case owed.is && owed.podsChange: // a backup that came before them would fail
		warnOwedLater(paragraphs(append([]string{owedToPods(cluster)}, owed.lack...)...), &resp.Diagnostics)
		return cluster, nil
	case owed.is && !owed.scheduled: // it proves that archiving works
		err = beginArchive(ctx, client, cluster, plan.Wait.ValueBool())
	case plan.Wait.ValueBool() && reachesAnew(live, cluster):
		err = r.backend.provesArchiving(ctx, client, cluster, &resp.Diagnostics)
	}
	if err != nil {
		return nil, err
	}
	if cnpg.IsUnfinished(desired, cnpg.SecretRemoval) {
		removeCredentials(ctx, client, cluster, &resp.Diagnostics)
	}
	if cnpg.IsUnfinished(desired, cnpg.StoreRemoval) {
		removeStores(ctx, client, cluster, &resp.Diagnostics)
	}
	if cluster, err = client.Finish(ctx, cluster); err != nil {
		return nil, err
	}
	r.backend.seeArchive(cluster, nil, archiveSeen{}).leave(ctx, resp.Private, &resp.Diagnostics)
	return cluster, nil
}

// stateAsItIs records, after a failed update, what stands in Kubernetes, and says so; where that cannot be read, or is another
// Cluster than the one that was to be updated, the state of before stays.
func (r *clusterResource) stateAsItIs(ctx context.Context, client *cnpg.Client, live *cnpgv1.Cluster, state *databaseModel, resp *resource.UpdateResponse, save func(*databaseModel)) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), defaultReadTimeout)
	defer cancel()
	cluster, scheduled, err := readDatabase(ctx, client, state.key())
	if err == nil && cluster.UID != live.UID {
		err = fmt.Errorf("Cluster %s: %w", state.key(), cnpg.ErrReplaced)
	}
	if err != nil {
		return fmt.Sprintf("What stands in Kubernetes now could not be read (%s), so Terraform's state holds the database %s as it was before; the next refresh brings it up to date.",
			err, state.key())
	}
	seen := r.backend.seeArchive(cluster, scheduled, seenArchive(ctx, resp.Private, &resp.Diagnostics))
	state.fromCluster(ctx, r.backend, cluster, scheduled, seen, &resp.Diagnostics)
	save(state)
	seen.leave(ctx, resp.Private, &resp.Diagnostics)
	return fmt.Sprintf("Terraform's state holds the database %s as it stands in Kubernetes now; the next plan shows what is still to be done.", state.key())
}
