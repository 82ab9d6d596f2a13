package archive_test

import (
	"context"
	"testing"
	"time"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
)

// BenchmarkCatalog reads 1,000 backups with 100,000 WAL objects from a store that takes 20 ms for every request.
func BenchmarkCatalog(b *testing.B) {
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
	c, err := archive.New(context.Background(), config(srv))
	if err != nil {
		b.Fatal(err)
	}
	loc := archive.Location{Bucket: "backups", Prefix: "pg"}
	for b.Loop() {
		srv.Reset()
		got, err := c.Catalog(context.Background(), loc, "my-db")
		if err != nil {
			b.Fatal(err)
		}
		if w, ok := got.Window(); !ok || len(got.Backups) != 1000 || w.Gap != nil {
			b.Fatalf("window is %+v", w)
		}
	}
	b.ReportMetric(float64(srv.Count("")), "requests/op")
}
