package cnpg

import (
	"context"
	"encoding/json"
	"errors"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// backupLocation is where a Backup of the Barman Cloud plugin's lies. In-tree, CNPG tells it in the status; the plugin does not,
// and the Cluster may be gone, or archive elsewhere, when somebody asks.
type backupLocation struct {
	DestinationPath string `json:"destinationPath"`
	EndpointURL     string `json:"endpointURL,omitempty"`
	ServerName      string `json:"serverName"`
}

// locationOf is the [AnnotationLocation] of a Backup of a Cluster; "" where CNPG itself will say where it lies.
func locationOf(cluster *cnpgv1.Cluster) string {
	store := Archiver(cluster)
	if MethodOf(cluster) != MethodPlugin || store == nil {
		return ""
	}
	text, err := json.Marshal(backupLocation{store.DestinationPath, store.EndpointURL, ServerName(cluster)})
	if err != nil {
		return "" // these are strings
	}
	return string(text)
}

// located gives a Backup of the plugin's that has begun the status that it would have without the plugin.
func located(backup *cnpgv1.Backup) *cnpgv1.Backup {
	status, at := &backup.Status, backupLocation{}
	begun := status.Phase != "" && status.Phase != cnpgv1.BackupPhasePending
	if !begun || status.DestinationPath != "" || json.Unmarshal([]byte(backup.Annotations[AnnotationLocation]), &at) != nil {
		return backup
	}
	status.DestinationPath, status.EndpointURL, status.ServerName = at.DestinationPath, at.EndpointURL, at.ServerName
	return backup
}

// LocateBackup reads a Backup. Of one that the Barman Cloud plugin took for somebody else, such as a schedule, it is known where it
// lies as long as its Cluster archives there: the plugin says since when that can be restored from.
func (c *Client) LocateBackup(ctx context.Context, key Key) (*cnpgv1.Backup, error) {
	backup, err := c.GetBackup(ctx, key)
	if err != nil || !ByPlugin(backup) || backup.Status.DestinationPath != "" || backup.Status.BackupID == "" {
		return backup, err
	}
	cluster, err := c.GetCluster(ctx, Key{Namespace: key.Namespace, Name: backup.Spec.Cluster.Name})
	switch {
	case errors.Is(err, ErrNotFound):
	case err != nil:
		return nil, err
	default:
		moved, err := c.movedSince(ctx, cluster, backup)
		if err != nil {
			return nil, err
		}
		if !moved {
			metav1.SetMetaDataAnnotation(&backup.ObjectMeta, AnnotationLocation, locationOf(cluster))
		}
	}
	return located(backup), nil
}

// movedSince tells whether a Cluster archives elsewhere by now than when a Backup of the plugin's was completed: the first one that the
// folder has is a later one, or the plugin knows of others' folders alone. While it has said nothing at all the Cluster is not known to
// have moved.
func (c *Client) movedSince(ctx context.Context, cluster *cnpgv1.Cluster, backup *cnpgv1.Backup) (bool, error) {
	entry := archiverEntry(cluster)
	if entry == nil || Archiver(cluster) == nil {
		return false, nil // it does not say where it archives anyway
	}
	store, err := c.GetObjectStore(ctx, Key{Namespace: cluster.Namespace, Name: storeOf(entry)})
	if err != nil {
		return false, err
	}
	windows := store.Status.ServerRecoveryWindow
	window, known := windows[ServerName(cluster)]
	if !known {
		return len(windows) > 0, nil
	}
	first, completed := window.FirstRecoverabilityPoint, backup.Status.StoppedAt
	return first != nil && completed != nil && completed.Before(first), nil
}

// ByPlugin tells whether the Barman Cloud plugin takes a Backup.
func ByPlugin(backup *cnpgv1.Backup) bool {
	return methodOfBackup(backup.Spec.Method, backup.Spec.PluginConfiguration) == MethodPlugin
}
