package provider

import (
	"context"
	"errors"
	"fmt"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	k8stypes "k8s.io/apimachinery/pkg/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// destruction is what the state says of a destroy.
type destruction struct {
	kind        string // of resource
	of          cnpg.Key
	is          standsFor
	seen        archiveSeen // of a database
	protection  types.Bool
	finalBackup types.Bool
	limits      timeouts.Value
	restored    bool   // whether it was made from an archive
	failed      bool   // whether it is destroyed because the plan has seen a restore that never had a ready instance
	inputs      string // of that restore, as the state has them
}

// destroyCluster deletes a Cluster and what belongs to it, the schedule first, so that it starts no backup on the way.
// It is the last to look at the state's protection, whatever a plan has said; none binds a Cluster that is gone, nor a restore that
// never had a ready instance, since it holds no data. Where a last backup is asked for, nothing is
// deleted before S3 has it.
func (b *backend) destroyCluster(ctx context.Context, summary string, d destruction, diags *diag.Diagnostics) {
	timeout, problems := d.limits.Delete(ctx, defaultDeleteTimeout)
	diags.Append(problems...)
	if diags.HasError() {
		return
	}
	ctx, client, end, ok := b.begin(ctx, "delete", timeout, summary, diags)
	defer end()
	if !ok {
		return
	}
	live, err := client.GetCluster(ctx, d.of)
	if errors.Is(err, cnpg.ErrNotFound) {
		live, err = nil, nil
	}
	if err != nil {
		addFailureOf(d.kind, diags, summary, overdue(ctx, err), stateAfterDestroy(d.of), "Nothing was destroyed.")
		return
	}
	if live != nil && (!d.is.is(live) || d.failed && live.Annotations[cnpg.AnnotationRestore] != d.inputs) {
		diags.AddError(summary, paragraphs(anotherHasTheName(d.kind, d.of), "Nothing was destroyed."))
		return
	}
	empty := d.restored && live != nil && cnpg.NeverReady(live)
	if d.failed && live != nil && !empty {
		addFailureOf(d.kind, diags, summary, fmt.Errorf("Cluster %s: %w", d.of, cnpg.ErrHasRun), "Nothing was destroyed.")
		return
	}
	if d.protection.ValueBool() && live != nil && !empty {
		refuseDestroy(d.of, diags)
		return
	}
	if d.finalBackup.ValueBool() && live != nil && !empty && !b.takeFinalBackup(ctx, client, live, summary, diags) {
		return
	}
	adopted := d.seen.AdoptedSchedule
	var owner k8stypes.UID // what is left of a Cluster that is gone belongs to none, or Kubernetes removes it
	if live != nil {
		owner = live.UID
		adopted = d.seen.hasAdopted(live)
	}
	// What spares it these has to hold until it is deleted, so that goes first: of what never ran no backup is begun on the way.
	sparing := empty && (d.failed || d.protection.ValueBool() || d.finalBackup.ValueBool())
	if sparing {
		err = client.DeleteNeverReady(ctx, live)
	}
	lives := ""
	if err == nil {
		err = client.DeleteScheduledBackup(ctx, d.of, owner, adopted)
		if err == nil && live != nil && !sparing {
			err = client.DeleteCluster(ctx, live)
		}
		lives = d.schedule(live, err)
	}
	if err == nil && live != nil {
		err = client.WaitDeleted(ctx, live)
	}
	for _, remove := range d.leaves(live, owner) {
		if err != nil {
			break
		}
		err = remove(ctx, client)
		var refused *cnpg.AdmissionError
		if errors.Is(err, cnpg.ErrForbidden) || errors.As(err, &refused) { // it belongs to the Cluster, and goes with it
			err = nil
		}
	}
	if err != nil {
		addFailureOf(d.kind, diags, summary, overdue(ctx, err), lives, stateAfterDestroy(d.of))
	}
}

// leaves are the removals of what a Cluster leaves when it is gone, though it belongs to it; live is nil for one that was gone before.
func (d destruction) leaves(live *cnpgv1.Cluster, owner k8stypes.UID) []func(context.Context, *cnpg.Client) error {
	var removals []func(context.Context, *cnpg.Client) error
	remove := func(name string, by func(*cnpg.Client, context.Context, cnpg.Key, k8stypes.UID) error) {
		removals = append(removals, func(ctx context.Context, client *cnpg.Client) error {
			return by(client, ctx, cnpg.Key{Namespace: d.of.Namespace, Name: name}, owner)
		})
	}
	restored := d.restored || live != nil && live.Annotations[cnpg.AnnotationSource] != ""
	remove(cnpg.CredentialsSecretName(d.of.Name), (*cnpg.Client).DeleteSecret)
	if restored {
		remove(originSecretName(d.of.Name), (*cnpg.Client).DeleteSecret)
	}
	if live != nil {
		for _, store := range cnpg.ObjectStoresOf(live) {
			remove(store, (*cnpg.Client).DeleteObjectStore)
		}
	}
	return removals
}

// schedule says that a database has lost its schedule already, where err, of the attempt to delete it, lets it live on.
func (d destruction) schedule(live *cnpgv1.Cluster, err error) string {
	if err == nil || live == nil || live.DeletionTimestamp != nil || cnpg.Archiver(live) == nil || errors.Is(err, cnpg.ErrReplaced) {
		return ""
	}
	return "Its schedule may be gone already: for as long as the database lives on, no base backups are taken by it. To keep the database, apply: that puts the schedule back."
}

func stateAfterDestroy(key cnpg.Key) string {
	return fmt.Sprintf("The Cluster %s stays in Terraform's state; destroy again when the cause is mended.", key)
}
