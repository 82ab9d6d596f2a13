package provider_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// Every request that Terraform's create, update, replacement or destroy of a database makes of Kubernetes or S3 fails once
// in each way that requests fail in, and is the moment of a Ctrl-C; every one by which an update changes something is also
// the last before Terraform is killed, so that no state is saved. Whatever happens then:
//
//   - nothing exists that the state does not know, and nothing was deleted, made twice or overwritten;
//   - what the state says is what stands there, or what it said before;
//   - an archive that was moved is not moved back;
//   - the next apply, or the way out that the error prints, gets to the goal, and the plan after that is empty.
//
// The requests are those that a run without faults makes.
func TestDatabaseSurvivesEveryFault(t *testing.T) {
	t.Parallel()
	surviveEveryFault(t, stories)
}

func surviveEveryFault(t *testing.T, stories []*story) {
	t.Helper()
	all := &faultKinds{}
	t.Cleanup(func() {
		if missed := all.missed(); all.stories == len(stories) && len(missed) > 0 { // -run may have left some out
			t.Errorf("met by no request of any story: %q", missed)
		}
	})
	surviveFaults(t, stories, all)
}

// surviveFaults has stories meet their faults, and notes which those are.
func surviveFaults(t *testing.T, stories []*story, all *faultKinds) {
	t.Helper()
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			begin := s.begin(t)
			points := begin.points(t)
			var group errgroup.Group
			group.SetLimit(atOnce)
			run := 0
			for i, p := range points {
				faults, spared := s.faultsAt(p), true
				for j, f := range faults {
					meets := (i+j)%s.each(p, len(faults)) == 0
					all.note(p, f, meets)
					if !meets {
						continue
					}
					spared = false
					run++
					way := ways[run%len(ways)]
					group.Go(func() error {
						t.Run(p.String()+"/"+f.name, func(t *testing.T) {
							for _, problem := range begin.suffer(t, onFakes, p, f, way) {
								t.Error(problem)
							}
						})
						return nil
					})
				}
				if spared {
					t.Errorf("%s meets no fault", p)
				}
			}
			_ = group.Wait() // what went wrong is the subtests' to say
			all.told()
			t.Logf("%d faults at %d requests", run, len(points))
		})
	}
}

// faultKinds are the ways in which requests of a kind fail, and whether one has in any of the stories.
type faultKinds struct {
	mu      sync.Mutex
	met     map[string]bool
	stories int
}

func (k *faultKinds) note(p point, f fault, meets bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.met == nil {
		k.met = map[string]bool{}
	}
	kind := p.kind() + ": " + f.name
	k.met[kind] = k.met[kind] || meets
}

func (k *faultKinds) told() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stories++
}

func (k *faultKinds) missed() (missed []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for kind, met := range k.met {
		if !met {
			missed = append(missed, kind)
		}
	}
	return missed
}

// atOnce is how many faults of a story are suffered side by side: most of their time is spent waiting.
const atOnce = 16

// point is one request of an operation.
type point struct {
	what   string // the request in short
	nth    int    // from 1, among those that are the same in short
	s3     bool
	watch  bool
	writes bool
}

// kind is what the ways in which a request fails depend on.
func (p point) kind() string {
	switch {
	case p.s3:
		return "S3"
	case p.watch:
		return "watch"
	case p.writes:
		return "write"
	}
	return "read"
}

func (p point) String() string { return fmt.Sprintf("%s #%d", p.what, p.nth) }

// changing are the parts of requests that differ from run to run: times in names of Backups, random names of folders.
var changing = regexp.MustCompile(`-\d{8}-\d{6}|(my-db-)[a-z0-9]{5,}`)

func kubePoint(r apitest.Request) point {
	what := changing.ReplaceAllString(r.String(), "$1*")
	if r.Query.Get("force") == "true" && r.Resource != "secrets" {
		what += " by force"
	}
	if r.DryRun() {
		what += " as a dry run"
	}
	if r.Query.Get("fieldManager") == cnpg.BootstrapManager {
		what += " for the bootstrap fields"
	}
	return point{what: what, watch: r.Verb == apitest.VerbWatch, writes: r.Writes()}
}

func s3Point(r s3test.Request) point {
	return point{what: strings.TrimSpace(changing.ReplaceAllString(r.Op+" "+r.Key+r.Prefix, "$1*")), s3: true}
}

// counter numbers the requests that are the same in short.
type counter struct {
	mu   sync.Mutex
	seen map[string]int
	all  []point
}

func (c *counter) number(p point) point {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = map[string]int{}
	}
	c.seen[p.what]++
	p.nth = c.seen[p.what]
	c.all = append(c.all, p)
	return p
}

// points are the requests that the story makes when all goes well.
func (w *scene) points(t *testing.T) []point {
	t.Helper()
	w = w.copy(t, onFakes)
	var made counter
	w.watchRequests(func(p point) bool { made.number(p); return false }, fault{})
	diags := w.do(t)
	w.watchRequests(nil, fault{})
	if problems := w.reached(); diags.HasError() || len(problems) > 0 {
		t.Fatalf("without a fault: %v\n%s", problems, diags)
	}
	slices.SortStableFunc(made.all, func(a, b point) int { return strings.Compare(a.String(), b.String()) })
	for _, want := range w.story.makes {
		if !slices.ContainsFunc(made.all, func(p point) bool { return strings.HasPrefix(p.what, want) }) {
			t.Fatalf("the operation makes no request %q, which it is about: %v", want, made.all)
		}
	}
	return made.all
}

// suffer lets one request of the story fail, looks at what that has left, and goes on from there, on a way out where one
// is needed.
func (w *scene) suffer(t *testing.T, providers providerFactories, at point, f fault, out way) []string {
	t.Helper()
	w = w.copy(t, providers)
	before, saved := w.look(), w.workspace.Copy(t, providers)
	var made counter
	var hit bool
	var more int
	var mu sync.Mutex
	w.watchRequests(func(p point) bool {
		mu.Lock()
		defer mu.Unlock()
		p = made.number(p)
		switch {
		case p == at:
			hit = true
			return true
		case hit && f.killed:
			return true
		case !hit || !f.lasting || p.s3 != at.s3:
			return false
		}
		if more++; more >= patience { // between a plan and its apply nothing runs that could be interrupted
			go w.interrupt()
		}
		return true
	}, f)
	diags := w.do(t)
	w.watchRequests(nil, fault{})
	if f.killed {
		w.workspace, w.planned, w.told = saved, nil, nil
		w.workspace.Write(w.text(w.story.config, true))
	}
	mu.Lock()
	defer mu.Unlock()
	if !hit && (diags.HasError() || !slices.Contains(w.story.races, at.String())) {
		return []string{fmt.Sprintf("the operation did not make this request, but %v\n%s", made.all, diags)}
	}
	problems := w.check(before, diags)
	if f.harmless(at) && diags.HasError() {
		problems = append(problems, "this is to be ridden out, but the operation failed")
	}
	if len(problems) == 0 {
		problems = w.goOn(t, before, diags, out)
	}
	if len(problems) > 0 {
		problems = append(problems, "what the operation said:\n"+diags.String())
	}
	return problems
}

// patience is how many requests of a server that is down somebody waits for before they press Ctrl-C.
const patience = 6
