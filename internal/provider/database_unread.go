package provider

import (
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/diag"
)

// unread tells that a state knows which database it stands for, and nothing else of it: after an import or a move, until the
// refresh that follows.
func (m *databaseModel) unread() bool { return m.Status.IsNull() && m.Instances.IsNull() }

// refuseUnread refuses to change a database that was never read: what is left open by the configuration would be planned as
// for a new one, with another image, fewer instances and another folder for its archive perhaps.
func refuseUnread(state *databaseModel, summary string, diags *diag.Diagnostics) bool {
	if !state.unread() {
		return false
	}
	diags.AddError(summary, paragraphs(
		fmt.Sprintf("The database %s was never read since it came into the state, as by a block moved, so what a change does to it is not known.", state.key()),
		"Plan again with a refresh, without -refresh=false. Nothing was changed."))
	return true
}

// readFirst says how to have a database read that is imported or moved while nobody knows how to reach it. The state of before
// stays.
func readFirst(state *databaseModel) string {
	return paragraphs(sentence(errNotKnown),
		fmt.Sprintf("The database %s was never read since it came into the state, so nothing can be planned for it. "+
			"First apply what decides the provider's configuration, with terraform apply -target, and then the rest. Nothing was changed.", state.key()))
}
