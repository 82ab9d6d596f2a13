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
// lies as long as its Cluster archives there.
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
		metav1.SetMetaDataAnnotation(&backup.ObjectMeta, AnnotationLocation, locationOf(cluster))
	}
	return located(backup), nil
}

// ByPlugin tells whether the Barman Cloud plugin takes a Backup.
func ByPlugin(backup *cnpgv1.Backup) bool {
	return methodOfBackup(backup.Spec.Method, backup.Spec.PluginConfiguration) == MethodPlugin
}
