package provider_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

// A restore leaves its source as it is, but for the flush. A place in the WAL before the last archived segment needs none. A time
// needs it although the source's last segment was archived after it, since nothing in that was committed later: an empty
// transaction, and the WAL segment that it ends.
func TestAccRestore_leavesItsSourceAlone(t *testing.T) {
	t.Parallel()
	onPlatform(t, atLength, testAccRestoreLeavesItsSourceAlone)
}

func testAccRestoreLeavesItsSourceAlone(t *testing.T, w *world) {
	root := newStrictRoot(t)
	w.use(root.store)
	source := `
resource "pgplatform_database" "source" {
  name       = "source"
  tier       = "DEV"
  parameters = { autovacuum = "off" } # whose transactions would be taken for the provider's
  backup = {
    schedule        = "@yearly"
    archive_timeout = "1h"
  }
  deletion_protection = false
}
`
	var before *lookedAt
	var lsn string
	var at time.Time
	// alone compares the source with what it was.
	alone := func(transactions, segments int) resource.TestCheckFunc {
		return check(func() error {
			now, err := w.look(root)
			if err != nil {
				return err
			}
			return now.since(before, transactions, segments)
		})
	}
	resource.Test(t, resource.TestCase{
		CheckDestroy: check(func() error { return errors.Join(w.gone("source"), w.gone("pitr")) }),
		Steps: withFactories([]resource.TestStep{
			{
				Config: w.config(source),
				Check: check(func() (err error) {
					if err := w.eventually(func() error { return errors.Join(w.archived("source"), w.completed("source")) }); err != nil {
						return err
					}
					if _, err = w.numbered("source", 1, 2); err != nil {
						return err
					}
					if lsn, err = w.query("source", "SELECT pg_current_wal_insert_lsn()"); err != nil {
						return err
					}
					if at, err = w.numbered("source", 3); err != nil {
						return err
					}
					// Two segments: a place in the last one may lie behind its last record.
					if err := w.switchSegment("source"); err != nil {
						return err
					}
					if _, err := w.query("source", "SELECT pg_logical_emit_message(false, '', '')"); err != nil {
						return err
					}
					if err := w.switchSegment("source"); err != nil {
						return err
					}
					before, err = w.look(root)
					return err
				}),
			},
			{
				ConfigFile: w.late(func() string {
					return source + pitrAt("pgplatform_database.source", fmt.Sprintf("target_lsn = %q", lsn))
				}),
				Check: resource.ComposeTestCheckFunc(check(func() error { return w.numbers("1,2") }), alone(0, 0)),
			},
			{
				ConfigFile: w.late(func() string { return source + pitrOf("pgplatform_database.source", at) }),
				Check:      resource.ComposeTestCheckFunc(check(func() error { return w.numbers("1,2,3") }), alone(1, 1)),
			},
		}),
	})
}

// completed: CNPG has taken in of every Backup of a database that S3 has it.
func (w *world) completed(name string) error {
	backups, err := w.kubernetes.ListBackups(w.t.Context(), w.key(name))
	for _, b := range backups {
		if b.Status.Phase != cnpgv1.BackupPhaseCompleted {
			err = errors.Join(err, fmt.Errorf("the Backup %s is in phase %q", b.Name, b.Status.Phase))
		}
	}
	return err
}

// switchSegment ends the WAL segment of a database, and returns when it is archived. It commits nothing.
func (w *world) switchSegment(name string) error {
	segment, err := w.query(name, "SELECT pg_walfile_name(pg_switch_wal())")
	if err != nil {
		return err
	}
	return w.eventually(func() error {
		if last, err := w.query(name, "SELECT last_archived_wal FROM pg_stat_archiver"); err != nil || last != segment {
			return fmt.Errorf("the last segment that %s has archived is %s, not %s: %w", name, last, segment, err)
		}
		return nil
	})
}

// lookedAt is what a restore must leave as it is.
type lookedAt struct {
	objects      map[string]string // of Kubernetes, and of S3, by their kinds and names
	data         string
	transactions int // how many IDs were given out
	archived     int // how many segments were archived
	segment      string
}

// look is what there is of the database "source" in Kubernetes, in S3 and in PostgreSQL.
func (w *world) look(root *strictRoot) (*lookedAt, error) {
	objects, err := w.belongings("source")
	if err != nil {
		return nil, err
	}
	files, err := root.objects(w.store.bucket, w.namespace+"/source/")
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, errors.New("the archive is empty: this looks at nothing")
	}
	maps.Copy(objects, files)
	is := &lookedAt{objects: objects}
	out, err := w.query("source", `
		SELECT pg_snapshot_xmax(pg_current_snapshot()), archived_count, pg_walfile_name(pg_current_wal_insert_lsn()) FROM pg_stat_archiver`)
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Sscanf(strings.ReplaceAll(out, "|", " "), "%d %d %s", &is.transactions, &is.archived, &is.segment); err != nil {
		return nil, fmt.Errorf("%q: %w", out, err)
	}
	is.data, err = w.query("source", `
		SELECT md5(string_agg(format('%s %s %s', oid, relname, relfilenode), ',' ORDER BY oid)) FROM pg_class UNION ALL SELECT md5(string_agg(n::text, ',')) FROM numbers`)
	return is, err
}

// belongings are the objects in Kubernetes of a database: the version of each, and of the Cluster what somebody has written there.
func (w *world) belongings(name string) (map[string]string, error) {
	cluster, err := w.cluster(name)
	if err != nil {
		return nil, err
	}
	writers := slices.DeleteFunc(cluster.ManagedFields, func(m metav1.ManagedFieldsEntry) bool { return m.Subresource == "status" })
	written, err := json.Marshal([]any{cluster.UID, cluster.Generation, cluster.Spec, cluster.Labels, cluster.Annotations, writers})
	if err != nil {
		return nil, err
	}
	objects := map[string]string{"Cluster": string(written)}
	scheduled, err := w.kubernetes.GetScheduledBackup(w.t.Context(), w.key(name))
	if err != nil {
		return nil, err
	}
	objects["ScheduledBackup"] = scheduled.ResourceVersion
	if cnpg.MethodOf(cluster) == cnpg.MethodPlugin {
		store, err := w.kubernetes.GetObjectStore(w.t.Context(), w.key(cnpg.ObjectStoreName(name)))
		if err != nil {
			return nil, err
		}
		objects["ObjectStore"] = fmt.Sprint(store.UID, store.Generation, store.Labels, store.Annotations)
	}
	ofCluster := metav1.ListOptions{LabelSelector: cnpg.LabelCluster + "=" + name}
	secrets, err := w.core.Secrets(w.namespace).List(w.t.Context(), ofCluster)
	if err != nil {
		return nil, err
	}
	for _, s := range secrets.Items {
		objects["Secret "+s.Name] = s.ResourceVersion
	}
	volumes, err := w.core.PersistentVolumeClaims(w.namespace).List(w.t.Context(), ofCluster)
	if err != nil {
		return nil, err
	}
	for _, v := range volumes.Items {
		objects["volume "+v.Name] = v.ResourceVersion
	}
	backups, err := w.kubernetes.ListBackups(w.t.Context(), w.key(name))
	if err != nil {
		return nil, err
	}
	for _, b := range backups {
		objects["Backup "+b.Name] = b.ResourceVersion
	}
	pods, err := w.restarts(name)
	for pod, restarts := range pods {
		objects["pod "+pod] = fmt.Sprint(restarts)
	}
	return objects, err
}

// since: nothing is different from before, but for so many transactions and so many archived segments.
func (u *lookedAt) since(before *lookedAt, transactions, segments int) error {
	var problems []error
	for name, was := range before.objects {
		if is := u.objects[name]; is != was {
			problems = append(problems, fmt.Errorf("%s was %s and is %s", name, was, is))
		}
	}
	added := 0
	for name := range u.objects {
		if _, was := before.objects[name]; was {
			continue
		}
		if _, wal := recovery.ParseWALFile(name[strings.LastIndex(name, "/")+1:]); !wal {
			problems = append(problems, fmt.Errorf("%s was not there", name))
		}
		added++
	}
	if u.data != before.data {
		problems = append(problems, fmt.Errorf("the data was %s and is %s", before.data, u.data))
	}
	if n := u.transactions - before.transactions; n != transactions {
		problems = append(problems, fmt.Errorf("%d transactions instead of %d", n, transactions))
	}
	if n := u.archived - before.archived; n != segments || added != segments {
		problems = append(problems, fmt.Errorf("%d segments archived, and %d files more in S3, instead of %d, from %s to %s", n, added, segments, before.segment, u.segment))
	}
	return errors.Join(problems...)
}

// The comparison notices whatever may differ.
func TestLookedAt(t *testing.T) {
	t.Parallel()
	const segment, next = "ns/source/wals/0000000100000000/000000010000000000000007.gz", "ns/source/wals/0000000100000000/000000010000000000000008.gz"
	looked := func(change func(*lookedAt)) *lookedAt {
		is := &lookedAt{objects: map[string]string{"Cluster": "{}", segment: "etag"}, data: "rows", transactions: 700, archived: 7}
		change(is)
		return is
	}
	before := looked(func(*lookedAt) {})
	flushed := func(is *lookedAt) {
		is.objects[next] = "etag"
		is.transactions++
		is.archived++
	}
	if err := errors.Join(looked(func(*lookedAt) {}).since(before, 0, 0), looked(flushed).since(before, 1, 1)); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*lookedAt){
		"a Cluster that is changed":  func(is *lookedAt) { is.objects["Cluster"] = "{spec}" },
		"a segment that is replaced": func(is *lookedAt) { is.objects[segment] = "other" },
		"a segment that is gone":     func(is *lookedAt) { delete(is.objects, segment) },
		"an object that is new":      func(is *lookedAt) { is.objects["Secret new"] = "1" },
		"other rows":                 func(is *lookedAt) { is.data = "other rows" },
		"a transaction":              func(is *lookedAt) { is.transactions++ },
		"a segment":                  func(is *lookedAt) { is.archived++ },
		"a segment in S3":            func(is *lookedAt) { is.objects[next] = "etag" },
	} {
		if looked(change).since(before, 0, 0) == nil {
			t.Errorf("%s is not noticed", name)
		}
	}
	if looked(flushed).since(before, 0, 0) == nil || before.since(before, 1, 1) == nil {
		t.Error("a flush is not told from none")
	}
}
