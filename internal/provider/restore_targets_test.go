package provider_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"k8s.io/utils/ptr"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

const (
	earlyBackup = "20260326T095900"
	lateBackup  = "20260326T115900"
)

// lsn is a place in the segment that was archived at 11:30.
const lsn = "0/B000100"

// What the recovery is told, for each way to say where it ends.
var restoreTargets = map[string]struct {
	source string // where it is not the database
	config string
	want   cnpgv1.RecoveryTarget
	same   []string // that mean the same
}{
	"latest": {want: cnpgv1.RecoveryTarget{BackupID: lateBackup}},
	"a time": {
		config: `target_time = "2026-03-26T11:30:00.123456Z"`,
		want:   cnpgv1.RecoveryTarget{BackupID: earlyBackup, TargetTime: "2026-03-26 11:30:00.123456+00:00"},
		same: []string{
			`target_time = "2026-03-26T13:30:00.123456+02:00"`, `target_time = "2026-03-26T06:00:00.123456-05:30"`,
			"target_time = \"2026-03-26T11:30:00.123456Z\"\ntarget_inclusive = true", "target_time = \"2026-03-26T11:30:00.123456+00:00\"",
		},
	},
	"a whole second": {
		config: `target_time = "2026-03-26T11:30:00Z"`, same: []string{`target_time = "2026-03-26T11:30:00.000000Z"`, `target_time = "2026-03-26T12:30:00.0+01:00"`},
		want: cnpgv1.RecoveryTarget{BackupID: earlyBackup, TargetTime: "2026-03-26 11:30:00.000000+00:00"},
	},
	"before a time": {
		config: "target_time = \"2026-03-26T12:30:00Z\"\ntarget_inclusive = false",
		want:   cnpgv1.RecoveryTarget{BackupID: lateBackup, TargetTime: "2026-03-26 12:30:00.000000+00:00", Exclusive: ptr.To(true)},
	},
	"a time, from a backup": {
		config: "target_time = \"2026-03-26T12:30:00Z\"\nbackup_id = \"" + earlyBackup + "\"",
		want:   cnpgv1.RecoveryTarget{BackupID: earlyBackup, TargetTime: "2026-03-26 12:30:00.000000+00:00"},
	},
	"a place in the WAL": {
		config: `target_lsn = "` + lsn + `"`, same: []string{`target_lsn = "0/b000100"`, `target_lsn = "00000000/0B000100"`},
		want: cnpgv1.RecoveryTarget{BackupID: earlyBackup, TargetLSN: lsn},
	},
	"before a place in the WAL": {
		config: "target_lsn = \"0/b000100\"\ntarget_inclusive = false",
		want:   cnpgv1.RecoveryTarget{BackupID: earlyBackup, TargetLSN: lsn, Exclusive: ptr.To(true)},
	},
	"a transaction": {
		config: "target_xid = \"1234\"\nbackup_id = \"" + earlyBackup + "\"",
		want:   cnpgv1.RecoveryTarget{BackupID: earlyBackup, TargetXID: "1234"},
	},
	"before a transaction": {
		config: "target_xid = \"1234\"\nbackup_id = \"" + earlyBackup + "\"\ntarget_inclusive = false",
		want:   cnpgv1.RecoveryTarget{BackupID: earlyBackup, TargetXID: "1234", Exclusive: ptr.To(true)},
	},
	"a restore point": {
		config: "target_name = \"before the release\"\nbackup_id = \"" + lateBackup + "\"",
		want:   cnpgv1.RecoveryTarget{BackupID: lateBackup, TargetName: "before the release"},
	},
	"a restore point, from a backup": {
		source: `backup = "myorg/first"`, config: `target_name = "before the release"`,
		want: cnpgv1.RecoveryTarget{BackupID: earlyBackup, TargetName: "before the release"},
	},
	"a transaction, from a backup": {
		source: `backup = "myorg/first"`, config: `target_xid = "1234"`,
		want: cnpgv1.RecoveryTarget{BackupID: earlyBackup, TargetXID: "1234"},
	},
	"a base backup": {
		config: "backup_id = \"" + earlyBackup + "\"", want: cnpgv1.RecoveryTarget{BackupID: earlyBackup, TargetImmediate: ptr.To(true)},
	},
	"a Backup": {
		source: `backup = "myorg/first"`, want: cnpgv1.RecoveryTarget{BackupID: earlyBackup, TargetImmediate: ptr.To(true)},
	},
	"latest, on a timeline": {
		config: `target_timeline = 1`, want: cnpgv1.RecoveryTarget{BackupID: lateBackup, TargetTLI: "1"},
	},
	"a time, on a timeline": {
		config: "target_time = \"2026-03-26T11:30:00Z\"\ntarget_timeline = 1",
		want:   cnpgv1.RecoveryTarget{BackupID: earlyBackup, TargetTime: "2026-03-26 11:30:00.000000+00:00", TargetTLI: "1"},
	},
}

func targetText(target *cnpgv1.RecoveryTarget) string {
	text, _ := json.Marshal(target) // of strings and booleans
	return string(text)
}

// Each target arrives as PostgreSQL takes it, stays what it is, and can be read back by an import.
func TestRestoreTargets(t *testing.T) {
	t.Parallel()
	for name, test := range restoreTargets {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := restoreStage(t)
			s.kube.Put(s.backupDone(nil))
			source := or(test.source, `database = "myorg/my-db"`)
			config := s.config(restoreFrom(source, test.config))
			s.apply(config)
			if got := s.restored().Spec.Bootstrap.Recovery.RecoveryTarget; targetText(got) != targetText(&test.want) {
				t.Errorf("the target is %s, want %s", targetText(got), targetText(&test.want))
			}
			for _, same := range test.same {
				if action := s.action(s.config(restoreFrom(source, same))); action != terraformtest.NoOp {
					t.Errorf("with %s the plan is to %s", same, action)
				}
			}
			s.importable(config)
			// Nothing about it can be changed without restoring anew, which its protection refuses.
			for _, other := range []string{
				`target_time = "2026-03-26T11:30:00.123457Z"`, `target_lsn = "0/B000101"`, "target_xid = \"1235\"\nbackup_id = \"" + earlyBackup + "\"",
				"target_name = \"after\"\nbackup_id = \"" + earlyBackup + "\"", "target_time = \"2026-03-26T12:10:00Z\"\ntarget_inclusive = false",
				"target_time = \"2026-03-26T12:10:00Z\"\nbackup_id = \"" + lateBackup + "\"", "target_time = \"2026-03-26T12:10:00Z\"\ntarget_timeline = 1",
				"target_time = \"2026-03-26T12:10:00Z\"",
			} {
				s.refused(s.config(restoreOf(other)), "Database Is Protected", "deletion_protection", "This change would destroy the database myorg/my-db-pitr")
			}
		})
	}
}

// importable checks that what is in the state can be forgotten and imported again: nothing is to be done then, and the state
// is as it was.
func (s *stage) importable(config string) {
	s.t.Helper()
	before := s.w.Object(pitr)
	for _, block := range []string{"", "import {\n  to = pgplatform_restore.pitr\n  id = \"myorg/my-db-pitr\"\n}\n", "import {\n  to = pgplatform_restore.pitr\n  identity = { namespace = \"myorg\", name = \"my-db-pitr\" }\n}\n"} {
		s.kube.Forget()
		s.w.Forget(pitr)
		s.w.Write(config + block)
		if block == "" {
			if diags := s.w.Import(s.t.Context(), pitr, "myorg/my-db-pitr"); diags.HasError() {
				s.t.Fatal(diags)
			}
		}
		plan, diags := s.w.Plan(s.t.Context())
		if diags.HasError() {
			s.t.Fatal(diags)
		}
		if action := plan.Action(pitr); action != terraformtest.NoOp {
			s.t.Errorf("imported, the plan is to %s:\n%s", action, differences(plan.Change(pitr)))
		}
		if diags := s.w.ApplyPlan(s.t.Context(), plan); diags.HasError() {
			s.t.Fatal(diags)
		}
		for name, was := range before.Value.AsValueMap() {
			if now := s.w.Object(pitr).Attribute(name); !now.RawEquals(was) {
				s.t.Errorf("imported is %s = %s, was %s", name, ctyText(now), ctyText(was))
			}
		}
		if writes := s.kube.Writes(); len(writes) > 0 {
			s.t.Errorf("an import writes %v", apitest.Summaries(writes))
		}
	}
}

// Every input of the recovery is read back by an import.
func TestRestoreImportsItsInputs(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testRestoreImportsItsInputs)
}

func testRestoreImportsItsInputs(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ source, attributes string }{
		"database":           {`database = "myorg/my-db"`, ""},
		"credentials_secret": {`database = "myorg/my-db", credentials_secret = { name = "readers", access_key_id_key = "id" }`, ""},
		"backup":             {`backup = "myorg/first"`, `parameters = { work_mem = "16MB" }`},
		"object_store":       {`object_store = { server_name = "my-db-v1" }`, goneDatabase},
		"object_store, whole": {`object_store = {
			destination_path = "s3://backups/pg", region = "us-east-1", use_path_style = true, server_name = "my-db-v1", pod_endpoint_url = "http://s3.in-cluster.example"
		}`, goneDatabase},
		"not backed up": {`database = "myorg/my-db"`, `backup = { enabled = false }`},
		"backed up elsewhere": {`database = "myorg/my-db"`, `backup = { schedule = "@daily", retention_days = 7, server_name = "other",
			credentials_secret = { name = "writers" }, object_store = { destination_path = "s3://backups/there" } }`},
		"sizes": {`database = "myorg/my-db"`, "tier = \"HA\"\ninstances = 2\nstorage = { size = \"30Gi\" }\nwal_storage = { size = \"2Gi\" }\nresources = { cpu = \"1\" }"},
		"the rest": {`database = "myorg/my-db"`, `org_id = "umbrella"
			labels = { team = "a" }
			annotations = { "example.com/contact" = "b" }
			pg_hba = ["host all all all reject"]
			image_pull_secrets = ["registry"]
			scheduling = { topology_key = "rack" }
			postgres_version = "17.6"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := restoreStage(t)
			s.kube.Put(s.backupDone(nil))
			config := s.config(restoreFrom(test.source, test.attributes))
			s.apply(config)
			s.importable(config)
		})
	}
}

// A change of the source restores anew.
func TestRestoreFromAnotherSource(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testRestoreFromAnotherSource)
}

func testRestoreFromAnotherSource(t *testing.T) {
	t.Parallel()
	s, _ := restoreStage(t)
	s.kube.Put(s.backupDone(nil))
	sources := []string{
		`database = "myorg/my-db"`, `database = "myorg/my-db", credentials_secret = { name = "readers" }`, `backup = "myorg/first"`,
		`object_store = { server_name = "my-db-v1" }`, `object_store = { server_name = "my-db-v1", region = "us-east-1" }`,
	}
	s.apply(s.config(restoreFrom(sources[0], goneDatabase+unprotected)))
	for _, source := range sources[1:] {
		uid := s.restored().UID
		config := s.config(restoreFrom(source, goneDatabase+unprotected))
		plan, _ := s.plan(config)
		if plan.Action(pitr) != terraformtest.Replace {
			t.Errorf("with %s the plan is to %s", source, plan.Action(pitr))
		}
		s.apply(config)
		if s.restored().UID == uid {
			t.Errorf("with %s nothing was restored", source)
		}
	}
	// Of a source that lives the names are known: CNPG would make what another one names, and leave it empty.
	for _, attribute := range []string{"database_name", "owner"} {
		s.refused(s.config(restoreFrom(sources[0], unprotected+attribute+" = \"other\"")), "Not the Source's Name",
			`AttributeName("`+attribute+`")`, "in the source myorg/my-db", "empty one of the name \"other\"", "Nothing was changed")
	}
	// Of one that is gone nobody knows them.
	s.sourceGone()
	for _, attributes := range []string{strings.Replace(goneDatabase, "shop", "other", 1), strings.Replace(goneDatabase, "seller", "other", 1)} {
		if plan, _ := s.plan(s.config(restoreFrom(sources[4], unprotected+attributes))); plan.Action(pitr) != terraformtest.Replace {
			t.Errorf("with %s the plan is to %s", attributes, plan.Action(pitr))
		}
	}
}

// A target on another timeline than the newest, and one that the archive does not have.
func TestRestoreTimelines(t *testing.T) {
	t.Parallel()
	s, a := restoreStage(t)
	a.History(2, "1\t0/12000000\tno recovery target specified\n", onTheDay(13, 1))
	a.Segments(2, 18, 2, onTheDay(13, 5), 15*60*1e9)
	s.refused(s.config(restoreOf("target_timeline = 3")), "Restore Cannot Succeed", `AttributeName("target_timeline")`, "the archive has no timeline 3; it has 1, 2")
	// The source lives, and writes to the other one.
	s.refused(s.config(restoreOf("target_timeline = 1\ntarget_time = \"2026-03-26T13:10:00Z\"")), "Restore Cannot Succeed", `AttributeName("target_time")`, "lies after the end of timeline 1")
	s.w.Write(s.config(restoreOf("target_timeline = 1\ntarget_time = \"2026-03-26T13:10:00Z\"\nflush_source = false")))
	if _, diags := s.w.Plan(t.Context()); !says("lies after the end of timeline 1", "Nothing was changed").MatchString(diags.String()) || strings.Contains(diags.String(), "flush_source") {
		t.Errorf("of a timeline that no flush goes on with, the plan says\n%s", diags)
	}
	s.apply(s.config(restoreOf("target_timeline = 2")))
	if tli := s.restored().Spec.Bootstrap.Recovery.RecoveryTarget.TargetTLI; tli != "2" {
		t.Errorf("the timeline is %q", tli)
	}
}

// PostgreSQL is told the newest timeline, which it would not find where its history cannot be fetched for a moment.
func TestRestoreNamesTheNewestTimeline(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ attributes, want string }{
		"the latest state":    {"", "2"},
		"a time":              {`target_time = "2026-03-26T13:02:00Z"`, "2"},
		"a base backup alone": {`backup_id = "` + lateBackup + `"`, ""},
		"an older timeline":   {`target_timeline = 1`, "1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, a := restoreStage(t)
			a.History(2, "1\t0/12000000\tno recovery target specified\n", onTheDay(13, 1))
			a.Segments(2, 18, 2, onTheDay(13, 5), 15*60*1e9)
			s.apply(s.config(restoreOf(test.attributes)))
			if tli := s.restored().Spec.Bootstrap.Recovery.RecoveryTarget.TargetTLI; tli != test.want {
				t.Errorf("the timeline is %q, want %q", tli, test.want)
			}
			if timeline := s.at("target_timeline"); timeline != map[string]string{"an older timeline": "1"}[name] {
				t.Errorf("the state says %q", timeline)
			}
		})
	}
}

// Whatever a look at the configuration alone shows to be wrong with a target names the attribute.
func TestRestoreTargetsInvalid(t *testing.T) {
	t.Parallel()
	id := "backup_id = \"" + earlyBackup + "\"\n"
	tests := map[string]struct {
		source, config string
		at             string
		want           string
	}{
		"two targets":                  {config: "target_time = \"2026-03-26T11:30:00Z\"\ntarget_lsn = \"0/B000100\"", at: "target_lsn", want: `"target_time" cannot be specified when "target_lsn" is specified`},
		"two other targets":            {config: id + "target_xid = \"1234\"\ntarget_name = \"a\"", at: "target_name", want: `cannot be specified when`},
		"a transaction without backup": {config: `target_xid = "1234"`, at: "target_xid", want: "target_xid needs a base backup to begin from, backup_id or source.backup"},
		"a point without backup":       {config: `target_name = "a"`, at: "target_name", want: "target_name needs a base backup to begin from"},
		"a point, exclusive":           {config: id + "target_name = \"a\"\ntarget_inclusive = false", at: "target_inclusive", want: "Leave target_inclusive out"},
		"no target, exclusive":         {config: `target_inclusive = false`, at: "target_inclusive", want: "there is none"},
		"a backup, exclusive":          {config: id + `target_inclusive = false`, at: "target_inclusive", want: "there is none"},
		"a time without a zone":        {config: `target_time = "2026-03-26T11:30:00"`, at: "target_time", want: "is no time in RFC 3339 with a zone"},
		"a time with too many digits":  {config: `target_time = "2026-03-26T11:30:00.1234567Z"`, at: "target_time", want: "six digits"},
		"an empty time":                {config: `target_time = ""`, at: "target_time", want: "RFC 3339"},
		"a place without a slash":      {config: `target_lsn = "B000100"`, at: "target_lsn", want: "B000100"},
		"a place that is nowhere":      {config: `target_lsn = "0/0"`, at: "target_lsn", want: "is no place in any WAL"},
		"a transaction that is no ID":  {config: id + `target_xid = "latest"`, at: "target_xid", want: "is no ID of a transaction"},
		"a transaction with an epoch":  {config: id + `target_xid = "4294967300"`, at: "target_xid", want: "without the epoch"},
		"PostgreSQL's own transaction": {config: id + `target_xid = "2"`, at: "target_xid", want: "is no ID of a transaction"},
		"a long restore point":         {config: id + `target_name = "` + strings.Repeat("a", 64) + `"`, at: "target_name", want: "63 bytes"},
		"an empty restore point":       {config: id + `target_name = ""`, at: "target_name", want: "a restore point has a name"},
		"a restore point of two lines": {config: id + `target_name = "a\nb"`, at: "target_name", want: "control character"},
		"timeline zero":                {config: `target_timeline = 0`, at: "target_timeline", want: "must be between 1 and 4294967295"},
		"a fraction of a timeline":     {config: `target_timeline = 1.5`, at: "target_timeline", want: "1.5 is no whole number"},
		"an empty backup":              {config: `backup_id = ""`, at: "backup_id", want: "at least 1"},
		"two backups":                  {source: `backup = "myorg/first"`, config: id, at: "backup_id", want: `"source.backup" cannot be specified when "backup_id" is specified`},
		"two sources": {source: `database = "myorg/my-db", backup = "myorg/first"`, at: "source",
			want: "ERROR: Invalid Source (AttributeName(\"source\")) Attribute source has database and backup, and a restore is made from one source: leave only one of them."},
		"three sources": {source: `database = "myorg/my-db", backup = "myorg/first", object_store = { server_name = "my-db" }`, at: "source",
			want: "Attribute source has database and backup and object_store, and a restore is made from one source: leave only one of them."},
		"no source": {source: `credentials_secret = { name = "readers" }`, at: "source",
			want: "ERROR: Invalid Source (AttributeName(\"source\")) Attribute source does not say what is restored: set exactly one of database, backup and object_store in it."},
		"a place without a folder":      {source: `object_store = { destination_path = "s3://backups" }`, at: "server_name", want: `attribute "server_name" is required`},
		"a folder that is none":         {source: `object_store = { server_name = "a/b" }`, at: "server_name", want: "cannot be the name of a folder"},
		"verify without waiting":        {config: "wait = false\nverify = { query = \"SELECT 1\", expect = \"1\" }", at: "verify", want: "wait = false does not wait for it"},
		"verify without a query":        {config: `verify = { query = "", expect = "1" }`, at: "query", want: "at least 1"},
		"version and image":             {config: "image = \"postgres:17.5\"\npostgres_version = \"17\"", at: "postgres_version", want: "cannot be specified when"},
		"a last backup without backups": {config: "final_backup = true\nbackup = { enabled = false }", at: "final_backup", want: "needs backups that are enabled"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := restoreStage(t)
			s.forget()
			text := s.invalid(s.config(restoreFrom(or(test.source, `database = "myorg/my-db"`), test.config)))
			if !strings.Contains(text, test.at) || !says(test.want).MatchString(text) {
				t.Errorf("it says\n%s\nwant %q at %s", text, test.want, test.at)
			}
			if err := s.asked(); err != nil {
				t.Error(err)
			}
		})
	}
}

// invalid is why a configuration cannot be planned; Terraform itself refuses some.
func (s *stage) invalid(config string) string {
	s.t.Helper()
	if err := s.w.TryWrite(config); err != nil {
		return err.Error()
	}
	plan, diags := s.w.Plan(s.t.Context())
	if !diags.HasError() {
		return fmt.Sprintf("nothing: it plans %s", plan)
	}
	return diags.Errors().String()
}
