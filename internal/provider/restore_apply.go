package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-log/tflog"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

const (
	// archiveTimeout bounds the wait for the source's last WAL segment to be archived.
	archiveTimeout = 5 * time.Minute
	// flushProgress is how often the log tells that it is waited for.
	flushProgress = 10 * time.Second
)

// preparedRestore is everything that is decided before the new Cluster is made.
type preparedRestore struct {
	from *origin
	// choice is the base backup to begin from; nil where S3 cannot be reached from here, and CNPG picks it.
	choice   *recovery.Choice
	location archiveLocation // where the new database archives
}

func (p *preparedRestore) backupID() string {
	if p.choice != nil {
		return p.choice.Backup.ID
	}
	return p.from.backupID
}

// along is a target with the timeline that the choice leads along. Unless it is told, PostgreSQL looks for the newest one by
// itself, and takes a history file that cannot be fetched for a moment for one that is not there: it would follow the timeline
// that a failover has left. Timeline 1 has no such file, and needs none.
func (p *preparedRestore) along(target recovery.Target) recovery.Target {
	if p.choice != nil && p.choice.Timeline > 1 && target.Kind != recovery.TargetImmediate {
		target.Timeline = p.choice.Timeline
	}
	return target
}

// prepare does everything that comes before the new Cluster: it reads the source, flushes it, chooses the base backup
// and the folder of the new archive. What the plan could not check is checked here, before anything is created.
func (r *restoreResource) prepare(ctx context.Context, client *cnpg.Client, plan, config *restoreModel, diags *diag.Diagnostics) (*preparedRestore, bool) {
	if !namespaceExists(ctx, client, plan.Namespace.ValueString(), unableToRestore, diags) || !plan.refuseFuture(nil, diags) {
		return nil, false
	}
	// A name that is taken is said before the source is touched; the create itself makes sure of it.
	if _, err := client.GetCluster(ctx, plan.key()); err == nil {
		addCreateError(diags, unableToRestore, "pgplatform_restore", plan.key(), cnpg.ErrAlreadyExists)
		return nil, false
	}
	method, err := methodFor(ctx, client, plan.method(ctx, diags), plan.Namespace.ValueString())
	if err != nil {
		addFailure(diags, unableToRestore, overdue(ctx, err), "Nothing was created.")
		return nil, false
	}
	from := r.backend.originOf(ctx, plan, diags)
	if from == nil {
		if !diags.HasError() {
			diags.AddError(unableToRestore, sentence(errNotKnown))
		}
		return nil, false
	}
	catalog, end, ok := r.readOrigin(ctx, client, plan, config, from, diags)
	if !ok {
		return nil, false
	}
	plan.inheritFrom(ctx, r.backend, config, from, catalog, diags)
	plan.decideMethod(ctx, method, diags)
	from.catalogue = from.catalogueFor(plan, config)
	plan.refuseSettings(ctx, r.backend, config, from, diags)
	if !diags.HasError() && plan.Image.IsUnknown() {
		diags.AddAttributeError(path.Root("image"), unableToRestore, paragraphs(
			"image: which PostgreSQL runs the restored database is not set, and the archive that would tell cannot be read from here.", "Nothing was created."))
	}
	if diags.HasError() {
		return nil, false
	}
	prepared := &preparedRestore{from: from}
	if catalog != nil {
		choice, err := r.chooseArrived(ctx, plan, from, catalog, end)
		if err != nil {
			r.backend.addRefusal(ctx, plan, config, from, catalog, err, diags)
			return nil, false
		}
		prepared.choice = &choice
		plan.refuseBackup(ctx, choice.Backup, diags)
	}
	if plan.backup(ctx, diags).schedules() {
		if err := freeForSchedule(ctx, client, plan.key(), plan.backup(ctx, diags).method()); err != nil {
			diags.AddAttributeError(path.Root("name"), unableToRestore, paragraphs(sentence(err), remedy(err), "Nothing was created."))
		}
	}
	if diags.HasError() {
		return nil, false
	}
	if prepared.location, ok = r.locate(ctx, &plan.databaseModel, nil, from.seen(config), unableToRestore, diags); !ok {
		return nil, false
	}
	from.share(prepared.location)
	if err := errors.Join(prepared.location.freeForSecret(ctx, client, &plan.databaseModel), from.freeForSecret(ctx, client, plan.key())); err != nil {
		addFailureOf("pgplatform_restore", diags, unableToRestore, overdue(ctx, err), "Nothing was created.")
		return nil, false
	}
	return prepared, true
}

// seen is what the new archive keeps of the source's: another folder, and, where the source decides how the new database is
// backed up, how its pods reach S3.
func (o *origin) seen(config *restoreModel) archiveSeen {
	seen := archiveSeen{Folder: folder{DestinationPath: o.store.destinationPath, ServerName: o.server}, Kept: o.store.environment}
	if o.cluster != nil && cnpg.Archiver(o.cluster) != nil && config.Backup.IsNull() {
		seen.Kept.EndpointURL = cnpg.Archiver(o.cluster).EndpointURL
		seen.Kept.Region = cmp.Or(o.cluster.Annotations[cnpg.AnnotationRegion], seen.Kept.Region)
	}
	return seen
}

// readOrigin reads the archive, after it has had a living source archive up to now where the target may need that. The
// catalogue is nil where S3 cannot be reached from here.
func (r *restoreResource) readOrigin(ctx context.Context, client *cnpg.Client, plan, config *restoreModel, from *origin, diags *diag.Diagnostics) (catalog *recovery.Catalog, end archiveEnd, ok bool) {
	read := func() (ok bool) {
		var err error
		switch catalog, err = r.backend.catalog(ctx, from, false); {
		case err == nil:
		case archive.Unreachable(err):
			diags.AddWarning("Object Store Not Reachable From Here", paragraphs(sentence(err),
				"Whether the restore can succeed could not be seen. CloudNativePG picks the base backup, and says itself what it lacks."))
		default:
			r.backend.addRefusal(ctx, plan, config, from, nil, overdue(ctx, err), diags)
			return false
		}
		return true
	}
	switch target := plan.target(from.backupID); {
	case !from.alive || !plan.FlushSource.ValueBool():
		ok = read()
		return catalog, endsThere, ok
	case target.Kind == recovery.TargetLSN, target.Kind == recovery.TargetImmediate:
		// Of a place in the WAL the archive itself tells whether WAL follows it, but for its last segment, and of a base backup whether
		// its own WAL is there. Of nothing else it does.
		if !read() || catalog == nil && target.Kind == recovery.TargetImmediate {
			return nil, endsThere, !diags.HasError()
		}
		if catalog != nil {
			if choice, err := plan.chooseBackup(from, catalog, willFlush); err != nil || choice.Covered && !choice.Last {
				return catalog, endsThere, true
			}
		}
	}
	flushed, failure := flushSource(ctx, client, from.cluster, diags)
	if flushed != nil {
		if plan.liesAfter(flushed.At) {
			catalog, _ = r.backend.catalog(ctx, from, false) // for its window alone
			plan.refuseBehindFlush(from, flushed.At, catalog, diags)
			return nil, endsThere, false
		}
		end, failure = r.arrived(ctx, client, from.cluster, flushed.Segment, diags)
	}
	if ok = read(); !ok || failure == nil {
		return catalog, end, ok
	}
	if catalog != nil && plan.longArchived(from, catalog) {
		diags.AddWarning("Source Not Flushed", paragraphs(sentence(failure), "The target was archived long before, so the restore goes on."))
		return catalog, endsThere, true
	}
	diags.AddAttributeError(path.Root("flush_source"), unableToRestore, paragraphs(sentence(overdue(ctx, failure)),
		"Nothing was created. To restore without what the source committed last, set flush_source = false."))
	return nil, endsThere, false
}

// longArchived is how much WAL behind a target tells, without a flush, that a commit later than it is most likely archived.
const longArchived = 10 * time.Minute

// longArchived tells whether the archive reaches far beyond the target.
func (m *restoreModel) longArchived(from *origin, catalog *recovery.Catalog) bool {
	choice, err := m.chooseBackup(from, catalog, endsThere)
	target := m.target(from.backupID)
	return err == nil && choice.Covered && target.Kind == recovery.TargetTime && choice.Window.Latest.Sub(target.Time) >= longArchived
}

// flushSource ends the source's WAL segment behind everything that is committed by now. Where its pod cannot be used that is only a
// warning, and nil; the error is that its archiving fails.
func flushSource(ctx context.Context, client *cnpg.Client, source *cnpgv1.Cluster, diags *diag.Diagnostics) (*cnpg.Flushed, error) {
	if err := client.ArchivingFails(ctx, source); err != nil {
		return nil, err
	}
	flushed, err := flush(ctx, client, cnpg.KeyOf(source))
	if err != nil {
		diags.AddWarning("Source Not Flushed", paragraphs(sentence(err),
			"The restore goes on with what is archived already: what was committed last may be missing from it, and a target_time later than the last archived commit is refused."))
		return nil, nil //nolint:nilnil // the warning is all there is
	}
	return &flushed, nil
}

// arrived waits until the segment that a flush has ended is archived: until S3 has it, or, where that cannot be reached from here,
// until PostgreSQL says so. Where neither can be asked, that is only a warning.
func (r *restoreResource) arrived(ctx context.Context, client *cnpg.Client, source *cnpgv1.Cluster, segment string, diags *diag.Diagnostics) (archiveEnd, error) {
	key := cnpg.KeyOf(source)
	arriving, cancel := context.WithTimeout(ctx, archiveTimeout)
	defer cancel()
	logWhile(arriving, "waiting for the source's last WAL", map[string]any{"source": key.String(), "segment": segment})
	err := r.backend.waitForSegment(arriving, source, segment, 0)
	late := fmt.Errorf("the WAL segment %s of %s has not arrived in S3 within %s", segment, key, archiveTimeout)
	if archive.Unreachable(err) && arriving.Err() == nil {
		unseen := err
		if err = waitForArchiver(arriving, client, key, segment); errors.Is(err, cnpg.ErrForbidden) {
			diags.AddWarning("Object Store Not Reachable From Here", paragraphs(sentence(unseen), "Whether the source's last WAL has arrived could not be seen, nor could PostgreSQL be asked: "+sentence(err)))
			return endsThere, nil
		}
		late = fmt.Errorf("the WAL segment %s of %s has not been archived within %s: %w", segment, key, archiveTimeout, err)
	}
	switch {
	case err == nil:
		return isFlushed, nil
	case arriving.Err() != nil && ctx.Err() == nil:
		err = late
	}
	if now, getErr := client.GetCluster(ctx, key); getErr == nil {
		if works, message := cnpg.ContinuousArchiving(now); works != nil && !*works {
			err = fmt.Errorf("%w; its archiving fails: %s", err, message)
		}
	}
	return endsThere, err
}

// logWhile has the log tell, now and again from time to time until ctx ends, what is waited for.
func logWhile(ctx context.Context, text string, about map[string]any) {
	go wait.JitterUntilWithContext(ctx, func(ctx context.Context) { tflog.Info(ctx, text, about) }, flushProgress, 0, true)
}

// waitForArchiver waits until PostgreSQL says that it has archived a segment. A primary that cannot be asked for a while may come
// back; who may not ask never will.
func waitForArchiver(ctx context.Context, client *cnpg.Client, key cnpg.Key, segment string) error {
	told := errors.New("PostgreSQL was not asked")
	err := wait.PollUntilContextCancel(ctx, archiveInterval, true, func(ctx context.Context) (bool, error) {
		last, archived, err := client.Archived(ctx, key, segment)
		switch {
		case errors.Is(err, cnpg.ErrForbidden):
			return false, err
		case err != nil && ctx.Err() == nil:
			told = err
		case err == nil && last == "":
			told = errors.New("PostgreSQL has archived nothing since its statistics began")
		case err == nil:
			told = fmt.Errorf("the last file that PostgreSQL has archived is %s", last)
		}
		return archived, nil
	})
	if err != nil && ctx.Err() != nil {
		return told
	}
	return err
}

// course is what lies before the recovery, as far as that is known.
func (p *preparedRestore) course() cnpg.Course {
	if p.choice == nil {
		return cnpg.Course{}
	}
	backup := p.choice.Backup
	return cnpg.Course{FirstWAL: backup.BeginWAL, LastWAL: p.choice.Window.LatestWAL, SegmentSize: backup.SegmentSize, Bytes: ptr.Deref(backup.ClusterSize, 0)}
}
