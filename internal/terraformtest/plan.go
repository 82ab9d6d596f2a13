package terraformtest

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"github.com/zclconf/go-cty/cty"
)

// Action is what a plan does with a resource.
type Action string

// The actions, as Terraform's JSON names them, but for Replace, which is delete and create there.
const (
	NoOp    Action = "no-op"
	Create  Action = "create"
	Update  Action = "update"
	Replace Action = "replace"
	Delete  Action = "delete"
)

// Change is what a plan has for one resource.
type Change struct {
	Address string
	Action  Action
	// Before and After are null where the object does not exist; After has unknown values.
	Before cty.Value
	After  cty.Value

	typeName string
	private  []byte
	identity *tfprotov6.ResourceIdentityData
}

// Plan is what terraform plan makes: the state as it was refreshed, and the changes, in the order of their addresses.
type Plan struct {
	Changes []*Change

	refreshed map[string]*Object
}

// Empty tells whether there is nothing to do.
func (p *Plan) Empty() bool {
	return !slices.ContainsFunc(p.Changes, func(c *Change) bool { return c.Action != NoOp })
}

// Action is what is done with the resource of an address; "" where the plan does not know it.
func (p *Plan) Action(address string) Action {
	if c := p.Change(address); c != nil {
		return c.Action
	}
	return ""
}

// Change is that of an address; nil where the plan does not know it.
func (p *Plan) Change(address string) *Change {
	i := slices.IndexFunc(p.Changes, func(c *Change) bool { return c.Address == address })
	if i < 0 {
		return nil
	}
	return p.Changes[i]
}

// Plan is terraform plan. There is none beside errors.
func (w *Workspace) Plan(ctx context.Context) (*Plan, Diagnostics) {
	w.t.Helper()
	s, end, diags := w.begin(ctx)
	defer end()
	if diags.HasError() {
		return nil, diags
	}
	plan := &Plan{refreshed: maps.Clone(w.state)}
	addresses := slices.AppendSeq(w.Addresses(), maps.Keys(w.config.resources))
	slices.Sort(addresses)
	for _, address := range slices.Compact(addresses) {
		if diags = append(diags, s.halted()...); diags.HasError() {
			return nil, diags
		}
		wanted := w.config.resources[address]
		object, more := w.current(ctx, s, address, wanted)
		if diags = append(diags, more...); more.HasError() {
			continue
		}
		delete(plan.refreshed, address)
		if object != nil {
			plan.refreshed[address] = object
		}
		change, more := s.change(ctx, address, object, wanted)
		diags = append(diags, more...)
		if change != nil {
			plan.Changes = append(plan.Changes, change)
		}
	}
	if diags.HasError() {
		return nil, diags
	}
	return plan, diags
}

// PlanDestroy is terraform plan -destroy. Terraform refreshes by an ordinary plan of the configuration first, whose errors
// are the destroy's too.
func (w *Workspace) PlanDestroy(ctx context.Context) (*Plan, Diagnostics) {
	w.t.Helper()
	ordinary, diags := w.Plan(ctx)
	if diags.HasError() {
		return nil, diags
	}
	s, end, diags := w.begin(ctx)
	defer end()
	if diags.HasError() {
		return nil, diags
	}
	plan := &Plan{refreshed: ordinary.refreshed}
	for _, address := range slices.Sorted(maps.Keys(plan.refreshed)) {
		change, more := s.planDelete(ctx, address, plan.refreshed[address])
		if diags = append(diags, more...); !more.HasError() {
			plan.Changes = append(plan.Changes, change)
		}
	}
	if diags.HasError() {
		return nil, diags
	}
	return plan, diags
}

// current is the object of an address as it stands now: read anew, or imported; nil where there is none.
func (w *Workspace) current(ctx context.Context, s *session, address string, wanted *resourceConfig) (*Object, Diagnostics) {
	object := w.state[address]
	if target, named := w.config.imports[address]; object == nil && wanted != nil && named {
		return s.importOne(ctx, address, wanted.typeName, target)
	}
	if object == nil {
		return nil, nil
	}
	upgraded, diags := s.upgrade(ctx, object)
	if diags.HasError() {
		return nil, diags
	}
	read, more := s.refresh(ctx, address, upgraded)
	return read, append(diags, more...)
}

// change plans one resource.
func (s *session) change(ctx context.Context, address string, object *Object, wanted *resourceConfig) (*Change, Diagnostics) {
	switch {
	case object == nil && wanted == nil:
		return nil, nil
	case wanted == nil:
		return s.planDelete(ctx, address, object)
	}
	change, diags := s.planChange(ctx, address, object, wanted)
	if diags.HasError() {
		return nil, diags
	}
	if change.Action == Create && object != nil { // it is tainted
		change.Action, change.Before = Replace, object.Value
	}
	return change, diags
}

func (s *session) planDelete(ctx context.Context, address string, object *Object) (*Change, Diagnostics) {
	of := s.schemas.resources[object.Type]
	change := &Change{Address: address, Action: Delete, Before: object.Value, After: of.null(), typeName: object.Type}
	answer, diags := s.planRequest(ctx, change, of.null(), object.Value, of.null(), object.private, object.identity)
	if diags.HasError() {
		return nil, diags
	}
	if !change.After.IsNull() {
		return nil, append(diags, failure(invalidPlan, "%s: planned %#v for a destroy", address, change.After))
	}
	change.private, change.identity = answer.PlannedPrivate, answer.PlannedIdentity
	return change, diags
}

// planChange plans a resource that the configuration has. A tainted object is planned as if it were not there; an object
// that is to be replaced is planned a second time in that way, with the private data of the first plan.
func (s *session) planChange(ctx context.Context, address string, object *Object, wanted *resourceConfig) (*Change, Diagnostics) {
	of := s.schemas.resources[wanted.typeName]
	validated, err := s.server.ValidateResourceConfig(ctx, &tfprotov6.ValidateResourceConfigRequest{
		TypeName: wanted.typeName, Config: s.encode(wanted.value, of),
		ClientCapabilities: &tfprotov6.ValidateResourceConfigClientCapabilities{WriteOnlyAttributesAllowed: true},
	})
	if err != nil {
		return nil, broken(err)
	}
	diags := Diagnostics(validated.Diagnostics)
	if diags.HasError() {
		return nil, diags
	}
	prior, private, identity := of.null(), []byte(nil), nullIdentity(of)
	if object != nil && !object.Tainted {
		prior, private, identity = object.Value, object.private, object.identity
	}
	change := &Change{Address: address, Before: prior, typeName: wanted.typeName}
	answer, more := s.planRequest(ctx, change, wanted.value, prior, proposed(of.attributes, prior, wanted.value), private, identity)
	if diags = append(diags, more...); diags.HasError() {
		return nil, diags
	}
	for _, wrong := range disobeyed(of.attributes, prior, wanted.value, change.After, address) {
		diags = append(diags, failure(invalidPlan, "%s", wrong))
	}
	if diags.HasError() {
		return nil, diags
	}
	switch {
	case prior.IsNull():
		change.Action = Create
	case change.After.RawEquals(prior):
		change.Action = NoOp
	case requiresReplace(answer.RequiresReplace, prior, change.After):
		change.Action = Replace
		null := of.null()
		// The warnings of the first plan would only be repeated.
		answer, more = s.planRequest(ctx, change, wanted.value, null, proposed(of.attributes, null, wanted.value), answer.PlannedPrivate, nullIdentity(of))
		if more.HasError() {
			return nil, append(diags, more...)
		}
	default:
		change.Action = Update
	}
	change.private, change.identity = answer.PlannedPrivate, answer.PlannedIdentity
	return change, diags
}

// planRequest asks the provider for a plan and takes what it plans over into the change.
func (s *session) planRequest(ctx context.Context, change *Change, config, prior, proposal cty.Value, private []byte,
	identity *tfprotov6.ResourceIdentityData,
) (*tfprotov6.PlanResourceChangeResponse, Diagnostics) {
	of := s.schemas.resources[change.typeName]
	answer, err := s.server.PlanResourceChange(ctx, &tfprotov6.PlanResourceChangeRequest{
		TypeName: change.typeName, Config: s.encode(config, of), PriorState: s.encode(prior, of), ProposedNewState: s.encode(proposal, of),
		PriorPrivate: private, PriorIdentity: identity, ClientCapabilities: &tfprotov6.PlanResourceChangeClientCapabilities{},
	})
	if err != nil {
		return nil, broken(err)
	}
	diags := Diagnostics(answer.Diagnostics)
	if diags.HasError() {
		return nil, diags
	}
	planned, err := s.decode(answer.PlannedState, of)
	if err != nil {
		return nil, append(diags, failure(invalidPlan, "%s: %v", change.Address, err))
	}
	change.After = planned
	return answer, diags
}

// requiresReplace tells whether one of the paths leads to a value that changes.
func requiresReplace(paths []*tftypes.AttributePath, prior, planned cty.Value) bool {
	return slices.ContainsFunc(paths, func(path *tftypes.AttributePath) bool {
		return !follow(prior, path).RawEquals(follow(planned, path))
	})
}

// follow is the value at a path; null where there is none.
func follow(value cty.Value, path *tftypes.AttributePath) cty.Value {
	for _, step := range path.Steps() {
		if value.IsNull() || !value.IsKnown() {
			return value
		}
		switch step := step.(type) {
		case tftypes.AttributeName:
			value = value.GetAttr(string(step))
		case tftypes.ElementKeyString:
			value = at(value, cty.StringVal(string(step)))
		case tftypes.ElementKeyInt:
			value = at(value, cty.NumberIntVal(int64(step)))
		default: // elements of sets have no names; the whole set is compared
			return value
		}
	}
	return value
}

// String is the plan in short: one line for each change that does something.
func (p *Plan) String() string {
	var lines []string
	for _, c := range p.Changes {
		if c.Action != NoOp {
			lines = append(lines, string(c.Action)+" "+c.Address)
		}
	}
	return strings.Join(lines, "\n")
}
