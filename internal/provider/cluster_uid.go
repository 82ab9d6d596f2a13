package provider

import (
	"context"
	"fmt"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// standsFor is which Cluster a state stands for, as private data: the name alone may be another one's by now, which somebody
// has made after the one of the state was deleted. Another one is never taken over, changed or deleted without a word.
type standsFor struct {
	// UID is that of the Cluster that was created, imported or, by a state that has none yet, read.
	UID types.UID `json:"uid"`
	// Another is the UID of the Cluster that the last refresh has found under the name instead; "" where it found its own.
	Another types.UID `json:"another,omitempty"`
}

const privateCluster = "cluster"

// standing is what the state says; empty where it says nothing.
func standing(ctx context.Context, private privateState, diags *diag.Diagnostics) standsFor {
	known, _ := keptPrivate[standsFor](ctx, private, privateCluster, diags)
	return known
}

func (s standsFor) leave(ctx context.Context, private privateState, diags *diag.Diagnostics) {
	leavePrivate(ctx, private, privateCluster, s, diags)
}

// is tells whether a Cluster is the one that the state stands for.
func (s standsFor) is(live *cnpgv1.Cluster) bool { return s.UID == "" || s.UID == live.UID }

// refreshed tells whether a Cluster that was read is the one that the state stands for, and leaves what the plan has to know
// of that. It warns of another one.
func refreshed(ctx context.Context, resourceType string, live *cnpgv1.Cluster, before, after privateState, diags *diag.Diagnostics) bool {
	known := standing(ctx, before, diags)
	if known.is(live) {
		standsFor{UID: live.UID}.leave(ctx, after, diags)
		return true
	}
	known.Another = live.UID
	known.leave(ctx, after, diags)
	diags.AddWarning(anotherCluster, anotherHasTheName(resourceType, cnpg.KeyOf(live)))
	return false
}

// refuseAnother fails a plan whose refresh has found another Cluster.
func refuseAnother(ctx context.Context, resourceType string, key cnpg.Key, private privateState, diags *diag.Diagnostics) bool {
	if standing(ctx, private, diags).Another == "" {
		return false
	}
	diags.AddError(anotherCluster, paragraphs(anotherHasTheName(resourceType, key), "Nothing was changed."))
	return true
}

const anotherCluster = "Another Cluster Has the Name"

// anotherHasTheName says what has become of the Cluster that a state stands for, and both ways out.
func anotherHasTheName(resourceType string, key cnpg.Key) string {
	return paragraphs(
		fmt.Sprintf("The Cluster %s is not the one that Terraform's state stands for: that one was deleted, and somebody made another one under its name. "+
			"The state holds the database as it was last seen; nothing of the other one is taken over, changed or deleted.", key),
		fmt.Sprintf("To leave the other one to whoever made it, take the resource out of the configuration, and make Terraform forget what is gone, which changes nothing in Kubernetes:\n\n"+
			"  terraform state rm %s.NAME", resourceType),
		"To take the other one over, make Terraform forget what is gone in the same way, and import it:\n\n"+importBlock(resourceType, key),
	)
}
