package cnpg

import (
	"bytes"
	"context"
	"iter"
	"slices"
	"strings"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	corev1 "k8s.io/api/core/v1"
)

// backupLogLine is what barman said in the pod that took a Backup since it began; "" where nothing is found.
func (c *Client) backupLogLine(ctx context.Context, backup *cnpgv1.Backup) string {
	since := backup.CreationTimestamp
	log := c.barmanLog(ctx, Key{Namespace: backup.Namespace, Name: backup.Status.InstanceID.PodName}, &corev1.PodLogOptions{
		Container: barmanContainer(methodOfBackup(backup.Spec.Method, backup.Spec.PluginConfiguration)), SinceTime: &since,
	})
	// What barman says comes before what the instance manager makes of it, whichever was written first.
	lines := errorsIn(linesOf(log, backup.Name))
	for _, of := range []string{"ERROR", "barman", "backup"} {
		for _, line := range lines {
			if strings.Contains(line, of) {
				return line
			}
		}
	}
	return ""
}

// barmanLog is what the container of a pod said that runs barman; nothing where that cannot be read, and a missing right is told.
func (c *Client) barmanLog(ctx context.Context, pod Key, of *corev1.PodLogOptions) []byte {
	log, err := raw(c.core.Get().Namespace(pod.Namespace).Resource("pods").Name(pod.Name).SubResource("log").VersionedParams(of, c.params).Do(ctx))
	if err != nil {
		DoWithout(ctx, err, logsUnread)
		return nil
	}
	return log
}

// startsBarman is what the instance manager says when it runs barman for a Backup.
const startsBarman = "Starting barman-cloud-backup"

// linesOf are the lines of a pod's log that are of a Backup. The instance manager names it in its own lines. In barman's nobody is
// named: they belong to the Backup that barman was started for last, since CNPG takes one at a time. Where no line names any Backup,
// all are.
func linesOf(log []byte, name string) iter.Seq[logLine] {
	all := slices.Collect(managerLines(bytes.NewReader(log)))
	if !slices.ContainsFunc(all, func(line logLine) bool { return line.Backup != "" }) {
		return slices.Values(all)
	}
	var of []logLine
	running := ""
	for _, line := range all {
		if line.Msg == startsBarman {
			running = line.Backup
		}
		if line.Backup == name || line.Backup == "" && running == name {
			of = append(of, line)
		}
	}
	return slices.Values(of)
}
