package provider

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// troubleshootingPage is the page that says of each diagnostic what it comes of and what to do.
const troubleshootingPage = "../../templates/guides/troubleshooting.md"

// The page has a heading for each error and each warning that the provider can give, and for none else.
func TestThePageHasEveryDiagnostic(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(troubleshootingPage)
	if err != nil {
		t.Fatal(err)
	}
	given := summariesIn(t, ".")
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
	for _, diagnostic := range given {
		if !slices.Contains(told, diagnostic) {
			t.Errorf("%s lacks %q", troubleshootingPage, diagnostic)
		}
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
