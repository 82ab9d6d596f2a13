package provider

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// What the resources that stand for a Cluster refuse when they are planned.

// planTimeout bounds what a plan of one resource asks Kubernetes and S3: a server that does not answer must not hold
// up the plan for ever.
const planTimeout = time.Minute

// replacement is what the first call of a plan leaves for the second: where Terraform replaces an object, for whatever
// reason, it plans the creation without the prior state, and the object to be deleted first still exists. The data of an
// object that is marked as tainted do not reach its plan.
type replacement struct {
	Of        string `json:"of"`        // namespace/name of what would be deleted
	Protected bool   `json:"protected"` // its deletion_protection
}

const privateReplacement = "replacement"

func (r replacement) leave(ctx context.Context, private privateState, diags *diag.Diagnostics) {
	leavePrivate(ctx, private, privateReplacement, r, diags)
}

// followsDeletion tells whether a creation that is planned follows the deletion of an object of the same name, and with which
// protection.
func followsDeletion(ctx context.Context, private privateState, key cnpg.Key, diags *diag.Diagnostics) (protection types.Bool, follows bool) {
	left, ok := keptPrivate[replacement](ctx, private, privateReplacement, diags)
	return types.BoolValue(left.Protected), ok && left.Of == key.String()
}

// planDestroy refuses to destroy what is protected, and warns of what a destroy leaves behind.
func planDestroy(key cnpg.Key, protection types.Bool, archive types.Object, diags *diag.Diagnostics) {
	if protection.ValueBool() {
		refuseDestroy(key, diags)
		return
	}
	destination, ok := archive.Attributes()["destination_path"].(types.String)
	if server, named := archive.Attributes()["server_name"].(types.String); ok && named {
		diags.AddWarning("Archive Stays in S3", fmt.Sprintf(
			"Destroying the database %s deletes its volumes, and keeps its backups and WAL in %s, folder %s.",
			key, destination.ValueString(), server.ValueString()))
	}
}

// protects is the protection that binds: none binds what is not there, which some CLIs plan to destroy before they look, nor a restore
// that never had a ready instance, since it holds no data.
func (b *backend) protects(ctx context.Context, key cnpg.Key, protection types.Bool, restored bool) types.Bool {
	if !protection.ValueBool() {
		return protection
	}
	client, err := b.kubernetesClient(ctx)
	if err != nil {
		return protection
	}
	cluster, err := client.GetCluster(ctx, key)
	if errors.Is(err, cnpg.ErrNotFound) || err == nil && restored && cnpg.NeverReady(cluster) {
		return types.BoolValue(false)
	}
	return protection
}

func refuseDestroy(key cnpg.Key, diags *diag.Diagnostics) {
	diags.AddAttributeError(path.Root("deletion_protection"), "Database Is Protected", paragraphs(
		fmt.Sprintf("The database %s has deletion_protection, so it is not destroyed. Nothing was changed.", key),
		"To destroy it, first apply deletion_protection = false. Where Terraform has marked it as tainted, run terraform untaint before that apply, which "+
			"would replace it otherwise. To leave it as it is and have Terraform forget it, run terraform state rm."))
}

func refuseReplace(key cnpg.Key, protection types.Bool, diags *diag.Diagnostics) {
	if protection.ValueBool() {
		diags.AddAttributeError(path.Root("deletion_protection"), "Database Is Protected", paragraphs(
			fmt.Sprintf("This change would destroy the database %s and make another one, which its deletion_protection refuses. Nothing was changed.", key),
			"Undo the change, or, to let the database go, first apply deletion_protection = false."))
	}
}

// refuseExisting fails a plan to create a Cluster that exists. Where that cannot be asked now, the create itself will.
func (b *backend) refuseExisting(ctx context.Context, resourceType string, key cnpg.Key, diags *diag.Diagnostics) {
	client, err := b.kubernetesClient(ctx)
	if errors.Is(err, errNotKnown) {
		return
	}
	summary := "Unable to Plan " + titles[resourceType]
	if err != nil {
		addConnectionError(diags, summary, err)
		return
	}
	switch _, err := client.GetCluster(ctx, key); {
	case err == nil:
		diags.AddAttributeError(path.Root("name"), titles[resourceType]+" Already Exists", alreadyExists(resourceType, key))
	case errors.Is(err, cnpg.ErrNotFound):
	case errors.Is(err, cnpg.ErrForbidden) && errors.Is(client.Namespace(ctx, key.Namespace), cnpg.ErrNotFound):
		// Nothing is in a namespace that does not exist, nor can its roles be there yet: this apply may make them too.
	default:
		diags.AddError(summary, paragraphs(sentence(err), "Nothing was changed."))
	}
}

// warnMissingNamespace only warns: the namespace may be made by the same apply.
func (b *backend) warnMissingNamespace(ctx context.Context, namespace string, diags *diag.Diagnostics) {
	client, err := b.kubernetesClient(ctx)
	if err != nil {
		return
	}
	if err := client.Namespace(ctx, namespace); errors.Is(err, cnpg.ErrNotFound) {
		diags.AddAttributeWarning(path.Root("namespace"), "Namespace Does Not Exist Yet",
			fmt.Sprintf("The namespace %q does not exist. Unless this apply makes it, creating the database will fail.", namespace))
	}
}

// warnNotRefreshed says that the state is taken as it is while the provider's configuration is not known.
func warnNotRefreshed(key cnpg.Key, diags *diag.Diagnostics) {
	diags.AddWarning("Not Refreshed", fmt.Sprintf(
		"How to reach Kubernetes is not known while this plan is made, so %s is planned as it was last seen.", key))
}
