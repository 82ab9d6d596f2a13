package cnpg

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// upgradeJobRole is CNPG's name for the Job, and the container in it, that runs pg_upgrade; it runs once.
const upgradeJobRole = "major-upgrade"

// UpgradeError is an upgrade to another major version that failed. CNPG does not try again, and keeps the data of before.
type UpgradeError struct {
	Key   Key
	Pod   string
	Image string   // of the version that was not reached
	Lines []string // what pg_upgrade said at last
}

func (e *UpgradeError) Error() string {
	text := fmt.Sprintf("the upgrade of Cluster %s to %s failed (pod %s)", e.Key, e.Image, e.Pod)
	if len(e.Lines) > 0 {
		text += ":\n  " + strings.Join(e.Lines, "\n  ")
	}
	return text
}

// failedUpgradePod is the pod in which the upgrade that the Cluster's spec asks for failed; nil where none has.
func failedUpgradePod(s *Snapshot) *corev1.Pod {
	for _, pod := range s.Pods {
		if pod.Labels[labelJobRole] != upgradeJobRole || pod.DeletionTimestamp != nil || !containerFailed(&pod) {
			continue
		}
		// A pod of another image is left from an upgrade that was given up.
		if slices.ContainsFunc(pod.Spec.Containers, func(c corev1.Container) bool { return c.Image == s.Cluster.Spec.ImageName }) {
			return &pod
		}
	}
	return nil
}

func (c *Client) upgradeError(ctx context.Context, key Key, pod *corev1.Pod) error {
	failure := &UpgradeError{Key: key, Pod: pod.Name}
	for _, container := range pod.Spec.Containers {
		failure.Image = container.Image
		if log, err := c.podLog(ctx, KeyOf(pod), logOptions{container: container.Name, lines: logLines, bytes: logLimit}); err == nil {
			failure.Lines = upgradeLines(bytes.NewReader(log))
		}
	}
	if len(failure.Lines) == 0 {
		cause, _ := c.diagnose(ctx, pod, false) // what cannot be read is said in the cause
		failure.Lines = []string{cause.Line}
	}
	return failure
}

// toldLines is how many of pg_upgrade's last lines are told; the cause is among them.
const toldLines = 6

// upgradeLines are the last lines that pg_upgrade itself has written, on either stream.
func upgradeLines(log io.Reader) []string {
	var lines []string
	for line := range managerLines(log) {
		if text := strings.TrimSpace(line.Msg); line.Logger == "pg_upgrade" && text != "" {
			lines = append(lines, text)
		}
	}
	return lines[max(0, len(lines)-toldLines):]
}
