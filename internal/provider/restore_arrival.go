package provider

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

// chooseArrived is chooseBackup for an apply. Where a gap may be no more than the order in which segments arrive that the source
// uploads at the same time, it waits until none is missing: PostgreSQL would end a recovery at the first that is.
func (r *restoreResource) chooseArrived(ctx context.Context, plan *restoreModel, from *origin, catalog *recovery.Catalog, end archiveEnd) (recovery.Choice, error) {
	choice, err := plan.chooseBackup(from, catalog, end)
	needed := func() bool { return err == nil && choice.Arriving != nil && (end == isFlushed || !choice.Covered) }
	if !needed() {
		return choice, err
	}
	arriving, cancel := context.WithTimeout(ctx, r.backend.pace.overtaken)
	defer cancel()
	missing := choice.Arriving.String()
	logWhile(arriving, "waiting for WAL of the source that later WAL was archived before", map[string]any{"source": from.String(), "missing": missing})
	waited := wait.PollUntilContextCancel(arriving, archiveInterval, false, func(ctx context.Context) (bool, error) {
		// A store that is gone for a moment is asked again.
		if now, unread := r.backend.catalog(ctx, from, false); unread == nil {
			catalog = now
			choice, err = plan.chooseBackup(from, catalog, end)
		}
		return !needed(), nil
	})
	switch {
	case waited == nil, choice.Covered: // or what is missing lies behind the target
		return choice, err
	case ctx.Err() != nil:
		return choice, overdue(ctx, fmt.Errorf("waiting for %s of %s to arrive in S3: %w", missing, from, ctx.Err()))
	}
	late := *from
	late.late = true
	if choice, err = plan.chooseBackup(&late, catalog, end); err != nil {
		err = fmt.Errorf("%w. It has not arrived within %s, although WAL behind it has", err, r.backend.pace.overtaken)
	}
	return choice, err
}
