package release

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What CHANGELOG.md says of a version is the text of its release. Of one that it does not know there is none, so that none is released.
func TestReleaseNotes(t *testing.T) {
	t.Parallel()
	notes := func(version string) (string, error) {
		out, err := exec.CommandContext(t.Context(), filepath.Join(root, "tools/release-notes"), version).CombinedOutput()
		return string(out), err
	}
	changelog := string(read(t, filepath.Join(root, "CHANGELOG.md")))
	unreleased, _, _ := strings.Cut(strings.SplitN(changelog, "## Unreleased\n", 2)[1], "\n## ")
	if got, err := notes("999.0.0-rc.1"); err != nil || strings.TrimSpace(got) != strings.TrimSpace(unreleased) {
		t.Errorf("a pre-release: %v\n%s", err, got)
	}
	if got, err := notes("999.0.0"); err == nil || !strings.Contains(got, "CHANGELOG.md has no section ## 999.0.0") {
		t.Errorf("a version without a section: %v\n%s", err, got)
	}
}
