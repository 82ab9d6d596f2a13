package archive_test

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
)

// TestAccPolicyOfPods runs barman's own programs, as the pods run them, on a store that enforces the policy of the examples: they archive, list
// and fetch a segment within it. Without the action that a program needs, that program fails. It needs no platform.
func TestAccPolicyOfPods(t *testing.T) {
	if os.Getenv("TF_ACC") == "" {
		t.Skip("TF_ACC is not set")
	}
	t.Parallel()
	old, current := barmans(t)
	whole := policy(t, "pods-policy.json")
	for _, release := range []barman{old, current} {
		t.Run(release.version, func(t *testing.T) {
			t.Parallel()
			if failed, denied := release.archives(t, whole); failed != "" || len(denied) > 0 {
				t.Errorf("within the policy %s fails; denied: %v", failed, denied)
			}
			first := "cloud_walarchive" // which asks for the bucket
			if release == current {
				first = "cloud_backup_list"
			}
			for action, program := range map[string]string{
				"s3:ListBucket": first, "s3:PutObject": "cloud_walarchive", "s3:GetObject": "cloud_walrestore",
			} {
				if failed, denied := release.archives(t, lacking(whole, action)); failed != program || len(denied) == 0 {
					t.Errorf("without %s it is %q that fails first, and denied is %v", action, failed, denied)
				}
			}
			if release == current { // an older one cannot read the archive's catalogue
				retains(t, release, whole)
			}
			uploads(t, release, whole)
		})
	}
}

// retains shows that without s3:DeleteObject barman's retention fails, and removes nothing.
func retains(t *testing.T, release barman, whole *s3test.Policy) {
	t.Helper()
	const old = "20260326T095900"
	for _, may := range []bool{true, false} {
		p := whole
		if !may {
			p = lacking(whole, "s3:DeleteObject")
		}
		_, srv, denied := enforced(t, p)
		srv.Archive(ofPolicies.Bucket, ofPolicies.Prefix, "my-db").Backup("20260327T095900", time.Date(2026, 3, 27, 10, 0, 0, 0, time.UTC), s3test.Segment(1, 7), s3test.Segment(1, 7), nil)
		_, err := release.try("-m", "barman.clients.cloud_backup_delete", "--retention-policy", "REDUNDANCY 1", "--endpoint-url", srv.URL, ofPolicies.String(), "my-db")
		base, wal := srv.Keys(ofPolicies.Bucket, "prod/my-db/base/"+old), srv.Keys(ofPolicies.Bucket, "prod/my-db/wals/0000000100000000/"+s3test.Segment(1, 5))
		if may && (err != nil || len(denied()) > 0 || len(base)+len(wal) > 0) {
			t.Errorf("within the policy retention leaves %v and %v, denied is %v: %v", base, wal, denied(), err)
		}
		if !may && (err == nil || len(denied()) == 0 || len(base) == 0 || len(wal) == 0) {
			t.Errorf("without s3:DeleteObject retention leaves %v and %v, denied is %v: %v", base, wal, denied(), err)
		}
	}
}

// tarScript uploads a base backup as barman-cloud-backup does, without a PostgreSQL to copy.
const tarScript = `
import io, sys
from barman.clients import cloud_backup_list
from barman.cloud import CloudUploadController
from barman.cloud_providers import get_cloud_interface

config = cloud_backup_list.parse_arguments(sys.argv[1:])
controller = CloudUploadController(get_cloud_interface(config), "prod/my-db/base/20260328T095900", 100 << 30, None)
controller.add_fileobj("pgdata", io.BytesIO(bytes(48 << 20)), "data", "file")
controller.close()
`

// uploads shows what is left of an upload in parts that fails. Of a segment, barman gives it up where it may. Of a base backup it does not
// even ask for that, so that a bucket needs its lifecycle rule in any case.
func uploads(t *testing.T, release barman, whole *s3test.Policy) {
	t.Helper()
	segment := filepath.Join(t.TempDir(), s3test.Segment(1, 9))
	const large = 101 << 20 // up to 100 MiB recent releases send in one part
	if err := os.WriteFile(segment, make([]byte, large), 0o600); err != nil {
		t.Fatal(err)
	}
	wal := []string{"-m", "barman.clients.cloud_walarchive"}
	for name, play := range map[string]struct {
		policy *s3test.Policy
		run    []string
		args   []string
		asks   bool // to give the upload up
		left   int
	}{
		"a segment": {whole, wal, []string{segment}, true, 0},
		"a segment without s3:AbortMultipartUpload": {lacking(whole, "s3:AbortMultipartUpload"), wal, []string{segment}, true, 1},
		"a base backup": {whole, []string{"-c", tarScript}, nil, false, 1},
	} {
		_, srv, _ := enforced(t, play.policy)
		var parts atomic.Int32
		srv.Fail(func(r s3test.Request) *s3test.Fault {
			switch {
			case !play.policy.Allows(r):
				return &s3test.Fault{Status: http.StatusForbidden, Code: "AccessDenied"}
			case r.Op == "UploadPart" && parts.Add(1) > 1:
				return &s3test.Fault{Status: http.StatusBadRequest, Code: "InvalidRequest"}
			}
			return nil
		})
		_, err := release.try(append(append(play.run, "--endpoint-url", srv.URL, ofPolicies.String(), "my-db"), play.args...)...)
		if left := srv.Uploads(ofPolicies.Bucket); err == nil || len(left) != play.left || (srv.Count("AbortMultipartUpload") > 0) != play.asks {
			t.Errorf("%s that fails leaves %v, after %d requests to give it up: %v", name, left, srv.Count("AbortMultipartUpload"), err)
		}
	}
}

// lacking is a policy without an action.
func lacking(p *s3test.Policy, action string) *s3test.Policy {
	less := &s3test.Policy{}
	for _, statement := range p.Statement {
		statement.Action = slices.DeleteFunc(slices.Clone(statement.Action), func(a string) bool { return a == action })
		less.Statement = append(less.Statement, statement)
	}
	return less
}

// archives archives a segment, and fetches it: the first program that fails, "" where none does, and the requests that were denied.
func (b barman) archives(t *testing.T, p *s3test.Policy) (failed string, denied []s3test.Request) {
	t.Helper()
	_, srv, refused := enforced(t, p)
	folder := t.TempDir()
	segment := filepath.Join(folder, s3test.Segment(1, 8))
	if err := os.WriteFile(segment, []byte(strings.Repeat("WAL", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	at := []string{"--endpoint-url", srv.URL, ofPolicies.String(), "my-db"}
	for _, run := range [][]string{
		append([]string{"cloud_walarchive"}, append(at, segment)...),
		append([]string{"cloud_backup_list"}, at...),
		append([]string{"cloud_walrestore"}, append(at, s3test.Segment(1, 8), filepath.Join(folder, "restored"))...),
	} {
		if _, err := b.try(append([]string{"-m", "barman.clients." + run[0]}, run[1:]...)...); err != nil {
			t.Log(err)
			return run[0], refused()
		}
	}
	return "", refused()
}
