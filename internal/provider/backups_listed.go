package provider

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

// backupFilter is what of the backups is asked for; zero values ask for all.
type backupFilter struct {
	status        backupStatus
	kind          backupType
	after, before time.Time
	limit         int
	now           time.Time // of which the states are
}

// query is the filter for the reading of S3. Which type a backup in S3 is of, its Backup object tells, and sometimes its status.
func (f backupFilter) query(objects *backupObjects) archive.Query {
	query := archive.Query{StartedAfter: f.after, StartedBefore: f.before, Limit: f.limit}
	if f.status != "" || f.kind != "" {
		query.Keep = func(b *recovery.Backup) bool {
			return f.matches(listedFromS3(b, objects.of(b), f.now))
		}
	}
	return query
}

func (f backupFilter) matches(b listedBackup) bool {
	return (f.status == "" || b.Status.ValueString() == string(f.status)) && (f.kind == "" || b.Type.ValueString() == string(f.kind))
}

// of leaves out what was not asked for. What S3 was asked for has it left out already; the Backup objects have not.
func (f backupFilter) of(list []listedBackup) []listedBackup {
	list = slices.DeleteFunc(list, func(b listedBackup) bool {
		start := startOf(b)
		return !f.matches(b) ||
			!f.after.IsZero() && !start.IsZero() && !start.After(f.after) ||
			!f.before.IsZero() && !start.IsZero() && !start.Before(f.before)
	})
	if f.limit > 0 && len(list) > f.limit {
		list = list[:f.limit]
	}
	return list
}

// backupObjects are the Backup objects of a database, of which each that S3 speaks for is remembered: also where a filter
// leaves out what S3 says, the object is no backup of its own.
type backupObjects struct {
	all   []cnpgv1.Backup
	found sync.Map // by index, those of backups in S3
}

// of is the Backup object of a backup in S3; nil where there is none. CNPG writes the folder's name into it when the backup
// is completed. Before, it has the name that CNPG tells barman to give the backup, which barman writes down at the end, and
// which says when barman was about to be started.
func (o *backupObjects) of(b *recovery.Backup) *cnpgv1.Backup {
	nearest, found := startLimit, -1
	for i := range o.all {
		status := &o.all[i].Status
		switch {
		case status.BackupID == b.ID, status.BackupID == "" && b.Name != "" && b.Name == status.BackupName:
			o.found.Store(i, true)
			return &o.all[i]
		case status.BackupID == "" && b.Name == "" && !b.Status.Ended():
			begun, known := startOfName(status.BackupName)
			folder, dated := recovery.ParseBackupID(b.ID)
			if after := folder.Sub(begun); known && dated && after >= 0 && after < nearest {
				nearest, found = after, i
			}
		}
	}
	if found < 0 {
		return nil
	}
	o.found.Store(found, true)
	return &o.all[found]
}

// startLimit is how long barman may take from its start until it names the folder.
const startLimit = 10 * time.Minute

// startOfName is the time in a name that CNPG gives a backup, such as backup-20260326142040; both are in UTC, as the pods are.
func startOfName(name string) (time.Time, bool) {
	at, err := time.Parse("20060102150405", strings.TrimPrefix(name, "backup-"))
	return at, err == nil
}

// joined lists the backups that S3 holds, with what their Backup objects add, and with them those that only Kubernetes
// knows: backups that run, or that failed before they left anything in S3. A completed one that S3 no longer has is gone.
func joined(inS3 []recovery.Backup, objects *backupObjects, now time.Time) []listedBackup {
	list := []listedBackup{} // an empty list in Terraform, not null
	for i := range inS3 {
		list = append(list, listedFromS3(&inS3[i], objects.of(&inS3[i]), now))
	}
	for i := range objects.all {
		if _, inS3 := objects.found.Load(i); !inS3 && backupStatusOf(&objects.all[i]) != backupCompleted {
			list = append(list, listedFromObject(&objects.all[i]))
		}
	}
	slices.SortStableFunc(list, func(a, b listedBackup) int {
		return startOf(b).Compare(startOf(a))
	})
	return list
}

// startOf is when a backup began; the zero time where nobody says.
func startOf(b listedBackup) time.Time {
	start, err := time.Parse(time.RFC3339Nano, b.StartedAt.ValueString())
	if err != nil {
		return time.Time{}
	}
	return start
}

func listedFromObject(object *cnpgv1.Backup) listedBackup {
	started := timeOf(object.Status.StartedAt)
	if named, ok := startOfName(object.Status.BackupName); ok && started.IsNull() {
		started = instantOf(named)
	}
	if started.IsNull() {
		started = instantOf(object.CreationTimestamp.Time)
	}
	return listedBackup{
		ID:          types.StringValue(object.Name),
		BackupID:    nullIfEmpty(object.Status.BackupID),
		Name:        nullIfEmpty(object.Status.BackupName),
		Type:        types.StringValue(string(typeOf(object))),
		Status:      types.StringValue(string(backupStatusOf(object))),
		StartedAt:   started,
		CompletedAt: timeOf(object.Status.StoppedAt),
		BeginWAL:    nullIfEmpty(object.Status.BeginWal),
		EndWAL:      nullIfEmpty(object.Status.EndWal),
		BeginLSN:    nullIfEmpty(object.Status.BeginLSN),
		EndLSN:      nullIfEmpty(object.Status.EndLSN),
		Timestamp:   started,
		Error:       nullIfEmpty(object.Status.Error),
	}
}

func listedFromS3(b *recovery.Backup, object *cnpgv1.Backup, now time.Time) listedBackup {
	status, why := backupStatusInS3(b, object, now)
	listed := listedBackup{
		ID:          types.StringValue(b.ID),
		BackupID:    types.StringValue(b.ID),
		Name:        nullIfEmpty(b.Name),
		Compression: nullIfEmpty(b.Compression),
		Timestamp:   instantOf(b.BeginTime),
		Status:      types.StringValue(string(status)),
		StartedAt:   instantOf(b.BeginTime),
		CompletedAt: instantOf(b.EndTime),
		BeginWAL:    nullIfEmpty(b.BeginWAL),
		EndWAL:      nullIfEmpty(b.EndWAL),
		SystemID:    nullIfEmpty(b.SystemID),
		SizeBytes:   types.Int64PointerValue(b.ClusterSize),
		Error:       nullIfEmpty(why),
	}
	if b.BeginLSN != 0 {
		listed.BeginLSN = types.StringValue(b.BeginLSN.String())
	}
	if b.EndLSN != 0 {
		listed.EndLSN = types.StringValue(b.EndLSN.String())
	}
	if b.Timeline != 0 {
		listed.Timeline = types.Int64Value(int64(b.Timeline))
	}
	if b.ServerVersion != 0 {
		listed.PostgresVersion = types.StringValue(versionOf(b.ServerVersion))
	}
	if object != nil {
		listed.ID = types.StringValue(object.Name)
		listed.Type = types.StringValue(string(typeOf(object)))
	}
	if why == "" && status != backupInProgress {
		listed.Error = nullIfEmpty(strings.TrimSpace(b.Error + " " + b.Message))
	}
	if status == backupCompleted {
		listed.Timestamp = listed.CompletedAt
	}
	return listed
}

// versionOf writes PostgreSQL's server_version_num as people do: 170005 is 17.5.
func versionOf(number int) string {
	const major, firstWithTwoParts = 10000, 100000
	if number < firstWithTwoParts {
		return fmt.Sprintf("%d.%d.%d", number/major, number/100%100, number%100)
	}
	return fmt.Sprintf("%d.%d", number/major, number%major)
}
