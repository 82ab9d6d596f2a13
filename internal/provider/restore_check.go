package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

// Summaries of restores that are refused.
const (
	cannotSucceed  = "Restore Cannot Succeed"
	notSourcesName = "Not the Source's Name"
)

// archiveEnd tells whether an archive ends where its catalogue does.
type archiveEnd int

const (
	endsThere archiveEnd = iota // nobody has the source archive more
	isFlushed                   // the source has archived what it had when it was asked, and an empty transaction
	willFlush                   // it is to be asked
)

// flushing is what a plan knows of that.
func (m *restoreModel) flushing() archiveEnd {
	if m.FlushSource.ValueBool() || m.FlushSource.IsUnknown() {
		return willFlush
	}
	return endsThere
}

// chooseBackup chooses the base backup to begin from. Where nobody flushes the source it may never archive more, so that a
// target behind its last WAL is refused; but for a second, since S3 tells times of uploads in whole ones. A WAL location is
// there after a flush, or nowhere.
func (m *restoreModel) chooseBackup(from *origin, catalog *recovery.Catalog, end archiveEnd) (recovery.Choice, error) {
	request := recovery.Request{Target: m.target(from.backupID), BackupID: from.backupID, Live: from.alive, Major: m.major()}
	if from.alive {
		request.SystemID = from.cluster.Status.SystemID
	}
	request.Parallel, request.ArrivingSince = from.parallel(), time.Now().Add(-stillArriving)
	choice, err := catalog.Choose(request)
	if err != nil || choice.Covered || choice.Arriving != nil || end == willFlush || end == isFlushed && request.Target.Kind != recovery.TargetLSN && !choice.Pending {
		return choice, err
	}
	if t := request.Target; !choice.Pending && t.Kind == recovery.TargetTime && !t.Time.After(choice.Window.Latest.Add(time.Second)) {
		return choice, nil
	}
	request.Live = false
	return catalog.Choose(request)
}

// stillArriving is how old WAL behind a gap may be that may close yet. CNPG uploads it again with each try to archive what is
// missing, and PostgreSQL tries once a minute. The rest is for uploads that take long, and for clocks that differ.
const stillArriving = 10 * time.Minute

// parallel is how many segments the source may be uploading at the same time.
func (o *origin) parallel() int {
	if o.cluster == nil || o.late {
		return 1
	}
	return parallelOf(o.cluster)
}

// parallelOf is how many segments a database uploads at the same time.
func parallelOf(cluster *cnpgv1.Cluster) int {
	if archiver := cnpg.Archiver(cluster); archiver != nil && archiver.Wal != nil {
		return max(1, archiver.Wal.MaxParallel)
	}
	return 1
}

// major is the major version of PostgreSQL that is to run the restored database; 0 where that is open.
func (m *restoreModel) major() int {
	version, err := parsePostgresVersion(m.PostgresVersion.ValueString())
	if err != nil {
		return 0
	}
	return version.major
}

// refuseFuture refuses a target that has not come yet; catalog is nil where the archive was not read.
func (m *restoreModel) refuseFuture(catalog *recovery.Catalog, diags *diag.Diagnostics) bool {
	now := time.Now()
	if !m.liesAfter(now) {
		return true
	}
	diags.AddAttributeError(path.Root("target_time"), targetInFuture, paragraphs(
		fmt.Sprintf("It is %s now; target_time %s has not come yet.", now.UTC().Format(time.RFC3339), m.TargetTime.ValueString()), m.windowOf(catalog), "Nothing was changed."))
	return false
}

// refuseBehindFlush refuses a target that has not come yet by the clock of the source, which dates the commits that a recovery stops
// at: nothing that is archived by now ends it.
func (m *restoreModel) refuseBehindFlush(from *origin, flushed time.Time, catalog *recovery.Catalog, diags *diag.Diagnostics) {
	diags.AddAttributeError(path.Root("target_time"), targetInFuture, paragraphs(
		fmt.Sprintf("It is %s by the clock of the source %s, which a target_time is reached by; target_time %s has not come yet there. The clock of the machine that runs Terraform is ahead of it.",
			flushed.UTC().Format(time.RFC3339Nano), from, m.TargetTime.ValueString()),
		m.windowOf(catalog), "Nothing was created. Take the time from the source, as SELECT now() tells it there, or leave target_time out for its latest state."))
}

const targetInFuture = "Target Lies in the Future"

// liesAfter tells whether the target is a time later than now.
func (m *restoreModel) liesAfter(now time.Time) bool {
	target := m.target("")
	return target.Kind == recovery.TargetTime && target.Time.After(now)
}

// windowOf says what can be restored, in the zone of target_time; "" where nobody has read the archive, or there is nothing.
func (m *restoreModel) windowOf(catalog *recovery.Catalog) string {
	if catalog == nil {
		return ""
	}
	window, ok := catalog.Window()
	if !ok {
		return ""
	}
	return fmt.Sprintf("The recovery window is %s.", window.In(m.target("").Time.Location()))
}

// addRefusal says why there is nothing to restore the target from, at the attribute that can change it, and what there is. catalog is
// nil where the archive was not read.
func (b *backend) addRefusal(ctx context.Context, plan, config *restoreModel, from *origin, catalog *recovery.Catalog, err error, diags *diag.Diagnostics) {
	var none *recovery.NoBackupError
	var major *recovery.MajorMismatchError
	var timeline *recovery.TimelineNotFoundError
	var missing *recovery.BackupNotFoundError
	var unusable *recovery.BackupUnusableError
	var past *recovery.PastEndError
	at, more := plan.targetPath(), ""
	switch {
	case errors.As(err, &none):
		at = plan.sourcePath()
		switch {
		case len(none.Unusable) == 0:
			more = b.othersThere(ctx, from)
		case slices.ContainsFunc(none.Unusable, func(u *recovery.BackupUnusableError) bool { return u.Pending }):
			more = plan.unflushed(from)
		}
	case errors.As(err, &major):
		at = plan.sourcePath()
		switch {
		case !config.Image.IsNull():
			at = path.Root("image")
		case !config.PostgresVersion.IsNull():
			at = path.Root("postgres_version")
		}
		more = fmt.Sprintf("Restore it with PostgreSQL %[1]d, such as with postgres_version = \"%[1]d\", and upgrade the restored database then.", major.Have)
	case errors.As(err, &timeline):
		at = path.Root("target_timeline")
	case errors.As(err, &missing), errors.As(err, &unusable):
		at = path.Root("backup_id")
		if plan.BackupID.ValueString() == "" {
			at = plan.sourcePath()
		}
		switch {
		case missing != nil:
			more = cmp.Or(b.othersThere(ctx, from), fmt.Sprintf("It was looked for in the archive %s in %s.", from.server, from.location))
		case unusable.Pending:
			more = plan.unflushed(from)
		}
	case errors.As(err, &past) && !past.Left:
		more = plan.unflushed(from)
	case !isRefusal(err):
		at = plan.sourcePath()
		if from.cluster == nil && at.Equal(path.Root("source").AtName("backup")) {
			more = fmt.Sprintf("The database of this backup is gone, and with it what it said of its store, so the provider's endpoint and identity were asked. "+
				"Where its archive needs others, name it: source = { object_store = { destination_path = %q, server_name = %q, endpoint_url = … } } and backup_id = %q.",
				from.store.destinationPath, from.server, from.backupID)
		}
	}
	window := ""
	if !isRefusal(err) { // which tells it itself
		window = plan.windowOf(catalog)
	}
	text := sentence(err)
	if len(at.Steps()) > 1 { // of nested attributes the CLI shows no line
		text = sentenceAt(at, err)
	}
	diags.AddAttributeError(at, cannotSucceed, paragraphs(text, window, more, "Nothing was changed."))
}

// unflushed says what a flush of the source would mend; "" where it is flushed, or is gone.
func (m *restoreModel) unflushed(from *origin) string {
	if !from.alive || m.FlushSource.ValueBool() {
		return ""
	}
	return fmt.Sprintf("The source %s lives and may have written more than it has archived: without flush_source = false, a restore has it archive that first.", from)
}

// othersThere names the archives that lie beside one that is not there.
func (b *backend) othersThere(ctx context.Context, from *origin) string {
	client, err := b.s3Client(ctx, from.store)
	if err != nil {
		return ""
	}
	servers, err := client.Servers(ctx, from.location)
	switch {
	case err != nil || slices.Contains(servers, from.server):
		return ""
	case len(servers) == 0:
		return fmt.Sprintf("There is no archive %s in %s, nor any other.", from.server, from.location)
	}
	return fmt.Sprintf("There is no archive %s in %s. There are: %s.", from.server, from.location, strings.Join(servers, ", "))
}

// isRefusal tells whether an error speaks of the target.
func isRefusal(err error) bool {
	var before *recovery.BeforeWindowError
	var past *recovery.PastEndError
	var gap *recovery.GapError
	return errors.As(err, &before) || errors.As(err, &past) || errors.As(err, &gap)
}

// refuseSmall refuses volumes that cannot hold what was backed up.
func (m *restoreModel) refuseSmall(ctx context.Context, backup *recovery.Backup, diags *diag.Diagnostics) {
	var storage storageModel
	diags.Append(optional(ctx, m.Storage, &storage)...)
	size, err := parseSize(storage.Size.ValueString())
	if err != nil || backup.ClusterSize == nil || size.Value() >= *backup.ClusterSize {
		return
	}
	at := path.Root("storage").AtName("size")
	diags.AddAttributeError(at, "Storage Too Small", paragraphs(
		fmt.Sprintf("%s: the base backup %s is one of %s, which do not fit into %s.",
			at, backup.ID, cnpg.SizeText(*backup.ClusterSize), storage.Size.ValueString()),
		"Nothing was changed."))
}

// refuseBackup refuses a base backup that the new database cannot be made from, although it leads to the target.
func (m *restoreModel) refuseBackup(ctx context.Context, backup *recovery.Backup, diags *diag.Diagnostics) {
	m.refuseSmall(ctx, backup, diags)
	m.refuseTablespaces(backup, diags)
}

// refuseSettings refuses what is planned for the new database where it does not go with its source.
func (m *restoreModel) refuseSettings(ctx context.Context, b *backend, config *restoreModel, from *origin, diags *diag.Diagnostics) {
	m.refuseMissing(ctx, from, diags)
	m.refuseAnotherName(from, diags)
	m.refuseSourceFolder(ctx, b, from, diags)
	m.planInheritedSchedule(ctx, config, from, diags)
}

// refuseTablespaces refuses what CNPG restores only into a Cluster that declares the very same tablespaces, which no attribute does.
func (m *restoreModel) refuseTablespaces(backup *recovery.Backup, diags *diag.Diagnostics) {
	if len(backup.Tablespaces) == 0 {
		return
	}
	names := make([]string, len(backup.Tablespaces))
	for i, tablespace := range backup.Tablespaces {
		names[i] = tablespace.Name
	}
	diags.AddAttributeError(m.sourcePath(), cannotSucceed, paragraphs(
		fmt.Sprintf("%s: the base backup %s has tablespaces (%s). CloudNativePG restores them only into a Cluster whose spec.tablespaces names them, which pgplatform_restore cannot state.",
			m.sourcePath(), backup.ID, strings.Join(names, ", ")),
		"Restore it with a manifest of a Cluster, and import that as a pgplatform_database. Nothing was changed."))
}

// refuseAnotherName refuses another name of the application database or its owner than a living source has: CNPG would make new
// ones beside the restored ones, and leave an empty database to whoever connects.
func (m *restoreModel) refuseAnotherName(from *origin, diags *diag.Diagnostics) {
	if from.cluster == nil {
		return
	}
	database, owner := applicationOf(from.cluster)
	for _, name := range []struct {
		attribute    string
		planned, has types.String
	}{{"database_name", m.DatabaseName, database}, {"owner", m.Owner, owner}} {
		if known(name.planned) && !name.planned.Equal(name.has) {
			diags.AddAttributeError(path.Root(name.attribute), notSourcesName, paragraphs(
				fmt.Sprintf("%s: it is %q in the source %s. CloudNativePG would make a new, empty one of the name %q beside what is restored.",
					name.attribute, name.has.ValueString(), cnpg.KeyOf(from.cluster), name.planned.ValueString()),
				"Leave it out. Nothing was changed."))
		}
	}
}

// refuseSourceFolder refuses to archive to the folder that is restored from: two archives in one folder destroy each other.
func (m *restoreModel) refuseSourceFolder(ctx context.Context, b *backend, from *origin, diags *diag.Diagnostics) {
	backup := m.backup(ctx, diags)
	if !backup.enabled() || backup.ServerName.ValueString() != from.server {
		return
	}
	store := b.storeFor(ctx, backup, nil, diags)
	if store == nil || store.podEndpointURL != from.store.podEndpointURL || !sameLocation(store.destinationPath, from.store.destinationPath) {
		return
	}
	diags.AddAttributeError(serverNamePath, "Archive Folder Is the Source's", paragraphs(
		fmt.Sprintf("%s: the folder %s in %s is the archive that is restored from, and two archives in one folder destroy each other. Choose another server_name, or leave it out.",
			serverNamePath, from.server, from.location), "Nothing was changed."))
}

// reached is an error where "the latest state" is less than the archive had when the recovery began: a segment that could not
// be fetched for a moment ends a recovery without a word.
func reached(choice *recovery.Choice, target recovery.Target, recovered cnpg.Recovered) error {
	if choice == nil || target.Kind != recovery.TargetLatest || recovered.LSN == 0 || choice.Window.LatestWAL == "" {
		return nil
	}
	size := cmp.Or(choice.Backup.SegmentSize, recovery.DefaultSegmentSize)
	end, err := recovery.ParseSegment(choice.Window.LatestWAL, size)
	if err != nil || size.SegmentAt(recovered.LSN) >= end.Number {
		return nil //nolint:nilerr // what cannot be read says nothing
	}
	return &shortRecoveryError{reached: recovered.LSN, want: choice.Window.LatestWAL, trouble: recovered.Trouble}
}

// shortRecoveryError is a recovery of the latest state that has ended early.
type shortRecoveryError struct {
	reached recovery.LSN
	want    string
	trouble string // of barman's with a segment; "" where it told of none
}

func (e *shortRecoveryError) Error() string {
	text := fmt.Sprintf("the recovery ended at %s, before the WAL segment %s, which the archive had when it began", e.reached, e.want)
	if e.trouble != "" {
		text += ": " + e.trouble
	}
	return text
}
