package provider_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// way is one of the ways out that errors print.
type way string

const (
	untaint way = "terraform untaint"
	reenter way = "terraform state rm and the import block"
)

// ways lead out of a tainted object; the faults of a story take them in turn.
var ways = []way{untaint, reenter}

var (
	printedUntaint = regexp.MustCompile(`(?m)^\s*terraform untaint (\S+)$`)
	printedImport  = regexp.MustCompile(`(?ms)^\s*import \{.*?\n\s*\}`)
)

// goOn goes on without faults, as somebody would who does what the errors say.
func (w *scene) goOn(t *testing.T, before *view, failed terraformtest.Diagnostics, out way) (problems []string) {
	t.Helper()
	tell := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	left := w.look()
	plan, diags := w.workspace.Plan(t.Context())
	// Of a Cluster that the story has made anew and not got ready, a create has recorded what it had planned: the rest a refresh tells.
	another := before.cluster != nil && left.cluster != nil && left.cluster.UID != before.cluster.UID
	if plan != nil && failed.HasError() && before.object != nil && left.object != nil && w.planned != nil && !another {
		// What stands in Kubernetes now is what this plan has refreshed; what stood there before is what the story's plan had.
		if change := plan.Change(w.story.subject().address); change != nil && !change.Before.IsNull() &&
			!left.object.Value.RawEquals(change.Before) && !left.object.Value.RawEquals(w.planned.Before) {
			tell("the state after the error is neither what stands there nor what it was before:\n%#v\n%#v", left.object.Value, change.Before)
		}
	}
	tainted := left.object != nil && left.object.Tainted && w.story.config != ""
	anew := tainted && w.story.of != nil && left.cluster != nil && cnpg.NeverReady(left.cluster) // a restore that holds nothing goes
	lost := left.object == nil && left.cluster != nil && !w.story.forgotten
	switch {
	case tainted && left.cluster != nil && !anew, lost:
		if !diags.HasError() {
			return append(problems, "the next plan does not refuse: "+plan.String())
		}
		if after := w.cluster(); after == nil || after.ResourceVersion != left.cluster.ResourceVersion {
			tell("the plan changed the Cluster")
		}
		if problem := w.leave(out, diags); problem != "" {
			return append(problems, problem)
		}
		plan, diags = w.workspace.Plan(t.Context())
	}
	if !diags.HasError() {
		diags = w.workspace.ApplyPlan(t.Context(), plan)
	}
	if diags.HasError() {
		return append(problems, "the next apply fails: "+diags.String())
	}
	problems = append(problems, w.reached()...)
	if !plan.Empty() {
		if plan, diags = w.workspace.Plan(t.Context()); diags.HasError() || !plan.Empty() {
			tell("the last plan is not empty: %v %s", plan, diags)
		}
	}
	if !w.story.deletes() && left.folder() != before.folder() && left.folder() != "" && w.look().folder() != left.folder() {
		tell("the archive was moved from %q to %q, and from there to %q", before.folder(), left.folder(), w.look().folder())
	}
	allowed := w.story.creates()
	if anew && left.made > before.made {
		allowed++
	}
	if made := w.look().made - before.made; made != allowed {
		tell("%d Clusters were made on the way; it takes %d", made, allowed)
	}
	return problems
}

// leave takes a way out of what a plan refuses, as the refusal prints it.
func (w *scene) leave(out way, refusal terraformtest.Diagnostics) (problem string) {
	command, block := printedUntaint.FindStringSubmatch(refusal.String()), printedImport.FindString(refusal.String())
	if command == nil || block == "" {
		return "the refusal does not print both ways out: " + refusal.String()
	}
	address := w.story.subject().address
	_, name, _ := strings.Cut(address, ".")
	object := w.workspace.Object(address)
	if object != nil && out == untaint {
		w.workspace.Untaint(strings.Replace(command[1], "NAME", name, 1))
		return ""
	}
	if object != nil {
		w.workspace.Forget(address)
	}
	w.workspace.Write(w.text(w.story.config, true) + strings.Replace(block, "NAME", name, 1))
	return ""
}
