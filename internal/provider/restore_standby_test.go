package provider_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
)

// ofAStandby is a base backup whose own WAL is not archived yet, as one that was taken of a standby, and the segment it needs.
const ofAStandby = "20260326T130400"

var segmentOfStandby = s3test.Segment(1, 18)

// standbyStage is the stage of a source whose newest base backup was taken of a standby, or whose only one was. A flush archives the
// segments that it is given.
func standbyStage(t *testing.T, alone bool, archives ...string) (s *stage, flushes *atomic.Int32) {
	t.Helper()
	s, a := restoreStage(t)
	a.Backup(ofAStandby, onTheDay(13, 5), segmentOfStandby, segmentOfStandby, nil)
	if alone {
		for _, id := range []string{earlyBackup, lateBackup} {
			for _, key := range s.s3.Keys(fakeBucket, a.Folder+"/base/"+id) {
				s.s3.Delete(fakeBucket, key)
			}
		}
	}
	flushes = &atomic.Int32{}
	s.kube.OnExecWithInput(func(namespace, pod string, command []string, stdin string) (string, string, error) {
		if !strings.Contains(strings.Join(command, " "), "pg_switch_wal()") {
			return podAnswers(namespace, pod, command, stdin)
		}
		flushes.Add(1)
		for _, segment := range archives {
			a.WAL(segment, s.now())
		}
		return flushAnswerAt(archives[len(archives)-1], s.now()), "", nil
	})
	return s, flushes
}

// A base backup of a standby ends before its own WAL is archived. The flush of a living source archives that, so a plan does not
// refuse what the apply can do.
func TestRestoreOfABackupOfAStandby(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		alone  bool
		config string
	}{
		"the latest state, of the only one":         {true, restoreOf("")},
		"the latest state":                          {false, restoreOf("")},
		"a time behind it":                          {false, restoreOf(`target_time = "2026-03-26T13:06:00Z"`)},
		"a place behind it":                         {true, restoreOf(`target_lsn = "0/12000200"`)},
		"its own end":                               {false, restoreOf(`backup_id = "` + ofAStandby + `"`)},
		"a transaction behind it, on the same path": {true, restoreOf(`backup_id = "` + ofAStandby + "\"\ntarget_xid = \"1234\"")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, flushes := standbyStage(t, test.alone, segmentOfStandby, s3test.Segment(1, 19))
			s.apply(s.config(test.config))
			if n := flushes.Load(); n != 1 {
				t.Errorf("the source was flushed %d times", n)
			}
			if got := s.at("base_backup_id"); got != ofAStandby {
				t.Errorf("restored from %s", got)
			}
		})
	}
	t.Run("a base backup that is whole needs no flush for its own end", func(t *testing.T) {
		t.Parallel()
		s, flushes := standbyStage(t, false, segmentOfStandby)
		s.apply(s.config(restoreOf(`backup_id = "` + lateBackup + `"`)))
		if n := flushes.Load(); n != 0 {
			t.Errorf("the source was flushed %d times", n)
		}
	})
}

// Where nothing archives what it needs, it is refused: by the plan where that is known, else before anything is made.
func TestRestoreOfABackupOfAStandbyWhoseWALIsMissing(t *testing.T) {
	t.Parallel()
	const needs = "its first WAL segment 000000010000000000000012 is not in the archive"
	for name, config := range map[string]string{
		"without a flush":             restoreOf("flush_source = false"),
		"without a flush, its end":    restoreOf("flush_source = false\nbackup_id = \"" + ofAStandby + "\""),
		"without a flush, to a place": restoreOf("flush_source = false\ntarget_lsn = \"0/12000200\""),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := standbyStage(t, true, segmentOfStandby)
			s.refused(s.config(config), "Restore Cannot Succeed", needs, "The source myorg/my-db lives", "without flush_source = false")
		})
	}
	t.Run("the source is gone", func(t *testing.T) {
		t.Parallel()
		s, _ := standbyStage(t, true, segmentOfStandby)
		s.sourceGone()
		s.refused(s.config(dead("")), "Restore Cannot Succeed", needs)
	})
	for name, config := range map[string]string{"": restoreOf(""), ", its end": restoreOf(`backup_id = "` + ofAStandby + `"`)} {
		t.Run("the flush archives what is behind it"+name, func(t *testing.T) {
			t.Parallel()
			s, flushes := standbyStage(t, true, s3test.Segment(1, 19))
			s.plan(s.config(config))
			s.fails(s.config(config), "Restore Cannot Succeed", needs, "Nothing was changed")
			if s.restored() != nil || flushes.Load() == 0 {
				t.Errorf("after %d flushes, %v was made", flushes.Load(), s.restored())
			}
		})
	}
	t.Run("who may not flush", func(t *testing.T) {
		t.Parallel()
		s, _ := standbyStage(t, true, segmentOfStandby)
		s.kube.OnExecWithInput(nil)
		s.fails(s.config(restoreOf("")), "Restore Cannot Succeed", needs, "Nothing was changed")
	})
}
