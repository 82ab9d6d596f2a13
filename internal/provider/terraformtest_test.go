package provider_test

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	ctyjson "github.com/zclconf/go-cty/cty/json"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// playedStep is a plan and an apply, by the driver and by the CLI.
type playedStep struct {
	config  string // of resources
	before  func(*fakes)
	taint   bool
	destroy bool
	action  terraformtest.Action
	fails   *regexp.Regexp
}

// The driver of internal/terraformtest does what Terraform does: the same steps through both come to the same actions,
// errors and states, and every request that the driver makes of the provider is one that Terraform makes too, in the same
// order and with the same values. (Terraform makes more: the test framework has it plan several times.)
func TestDriverDoesWhatTerraformDoes(t *testing.T) {
	t.Parallel()
	const (
		backups  = "backup = { schedule = \"0 2 * * *\" }\n"
		eight    = "parameters = { work_mem = \"8MB\" }\n"
		sixteen  = "parameters = { work_mem = \"16MB\", log_statement = \"all\" }\n"
		importIt = "import {\n  to = pgplatform_database.db\n  id = \"myorg/my-db\"\n}\n"
	)
	forbidSecrets := func(f *fakes) {
		f.kube.Fail(apitest.Each(apitest.VerbApply, "secrets", apitest.Fault{Status: 403}))
	}
	scenarios := map[string][]playedStep{
		"a life": {
			{config: database(unprotected + backups + eight), action: terraformtest.Create},
			{config: database(unprotected + backups + eight), action: terraformtest.NoOp},
			{config: database(backups + sixteen + `org_id = "acme"`), action: terraformtest.Update},
			{config: database(unprotected + sixteen + `org_id = "acme"`), action: terraformtest.Update},
			{config: database("deletion_protection = true\n" + sixteen), action: terraformtest.Update},
			{config: strings.Replace(database(sixteen), "my-db", "other", 1), fails: says("Database Is Protected")},
			{config: database(unprotected + sixteen), action: terraformtest.Update},
			{config: strings.Replace(database(unprotected+backups), "my-db", "other", 1), action: terraformtest.Replace},
			{config: strings.Replace(database(unprotected+backups), "my-db", "other", 1), destroy: true, action: terraformtest.Delete},
		},
		"a create that fails": {
			{config: database(unprotected + backups), before: forbidSecrets, action: terraformtest.Create, fails: says("Unable to Create Database", "marked as tainted")},
			{config: database(unprotected + backups), fails: says("Database Already Exists", "terraform untaint")},
		},
		"an update that fails": {
			{config: database(unprotected + eight), action: terraformtest.Create},
			{config: database(unprotected + backups + sixteen), before: forbidSecrets, action: terraformtest.Update, fails: says("Unable to Update Database")},
			{config: database(unprotected + backups + sixteen), before: func(f *fakes) { f.kube.Fail(nil) }, action: terraformtest.Update},
		},
		"drift": {
			{config: database(unprotected + backups + eight), action: terraformtest.Create},
			{
				config: database(unprotected + backups + eight), action: terraformtest.Update,
				before: func(f *fakes) { apitest.Delete[cnpgv1.ScheduledBackup](f.kube, fakeNamespace, "my-db") },
			},
			{
				config: database(unprotected + backups + eight), action: terraformtest.Create,
				before: func(f *fakes) { apitest.Delete[cnpgv1.Cluster](f.kube, fakeNamespace, "my-db") },
			},
		},
		"tainted": {
			{config: database(unprotected), action: terraformtest.Create},
			{config: database(unprotected), taint: true, fails: says("Database Already Exists")},
			{config: database(unprotected), destroy: true, fails: says("Database Already Exists")},
		},
		"imported": {
			{
				config: importIt + database(unprotected+"instances = 2\nstorage = { size = \"7Gi\" }"), action: terraformtest.Update,
				before: func(f *fakes) {
					f.kube.Put(&cnpgv1.Cluster{
						ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "my-db"},
						Spec:       cnpgv1.ClusterSpec{Instances: 2, StorageConfiguration: cnpgv1.StorageConfiguration{Size: "7Gi"}},
					})
				},
			},
		},
	}
	for name, steps := range scenarios {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cli, driver := playOnCLI(t, steps), playOnDriver(t, steps)
			for i := range steps {
				if cli.states[i] != driver.states[i] {
					t.Errorf("step %d: Terraform's state is\n%s\nthe driver's\n%s", i+1, cli.states[i], driver.states[i])
				}
				if cli.actions[i] != driver.actions[i] || driver.actions[i] != steps[i].action {
					t.Errorf("step %d: Terraform does %q, the driver %q, expected was %q", i+1, cli.actions[i], driver.actions[i], steps[i].action)
				}
			}
			at := 0
			for _, request := range driver.requests {
				found := slices.Index(cli.requests[at:], request)
				if found < 0 {
					t.Fatalf("Terraform does not make this request of the driver's at its place:\n%s\nbut these:\n%s", request, strings.Join(cli.requests[at:], "\n"))
				}
				at += found
			}
			if len(driver.requests) < len(steps) {
				t.Errorf("only %d requests of the driver were compared", len(driver.requests))
			}
		})
	}
}

// played is what came of each step.
type played struct {
	actions  []terraformtest.Action
	states   []string
	requests []string
}

func newPlayed(steps []playedStep) *played {
	return &played{actions: make([]terraformtest.Action, len(steps)), states: make([]string, len(steps))}
}

func playOnDriver(t *testing.T, steps []playedStep) *played {
	t.Helper()
	f, p, record := operated(t), newPlayed(steps), &requestRecord{}
	workspace := terraformtest.New(t, record.providers())
	for i, step := range steps {
		if step.before != nil {
			step.before(f)
		}
		if step.taint {
			workspace.Taint(db)
		}
		workspace.Write(f.config(step.config))
		command := workspace.Plan
		if step.destroy {
			command = workspace.PlanDestroy
		}
		plan, diags := command(t.Context())
		if !diags.HasError() {
			p.actions[i] = plan.Action(db)
			diags = workspace.ApplyPlan(t.Context(), plan)
		}
		if step.fails != nil {
			if !step.fails.MatchString(diags.Errors().String()) {
				t.Errorf("step %d: the driver says %s", i+1, diags)
			}
			continue
		}
		if diags.HasError() {
			t.Fatalf("step %d: %s", i+1, diags)
		}
		object := workspace.Object(db)
		if step.destroy {
			if object != nil {
				t.Errorf("step %d: the driver destroyed nothing", i+1)
			}
			continue
		}
		text, err := ctyjson.Marshal(object.Value, object.Value.Type())
		must(t, err)
		var values any
		must(t, json.Unmarshal(text, &values))
		p.states[i] = stateText(t, values)
	}
	p.requests = record.texts()
	return p
}

func playOnCLI(t *testing.T, steps []playedStep) *played {
	t.Helper()
	f, p, record := operated(t), newPlayed(steps), &requestRecord{}
	must(t, findCLI())
	var testSteps []resource.TestStep
	for i, step := range steps {
		testStep := resource.TestStep{
			Config:      f.config(step.config),
			Destroy:     step.destroy,
			ExpectError: step.fails,
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{planSeen(func(actions []string) {
				p.actions[i] = terraformtest.Action(strings.Join(actions, "+"))
				if len(actions) > 1 {
					p.actions[i] = terraformtest.Replace
				}
			})}},
		}
		if step.before != nil {
			testStep.PreConfig = func() { step.before(f) }
		}
		if step.taint {
			testStep.Taint = []string{db}
		}
		if step.fails == nil && !step.destroy {
			testStep.ConfigStateChecks = []statecheck.StateCheck{stateSeen(func(values map[string]any) {
				p.states[i] = stateText(t, values)
			})}
		}
		testSteps = append(testSteps, testStep)
	}
	resource.UnitTest(t, resource.TestCase{ProtoV6ProviderFactories: record.providers(), Steps: testSteps})
	p.requests = record.texts()
	return p
}

type planSeen func(actions []string)

func (s planSeen) CheckPlan(_ context.Context, req plancheck.CheckPlanRequest, _ *plancheck.CheckPlanResponse) {
	for _, change := range req.Plan.ResourceChanges {
		var actions []string
		for _, action := range change.Change.Actions {
			actions = append(actions, string(action))
		}
		s(actions)
	}
}

type stateSeen func(values map[string]any)

func (s stateSeen) CheckState(_ context.Context, req statecheck.CheckStateRequest, _ *statecheck.CheckStateResponse) {
	for _, r := range req.State.Values.RootModule.Resources {
		s(r.AttributeValues)
	}
}

// typeNames are the types in the text of a value.
var typeNames = regexp.MustCompile(`tftypes\.\w+(\[[^<]*\])?`)

// random are the parts of values that differ from run to run.
var random = regexp.MustCompile(`[a-z0-9]{8}-[0-9a-f]{16}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|127\.0\.0\.1:\d+`)

func stateText(t *testing.T, values any) string {
	t.Helper()
	text, err := json.Marshal(values)
	must(t, err)
	return random.ReplaceAllString(string(text), "RANDOM")
}

// privateText is the private data of a resource, whose values the framework encodes.
func privateText(private []byte) string {
	values := map[string][]byte{}
	if len(private) > 0 {
		if err := json.Unmarshal(private, &values); err != nil {
			panic(err)
		}
	}
	return random.ReplaceAllString(fmt.Sprintf("%q", values), "RANDOM")
}

// requestRecord keeps what a provider is asked about its resources.
type requestRecord struct {
	mu   sync.Mutex
	made []string
}

func (r *requestRecord) texts() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.made)
}

func (r *requestRecord) providers() terraformtest.Providers {
	return terraformtest.Providers{"pgplatform": func() (tfprotov6.ProviderServer, error) {
		server, err := onFakes["pgplatform"]()
		return &recordedServer{ProviderServer: server, record: r}, err
	}}
}

// recordedServer is a provider that writes down what it is asked.
type recordedServer struct {
	tfprotov6.ProviderServer
	record *requestRecord
	once   sync.Once
	types  map[string]tftypes.Type
}

func (s *recordedServer) note(ctx context.Context, rpc, typeName string, private []byte, values ...*tfprotov6.DynamicValue) {
	s.once.Do(func() {
		answer, err := s.GetProviderSchema(ctx, &tfprotov6.GetProviderSchemaRequest{})
		if err != nil {
			panic(err)
		}
		s.types = map[string]tftypes.Type{}
		for name, schema := range answer.ResourceSchemas {
			s.types[name] = schema.ValueType()
		}
	})
	text := rpc + ", private " + privateText(private)
	for _, value := range values {
		decoded, err := value.Unmarshal(s.types[typeName])
		if err != nil {
			panic(err)
		}
		text += "\n  " + random.ReplaceAllString(typeNames.ReplaceAllString(decoded.String(), ""), "RANDOM")
	}
	s.record.mu.Lock()
	defer s.record.mu.Unlock()
	s.record.made = append(s.record.made, text)
}

func (s *recordedServer) ReadResource(ctx context.Context, req *tfprotov6.ReadResourceRequest) (*tfprotov6.ReadResourceResponse, error) {
	s.note(ctx, "ReadResource", req.TypeName, req.Private, req.CurrentState)
	return s.ProviderServer.ReadResource(ctx, req)
}

func (s *recordedServer) PlanResourceChange(ctx context.Context, req *tfprotov6.PlanResourceChangeRequest) (*tfprotov6.PlanResourceChangeResponse, error) {
	s.note(ctx, "PlanResourceChange", req.TypeName, req.PriorPrivate, req.Config, req.PriorState, req.ProposedNewState)
	return s.ProviderServer.PlanResourceChange(ctx, req)
}

func (s *recordedServer) ApplyResourceChange(ctx context.Context, req *tfprotov6.ApplyResourceChangeRequest) (*tfprotov6.ApplyResourceChangeResponse, error) {
	s.note(ctx, "ApplyResourceChange", req.TypeName, req.PlannedPrivate, req.Config, req.PriorState, req.PlannedState)
	return s.ProviderServer.ApplyResourceChange(ctx, req)
}

func (s *recordedServer) ImportResourceState(ctx context.Context, req *tfprotov6.ImportResourceStateRequest) (*tfprotov6.ImportResourceStateResponse, error) {
	s.note(ctx, "ImportResourceState "+req.ID, req.TypeName, nil)
	return s.ProviderServer.ImportResourceState(ctx, req)
}
