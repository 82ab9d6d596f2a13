package provider_test

import (
	"strings"
	"testing"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// refusal is a restore that cannot succeed.
type refusal struct {
	prepare func(*fakes, s3test.Archive)
	config  string
	at      string // the attribute, as a path
	want    []string
}

// attribute is a path as diagnostics of the stage write it.
func attribute(path string) string {
	return `AttributeName("` + strings.ReplaceAll(path, ".", `").AttributeName("`) + `")`
}

// dead is a restore of the source's archive by its place.
func dead(attributes string) string {
	return restoreFrom(`object_store = { server_name = "my-db-v1" }`, goneDatabase+attributes)
}

// theWindow is how a refusal tells the window of the source.
const theWindow = "The recovery window is 2026-03-26 10:00:00 UTC to about 2026-03-26 13:00:00 UTC."

// What the archive tells to be impossible.
var refusals = map[string]refusal{
	"before the window": {
		config: restoreOf(`target_time = "2026-03-26T09:00:00Z"`), at: "target_time",
		want: []string{"the target 2026-03-26 09:00:00 UTC lies before the recovery window", "2026-03-26 10:00:00 UTC", "2026-03-26 13:00:00 UTC"},
	},
	"before the window, in another zone": {
		config: restoreOf(`target_time = "2026-03-26T12:00:00+05:30"`), at: "target_time",
		want: []string{"the target 2026-03-26 06:30:00 UTC (2026-03-26 12:00:00+05:30)", "2026-03-26 10:00:00 UTC (2026-03-26 15:30:00+05:30)", "2026-03-26 13:00:00 UTC (2026-03-26 18:30:00+05:30)"},
	},
	"before the window, since a backup cannot be read": {
		prepare: func(_ *fakes, a s3test.Archive) {
			a.Put("base/20260326T085900/backup.info", "status=DONE\nbegin_time=yesterday\n", onTheDay(9, 0))
		},
		config: restoreOf(`target_time = "2026-03-26T09:30:00Z"`), at: "target_time",
		want: []string{"lies before the recovery window", "2026-03-26 13:00:00 UTC; a base backup that would lead to it is there, but cannot be used: 20260326T085900: its status is UNREADABLE", `begin_time: "yesterday" is no time`},
	},
	"before the window, since a backup has failed": {
		prepare: func(_ *fakes, a s3test.Archive) {
			a.Backup("20260326T085900", onTheDay(9, 0), s3test.Segment(1, 4), s3test.Segment(1, 4), map[string]string{"status": "FAILED", "error": "disk full"})
		},
		config: restoreOf(`target_time = "2026-03-26T09:30:00Z"`), at: "target_time",
		want: []string{"lies before the recovery window", "cannot be used: 20260326T085900: its status is FAILED: disk full"},
	},
	"before the end of the backup that was asked for": {
		config: restoreOf("target_time = \"2026-03-26T11:00:00Z\"\nbackup_id = \"" + lateBackup + "\""), at: "target_time",
		want: []string{"lies before the end of backup " + lateBackup, "2026-03-26 12:00:00 UTC"},
	},
	"a place before the window": {
		config: restoreOf(`target_lsn = "0/1000000"`), at: "target_lsn",
		want: []string{"the target 0/1000000 lies before the recovery window, which is 0/5000120 to 0/12000000 (2026-03-26 10:00:00 UTC to about", "2026-03-26 13:00:00 UTC"},
	},
	"past the end of a dead archive": {
		config: dead(`target_time = "2026-03-26T13:00:05Z"`), at: "target_time",
		want: []string{"lies after the end of the archive, whose last WAL segment is " + lastSegment, "2026-03-26 13:00:00 UTC"},
	},
	"past the end of what a living source has archived, which is not flushed": {
		config: restoreOf("flush_source = false\ntarget_time = \"2026-03-26T13:00:05Z\""), at: "target_time",
		want: []string{"lies after the end of the archive, whose last WAL segment is " + lastSegment, "The source myorg/my-db lives and may have written more", "without flush_source = false"},
	},
	"a place past the end of what a living source has archived, which is not flushed": {
		config: restoreOf("flush_source = false\ntarget_lsn = \"0/12000000\""), at: "target_lsn",
		want: []string{"lies after the end of the archive", "The source myorg/my-db lives", "without flush_source = false"},
	},
	"past the end of a dead archive, in another zone": {
		config: dead(`target_time = "2026-03-26T15:00:05+02:00"`), at: "target_time",
		want: []string{"2026-03-26 13:00:05 UTC (2026-03-26 15:00:05+02:00)", "2026-03-26 13:00:00 UTC (2026-03-26 15:00:00+02:00)"},
	},
	"a place past the end of a dead archive": {
		config: dead(`target_lsn = "0/12000000"`), at: "target_lsn", want: []string{"the target 0/12000000 lies after the end of the archive", lastSegment},
	},
	"in a gap": {
		prepare: func(f *fakes, a s3test.Archive) {
			f.s3.Delete(fakeBucket, a.Folder+"/wals/0000000100000000/"+s3test.Segment(1, 8))
		},
		config: restoreOf(`target_time = "2026-03-26T13:30:00+02:00"`), at: "target_time",
		want: []string{"lies in a gap: WAL segment 000000010000000000000008 is missing", "2026-03-26 10:00:00 UTC (2026-03-26 12:00:00+02:00)", "behind the gap", "2026-03-26 13:00:00 UTC (2026-03-26 15:00:00+02:00)"},
	},
	"latest behind a gap": {
		prepare: func(f *fakes, a s3test.Archive) {
			f.s3.Delete(fakeBucket, a.Folder+"/wals/0000000100000000/"+s3test.Segment(1, 15))
		},
		config: dead(""), at: "source.object_store", want: []string{"lies in a gap: WAL segment 00000001000000000000000F is missing"},
	},
	"without a base backup": {
		prepare: func(f *fakes, a s3test.Archive) {
			for _, key := range f.s3.Keys(fakeBucket, a.Folder+"/base/") {
				f.s3.Delete(fakeBucket, key)
			}
		},
		config: dead(""), at: "source.object_store", want: []string{"the archive has no base backup"},
	},
	"a base backup that is not there": {
		config: restoreOf(`backup_id = "20260326T115901"`), at: "backup_id",
		want: []string{"there is no backup 20260326T115901; those that can be restored: " + lateBackup + ", " + earlyBackup, theWindow, "It was looked for in the archive my-db-v1 in s3://backups/pg."},
	},
	"a base backup that has failed": {
		prepare: func(_ *fakes, a s3test.Archive) {
			a.Backup("20260326T125900", onTheDay(13, 0), s3test.Segment(1, 16), s3test.Segment(1, 16), map[string]string{"status": "FAILED", "error": "disk full"})
		},
		config: restoreOf(`backup_id = "20260326T125900"`), at: "backup_id", want: []string{"backup 20260326T125900 cannot be used", "disk full"},
	},
	"a Backup that S3 has no more": {
		prepare: func(f *fakes, a s3test.Archive) {
			f.kube.Put(f.backupDone(nil))
			for _, key := range f.s3.Keys(fakeBucket, a.Folder+"/base/"+earlyBackup) {
				f.s3.Delete(fakeBucket, key)
			}
		},
		config: restoreFrom(`backup = "myorg/first"`, ""), at: "source.backup", want: []string{"there is no backup " + earlyBackup, lateBackup},
	},
	"another timeline": {config: restoreOf("target_timeline = 7"), at: "target_timeline", want: []string{"the archive has no timeline 7; it has 1", theWindow}},
	"another server": {
		config: restoreFrom(`object_store = { server_name = "my-dv-v1" }`, goneDatabase), at: "source.object_store",
		want: []string{"There is no archive my-dv-v1 in s3://backups/pg. There are: my-db-v1."},
	},
	"another bucket": {
		prepare: func(f *fakes, _ s3test.Archive) { f.s3.CreateBucket("attic") },
		config:  restoreFrom(`object_store = { destination_path = "s3://backup/pg", server_name = "my-db-v1" }`, goneDatabase), at: "source.object_store",
		want: []string{`bucket "backup" does not exist; these credentials see attic, backups`},
	},
	"another major version, by image": {
		config: restoreOf(`image = "postgres:16.9"`), at: "image",
		want: []string{"backup " + lateBackup + " was taken by PostgreSQL 17 and cannot be restored by PostgreSQL 16", "Restore it with PostgreSQL 17"},
	},
	"another major version": {
		config: restoreOf(`postgres_version = "18"`), at: "postgres_version", want: []string{"was taken by PostgreSQL 17 and cannot be restored by PostgreSQL 18", theWindow},
	},
	"another major version, of the source by now": {
		prepare: func(f *fakes, _ s3test.Archive) {
			apitest.Edit(f.kube, fakeNamespace, "my-db", func(c *cnpgv1.Cluster) { c.Spec.ImageName = "ghcr.io/cloudnative-pg/postgresql:18.1" })
		},
		config: restoreOf(""), at: "source.database", want: []string{"was taken by PostgreSQL 17 and cannot be restored by PostgreSQL 18", `postgres_version = "17"`},
	},
	"another database in the folder": {
		prepare: func(f *fakes, _ s3test.Archive) {
			apitest.Edit(f.kube, fakeNamespace, "my-db", func(c *cnpgv1.Cluster) { c.Status.SystemID = "7399999999999999999" })
		},
		config: restoreOf(""), at: "source.database", want: []string{"the archive has no backup of the database with system identifier 7399999999999999999"},
	},
	"too small": {
		prepare: func(_ *fakes, a s3test.Archive) {
			a.Backup(lateBackup, onTheDay(12, 0), s3test.Segment(1, 13), s3test.Segment(1, 13), map[string]string{"cluster_size": "10737418240"})
		},
		config: restoreOf(`storage = { size = "9Gi" }`), at: "storage.size", want: []string{"Storage Too Small", "storage.size: the base backup " + lateBackup + " is one of 10 GiB, which do not fit into 9Gi"},
	},
	"too small, as the source": {
		prepare: func(_ *fakes, a s3test.Archive) {
			a.Backup(lateBackup, onTheDay(12, 0), s3test.Segment(1, 13), s3test.Segment(1, 13), map[string]string{"cluster_size": "10737418240"})
		},
		config: restoreOf(""), at: "storage.size", want: []string{"is one of 10 GiB, which do not fit into 3Gi"},
	},
	"an archive folder that is taken": {
		prepare: func(f *fakes, _ s3test.Archive) { f.s3.Put(fakeBucket, "pg/other/base/x", []byte("x"), onTheDay(9, 0)) },
		config:  restoreOf(`backup = { schedule = "@daily", server_name = "other" }`), at: "backup.server_name", want: []string{"backup.server_name: the folder other in s3://backups/pg is not empty"},
	},
	"the source's archive folder": {
		config: restoreOf(`backup = { schedule = "@daily", server_name = "my-db-v1" }`), at: "backup.server_name", want: []string{"Archive Folder Is the Source's", "two archives in one folder destroy each other"},
	},
	"the archive folder of a dead source": {
		config: strings.Replace(dead(""), `schedule = "0 0 3 * * *"`, `schedule = "0 0 3 * * *", server_name = "my-db-v1"`, 1), at: "backup.server_name",
		want: []string{"Archive Folder Is the Source's"},
	},
	"a source without a schedule": {
		prepare: func(f *fakes, _ s3test.Archive) {
			apitest.Delete[cnpgv1.ScheduledBackup](f.kube, fakeNamespace, "my-db")
		},
		config: restoreOf(""), at: "backup",
		want: []string{"Missing Schedule", "the source myorg/my-db has no ScheduledBackup of its name", `backup = { schedule = "0 2 * * *" }`, "Nothing was changed"},
	},
	"a dead source without the database's name":  {config: strings.Replace(dead(""), "database_name = \"shop\"\n", "", 1), at: "database_name", want: []string{"database_name is not set", `database_name = "app"`}},
	"a dead source without the owner":            {config: strings.Replace(dead(""), "owner = \"seller\"\n", "", 1), at: "owner", want: []string{"owner is not set", `owner = "app"`}},
	"a dead source without storage":              {config: strings.Replace(dead(""), "storage = { size = \"5Gi\" }\n", "", 1), at: "storage.size", want: []string{"storage.size is not set", `storage = { size = "10Gi" }, or a tier`}},
	"a dead source with a storage class alone":   {config: strings.Replace(dead(""), "size = \"5Gi\"", "storage_class = \"fast\"", 1), at: "storage.size", want: []string{"storage.size is not set"}},
	"a dead source without a word about backups": {config: strings.Replace(dead(""), "backup = { schedule = \"0 0 3 * * *\" }\n", "", 1), at: "backup", want: []string{"backup is not set", "backup = { enabled = false }"}},
}

// Each is refused when it is planned, at the attribute that is at fault, and nothing is written.
func TestRestoreRefusals(t *testing.T) {
	t.Parallel()
	for name, test := range refusals {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, a := restoreStage(t)
			if test.prepare != nil {
				test.prepare(s.fakes, a)
			}
			s.refused(s.config(test.config), "("+attribute(test.at)+")")
			s.refused(s.config(test.config), test.want...)
			if strings.Contains(test.at, ".") { // the CLI shows no line of what lies within an attribute
				s.refused(s.config(test.config), test.at)
			}
		})
	}
}

// Where the plan cannot see the archive, or does not know the target yet, the same is refused when it is applied, before
// anything is created.
func TestRestoreRefusedByTheApply(t *testing.T) {
	t.Parallel()
	for name, test := range refusals {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, a := restoreStage(t)
			if test.prepare != nil {
				test.prepare(s.fakes, a)
			}
			s.w.Write(s.config(strings.Replace(test.config, "source = {", "source = unknown #", 1)))
			plan, diags := s.w.Plan(t.Context())
			if diags.HasError() && strings.Contains(diags.String(), "("+attribute(test.at)+")") {
				return // the source has no part in it
			}
			if diags.HasError() {
				t.Fatal(diags)
			}
			s.w.Write(s.config(test.config))
			s.nothingMade(plan, "("+attribute(test.at)+")")
			s.nothingMade(plan, test.want...)
		})
	}
}

// nothingMade checks that the apply of a plan fails with these texts before it creates anything.
func (s *stage) nothingMade(plan *terraformtest.Plan, texts ...string) {
	s.t.Helper()
	s.kube.Forget()
	if diags := s.w.ApplyPlan(s.t.Context(), plan); !says(texts...).MatchString(diags.Errors().String()) {
		s.t.Errorf("the apply says\n%s\nwant %q", diags.Errors(), texts)
	}
	for _, write := range apitest.Summaries(s.kube.Writes()) {
		if !strings.Contains(write, "pods/exec") && !strings.HasPrefix(write, "exec") { // the source is flushed
			s.t.Errorf("written: %s", write)
		}
	}
	if s.restored() != nil || s.w.Object(pitr) != nil {
		s.t.Error("something was created")
	}
}

// What a plan has nothing against is applied: the positive control of both.
func TestRestoreNotRefused(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]string{
		"alive": restoreOf(`target_time = "2026-03-26T13:00:00Z"`), "dead": dead(`target_time = "2026-03-26T13:00:00Z"`),
		"behind the archive of a living one": restoreOf(`target_time = "2026-03-26T13:00:05Z"`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := restoreStage(t)
			s.w.Write(s.config(strings.Replace(config, "source = {", "source = unknown #", 1)))
			plan, diags := s.w.Plan(t.Context())
			if diags.HasError() {
				t.Fatal(diags)
			}
			s.w.Write(s.config(config))
			if diags := s.w.ApplyPlan(t.Context(), plan); diags.HasError() {
				t.Fatal(diags)
			}
			if s.restored() == nil || s.at("status") != "READY" || s.at("image") == "" || s.at("database_name") != "shop" {
				t.Errorf("restored is %s", s.at("status"))
			}
			s.apply(s.config(config))
		})
	}
}

// Whether a target behind the archive is reached is seen when it is applied, where a plan does not know whether the source is flushed.
func TestRestoreWithAFlushThatIsNotKnown(t *testing.T) {
	t.Parallel()
	for flush, refused := range map[string]bool{"true": false, "false": true} {
		t.Run(flush, func(t *testing.T) {
			t.Parallel()
			s, _ := restoreStage(t)
			const behind = "target_time = \"2026-03-26T13:00:05Z\"\nflush_source = "
			plan, _ := s.plan(s.config(restoreOf(behind + "unknown")))
			s.w.Write(s.config(restoreOf(behind + flush)))
			if refused {
				s.nothingMade(plan, "Restore Cannot Succeed", "lies after the end of the archive")
				return
			}
			if diags := s.w.ApplyPlan(t.Context(), plan); diags.HasError() {
				t.Error(diags)
			}
		})
	}
}

// A target that has not come yet is refused by the clock, which decides nothing else.
func TestRestoreToTheFuture(t *testing.T) {
	t.Parallel()
	s, _ := restoreStage(t)
	later := time.Now().Add(time.Hour).In(time.FixedZone("", 5*3600+1800)).Format(time.RFC3339)
	s.refused(s.config(restoreOf(`target_time = "`+later+`"`)), "Target Lies in the Future", "("+attribute("target_time")+")", later+" has not come yet",
		"2026-03-26 10:00:00 UTC (2026-03-26 15:30:00+05:30)", "2026-03-26 13:00:00 UTC (2026-03-26 18:30:00+05:30)")
}

// Commits are dated by the clock of the source. Where that of this machine is ahead of it, a target may not have come yet there: no
// commit would end the recovery.
func TestRestoreToTheFutureOfItsSource(t *testing.T) {
	t.Parallel()
	target := time.Date(2026, 3, 26, 13, 0, 5, 0, time.UTC)
	config := func(s *stage, more string) string {
		return s.config(restoreOf("target_time = \"2026-03-26T15:00:05+02:00\"\n" + more))
	}
	begin := func(t *testing.T, ahead time.Duration) *stage {
		t.Helper()
		s, _ := restoreStage(t)
		s.kube.OnExec(func(string, string, []string) (string, string, error) {
			return flushAnswerAt(lastSegment, target.Add(-ahead)), "", nil
		})
		return s
	}
	t.Run("by a microsecond", func(t *testing.T) {
		t.Parallel()
		s := begin(t, time.Microsecond)
		plan, _ := s.plan(config(s, ""))
		s.nothingMade(plan, "Target Lies in the Future", "("+attribute("target_time")+")", "It is 2026-03-26T13:00:04.999999Z by the clock of the source myorg/my-db",
			"target_time 2026-03-26T15:00:05+02:00 has not come yet there", "The recovery window is 2026-03-26 10:00:00 UTC (2026-03-26 12:00:00+02:00)", "Nothing was created")
	})
	t.Run("without sight of S3", func(t *testing.T) {
		t.Parallel()
		s := begin(t, time.Hour)
		s.s3.Fail(func(s3test.Request) *s3test.Fault { return &s3test.Fault{Reset: true} })
		plan, _ := s.plan(config(s, ""))
		s.nothingMade(plan, "Target Lies in the Future", "("+attribute("target_time")+")", "by the clock of the source myorg/my-db")
	})
	t.Run("and it has just come", func(t *testing.T) {
		t.Parallel()
		s := begin(t, 0)
		s.apply(config(s, ""))
	})
}

// Where the plan cannot reach S3, the apply looks at the archive before it creates anything.
func TestRestoreLooksAgainWhenApplied(t *testing.T) {
	t.Parallel()
	s, _ := restoreStage(t)
	s.s3.Fail(func(s3test.Request) *s3test.Fault { return &s3test.Fault{Reset: true} })
	plan, warnings := s.plan(s.config(restoreOf(`target_time = "2026-03-26T09:00:00Z"`)))
	if n := strings.Count(warnings, "WARNING"); n != 1 {
		t.Errorf("%d warnings:\n%s", n, warnings)
	}
	s.s3.Fail(nil)
	s.nothingMade(plan, "Restore Cannot Succeed", "lies before the recovery window")
}
