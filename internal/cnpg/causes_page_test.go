package cnpg

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// causesPage is the page whose table has all causes, and causesHeading the heading above that.
const (
	causesPage    = "../../templates/guides/troubleshooting.md"
	causesHeading = "## Why a recovery fails\n"
)

// causeRow is a cause as a row of the table: what says it, what that means, what to do, and whether the recovery is tried again.
func causeRow(said string, cause Cause) string {
	again := "yes"
	if cause.Deterministic {
		again = "no"
	}
	return fmt.Sprintf("| %s | %s | %s | %s |", said, cause.Meaning, cause.Remedy, again)
}

// causeRows are the rows that the table should have.
func causeRows() []string {
	var rows []string
	for _, known := range knownCauses {
		rows = append(rows, causeRow("`"+strings.Join(known.patterns, "`, `")+"`", known.cause))
	}
	ownKeys := refusedKeys
	ownKeys.Meaning, ownKeys.Remedy = ownKeysMeaning, ownKeysRemedy
	killed := &corev1.Pod{Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{
		{State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "OOMKilled"}}},
	}}}
	for _, known := range archivingCauses {
		if !strings.Contains(strings.Join(rows, "\n"), "| "+known.cause.Meaning+" |") && known.cause.Meaning != noStore.Meaning {
			rows = append(rows, causeRow("`"+strings.Join(known.patterns, "`, `")+"`", known.cause))
		}
	}
	return append(rows,
		causeRow("the same keys' errors, with `"+ownArchive+"` in the line", ownKeys),
		causeRow("a full volume, after other failures", Cause{Meaning: filledMeaning, Remedy: filledRemedy, Deterministic: true}),
		causeRow("`OOMKilled`", *statusCause(killed, false)),
		causeRow("`the pod's end is`", *statusCause(&corev1.Pod{Status: corev1.PodStatus{Reason: "Evicted"}}, false)),
		causeRow("`Unschedulable`", noNode),
		causeRow("`"+strings.Join(imageReasons, "`, `")+"`", noImage),
		causeRow("the same of the container `"+pluginContainer+"`", noPluginImage),
		causeRow("`FailedMount` of `"+certificatesVolume+"`", noCertificate),
		causeRow("`ObjectStore …: does not exist`", noStore),
	)
}

// meanings are how those begin that the package's sources write out.
func meanings(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, name := range names {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if pair, ok := n.(*ast.KeyValueExpr); ok && !strings.HasSuffix(name, "_test.go") {
				if key, ok := pair.Key.(*ast.Ident); ok && key.Name == "Meaning" {
					all = append(all, literally(pair.Value))
				}
			}
			return true
		})
	}
	return all
}

// literally is the literal that a text begins with; "" for none.
func literally(text ast.Expr) string {
	switch text := text.(type) {
	case *ast.BinaryExpr:
		return literally(text.X)
	case *ast.BasicLit:
		value, _ := strconv.Unquote(text.Value) // a number is no meaning
		return value
	}
	return ""
}

// The page says of each cause what the error says of it, and of no other.
func TestThePageHasEveryCauseOfAFailedRecovery(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(causesPage)
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), causesHeading)
	if !found {
		t.Fatalf("%s has no heading %q", causesPage, causesHeading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var rows []string
	for line := range strings.Lines(section) {
		if strings.HasPrefix(line, "|") {
			rows = append(rows, strings.TrimSuffix(line, "\n"))
		}
	}
	if len(rows) < 2 {
		t.Fatalf("%s has no table under %q", causesPage, causesHeading)
	}
	has, wants := rows[2:], causeRows() // below the head
	for _, meaning := range meanings(t) {
		if !strings.Contains(strings.Join(wants, "\n"), "| "+meaning) {
			t.Errorf("causeRows lacks the cause %q", meaning)
		}
	}
	for _, row := range wants {
		if !slices.Contains(has, row) {
			t.Errorf("%s lacks the row\n%s", causesPage, row)
		}
	}
	for _, row := range has {
		if !slices.Contains(wants, row) {
			t.Errorf("%s has a row that is no cause, or not as the code has it\n%s", causesPage, row)
		}
	}
}
