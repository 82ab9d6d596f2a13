package cnpg

import (
	"context"
	"slices"
	"strings"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"k8s.io/apimachinery/pkg/api/meta"
)

// readiness judges, look after look, whether a Cluster is ready, or never will be.
type readiness struct {
	of     Key
	client *Client

	phase     phaseClock
	archiving archiveClock

	// change is what is waited for; nil for a Cluster that has just been made.
	change *change
}

// change is a Cluster before and after an apply.
type change struct {
	before, after *cnpgv1.Cluster

	seen  bool
	phase string          // that the Cluster is still in from before; "" once it has left it
	left  map[string]bool // volumes that had not reached their size before, and are to have no other
}

// look takes in what is there when a change begins to be waited for.
func (c *change) look(s *Snapshot) {
	if c.phase != s.Cluster.Status.Phase {
		c.phase = ""
	}
	if c.seen {
		return
	}
	c.seen = true
	for _, volume := range volumesLack(s) {
		was, _ := wantedSize(&volume, c.before.Spec)
		is, _ := wantedSize(&volume, c.after.Spec)
		c.left[volume.Name] = was.Cmp(is) == 0
	}
}

func (c *Client) newReadiness(of Key) *readiness {
	return &readiness{of: of, client: c, archiving: c.newArchiveClock()}
}

// after makes a readiness wait for what an apply has changed: what stood before it is no verdict on it.
func (r *readiness) after(before, applied *cnpgv1.Cluster) *readiness {
	r.change = &change{before: before, after: applied, phase: before.Status.Phase, left: map[string]bool{}}
	r.archiving.patient = true
	return r
}

func (r *readiness) reached(ctx context.Context, s *Snapshot) (bool, error) {
	if r.change != nil {
		r.change.look(s)
		s.certificateOf = certificateStore(r.change.after)
	}
	if err := r.terminal(s); err != nil {
		return false, err
	}
	if Hibernates(s.Cluster) {
		return Hibernated(s.Cluster), nil
	}
	if meta.FindStatusCondition(s.Cluster.Status.Conditions, AnnotationHibernation) != nil {
		return false, nil // CNPG has not seen yet that it is to wake up
	}
	if !Healthy(s.Cluster) || len(podsLack(s)) > 0 || r.waitsForVolumes(s) {
		r.archiving.restart()
		return false, nil
	}
	if !Archives(s.Cluster) {
		return true, nil
	}
	if works, _ := ContinuousArchiving(s.Cluster); works != nil && *works {
		r.archiving.restart()
		return true, nil
	}
	return false, r.archiving.look(ctx, s.Cluster)
}

// terminal is a [TerminalPhaseError] where a Cluster's phase ends no more by itself. One that it was in before a change may
// be what the change mends: CNPG has to look at it first, and volumes have to grow.
func (r *readiness) terminal(s *Snapshot) error {
	phase := s.Cluster.Status.Phase
	lasted := r.phase.lasted(phase)
	atOnce, terminal := terminalPhases[phase]
	grace, unknown := r.client.Graces.Phase, UnknownPlugin(s.Cluster)
	switch {
	case phase == cnpgv1.PhaseFailurePlugin || phase == cnpgv1.PhaseCannotCreateClusterObjects && apiServerGaveNoAnswer(s.Cluster.Status.PhaseReason):
		grace = r.client.Graces.Restart
	case unknown != nil:
		grace = r.client.Graces.Plugin
	}
	switch {
	case !terminal:
		return nil
	case r.change != nil && r.change.phase == phase:
		if len(volumesLack(s)) > 0 {
			r.phase = phaseClock{}
			return nil
		}
		atOnce = false
		if phase == phaseDiskFull {
			grace = r.client.Graces.Restart
		}
	}
	if atOnce || lasted > grace {
		return &TerminalPhaseError{Key: r.of, Phase: phase, Reason: s.Cluster.Status.PhaseReason, Unknown: unknown}
	}
	return nil
}

// apiServerGaveNoAnswer tells whether CNPG could not do something for want of an answer from the API server, which it asks again, and
// not because it was refused. The reason of a phase is all that is told of that: the text of client-go's error.
func apiServerGaveNoAnswer(reason string) bool {
	return slices.ContainsFunc([]string{
		"request did not complete within", "context deadline exceeded", "etcdserver: ", "Too Many Requests", "too many requests",
		"connection refused", "connection reset", "TLS handshake timeout", "i/o timeout", "the server is currently unable to handle the request",
	}, func(text string) bool { return strings.Contains(reason, text) })
}

// waitsForVolumes tells whether volumes are still to grow. Those that could not reach their size before a change, and that
// it does not concern, would have everything after it wait in vain.
func (r *readiness) waitsForVolumes(s *Snapshot) bool {
	lack := volumesLack(s)
	if r.change == nil {
		return len(lack) > 0
	}
	for _, volume := range lack {
		if !r.change.left[volume.Name] {
			return true
		}
	}
	return false
}

// phaseClock measures how long one phase has lasted.
type phaseClock struct {
	phase string
	from  time.Time
}

func (p *phaseClock) lasted(phase string) time.Duration {
	if now := time.Now(); p.phase != phase || p.from.IsZero() {
		p.phase, p.from = phase, now
	}
	return time.Since(p.from)
}
