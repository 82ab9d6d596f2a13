package provider_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// overtaken is the segment that one behind it has overtaken on the way to S3: the one before the last of the source's archive.
var overtaken = s3test.Segment(1, 16)

// uploadsAtOnce has the source upload several segments at the same time; the last one has arrived at an instant, and the one before
// has not.
func (f *fakes) uploadsAtOnce(a s3test.Archive, parallel int, arrived time.Time) {
	apitest.Edit(f.kube, fakeNamespace, "my-db", func(c *cnpgv1.Cluster) {
		c.Spec.Backup.BarmanObjectStore.Wal = &cnpgv1.WalBackupConfiguration{MaxParallel: parallel}
	})
	f.s3.Delete(fakeBucket, a.Folder+"/wals/0000000100000000/"+overtaken)
	a.WAL(lastSegment, arrived)
}

// arrives has the overtaken segment arrive when the archive is read once more than so often, and tells whether it has.
func (f *fakes) arrives(a s3test.Archive, after int32) *atomic.Bool {
	var there atomic.Bool
	var reads atomic.Int32
	once := sync.OnceFunc(func() {
		a.WAL(overtaken, f.now())
		there.Store(true)
	})
	f.s3.Fail(func(r s3test.Request) *s3test.Fault {
		if r.Prefix == a.Folder+"/base/" && reads.Add(1) > after {
			go once() // S3 is locked while it asks
		}
		return nil
	})
	return &there
}

// Segments that are uploaded at the same time arrive in any order. What is overtaken so is no gap: a plan goes on, and the apply waits
// for it.
func TestRestoreOfWALThatArrivesInAnyOrder(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]string{
		"latest":                       restoreOf(""),
		"latest, without a flush":      restoreOf("flush_source = false"),
		"a time":                       restoreOf(`target_time = "2026-03-26T13:10:00Z"`),
		"a place behind":               restoreOf(`target_lsn = "0/11000100"`),
		"a time that is archived":      restoreOf(`target_time = "2026-03-26T11:30:00Z"`),
		"latest, on a timeline":        restoreOf("target_timeline = 1"),
		"a transaction that is behind": restoreOf("target_xid = \"1234\"\nbackup_id = \"" + lateBackup + "\""),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, a := restoreStage(t)
			s.uploadsAtOnce(a, 2, s.now())
			plan, _ := s.plan(s.config(config))
			after := int32(2) // by the plan that an apply begins with, and by the apply
			if strings.Contains(config, "target_lsn") {
				after++ // and before a flush that may not be needed
			}
			there := s.arrives(a, after)
			var early atomic.Bool
			s.kube.React(func(e apitest.Event) {
				if c := apitest.As[cnpgv1.Cluster](e.Object); c != nil && e.Type == watch.Added && c.Name == "my-db-pitr" {
					early.Store(!there.Load())
				}
			})
			if diags := s.w.ApplyPlan(t.Context(), plan); diags.HasError() {
				t.Fatal(diags)
			}
			if s.restored() == nil || early.Load() {
				t.Errorf("%s was restored before the WAL was there", s.at("id"))
			}
		})
	}
}

// What does not arrive is a gap. Where that can be seen by what lies behind it, the plan says so, and else the apply, after a while and
// before anything is made.
func TestRestoreOfWALThatDoesNotArrive(t *testing.T) {
	t.Parallel()
	refusal := []string{"Restore Cannot Succeed", "lies in a gap: WAL segment " + overtaken + " is missing"}
	for name, test := range map[string]struct {
		parallel int
		arrived  func(f *fakes) time.Time
		config   string
		planned  bool
	}{
		"one after the other":     {1, (*fakes).now, restoreOf(""), false},
		"uploaded long ago":       {2, func(f *fakes) time.Time { return f.now().Add(-11 * time.Minute) }, restoreOf(""), false},
		"a source that is gone":   {2, (*fakes).now, dead(""), false},
		"several at once":         {2, (*fakes).now, restoreOf(""), true},
		"several at once, a time": {2, (*fakes).now, restoreOf("target_time = \"2026-03-26T13:10:00Z\""), true},
		"without a flush":         {2, (*fakes).now, restoreOf("flush_source = false"), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, a := restoreStage(t)
			s.uploadsAtOnce(a, test.parallel, test.arrived(s.fakes))
			if !test.planned {
				s.refused(s.config(test.config), refusal...)
				return
			}
			s.plan(s.config(test.config))
			s.fails(s.config(test.config), append(refusal, "It has not arrived within 5s, although WAL behind it has", "Nothing was changed")...)
			if s.restored() != nil {
				t.Error("something was restored")
			}
		})
	}
	t.Run("behind the target", func(t *testing.T) {
		t.Parallel()
		s, a := restoreStage(t)
		s.uploadsAtOnce(a, 2, s.now())
		s.apply(s.config(restoreOf(`target_time = "2026-03-26T11:30:00Z"`)))
	})
	t.Run("too much behind it", func(t *testing.T) {
		t.Parallel()
		s, a := restoreStage(t)
		s.uploadsAtOnce(a, 2, s.now())
		a.WAL(s3test.Segment(1, 18), s.now())
		s.refused(s.config(restoreOf("")), refusal...)
	})
}
