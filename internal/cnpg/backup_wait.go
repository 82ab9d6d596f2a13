package cnpg

import (
	"context"
	"fmt"
	"strings"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
)

// BackupError is a Backup that ended without one; Detail is CNPG's and barman's own account of it.
type BackupError struct {
	Key    Key
	Phase  string
	Detail string
}

func (e *BackupError) Error() string {
	return fmt.Sprintf("Backup %s: %s: %s", e.Key, e.Phase, e.Detail)
}

// WaitBackup waits until a Backup is completed and returns it. One that failed, or that CNPG will not run since WAL
// archiving fails, is a [BackupError].
func (c *Client) WaitBackup(ctx context.Context, key Key) (*cnpgv1.Backup, error) {
	var last *cnpgv1.Backup
	err := c.Observe(ctx, key, []Kind{KindBackup}, func(s *Snapshot) (bool, error) {
		if s.Backup == nil {
			// A first list may come from a cache of the API server that has not seen the object yet.
			if _, err := c.GetBackup(ctx, key); isAnswer(err) {
				return false, fmt.Errorf("while it was waited for: %w", err)
			}
			return false, nil
		}
		last = s.Backup
		switch last.Status.Phase {
		case cnpgv1.BackupPhaseCompleted:
			return true, nil
		case cnpgv1.BackupPhaseFailed, cnpgv1.BackupPhaseWalArchivingFailing, cnpgv1.BackupPhaseDefinitionInvalid:
			return false, c.backupError(ctx, last)
		}
		return false, nil
	})
	if err != nil && ctx.Err() != nil && last != nil {
		err = fmt.Errorf("%w (the backup is in phase %q)", err, last.Status.Phase)
	}
	return last, err
}

// backupError gathers what is known of a failed Backup: barman's exit status alone tells nobody anything.
func (c *Client) backupError(ctx context.Context, backup *cnpgv1.Backup) error {
	key := KeyOf(backup)
	var details []string
	for _, text := range []string{backup.Status.Error, backup.Status.CommandError} {
		if text != "" {
			details = append(details, text)
		}
	}
	clusterKey := Key{Namespace: key.Namespace, Name: backup.Spec.Cluster.Name}
	if cluster, err := c.GetCluster(ctx, clusterKey); err == nil {
		if works, message := ContinuousArchiving(cluster); works != nil && !*works {
			details = append(details, "WAL archiving fails: "+message)
		}
	}
	if instance := backup.Status.InstanceID; instance != nil && instance.PodName != "" {
		if line := c.backupLogLine(ctx, backup); line != "" {
			details = append(details, line)
		}
	}
	if len(details) == 0 {
		details = append(details, "CNPG gives no reason")
	}
	return &BackupError{Key: key, Phase: string(backup.Status.Phase), Detail: strings.Join(details, "; ")}
}
