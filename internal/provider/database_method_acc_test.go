package provider_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

// A living database goes over from CNPG's own support for barman to the plugin, in place and in its folder, while rows are committed:
// none of them, and no WAL segment, is lost. It is restored to a time before that and to one after it; and of what the one method
// has archived, the other makes a database too.
func TestAccDatabase_changesItsMethod(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, method := range methods {
		w.has(method)
	}
	c := &methodChange{world: w}
	instances := 1
	if os.Getenv("PGPLATFORM_LONG") != "" {
		instances = 2 // base backups are taken of the standby
	}
	database := func(method cnpg.Method, backups string) string {
		return fmt.Sprintf(`
resource "pgplatform_database" "source" {
  name                = "source"
  tier                = "DEV"
  instances           = %d
  backup              = { method = %q, schedule = "@yearly", immediate = false, retention_days = 7 }
  deletion_protection = false
}

resource "pgplatform_backup" "first" {
  database = pgplatform_database.source.id
}
`, instances, method) + backups
	}
	const second = `
resource "pgplatform_backup" "second" {
  database = pgplatform_database.source.id
}

data "pgplatform_backups" "all" {
  database   = pgplatform_database.source.id
  depends_on = [pgplatform_backup.second]
}
`
	restore := func(name string, method cnpg.Method, backup, target string) string {
		return fmt.Sprintf(`
resource "pgplatform_restore" %[1]q {
  name                = %[1]q
  source              = { database = pgplatform_database.source.id }
  resources           = { cpu = "10m" } # they are many
  backup              = { method = %[2]q, %[3]s }
  deletion_protection = false
  %[4]s
}
`, name, method, backup, target)
	}
	const (
		source  = "pgplatform_database.source"
		none    = "enabled = false"
		backups = `schedule = "@yearly", immediate = false`
	)
	updates := func(address string) resource.ConfigPlanChecks {
		return resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(address, plancheck.ResourceActionUpdate)}}
	}
	update := updates(source)
	// What was restored goes over, and back, as any database does.
	var restored []resource.TestStep
	if os.Getenv("PGPLATFORM_LONG") != "" {
		for _, method := range []cnpg.Method{cnpg.MethodPlugin, cnpg.MethodInTree} {
			restored = append(restored, resource.TestStep{
				ConfigFile: w.late(func() string {
					return database(cnpg.MethodPlugin, second) + restore("of-plugin", method, backups, targetAt(c.after))
				}),
				ConfigPlanChecks: updates("pgplatform_restore.of-plugin"),
				Check: check(func() error {
					return errors.Join(w.numbersOf("of-plugin", numbersText(c.rows)), w.archivesBy("of-plugin", method), w.namesOriginByPlugin("of-plugin"))
				}),
			})
		}
	}
	resource.Test(t, resource.TestCase{
		CheckDestroy: check(func() error {
			return errors.Join(w.gone("source"), w.gone("of-in-tree"), w.gone("before"), w.gone("after"), w.gone("of-plugin"), w.archived("source"))
		}),
		Steps: withFactories(slices.Concat([]resource.TestStep{
			{
				ConfigFile: w.late(func() string { return database(cnpg.MethodInTree, "") }),
				Check: resource.ComposeTestCheckFunc(
					resource.TestCheckResourceAttr(source, "backup.method", string(cnpg.MethodInTree)),
					check(func() (err error) {
						if c.before, err = w.numbered("source", 1, 2); err != nil {
							return err
						}
						_, err = w.numbered("source", 3)
						return errors.Join(err, c.remember())
					}),
				),
			},
			{ // by the plugin, from what the in-tree method archives
				ConfigFile: w.late(func() string {
					return database(cnpg.MethodInTree, "") + restore("of-in-tree", cnpg.MethodPlugin, backups, "")
				}),
				Check: check(func() error {
					return errors.Join(w.numbersOf("of-in-tree", "1,2,3"), w.archivesBy("of-in-tree", cnpg.MethodPlugin))
				}),
			},
			{
				PreConfig:        func() { c.begin() },
				ConfigFile:       w.late(func() string { return database(cnpg.MethodPlugin, "") }),
				ConfigPlanChecks: update,
				Check: resource.ComposeTestCheckFunc(
					resource.TestCheckResourceAttr(source, "backup.method", string(cnpg.MethodPlugin)),
					resource.TestCheckResourceAttr(source, "archive.server_name", "source"),
					resource.TestCheckResourceAttr(source, "archive.continuous_archiving", "true"),
					check(func() error {
						// The base backup first: it was there when the apply ended.
						return errors.Join(c.based(), c.end(), c.same(), w.archivesBy("source", cnpg.MethodPlugin), c.whole())
					}),
				),
			},
			{
				ConfigFile: w.late(func() string { return database(cnpg.MethodPlugin, second) }),
				Check: func(s *terraform.State) (err error) {
					if err := c.listed(s.RootModule().Resources["data.pgplatform_backups.all"].Primary.Attributes); err != nil {
						return err
					}
					last := c.rows[len(c.rows)-1]
					if c.after, err = w.numbered("source", last+1, last+2); err != nil {
						return err
					}
					c.rows = append(c.rows, last+1, last+2)
					_, err = w.numbered("source", last+3)
					return err
				},
			},
			{
				ConfigFile: w.late(func() string {
					return database(cnpg.MethodPlugin, second) +
						restore("before", cnpg.MethodPlugin, none, targetAt(c.before)) +
						restore("after", cnpg.MethodPlugin, none, targetAt(c.after)) +
						restore("of-plugin", cnpg.MethodInTree, backups, targetAt(c.after))
				}),
				Check: check(func() error {
					return errors.Join(w.numbersOf("before", "1,2"), w.numbersOf("after", numbersText(c.rows)), w.numbersOf("of-plugin", numbersText(c.rows)),
						w.archivesBy("of-plugin", cnpg.MethodInTree))
				}),
			},
		}, restored, []resource.TestStep{
			{ // and back, while there is a way
				ConfigFile:       w.late(func() string { return database(cnpg.MethodInTree, second) }),
				ConfigPlanChecks: update,
				Check:            check(func() error { return errors.Join(c.same(), w.archivesBy("source", cnpg.MethodInTree), c.whole()) }),
			},
		})),
	})
}

// methodChange is a database whose method of archiving changes, and what is committed in it.
type methodChange struct {
	*world

	uid           types.UID
	changed       time.Time // when the change began, by the clock of the database
	before, after time.Time
	rows          []int

	stop func() (acknowledged []int)
}

// has fails where the platform does not have a method.
func (w *world) has(method cnpg.Method) {
	w.t.Helper()
	if installed := strings.Fields(env(w.t, "PGPLATFORM_BACKUP_METHODS")); !slices.Contains(installed, string(method)) {
		w.t.Fatalf("the platform has the methods %q, and not %q", installed, method)
	}
}

func (c *methodChange) remember() error {
	cluster, err := c.cluster("source")
	if err == nil {
		c.uid = cluster.UID
	}
	return err
}

// same: the database is the one that it was.
func (c *methodChange) same() error {
	cluster, err := c.cluster("source")
	if err == nil && cluster.UID != c.uid {
		err = errors.New("the Cluster is not the one of before")
	}
	return err
}

// begin commits rows from now on, one after the other, also while PostgreSQL is restarted.
func (c *methodChange) begin() {
	c.t.Helper()
	var err error
	c.changed, err = c.numbered("source")
	must(c.t, err)
	ctx, cancel := context.WithCancel(c.t.Context())
	var acknowledged []int
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 1000; ctx.Err() == nil; n++ {
			insert, cancel := context.WithTimeout(ctx, 20*time.Second)
			if _, err := c.kubernetes.QueryPrimary(insert, c.key("source"), "app", fmt.Sprintf("INSERT INTO numbers VALUES (%d)", n)); err == nil {
				acknowledged = append(acknowledged, n)
			}
			cancel()
		}
	}()
	c.t.Cleanup(cancel)
	c.stop = func() []int {
		cancel()
		<-done
		return acknowledged
	}
}

// end ends the commits: all that were acknowledged are there, from before PostgreSQL was restarted and from after it.
func (c *methodChange) end() (err error) {
	acknowledged := c.stop()
	text, err := c.query("source", "SELECT string_agg(n::text, ',' ORDER BY n) FROM numbers")
	if err != nil {
		return err
	}
	c.rows = nil
	for number := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(number)
		if err != nil {
			return err
		}
		c.rows = append(c.rows, n)
	}
	for _, n := range append([]int{1, 2, 3}, acknowledged...) {
		if _, there := slices.BinarySearch(c.rows, n); !there {
			return fmt.Errorf("the committed row %d is not there", n)
		}
	}
	restarted, err := c.query("source", "SELECT to_char(pg_postmaster_start_time() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
	if err != nil {
		return err
	}
	if at, err := time.Parse(time.RFC3339Nano, restarted); err != nil || !at.After(c.changed) || len(acknowledged) < 2 {
		return fmt.Errorf("PostgreSQL runs since %s, and %d rows were committed since %s: that shows nothing: %w", restarted, len(acknowledged), c.changed, err)
	}
	c.t.Logf("%d rows were committed while the method changed", len(acknowledged))
	return nil
}

// based: the plugin has taken a base backup of the database since the change.
func (c *methodChange) based() error {
	backups, err := c.kubernetes.ListBackups(c.t.Context(), c.key("source"))
	if err != nil {
		return err
	}
	catalog, err := c.catalog("source")
	if err != nil {
		return err
	}
	for _, b := range backups {
		if found := catalog.Backup(b.Status.BackupID); cnpg.ByPlugin(&b) && found != nil && found.Status == recovery.StatusDone && found.BeginTime.After(c.changed) {
			return nil
		}
	}
	return fmt.Errorf("no base backup by the plugin since %s among %d: %+v", c.changed, len(backups), catalog.Backups)
}

// whole: from the first base backup on, the folder lacks no WAL segment.
func (c *methodChange) whole() error {
	catalog, err := c.catalog("source")
	if err != nil {
		return err
	}
	if ranges := catalog.WAL.Ranges(); len(ranges) != 1 {
		return fmt.Errorf("the WAL in the folder is not contiguous: %v", ranges)
	}
	window, ok := catalog.Window()
	if !ok || window.Gap != nil || window.Earliest.After(c.before) {
		return fmt.Errorf("what can be restored is %+v", window)
	}
	return nil
}

// listed: of a backup that the plugin has taken the same is told as of one of before.
func (c *methodChange) listed(list map[string]string) error {
	if list["backups.#"] != "3" {
		return fmt.Errorf("%s backups are listed, not one of before, one of the change and one after it", list["backups.#"])
	}
	told := func(i int) []string {
		var names []string
		for _, name := range slices.Sorted(maps.Keys(list)) {
			if attribute, of := strings.CutPrefix(name, fmt.Sprintf("backups.%d.", i)); of && list[name] != "" {
				names = append(names, attribute)
			}
		}
		return names
	}
	if by, before := told(0), told(2); !slices.Equal(by, before) || !slices.Contains(by, "begin_wal") {
		return fmt.Errorf("of a backup by the plugin is told %q, of one of before %q", by, before)
	}
	for _, i := range []int{0, 2} {
		if at := fmt.Sprintf("backups.%d.", i); list[at+"status"] != "COMPLETED" || list[at+"type"] != "MANUAL" {
			return fmt.Errorf("the backup %s is %s and %s", list[at+"id"], list[at+"status"], list[at+"type"])
		}
	}
	return nil
}

// namesOriginByPlugin: a restored database names what it was restored from in a way that CNPG takes when its own support has gone.
func (w *world) namesOriginByPlugin(name string) error {
	raw, err := w.objects("clusters").Get(w.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	external, _, err := unstructured.NestedSlice(raw.Object, "spec", "externalClusters")
	if err != nil || len(external) != 1 {
		return fmt.Errorf("the Cluster %s names %v: %w", name, external, err)
	}
	origin, _ := external[0].(map[string]any)
	if _, inTree := origin["barmanObjectStore"]; inTree || origin["plugin"] == nil {
		return fmt.Errorf("the Cluster %s names %v", name, origin)
	}
	return nil
}

// archivesBy: what is committed in a database now reaches its archive, by the method and by no other.
func (w *world) archivesBy(name string, method cnpg.Method) error {
	raw, err := w.objects("clusters").Get(w.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	_, inTree, err := unstructured.NestedMap(raw.Object, "spec", "backup", "barmanObjectStore")
	if err != nil {
		return err
	}
	plugins, _, err := unstructured.NestedSlice(raw.Object, "spec", "plugins")
	if err != nil {
		return err
	}
	pods, err := w.core.Pods(w.namespace).List(w.t.Context(), metav1.ListOptions{LabelSelector: cnpg.LabelCluster + "=" + name + ",cnpg.io/podRole=instance"})
	if err != nil || len(pods.Items) == 0 {
		return fmt.Errorf("no pods of %s: %w", name, err)
	}
	byPlugin := method == cnpg.MethodPlugin
	for _, pod := range pods.Items {
		sidecar := false
		for _, container := range pod.Spec.InitContainers {
			sidecar = sidecar || container.Name == "plugin-barman-cloud"
		}
		if sidecar != byPlugin {
			err = errors.Join(err, fmt.Errorf("pod %s has the plugin's container: %t", pod.Name, sidecar))
		}
	}
	if inTree == byPlugin || len(plugins) > 0 != byPlugin {
		err = errors.Join(err, fmt.Errorf("the Cluster %s says in-tree: %t, and the plugins %v", name, inTree, plugins))
	}
	if scheduled, problem := w.kubernetes.GetScheduledBackup(w.t.Context(), w.key(name)); problem != nil || cnpg.ScheduleMethod(scheduled) != method {
		err = errors.Join(err, fmt.Errorf("the ScheduledBackup of %s is %+v: %w", name, scheduled, problem))
	}
	return errors.Join(err, w.archivesAgain(name))
}

func numbersText(numbers []int) string {
	var text []string
	for _, n := range numbers {
		text = append(text, strconv.Itoa(n))
	}
	return strings.Join(text, ",")
}
