package provider_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the repository.
var root = filepath.Join("..", "..")

// Everything in the documents that is HCL is formatted, has no attribute that the schemas do not know, validates, and plans; with
// PGPLATFORM_LONG by every CLI, down to the oldest that the provider is for.
func TestDocuments(t *testing.T) {
	t.Parallel()
	clis := documentCLIs(t)
	examples := exampleBlocks(t)
	for _, name := range pageNames(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, _ := pageNamed(t, name)
			for _, problem := range p.problems(t, examples, clis) {
				t.Error(problem)
			}
		})
	}
	for _, name := range exampleFolders(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := readFolder(name)
			must(t, err)
			for _, problem := range p.problems(t, examples, clis) {
				t.Error(problem)
			}
		})
	}
}

// pageNames are the pages that people read: README and the like, and all of docs/ and examples/.
func pageNames(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(root, "*.md"))
	must(t, err)
	for _, folder := range []string{"docs", "examples"} {
		must(t, filepath.WalkDir(filepath.Join(root, folder), func(path string, _ fs.DirEntry, err error) error {
			if filepath.Ext(path) == ".md" {
				names = append(names, path)
			}
			return err
		}))
	}
	for i, name := range names {
		names[i], err = filepath.Rel(root, name)
		must(t, err)
	}
	for _, must := range []string{"README.md", "docs/index.md", "docs/resources/restore.md", "docs/data-sources/backups.md"} {
		if !slices.Contains(names, must) {
			t.Fatalf("%s is not among the pages %q", must, names)
		}
	}
	return names
}

// exampleFolders are the folders of examples/ with configurations.
func exampleFolders(t *testing.T) []string {
	t.Helper()
	var folders []string
	must(t, filepath.WalkDir(filepath.Join(root, "examples"), func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) != ".tf" || err != nil {
			return err
		}
		folder, err := filepath.Rel(root, filepath.Dir(path))
		if !slices.Contains(folders, folder) {
			folders = append(folders, folder)
		}
		return err
	}))
	if len(folders) == 0 {
		t.Fatal("there are no examples")
	}
	return folders
}

// problems are what is wrong with a page, as its readers would meet it.
func (p *page) problems(t *testing.T, examples map[string]block, clis []cli) []string {
	t.Helper()
	found := p.unformatted(t)
	for _, f := range p.fences {
		found = append(found, checkAttributes(t, f)...)
	}
	for i, s := range p.configs() {
		s.complete(examples)
		for _, by := range clis {
			w := newDocumentWorld(t, p)
			w.cli = by.path
			if problem := s.judged(by, w.plan(s)); problem != "" {
				found = append(found, fmt.Sprintf("%s, configuration %d of the page, by %s, which is\n\n%s\n\n%s", p.name, i+1, by.name, s.text(), problem))
			}
		}
	}
	return found
}

// unformatted is what terraform fmt would change.
func (p *page) unformatted(t *testing.T) []string {
	t.Helper()
	if len(p.fences) == 0 {
		return nil
	}
	folder := t.TempDir()
	for _, f := range p.fences {
		must(t, os.WriteFile(filepath.Join(folder, fmt.Sprintf("line-%04d.tf", f.line)), []byte(f.text), 0o600))
	}
	output, err := documentCLI(t, os.Getenv("TF_ACC_TERRAFORM_PATH"), folder, nil, "fmt", "-check", "-diff", "-no-color")
	if err != nil {
		return []string{fmt.Sprintf("%s is not formatted:\n%s", p.name, output)}
	}
	return nil
}

func documentCLI(t *testing.T, cli, folder string, environment []string, args ...string) (string, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), cli, args...)
	command.Dir = folder
	// Nothing of the environment that the tests run in decides about a page.
	command.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + folder, "TMPDIR=" + os.TempDir(), "TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1"}, environment...)
	output, err := command.CombinedOutput()
	return string(output), err
}

// plan validates and plans a configuration of a page; what it returns is what was wrong.
func (w *documentWorld) plan(s *pageConfig) string {
	w.t.Helper()
	folder := w.folder(s)
	if output, err := w.run(folder, "validate"); err != nil {
		return output
	}
	if err := w.make(s); err != nil {
		return fmt.Sprintf("what it takes for granted cannot be made: %v", err)
	}
	if output, err := w.run(folder, "plan", "-input=false", "-lock=false"); err != nil {
		return output
	}
	return ""
}

// certificateFiles and policyFiles are the files that a configuration reads: any certificate, and the policies of the examples.
var (
	certificateFiles = regexp.MustCompile(`\bfile\("([a-z-]+\.pem)"\)`)
	policyFiles      = regexp.MustCompile(`\bfile\("([a-z-]+\.json)"\)`)
)

// folder is a working folder with a configuration and values for its variables.
func (w *documentWorld) folder(s *pageConfig) string {
	w.t.Helper()
	folder := w.t.TempDir()
	must(w.t, os.WriteFile(filepath.Join(folder, "page.tf"), []byte(s.text()), 0o600))
	for _, found := range certificateFiles.FindAllStringSubmatch(s.text(), -1) {
		must(w.t, os.WriteFile(filepath.Join(folder, found[1]), []byte(givenCertificate()), 0o600))
	}
	for _, found := range policyFiles.FindAllStringSubmatch(s.text(), -1) {
		policy, err := os.ReadFile(filepath.Join(root, "examples", "aws", found[1]))
		must(w.t, err)
		must(w.t, os.WriteFile(filepath.Join(folder, found[1]), policy, 0o600))
	}
	values, err := json.Marshal(s.given())
	must(w.t, err)
	must(w.t, os.WriteFile(filepath.Join(folder, "given.auto.tfvars.json"), values, 0o600))
	return folder
}

func (w *documentWorld) run(folder string, args ...string) (string, error) {
	w.t.Helper()
	output, err := documentCLI(w.t, w.cli, folder, w.environment, append(args, "-no-color")...)
	return strings.TrimSpace(output), err
}

// What the test of the documents is for is refused by it, and what is right is not.
func TestDocumentsThatAreWrong(t *testing.T) {
	t.Parallel()
	must(t, findCLI())
	fence := func(text string) string { return "# A page\n\n```hcl\n" + text + "```\n" }
	const good = `resource "pgplatform_database" "db" {
  name   = "db"
  backup = { schedule = "0 2 * * *" }
}
`
	for name, c := range map[string]struct{ text, want string }{
		"nothing":              {fence(good), ""},
		"not formatted":        {fence(strings.Replace(good, "name  ", "name", 1)), "is not formatted"},
		"not HCL":              {fence("resource {\n"), "page.md, line 4"},
		"unknown attribute":    {fence(strings.Replace(good, "name  ", "nam   ", 1)), "has no attribute nam"},
		"unknown nested one":   {fence(strings.Replace(good, "schedule", "shedule", 1)), "backup has no attribute shedule"},
		"unknown in a list":    {fence(strings.Replace(good, "backup = {", "scheduling = { tolerations = [{ keey = \"a\" }] }\n  backup = {", 1)), "tolerations has no attribute keey"},
		"does not plan":        {fence(strings.Replace(good, "0 2 * * *", "at two", 1)), "at two"},
		"no keys for the pods": {fence("provider \"pgplatform\" {\n  object_store = { destination_path = \"s3://given\" }\n}\n\n" + good), "pod_credentials"},
		"undeclared variable":  {fence(strings.Replace(good, `"db"`+"\n", "var.name\n", 1)), "var.name"},
		"restore too early": {fence(`resource "pgplatform_restore" "pitr" {
  name        = "pitr"
  source      = { database = "myorg/shop" }
  target_time = "2001-01-01T00:00:00Z"
}
`), "lies before the recovery window"},
		"a name that is taken": {fence(good + `data "pgplatform_database" "db" {
  namespace = "default"
  name      = "db"
}
`), "exists"},
		"a provider alone": {fence("provider \"pgplatform\" {\n  kubernetes = {\n    config_context = \"test\"\n    token          = \"a\"\n    exec           = { api_version = \"client.authentication.k8s.io/v1\", command = \"aws\" }\n  }\n}\n"), "Invalid Kubernetes Connection"},
		"another language": {"```tf\n" + good + "```\n", "hcl or terraform"},
		"no language":      {"```\n" + good + "```\n", "hcl or terraform"},
		"of others": {"```hcl\nresource \"aws_s3_bucket\" \"b\" {\n  bucket = \"b\"\n}\n\n" +
			strings.Replace(good, "schedule", "shedule", 1) + "```\n", "backup has no attribute shedule"},
		"others that know no such thing": {fence("resource \"aws_s3_bucket\" \"b\" {\n  buket = \"b\"\n}\n"), `An argument named "buket" is not expected here`},
		"others that are not there":      {fence("resource \"kubernetes_manifest\" \"m\" {\n  manifest = aws_s3_bucket.b.id\n}\n"), "aws_s3_bucket"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkProblems(t, c.text, c.want)
		})
	}
}

// checkProblems compares what is wrong with the text of a page with what should be; "" is nothing.
func checkProblems(t *testing.T, text, want string) {
	t.Helper()
	var problems []string
	p, err := readPage("page.md", text)
	if err != nil {
		problems = []string{err.Error()}
	} else {
		problems = p.problems(t, exampleBlocks(t), documentCLIs(t)[:1])
	}
	got := strings.Join(problems, "\n")
	if (want == "") != (got == "") || !says(want).MatchString(got) {
		t.Errorf("%q is not in\n%s", want, got)
	}
}

// A page is a story: what a block declares again, moves or removes is replaced from there on, with its import block.
func TestPageIsAStory(t *testing.T) {
	t.Parallel()
	fence := func(text string) string { return "```hcl\n" + text + "\n```\n\n" }
	p, err := readPage("page.md", fence(`resource "pgplatform_database" "db" {}`)+
		fence("import {\n  to = pgplatform_database.db\n}")+
		fence(`resource "pgplatform_restore" "pitr" {}`)+
		fence("resource \"pgplatform_database\" \"db\" {\n  name = \"new\"\n}")+
		"<!-- alone -->\n\n"+fence(`resource "pgplatform_database" "alone" {}`)+
		fence("moved {\n  from = pgplatform_restore.pitr\n  to   = pgplatform_database.pitr\n}\nresource \"pgplatform_database\" \"pitr\" {}")+
		fence("removed {\n  from = pgplatform_database.db\n}"))
	must(t, err)
	var got []string
	for _, c := range p.configs() {
		var keys []string
		for _, b := range c.blocks {
			keys = append(keys, b.Type+" "+b.key())
		}
		got = append(got, strings.Join(keys, ", "))
	}
	want := []string{
		"resource pgplatform_database.db, import import pgplatform_database.db, resource pgplatform_restore.pitr",
		"resource pgplatform_database.alone",
		"import import pgplatform_database.db, resource pgplatform_restore.pitr, resource pgplatform_database.db",
		"import import pgplatform_database.db, resource pgplatform_database.db, moved , resource pgplatform_database.pitr",
		"moved , resource pgplatform_database.pitr, removed ",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the configurations are\n%s", strings.Join(got, "\n"))
	}
}
