package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"text/tabwriter"
	"time"
)

// goals are what the provider should keep to. They are printed beside what was measured.
const (
	goalPlan   = 5   // times Terraform's own floor
	goalMemory = 100 // MB
	goalSize   = 60  // MB
)

func TestMain(m *testing.M) {
	code := m.Run()
	results.print()
	if dir, err := release(); len(results.rows) > 0 && err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// BenchmarkPlan compares a no-op plan of databases with one of as many terraform_data as they have objects, each after the
// other, so that both see the same machine.
func BenchmarkPlan(b *testing.B) {
	k := newKubernetes(b)
	floor := newWorkspace(b, floorConfig)
	floor.apply()
	w := newWorkspace(b, databasesConfig(b, k.namespace(b), k.direct()))
	w.apply()

	var provider, terraform costs
	for b.Loop() {
		provider.add(w.plan())
		terraform.add(floor.plan())
	}
	compare(b, "no-op plan", provider, terraform, goalPlan)
}

// BenchmarkApply compares the making of databases, without waiting for them, with that of terraform_data.
func BenchmarkApply(b *testing.B) {
	k := newKubernetes(b)
	var provider, terraform costs
	for b.Loop() {
		provider.add(newWorkspace(b, databasesConfig(b, k.namespace(b), k.direct())).apply())
		terraform.add(newWorkspace(b, floorConfig).apply())
	}
	compare(b, "apply", provider, terraform, 0)
}

// BenchmarkRequests counts the requests for each database.
func BenchmarkRequests(b *testing.B) {
	k := newKubernetes(b)
	c := k.counter(b)
	var apply, plan float64
	for b.Loop() {
		w := newWorkspace(b, databasesConfig(b, k.namespace(b), c.through()))
		c.reset()
		w.apply()
		apply = c.perDatabase()
		c.reset()
		w.plan()
		plan = c.perDatabase()
	}
	report(b, plan, "requests/planned-database")
	report(b, apply, "requests/created-database")
	results.add("requests for each database: no-op plan", fmt.Sprintf("%.2f", plan), "at most 2")
	results.add("requests for each database: create", fmt.Sprintf("%.2f", apply), "")
}

// BenchmarkMemory is the peak of the provider's resident memory.
func BenchmarkMemory(b *testing.B) {
	k := newKubernetes(b)
	var apply, plan float64
	for b.Loop() {
		w := newWorkspace(b, databasesConfig(b, k.namespace(b), k.direct()))
		creating := startProvider(b)
		w.apply(creating.reattach)
		apply = max(apply, creating.peakMemory(b))
		planning := startProvider(b)
		w.plan(planning.reattach)
		plan = max(plan, planning.peakMemory(b))
	}
	report(b, plan, "MB-peak/plan")
	report(b, apply, "MB-peak/apply")
	goal := fmt.Sprintf("below %d MB", goalMemory)
	results.add(fmt.Sprintf("peak memory: no-op plan of %d databases", databases), fmt.Sprintf("%.0f MB", plan), goal)
	results.add(fmt.Sprintf("peak memory: apply of %d databases", databases), fmt.Sprintf("%.0f MB", apply), goal)
}

// BenchmarkStart is the time from the start of the provider to its handshake with Terraform.
func BenchmarkStart(b *testing.B) {
	released(b)
	var all []time.Duration
	for b.Loop() {
		start := time.Now()
		handshake(b)
		all = append(all, time.Since(start))
	}
	typical := median(all, func(one time.Duration) time.Duration { return one })
	results.add("start of the provider", typical.Round(time.Millisecond).String(), "")
}

// BenchmarkSize is the size of the program as it is released.
func BenchmarkSize(b *testing.B) {
	info, err := os.Stat(filepath.Join(released(b), program))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() { // there is nothing to repeat
		continue
	}
	size := float64(info.Size()) / 1e6
	report(b, size, "MB")
	results.add("size of the program, stripped", fmt.Sprintf("%.1f MB", size), fmt.Sprintf("below %d MB", goalSize))
}

// compare reports what the same cost with the provider and with Terraform alone; a goal of 0 is none.
func compare(b *testing.B, what string, provider, terraform costs, goal int) {
	b.Helper()
	ratio := provider.wall().Seconds() / terraform.wall().Seconds()
	report(b, provider.wall().Seconds(), "s/databases")
	report(b, terraform.wall().Seconds(), "s/terraform_data")
	report(b, ratio, "times-terraform_data")
	report(b, provider.processor().Seconds(), "processor-s/databases")
	report(b, terraform.processor().Seconds(), "processor-s/terraform_data")
	results.add(fmt.Sprintf("%s of %d databases with schedules", what, databases), provider.String(), "")
	results.add(fmt.Sprintf("%s of %d terraform_data", what, objects), terraform.String(), "")
	text := ""
	if goal > 0 {
		text = fmt.Sprintf("at most %d", goal)
	}
	results.add("  the one in terms of the other", fmt.Sprintf("%.1f", ratio), text)
}

func report(b *testing.B, value float64, unit string) {
	b.Helper()
	b.ReportMetric(0, "ns/op") // it would be that of everything together
	b.ReportMetric(value, unit)
}

// costs are those of the same command, run several times.
type costs []cost

func (c *costs) add(one cost) { *c = append(*c, one) }

func (c costs) wall() time.Duration {
	return median(c, func(one cost) time.Duration { return one.wall })
}

func (c costs) processor() time.Duration {
	return median(c, func(one cost) time.Duration { return one.processor })
}

func (c costs) String() string {
	return fmt.Sprintf("%.2f s (%.2f s of processors)", c.wall().Seconds(), c.processor().Seconds())
}

// median is the middle one of several.
func median[T any](all []T, of func(T) time.Duration) time.Duration {
	var times []time.Duration
	for _, one := range all {
		times = append(times, of(one))
	}
	slices.Sort(times)
	return times[len(times)/2]
}

// results are the rows of the table that the run ends with.
var results table

type table struct{ rows [][3]string }

func (t *table) add(what, measured, goal string) {
	t.rows = append(t.rows, [3]string{what, measured, goal})
}

func (t *table) print() {
	if len(t.rows) == 0 {
		return
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nWHAT\tMEASURED\tGOAL")
	for _, row := range t.rows {
		fmt.Fprintf(w, "%s\t%s\t%s\n", row[0], row[1], row[2])
	}
	_ = w.Flush()
}
