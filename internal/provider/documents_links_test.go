package provider_test

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// project is where the repository lies for those who read a page elsewhere.
const project = "https://github.com/pgplatform/terraform-provider-pgplatform"

// Each link to something of the project leads to what there is: files, folders, headings.
func TestLinks(t *testing.T) {
	t.Parallel()
	names := pageNames(t)
	for _, pattern := range []string{".github/*.md", ".github/*.yml", ".github/ISSUE_TEMPLATE/*", "templates/*", "templates/*/*"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		must(t, err)
		for _, file := range found {
			name, err := filepath.Rel(root, file)
			must(t, err)
			if info, err := os.Stat(file); err == nil && !info.IsDir() {
				names = append(names, name)
			}
		}
	}
	links := 0
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(root, name))
		must(t, err)
		// What the templates leave out is in the pages that are made of them, and lies where these do.
		place := strings.TrimSuffix(strings.Replace(name, "templates/", "docs/", 1), ".tmpl")
		for _, link := range linksIn(string(text)) {
			links++
			if problem := leads(place, link); problem != "" {
				t.Errorf("%s: %s: %s", name, link, problem)
			}
		}
	}
	if links < 200 {
		t.Errorf("there are no more than %d links: this test looks at nothing", links)
	}
}

var (
	linkPatterns = []*regexp.Regexp{
		regexp.MustCompile(`\]\(([^()\s]+)\)`),
		regexp.MustCompile(`(?:src|srcset|href)="([^"]+)"`),
		regexp.MustCompile(`(` + regexp.QuoteMeta(project) + `[^\s"'()<>` + "`" + `]*)`),
	}
	codeSpan = regexp.MustCompile("`[^`\n]*`")
	heading  = regexp.MustCompile(`(?m)^#+ +(.*?) *$`)
	mark     = regexp.MustCompile(`<a id="([^"]+)"`)
)

// linksIn are the links of a page. What is code is no link, but where it is to be looked up.
func linksIn(text string) []string {
	prose := codeSpan.ReplaceAllString(fencePattern.ReplaceAllString(text, ""), "")
	var links []string
	for i, pattern := range linkPatterns {
		in := prose
		if i == len(linkPatterns)-1 {
			in = text
		}
		for _, found := range pattern.FindAllStringSubmatch(in, -1) {
			links = append(links, found[1])
		}
	}
	return links
}

// leads is what is wrong with a link of a page; "" where nothing is, or where it leads out of the project.
func leads(name, link string) string {
	target, anchor, _ := strings.Cut(link, "#")
	at := path.Join(path.Dir(name), target)
	own, ours := strings.CutPrefix(target, project)
	switch {
	case ours && (own == "" || own == "/"):
		at = "README.md"
	case ours && (strings.HasPrefix(own, "/tree/main/") || strings.HasPrefix(own, "/blob/main/")):
		at = own[len("/tree/main/"):]
		info, err := os.Stat(filepath.Join(root, at))
		if err == nil && info.IsDir() != strings.HasPrefix(own, "/tree/") {
			return "GitHub has folders in tree/ and files in blob/"
		}
	case ours && strings.HasPrefix(own, "/security/"):
		return ""
	case ours:
		return "no page of the repository that this test knows"
	case strings.Contains(target, ":"):
		return ""
	case target == "":
		at = name
	case strings.HasPrefix(name, "docs/") && !strings.HasPrefix(at, "docs/"):
		return "the registry has docs/ alone"
	}
	info, err := os.Stat(filepath.Join(root, at))
	if err != nil {
		return "leads nowhere"
	}
	if anchor == "" {
		return ""
	}
	if info.IsDir() {
		return "a folder has no headings"
	}
	text, err := os.ReadFile(filepath.Join(root, at))
	if err != nil {
		return err.Error()
	}
	if !anchors(string(text))[anchor] {
		return fmt.Sprintf("%s has no heading of that name", at)
	}
	return ""
}

// anchors are the names of the headings of a page, as GitHub and the registry make them, and its marks.
func anchors(text string) map[string]bool {
	found := map[string]bool{}
	for _, match := range mark.FindAllStringSubmatch(text, -1) {
		found[match[1]] = true
	}
	for _, match := range heading.FindAllStringSubmatch(fencePattern.ReplaceAllString(text, ""), -1) {
		name := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, match[1])
		for n, again := 1, name; ; n++ {
			if !found[again] {
				found[again] = true
				break
			}
			again = fmt.Sprintf("%s-%d", name, n)
		}
	}
	return found
}

// A link that leads nowhere is seen.
func TestLinksThatAreWrong(t *testing.T) {
	t.Parallel()
	for link, want := range map[string]string{
		"after-the-restore.md":                            "",
		"after-the-restoration.md":                        "leads nowhere",
		"troubleshooting.md#why-a-recovery-fails":         "",
		"troubleshooting.md#why-recoveries-fail":          "no heading",
		"../resources/restore.md#nestedatt--source":       "",
		"../resources/restore.md#nestedatt--origin":       "no heading",
		"#restore-to-a-moment":                            "",
		"#restore-to-an-hour":                             "no heading",
		"../../examples/rbac":                             "docs/ alone",
		project + "/tree/main/examples/rbac":              "",
		project + "/tree/main/examples/roles":             "leads nowhere",
		project + "/blob/main/examples/rbac":              "tree/",
		project + "#install-it":                           "",
		project + "#install-them":                         "no heading",
		project + "/wiki":                                 "no page",
		"https://cloudnative-pg.io/documentation/current": "",
	} {
		if got := leads("docs/guides/restore-after-data-loss.md", link); (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", link, got, want)
		}
	}
	text := "a [link](one.md), `[code](two.md)`\n```sh\n[code](three.md)\n# " + project + "/four\n```\n<img src=\"five.svg\">\n"
	if got, want := fmt.Sprint(linksIn(text)), "[one.md five.svg "+project+"/four]"; got != want {
		t.Errorf("the links are %s, want %s", got, want)
	}
}
