package provider_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/zclconf/go-cty/cty"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// Protection holds on every way on which Terraform comes to destroy.
func TestDatabaseProtectionHolds(t *testing.T) {
	t.Parallel()
	f := operated(t)
	protected := database("  database_name = \"shop\"\n")
	var before *cnpgv1.Cluster
	untouched := func() {
		if after := f.cluster(); after == nil || after.UID != before.UID || after.DeletionTimestamp != nil || len(f.kube.Writes()) != 0 {
			t.Errorf("the database is not as it was: %v", apitest.Summaries(f.kube.Writes()))
		}
	}
	refused := says("Database Is Protected", "first apply deletion_protection = false")
	unit(t,
		resource.TestStep{Config: f.config(protected), Check: check(func() error {
			before = f.cluster()
			f.kube.Forget()
			return nil
		})},
		resource.TestStep{Config: f.config(protected), Destroy: true, ExpectError: says("Database Is Protected", "first apply deletion_protection = false", "terraform untaint")},
		resource.TestStep{PreConfig: untouched, Config: f.config(strings.Replace(protected, "{\n", "{\n  count = 0\n", 1)), ExpectError: refused},
		resource.TestStep{PreConfig: untouched, Config: f.config(""), ExpectError: refused},
		resource.TestStep{PreConfig: untouched, Config: f.config(strings.Replace(protected, "shop", "other", 1)), ExpectError: refused},
		resource.TestStep{
			PreConfig: untouched, Config: f.config(""), Taint: []string{db}, ExpectError: refused,
		},
		resource.TestStep{
			PreConfig: untouched, Config: f.config(protected), ExpectError: says("Database Already Exists", "terraform untaint"),
		},
		resource.TestStep{ // the tainted object would be in the way of the end of the test
			PreConfig: func() {
				untouched()
				apitest.Delete[cnpgv1.Cluster](f.kube, fakeNamespace, "my-db")
			},
			Config: f.config(database(unprotected)),
		},
	)
}

const lastBackup = unprotected + `  final_backup = true
  backup       = { schedule = "0 2 * * *" }
`

// archiving makes the fake archive what a completed Backup says that it needs.
func (f *fakes) archiving(segment string) {
	f.kube.React(func(e apitest.Event) {
		if b := apitest.As[cnpgv1.Backup](e.Object); b != nil && e.Type == watch.Added {
			f.s3.Archive(fakeBucket, "pg", "my-db").WAL(segment, f.now())
		}
	})
}

// endOfBackup is the last segment of the backups that the fake operator takes.
const endOfBackup = "000000010000000000000004"

func TestDatabaseFinalBackup(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testDatabaseFinalBackup)
}

func testDatabaseFinalBackup(t *testing.T) {
	t.Parallel()
	f := operated(t)
	s := onStage(t, f)
	s.apply(f.config(database(lastBackup)))
	f.archiving(endOfBackup)
	f.kube.Forget()
	uid := f.cluster().UID
	var owner string
	f.kube.React(func(e apitest.Event) {
		if b := apitest.As[cnpgv1.Backup](e.Object); b != nil && e.Type == watch.Added && len(b.OwnerReferences) == 1 {
			owner = string(b.OwnerReferences[0].UID)
		}
	})
	if diags := s.w.Destroy(t.Context()); diags.HasError() {
		t.Fatal(diags)
	}
	var writes []string
	for _, r := range f.kube.Writes() {
		writes = append(writes, r.Verb+" "+r.Resource)
	}
	if got := strings.Join(writes, ", "); got != "create backups, delete scheduledbackups, delete clusters" {
		t.Errorf("the destroy did: %s", got)
	}
	if owner != string(uid) {
		t.Errorf("the Backup belongs to %q, the Cluster was %q", owner, uid)
	}
	if left := len(apitest.All[cnpgv1.Cluster](f.kube)) + len(apitest.All[cnpgv1.Backup](f.kube)) + len(apitest.All[corev1.Secret](f.kube)); left != 0 {
		t.Errorf("%d objects are left", left)
	}
}

// Where the last backup fails, nothing is destroyed, and nothing is left that would hold the next one back.
func TestDatabaseFinalBackupFails(t *testing.T) {
	t.Parallel()
	phase := func(f *fakes, change func(*cnpgv1.Backup)) {
		f.kube.React(func(e apitest.Event) {
			if b := apitest.As[cnpgv1.Backup](e.Object); b != nil && e.Type == watch.Modified && b.Status.Phase == cnpgv1.BackupPhaseCompleted {
				apitest.Edit(f.kube, b.Namespace, b.Name, change)
			}
		})
	}
	archiverFails := func(c *cnpgv1.Cluster) {
		for i := range c.Status.Conditions {
			if c.Status.Conditions[i].Type == string(cnpgv1.ConditionContinuousArchiving) {
				c.Status.Conditions[i].Status, c.Status.Conditions[i].Message = metav1.ConditionFalse, "unexpected failure invoking barman-cloud-wal-archive: exit status 4"
				c.Status.Conditions[i].LastTransitionTime = metav1.NewTime(time.Now().Add(-time.Hour))
			}
		}
	}
	replaced := make(chan struct{})
	tests := map[string]struct {
		prepare func(*fakes, *stage)
		early   bool            // before any Backup is made
		goes    bool            // the Backup goes on
		until   <-chan struct{} // what others do meanwhile has been done
		want    []string
	}{
		"it hibernates": {
			prepare: func(f *fakes, _ *stage) {
				apitest.Edit(f.kube, fakeNamespace, "my-db", func(c *cnpgv1.Cluster) {
					metav1.SetMetaDataAnnotation(&c.ObjectMeta, "cnpg.io/hibernation", "on")
				})
			},
			early: true,
			want:  []string{"no backup can be taken of Cluster myorg/my-db as it stands: it hibernates", "Wake it up first", "take it out there", "cnpg.io/hibernation=off --overwrite"},
		},
		"its disk is full": {
			prepare: func(f *fakes, _ *stage) {
				apitest.Edit(f.kube, fakeNamespace, "my-db", func(c *cnpgv1.Cluster) {
					c.Status.Phase, c.Status.PhaseReason = "Not enough disk space", "Please verify your storage settings"
				})
			},
			early: true,
			want:  []string{"as it stands: Not enough disk space: Please verify your storage settings"},
		},
		"its only instance crashes": {
			prepare: func(f *fakes, _ *stage) {
				apitest.Edit(f.kube, fakeNamespace, "my-db", func(c *cnpgv1.Cluster) { c.Status.ReadyInstances = 0 })
			},
			early: true,
			want:  []string{"as it stands: its primary my-db-1 is not ready"},
		},
		"its primary crashes": {
			prepare: func(f *fakes, _ *stage) {
				apitest.Edit(f.kube, fakeNamespace, "my-db", func(c *cnpgv1.Cluster) {
					c.Status.InstancesStatus = map[cnpgv1.PodStatus][]string{cnpgv1.PodHealthy: {"my-db-2"}, cnpgv1.PodReplicating: {"my-db-1"}}
				})
			},
			early: true,
			want:  []string{"as it stands: its primary my-db-1 is not ready"},
		},
		"CNPG keeps it waiting": {
			prepare: func(f *fakes, _ *stage) {
				f.kube.React(func(e apitest.Event) {
					if b := apitest.As[cnpgv1.Backup](e.Object); b != nil && b.Status.Phase == "" {
						apitest.Edit(f.kube, b.Namespace, b.Name, func(b *cnpgv1.Backup) { b.Status = cnpgv1.BackupStatus{Phase: cnpgv1.BackupPhasePending} })
						f.kube.Put(&corev1.Event{
							ObjectMeta:     metav1.ObjectMeta{Namespace: b.Namespace, Name: b.Name + ".1"},
							InvolvedObject: corev1.ObjectReference{Kind: "Backup", Name: b.Name},
							Type:           corev1.EventTypeWarning, Reason: "BackupPending", Message: "Backup target pod not ready: my-db-1",
						})
					}
				})
			},
			goes: true,
			want: []string{"not done after 3s", `the backup is in phase "pending"`, "BackupPending: Backup target pod not ready: my-db-1", "goes on", "timeouts.delete"},
		},
		"archiving fails already": {
			prepare: func(f *fakes, _ *stage) { apitest.Edit(f.kube, fakeNamespace, "my-db", archiverFails) },
			early:   true,
			want:    []string{"WAL archiving fails: unexpected failure invoking barman-cloud-wal-archive: exit status 4"},
		},
		"archiving fails meanwhile": {
			prepare: func(f *fakes, _ *stage) {
				phase(f, func(b *cnpgv1.Backup) { b.Status.Phase = cnpgv1.BackupPhasePending })
				f.kube.Fail(apitest.First(apitest.VerbWatch, "backups", apitest.Fault{Before: func() { apitest.Edit(f.kube, fakeNamespace, "my-db", archiverFails) }}))
			},
			want: []string{"WAL archiving fails: unexpected failure invoking barman-cloud-wal-archive: exit status 4"},
		},
		"the backup fails": {
			prepare: func(f *fakes, _ *stage) {
				phase(f, func(b *cnpgv1.Backup) {
					b.Status.Phase, b.Status.Error = cnpgv1.BackupPhaseFailed, "no space left on the store"
				})
			},
			want: []string{"failed: no space left on the store"},
		},
		"its WAL does not arrive": {
			prepare: func(f *fakes, _ *stage) { f.archiving("000000010000000000000003") }, // that of an older one
			goes:    true,                                                                 // it is completed
			want:    []string{"the WAL segment " + endOfBackup, "is not in S3", "timeouts.delete"},
		},
		"S3 cannot be reached from here": {
			prepare: func(f *fakes, _ *stage) {
				f.s3.Fail(func(s3test.Request) *s3test.Fault { return &s3test.Fault{Status: http.StatusServiceUnavailable} })
			},
			early: true,
			want:  []string{"503"},
		},
		"an older one is in the way": {
			prepare: func(f *fakes, _ *stage) {
				f.kube.Put(&cnpgv1.Backup{
					ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "stuck"},
					Spec:       cnpgv1.BackupSpec{Cluster: cnpgv1.LocalObjectReference{Name: "my-db"}},
					Status:     cnpgv1.BackupStatus{Phase: cnpgv1.BackupPhaseWalArchivingFailing},
				})
			},
			early: true,
			want:  []string{"the Backup myorg/stuck", "holds every later one back"},
		},
		"no right to make one": {
			prepare: func(f *fakes, _ *stage) {
				f.kube.Fail(apitest.Each(apitest.VerbCreate, "backups", apitest.Fault{Status: 403, Message: `User "ci" cannot create resource "backups"`}))
			},
			want: []string{`User "ci" cannot create resource "backups"`},
		},
		"it is interrupted": {
			prepare: func(f *fakes, s *stage) {
				phase(f, func(b *cnpgv1.Backup) { b.Status.Phase = cnpgv1.BackupPhaseRunning })
				f.kube.Fail(apitest.First(apitest.VerbWatch, "backups", apitest.Fault{Before: s.w.Interrupt}))
			},
			goes: true,
			want: []string{"context canceled"},
		},
		"the database is another one now": {
			prepare: func(f *fakes, _ *stage) {
				f.archiving(endOfBackup)
				anew := &cnpgv1.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "my-db"}, Spec: f.cluster().Spec}
				replace := sync.OnceFunc(func() {
					apitest.Delete[cnpgv1.Cluster](f.kube, fakeNamespace, "my-db")
					f.kube.Put(anew)
					close(replaced)
				})
				f.s3.Fail(func(s3test.Request) *s3test.Fault {
					if len(apitest.All[cnpgv1.Backup](f.kube)) > 0 { // S3 is asked for its end
						replace()
					}
					return nil
				})
			},
			until: replaced,
			// A watch that goes on may see the moment between the two.
			want: []string{"Cluster myorg/my-db: "},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := operated(t)
			s := onStage(t, f)
			s.apply(f.config(database(lastBackup + "  timeouts = { delete = \"3s\" }\n")))
			test.prepare(f, s)
			f.kube.Forget()
			diags := s.w.Destroy(t.Context())
			if test.until != nil {
				<-test.until
			}
			want := append(append([]string{"Unable to Destroy Database", "The final backup could not be taken"}, test.want...), "Nothing was destroyed", "final_backup = false")
			if !says(want...).MatchString(diags.Errors().String()) {
				t.Errorf("the destroy says\n%s\nwant %q", diags.Errors(), want)
			}
			made := 0
			for _, r := range f.kube.Writes() {
				if r.Is(apitest.VerbCreate, "backups") {
					made++
				} else if !r.Is(apitest.VerbDelete, "backups") {
					t.Errorf("the destroy did: %s", r)
				}
			}
			if made > 0 == test.early {
				t.Errorf("%d Backups were made", made)
			}
			left := apitest.All[cnpgv1.Backup](f.kube)
			if test.goes != (len(left) > 0) && name != "an older one is in the way" {
				t.Errorf("%d Backups are left", len(left))
			}
			for _, b := range left {
				if b.Name != "stuck" && !test.goes {
					t.Errorf("the Backup %s is left in phase %q", b.Name, b.Status.Phase)
				}
			}
			if c := f.cluster(); c == nil || c.DeletionTimestamp != nil || s.w.Object(db) == nil {
				t.Errorf("the Cluster is %v, the state holds %v", c, s.w.Object(db))
			}
		})
	}
}

// A last backup that takes longer than a destroy has time is waited for by the next one.
func TestDatabaseFinalBackupTakesLong(t *testing.T) {
	t.Parallel()
	f := operated(t)
	s := onStage(t, f)
	s.apply(f.config(database(lastBackup + "  timeouts = { delete = \"2s\" }\n")))
	f.kube.React(func(e apitest.Event) {
		if b := apitest.As[cnpgv1.Backup](e.Object); b != nil && b.Status.Phase == "" {
			apitest.Edit(f.kube, b.Namespace, b.Name, func(b *cnpgv1.Backup) { b.Status.Phase = cnpgv1.BackupPhaseRunning })
		}
	})
	f.kube.Forget()
	for range 2 {
		if diags := s.w.Destroy(t.Context()); !says("not done after 2s", "goes on", "Nothing was destroyed").MatchString(diags.Errors().String()) {
			t.Fatalf("the destroy says\n%s", diags)
		}
	}
	f.s3.Archive(fakeBucket, "pg", "my-db").WAL(endOfBackup, f.now())
	for _, b := range apitest.All[cnpgv1.Backup](f.kube) {
		apitest.Edit(f.kube, b.Namespace, b.Name, func(b *cnpgv1.Backup) { b.Status.Phase, b.Status.EndWal = cnpgv1.BackupPhaseRunning, endOfBackup })
	}
	f.kube.Fail(apitest.First(apitest.VerbWatch, "backups", apitest.Fault{Before: func() {
		for _, b := range apitest.All[cnpgv1.Backup](f.kube) {
			apitest.Edit(f.kube, b.Namespace, b.Name, func(b *cnpgv1.Backup) { b.Status.Phase = cnpgv1.BackupPhaseCompleted })
		}
	}}))
	if diags := s.w.Destroy(t.Context()); diags.HasError() || f.cluster() != nil {
		t.Errorf("the last destroy says\n%s", diags)
	}
	made := 0
	for _, r := range f.kube.Writes() {
		if r.Is(apitest.VerbCreate, "backups") {
			made++
		}
	}
	if made != 1 {
		t.Errorf("%d Backups were made, want one", made)
	}
}

// A last backup that is completed, and whose WAL a destroy has waited for in vain, is gone on with by the next destroy where that
// holds all that was written since; else another one is taken.
func TestDatabaseFinalBackupIsGoneOnWith(t *testing.T) {
	t.Parallel()
	const now = "000000010000000000000009" // the segment that the database writes when it is destroyed again
	for name, test := range map[string]struct {
		change func(*fakes, *cnpgv1.Backup)
		anew   bool
	}{
		"it holds all": {change: func(*fakes, *cnpgv1.Backup) {}},
		"S3 has it no more": {anew: true, change: func(f *fakes, _ *cnpgv1.Backup) {
			f.s3.Fail(func(r s3test.Request) *s3test.Fault {
				if strings.HasSuffix(r.Key, "backup.info") {
					return &s3test.Fault{Status: http.StatusNotFound, Code: "NoSuchKey"}
				}
				return nil
			})
		}},
		"after a failover": {anew: true, change: func(f *fakes, _ *cnpgv1.Backup) {
			f.kube.OnExec(func(string, string, []string) (string, string, error) {
				return flushAnswer("000000020000000000000009"), "", nil
			})
		}},
		"the database cannot be asked": {anew: true, change: func(f *fakes, _ *cnpgv1.Backup) {
			f.kube.OnExec(func(string, string, []string) (string, string, error) { return "", "", errors.New("no route to host") })
		}},
		"a newer one is there": {anew: true, change: func(f *fakes, b *cnpgv1.Backup) {
			f.kube.Put(&cnpgv1.Backup{
				ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "nightly", CreationTimestamp: metav1.NewTime(b.CreationTimestamp.Add(time.Hour))},
				Spec:       b.Spec, Status: cnpgv1.BackupStatus{Phase: cnpgv1.BackupPhaseCompleted},
			})
		}},
		"it is older than the last apply": {anew: true, change: func(f *fakes, b *cnpgv1.Backup) {
			apitest.Edit(f.kube, fakeNamespace, b.Name, func(b *cnpgv1.Backup) {
				b.CreationTimestamp = metav1.NewTime(b.CreationTimestamp.Add(-time.Hour))
			})
		}},
		"it is no final one": {anew: true, change: func(f *fakes, b *cnpgv1.Backup) {
			apitest.Edit(f.kube, fakeNamespace, b.Name, func(b *cnpgv1.Backup) { delete(b.Annotations, cnpg.AnnotationFinal) })
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := operated(t)
			s := onStage(t, f)
			s.apply(f.config(database(lastBackup + "  timeouts = { delete = \"3s\" }\n")))
			f.kube.OnExec(func(string, string, []string) (string, string, error) { return flushAnswer(now), "", nil })
			f.kube.Forget()
			if diags := s.w.Destroy(t.Context()); !says("the WAL segment "+endOfBackup, "is not in S3", "Nothing was destroyed").MatchString(diags.Errors().String()) {
				t.Fatalf("the destroy says\n%s", diags)
			}
			backup := apitest.All[cnpgv1.Backup](f.kube)[0]
			in := f.s3.Archive(fakeBucket, "pg", "my-db")
			in.Backup(backup.Status.BackupID, f.now(), endOfBackup, endOfBackup, nil)
			in.WAL(endOfBackup, f.now())
			test.change(f, &backup)
			if !test.anew {
				// What was written since is not in S3 yet.
				if diags := s.w.Destroy(t.Context()); !says("the WAL segment "+now, "is not in S3", "Nothing was destroyed").MatchString(diags.Errors().String()) {
					t.Fatalf("the second destroy says\n%s", diags)
				}
				in.WAL(now, f.now())
			}
			if diags := s.w.Destroy(t.Context()); diags.HasError() || f.cluster() != nil {
				t.Errorf("the last destroy says\n%s", diags)
			}
			made := 0
			for _, r := range f.kube.Writes() {
				if r.Is(apitest.VerbCreate, "backups") {
					made++
				}
			}
			if test.anew != (made == 2) {
				t.Errorf("%d Backups were made", made)
			}
		})
	}
}

// WAL that is uploaded several segments at a time arrives in any order: the last segment alone is not enough, neither for the backup
// nor for what was written since.
func TestDatabaseFinalBackupWaitsForWALInAnyOrder(t *testing.T) {
	t.Parallel()
	f := operated(t)
	s := onStage(t, f)
	parallel := strings.Replace(lastBackup, `schedule = "0 2 * * *"`, `schedule = "0 2 * * *", wal = { max_parallel = 2 }`, 1)
	s.apply(f.config(database(parallel + "  timeouts = { delete = \"3s\" }\n")))
	in := f.s3.Archive(fakeBucket, "pg", "my-db")
	arrive := func(numbers ...uint64) {
		for _, n := range numbers {
			in.WAL(s3test.Segment(1, n), f.now())
		}
	}
	f.kube.OnExec(func(string, string, []string) (string, string, error) {
		return flushAnswer(s3test.Segment(1, 9)), "", nil
	})
	f.kube.React(func(e apitest.Event) {
		b := apitest.As[cnpgv1.Backup](e.Object)
		if b == nil || b.Status.Phase != cnpgv1.BackupPhaseCompleted || b.Status.EndWal == s3test.Segment(1, 6) {
			return
		}
		in.Backup(b.Status.BackupID, f.now(), endOfBackup, s3test.Segment(1, 6), nil)
		apitest.Edit(f.kube, b.Namespace, b.Name, func(b *cnpgv1.Backup) { b.Status.EndWal = s3test.Segment(1, 6) })
	})
	destroy := func(texts ...string) {
		t.Helper()
		if diags := s.w.Destroy(t.Context()); !says(append(texts, "Nothing was destroyed")...).MatchString(diags.Errors().String()) {
			t.Fatalf("the destroy says\n%s\nwant %q", diags, texts)
		}
	}
	arrive(4, 6)
	destroy("not all WAL before the segment "+s3test.Segment(1, 6), "which ends the backup my-db-", "is in S3", "it needs WAL segment "+s3test.Segment(1, 5))
	arrive(5, 7, 9)
	destroy("not all WAL before the segment "+s3test.Segment(1, 9), "which ends what was written since the backup", "WAL segment "+s3test.Segment(1, 8)+" is missing")
	arrive(8)
	if diags := s.w.Destroy(t.Context()); diags.HasError() || f.cluster() != nil {
		t.Errorf("the last destroy says\n%s", diags)
	}
	if n := len(apitest.All[cnpgv1.Backup](f.kube)); n != 0 {
		t.Errorf("%d Backups are left", n)
	}
}

// Where somebody has ended the archiving, that no last backup can be taken is known when the destroy is planned.
func TestDatabaseFinalBackupOfADatabaseThatArchivesNowhere(t *testing.T) {
	t.Parallel()
	f := operated(t)
	s := onStage(t, f)
	s.apply(f.config(database(lastBackup)))
	f.edit("kubectl-edit", "my-db", func(c *cnpgv1.Cluster) { c.Spec.Backup = nil })
	f.kube.Forget()
	if diags := s.w.Destroy(t.Context()); !says("Final Backup Without Backups", "archives nowhere now", "final_backup = false").MatchString(diags.Errors().String()) {
		t.Errorf("the destroy says\n%s", diags)
	}
	if writes := f.kube.Writes(); len(writes) > 0 {
		t.Errorf("written by a plan: %v", apitest.Summaries(writes))
	}
}

// S3 that gives no answer for a moment is asked again.
func TestDatabaseFinalBackupOutlivesAHiccupOfS3(t *testing.T) {
	t.Parallel()
	f := operated(t)
	s := onStage(t, f)
	s.apply(f.config(database(lastBackup)))
	f.archiving(endOfBackup)
	var asked atomic.Int64
	f.s3.Fail(func(r s3test.Request) *s3test.Fault {
		if strings.Contains(r.Prefix, "/wals/") && asked.Add(1) <= 6 { // more often than a call is repeated
			return &s3test.Fault{Status: http.StatusServiceUnavailable}
		}
		return nil
	})
	if diags := s.w.Destroy(t.Context()); diags.HasError() || asked.Load() <= 6 {
		t.Errorf("after %d requests the destroy says\n%s", asked.Load(), diags)
	}
}

// A database that could not be destroyed may live on without its schedule; an apply puts that back.
func TestDatabaseThatIsNotDestroyedGetsItsScheduleBack(t *testing.T) {
	t.Parallel()
	f := operated(t)
	s := onStage(t, f)
	config := f.config(backedUp(""))
	s.apply(config)
	f.kube.Fail(apitest.Each(apitest.VerbDelete, "clusters", apitest.Fault{Status: 403, Message: `User "ci" cannot delete resource "clusters"`}))
	if diags := s.w.Destroy(t.Context()); !says(`User "ci" cannot delete resource "clusters"`, "Its schedule may be gone already", "apply: that puts the schedule back").MatchString(diags.Errors().String()) {
		t.Errorf("the destroy says\n%s", diags)
	}
	if f.schedule() != nil {
		t.Fatal("the schedule is there")
	}
	f.kube.Fail(nil)
	s.planned(config, terraformtest.Update)
	s.apply(config)
	if f.schedule() == nil {
		t.Error("the schedule was not put back")
	}
}

// That a database can be kept is said only while its deletion was not accepted.
func TestDatabaseThatIsGoneIsNotToBeKept(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare func(*fakes)
		want    string
	}{
		"its Secret cannot be removed": {
			prepare: func(f *fakes) {
				f.kube.Fail(apitest.Each(apitest.VerbDelete, "secrets", apitest.Fault{Status: http.StatusConflict, Message: "the Secret is held"}))
				// Kubernetes has not collected it yet.
				apitest.Edit(f.kube, fakeNamespace, f.ownSecret().Name, func(s *corev1.Secret) { s.OwnerReferences = nil })
			},
			want: "the Secret is held",
		},
		"it cannot be watched": {
			prepare: func(f *fakes) {
				f.kube.Fail(func(r apitest.Request) *apitest.Fault {
					if r.Resource == "clusters" && (r.Verb == apitest.VerbList || r.Verb == apitest.VerbWatch) {
						return &apitest.Fault{Status: http.StatusForbidden, Message: `User "ci" cannot list resource "clusters"`}
					}
					return nil
				})
			},
			want: `User "ci" cannot list resource "clusters"`,
		},
		"it is being deleted already": {
			prepare: func(f *fakes) {
				apitest.Edit(f.kube, fakeNamespace, "my-db", func(c *cnpgv1.Cluster) { c.Finalizers = []string{"example.com/hold"} })
				apitest.Delete[cnpgv1.Cluster](f.kube, fakeNamespace, "my-db")
				f.kube.Fail(apitest.Each(apitest.VerbDelete, "clusters", apitest.Fault{Status: http.StatusForbidden, Message: "no more deletions"}))
			},
			want: "no more deletions",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := operated(t)
			s := onStage(t, f)
			s.apply(f.config(backedUp("")))
			test.prepare(f)
			diags := s.w.Destroy(t.Context()).Errors().String()
			if !says("Unable to Destroy Database", test.want, "destroy again when the cause is mended").MatchString(diags) || strings.Contains(diags, "To keep the database") {
				t.Errorf("the destroy says\n%s", diags)
			}
		})
	}
}

// A refresh that takes too long says which attribute decides about it.
func TestReadNamesItsTimeout(t *testing.T) {
	t.Parallel()
	f := operated(t)
	s := onStage(t, f)
	config := f.config(database(unprotected + "  timeouts = { read = \"1s\" }\n"))
	s.apply(config)
	f.kube.Fail(apitest.Each(apitest.VerbGet, "clusters", apitest.Fault{Hang: true}))
	s.refused(config, "Unable to Read Database", "not done after 1s", "The time in timeouts.read is over")
}

// Volumes that a former database has left are nobody's to take over.
func TestDatabaseMeetsLeftoverVolumes(t *testing.T) {
	t.Parallel()
	f := operated(t)
	s := onStage(t, f)
	f.kube.Put(&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{
		Namespace: fakeNamespace, Name: "my-db-1", Labels: map[string]string{cnpg.LabelCluster: "my-db"},
	}})
	s.fails(f.config(goodDatabase), "Unable to Create Database", "volume claims of a former Cluster of this name are left", "my-db-1",
		"kubectl delete pvc --namespace myorg --selector cnpg.io/cluster=my-db", "Nothing was created")
	f.nothingWritten(t)
	apitest.Delete[corev1.PersistentVolumeClaim](f.kube, fakeNamespace, "my-db-1")
	s.apply(f.config(goodDatabase))
}

// A destroy ends when the volumes are gone, or says what holds them.
func TestDatabaseDestroyWaitsForTheVolumes(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testDatabaseDestroyWaitsForTheVolumes)
}

func testDatabaseDestroyWaitsForTheVolumes(t *testing.T) {
	t.Parallel()
	f := operated(t)
	s := onStage(t, f)
	s.apply(f.config(database(unprotected + "  timeouts = { delete = \"2s\" }\n")))
	apitest.Edit(f.kube, fakeNamespace, "my-db-1", func(v *corev1.PersistentVolumeClaim) { v.Finalizers = []string{"kubernetes.io/pvc-protection"} })
	diags := s.w.Destroy(t.Context())
	if !says("Unable to Destroy Database", "not done after 2s", "volume claim my-db-1: being deleted, held by kubernetes.io/pvc-protection",
		"The time in timeouts.delete is over", "stays in Terraform's state").MatchString(diags.Errors().String()) {
		t.Errorf("the destroy says\n%s", diags)
	}
	if s.w.Object(db) == nil {
		t.Error("the state has lost the database")
	}
	apitest.Edit(f.kube, fakeNamespace, "my-db-1", func(v *corev1.PersistentVolumeClaim) { v.Finalizers = nil })
	if diags := s.w.Destroy(t.Context()); diags.HasError() || s.w.Object(db) != nil {
		t.Errorf("the second destroy: %s", diags)
	}
}

// What is not waited for is in the state all the same, with what is known of it, and the next refresh knows more.
func TestDatabaseWithoutWait(t *testing.T) {
	t.Parallel()
	f := newFakes(t) // nothing becomes ready
	s := onStage(t, f)
	config := func(memory string) string {
		return f.config(database(unprotected + fmt.Sprintf("  wait = false\n  image = \"ghcr.io/cloudnative-pg/postgresql:17.5\"\n  parameters = { work_mem = %q }\n", memory)))
	}
	s.apply(config("8MB"))
	if status := s.attribute("status"); status != "PROVISIONING" {
		t.Errorf("the status is %q", status)
	}
	s.apply(config("16MB"))
	if m := f.cluster().Spec.PostgresConfiguration.Parameters["work_mem"]; m != "16MB" {
		t.Errorf("work_mem is %s", m)
	}
	for _, r := range f.kube.Requests() {
		if r.Verb == apitest.VerbWatch {
			t.Errorf("it waited: %s", r)
		}
	}
	apitest.Edit(f.kube, fakeNamespace, "my-db", apitest.Healthy)
	s.plan(config("16MB"))
	s.apply(config("32MB"))
	if status := s.attribute("status"); status != "READY" {
		t.Errorf("the status is %q", status)
	}
}

// An update that fails and cannot be looked at either leaves the state of before.
func TestDatabaseUpdateOfUnknownOutcome(t *testing.T) {
	t.Parallel()
	f := operated(t)
	s := onStage(t, f)
	config := func(memory string) string {
		return f.config(database(unprotected + fmt.Sprintf("  parameters = { work_mem = %q }\n", memory)))
	}
	s.apply(config("8MB"))
	f.kube.Fail(apitest.First(apitest.VerbApply, "clusters", apitest.Fault{ResetAfter: true, After: func() {
		f.kube.Fail(apitest.Each("", "", apitest.Fault{Status: 403}))
	}}))
	s.fails(config("16MB"), "Unable to Update Database", "could not be read", "as it was before")
	f.kube.Fail(nil)
	if got := s.parameter("work_mem"); got != "8MB" {
		t.Errorf("the state holds %s", got)
	}
	s.apply(config("16MB"))
	if got := s.parameter("work_mem"); got != "16MB" {
		t.Errorf("the state holds %s", got)
	}
}

// Who plans a destroy is told what stays in S3, where something does.
func TestDestroyTellsWhereTheArchiveStays(t *testing.T) {
	t.Parallel()
	const told = "Destroying the database myorg/my-db deletes its volumes, and keeps its backups and WAL in s3://backups/pg, folder my-db."
	for _, archives := range []bool{true, false} {
		t.Run(fmt.Sprintf("archives %t", archives), func(t *testing.T) {
			t.Parallel()
			s := onStage(t, operated(t))
			config := database(unprotected)
			if archives {
				config = goodDatabase
			}
			s.apply(s.config(config))
			destroy, diags := s.w.PlanDestroy(t.Context())
			if diags.HasError() || destroy.Action(db) != terraformtest.Delete || says("Archive Stays in S3", told).MatchString(diags.Warnings().String()) != archives {
				t.Errorf("terraform plan -destroy is %s, and says\n%s", destroy, diags)
			}
			plan, warnings := s.plan(s.config("")) // the resource has left the configuration
			if plan.Action(db) != terraformtest.Delete || says("Archive Stays in S3", told).MatchString(warnings) != archives {
				t.Errorf("the plan is %s, and warns\n%s", plan, warnings)
			}
		})
	}
}

// An interruption while it is waited for leaves the database in the state, with its identity, and no unknown values.
func TestDatabaseInterrupted(t *testing.T) {
	t.Parallel()
	f := newFakes(t)
	s := onStage(t, f)
	f.kube.Fail(apitest.First(apitest.VerbWatch, "clusters", apitest.Fault{Before: s.w.Interrupt}))
	s.fails(f.config(goodDatabase), "Unable to Create Database", context.Canceled.Error(), "recorded in Terraform's state, marked as tainted")
	object := s.w.Object(db)
	if object == nil || !object.Tainted || s.attribute("id") != "myorg/my-db" || !maps.Equal(s.w.Identity(db), map[string]string{"namespace": "myorg", "name": "my-db"}) {
		t.Fatalf("the state holds %v", object)
	}
	f.kube.Fail(nil)
	apitest.Edit(f.kube, fakeNamespace, "my-db", apitest.Healthy)
	s.w.Untaint(db)
	s.apply(f.config(goodDatabase)) // and the next plan goes on: there is still the schedule to be made, or nothing
}

// parameter is a PostgreSQL parameter in the database's state.
func (s *stage) parameter(name string) string {
	s.t.Helper()
	return s.w.Object(db).Attribute("parameters").Index(cty.StringVal(name)).AsString()
}
