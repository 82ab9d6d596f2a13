package provider_test

import (
	"strings"
	"testing"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/zclconf/go-cty/cty"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
)

// statuses are those of listed backups, by backup_id, with the error behind them where there is one.
func statuses(values map[string]cty.Value) map[string]string {
	found := map[string]string{}
	for _, b := range values["backups"].AsValueSlice() {
		entry := b.AsValueMap()
		text := entry["status"].AsString()
		if !entry["error"].IsNull() {
			text += ": " + entry["error"].AsString()
		}
		found[entry["backup_id"].AsString()] = text
	}
	return found
}

// What barman did not live to say, or never began, does not run for ever.
func TestBackupsThatCannotBeRunning(t *testing.T) {
	t.Parallel()
	const first, killed, started, foreign, broken = "20260324T100000", "20260326T105900", "20260326T110900", "lost+found", "20260326T111900"
	for way, config := range ofMyDB {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			f, a := withSource(t)
			a.Put("base/"+first+"/data.tar", "x", onTheDay(0, 0))
			a.Put("base/"+killed+"/data.tar", "x", onTheDay(11, 0))
			a.Backup(started, onTheDay(11, 10), s3test.Segment(1, 9), "None", map[string]string{"status": "STARTED", "end_time": "None"})
			a.Put("base/"+foreign+"/x", "x", onTheDay(11, 0))
			a.Put("base/"+broken+"/backup.info", "this is none", onTheDay(11, 20))
			// Behind the last completed one: one of long ago, one that just began, and one with the Backup object that it belongs to.
			const old = "20260401T100000"
			a.Put("base/"+old+"/data.tar", "x", f.now())
			begun := f.now().Add(-time.Minute)
			fresh := begun.Format("20060102T150405")
			a.Put("base/"+fresh+"/data.tar", "x", begun)
			const long = "20260402T100001"
			a.Put("base/"+long+"/data.tar", "x", f.now())
			f.kube.Put(&cnpgv1.Backup{
				ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "my-db-long"},
				Spec:       cnpgv1.BackupSpec{Cluster: cnpgv1.LocalObjectReference{Name: "my-db"}},
				Status:     cnpgv1.BackupStatus{Phase: cnpgv1.BackupPhaseRunning, BackupName: "backup-20260402100000"},
			})
			s := onStage(t, f)
			values, _ := s.read(s.config(config), allBackups)
			got := statuses(values)
			for id, want := range map[string]string{
				first:   "FAILED: it was killed, or its backup.info is lost: the later backup 20260326T115900 is completed",
				killed:  "FAILED: it was killed, or its backup.info is lost: the later backup 20260326T115900 is completed",
				started: "FAILED: it was killed: barman's last word is STARTED: the later backup 20260326T115900 is completed",
				foreign: "FAILED: it is no backup: barman names a backup's folder after the time",
				broken:  "FAILED: backup.info cannot be read",
				old:     "FAILED: it was killed, or its backup.info is lost: no backup runs for more than 7 days",
				fresh:   "IN_PROGRESS",
				long: map[string]string{
					"database": "IN_PROGRESS", "object_store": "FAILED: it was killed, or its backup.info is lost: no backup runs for more than 7 days",
				}[way],
				"20260326T115900": "COMPLETED",
			} {
				if !says(want).MatchString(got[id]) {
					t.Errorf("%s is %q, want %q", id, got[id], want)
				}
			}
			if way == "database" && got[long] != "IN_PROGRESS" {
				t.Errorf("%s is %q", long, got[long])
			}

			// A filter judges in the same way, also where it reads only what it needs.
			for filter, want := range map[string]int{
				`status = "FAILED"`:                                                             map[string]int{"database": 6, "object_store": 7}[way],
				`status = "IN_PROGRESS"`:                                                        map[string]int{"database": 2, "object_store": 1}[way],
				"status = \"FAILED\"\n  limit = 2":                                              2,
				"status = \"IN_PROGRESS\"\n  limit = 2":                                         map[string]int{"database": 2, "object_store": 1}[way],
				"started_before = \"2026-03-26T11:05:00Z\"\n  status = \"FAILED\"":              2,
				"started_before = \"2026-03-25T00:00:00Z\"\n  status = \"FAILED\"":              1,
				"started_before = \"2026-03-25T00:00:00Z\"\n  status = \"FAILED\"\n  limit = 1": 1,
			} {
				values, _ := s.read(s.config(strings.Replace(config, "{", "{\n  "+filter, 1)), allBackups)
				if n := values["backups"].LengthInt(); n != want {
					t.Errorf("%s: %d backups, want %d: %v", filter, n, want, statuses(values))
				}
			}
		})
	}
}
