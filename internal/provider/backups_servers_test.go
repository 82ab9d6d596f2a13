package provider_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
)

// read reads the data sources of a configuration, which must succeed, and returns the values of one with the warnings.
func (s *stage) read(config, address string) (map[string]cty.Value, string) {
	s.t.Helper()
	s.w.Write(config)
	values, diags := s.w.ReadData(s.t.Context())
	if diags.HasError() {
		s.t.Fatalf("the data sources cannot be read:\n%s", diags)
	}
	return values[address].AsValueMap(), diags.Warnings().String()
}

// unread checks that the data sources of a configuration fail with these texts.
func (s *stage) unread(config string, texts ...string) {
	s.t.Helper()
	s.w.Write(config)
	if _, diags := s.w.ReadData(s.t.Context()); !says(texts...).MatchString(diags.Errors().String()) {
		s.t.Errorf("the data sources say\n%s\nwant %q", diags.Errors(), texts)
	}
}

// texts are the strings of a list; nil where it is null.
func texts(list cty.Value) []string {
	if list.IsNull() {
		return nil
	}
	found := []string{}
	for _, value := range list.AsValueSlice() {
		found = append(found, value.AsString())
	}
	return found
}

// ofMyDB is the listing of the archive by its database, and by its place.
var ofMyDB = map[string]string{"database": listing, "object_store": inArchive(`    server_name = "my-db-v1"`)}

func TestBackupsListsServers(t *testing.T) {
	t.Parallel()
	for way, config := range ofMyDB {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			f, _ := withSource(t)
			f.s3.Archive(fakeBucket, "pg", "other").Segments(1, 1, 1500, f.now(), time.Second)
			f.s3.Put(fakeBucket, "pg/readme/notes.txt", []byte("foreign"), f.now())
			s := onStage(t, f)
			f.s3.Reset()
			values, warnings := s.read(s.config(config), allBackups)
			if got := texts(values["servers"]); !slices.Equal(got, []string{"my-db-v1", "other"}) || warnings != "" {
				t.Errorf("servers = %q, warnings: %s", got, warnings)
			}
			// The archive: base/, wals/ and one folder. The servers: the folders, base/ of each, and wals/ of the two that have none.
			if lists, gets := f.s3.Count("ListObjects"), f.s3.Count("GetObject"); lists != 3+6 || gets != 2 {
				t.Errorf("took %d listings and %d reads, want 9 and 2: %+v", lists, gets, f.s3.Requests())
			}
		})
	}
}

// The servers are looked for while the archive is read, not before and not after it.
func TestBackupsListsServersBesideTheArchive(t *testing.T) {
	t.Parallel()
	for way, config := range ofMyDB {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			f, _ := withSource(t)
			s := onStage(t, f)
			both := make(chan struct{}, 2)
			seen := make(chan struct{})
			go func() {
				<-both
				<-both
				close(seen)
			}()
			f.s3.Fail(func(r s3test.Request) *s3test.Fault {
				if r.Prefix == "pg/" || r.Prefix == "pg/my-db-v1/base/" && r.Delimiter != "" {
					both <- struct{}{}
					select { // each is answered when the other one has come
					case <-seen:
					case <-t.Context().Done():
					}
				}
				return nil
			})
			if values, _ := s.read(s.config(config), allBackups); len(texts(values["servers"])) != 1 {
				t.Errorf("servers = %v", values["servers"])
			}
		})
	}
}

// Who may list the folder of one archive alone, lists that.
func TestBackupsWithoutTheRightToListServers(t *testing.T) {
	t.Parallel()
	begin := func(t *testing.T) *stage {
		t.Helper()
		f, _ := withSource(t)
		f.s3.Archive(fakeBucket, "pg", "other").WAL(s3test.Segment(1, 1), f.now())
		f.s3.Fail(func(r s3test.Request) *s3test.Fault {
			if r.Op == "ListObjects" && !strings.HasPrefix(r.Prefix, "pg/my-db-v1/") {
				return &s3test.Fault{Status: http.StatusForbidden, Code: "AccessDenied", Message: "Access Denied"}
			}
			return nil
		})
		return onStage(t, f)
	}
	for way, config := range ofMyDB {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := begin(t)
			values, warnings := s.read(s.config(config), allBackups)
			if texts(values["servers"]) != nil || values["backups"].LengthInt() != 2 || values["recovery_window"].IsNull() {
				t.Errorf("servers = %#v, %d backups", values["servers"], values["backups"].LengthInt())
			}
			if asked := way == "object_store"; asked != says("Servers Not Listed", "s3:ListBucket on s3://backups/pg/", "servers is null").MatchString(warnings) || !asked && warnings != "" {
				t.Errorf("warnings: %s", warnings)
			}
		})
	}
	t.Run("there is WAL alone", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		for _, key := range s.s3.Keys(fakeBucket, "pg/my-db-v1/base/") {
			s.s3.Delete(fakeBucket, key)
		}
		if values, _ := s.read(s.config(ofMyDB["object_store"]), allBackups); values["backups"].LengthInt() != 0 {
			t.Errorf("backups = %#v", values["backups"])
		}
	})
	t.Run("only servers are asked for", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.unread(s.config(inArchive("")), listFails, "need s3:ListBucket on s3://backups/pg/")
	})
	t.Run("the archive is not there", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.s3.Fail(func(r s3test.Request) *s3test.Fault {
			if r.Prefix == "pg/" {
				return &s3test.Fault{Status: http.StatusForbidden, Code: "AccessDenied", Message: "Access Denied"}
			}
			return nil
		})
		s.unread(s.config(inArchive(`    server_name = "your-db"`)), listFails, "there is no archive your-db in s3://backups/pg", "cannot be told", "s3:ListBucket on s3://backups/pg/")
	})
}
