package provider

import (
	"context"
	"errors"
	"fmt"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"golang.org/x/sync/errgroup"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// What the resources that stand for a Cluster, databases and restored ones, have in common when they create, read,
// import and destroy it.

// Defaults of timeouts.
const (
	defaultCreateTimeout = 30 * time.Minute
	defaultReadTimeout   = 2 * time.Minute
	defaultUpdateTimeout = 30 * time.Minute
	defaultDeleteTimeout = time.Hour
)

// titles are the resources' names in the summaries of diagnostics.
var titles = map[string]string{
	"pgplatform_database": "Database",
	"pgplatform_backup":   "Backup",
	"pgplatform_restore":  "Restore",
}

// clusterResource is what the resources that stand for a Cluster do alike.
type clusterResource struct{ resourceBase }

// readCluster refreshes what the state knows of a Cluster. Where it is the one that the state stands for, taken makes the
// state of it.
func (r *clusterResource) readCluster(ctx context.Context, resourceType string, state *databaseModel, req resource.ReadRequest, resp *resource.ReadResponse, taken func(*cnpgv1.Cluster)) {
	summary := "Unable to Read " + titles[resourceType]
	timeout, d := state.Timeouts.Read(ctx, defaultReadTimeout)
	resp.Diagnostics.Append(d...)
	if resp.Diagnostics.HasError() {
		return
	}
	// Also for an object that is gone: the framework asks for its identity, which older CLIs do not keep.
	resp.Diagnostics.Append(resp.Identity.Set(ctx, identityOf(state.key()))...)
	ctx, cancel := within(ctx, "read", timeout)
	defer cancel()

	client, err := r.backend.kubernetesClient(ctx)
	switch {
	case errors.Is(err, errNotKnown) && state.unread():
		resp.Diagnostics.AddError(summary, readFirst(state))
		return
	case errors.Is(err, errNotKnown):
		warnNotRefreshed(state.key(), &resp.Diagnostics)
		return
	}
	if err != nil {
		addConnectionError(&resp.Diagnostics, summary, err)
		return
	}
	cluster, scheduled, err := refreshDatabase(ctx, client, state)
	if errors.Is(err, cnpg.ErrNotFound) {
		replacement{}.leave(ctx, resp.Private, &resp.Diagnostics) // an apply before may have kept one, and nothing is to be deleted now
		resp.State.RemoveResource(ctx)
		return
	}
	if err != nil {
		addFailure(&resp.Diagnostics, summary, overdue(ctx, err))
		return
	}
	if !refreshed(ctx, resourceType, cluster, req.Private, resp.Private, &resp.Diagnostics) {
		return
	}
	seen := r.backend.seeArchive(cluster, scheduled, seenArchive(ctx, req.Private, &resp.Diagnostics))
	state.fromCluster(ctx, r.backend, cluster, scheduled, seen, &resp.Diagnostics)
	taken(cluster)
	seen.leave(ctx, resp.Private, &resp.Diagnostics)
	r.backend.warnForeignRetention(cluster, seen, &resp.Diagnostics)
	r.backend.warnMissingStores(cluster, &resp.Diagnostics)
	warnUnknownPlugin(cluster, &resp.Diagnostics)
}

func namespaceExists(ctx context.Context, client *cnpg.Client, namespace, summary string, diags *diag.Diagnostics) bool {
	err := client.Namespace(ctx, namespace)
	switch {
	case err == nil, errors.Is(err, cnpg.ErrForbidden): // a namespaced role need not see the namespace itself
		return true
	case errors.Is(err, cnpg.ErrNotFound):
		diags.AddAttributeError(path.Root("namespace"), summary, fmt.Sprintf("The namespace %q does not exist. Nothing was created.", namespace))
	default:
		diags.AddError(summary, paragraphs(sentence(err), "Nothing was created."))
	}
	return false
}

func addCreateError(diags *diag.Diagnostics, summary, resourceType string, key cnpg.Key, err error) {
	if errors.Is(err, cnpg.ErrAlreadyExists) {
		diags.AddAttributeError(path.Root("name"), summary, alreadyExists(resourceType, key))
		return
	}
	if errors.Is(err, cnpg.ErrOutcomeUnknown) {
		diags.AddError(summary, paragraphs(sentence(err),
			"It is not in Terraform's state. If it was made, the next plan finds it and says how to take it over."))
		return
	}
	addFailureOf(resourceType, diags, summary, err, "Nothing was created.")
}

// applyBackups makes what belongs to the backups of a new Cluster, which was made of what is desired: first the keys, then the
// ObjectStores, where the method needs them, then the schedule, so that a schedule that exists tells that the others do too.
func applyBackups(ctx context.Context, client *cnpg.Client, cluster, desired *cnpgv1.Cluster, backup *backupSettings, location archiveLocation, ownership cnpg.Ownership[cnpgv1.ScheduledBackup]) error {
	if err := applyCredentials(ctx, client, cluster, location, ownership.Force); err != nil {
		return err
	}
	if err := client.CreateObjectStores(ctx, cluster, desired); err != nil {
		return err
	}
	return applySchedule(ctx, client, cluster, backup, false, ownership)
}

// readDatabase reads a Cluster and its ScheduledBackup (nil where it has none) side by side. ErrNotFound is the Cluster's.
func readDatabase(ctx context.Context, client *cnpg.Client, key cnpg.Key) (*cnpgv1.Cluster, *cnpgv1.ScheduledBackup, error) {
	var cluster *cnpgv1.Cluster
	var scheduled *cnpgv1.ScheduledBackup
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		cluster, err = client.GetCluster(ctx, key)
		return err
	})
	group.Go(func() (err error) {
		scheduled, err = readSchedule(ctx, client, key)
		return err
	})
	err := group.Wait()
	if err == nil {
		scheduled = ofItsMethod(scheduled, cluster)
	}
	return cluster, scheduled, err
}

// refreshDatabase is readDatabase for what the state knows already: where neither it nor the Cluster has backups, there is
// no schedule to ask for. A state without a status was never read, and does not tell.
func refreshDatabase(ctx context.Context, client *cnpg.Client, state *databaseModel) (*cnpgv1.Cluster, *cnpgv1.ScheduledBackup, error) {
	key := state.key()
	if state.Status.IsNull() || !state.Backup.IsNull() {
		return readDatabase(ctx, client, key)
	}
	cluster, err := client.GetCluster(ctx, key)
	if err != nil || cnpg.Archiver(cluster) == nil {
		return cluster, nil, err
	}
	scheduled, err := readSchedule(ctx, client, key)
	if err == nil {
		scheduled = ofItsMethod(scheduled, cluster)
	}
	return cluster, scheduled, err
}

// readSchedule reads the ScheduledBackup of a Cluster's archive; nil where it has none. One of its name that somebody made for
// another Cluster or another method is none of it; one that the provider made is, whatever was made of it since.
func readSchedule(ctx context.Context, client *cnpg.Client, key cnpg.Key) (*cnpgv1.ScheduledBackup, error) {
	scheduled, err := client.GetScheduledBackup(ctx, key)
	if errors.Is(err, cnpg.ErrNotFound) || err == nil && foreign(scheduled, key) {
		return nil, nil
	}
	return scheduled, err
}

// importedKey is the object that an import names by its ID, namespace/name, or by its identity.
func importedKey(ctx context.Context, req resource.ImportStateRequest, diags *diag.Diagnostics) (cnpg.Key, bool) {
	key, err := cnpg.ParseKey(req.ID)
	if req.ID == "" && req.Identity != nil {
		var identity identityModel
		diags.Append(req.Identity.Get(ctx, &identity)...)
		key, err = cnpg.ParseKey(identity.Namespace.ValueString() + "/" + identity.Name.ValueString())
	}
	if err != nil {
		diags.AddError("Invalid Import ID", fmt.Sprintf("%s: write the namespace and the name, such as \"default/my-db\".", err))
	}
	return key, err == nil
}

// importCluster takes a Cluster over. What is imported is protected.
func importCluster(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	key, ok := importedKey(ctx, req, &resp.Diagnostics)
	if !ok {
		return
	}
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("id"), key.String())...)
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("namespace"), key.Namespace)...)
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("name"), key.Name)...)
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("deletion_protection"), true)...)
}
