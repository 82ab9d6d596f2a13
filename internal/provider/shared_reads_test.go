package provider_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
)

// readsOf counts the requests that looked into an archive.
func (f *fakes) readsOf(server string) (lists, files int) {
	for _, r := range f.s3.Requests() {
		switch {
		case strings.HasPrefix(r.Prefix, "pg/"+server+"/") && r.MaxKeys == "":
			lists++
		case strings.HasPrefix(r.Key, "pg/"+server+"/"):
			files++
		}
	}
	return lists, files
}

// An archive is read once for all restores that are planned from it.
func TestRestoresShareOneRead(t *testing.T) {
	t.Parallel()
	f, _ := withSource(t)
	s := onStage(t, f)
	var config strings.Builder
	for n := range 10 {
		config.WriteString(strings.ReplaceAll(strings.ReplaceAll(restoreOf(""), "my-db-pitr", fmt.Sprintf("my-db-pitr-%d", n)), `"pitr"`, fmt.Sprintf(`"pitr%d"`, n)))
	}
	f.s3.Reset()
	plan, _ := s.plan(f.config(config.String()))
	if len(plan.Changes) != 10 {
		t.Fatalf("the plan is %s", plan)
	}
	// base/, wals/ and the one folder of WAL; and both backups.
	if lists, files := f.readsOf("my-db-v1"); lists != 3 || files != 2 {
		t.Errorf("took %d listings and %d reads, want 3 and 2: %+v", lists, files, f.s3.Requests())
	}
}

// Data sources of one archive look at what is there when they are read, and read each backup that has ended once. One that runs may
// end meanwhile.
func TestDataSourcesShareReads(t *testing.T) {
	t.Parallel()
	f, a := withSource(t)
	const ended, running = 60, 2
	for n := range ended - 2 {
		at := onTheDay(14, 0).Add(time.Duration(n) * time.Hour)
		a.Backup(at.Format("20060102T150405"), at, s3test.Segment(1, 17), s3test.Segment(1, 17), nil)
	}
	for n := range running {
		a.Put(fmt.Sprintf("base/%s/data.tar", f.now().Add(time.Duration(n)*time.Second).Format("20060102T150405")), "x", f.now())
	}
	s := onStage(t, f)
	const sources = 3
	config := f.config(listing + strings.Replace(listing, `"all"`, `"again"`, 1) + strings.Replace(ofMyDB["object_store"], `"all"`, `"there"`, 1))
	f.s3.Reset()
	values, _ := s.read(config, allBackups)
	if n := values["backups"].LengthInt(); n != ended+running {
		t.Errorf("%d backups", n)
	}
	if lists, files := f.readsOf("my-db-v1"); lists != 3*sources || files != ended+sources*running {
		t.Errorf("took %d listings and %d reads, want %d and %d", lists, files, 3*sources, ended+sources*running)
	}
}
