package provider_test

import (
	"slices"
	"testing"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// goalReady is how long after CNPG has written that a database is ready its create is meant to be over. It is printed beside what was
// measured.
const goalReady = 200 * time.Millisecond

// BenchmarkReady is the time from the moment in which CNPG writes that a database is ready until its create is over, with the pace that
// ships: waits are watches.
func BenchmarkReady(b *testing.B) {
	for _, test := range []struct {
		name    string
		config  string
		of      *subject
		watches int
	}{
		{name: "database", config: database(withBackups), of: theDatabase, watches: 4},
		{name: "restore", config: restoreOf(unprotected + withinTheWindow), of: theRestore, watches: 5},
		{name: "restore, with verify", config: restoreOf(unprotected + withinTheWindow + "verify = { query = \"SELECT count(*) FROM orders\", expect = \"42\" }\n"), of: theRestore, watches: 5},
	} {
		b.Run(test.name, func(b *testing.B) {
			var all []time.Duration
			for b.Loop() {
				all = append(all, readyAfter(b, test.of, test.config, test.watches))
			}
			slices.Sort(all)
			typical := all[len(all)/2]
			b.ReportMetric(0, "ns/op") // it would be that of everything together
			b.ReportMetric(float64(typical.Milliseconds()), "ms-from-ready")
			b.Logf("from readiness to the end of create: %s, at most %s (goal: below %s)", typical.Round(time.Millisecond), all[len(all)-1].Round(time.Millisecond), goalReady)
		})
	}
}

// readyAfter creates a database, which becomes ready when the create waits for that, and tells how long the create goes on then.
func readyAfter(b *testing.B, of *subject, config string, watches int) time.Duration {
	b.Helper()
	f, _ := withSource(b)
	if of == theDatabase {
		f.sourceGone()
	}
	w := &scene{fakes: f, story: &story{of: of}}
	if of == theRestore {
		w.stockSource()
		w.recovering(func(*corev1.Pod, *batchv1.Job) {})
	} else {
		f.kube.React(func(e apitest.Event) {
			if c := apitest.As[cnpgv1.Cluster](e.Object); c != nil && e.Type == watch.Added {
				apitest.Edit(f.kube, c.Namespace, c.Name, func(c *cnpgv1.Cluster) { c.Status = cnpgv1.ClusterStatus{Phase: cnpgv1.PhaseFirstPrimary} })
			}
		})
	}
	written := make(chan time.Time, 1)
	f.kube.React(func(e apitest.Event) {
		if c := apitest.As[cnpgv1.Cluster](e.Object); c != nil && e.Type == watch.Added && c.Name == of.cluster {
			go func() {
				for f.kube.OpenWatches() < watches {
					time.Sleep(time.Millisecond)
				}
				written <- time.Now()
				if of == theRestore {
					w.recovered()
				} else {
					apitest.Edit(f.kube, fakeNamespace, of.cluster, apitest.Healthy)
				}
			}()
		}
	})
	workspace := terraformtest.New(b, factories)
	workspace.Write(f.config(config))
	if diags := workspace.Apply(b.Context()); diags.HasError() {
		b.Fatal(diags)
	}
	over := time.Now()
	if status := workspace.Object(of.address).Attribute("status"); status.AsString() != "READY" {
		b.Fatalf("the status is %s", status.AsString())
	}
	return over.Sub(<-written)
}
