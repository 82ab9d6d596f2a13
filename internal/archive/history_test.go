package archive_test

import (
	"context"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

// Histories are compressed like segments. The texts here were compressed by barman itself.
func TestCatalogReadsCompressedHistories(t *testing.T) {
	t.Parallel()
	for suffix, text := range map[string]string{
		"":        base64.StdEncoding.EncodeToString([]byte("1\t0/A000FF0\tno recovery target specified\n")),
		".gz":     "H4sIAF7jAmsA/zPkNNB3NDAwcHMz4MzLVyhKTc4vSy2qVChJLEpPLVEoLkhNzkzLTE3hAgBQwjUYKQAAAA==",
		".bz2":    "QlpoNTFBWSZTWRzWnQEAAAZdgAAwQADgACEAL6HdICAAMUAGI000aGPE0DUxGeiirf0RJqMnVmVKZ74OQDQDLnDx4ZELfi7kinChIDmtOgI=",
		".snappy": "/wYAAHNOYVBwWQEtAACdvFSXMQkwL0EwMDBGRjAJbm8gcmVjb3ZlcnkgdGFyZ2V0IHNwZWNpZmllZAo=",
		".xz":     "/Td6WFoAAATm1rRGAgAhARQAAAD/5+wJAQAoMQkwL0EwMDBGRjAJbm8gcmVjb3ZlcnkgdGFyZ2V0IHNwZWNpZmllZAoAAAAA/hHRLqlhNXwAAUEpA1NWix+2830BAAAAAARZWg==",
		".zst":    "KLUv/QBYSQEAMQkwL0EwMDBGRjAJbm8gcmVjb3ZlcnkgdGFyZ2V0IHNwZWNpZmllZAo=",
		".lz4":    "BCJNGGhAKQAAAAAAAAADKQAAgDEJMC9BMDAwRkYwCW5vIHJlY292ZXJ5IHRhcmdldCBzcGVjaWZpZWQKAAAAAA==",
	} {
		t.Run("suffix "+suffix, func(t *testing.T) {
			t.Parallel()
			content, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				t.Fatal(err)
			}
			srv, c, loc := store(t)
			a := srv.Archive("backups", "pg", "my-db")
			a.Put("wals/00000002.history"+suffix, string(content), at("10:00:00"))
			got, err := c.Catalog(context.Background(), loc, "my-db")
			if err != nil || len(got.Histories) != 1 {
				t.Fatalf("got %+v, %v", got, err)
			}
			h := got.Histories[0]
			if h.Message != "" || h.Timeline != 2 || len(h.Switches) != 1 || h.Switches[0].At != 0xA000FF0 || h.Switches[0].Reason != "no recovery target specified" {
				t.Errorf("got %+v", h)
			}
		})
	}
}

// What S3 does not give out of one file is that file's matter, not the archive's.
func TestFilesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]s3test.Fault{
		"refused":         {Status: 403, Code: "AccessDenied"},
		"in cold storage": {Status: 403, Code: "InvalidObjectState"},
		"encrypted":       {Status: 400, Code: "InvalidRequest"},
	} {
		for _, file := range []string{"00000002.history", "20260326T100300/backup.info"} {
			t.Run(name+" "+file, func(t *testing.T) {
				t.Parallel()
				srv, c, loc := store(t)
				a := srv.Archive("backups", "pg", "my-db")
				a.Segments(1, 1, 30, at("10:00:00"), time.Minute)
				a.Backup("20260326T100300", at("10:04:00"), s3test.Segment(1, 4), s3test.Segment(1, 5), nil)
				a.Backup("20260326T101300", at("10:14:00"), s3test.Segment(1, 14), s3test.Segment(1, 15), nil)
				a.History(2, "1\t0/A000FF0\tno recovery target specified\n", at("10:00:00"))
				srv.Fail(func(r s3test.Request) *s3test.Fault {
					if strings.HasSuffix(r.Key, file) {
						return &fault
					}
					return nil
				})
				got, err := c.Catalog(context.Background(), loc, "my-db")
				if err != nil || len(got.Backups) != 2 || len(got.Histories) != 1 {
					t.Fatalf("Catalog = %+v, %v", got, err)
				}
				if broken := got.Histories[0].Message + got.Backups[1].Message; broken == "" || got.Backups[0].Status != recovery.StatusDone {
					t.Errorf("nothing tells of the broken file: %+v", got)
				}
				if listing, err := c.List(context.Background(), loc, "my-db", archive.Query{Limit: 1}); err != nil || len(listing.Backups) != 1 {
					t.Errorf("List = %+v, %v", listing, err)
				}
			})
		}
	}
}

func TestBrokenHistoryIsExplained(t *testing.T) {
	t.Parallel()
	for _, suffix := range []string{"", ".gz", ".bz2", ".snappy", ".zst", ".lz4", ".xz"} {
		srv, c, loc := store(t)
		a := srv.Archive("backups", "pg", "my-db")
		a.Segments(1, 1, 9, at("10:00:00"), time.Minute)
		a.Backup("20260326T100300", at("10:04:00"), s3test.Segment(1, 4), s3test.Segment(1, 5), nil)
		a.Put("wals/00000002.history"+suffix, "rubbish", at("10:00:00"))
		got, err := c.Catalog(context.Background(), loc, "my-db")
		if err != nil {
			t.Fatal(err)
		}
		err = got.Usable(&got.Backups[0])
		if err == nil || !strings.Contains(err.Error(), "the history of timeline 2 cannot be read") {
			t.Errorf("%q: got %v", suffix, err)
		}
	}
}
