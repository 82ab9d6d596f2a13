package archive_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

// realArchives puts everything that releases of barman have really written into the store, under the prefix real, and returns
// the servers' names, which are those of the releases.
func realArchives(t *testing.T, srv *s3test.Server) []string {
	t.Helper()
	folders, err := filepath.Glob("testdata/archives/*")
	if err != nil || len(folders) == 0 {
		t.Fatalf("there are no archives: %v", err)
	}
	var servers []string
	for _, folder := range folders {
		server := filepath.Base(folder)
		servers = append(servers, server)
		objects, err := os.ReadFile(filepath.Join(folder, "objects.tsv"))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(objects)) {
			fields := strings.Split(strings.TrimSpace(line), "\t")
			size, err1 := strconv.ParseInt(fields[1], 10, 64)
			modified, err2 := time.Parse(time.RFC3339Nano, fields[2])
			if err1 != nil || err2 != nil {
				t.Fatalf("%s: %v, %v", line, err1, err2)
			}
			if content, err := os.ReadFile(filepath.Join(folder, fields[0])); err == nil {
				srv.Put("backups", "real/"+server+"/"+fields[0], content, modified)
			} else {
				srv.PutSized("backups", "real/"+server+"/"+fields[0], size, modified)
			}
		}
	}
	return servers
}

func TestCatalogOfRealArchives(t *testing.T) {
	t.Parallel()
	srv, c, _ := store(t)
	loc := archive.Location{Bucket: "backups", Prefix: "real"}
	for _, server := range realArchives(t, srv) {
		got, err := c.Catalog(context.Background(), loc, server)
		if err != nil {
			t.Fatal(err)
		}
		var statuses []string
		for i := range got.Backups {
			b := &got.Backups[i]
			statuses = append(statuses, string(b.Status))
			if err := got.Usable(b); (err == nil) != (b.Status == recovery.StatusDone) {
				t.Errorf("%s: %s: %v", server, b.ID, err)
			}
			if len(b.Tablespaces) != 1 || b.Tablespaces[0].Name != "fäst's" || b.Major() != 15 || b.SystemID == "" || b.Message != "" {
				t.Errorf("%s: %+v", server, b)
			}
		}
		if strings.Join(statuses, " ") != "DONE FAILED DONE DONE" || !strings.Contains(got.Backups[1].Error, "Permission denied") {
			t.Errorf("%s: statuses are %v", server, statuses)
		}
		size := recovery.DefaultSegmentSize
		if strings.HasSuffix(server, "-64MiB") {
			size = 64 << 20
		}
		w, ok := got.Window()
		newest, _ := got.WAL.Newest()
		if !ok || w.FirstBackupID != got.Backups[3].ID || w.LastBackupID != got.Backups[0].ID || w.Timeline != 2 || w.Gap != nil ||
			w.LatestWAL != newest.Name(size) || !w.Earliest.Equal(got.Backups[3].EndTime) || got.WAL.SegmentSize() != size {
			t.Errorf("%s: window is %+v", server, w)
		}
		// The first backup leads over the promotion to the end, and so does a target on either side of it.
		for _, target := range []recovery.Target{recovery.Latest(), recovery.AtTime(got.Backups[0].BeginTime), recovery.AtTime(got.Backups[1].BeginTime)} {
			if choice, err := got.Choose(recovery.Request{Target: target}); err != nil || !choice.Covered || choice.Timeline != 2 {
				t.Errorf("%s: %s: %+v, %v", server, target, choice, err)
			}
		}
	}
}
