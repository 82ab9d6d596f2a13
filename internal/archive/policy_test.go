package archive_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
)

// policy is one of the examples.
func policy(t *testing.T, name string) *s3test.Policy {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "examples", "aws", name))
	if err != nil {
		t.Fatal(err)
	}
	p, err := s3test.ParsePolicy(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestGuideHasThePolicies: the guide to production shows the policies that are tested here.
func TestGuideHasThePolicies(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile(filepath.Join("..", "..", "templates", "guides", "production-aws.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"terraform-policy.json", "pods-policy.json", "pods-trust-policy.json"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "examples", "aws", name))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(guide), "```json\n"+string(text)+"```") {
			t.Errorf("the guide does not have %s as it is", name)
		}
	}
}

// ofPolicies is where the archives lie that the policies of the examples are about.
var ofPolicies = archive.Location{Bucket: "acme-postgres-backups", Prefix: "prod"}

// enforced is a store with an archive that enforces a policy; denied are the requests that it has denied.
func enforced(t *testing.T, p *s3test.Policy) (c *archive.Client, srv *s3test.Server, denied func() []s3test.Request) {
	t.Helper()
	srv = s3test.New(t)
	srv.CreateBucket(ofPolicies.Bucket)
	a := srv.Archive(ofPolicies.Bucket, ofPolicies.Prefix, "my-db")
	at := time.Date(2026, 3, 26, 10, 0, 0, 0, time.UTC)
	a.Backup("20260326T095900", at, s3test.Segment(1, 5), s3test.Segment(1, 5), nil)
	a.Segments(1, 5, 3, at, time.Minute)
	a.History(2, "1\t0/7000000\tno recovery target specified\n", at)
	var mu sync.Mutex
	var all []s3test.Request
	srv.Enforce(p, func(r s3test.Request) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, r)
	})
	return client(t, config(srv)), srv, func() []s3test.Request {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

// readAll is all that the provider asks of an archive.
func readAll(ctx context.Context, c *archive.Client) error {
	server := "my-db"
	_, empty := c.ServerEmpty(ctx, ofPolicies, "another")
	_, catalog := c.Catalog(ctx, ofPolicies, server)
	_, listing := c.List(ctx, ofPolicies, server, archive.Query{})
	_, servers := c.Servers(ctx, ofPolicies)
	_, backup := c.Backup(ctx, ofPolicies, server, "20260326T095900")
	_, segment := c.HasSegment(ctx, ofPolicies, server, s3test.Segment(1, 5))
	_, system := c.SystemID(ctx, ofPolicies, server)
	return errors.Join(c.CheckLocation(ctx, ofPolicies), empty, catalog, listing, servers, backup, segment, system)
}

// TestPolicyOfTerraform: all that the provider asks of an archive is within the policy of the examples, and each statement of it is
// needed. Beside the archive's prefix nothing can be read.
func TestPolicyOfTerraform(t *testing.T) {
	t.Parallel()
	whole := policy(t, "terraform-policy.json")
	c, srv, denied := enforced(t, whole)
	if err := readAll(t.Context(), c); err != nil || len(denied()) > 0 {
		t.Errorf("within the policy: %v; denied: %v", err, denied())
	}
	if srv.Count("ListObjects") == 0 || srv.Count("GetObject") == 0 {
		t.Error("nothing was read")
	}
	for i, statement := range whole.Statement {
		less := &s3test.Policy{Statement: slices.Delete(slices.Clone(whole.Statement), i, i+1)}
		c, _, _ := enforced(t, less)
		if err := readAll(t.Context(), c); err == nil || !strings.Contains(err.Error(), statement.Action[0]) {
			t.Errorf("without %s: %v", statement.Action, err)
		}
	}
	beside := archive.Location{Bucket: ofPolicies.Bucket, Prefix: "production"}
	if _, err := c.Servers(t.Context(), beside); err == nil || !strings.Contains(err.Error(), "s3:ListBucket") {
		t.Errorf("beside the prefix: %v", err)
	}
}
