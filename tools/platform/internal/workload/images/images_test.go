package images

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/versions"
)

func TestPythonPackagesArePinned(t *testing.T) {
	t.Parallel()
	pinned := regexp.MustCompile(`^[A-Za-z0-9._-]+==[0-9][^ ]*$`)
	for _, set := range []pythonSet{barmanSet("3.11"), localStackSet} {
		for line := range strings.Lines(set.requirements) {
			line = strings.TrimSpace(line)
			if line != "" && !strings.HasPrefix(line, "#") && !pinned.MatchString(line) {
				t.Errorf("%s: %q is not pinned", set.name, line)
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

func TestOnlyS3StaysOfBotocore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := filepath.Join(dir, "botocore", "data")
	for _, service := range []string{"s3", "sts", "ec2"} {
		if err := os.MkdirAll(filepath.Join(data, service), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(data, "endpoints.json"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := onlyS3(dir); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(data, "*"))
	if err != nil || len(left) != 3 {
		t.Errorf("left are %v, %v", left, err)
	}
}
