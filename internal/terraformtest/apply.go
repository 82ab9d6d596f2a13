package terraformtest

import (
	"context"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/zclconf/go-cty/cty"
)

// ApplyPlan is terraform apply of a plan. What it leaves in the state is what core leaves: an object that the provider
// returns beside an error is kept, tainted where it was being created; nothing returned beside an error keeps what was
// there before.
func (w *Workspace) ApplyPlan(ctx context.Context, plan *Plan) Diagnostics {
	w.t.Helper()
	w.state = plan.refreshed
	if plan.Empty() {
		return nil
	}
	s, end, diags := w.begin(ctx)
	defer end()
	if diags.HasError() {
		return diags
	}
	for _, change := range plan.Changes {
		if change.Action == NoOp {
			continue
		}
		if change.Action == Delete || change.Action == Replace {
			if diags = append(diags, s.halted()...); diags.HasError() {
				return diags
			}
			more := w.delete(ctx, s, change)
			if diags = append(diags, more...); more.HasError() || change.Action == Delete {
				continue
			}
		}
		if diags = append(diags, s.halted()...); diags.HasError() {
			return diags
		}
		diags = append(diags, w.bring(ctx, s, change)...)
	}
	return diags
}

// Import is terraform import.
func (w *Workspace) Import(ctx context.Context, address, id string) Diagnostics {
	w.t.Helper()
	wanted := w.config.resources[address]
	if wanted == nil {
		w.t.Fatalf("the configuration has no %s", address)
	}
	s, end, diags := w.begin(ctx)
	defer end()
	if diags.HasError() {
		return diags
	}
	object, more := s.importOne(ctx, address, wanted.typeName, importTarget{id: id})
	if diags = append(diags, more...); !diags.HasError() {
		w.state[address] = object
	}
	return diags
}

// delete is the destroy half of a change.
func (w *Workspace) delete(ctx context.Context, s *session, change *Change) Diagnostics {
	of := s.schemas.resources[change.typeName]
	return w.request(ctx, s, &Change{
		Address: change.Address, Action: Delete, Before: change.Before, After: of.null(),
		typeName: change.typeName, private: change.private, identity: change.identity,
	}, of.null())
}

// bring is the other half: an object is created or updated. It is planned again first, since more may be known by now, and
// the plan must say the same; a replacement is by now a create of something that does not exist.
func (w *Workspace) bring(ctx context.Context, s *session, change *Change) Diagnostics {
	wanted := w.config.resources[change.Address]
	final, diags := s.planChange(ctx, change.Address, w.state[change.Address], wanted)
	if diags.HasError() {
		return diags
	}
	expected := change.Action
	if expected == Replace {
		expected = Create
	}
	if final.Action != expected && (expected != Update || final.Action != NoOp) {
		diags = append(diags, failure(inconsistentPlan, "%s: the planned action changed from %s to %s", change.Address, expected, final.Action))
	}
	for _, wrong := range differs(change.After, final.After, change.Address) {
		diags = append(diags, failure(inconsistentPlan, "%s", wrong))
	}
	if diags.HasError() || final.Action == NoOp {
		return diags
	}
	return append(diags, w.request(ctx, s, final, wanted.value)...)
}

// request applies one change and records what comes of it.
func (w *Workspace) request(ctx context.Context, s *session, change *Change, config cty.Value) Diagnostics {
	of := s.schemas.resources[change.typeName]
	answer, err := s.server.ApplyResourceChange(ctx, &tfprotov6.ApplyResourceChangeRequest{
		TypeName: change.typeName, PriorState: s.encode(change.Before, of), PlannedState: s.encode(change.After, of), Config: s.encode(config, of),
		PlannedPrivate: change.private, PlannedIdentity: change.identity,
	})
	if err != nil {
		return broken(err)
	}
	diags := Diagnostics(answer.Diagnostics)
	value, err := s.decode(answer.NewState, of)
	if err != nil {
		return append(diags, failure(invalidObject, "%s: %v", change.Address, err))
	}
	_ = cty.Walk(value, func(path cty.Path, v cty.Value) (bool, error) { // the function returns no error
		if !v.IsKnown() {
			diags = append(diags, failure(invalidResult, "%s: unknown after apply at %#v", change.Address, path))
		}
		return true, nil
	})
	value = cty.UnknownAsNull(value)
	if change.Action != Delete && !diags.HasError() && !value.IsNull() {
		for _, wrong := range differs(change.After, value, change.Address) {
			diags = append(diags, failure(inconsistentResult, "%s", wrong))
		}
		diags = append(diags, s.identified(change.Address, of, answer.NewIdentity)...)
	}
	if gone := change.Action == Delete; gone != value.IsNull() && !diags.HasError() {
		diags = append(diags, failure(invalidResult, "%s: the provider returned %#v after a %s", change.Address, value, change.Action))
	}
	before := w.state[change.Address]
	switch {
	case value.IsNull() && diags.HasError(): // what was there stays
	case value.IsNull():
		delete(w.state, change.Address)
	default:
		w.state[change.Address] = &Object{
			Type: change.typeName, Value: value, private: answer.Private, identity: answer.NewIdentity,
			Tainted: diags.HasError() && (change.Action == Create || before != nil && before.Tainted),
		}
	}
	return diags
}
