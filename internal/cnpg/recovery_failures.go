package cnpg

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// RecoveryError is a restore that failed, with the cause that the first failed pod named.
type RecoveryError struct {
	Key   Key
	Pod   string
	Cause Cause
	// Failed is when the pod failed, by the clock of its node; zero where nobody says it.
	Failed time.Time
	// Recovered tells that the recovery itself succeeded: it is the restored database that does not start.
	Recovered bool
	// Verdict is CNPG's own, where it has given up; else nil.
	Verdict error
	// Filled is a later try, for which there was no room any more beside what earlier ones had left; else nil.
	Filled *RecoveryError
}

func (e *RecoveryError) Error() string {
	what := "the recovery of Cluster %s failed (pod %s): %s"
	if e.Recovered {
		what = "Cluster %s is recovered, but does not start (pod %s): %s"
	}
	text := fmt.Sprintf(what, e.Key, e.Pod, e.Cause.Line)
	if e.Filled != nil {
		text += fmt.Sprintf("; a later try (pod %s) found the volume full of what earlier ones had left: %s", e.Filled.Pod, e.Filled.Cause.Line)
	}
	if e.Verdict != nil && e.Cause.Meaning == "" {
		text += "; " + e.Verdict.Error()
	}
	return text
}

// Unwrap gives CNPG's verdict.
func (e *RecoveryError) Unwrap() error { return e.Verdict }

// recoveryFailures are the pods that have failed while a Cluster was restored, each looked at once.
type recoveryFailures struct {
	client *Client
	tell   Progress

	seen map[string]int // how often a failure was looked at
	all  []*RecoveryError
}

// looks is how often a failed pod's log is asked for while it cannot be read; explained stands for one that needs no further look.
const (
	looks     = 3
	explained = looks + 1
)

// look looks at the pods that have failed since the last time, the first one first. The error is the first failure that no other
// try mends, or, when the Job has given up, the first one at all: those of later tries may come of what the first has left behind.
func (f *recoveryFailures) look(ctx context.Context, s *Snapshot) error {
	for i := range s.Pods {
		pod := &s.Pods[i]
		failure, again := failureOf(s, pod)
		if failure == nil || f.seen[again] == explained {
			continue
		}
		if f.seen == nil {
			f.seen = map[string]int{}
		}
		f.seen[again]++
		var err error
		if failure.Cause, err = f.client.diagnose(ctx, pod, failure.Recovered); err != nil && f.seen[again] < looks {
			return nil // what it says may be what the next one has failed for
		}
		f.seen[again] = explained
		f.all = append(f.all, failure)
		if failure.Cause.Deterministic || f.diesAlways(failure) {
			return f.beneath(s, failure)
		}
		f.tell(fmt.Sprintf("pod %s failed and will be tried again: %s", pod.Name, failure.Cause.Line))
	}
	if jobFailed(s) && len(f.all) > 0 {
		return f.all[0]
	}
	return nil
}

// beneath is what a failure comes of. A recovery that is tried again finds on the volume what the try before has left, so that a
// volume without room is the cause only where no try has failed for another reason. Where nobody can tell any more of what, the
// failure says so.
func (f *recoveryFailures) beneath(s *Snapshot, failure *RecoveryError) *RecoveryError {
	if failure.Recovered || failure.Cause.Meaning != fullVolume.Meaning {
		return failure
	}
	untold := failedTries(s) > visibleTries(s)
	for _, earlier := range f.all {
		switch {
		case earlier == failure || earlier.Recovered:
		case earlier.Cause.silent():
			untold = true
		default:
			first := *earlier
			first.Filled = failure
			return &first
		}
	}
	if untold {
		failure.Cause.Meaning, failure.Cause.Remedy = filledMeaning, filledRemedy
	}
	return failure
}

// failedTries is how many pods of the recovery have failed, as the Job counts them, and visibleTries how many of them are there.
func failedTries(s *Snapshot) (n int32) {
	for i := range s.Jobs {
		if recovers(&s.Jobs[i]) {
			n += s.Jobs[i].Status.Failed
		}
	}
	return n
}

func visibleTries(s *Snapshot) (n int32) {
	for i := range s.Pods {
		if s.Pods[i].Labels[labelJobRole] == recoveryJobRole && containerFailed(&s.Pods[i]) {
			n++
		}
	}
	return n
}

// sameDeaths is how often PostgreSQL has to die with the same words, until nobody expects other ones.
const sameDeaths = 3

// diesAlways tells whether PostgreSQL has died in one way again and again, and says so in the failure.
func (f *recoveryFailures) diesAlways(failure *RecoveryError) bool {
	same := 0
	for _, other := range f.all {
		if other.Recovered == failure.Recovered && other.Cause.Line == failure.Cause.Line {
			same++
		}
	}
	if same < sameDeaths || !ofPostgres(failure.Cause.Line) || failure.Cause.Meaning != "" {
		return false
	}
	failure.Cause.Deterministic = true
	failure.Cause.Meaning = fmt.Sprintf("PostgreSQL has ended %d times with these words.", same)
	failure.Cause.Remedy = "Change what they name: an attribute of the new database, such as parameters or image, or the source."
	return true
}

// explain completes the error that a wait ended with by what the failures say of it.
func (f *recoveryFailures) explain(err error) error {
	var terminal *TerminalPhaseError
	var stalled *StalledError
	switch {
	case len(f.all) == 0:
	case errors.As(err, &stalled):
		for _, failure := range f.all {
			stalled.Waiting = append(stalled.Waiting, fmt.Sprintf("pod %s has failed: %s", failure.Pod, failure.Cause.Line))
			stalled.Causes = withCause(stalled.Causes, failure.Cause, failure.Cause.Line)
		}
	case errors.As(err, &terminal):
		failure := *f.all[0]
		failure.Verdict = terminal
		return &failure
	}
	return err
}

// failureOf is the failure of a pod that does the recovery, or that runs the restored database; nil of others, and of those
// that have not failed. again is new with each time that it fails.
func failureOf(s *Snapshot, pod *corev1.Pod) (failure *RecoveryError, again string) {
	failure = &RecoveryError{Key: KeyOf(s.Cluster), Pod: pod.Name}
	switch {
	case pod.Labels[labelJobRole] == recoveryJobRole && containerFailed(pod):
		failure.Failed = failedAt(pod)
		return failure, pod.Name
	case pod.Labels[labelPodRole] == podRoleInstance:
		for _, status := range pod.Status.ContainerStatuses {
			if t := status.LastTerminationState.Terminated; t != nil && !status.Ready { // also with exit code 0, where PostgreSQL could not start
				failure.Failed, failure.Recovered = t.FinishedAt.Time, true
				return failure, fmt.Sprint(pod.Name, status.RestartCount)
			}
		}
	}
	return nil, ""
}

// failedEnds are the ends of those containers of a pod that have failed.
func failedEnds(pod *corev1.Pod) []*corev1.ContainerStateTerminated {
	var ends []*corev1.ContainerStateTerminated
	for _, status := range containerStatuses(pod) {
		if t := status.State.Terminated; t != nil && t.ExitCode != 0 && status.Name != pluginContainer { // the plugin's is ended when the recovery has, whichever way
			ends = append(ends, t)
		}
	}
	return ends
}

func containerFailed(pod *corev1.Pod) bool {
	return len(failedEnds(pod)) > 0 || pod.Status.Phase == corev1.PodFailed
}

// failedAt is when a pod's first container failed.
func failedAt(pod *corev1.Pod) time.Time {
	var first time.Time
	for _, t := range failedEnds(pod) {
		if first.IsZero() || t.FinishedAt.Time.Before(first) {
			first = t.FinishedAt.Time
		}
	}
	return first
}

// jobFailed tells that the Job makes no more pods.
func jobFailed(s *Snapshot) bool {
	for i := range s.Jobs {
		for _, condition := range s.Jobs[i].Status.Conditions {
			if recovers(&s.Jobs[i]) && condition.Type == batchv1.JobFailed && condition.Status == corev1.ConditionTrue {
				return true
			}
		}
	}
	return false
}

// recovers tells whether a Job is the one that restores.
func recovers(job *batchv1.Job) bool { return strings.HasSuffix(job.Name, "-"+recoveryJobRole) }
