package provider

import (
	"context"
	"errors"
	"fmt"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// What a restore goes on from whose creation was cut off after its Cluster was made.

// lacksOriginSecret tells whether a restored Cluster may lack the Secret with which its pods read the archive, or the ObjectStore by
// which the Barman Cloud plugin does. Once an instance has run, they were there.
func lacksOriginSecret(cluster *cnpgv1.Cluster) bool {
	return cnpg.IsUnfinished(cluster, cnpg.OriginSecret) && cnpg.NeverReady(cluster)
}

// finishOrigin takes the note away that a new Cluster lacks the Secret and the ObjectStore that its pods read the archive with.
func (r *restoreResource) finishOrigin(ctx context.Context, client *cnpg.Client, created *cnpgv1.Cluster, resp *resource.CreateResponse) error {
	if !cnpg.IsUnfinished(created, cnpg.OriginSecret) {
		return nil
	}
	finished, err := client.Finish(ctx, created)
	if err == nil {
		r.backend.seeArchive(finished, nil, archiveSeen{}).leave(ctx, resp.Private, &resp.Diagnostics)
	}
	return err
}

// writeOriginSecret writes them for a Cluster that was made without them: what the Cluster was restored with, its annotation
// tells. The apply that follows takes the note away.
func (r *clusterResource) writeOriginSecret(ctx context.Context, client *cnpg.Client, plan *databaseModel, live *cnpgv1.Cluster, summary string, diags *diag.Diagnostics) bool {
	restore := &restoreModel{databaseModel: *plan}
	restore.take(parseInputs(live.Annotations[cnpg.AnnotationRestore]))
	from := r.backend.originOf(ctx, restore, diags)
	byPlugin := cnpg.OriginMethod(live, originName) == cnpg.MethodPlugin
	var err error
	switch {
	case from != nil && !from.needsSecret() && !byPlugin:
		err = fmt.Errorf("Secret %s/%s: its keys are to be written, and the provider's object_store has none for the database pods any more", live.Namespace, originSecretName(live.Name))
	case from != nil:
		if err = from.applySecret(ctx, client, live); err == nil && byPlugin {
			origin := live.DeepCopy()
			origin.Spec.Backup, origin.Spec.ExternalClusters = nil, []cnpgv1.ExternalCluster{{Name: originName, BarmanObjectStore: from.barmanStore(live.Name)}}
			cnpg.SetOriginMethod(origin, cnpg.MethodPlugin)
			err = client.CreateObjectStores(ctx, live, origin)
		}
	case !diags.HasError():
		err = errNotKnown
	}
	if err != nil {
		addFailure(diags, summary, overdue(ctx, err), "Nothing was changed.")
	}
	return !diags.HasError()
}

// logRecovery writes how far a recovery has come to Terraform's log.
func logRecovery(ctx context.Context, key cnpg.Key) cnpg.Progress {
	return func(text string) {
		tflog.Info(ctx, "restoring", map[string]any{"cluster": key.String(), "progress": text})
	}
}

// warnUncompared tells of a recovery whose end was waited for by another operation than the create: what the create knew to
// compare it with, nobody knows any more.
func warnUncompared(key cnpg.Key, diags *diag.Diagnostics) {
	diags.AddWarning("Restored State Not Verified", paragraphs(
		fmt.Sprintf("The recovery of %s has ended. Its create was cut off, so that nobody has compared how far it came with the end of the archive, nor run verify.query.", key),
		"Compare the newest rows with what you expect."))
}

// restoreAnew is the way out of a recovery that has failed where no plan has anything to change; "" for other errors.
func restoreAnew(err error) string {
	var failed *cnpg.RecoveryError
	if !errors.As(err, &failed) || failed.Recovered {
		return ""
	}
	return fmt.Sprintf("As long as no instance of %s was ever ready it holds no data, and deletion_protection does not bind it: correct the inputs and apply, "+
		"or, where the cause is mended, run terraform apply -replace=pgplatform_restore.NAME, and it is removed and restored anew.", failed.Key)
}
