package cnpg

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
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
// archiving fails, is a [BackupError]. When ctx ends first, the error says what the Backup waits for.
func (c *Client) WaitBackup(ctx context.Context, key Key) (*cnpgv1.Backup, error) {
	var last *cnpgv1.Backup
	var told []corev1.Event
	err := c.Observe(ctx, key, []Kind{KindBackup, KindEvent}, func(s *Snapshot) (bool, error) {
		if s.Backup == nil {
			// A first list may come from a cache of the API server that has not seen the object yet.
			if _, err := c.GetBackup(ctx, key); isAnswer(err) {
				return false, fmt.Errorf("while it was waited for: %w", err)
			}
			return false, nil
		}
		last, told = s.Backup, s.Events
		switch last.Status.Phase {
		case cnpgv1.BackupPhaseCompleted:
			return true, nil
		case cnpgv1.BackupPhaseFailed, cnpgv1.BackupPhaseWalArchivingFailing, cnpgv1.BackupPhaseDefinitionInvalid:
			return false, c.BackupFailure(ctx, last)
		}
		return false, nil
	})
	var failed *BackupError
	if err != nil && ctx.Err() != nil && last != nil && !errors.As(err, &failed) {
		err = &StalledError{Err: err, Waiting: append([]string{fmt.Sprintf("the backup is in phase %q", last.Status.Phase)}, warnings(told)...)}
	}
	return last, err
}

// WhileArchiving runs f for as long as a Cluster exists and its archiving does not fail for good, which ends f's context: the
// error is then an [ArchivingError], or [ErrNotFound]. CNPG itself gives an archive ten minutes before it gives a Backup up.
func (c *Client) WhileArchiving(ctx context.Context, key Key, f func(context.Context) error) error {
	running, stop := context.WithCancelCause(ctx)
	watching := make(chan struct{})
	archiving := c.newArchiveClock()
	go func() {
		defer close(watching)
		err := c.Observe(running, key, []Kind{KindCluster}, func(s *Snapshot) (bool, error) {
			if s.Cluster == nil {
				return false, c.stillThere(running, key)
			}
			return false, archiving.look(running, s.Cluster)
		})
		stop(err)
	}()
	err := f(running)
	if cause := context.Cause(running); errors.Is(err, context.Canceled) && ctx.Err() == nil {
		err = cause
	}
	stop(nil)
	<-watching
	return err
}

// failureTimeout bounds what is asked about a failure that is certain.
const failureTimeout = 10 * time.Second

// BackupFailure gathers what is known of a failed Backup: barman's exit status alone tells nobody anything. It does so also where
// ctx has ended, which it has where archiving fails for the same reason.
func (c *Client) BackupFailure(ctx context.Context, backup *cnpgv1.Backup) *BackupError {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), failureTimeout)
	defer cancel()
	key := KeyOf(backup)
	var details []string
	for _, text := range []string{backup.Status.Error, backup.Status.CommandError} {
		if text != "" {
			details = append(details, text)
		}
	}
	// The log may come after the failure that it is about.
	var said []string
	again := wait.Backoff{Duration: c.Graces.LookAgain, Factor: 1, Steps: asks}
	_ = wait.ExponentialBackoffWithContext(ctx, again, func(ctx context.Context) (bool, error) {
		said = c.saidOf(ctx, backup)
		return slices.ContainsFunc(said, func(text string) bool { return strings.Contains(text, "ERROR") }), nil
	})
	details = append(details, said...)
	if len(details) == 0 {
		details = append(details, "CNPG gives no reason")
	}
	return &BackupError{Key: key, Phase: string(backup.Status.Phase), Detail: strings.Join(details, "; ")}
}

// saidOf is what the Cluster's condition and the logs say of a failed Backup.
func (c *Client) saidOf(ctx context.Context, backup *cnpgv1.Backup) []string {
	var said []string
	if cluster, err := c.getCluster(ctx, Key{Namespace: backup.Namespace, Name: backup.Spec.Cluster.Name}); err == nil {
		if works, _ := ContinuousArchiving(cluster); works != nil && !*works {
			said = append(said, c.archivingError(ctx, cluster, c.clock.now().Sub(backup.CreationTimestamp.Time)).words())
		}
	}
	if instance := backup.Status.InstanceID; instance != nil && instance.PodName != "" {
		if line := c.backupLogLine(ctx, backup); line != "" {
			said = append(said, line)
		}
	}
	return said
}
