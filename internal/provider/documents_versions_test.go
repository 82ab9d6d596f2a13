package provider_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// What needs a newer CLI than the oldest that the provider is for says so, to its readers and to the tests alike: "Terraform 1.10,
// OpenTofu 1.11" in a comment within the block of HCL, or in the paragraph just above it. A CLI that is older has to refuse it there,
// and nothing else.

// cli is a Terraform or an OpenTofu.
type cli struct {
	path, name string
	openTofu   bool
	minor      int
}

// documentCLIs are those that the documents are tried with: the one that all tests run with and, at length, every other one on the
// machine and the oldest that the provider is for, which takes minutes to build.
func documentCLIs(t *testing.T) []cli {
	t.Helper()
	must(t, findCLI())
	paths := []string{os.Getenv("TF_ACC_TERRAFORM_PATH")}
	if os.Getenv("PGPLATFORM_LONG") != "" {
		for _, which := range []string{"--all", "--oldest"} {
			out, err := exec.CommandContext(t.Context(), filepath.Join(root, "bin", "platform"), "cli", which).Output()
			if err != nil {
				t.Fatalf("bin/platform cli %s: %v", which, err)
			}
			paths = append(paths, strings.Fields(string(out))...)
		}
	}
	var clis []cli
	for _, path := range paths {
		if !slices.ContainsFunc(clis, func(c cli) bool { return c.path == path }) {
			clis = append(clis, newCLI(t, path))
		}
	}
	return clis
}

var cliVersion = regexp.MustCompile(`(?m)^(Terraform|OpenTofu) v1\.(\d+)\.\S+`)

func newCLI(t *testing.T, path string) cli {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), path, "version").Output()
	must(t, err)
	found := cliVersion.FindStringSubmatch(string(out))
	if found == nil {
		t.Fatalf("%s has no version:\n%s", path, out)
	}
	minor, err := strconv.Atoi(found[2])
	must(t, err)
	return cli{path: path, name: found[0], openTofu: found[1] == "OpenTofu", minor: minor}
}

// remark is what a fence says of the first versions that take it.
type remark struct {
	page                string
	line                int
	terraform, openTofu int // their minor versions
}

var remarkPattern = regexp.MustCompile(`Terraform\s+1\.(\d+)(?:,| or| and)[\s#]+OpenTofu\s+1\.(\d+)`)

// remarkIn is the one of a text, whose newest versions count; nil where it has none.
func remarkIn(text, page string, line int) *remark {
	var r *remark
	for _, found := range remarkPattern.FindAllStringSubmatch(text, -1) {
		if r == nil {
			r = &remark{page: page, line: line}
		}
		terraform, _ := strconv.Atoi(found[1]) // digits
		openTofu, _ := strconv.Atoi(found[2])
		r.terraform, r.openTofu = max(r.terraform, terraform), max(r.openTofu, openTofu)
	}
	return r
}

// lastParagraph is the one that a text ends with, but for the marker.
func lastParagraph(text string) string {
	text = strings.TrimSpace(marker.ReplaceAllString(text, ""))
	return text[strings.LastIndex(text, "\n\n")+1:]
}

// refuses tells whether a CLI is too old for what has the remark.
func (c cli) refuses(r *remark) bool {
	return r != nil && (c.openTofu && c.minor < r.openTofu || !c.openTofu && c.minor < r.terraform)
}

// judged is what is wrong with how a CLI has taken a configuration: "" where its refusal, "" for none, is just what the remarks say.
func (s *pageConfig) judged(by cli, refusal string) string {
	expected := map[*remark]bool{}
	for _, b := range s.blocks {
		if by.refuses(b.remark) {
			expected[b.remark] = true
		}
	}
	met := map[*remark]bool{}
	for _, text := range errorsIn(refusal) {
		b, found := s.blamed(text)
		if !found || !expected[b.remark] {
			return refusal
		}
		met[b.remark] = true
	}
	if refusal != "" && len(met) == 0 {
		return refusal
	}
	var problems []string
	for r := range expected {
		if !met[r] {
			problems = append(problems, fmt.Sprintf("%s, line %d, is taken by %s, and says that it needs Terraform 1.%d or OpenTofu 1.%d",
				r.page, r.line, by.name, r.terraform, r.openTofu))
		}
	}
	slices.Sort(problems)
	return strings.Join(problems, "\n")
}

var (
	toldPattern  = regexp.MustCompile(`(?m)^(Error|Warning): `)
	placePattern = regexp.MustCompile(`\bon page\.tf line (\d+)`)
)

// errorsIn are the errors that a CLI has printed.
func errorsIn(output string) []string {
	var texts []string
	at := toldPattern.FindAllStringIndex(output, -1)
	for i, from := range at {
		to := len(output)
		if i+1 < len(at) {
			to = at[i+1][0]
		}
		if text := output[from[0]:to]; strings.HasPrefix(text, "Error") {
			texts = append(texts, text)
		}
	}
	return texts
}

// blamed is the block that an error is about. Of a block moved, OpenTofu before 1.10 has no line, but the address.
func (s *pageConfig) blamed(text string) (block, bool) {
	at := 0
	if place := placePattern.FindStringSubmatch(text); place != nil {
		at, _ = strconv.Atoi(place[1]) // digits
	}
	line := 1
	for _, b := range s.blocks {
		next := line + strings.Count(b.text, "\n") + 2 // with the empty line after it
		if line <= at && at < next {
			return b, true
		}
		if at == 0 && b.Type == "moved" && strings.Contains(words(text), " a move from "+traversal(b.Body.Attributes["from"])+" ") {
			return b, true
		}
		line = next
	}
	return block{}, false
}

// What a page says of versions is compared with what the CLI takes, both ways.
func TestDocumentsThatNeedOtherVersions(t *testing.T) {
	t.Parallel()
	must(t, findCLI())
	const (
		soon  = "# Terraform 1.99, OpenTofu 1.99\n"
		later = "variable \"a\" {\n  default = 1\n  eternal = true\n}\n"
		today = "variable \"b\" {\n  default = 1\n}\n"

		refused = `An argument named "eternal" is not expected here`
	)
	page := func(fences ...string) string {
		return "# A page\n\n```hcl\n" + strings.Join(fences, "```\n\n```hcl\n") + "```\n"
	}
	for name, c := range map[string]struct{ text, want string }{
		"in a comment":          {page(today + soon + later), ""},
		"just above":            {"It goes on, with Terraform 1.99 or\nOpenTofu 1.99 and later:\n\n" + strings.TrimPrefix(page(later), "# A page\n\n"), ""},
		"further above":         {soon[2:] + "\n" + page(later), refused},
		"nowhere":               {page(today + later), refused},
		"elsewhere":             {page(soon+today, later), refused},
		"too old":               {page("# Terraform 1.2, OpenTofu 1.6\n" + later), refused},
		"true of the past":      {page("# Terraform 1.2, OpenTofu 1.6\n" + today), ""},
		"no longer true":        {page(soon + today), "page.md, line 4, is taken by"},
		"no longer true of one": {page(soon+later, soon+today), "page.md, line 12, is taken by"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkProblems(t, c.text, c.want)
		})
	}
}
