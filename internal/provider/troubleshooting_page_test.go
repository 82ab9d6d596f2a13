package provider

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// troubleshootingPage is the page that says of each diagnostic what it comes of and what to do.
const troubleshootingPage = "../../templates/guides/troubleshooting.md"

// SummariesOfOthers are the errors that the framework, its validators and Terraform print in the provider's name, of what somebody has
// written or done. TestSummariesOfOthers provokes each.
var SummariesOfOthers = []string{
	"Error: Cannot import non-existent remote object",
	"Error: Invalid Attribute Combination",
	"Error: Invalid Attribute Value Length",
	"Error: Invalid Attribute Value Match",
	"Error: Invalid Configuration for Read-Only Attribute",
	"Error: Missing Configuration for Required Attribute",
	"Error: Null List Value",
	"Error: Null Map Value",
	"Error: Provider produced inconsistent final plan",
}

// SummariesTold are the errors and warnings that the page has to tell of.
func SummariesTold(t *testing.T) []string {
	t.Helper()
	return append(summariesIn(t, "."), SummariesOfOthers...)
}

// The page has a heading for each error and each warning that the provider can give, or that others give in its name, and for none else.
// Under each it tells the cause and the remedy.
func TestThePageHasEveryDiagnostic(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(troubleshootingPage)
	if err != nil {
		t.Fatal(err)
	}
	given := SummariesTold(t)
	var told []string
	for line := range strings.Lines(string(page)) {
		heading, ok := strings.CutPrefix(strings.TrimSpace(line), "### ")
		if !ok {
			continue
		}
		if slices.Contains(told, heading) {
			t.Errorf("%s has the heading %q twice", troubleshootingPage, heading)
		}
		told = append(told, heading)
		if !slices.Contains(given, heading) {
			t.Errorf("%s tells of %q, which the provider never gives", troubleshootingPage, heading)
		}
	}
	for _, wrong := range untold(string(page)) {
		t.Errorf("%s: %s", troubleshootingPage, wrong)
	}
	for _, diagnostic := range given {
		if !slices.Contains(told, diagnostic) {
			t.Errorf("%s lacks %q", troubleshootingPage, diagnostic)
		}
	}
}

// untold are the headings of a page under which the cause or the remedy is missing. A table of causes says in its last column what
// to do.
func untold(page string) []string {
	var wrong []string
	var heading, text string
	end := func() {
		both := causeAndRemedy.MatchString(text)
		if heading != "" && !both && !saysCause.MatchString(text) {
			wrong = append(wrong, heading+" has no cause")
		}
		if heading != "" && !both && !saysRemedy.MatchString(text) {
			wrong = append(wrong, heading+" has no remedy")
		}
		heading, text = "", ""
	}
	for line := range strings.Lines(page) {
		if title, ok := strings.CutPrefix(line, "### "); ok {
			end()
			heading = strings.TrimSpace(title)
			continue
		}
		if strings.HasPrefix(line, "## ") {
			end()
		}
		text += line
	}
	end()
	return wrong
}

var (
	causeAndRemedy = regexp.MustCompile(`(?m)^\*\*Cause and remedy:\*\* \S`)
	saysCause      = regexp.MustCompile(`(?m)^\*\*Cause:\*\* \S`)
	saysRemedy     = regexp.MustCompile(`(?m)^\*\*Remedy:\*\* \S|^\|.*\| do \|\n\|[-|]+\|\n\|.*\| *[^ |][^|]* \|$`)
)

// A cause and a remedy that are missing are found.
func TestUntold(t *testing.T) {
	t.Parallel()
	got := untold(`# A page
### Error: Both
**Cause:** a
**Remedy:** b
### Error: In One
**Cause and remedy:** a
### Error: By a Table
**Cause:** one of these:

| it says | do |
|---|---|
| a | b |
### Error: By a Table Without a Row
**Cause:** one of these:

| it says | do |
|---|---|

### Error: Nothing
### Warning: No Remedy
**Cause:** a
**Remedy:**
### Warning: No Cause
**Remedy:** b
## A part
**Cause:** of nothing
### Error: The Last
`)
	want := []string{
		"Error: By a Table Without a Row has no remedy", "Error: Nothing has no cause", "Error: Nothing has no remedy", "Warning: No Remedy has no remedy",
		"Warning: No Cause has no cause", "Error: The Last has no cause", "Error: The Last has no remedy",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// The sources are read in all the ways in which a summary comes to a diagnostic.
func TestSummariesAreFound(t *testing.T) {
	t.Parallel()
	got := summariesIn(t, "testdata/summaries")
	want := []string{
		"Error: A Constant", "Error: A Field", "Error: A Result", "Error: An Argument", "Error: Another Argument", "Error: At an Attribute",
		"Error: Made as a Value", "Error: Unable to Read One", "Error: Unable to Read Two", "Warning: A Warning",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
