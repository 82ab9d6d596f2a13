// Package terraformtest plays Terraform for tests, in their own process: it reads a configuration, keeps a state, and
// calls a provider over the plugin protocol in the order in which Terraform core calls it, with core's own checks of what
// the provider answers. A plan and an apply take milliseconds, so that tests can make thousands.
//
// It knows what resources need: plan, apply, replacement, destroy, import, taint and identity. Configurations are written
// in HCL with provider, resource, data, ephemeral and import blocks whose values are literals; there are no references or
// modules. Schemas with nested blocks are not played. The word unknown stands for what a plan does not know, such as the
// attribute of another resource that is still to be made: a plan is made with it, and applied when Write has put the value
// into its place.
//
// That it does what Terraform does is shown by TestDriverDoesWhatTerraformDoes in internal/provider, which runs both.
package terraformtest

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"github.com/zclconf/go-cty/cty"
)

// Providers are constructors of providers by their local names, as terraform-plugin-testing takes them. Only one is played.
type Providers = map[string]func() (tfprotov6.ProviderServer, error)

// Workspace is a configuration and a state, as a directory is to Terraform. Its methods are Terraform's commands; all but
// Interrupt must be called one after the other.
type Workspace struct {
	t      testing.TB
	serve  func() (tfprotov6.ProviderServer, error)
	schema *schemas
	config configuration
	state  map[string]*Object

	mu      sync.Mutex
	running *session // the command that runs, nil between commands
}

// Object is a resource in the state.
type Object struct {
	// Type is the resource's, such as pgplatform_database.
	Type string
	// Value has the type of the resource's schema, and no unknown values.
	Value cty.Value
	// Tainted marks what a failed create left.
	Tainted bool

	private  []byte
	identity *tfprotov6.ResourceIdentityData
}

// Private are the data that the provider keeps beside the value.
func (o *Object) Private() []byte { return o.private }

// New makes a workspace with an empty configuration and an empty state.
func New(t testing.TB, providers Providers) *Workspace {
	t.Helper()
	w := (&Workspace{state: map[string]*Object{}}).Copy(t, providers)
	server, err := w.serve()
	if err != nil {
		t.Fatal(err)
	}
	w.schema, err = readSchemas(context.Background(), server)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// Copy is a workspace with the same configuration and state, for other servers of the same provider.
func (w *Workspace) Copy(t testing.TB, providers Providers) *Workspace {
	t.Helper()
	if len(providers) != 1 {
		t.Fatalf("terraformtest plays one provider, not %d", len(providers))
	}
	other := &Workspace{t: t, schema: w.schema, config: w.config, state: maps.Clone(w.state)}
	for _, serve := range providers {
		other.serve = serve
	}
	return other
}

// Write replaces the configuration.
func (w *Workspace) Write(text string) {
	w.t.Helper()
	if err := w.TryWrite(text); err != nil {
		w.t.Fatalf("%v\n%s", err, text)
	}
}

// TryWrite is Write for a configuration that Terraform itself may refuse, such as one with an unknown attribute.
func (w *Workspace) TryWrite(text string) error {
	config, err := w.schema.parse(text)
	if err == nil {
		w.config = config
	}
	return err
}

// Object is what the state holds at an address such as pgplatform_database.db; nil where it holds nothing.
func (w *Workspace) Object(address string) *Object { return w.state[address] }

// Addresses are those of all that the state holds.
func (w *Workspace) Addresses() []string { return slices.Sorted(maps.Keys(w.state)) }

// Attribute is a value of an object, by the names on the way to it.
func (o *Object) Attribute(names ...string) cty.Value {
	value := o.Value
	for _, name := range names {
		value = value.GetAttr(name)
	}
	return value
}

// Identity is the identity of an object, by the names of its parts; nil where the provider has given none. Parts that are no
// strings are not played.
func (w *Workspace) Identity(address string) map[string]string {
	w.t.Helper()
	object := w.state[address]
	if object == nil || object.identity == nil || object.identity.IdentityData == nil {
		return nil
	}
	value, err := object.identity.IdentityData.Unmarshal(w.schema.resources[object.Type].identity)
	if err != nil {
		w.t.Fatal(err)
	}
	parts := map[string]tftypes.Value{}
	if err := value.As(&parts); err != nil {
		w.t.Fatal(err)
	}
	identity := map[string]string{}
	for name, part := range parts {
		var text string
		if err := part.As(&text); err != nil {
			w.t.Fatal(err)
		}
		identity[name] = text
	}
	return identity
}

// Untaint is terraform untaint.
func (w *Workspace) Untaint(address string) { w.mark(address, false) }

// Taint is terraform taint.
func (w *Workspace) Taint(address string) { w.mark(address, true) }

func (w *Workspace) mark(address string, tainted bool) {
	w.t.Helper()
	object := w.state[address]
	if object == nil {
		w.t.Fatalf("the state holds no %s", address)
	}
	marked := *object
	marked.Tainted = tainted
	w.state[address] = &marked
}

// Forget is terraform state rm.
func (w *Workspace) Forget(address string) { delete(w.state, address) }

// Apply is terraform apply: a plan and, where that has no errors, its execution.
func (w *Workspace) Apply(ctx context.Context) Diagnostics {
	plan, diags := w.Plan(ctx)
	if diags.HasError() {
		return diags
	}
	return append(diags, w.ApplyPlan(ctx, plan)...)
}

// Destroy is terraform destroy.
func (w *Workspace) Destroy(ctx context.Context) Diagnostics {
	plan, diags := w.PlanDestroy(ctx)
	if diags.HasError() {
		return diags
	}
	return append(diags, w.ApplyPlan(ctx, plan)...)
}

// Interrupt is Ctrl-C: the provider is told to stop, and the command that runs begins nothing more. It may be called
// while a command runs, such as by a server that the provider talks to.
func (w *Workspace) Interrupt() {
	w.mu.Lock()
	running := w.running
	w.mu.Unlock()
	if running != nil {
		running.interrupt()
	}
}
