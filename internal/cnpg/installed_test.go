package cnpg_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// inTreeField is what CNPG 1.31 is to remove.
var inTreeField = []string{"spec", "backup", "barmanObjectStore"}

// Which methods there are is told by rights in one namespace, whatever webhooks and quotas would say of a Cluster, and nothing is made.
func TestInstalled(t *testing.T) {
	t.Parallel()
	forbid := func(plural string) func(*apitest.Server) {
		return func(s *apitest.Server) {
			s.Fail(apitest.Each("", plural, apitest.Fault{Status: http.StatusForbidden, Message: plural + " is forbidden: User \"ci\" cannot"}))
		}
	}
	tests := map[string]struct {
		method    cnpg.Method
		server    func(*apitest.Server)
		namespace string
		installed bool
		notTold   bool
		says      string
	}{
		"in-tree":                             {method: cnpg.MethodInTree, installed: true},
		"in-tree, webhooks refuse all":        {method: cnpg.MethodInTree, server: refuseAll, installed: true},
		"in-tree, no such namespace":          {method: cnpg.MethodInTree, namespace: "later", installed: true},
		"no in-tree":                          {method: cnpg.MethodInTree, server: func(s *apitest.Server) { s.RemoveField("clusters", inTreeField...) }},
		"no in-tree, no spec.backup at all":   {method: cnpg.MethodInTree, server: func(s *apitest.Server) { s.RemoveField("clusters", "spec", "backup") }},
		"no in-tree, no such namespace":       {method: cnpg.MethodInTree, namespace: "later", server: func(s *apitest.Server) { s.RemoveField("clusters", inTreeField...) }},
		"in-tree, another field is gone":      {method: cnpg.MethodInTree, server: func(s *apitest.Server) { s.RemoveField("clusters", "spec", "logLevel") }, installed: true},
		"in-tree, and nobody may ask":         {method: cnpg.MethodInTree, server: forbid("clusters"), notTold: true, says: `forbidden: clusters is forbidden: User "ci" cannot`},
		"no CNPG":                             {method: cnpg.MethodInTree, server: func(s *apitest.Server) { s.Remove("clusters") }, notTold: true, says: "is CloudNativePG installed in this cluster?"},
		"in-tree, a server that fails":        {method: cnpg.MethodInTree, server: fail(http.StatusInternalServerError), says: "ask whether CloudNativePG has its own support for barman"},
		"the plugin":                          {method: cnpg.MethodPlugin, installed: true},
		"no plugin":                           {method: cnpg.MethodPlugin, server: func(s *apitest.Server) { s.Remove("objectstores") }},
		"the plugin, and nobody may ask":      {method: cnpg.MethodPlugin, server: forbid("objectstores"), notTold: true, says: `forbidden: objectstores is forbidden: User "ci" cannot`},
		"the plugin, and a server that fails": {method: cnpg.MethodPlugin, server: fail(http.StatusServiceUnavailable), says: "ask whether the Barman Cloud plugin is installed"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, server, client := setup(t)
			if test.server != nil {
				test.server(server)
			}
			namespace := key.Namespace
			if test.namespace != "" {
				namespace = test.namespace
			}
			installed, err := client.Installed(ctx, test.method, namespace)
			if installed != test.installed || (err == nil) != (test.says == "") || errors.Is(err, cnpg.ErrNotTold) != test.notTold {
				t.Errorf("Installed: %t, %v", installed, err)
			}
			if err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("the error %q does not say %q", err, test.says)
			}
			if writes, made := server.Writes(), apitest.All[cnpgv1.Cluster](server); len(writes)+len(made) > 0 {
				t.Errorf("written: %v %v", apitest.Summaries(writes), made)
			}
		})
	}
}

func refuseAll(s *apitest.Server) {
	s.Admit(func(*unstructured.Unstructured, *unstructured.Unstructured) ([]string, error) {
		return nil, errors.New("the webhook was asked")
	})
}

func fail(status int) func(*apitest.Server) {
	return func(s *apitest.Server) { s.Fail(apitest.Each("", "", apitest.Fault{Status: status})) }
}

// A client asks for each method once, whoever asks it and how many at the same time.
func TestInstalledIsAskedOnce(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	ask := func(method cnpg.Method, namespace string) {
		if installed, err := client.Installed(ctx, method, namespace); !installed || err != nil {
			t.Errorf("Installed(%s): %t, %v", method, installed, err)
		}
	}
	var wait sync.WaitGroup
	for range 10 {
		wait.Go(func() { ask(cnpg.MethodInTree, key.Namespace) })
		wait.Go(func() { ask(cnpg.MethodPlugin, key.Namespace) })
	}
	wait.Wait()
	ask(cnpg.MethodInTree, "another")
	want := []string{"create clusters myorg", "list objectstores myorg"}
	got := apitest.Summaries(server.Requests())
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("asked %q, want %q", got, want)
	}
}

// What a namespace's credentials may not ask is not asked again there, and in another one it is. Failures are not kept.
func TestInstalledIsAskedAgain(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	server.Fail(apitest.Each(apitest.VerbCreate, "clusters", apitest.Fault{Status: http.StatusForbidden}))
	for range 3 {
		if _, err := client.Installed(ctx, cnpg.MethodInTree, key.Namespace); !errors.Is(err, cnpg.ErrNotTold) {
			t.Fatalf("without the right: %v", err)
		}
	}
	server.Fail(apitest.First(apitest.VerbCreate, "clusters", apitest.Fault{Status: http.StatusInternalServerError}))
	if _, err := client.Installed(ctx, cnpg.MethodInTree, "another"); err == nil || errors.Is(err, cnpg.ErrNotTold) {
		t.Fatalf("of a server that fails: %v", err)
	}
	for _, namespace := range []string{"another", key.Namespace} { // by now it is known everywhere
		if installed, err := client.Installed(ctx, cnpg.MethodInTree, namespace); !installed || err != nil {
			t.Errorf("in %s: %t, %v", namespace, installed, err)
		}
	}
	want := []string{"create clusters myorg", "create clusters another", "create clusters another"}
	if got := apitest.Summaries(server.Requests()); !slices.Equal(got, want) {
		t.Errorf("asked %q, want %q", got, want)
	}
}

// An apply of a field that is gone tells which one it is, and that nothing came of it.
func TestApplyOfFieldThatIsGone(t *testing.T) {
	t.Parallel()
	ctx, server, client := setup(t)
	server.RemoveField("clusters", inTreeField...)
	archiving := wanted()
	archiving.Spec.Backup = &cnpgv1.BackupConfiguration{BarmanObjectStore: &cnpgv1.BarmanObjectStoreConfiguration{DestinationPath: "s3://backups"}}
	created, err := client.CreateCluster(ctx, archiving)
	var gone *cnpg.UndeclaredFieldError
	if created != nil || !errors.As(err, &gone) || gone.Field != "spec.backup.barmanObjectStore" || gone.Key != key || errors.Is(err, cnpg.ErrOutcomeUnknown) {
		t.Errorf("CreateCluster: %v, %#v", created, err)
	}
	// It is asked neither again nor whether it has arrived.
	if got, want := apitest.Summaries(server.Requests()), []string{"list persistentvolumeclaims myorg", "apply clusters myorg/my-db"}; !slices.Equal(got, want) {
		t.Errorf("asked %q, want %q", got, want)
	}
	create(ctx, t, server, client, wanted())
	live, err := client.GetCluster(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.ApplyCluster(ctx, live, archiving, cnpg.Ownership[cnpgv1.Cluster]{}); !errors.As(err, &gone) {
		t.Errorf("ApplyCluster: %v", err)
	}
}
