package images

import (
	"regexp"
	"strings"
	"testing"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/barman"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/python"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/versions"
)

func TestPythonPackagesArePinned(t *testing.T) {
	t.Parallel()
	pinned := regexp.MustCompile(`^[A-Za-z0-9._-]+==[0-9][^ ]*$`)
	for _, set := range []python.Set{barman.Set("3.11"), localStackSet} {
		for line := range strings.Lines(set.Requirements) {
			line = strings.TrimSpace(line)
			if line != "" && !strings.HasPrefix(line, "#") && !pinned.MatchString(line) {
				t.Errorf("%s: %q is not pinned", set.Name, line)
			}
		}
	}
	if !strings.Contains(localStackRequirements, "localstack-core=="+versions.LocalStack+"\n") {
		t.Error("the requirements do not pin the version that the image is named for")
	}
}

func TestVersionOfInstalledPackage(t *testing.T) {
	t.Parallel()
	status := `Package: postgresql-client-15
Version: 1

Package: postgresql-15
Status: install ok installed
Version: 15.18-0+deb12u1
Description: object-relational SQL database
 Version: no field of its own
`
	got, err := versionIn(strings.NewReader(status), "postgresql-15")
	if err != nil || got != "15.18-0+deb12u1" {
		t.Errorf("the version is %q, %v", got, err)
	}
	if _, err := versionIn(strings.NewReader(status), "postgresql-17"); err == nil {
		t.Error("a package that is not installed has a version")
	}
}

func TestImagesAreListedOnce(t *testing.T) {
	t.Parallel()
	n := Names{
		Postgres15Old: "15", Postgres15: "15", Postgres17: "17",
		Operator: "o", LocalStack: "l", VersityGW: "v", LoopVolumes: "g",
	}
	if got := strings.Join(n.All(), " "); got != "15 17 o l v g" {
		t.Errorf("all images are %q", got)
	}
}
