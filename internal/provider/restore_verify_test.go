package provider_test

import (
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// answers has the restored database answer its queries, and the source its flush. asked gets the database and the query.
func (f *fakes) answers(answer, stderr string, err error, asked func(database, query string)) {
	f.kube.OnExecWithInput(func(pod, _ string, command []string, stdin string) (string, string, error) {
		text := strings.Join(command, " ") + " " + stdin
		switch {
		case strings.HasPrefix(pod, "my-db-pitr") && strings.Contains(text, "pg_read_file"): // where the recovery has ended
			return "", "", nil
		case strings.HasPrefix(pod, "my-db-pitr"):
			if asked != nil {
				asked(command[len(command)-1], stdin)
			}
			return answer, stderr, err
		}
		return flushAnswer(lastSegment), "", nil
	})
}

func verifying(expect, more string) string {
	return restoreOf("verify = {\n query = \"SELECT count(*) FROM orders\"\n expect = " + expect + more + "\n}\n")
}

func TestRestoreVerifies(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ answer, expect, more, database string }{
		"one value":           {answer: "41\n", expect: `"41"`, database: "dbname='shop'"},
		"another database":    {answer: "41\n", expect: `"41"`, more: "\n database = \"other\"", database: "dbname='other'"},
		"columns and rows":    {answer: "1\ta\n2\tb\n", expect: `"1\ta\n2\tb"`},
		"an end of line more": {answer: "1\ta\n2\tb\n", expect: `"1\ta\n2\tb\n"`},
		"nothing":             {answer: "", expect: `""`},
		"a last empty row":    {answer: "1\n\n", expect: `"1\n\n"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := restoreStage(t)
			times := 0
			s.answers(test.answer, "", nil, func(database, query string) {
				times++
				if test.database != "" && database != test.database || !strings.Contains(query, "SELECT count(*) FROM orders") {
					t.Errorf("%s is asked %s", database, query)
				}
			})
			s.apply(s.config(verifying(test.expect, test.more)))
			if times != 1 {
				t.Errorf("asked %d times", times)
			}
			// A change of it asks nobody: it is about what was restored.
			s.apply(s.config(verifying(`"something else"`, "")))
			if times != 1 {
				t.Errorf("asked %d times after a change", times)
			}
		})
	}
}

// A database that is not what was expected runs, is in the state, and is not thrown away.
func TestRestoreFailsVerification(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answer, stderr string
		err            error
		want           []string
	}{
		"another value": {answer: "40\n", want: []string{
			"Restored Database Is Not as Expected", `(AttributeName("verify"))`, "in the database shop: 40", "verify.expect is: 41", "The database myorg/my-db-pitr is restored", "deletion_protection holds", "terraform untaint",
		}},
		"no value": {answer: "", want: []string{"Restored Database Is Not as Expected", "(nothing)", "41"}},
		"a query that fails": {
			stderr: "ERROR:  relation \"orders\" does not exist\nLINE 1: SELECT\n", err: apitest.ExitError(3),
			want: []string{"Unable to Verify the Restored Database", `(AttributeName("verify"))`, `relation "orders" does not exist`, "The database myorg/my-db-pitr is restored", "terraform untaint"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := restoreStage(t)
			s.answers(test.answer, test.stderr, test.err, nil)
			config := s.config(verifying(`"41"`, ""))
			s.fails(config, test.want...)
			s.unverified(config)
		})
	}
	t.Run("asking is not allowed", func(t *testing.T) {
		t.Parallel()
		s, _ := restoreStage(t)
		s.kube.OnExec(nil)
		config := s.config(verifying(`"41"`, ""))
		s.fails(config, "Unable to Verify the Restored Database", "pods/exec", "The database myorg/my-db-pitr is restored", "terraform untaint")
		s.unverified(config)
	})
}

// unverified checks what follows a restore that runs and is not as expected: it is tainted, protected, and one untaint away
// from being kept.
func (s *stage) unverified(config string) {
	s.t.Helper()
	object := s.w.Object(pitr)
	if object == nil || !object.Tainted || s.at("status") != "READY" || s.at("deletion_protection") != "true" || s.at("base_backup_id") != lateBackup {
		s.t.Fatalf("the state holds %+v", object)
	}
	uid := s.restored().UID
	s.refused(config, "Restore Already Exists", "terraform untaint")
	s.refused(s.config(restoreOf("target_time = \"2026-03-26T11:30:00Z\"")), "Restore Already Exists", "terraform untaint")
	s.w.Write(s.config(""))
	if _, diags := s.w.Plan(s.t.Context()); !says("Database Is Protected").MatchString(diags.Errors().String()) {
		s.t.Errorf("a destroy says %s", diags)
	}
	if c := s.restored(); c == nil || c.UID != uid {
		s.t.Fatal("it is gone")
	}
	s.w.Untaint(pitr)
	if action := s.action(config); action != terraformtest.NoOp {
		s.t.Errorf("untainted, the plan is to %s", action)
	}
	// The way to another restore that the error tells.
	s.apply(strings.Replace(config, "source = {", unprotected+"  source = {", 1))
	s.answers("41\n", "", nil, nil)
	s.apply(s.config(strings.Replace(verifying(`"41"`, ""), "source = {", unprotected+"target_time = \"2026-03-26T11:30:00Z\"\n  source = {", 1)))
	if c := s.restored(); c.UID == uid || c.Spec.Bootstrap.Recovery.RecoveryTarget.BackupID != earlyBackup {
		s.t.Error("nothing was restored anew")
	}
}

// recovers has a pod do the recovery, whose log says where PostgreSQL has ended it, and then does something to the Cluster.
func (f *fakes) recovers(lsn string, then func(*cnpgv1.Cluster)) {
	const (
		pod = "my-db-pitr-1-full-recovery-x7x7x"
		log = `{"level":"info","logger":"postgres","msg":"record","record":{"log_time":"2026-03-26 13:10:00.000 UTC","error_severity":"LOG","message":"redo done at LSN system usage: CPU"}}
{"level":"info","logger":"postgres","msg":"record","record":{"log_time":"2026-03-26 13:10:00.000 UTC","error_severity":"LOG","message":"last completed transaction was at log time 2026-03-26 12:20:07.123456+00"}}
{"level":"info","logger":"postgres","msg":"record","record":{"log_time":"2026-03-26 13:10:00.000 UTC","error_severity":"LOG","message":"selected new timeline ID: 2"}}
`
	)
	f.kube.Log(fakeNamespace, pod, "full-recovery", strings.Replace(log, "LSN", lsn, 1))
	f.kube.React(func(e apitest.Event) {
		if c := apitest.As[cnpgv1.Cluster](e.Object); c != nil && e.Type == watch.Added && c.Name == "my-db-pitr" {
			done := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: pod, Labels: map[string]string{
				cnpg.LabelCluster: "my-db-pitr", "cnpg.io/jobRole": "full-recovery", "batch.kubernetes.io/job-name": "my-db-pitr-1-full-recovery",
			}}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "full-recovery"}}}}
			done.Status.Phase = corev1.PodSucceeded
			f.kube.Put(done)
			if then != nil {
				apitest.Edit(f.kube, fakeNamespace, c.Name, then)
			}
		}
	})
}

// A recovery of the latest state that ends before the archive did is told; where it ended, and when, is read from the log of
// its pod.
func TestRestoreThatEndsEarly(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		lsn, attributes string
		early           bool
	}{
		"in the middle":            {lsn: "0/E000100", early: true},
		"in the last segment":      {lsn: "0/11000100"},
		"in the middle, on demand": {lsn: "0/E000100", attributes: "target_time = \"2026-03-26T12:20:08Z\""},
		"nobody knows where":       {lsn: ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := restoreStage(t)
			s.recovers(or(test.lsn, "somewhere"), nil)
			s.answers("", "", nil, nil)
			config := s.config(restoreOf(test.attributes))
			if test.early {
				s.fails(config, "Unable to Restore Database", "the recovery ended at "+test.lsn+", before the WAL segment "+lastSegment, "The database myorg/my-db-pitr is restored", "terraform untaint")
			} else {
				s.apply(config)
			}
			if to := s.at("restored_to"); to != "2026-03-26T12:20:07.123456Z" {
				t.Errorf("restored to %q", to)
			}
		})
	}
}

// What goes wrong once the restored database runs is no failed recovery: the error says that there are data, that protection
// holds, and what nobody will look at again.
func TestRestoreThatFailsOnceItRuns(t *testing.T) {
	t.Parallel()
	const protected, unseen = "deletion_protection holds", "Whether the recovery reached the end of the archive was not seen"
	for name, test := range map[string]struct {
		lsn, attributes string
		want            string
		not             string
	}{
		"before the end of the archive": {lsn: "0/E000100", want: "the recovery ended at 0/E000100, before the WAL segment " + lastSegment},
		"at its end":                    {lsn: "0/11000100", want: protected, not: "the archive"},
		"nobody knows where":            {lsn: "somewhere", want: unseen},
		"at a target":                   {lsn: "0/E000100", attributes: `target_time = "2026-03-26T12:20:08Z"`, want: protected, not: "the archive"},
		"without protection":            {lsn: "0/11000100", attributes: unprotected, want: "deletion_protection is off, so they replace it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := restoreStage(t)
			s.recovers(test.lsn, archivingFails("AccessDenied"))
			s.answers("", "", nil, nil)
			s.w.Write(s.config(strings.Replace(verifying(`"41"`, ""), "  source = {", test.attributes+"\n  source = {", 1)))
			errors := s.w.Apply(t.Context()).Errors().String()
			if want := []string{"Unable to Restore Database", "AccessDenied", test.want, "verify.query was not run"}; !says(want...).MatchString(errors) ||
				!says("The database myorg/my-db-pitr is restored", "terraform untaint").MatchString(errors) || strings.Contains(errors, "was ever ready") ||
				test.not != "" && strings.Contains(errors, test.not) {
				t.Errorf("the apply says\n%s\nwant %q", errors, want)
			}
			if to := s.at("restored_to"); to != "2026-03-26T12:20:07.123456Z" {
				t.Errorf("restored to %q", to)
			}
		})
	}
}

// A target behind the archive of a living source is reached, since the source is flushed.
func TestRestoreFlushesOnlyWhereNeeded(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config  string
		flushes bool
	}{
		"latest":                  {restoreOf(""), true},
		"a time":                  {restoreOf(`target_time = "2026-03-26T11:30:00Z"`), true},
		"a place that is there":   {restoreOf(`target_lsn = "` + lsn + `"`), false},
		"before the last segment": {restoreOf(`target_lsn = "0/10FFFFFF"`), false},
		"in the last segment":     {restoreOf(`target_lsn = "0/11000028"`), true},
		"a base backup":           {restoreOf(`backup_id = "` + earlyBackup + `"`), false},
		"a Backup":                {restoreFrom(`backup = "myorg/first"`, ""), false},
		"a place in S3":           {dead(""), false},
		"where it is turned off":  {restoreOf("flush_source = false"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := restoreStage(t)
			s.kube.Put(s.backupDone(nil))
			flushed := false
			s.kube.OnExec(func(pod, _ string, _ []string) (string, string, error) {
				if pod == "my-db-1" {
					flushed = true
				}
				return flushAnswer(lastSegment), "", nil
			})
			s.apply(s.config(test.config))
			if flushed != test.flushes {
				t.Errorf("flushed: %t, want %t", flushed, test.flushes)
			}
		})
	}
}

// Where S3 cannot be reached from here, PostgreSQL says itself when it has archived what a flush has ended; before that nothing is
// created.
func TestRestoreWaitsForTheArchiver(t *testing.T) {
	t.Parallel()
	config := func(s *stage, more string) string {
		return s.config(restoreOf("image = \"postgres:17.5\"\n" + more))
	}
	// begin is a source that has archived these files, one after the other, each time it is asked; the last one stays.
	begin := func(t *testing.T, archived ...string) (s *stage, asked *int) {
		t.Helper()
		s, _ = restoreStage(t)
		s.s3.Fail(func(s3test.Request) *s3test.Fault { return &s3test.Fault{Reset: true} })
		asked = new(int)
		s.kube.OnExecWithInput(func(pod, _ string, _ []string, stdin string) (string, string, error) {
			switch {
			case pod != "my-db-1":
				return "", "", nil
			case !strings.Contains(stdin, "pg_stat_archiver"):
				return flushAnswer(lastSegment), "", nil
			}
			if s.restored() != nil {
				t.Error("the Cluster is made before the segment is archived")
			}
			*asked++
			if answer := archived[min(*asked, len(archived))-1]; answer != "down" {
				return answer + "\n", "", nil
			}
			return "", "psql: error: connection to server on socket failed: FATAL:  the database system is starting up\n", apitest.ExitError(2)
		})
		return s, asked
	}
	t.Run("until it has", func(t *testing.T) {
		t.Parallel()
		archived := []string{"000000010000000000000010", "down", "00000002.history", lastSegment}
		s, asked := begin(t, archived...)
		if warnings := s.apply(config(s, "")); strings.Contains(warnings, "last WAL") {
			t.Errorf("it warns %s", warnings)
		}
		if *asked != len(archived) || s.at("status") != "READY" {
			t.Errorf("asked %d times", *asked)
		}
	})
	for name, test := range map[string]struct{ archived, want string }{
		"and it does not":        {"000000010000000000000010", "the last file that PostgreSQL has archived is 000000010000000000000010"},
		"and it cannot be asked": {"down", "the database system is starting up"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, asked := begin(t, test.archived)
			plan, _ := s.plan(config(s, `timeouts = { create = "20s" }`))
			s.nothingMade(plan, "Unable to Restore Database", "("+attribute("flush_source")+")", "not done after 20s", test.want, "Nothing was created", "flush_source = false")
			if *asked == 0 {
				t.Error("nobody was asked")
			}
		})
	}
}
