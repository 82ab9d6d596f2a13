package archive_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

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
		})
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
