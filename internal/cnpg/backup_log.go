package cnpg

import (
	"bytes"
	"context"
	"strings"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	corev1 "k8s.io/api/core/v1"
)

// backupLogLine is what barman said in the pod that took a Backup since it began; "" where nothing is found.
func (c *Client) backupLogLine(ctx context.Context, backup *cnpgv1.Backup) string {
	since := backup.CreationTimestamp
	pod := Key{Namespace: backup.Namespace, Name: backup.Status.InstanceID.PodName}
	log, err := c.core.Get().Namespace(pod.Namespace).Resource("pods").Name(pod.Name).SubResource("log").
		VersionedParams(&corev1.PodLogOptions{Container: postgresContainer, SinceTime: &since}, c.params).
		Do(ctx).Raw()
	if err != nil {
		return ""
	}
	for _, line := range errorLines(bytes.NewReader(log)) {
		if strings.Contains(line, "barman") || strings.Contains(line, "backup") || strings.Contains(line, "ERROR") {
			return line
		}
	}
	return ""
}
