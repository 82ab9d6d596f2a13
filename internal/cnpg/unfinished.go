package cnpg

import (
	"context"
	"slices"
	"strings"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Unfinished is something that is to follow an apply of a Cluster. The apply itself notes it in [AnnotationUnfinished], so
// that neither an answer nor a state that gets lost loses what is still to be done.
type Unfinished string

// What may follow an apply.
const (
	// BaseBackup is the base backup that an archive begins or goes on with.
	BaseBackup Unfinished = "base-backup"
	// SecretRemoval is the removal of a Secret that nothing refers to any more.
	SecretRemoval Unfinished = "secret-removal"
	// StoreRemoval is the removal of the provider's ObjectStores that the Cluster names no more.
	StoreRemoval Unfinished = "object-store-removal"
	// ScheduleRemoval is the removal of a ScheduledBackup that somebody else made and that belongs to backups that are turned off.
	ScheduleRemoval Unfinished = "schedule-removal"
	// OriginSecret is the Secret with which the pods of a restored Cluster read the archive that it is made from, and the ObjectStore
	// by which the Barman Cloud plugin does.
	OriginSecret Unfinished = "origin-secret"
)

// IsUnfinished tells whether something is still to follow the last apply of a Cluster.
func IsUnfinished(cluster *cnpgv1.Cluster, what Unfinished) bool {
	return slices.Contains(strings.Split(cluster.Annotations[AnnotationUnfinished], ","), string(what))
}

// NoteUnfinished notes in a Cluster that is to be applied what is to follow.
func NoteUnfinished(cluster *cnpgv1.Cluster, what Unfinished) {
	noted := string(what)
	if before := cluster.Annotations[AnnotationUnfinished]; before != "" {
		noted = before + "," + noted
	}
	metav1.SetMetaDataAnnotation(&cluster.ObjectMeta, AnnotationUnfinished, noted)
}

// Finish removes the note from a Cluster: all that was to follow is done.
func (c *Client) Finish(ctx context.Context, cluster *cnpgv1.Cluster) (*cnpgv1.Cluster, error) {
	if _, noted := cluster.Annotations[AnnotationUnfinished]; !noted {
		return cluster, nil
	}
	finished := &cnpgv1.Cluster{}
	err := mergePatch(ctx, c.cnpg, clusters, KeyOf(cluster), map[string]any{
		"metadata": map[string]any{"uid": cluster.UID, "annotations": map[string]any{AnnotationUnfinished: nil}},
	}, applyOptions{manager: FieldManager}, finished)
	if err != nil {
		return nil, explain(err, "Cluster", KeyOf(cluster))
	}
	return c.joined(ctx, finished)
}
