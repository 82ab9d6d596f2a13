package archive_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
)

// What the catalogue must be faster by than barman's own list, and what it is meant to be. Both are printed beside what was measured.
const (
	leastTimesFaster = 10
	goalTimesFaster  = 20
)

// large is an archive with 1,000 backups and 100,000 WAL objects, in a store that takes 20 ms for every request.
func large(b *testing.B) (*s3test.Server, archive.Location) {
	b.Helper()
	srv := s3test.New(b)
	a := srv.Archive("backups", "pg", "my-db")
	start := at("00:00:00")
	a.Segments(1, 1, 100_000, start, time.Second)
	for i := range uint64(1000) {
		end := start.Add(time.Duration(i*100+50) * time.Second)
		wal := s3test.Segment(1, i*100+51)
		a.Backup(end.Format("20060102T150405"), end, wal, wal, nil)
	}
	srv.SetLatency(20 * time.Millisecond)
	return srv, archive.Location{Bucket: "backups", Prefix: "pg"}
}

// fresh is a client that has read nothing yet.
func fresh(b *testing.B, srv *s3test.Server) *archive.Client {
	b.Helper()
	c, err := archive.New(context.Background(), config(srv))
	if err != nil {
		b.Fatal(err)
	}
	return c
}

// BenchmarkCatalog reads backups and WAL, and compares the time with that of barman-cloud-backup-list, which reads the backups
// alone, on the same store.
func BenchmarkCatalog(b *testing.B) {
	srv, loc := large(b)
	_, current := barmans(b)
	var all []time.Duration
	for b.Loop() {
		srv.Reset()
		began := time.Now()
		got, err := fresh(b, srv).Catalog(context.Background(), loc, "my-db")
		all = append(all, time.Since(began))
		if err != nil {
			b.Fatal(err)
		}
		if w, ok := got.Window(); !ok || len(got.Backups) != 1000 || w.Gap != nil {
			b.Fatalf("window is %+v", w)
		}
	}
	slices.Sort(all)
	ours := all[len(all)/2]
	b.ReportMetric(float64(srv.Count("GetObject")), "reads/op")
	b.ReportMetric(float64(srv.Count("ListObjects")), "listings/op")

	srv.Reset()
	began := time.Now()
	listed := current.list(b, srv, loc, "my-db")
	barmans := time.Since(began)
	if len(listed) != 1000 {
		b.Fatalf("barman lists %d backups", len(listed))
	}
	times := barmans.Seconds() / ours.Seconds()
	b.ReportMetric(times, "times-faster")
	b.Logf("1,000 backups and 100,000 WAL objects: %s; barman-cloud-backup-list %s of the backups alone: %s, in %d requests. The catalogue is %.1f times faster (goal %d, at least %d).",
		ours.Round(time.Millisecond), current.version, barmans.Round(time.Millisecond), srv.Count(""), times, goalTimesFaster, leastTimesFaster)
}

// BenchmarkList reads the ten newest backups and the window.
func BenchmarkList(b *testing.B) {
	srv, loc := large(b)
	for b.Loop() {
		srv.Reset()
		got, err := fresh(b, srv).List(context.Background(), loc, "my-db", archive.Query{Limit: 10})
		if err != nil || len(got.Backups) != 10 || got.Window == nil {
			b.Fatalf("got %+v, %v", got, err)
		}
	}
	b.ReportMetric(float64(srv.Count("GetObject")), "reads/op")
	b.ReportMetric(float64(srv.Count("ListObjects")), "listings/op")
}
