package archive_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

func TestCatalogOfAnOrdinaryArchive(t *testing.T) {
	t.Parallel()
	srv, c, loc := store(t)
	a := srv.Archive("backups", "pg", "my-db")
	a.Segments(1, 1, 20, at("10:00:00"), time.Minute)
	a.Backup("20260326T100300", at("10:04:00"), s3test.Segment(1, 4), s3test.Segment(1, 5), nil)
	a.Backup("20260326T101000", at("10:11:00"), s3test.Segment(1, 11), s3test.Segment(1, 12),
		map[string]string{"backup_name": "my-db-backup-20260326-101000", "compression": "gzip"})
	a.WAL(s3test.Segment(1, 4)+".00000028.backup", at("10:04:00"))

	got, err := c.Catalog(context.Background(), loc, "my-db")
	if err != nil {
		t.Fatal(err)
	}
	if ids := idsOf(got); !slices.Equal(ids, []string{"20260326T101000", "20260326T100300"}) {
		t.Errorf("backups are %v", ids)
	}
	b := got.Backups[0]
	if b.Name != "my-db-backup-20260326-101000" || b.Compression != "gzip" || b.Major() != 17 || b.Status != recovery.StatusDone ||
		!b.EndTime.Equal(at("10:11:00")) || *b.ClusterSize != 23453191 || b.Timeline != 1 || b.BeginLSN.String() != "0/B000028" {
		t.Errorf("the newest backup is %+v", b)
	}
	w, ok := got.Window()
	if !ok || !w.Earliest.Equal(at("10:04:00")) || !w.Latest.Equal(at("10:19:00")) || w.LatestWAL != s3test.Segment(1, 20) {
		t.Errorf("window is %+v, %t", w, ok)
	}
	// base/, two backup.info, wals/, one folder.
	if n := srv.Count(""); n != 5 {
		t.Errorf("took %d requests, want 5: %+v", n, srv.Requests())
	}
}

func TestCatalogOddities(t *testing.T) {
	t.Parallel()
	srv, c, _ := store(t)
	const prefix = "päth with spaces/+&%/日本"
	loc, err := archive.ParseDestinationPath("s3://backups/" + prefix + "/")
	if err != nil {
		t.Fatal(err)
	}
	a := srv.Archive("backups", prefix, "my db")
	wal := func(n uint64) string { return s3test.Segment(1, n) }
	a.Backup("20260326T100000", at("10:00:30"), wal(2), wal(3), nil)
	a.Backup("20260326T110000", at("11:00:30"), wal(8), wal(8), map[string]string{"status": "FAILED", "error": "failure uploading data (a=b)"})
	a.Put("base/20260326T120000/data.tar", "x", at("12:00:00")) // running or killed
	a.Put("base/20260326T130000/backup.info", "status=DONE\nthis is no line of it\n", at("13:00:00"))
	a.Put("base/lost+found/x", "x", at("13:00:00"))
	a.Put("base/README.txt", "x", at("13:00:00"))
	a.Put("base/ctrl\x01char/x", "x", at("13:00:00")) // a key that XML cannot hold
	a.Server.PutSized("backups", a.Folder+"/base/", 0, at("09:00:00"))
	for i, suffix := range []string{"", ".gz", ".bz2", ".snappy", ".lz4", ".zst", ".xz"} {
		a.WAL(wal(uint64(i+2))+suffix, at("10:01:00").Add(time.Duration(i)*time.Minute)) // 2 to 8
	}
	a.Put("wals/"+wal(9)[:16]+"/"+wal(9), "", at("10:20:00")) // zero bytes: missing
	a.WAL(wal(10), at("10:21:00"))
	a.WAL(wal(2)+".00000028.backup.gz", at("10:01:00"))
	a.Put("wals/0000000100000000/zzz", "foreign", at("10:00:00"))
	a.Put("wals/0000000100000000/000/deep", "foreign", at("10:00:00"))
	a.Put("wals/foreign/0000000100000000000000FF", "foreign", at("10:00:00"))

	got, err := c.Catalog(context.Background(), loc, "my db")
	if err != nil {
		t.Fatal(err)
	}
	status := map[string]recovery.Status{}
	for _, b := range got.Backups {
		status[b.ID] = b.Status
		if b.Status != recovery.StatusDone && b.Status != recovery.StatusFailed && b.Message == "" {
			t.Errorf("%s has status %s and no message", b.ID, b.Status)
		}
	}
	want := map[string]recovery.Status{
		"20260326T100000": "DONE", "20260326T110000": "FAILED", "20260326T120000": "INCOMPLETE", "20260326T130000": "UNREADABLE",
		"lost+found": "INCOMPLETE", "README.txt": "UNREADABLE", "ctrl\x01char": "INCOMPLETE",
	}
	if fmt.Sprint(status) != fmt.Sprint(want) {
		t.Errorf("entries are %v\nwant %v", status, want)
	}
	if r := got.WAL.Ranges(); len(r) != 2 || r[0] != (recovery.Range{Timeline: 1, First: 2, Last: 8}) || r[1] != (recovery.Range{Timeline: 1, First: 10, Last: 10}) {
		t.Errorf("WAL is %v", r)
	}
	w, _ := got.Window()
	if w.Gap == nil || w.Gap.FirstName() != wal(9) || w.Gap.LastName() != wal(9) || !w.Latest.Equal(at("10:07:00")) {
		t.Errorf("window is %+v", w)
	}
}

func TestCatalogFromAStoreThatDoesNotEncodeKeys(t *testing.T) {
	t.Parallel()
	srv, c, _ := store(t)
	srv.PlainListings()
	a := srv.Archive("backups", "a+b%20c", "db")
	a.Segments(1, 1, 3, at("10:00:00"), time.Minute)
	a.Backup("20260326T100300", at("10:01:30"), s3test.Segment(1, 2), s3test.Segment(1, 2), nil)
	got, err := c.Catalog(context.Background(), archive.Location{Bucket: "backups", Prefix: "a+b%20c"}, "db")
	if err != nil || len(got.Backups) != 1 || got.Usable(&got.Backups[0]) != nil {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestCatalogListsWALFromTheFirstUsableBackupOn(t *testing.T) {
	t.Parallel()
	srv, c, loc := store(t)
	a := srv.Archive("backups", "pg", "my-db")
	a.Segments(1, 1, 2560, at("00:00:00"), time.Second) // ten folders and one segment
	first := s3test.Segment(1, 3*256+16)
	a.Backup("20260326T003000", at("00:30:00"), first, first, nil)
	srv.Reset()
	got, err := c.Catalog(context.Background(), loc, "my-db")
	if err != nil {
		t.Fatal(err)
	}
	if r := got.WAL.Ranges(); len(r) != 1 || r[0].First < 3*256 || r[0].First > 3*256+16 || r[0].Last != 2560 {
		t.Errorf("WAL is %v", r)
	}
	// base/, backup.info, wals/, then folders 3-5, 6-8, 9-10.
	if n := srv.Count(""); n != 6 {
		t.Errorf("took %d requests, want 6: %+v", n, srv.Requests())
	}
}

func TestCatalogListsWALInFullPages(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		write func(a s3test.Archive)
		lists int
	}{
		"some":            {func(a s3test.Archive) { a.Segments(1, 1, 500, at("10:00:00"), 0) }, 1},
		"a full page":     {func(a s3test.Archive) { a.Segments(1, 1, 767, at("10:00:00"), 0) }, 1},
		"two pages":       {func(a s3test.Archive) { a.Segments(1, 1, 1000, at("10:00:00"), 0) }, 2},
		"twenty pages":    {func(a s3test.Archive) { a.Segments(1, 1, 20_000, at("10:00:00"), 0) }, 23},
		"a hundred pages": {func(a s3test.Archive) { a.Segments(1, 1, 100_000, at("10:00:00"), 0) }, 106},
		"sixty promotions": {func(a s3test.Archive) {
			for timeline := range uint32(60) {
				a.Segments(timeline+1, uint64(timeline)+1, 2, at("10:00:00"), 0)
			}
		}, 15},
		// Three runs, since of each timeline the first two folders come before the backup.
		"folders that are left out": {func(a s3test.Archive) {
			for timeline := range uint32(3) {
				a.Segments(timeline+1, 0, 1000, at("10:00:00"), 0)
			}
			for _, key := range a.Server.Keys(a.Bucket, a.Folder+"/base/") {
				a.Server.Delete(a.Bucket, key)
			}
			a.Backup("20260326T110000", at("11:01:00"), s3test.Segment(1, 600), s3test.Segment(1, 600), nil)
		}, 3},
		"as many labels as segments": {func(a s3test.Archive) {
			for n := range uint64(4_000) {
				a.WAL(s3test.Segment(1, n+1), at("10:00:00"))
				a.WAL(s3test.Segment(1, n+1)+".00000028.backup", at("10:00:00"))
			}
		}, 11},
	}
	for label, test := range tests {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			srv, c, loc := store(t)
			a := srv.Archive("backups", "pg", "my-db")
			a.Backup("20260326T100000", at("10:01:00"), s3test.Segment(1, 1), s3test.Segment(1, 1), nil)
			test.write(a)
			if _, err := c.Catalog(context.Background(), loc, "my-db"); err != nil {
				t.Fatal(err)
			}
			if n := srv.Count("ListObjects") - 2; n != test.lists { // base/ and wals/
				t.Errorf("took %d listings of WAL, want %d", n, test.lists)
			}
			if n := srv.Count("GetObject"); n != 1 {
				t.Errorf("took %d reads, want 1", n)
			}
		})
	}
}

func TestCatalogWithoutBackupFindsTheNewestWALInTwoLists(t *testing.T) {
	t.Parallel()
	srv, c, loc := store(t)
	a := srv.Archive("backups", "pg", "my-db")
	last := a.Segments(1, 1, 1000, at("10:00:00"), time.Second)
	got, err := c.Catalog(context.Background(), loc, "my-db")
	if err != nil {
		t.Fatal(err)
	}
	if s, ok := got.WAL.Newest(); !ok || s.Name(got.WAL.SegmentSize()) != last {
		t.Errorf("newest WAL is %v, %t, want %s", s, ok, last)
	}
	if _, ok := got.Window(); ok {
		t.Error("there is a window without a backup")
	}
	if n := srv.Count(""); n != 3 { // base/, wals/, the last folder
		t.Errorf("took %d requests, want 3", n)
	}
	// The folders of a thousand logs are one page.
	for log := uint64(4); log < 1000; log++ {
		last = a.Segments(1, log*256, 1, at("11:00:00"), 0)
	}
	srv.Reset()
	if got, err = c.Catalog(context.Background(), loc, "my-db"); err != nil {
		t.Fatal(err)
	}
	if s, ok := got.WAL.Newest(); !ok || s.Name(got.WAL.SegmentSize()) != last {
		t.Errorf("newest WAL is %v, %t, want %s", s, ok, last)
	}
	if n := srv.Count(""); n != 3 {
		t.Errorf("took %d requests, want 3", n)
	}
}

func TestCatalogOfNothing(t *testing.T) {
	t.Parallel()
	_, c, loc := store(t)
	got, err := c.Catalog(context.Background(), loc, "my-db")
	if err != nil || !got.Empty() {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestCatalogOtherSegmentSizes(t *testing.T) {
	t.Parallel()
	for _, size := range []recovery.SegmentSize{1 << 20, 64 << 20, 1 << 30} {
		t.Run(fmt.Sprint(size>>20, "MiB"), func(t *testing.T) {
			t.Parallel()
			srv, c, loc := store(t)
			a := srv.Archive("backups", "pg", "my-db")
			perLog := size.PerLog()
			name := func(n uint64) string { return recovery.Segment{Timeline: 1, Number: n}.Name(size) }
			for n := perLog - 2; n < 3*perLog+2; n++ {
				a.WAL(name(n), at("10:00:00").Add(time.Duration(n)*time.Millisecond))
			}
			a.Backup("20260326T100000", at("10:00:01"), name(perLog-1), name(perLog), map[string]string{
				"xlog_segment_size": fmt.Sprint(uint64(size)), "begin_xlog": "0/FFF00028", "end_xlog": "1/0",
			})
			got, err := c.Catalog(context.Background(), loc, "my-db")
			if err != nil {
				t.Fatal(err)
			}
			if w, ok := got.Window(); !ok || w.LatestWAL != name(3*perLog+1) || w.Gap != nil {
				t.Errorf("window is %+v, %t", w, ok)
			}
		})
	}
}

func TestCatalogFollowsTimelines(t *testing.T) {
	t.Parallel()
	srv, c, loc := store(t)
	a := srv.Archive("backups", "pg", "my-db")
	a.Segments(1, 1, 9, at("10:00:00"), time.Minute)
	a.WAL(s3test.Segment(1, 10)+".partial", at("10:10:00"))
	a.Segments(2, 10, 5, at("10:11:00"), time.Minute)
	a.History(2, "1\t0/A000FF0\tno recovery target specified\n", at("10:10:30"))
	a.Backup("20260326T100300", at("10:04:00"), s3test.Segment(1, 4), s3test.Segment(1, 5), nil)
	got, err := c.Catalog(context.Background(), loc, "my-db")
	if err != nil {
		t.Fatal(err)
	}
	if w, ok := got.Window(); !ok || w.Timeline != 2 || w.LatestWAL != s3test.Segment(2, 14) || !w.Latest.Equal(at("10:15:00")) {
		t.Errorf("window is %+v, %t", w, ok)
	}
}

func TestCatalogErrors(t *testing.T) {
	t.Parallel()
	t.Run("may not read any backup.info", func(t *testing.T) {
		t.Parallel()
		srv, c, loc := store(t)
		srv.Archive("backups", "pg", "my-db").Backup("20260326T100300", at("10:04:00"), s3test.Segment(1, 4), s3test.Segment(1, 5), nil)
		srv.Fail(func(r s3test.Request) *s3test.Fault {
			if r.Op == "GetObject" {
				return &s3test.Fault{Status: http.StatusForbidden, Code: "AccessDenied", Message: "Access Denied"}
			}
			return nil
		})
		_, err := c.Catalog(context.Background(), loc, "my-db")
		var denied *archive.AccessDeniedError
		if !errors.As(err, &denied) || denied.Action != "s3:GetObject" {
			t.Errorf("got %v", err)
		}
	})
	t.Run("may not read one backup.info", func(t *testing.T) {
		t.Parallel()
		srv, c, loc := store(t)
		a := srv.Archive("backups", "pg", "my-db")
		a.Backup("20260326T100300", at("10:04:00"), s3test.Segment(1, 4), s3test.Segment(1, 5), nil)
		a.Backup("20260326T110300", at("11:04:00"), s3test.Segment(1, 4), s3test.Segment(1, 5), nil)
		srv.Fail(func(r s3test.Request) *s3test.Fault {
			if strings.Contains(r.Key, "T1003") {
				return &s3test.Fault{Status: http.StatusForbidden, Code: "InvalidObjectState", Message: "in cold storage"}
			}
			return nil
		})
		got, err := c.Catalog(context.Background(), loc, "my-db")
		if err != nil || got.Backups[1].Status != recovery.StatusUnreadable || got.Backups[0].Status != recovery.StatusDone {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	t.Run("a fault that passes is retried", func(t *testing.T) {
		t.Parallel()
		srv, c, loc := store(t)
		srv.Archive("backups", "pg", "my-db").Backup("20260326T100300", at("10:04:00"), s3test.Segment(1, 4), s3test.Segment(1, 5), nil)
		var mu sync.Mutex
		failed := map[s3test.Request]bool{}
		srv.Fail(func(r s3test.Request) *s3test.Fault {
			mu.Lock()
			defer mu.Unlock()
			if failed[r] {
				return nil
			}
			failed[r] = true
			if r.Op == "GetObject" {
				return &s3test.Fault{Reset: true}
			}
			return &s3test.Fault{Status: http.StatusServiceUnavailable, Code: "SlowDown"}
		})
		if got, err := c.Catalog(context.Background(), loc, "my-db"); err != nil || len(got.Backups) != 1 {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		t.Parallel()
		srv, c, loc := store(t)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		srv.Fail(func(s3test.Request) *s3test.Fault {
			cancel()
			return &s3test.Fault{Hang: true}
		})
		if _, err := c.Catalog(ctx, loc, "my-db"); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestSharedCatalogReadsOnce(t *testing.T) {
	t.Parallel()
	srv, c, loc := store(t)
	srv.SetLatency(20 * time.Millisecond)
	srv.Archive("backups", "pg", "my-db").Backup("20260326T100300", at("10:04:00"), s3test.Segment(1, 4), s3test.Segment(1, 5), nil)
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.SharedCatalog(gone, loc, "my-db"); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled caller got %v", err)
	}
	// A read that takes too long says of the archive no more than one that is not there.
	hurried, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if _, err := c.SharedCatalog(hurried, loc, "my-db"); !archive.Unreachable(err) || !errors.Is(err, context.DeadlineExceeded) ||
		!strings.Contains(err.Error(), "the archive of my-db in "+loc.String()+" was not read within 0s") {
		t.Errorf("a caller in a hurry got %v", err)
	}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if got, err := c.SharedCatalog(context.Background(), loc, "my-db"); err != nil || len(got.Backups) != 1 {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
	wg.Wait()
	if n := srv.Count(""); n != 3 {
		t.Errorf("took %d requests, want 3", n)
	}
	// A failure is not kept.
	srv.Fail(func(s3test.Request) *s3test.Fault { return &s3test.Fault{Status: 403, Code: "AccessDenied"} })
	if _, err := c.SharedCatalog(context.Background(), loc, "other"); err == nil {
		t.Error("no error")
	}
	srv.Fail(nil)
	if _, err := c.SharedCatalog(context.Background(), loc, "other"); err != nil {
		t.Error(err)
	}
}

// What was read of a backup that has ended is not read again; everything else is looked at anew.
func TestCatalogReadAgain(t *testing.T) {
	t.Parallel()
	srv, c, loc := store(t)
	a := daily(srv, 5)
	const runs = "20260331T180000"
	a.Put("base/"+runs+"/data.tar", "x", at("18:00:00"))
	read := func(lists, files int) *recovery.Catalog {
		t.Helper()
		srv.Reset()
		got, err := c.Catalog(t.Context(), loc, "my-db")
		if err != nil {
			t.Fatal(err)
		}
		if l, f := srv.Count("ListObjects"), srv.Count("GetObject"); l != lists || f != files {
			t.Errorf("took %d listings and %d reads, want %d and %d", l, f, lists, files)
		}
		return got
	}
	read(3, 6)
	if got := read(3, 1); got.Backups[0].ID != runs || got.Backups[0].Status != recovery.StatusIncomplete {
		t.Errorf("the newest is %+v", got.Backups[0])
	}
	a.Backup(runs, at("18:10:00").AddDate(0, 0, 5), s3test.Segment(1, 49), s3test.Segment(1, 49), nil)
	a.Segments(1, 51, 1, at("18:30:00").AddDate(0, 0, 5), 0)
	for _, key := range srv.Keys("backups", "pg/my-db/base/20260326T120000/") { // what retention removes
		srv.Delete("backups", key)
	}
	got := read(3, 1)
	if got.Backups[0].ID != runs || got.Backups[0].Status != recovery.StatusDone || got.Backup("20260326T120000") != nil {
		t.Errorf("backups are %v, the newest is %+v", idsOf(got), got.Backups[0])
	}
	if w, ok := got.Window(); !ok || w.LatestWAL != s3test.Segment(1, 51) || w.FirstBackupID != "20260327T120000" {
		t.Errorf("window is %+v, %t", w, ok)
	}
	// One that is asked for by name is looked up.
	srv.Delete("backups", "pg/my-db/base/"+runs+"/backup.info")
	if _, err := c.Backup(t.Context(), loc, "my-db", runs); !errors.Is(err, archive.ErrNoBackup) {
		t.Errorf("got %v", err)
	}
}

func idsOf(c *recovery.Catalog) []string {
	ids := make([]string, len(c.Backups))
	for i, b := range c.Backups {
		ids[i] = b.ID
	}
	return ids
}

func TestCatalogWhenBackupsAreNotInTheOrderOfTheirNames(t *testing.T) {
	t.Parallel()
	srv, c, loc := store(t)
	a := srv.Archive("backups", "pg", "my-db")
	last := a.Segments(1, 1, 1500, at("10:00:00"), time.Second)
	wal := func(n uint64) string { return s3test.Segment(1, n) }
	a.Backup("20260326T100000", at("10:20:00"), wal(1200), wal(1200), nil) // the clock was set back before the next
	a.Backup("20260326T110000", at("10:05:00"), wal(300), wal(300), nil)
	got, err := c.Catalog(context.Background(), loc, "my-db")
	if err != nil {
		t.Fatal(err)
	}
	if w, ok := got.Window(); !ok || !w.Earliest.Equal(at("10:05:00")) || w.LatestWAL != last || w.FirstBackupID != "20260326T110000" {
		t.Errorf("window is %+v, %t", w, ok)
	}
}

func TestCatalogWithTwoSystems(t *testing.T) {
	t.Parallel()
	srv, c, loc := store(t)
	a := srv.Archive("backups", "pg", "my-db")
	a.Segments(1, 1, 9, at("10:00:00"), time.Minute)
	a.Backup("20260326T100000", at("10:01:30"), "000000010000000000000010", "000000010000000000000010",
		map[string]string{"systemid": "1", "xlog_segment_size": "67108864", "begin_xlog": "0/40000028", "end_xlog": "0/40000120"})
	a.Backup("20260326T100500", at("10:05:30"), s3test.Segment(1, 6), s3test.Segment(1, 6), nil)
	got, err := c.Catalog(context.Background(), loc, "my-db")
	if err != nil {
		t.Fatal(err)
	}
	if w, ok := got.Window(); !ok || w.FirstBackupID != "20260326T100500" || w.LatestWAL != s3test.Segment(1, 9) {
		t.Errorf("window is %+v, %t", w, ok)
	}
	if err := got.Usable(&got.Backups[1]); err == nil || !strings.Contains(err.Error(), "67108864 bytes long, those of the archive 16777216") {
		t.Errorf("got %v", err)
	}
	if ids := got.SystemIDs(); !slices.Equal(ids, []string{"7388012345678901234", "1"}) {
		t.Errorf("systems are %v", ids)
	}
}
