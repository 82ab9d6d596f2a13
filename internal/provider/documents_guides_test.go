package provider_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
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

// The command by which the guide to production looks whether it works prints what the guide has of it.
func TestGuideToProductionShowsTheArchive(t *testing.T) {
	t.Parallel()
	must(t, findCLI())
	const name = "templates/guides/production-aws.md"
	p, _ := pageNamed(t, name)
	s := p.configs()[0]
	s.blocks = slices.DeleteFunc(s.blocks, func(b block) bool { return strings.HasPrefix(b.key(), "aws_") }) // those can be planned only
	w := newDocumentWorld(t, p)
	must(t, w.make(s))
	folder := w.folder(s)
	shell := newTerminal(t, folder, append(w.environment, "PATH="+pathWithCLI(t), "HOME="+folder, "TF_CLI_ARGS=-no-color"))
	output := ""
	for _, c := range p.code {
		if c.shell() {
			output += shell.run(c.text)
		}
	}
	_, shown, _ := strings.Cut(output, "Apply complete! Resources: 1 added, 0 changed, 0 destroyed.\n")
	shown = regexp.MustCompile(`(?m)^ *endpoint_url .*\n`).ReplaceAllString(shown, "") // the fakes' own
	if want := printedWith(t, printed(t, name), "archive "); strings.TrimSpace(shown) != strings.TrimSpace(want) {
		t.Errorf("it shows\n%s\nand not\n%s", shown, want)
	}
}

// pathWithCLI is a PATH on which the CLI of the tests is terraform.
func pathWithCLI(t *testing.T) string {
	t.Helper()
	must(t, findCLI())
	folder := t.TempDir()
	must(t, os.Symlink(os.Getenv("TF_ACC_TERRAFORM_PATH"), filepath.Join(folder, "terraform")))
	return folder + string(filepath.ListSeparator) + os.Getenv("PATH")
}
