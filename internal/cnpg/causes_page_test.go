package cnpg

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// causesPage is the page whose table has all causes, and causesHeading the heading above that.
const (
	causesPage    = "../../templates/guides/troubleshooting.md"
	causesHeading = "## What a recovery fails of\n"
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
	return append(rows,
		causeRow("the same keys' errors, with `"+ownArchive+"` in the line", ownKeys),
		causeRow("a full volume, after other failures", Cause{Meaning: filledMeaning, Remedy: filledRemedy, Deterministic: true}),
		causeRow("`OOMKilled`", *statusCause(killed, false)),
		causeRow("`the pod's end is`", *statusCause(&corev1.Pod{Status: corev1.PodStatus{Reason: "Evicted"}}, false)),
		causeRow("`Unschedulable`", noNode),
		causeRow("`"+strings.Join(imageReasons, "`, `")+"`", noImage),
	)
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
