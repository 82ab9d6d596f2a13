package provider_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// The checks of TestDatabaseSurvivesEveryFault see what providers are known to do wrong.
func TestFaultsOfBrokenProvidersAreSeen(t *testing.T) {
	t.Parallel()
	failed := func(resp *tfprotov6.ApplyResourceChangeResponse) bool { return len(resp.Diagnostics) > 0 }
	tests := map[string]struct {
		story string
		apply func(*scene, *tfprotov6.ApplyResourceChangeRequest, *tfprotov6.ApplyResourceChangeResponse)
		plan  func(*tfprotov6.PlanResourceChangeResponse)
		want  string
	}{
		"a create that fails forgets what it has made": {
			story: "create",
			apply: func(_ *scene, req *tfprotov6.ApplyResourceChangeRequest, resp *tfprotov6.ApplyResourceChangeResponse) {
				if failed(resp) {
					resp.NewState = req.PriorState
				}
			},
			want: "the state does not know it",
		},
		"a create that fails deletes what it has made": {
			story: "create",
			apply: func(w *scene, _ *tfprotov6.ApplyResourceChangeRequest, resp *tfprotov6.ApplyResourceChangeResponse) {
				if failed(resp) {
					apitest.Delete[cnpgv1.Cluster](w.kube, fakeNamespace, "my-db")
				}
			},
			want: "2 Clusters were made",
		},
		"a create that fails says nothing": {
			story: "create",
			apply: func(_ *scene, _ *tfprotov6.ApplyResourceChangeRequest, resp *tfprotov6.ApplyResourceChangeResponse) {
				resp.Diagnostics = nil
			},
			want: "the status is",
		},
		"a plan replaces what is tainted": {
			story: "create",
			plan:  func(resp *tfprotov6.PlanResourceChangeResponse) { resp.Diagnostics = nil },
			want:  "the next plan does not refuse",
		},
		"an update that fails records the plan": {
			story: "change parameters and labels",
			apply: func(_ *scene, req *tfprotov6.ApplyResourceChangeRequest, resp *tfprotov6.ApplyResourceChangeResponse) {
				if failed(resp) {
					resp.NewState = req.PlannedState
				}
			},
			want: "neither what stands there nor what it was before",
		},
		"a destroy that fails says nothing": {
			story: "destroy",
			apply: func(_ *scene, req *tfprotov6.ApplyResourceChangeRequest, resp *tfprotov6.ApplyResourceChangeResponse) {
				resp.Diagnostics, resp.NewState = nil, req.PlannedState
			},
			want: "the state does not know it",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := *stories[slices.IndexFunc(stories, func(s *story) bool { return s.name == test.story })]
			begin := s.begin(t)
			points := begin.points(t)
			var at *scene
			s.prepare = func(w *scene) { at = w }
			providers := providerFactories{"pgplatform": func() (tfprotov6.ProviderServer, error) {
				server, err := onFakes["pgplatform"]()
				return &brokenServer{
					ProviderServer: server,
					apply: func(req *tfprotov6.ApplyResourceChangeRequest, resp *tfprotov6.ApplyResourceChangeResponse) {
						if test.apply != nil && at != nil {
							test.apply(at, req, resp)
						}
					},
					plan: func(resp *tfprotov6.PlanResourceChangeResponse) {
						if test.plan != nil {
							test.plan(resp)
						}
					},
				}, err
			}}
			var seen []string
			for _, p := range points {
				for _, f := range faultsAt(p) {
					if !p.writes || f.name != "reset before" && f.name != "reset after" {
						continue
					}
					at = nil
					seen = append(seen, begin.suffer(t, providers, p, f, untaint)...)
				}
			}
			if !slices.ContainsFunc(seen, func(problem string) bool { return strings.Contains(problem, test.want) }) {
				t.Errorf("no fault shows it: %s", strings.Join(seen, "\n"))
			}
		})
	}
}

// Who loses patience with a server that is down interrupts the story's apply, and nothing that is run after it, however late they are.
func TestInterruptsAreTheStorysOwn(t *testing.T) {
	t.Parallel()
	w := stories[0].begin(t).copy(t, onFakes)
	w.kube.Fail(apitest.Each("", "clusters", apitest.Fault{Before: w.interrupt}))
	if diags := w.do(t); !strings.Contains(diags.String(), "context canceled") && !strings.Contains(diags.String(), "interrupted") {
		t.Errorf("the apply is not interrupted: %s", diags)
	}
	if plan, diags := w.workspace.Plan(t.Context()); diags.HasError() || plan.Empty() {
		t.Errorf("the plan after it is: %v %s", plan, diags)
	}
}

// brokenServer is a provider whose answers are changed.
type brokenServer struct {
	tfprotov6.ProviderServer
	apply func(*tfprotov6.ApplyResourceChangeRequest, *tfprotov6.ApplyResourceChangeResponse)
	plan  func(*tfprotov6.PlanResourceChangeResponse)
}

func (s *brokenServer) ApplyResourceChange(ctx context.Context, req *tfprotov6.ApplyResourceChangeRequest) (*tfprotov6.ApplyResourceChangeResponse, error) {
	resp, err := s.ProviderServer.ApplyResourceChange(ctx, req)
	if err == nil {
		s.apply(req, resp)
	}
	return resp, err
}

func (s *brokenServer) PlanResourceChange(ctx context.Context, req *tfprotov6.PlanResourceChangeRequest) (*tfprotov6.PlanResourceChangeResponse, error) {
	resp, err := s.ProviderServer.PlanResourceChange(ctx, req)
	if err == nil {
		s.plan(resp)
	}
	return resp, err
}
