package provider_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The guide to taking a Cluster over says that its configuration matches its manifests: the import is all there is to do.
func TestGuideToAdoption(t *testing.T) {
	t.Parallel()
	must(t, findCLI())
	const name = "templates/guides/adopt.md"
	text, err := os.ReadFile(filepath.Join(root, name))
	must(t, err)
	for instances, want := range map[string]string{
		"instances: 3": "1 to import, 0 to add, 0 to change, 0 to destroy",
		"instances: 2": "1 to import, 0 to add, 1 to change, 0 to destroy",
	} {
		p, err := readPage(name, strings.Replace(string(text), "instances: 3", instances, 1))
		must(t, err)
		w := newDocumentWorld(t, p)
		s := p.configs()[0]
		must(t, w.make(s))
		if output, err := w.run(w.folder(s), "plan", "-input=false", "-lock=false"); err != nil || !strings.Contains(output, want) {
			t.Errorf("with %q in the manifest, the plan is not %q: %v\n%s", instances, want, err, output)
		}
	}
}
