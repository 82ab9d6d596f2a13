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
	// What barman says comes before what the instance manager makes of it, whichever was written first.
	lines := errorLines(bytes.NewReader(log))
	for _, of := range []string{"ERROR", "barman", "backup"} {
		for _, line := range lines {
			if strings.Contains(line, of) {
				return line
			}
		}
	}
	return ""
}
