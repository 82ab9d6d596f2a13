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
	"github.com/hashicorp/terraform-plugin-framework/resource/identityschema"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"golang.org/x/sync/errgroup"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

var (
	_ resource.ResourceWithConfigure      = (*databaseResource)(nil)
	_ resource.ResourceWithIdentity       = (*databaseResource)(nil)
	_ resource.ResourceWithImportState    = (*databaseResource)(nil)
	_ resource.ResourceWithModifyPlan     = (*databaseResource)(nil)
	_ resource.ResourceWithValidateConfig = (*databaseResource)(nil)
)

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

type databaseResource struct{ backend *backend }

func newDatabaseResource() resource.Resource { return &databaseResource{} }

func (r *databaseResource) Metadata(_ context.Context, _ resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = "pgplatform_database"
}

func (r *databaseResource) Schema(ctx context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = databaseSchema(ctx)
}

func (r *databaseResource) IdentitySchema(_ context.Context, _ resource.IdentitySchemaRequest, resp *resource.IdentitySchemaResponse) {
	resp.IdentitySchema = identitySchema()
}

func (r *databaseResource) Configure(_ context.Context, req resource.ConfigureRequest, resp *resource.ConfigureResponse) {
	r.backend = backendFrom(req.ProviderData, &resp.Diagnostics)
}

func (r *databaseResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	const summary = "Unable to Create Database"
	var plan databaseModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	timeout, d := plan.Timeouts.Create(ctx, defaultCreateTimeout)
	resp.Diagnostics.Append(d...)
	backup := plan.backup(ctx, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	ctx, finish := r.backend.collectWarnings(ctx)
	defer finish(&resp.Diagnostics)

	key := plan.key()
	client, err := r.backend.kubernetesClient()
	if err != nil {
		addConnectionError(&resp.Diagnostics, summary, err)
		return
	}
	if !namespaceExists(ctx, client, key.Namespace, summary, &resp.Diagnostics) {
		return
	}
	var location archiveLocation
	if backup.enabled() {
		var ok bool
		if r.backend.requireArchive(path.Root("backup"), &resp.Diagnostics); resp.Diagnostics.HasError() {
			return
		}
		if location, ok = r.backend.newArchive(ctx, key.Name, summary, &resp.Diagnostics); !ok {
			return
		}
	}
	cluster := plan.toCluster(ctx, location, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	cluster.Spec.Bootstrap = &cnpgv1.BootstrapConfiguration{
		InitDB: &cnpgv1.BootstrapInitDB{Database: defaultDatabase, Owner: defaultDatabase},
	}
	created, err := client.CreateCluster(ctx, cluster)
	if created == nil {
		addCreateError(&resp.Diagnostics, summary, "pgplatform_database", key, err)
		return
	}

	// The object exists: from here on it is in the state, whatever happens.
	plan.ID = types.StringValue(key.String())
	early := plan
	early.nullUnknowns()
	resp.Diagnostics.Append(resp.State.Set(ctx, early)...)
	resp.Diagnostics.Append(resp.Identity.Set(ctx, identityOf(key))...)
	if err == nil {
		err = applyBackups(ctx, client, created, backup, location)
	}
	if err == nil {
		created, err = client.WaitReady(ctx, key)
	}
	if err != nil {
		resp.Diagnostics.AddError(summary, paragraphs(sentence(err), remedy(err), stateAfterCreate("pgplatform_database", key)))
		return
	}
	plan.observe(created)
	resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
}

// applyBackups brings what belongs to a Cluster's backups to what is wanted: first the keys, then the schedule, so that
// a schedule that exists tells that the keys do too.
func applyBackups(ctx context.Context, client *cnpg.Client, cluster *cnpgv1.Cluster, backup *backupSettings, location archiveLocation) error {
	if backup.enabled() {
		if err := client.ApplySecret(ctx, location.credentialsSecret(cluster)); err != nil {
			return err
		}
	}
	scheduled, err := backup.toScheduledBackup(cluster)
	if err != nil {
		return err
	}
	if scheduled == nil {
		return client.DeleteScheduledBackup(ctx, cnpg.KeyOf(cluster))
	}
	_, err = client.ApplyScheduledBackup(ctx, scheduled)
	return err
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
	diags.AddError(summary, paragraphs(sentence(err), remedy(err), "Nothing was created."))
}

func (r *databaseResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	const summary = "Unable to Read Database"
	var state databaseModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	timeout, d := state.Timeouts.Read(ctx, defaultReadTimeout)
	resp.Diagnostics.Append(d...)
	if resp.Diagnostics.HasError() {
		return
	}
	// Also for an object that is gone: the framework asks for its identity, which older CLIs do not keep.
	resp.Diagnostics.Append(resp.Identity.Set(ctx, identityOf(state.key()))...)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	client, err := r.backend.kubernetesClient()
	if err != nil {
		addConnectionError(&resp.Diagnostics, summary, err)
		return
	}
	cluster, scheduled, err := readDatabase(ctx, client, state.key())
	if errors.Is(err, cnpg.ErrNotFound) {
		resp.State.RemoveResource(ctx)
		return
	}
	if err != nil {
		resp.Diagnostics.AddError(summary, sentence(err))
		return
	}
	state.fromCluster(ctx, cluster, scheduled, &resp.Diagnostics)
	resp.Diagnostics.Append(resp.State.Set(ctx, state)...)
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
		scheduled, err = client.GetScheduledBackup(ctx, key)
		if errors.Is(err, cnpg.ErrNotFound) {
			return nil
		}
		return err
	})
	err := group.Wait()
	return cluster, scheduled, err
}

func (r *databaseResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	const summary = "Unable to Update Database"
	var plan, state databaseModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	timeout, d := plan.Timeouts.Update(ctx, defaultUpdateTimeout)
	resp.Diagnostics.Append(d...)
	backup := plan.backup(ctx, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	// CLIs that know no identities pass none on from the state.
	resp.Diagnostics.Append(resp.Identity.Set(ctx, identityOf(plan.key()))...)
	if !plan.Status.IsUnknown() {
		// Only settings that Terraform keeps for itself have changed.
		resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	ctx, finish := r.backend.collectWarnings(ctx)
	defer finish(&resp.Diagnostics)

	key := plan.key()
	client, err := r.backend.kubernetesClient()
	if err != nil {
		addConnectionError(&resp.Diagnostics, summary, err)
		return
	}
	live, err := client.GetCluster(ctx, key)
	if err != nil {
		resp.Diagnostics.AddError(summary, sentence(err))
		return
	}
	location, ok := r.locationFor(ctx, live, backup, summary, &resp.Diagnostics)
	if !ok {
		return
	}
	desired := plan.toCluster(ctx, location, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	cluster, err := client.ApplyCluster(ctx, live, desired)
	if err == nil {
		err = applyBackups(ctx, client, cluster, backup, location)
	}
	if err == nil {
		cluster, err = client.WaitReady(ctx, key)
	}
	if err != nil {
		r.stateAsItIs(ctx, client, &state, resp)
		resp.Diagnostics.AddError(summary, paragraphs(sentence(err), remedy(err),
			fmt.Sprintf("Terraform's state holds the database %s as it stands in Kubernetes now; the next plan shows what is still to be done.", key)))
		return
	}
	plan.observe(cluster)
	resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
}

// locationFor keeps the archive that a Cluster has, with the provider's keys of today; one that has none gets a new one.
func (r *databaseResource) locationFor(ctx context.Context, live *cnpgv1.Cluster, backup *backupSettings, summary string, diags *diag.Diagnostics) (archiveLocation, bool) {
	if !backup.enabled() {
		return archiveLocation{}, true
	}
	if r.backend.requireArchive(path.Root("backup"), diags); diags.HasError() {
		return archiveLocation{}, false
	}
	if cnpg.Archiver(live) == nil {
		return r.backend.newArchive(ctx, live.Name, summary, diags)
	}
	store := r.backend.store
	fingerprint := live.Annotations[cnpg.AnnotationCredentials]
	if !matchesFingerprint(fingerprint, store.podKeys, store.region) {
		fingerprint = fingerprintOf(store.podKeys, store.region, "")
	}
	return archiveLocation{store: store, serverName: cnpg.ServerName(live), fingerprint: fingerprint}, true
}

// stateAsItIs records, after a failed update, what stands in Kubernetes; where that cannot be read, the state of before stays.
func (r *databaseResource) stateAsItIs(ctx context.Context, client *cnpg.Client, state *databaseModel, resp *resource.UpdateResponse) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), defaultReadTimeout)
	defer cancel()
	cluster, scheduled, err := readDatabase(ctx, client, state.key())
	if err != nil {
		return
	}
	state.fromCluster(ctx, cluster, scheduled, &resp.Diagnostics)
	resp.Diagnostics.Append(resp.State.Set(ctx, state)...)
}

func (r *databaseResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state databaseModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	timeout, d := state.Timeouts.Delete(ctx, defaultDeleteTimeout)
	resp.Diagnostics.Append(d...)
	if resp.Diagnostics.HasError() {
		return
	}
	if state.DeletionProtection.ValueBool() {
		refuseDestroy(state.key(), &resp.Diagnostics)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r.backend.destroyCluster(ctx, "Unable to Destroy Database", state.key(), &resp.Diagnostics)
}

// destroyCluster deletes a Cluster and what belongs to it, the schedule first, so that it starts no backup on the way.
func (b *backend) destroyCluster(ctx context.Context, summary string, key cnpg.Key, diags *diag.Diagnostics) {
	client, err := b.kubernetesClient()
	if err != nil {
		addConnectionError(diags, summary, err)
		return
	}
	err = client.DeleteScheduledBackup(ctx, key)
	if err == nil {
		err = client.DeleteCluster(ctx, key)
	}
	if err == nil {
		err = client.DeleteSecret(ctx, cnpg.Key{Namespace: key.Namespace, Name: credentialsSecretName(key.Name)})
	}
	if err != nil {
		diags.AddError(summary, paragraphs(sentence(err), remedy(err),
			fmt.Sprintf("The Cluster %s stays in Terraform's state; destroy again when the cause is mended.", key)))
	}
}

func (r *databaseResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	importCluster(ctx, req, resp)
}

type identityModel struct {
	Namespace types.String `tfsdk:"namespace"`
	Name      types.String `tfsdk:"name"`
}

func identityOf(key cnpg.Key) identityModel {
	return identityModel{Namespace: types.StringValue(key.Namespace), Name: types.StringValue(key.Name)}
}

func identitySchema() identityschema.Schema {
	return identityschema.Schema{Attributes: map[string]identityschema.Attribute{
		"namespace": identityschema.StringAttribute{RequiredForImport: true, Description: "Namespace of the object."},
		"name":      identityschema.StringAttribute{RequiredForImport: true, Description: "Name of the object."},
	}}
}

// importCluster takes a Cluster over by its ID, namespace/name, or its identity. What is imported is protected.
func importCluster(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	key, err := cnpg.ParseKey(req.ID)
	if req.ID == "" && req.Identity != nil {
		var identity identityModel
		resp.Diagnostics.Append(req.Identity.Get(ctx, &identity)...)
		key, err = cnpg.Key{Namespace: identity.Namespace.ValueString(), Name: identity.Name.ValueString()}, nil
	}
	if err != nil {
		resp.Diagnostics.AddError("Invalid Import ID", fmt.Sprintf("%s: write the namespace and the name, such as \"default/my-db\".", err))
		return
	}
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("id"), key.String())...)
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("namespace"), key.Namespace)...)
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("name"), key.Name)...)
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("deletion_protection"), true)...)
}
