package release

import (
	"go/version"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// The workflows, and people, install the Go that the root's go.mod names, and none is downloaded beside it: no module of the project may
// ask for a later one.
func TestNoModuleNeedsAnotherGo(t *testing.T) {
	t.Parallel()
	const root = "../.."
	provider, modules := goOf(t, filepath.Join(root, "go.mod")), 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != root && entry.Name()[0] == '.': // .git, .platform
			return filepath.SkipDir
		case entry.Name() == "go.mod":
			modules++
			if wants := goOf(t, path); version.Compare(wants, provider) > 0 {
				t.Errorf("%s needs %s, and the provider's is %s", path, wants, provider)
			}
		}
		return nil
	})
	if err != nil || modules < 10 {
		t.Errorf("%d modules: %v", modules, err)
	}
}

var goLine = regexp.MustCompile(`(?m)^go (\S+)$`)

// goOf is the version of Go that a go.mod asks for, as in "go1.26.6".
func goOf(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	line := goLine.FindSubmatch(text)
	if line == nil {
		t.Fatalf("%s names no version of Go", file)
	}
	return "go" + string(line[1])
}
