package archive_test

import (
	"errors"
	"testing"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

func TestBackup(t *testing.T) {
	t.Parallel()
	srv, c, loc := store(t)
	a := srv.Archive("backups", "pg", "my-db")
	a.Backup("20260326T100300", at("10:04:00"), s3test.Segment(1, 4), s3test.Segment(1, 5), nil)
	a.Put("base/20260326T110000/data.tar", "x", at("11:00:00"))
	a.Put("base/20260326T120000/backup.info", "status", at("12:00:00"))

	if b, err := c.Backup(t.Context(), loc, "my-db", "20260326T100300"); err != nil || b.Status != recovery.StatusDone || *b.ClusterSize != 23453191 {
		t.Errorf("Backup = %+v, %v", b, err)
	}
	if n := srv.Count(""); n != 1 {
		t.Errorf("took %d requests, want 1", n)
	}
	if b, err := c.Backup(t.Context(), loc, "my-db", "20260326T120000"); err != nil || b.Status != recovery.StatusUnreadable {
		t.Errorf("Backup of a broken file = %+v, %v", b, err)
	}
	for _, id := range []string{"20260326T110000", "20260326T130000"} {
		if b, err := c.Backup(t.Context(), loc, "my-db", id); !errors.Is(err, archive.ErrNoBackup) {
			t.Errorf("Backup(%s) = %+v, %v, want ErrNoBackup", id, b, err)
		}
	}
	srv.Fail(func(s3test.Request) *s3test.Fault { return &s3test.Fault{Status: 403, Code: "AccessDenied"} })
	var denied *archive.AccessDeniedError
	if b, err := c.Backup(t.Context(), loc, "my-db", "20260326T100300"); !errors.As(err, &denied) {
		t.Errorf("Backup without the right = %+v, %v", b, err)
	}
}
