package archive_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
)

// Whose a folder is, the newest backup says that is done and tells it.
func TestSystemID(t *testing.T) {
	t.Parallel()
	const wal = "000000010000000000000001"
	backup := func(id string, overrides map[string]string) func(s3test.Archive) {
		return func(a s3test.Archive) { a.Backup(id, at("10:00:00"), wal, wal, overrides) }
	}
	tests := map[string]struct {
		holds []func(s3test.Archive)
		reads int
		want  string
	}{
		"nothing":  {},
		"only WAL": {holds: []func(s3test.Archive){func(a s3test.Archive) { a.WAL(wal, at("10:00:00")) }}},
		"two backups": {
			holds: []func(s3test.Archive){backup("20260325T100000", map[string]string{"systemid": "1"}), backup("20260326T100000", map[string]string{"systemid": "2"})},
			reads: 1, want: "2",
		},
		"newer ones that do not tell": {
			holds: []func(s3test.Archive){
				backup("20260325T100000", map[string]string{"systemid": "1"}),
				backup("20260326T100000", map[string]string{"systemid": "2", "status": "FAILED"}),
				backup("20260327T100000", map[string]string{"systemid": "None"}),
				func(a s3test.Archive) { a.Put("base/20260328T100000/data.tar", "", at("10:00:00")) },
				func(a s3test.Archive) { a.Put("base/20260329T100000/backup.info", "what is this", at("10:00:00")) },
			},
			reads: 5, want: "1",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv, c, loc := store(t)
			for _, put := range test.holds {
				put(srv.Archive("backups", "pg", "db"))
			}
			got, err := c.SystemID(t.Context(), loc, "db")
			if err != nil || got != test.want {
				t.Errorf("it is %q, %v; want %q", got, err, test.want)
			}
			if lists, reads := srv.Count("ListObjects"), srv.Count("GetObject"); lists != 1 || reads != test.reads {
				t.Errorf("%d lists and %d reads, want 1 and %d", lists, reads, test.reads)
			}
		})
	}
	t.Run("it may not be read", func(t *testing.T) {
		t.Parallel()
		srv, c, loc := store(t)
		backup("20260325T100000", nil)(srv.Archive("backups", "pg", "db"))
		srv.Fail(func(r s3test.Request) *s3test.Fault {
			if r.Op == "GetObject" {
				return &s3test.Fault{Status: http.StatusForbidden, Code: "AccessDenied"}
			}
			return nil
		})
		_, err := c.SystemID(t.Context(), loc, "db")
		var denied *archive.AccessDeniedError
		if !errors.As(err, &denied) {
			t.Errorf("the error is %v", err)
		}
	})
}
