package archive_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
)

func TestCheckBucket(t *testing.T) {
	t.Parallel()
	always := func(f s3test.Fault) func(s3test.Request) *s3test.Fault {
		return func(s3test.Request) *s3test.Fault { return &f }
	}
	tests := map[string]struct {
		bucket string
		fail   func(s3test.Request) *s3test.Fault
		want   any    // pointer to the error type that must be found
		text   string // part of the message
		dead   bool   // counts as unreachable
	}{
		"there":   {bucket: "backups"},
		"missing": {bucket: "nope", want: new(*archive.BucketNotFoundError), text: `bucket "nope" does not exist; these credentials see backups, other`},
		"missing, and no right to list buckets": {
			bucket: "nope",
			fail: func(r s3test.Request) *s3test.Fault {
				if r.Op == "ListBuckets" {
					return &s3test.Fault{Status: http.StatusForbidden, Code: "AccessDenied"}
				}
				return nil
			},
			want: new(*archive.BucketNotFoundError), text: "may not list them (s3:ListAllMyBuckets)",
		},
		"denied": {
			bucket: "backups", fail: always(s3test.Fault{Status: http.StatusForbidden, Code: "AccessDenied", Message: "no way"}),
			want: new(*archive.AccessDeniedError), text: "need s3:ListBucket on s3://backups/ (AccessDenied: no way)",
		},
		"unknown key": {
			bucket: "backups", fail: always(s3test.Fault{Status: http.StatusForbidden, Code: "InvalidAccessKeyId"}),
			want: new(*archive.CredentialsError), text: "does not know the access key ID",
		},
		"wrong secret": {
			bucket: "backups", fail: always(s3test.Fault{Status: http.StatusForbidden, Code: "SignatureDoesNotMatch", Message: "m"}),
			want: new(*archive.CredentialsError), text: "secret access key does not belong",
		},
		"expired": {
			bucket: "backups", fail: always(s3test.Fault{Status: http.StatusBadRequest, Code: "ExpiredToken", Message: "m"}),
			want: new(*archive.CredentialsError), text: "have expired",
		},
		"other region, redirected": {
			bucket: "backups", fail: always(s3test.Fault{Status: http.StatusMovedPermanently, Code: "PermanentRedirect", Region: "eu-west-1"}),
			want: new(*archive.WrongRegionError), text: `bucket "backups" is in region eu-west-1, not in us-east-1`,
		},
		"other region, signature refused": {
			bucket: "backups", fail: always(s3test.Fault{
				Status: http.StatusBadRequest, Code: "AuthorizationHeaderMalformed",
				Message: "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-central-1'",
			}),
			want: new(*archive.WrongRegionError), text: "is in region eu-central-1",
		},
		"other region, in another store's words": {
			bucket: "backups", fail: always(s3test.Fault{
				Status: http.StatusBadRequest, Code: "AuthorizationHeaderMalformed", Message: `the region "us-east-1" is wrong; expecting "eu-central-1"`,
			}),
			want: new(*archive.WrongRegionError), text: "is in region eu-central-1",
		},
		"out of order": {
			bucket: "backups", fail: always(s3test.Fault{Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable"}),
			want: new(*archive.UnreachableError), text: "cannot be reached: it answers 503 ServiceUnavailable", dead: true,
		},
		"no S3 but a gateway": {
			bucket: "backups", fail: always(s3test.Fault{Status: http.StatusBadGateway}),
			want: new(*archive.UnreachableError), text: "it answers 502", dead: true,
		},
		"resets connections": {
			bucket: "backups", fail: always(s3test.Fault{Reset: true}), want: new(*archive.UnreachableError), text: "cannot be reached", dead: true,
		},
		"takes requests and never answers": {
			bucket: "backups", fail: always(s3test.Fault{Hang: true}), want: new(*archive.UnreachableError), text: "no answer in time", dead: true,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv, c, _ := store(t)
			srv.CreateBucket("other")
			srv.Fail(test.fail)
			err := c.CheckBucket(context.Background(), test.bucket)
			if n := srv.Count(""); n > 2 {
				t.Errorf("took %d requests", n)
			}
			if test.want == nil {
				if err != nil {
					t.Fatal(err)
				}
				if n := srv.Count(""); n != 1 {
					t.Errorf("took %d requests", n)
				}
				return
			}
			if err == nil || !errors.As(err, test.want) {
				t.Fatalf("got %v (%T), want %T", err, err, test.want)
			}
			if !strings.Contains(err.Error(), test.text) {
				t.Errorf("got %q, want it to contain %q", err, test.text)
			}
			if archive.Unreachable(err) != test.dead {
				t.Errorf("Unreachable is %t", !test.dead)
			}
			if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, c), s3test.SecretAccessKey) {
				t.Error("the error holds the secret key")
			}
		})
	}
}

func TestDeadEndpoints(t *testing.T) {
	t.Parallel()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := closed.Addr().String()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	tls := s3test.New(t) // speaks HTTP where HTTPS is expected
	for name, test := range map[string]struct {
		endpoint string
		asked    bool // there is something that takes connections, and may be in order a moment later
	}{
		"nothing listens":  {endpoint: "http://" + address},
		"no such host":     {endpoint: "http://s3.invalid:9000"},
		"HTTPS to an HTTP": {endpoint: strings.Replace(tls.URL, "http://", "https://", 1), asked: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := client(t, archive.Config{EndpointURL: test.endpoint, AccessKeyID: "AKIA0000000000000000", SecretAccessKey: "secret-secret-secret"})
			err := c.CheckBucket(context.Background(), "backups")
			if err == nil {
				t.Fatal("no error")
			}
			// Each attempt more would keep a plan waiting for what is not there.
			var repeated *retry.MaxAttemptsError
			if errors.As(err, &repeated) && !test.asked {
				t.Errorf("the request was repeated: %v", err)
			}
			if !archive.Unreachable(err) {
				t.Errorf("%v (%T) does not count as unreachable", err, err)
			}
			t.Log(err)
		})
	}
}

func TestCallersCancellationIsNoUnreachableStore(t *testing.T) {
	t.Parallel()
	srv, c, _ := store(t)
	srv.Fail(func(s3test.Request) *s3test.Fault { return &s3test.Fault{Hang: true} })
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(30*time.Millisecond, cancel)
	if err := c.CheckBucket(ctx, "backups"); archive.Unreachable(err) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestServers(t *testing.T) {
	t.Parallel()
	srv, c, loc := store(t)
	srv.Archive("backups", "pg", "b").Segments(1, 1, 1, at("10:00:00"), 0)
	srv.Archive("backups", "pg", "a").Put("base/x/backup.info", "status=EMPTY", at("10:00:00"))
	srv.Put("backups", "pg/other/file", []byte("x"), at("10:00:00"))
	srv.Put("backups", "pg/file", []byte("x"), at("10:00:00"))
	srv.Put("backups", "elsewhere/c/wals/x", []byte("x"), at("10:00:00"))
	srv.Archive("backups", "", "root").Segments(1, 1, 1, at("10:00:00"), 0)
	if got, err := c.Servers(context.Background(), loc); err != nil || !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := c.Servers(context.Background(), archive.Location{Bucket: "backups"}); err != nil || !slices.Equal(got, []string{"root"}) {
		t.Errorf("in the whole bucket: got %v, %v", got, err)
	}
	var missing *archive.BucketNotFoundError
	if _, err := c.Servers(context.Background(), archive.Location{Bucket: "nope"}); !errors.As(err, &missing) || !slices.Equal(missing.Visible, []string{"backups"}) {
		t.Errorf("got %v", err)
	}
}

// A folder costs no more for what lies in it, and one that was seen to be an archive nothing again.
func TestServersTakesSmallProbes(t *testing.T) {
	t.Parallel()
	srv, c, loc := store(t)
	a := srv.Archive("backups", "pg", "large")
	a.Segments(1, 1, 2500, at("10:00:00"), time.Second)
	for i := range 1200 {
		a.Put(fmt.Sprintf("other/%04d/x", i), "x", at("10:00:00"))
	}
	a.Backup("20260326T100300", at("10:04:00"), s3test.Segment(1, 4), s3test.Segment(1, 5), nil)
	srv.Archive("backups", "pg", "begun").Segments(1, 1, 1, at("10:00:00"), 0)
	srv.Put("backups", "pg/foreign/file", []byte("x"), at("10:00:00"))
	for _, want := range []int{6, 3} { // the folders, base/ of each, and wals/ of those two without one; then what is foreign alone
		srv.Reset()
		if got, err := c.Servers(context.Background(), loc); err != nil || !slices.Equal(got, []string{"begun", "large"}) {
			t.Errorf("got %v, %v", got, err)
		}
		if n := srv.Count(""); n != want {
			t.Errorf("took %d requests, want %d: %+v", n, want, srv.Requests())
		}
		for _, r := range srv.Requests() {
			if small := r.MaxKeys == "1"; small == (r.Prefix == "pg/") {
				t.Errorf("%+v", r)
			}
		}
	}
}

func TestServerEmpty(t *testing.T) {
	t.Parallel()
	srv, c, loc := store(t)
	srv.Archive("backups", "pg", "my-db-2").Segments(1, 1, 1, at("10:00:00"), 0)
	for server, want := range map[string]bool{"my-db": true, "my-db-2": false} {
		if got, err := c.ServerEmpty(context.Background(), loc, server); err != nil || got != want {
			t.Errorf("%s: got %t, %v", server, got, err)
		}
	}
	if n := srv.Count(""); n != 2 {
		t.Errorf("took %d requests", n)
	}
}

func TestHasSegment(t *testing.T) {
	t.Parallel()
	srv, c, loc := store(t)
	a := srv.Archive("backups", "pg", "my-db")
	a.WAL(s3test.Segment(1, 1), at("10:00:00"))
	a.WAL(s3test.Segment(1, 2)+".zst", at("10:00:00"))
	a.WAL(s3test.Segment(1, 3)+".partial", at("10:00:00"))
	a.WAL(s3test.Segment(1, 3)+".00000028.backup", at("10:00:00"))
	a.Put("wals/0000000100000000/"+s3test.Segment(1, 4), "", at("10:00:00"))
	for n, want := range map[uint64]bool{1: true, 2: true, 3: false, 4: false, 5: false} {
		if got, err := c.HasSegment(context.Background(), loc, "my-db", s3test.Segment(1, n)); err != nil || got != want {
			t.Errorf("segment %d: got %t, %v", n, got, err)
		}
	}
	if _, err := c.HasSegment(context.Background(), loc, "my-db", "00000002.history"); err == nil {
		t.Error("a history passed for a segment")
	}
}
