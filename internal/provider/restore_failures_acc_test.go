package provider_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// One archive, and copies of it that lack something or that this machine does not reach: restores that fail for real, in one
// apply. Each error has the cause in the words of whoever failed, what they mean and what to do. Then the inputs of one are
// corrected, and the others are let go: deletion_protection, which is true, binds none that holds no data. Those that fail
// only when the base backup is copied take longer: PGPLATFORM_LONG=1 TESTFLAGS='-run TestAccRestore_failures' make testacc.
func TestAccRestore_failures(t *testing.T) {
	t.Parallel()
	onPlatform(t, atLength, testAccRestoreFailures)
}

func testAccRestoreFailures(t *testing.T, w *world) {
	f := &failures{meddler: w.meddle(), cli: newWorkdir(t, "", nil), long: os.Getenv("PGPLATFORM_LONG") != ""}
	f.live()
	f.copies()
	all := f.all()
	if f.long {
		all = append(all, f.later()...)
	}
	f.configure(f.restores(all...))
	planned := f.cli.run("plan", "-input=false", "-no-color", "-out=plan")
	if !strings.Contains(planned, fmt.Sprintf("Plan: %d to add, 0 to change, 0 to destroy", len(all))) || !strings.Contains(planned, "Object Store Not Reachable") {
		t.Fatalf("the plan:\n%s", planned)
	}

	must(t, errors.Join(f.removeSegment(f.hole, f.segments[2]), f.removeBucket(f.vanished.bucket)))
	applying, applied := context.WithCancel(t.Context())
	defer applied()
	meanwhile := []<-chan error{f.once(applying, "bucket-gone", func() error { return f.removeBucket(f.bucketGone.bucket) })}
	if f.long {
		meanwhile = append(meanwhile,
			f.once(applying, "short", func() error { return f.removeSegment(f.short, f.segments[2]) }),
			f.onceLogged(applying, "bucket-gone-on-the-way", "restored log file", func() error { return f.removeBucket(f.onTheWay.bucket) }))
	}
	told := f.applyAndFail()
	applied()
	for _, done := range meanwhile {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	for _, r := range all {
		f.check(r, told["pgplatform_restore."+r.name])
	}
	if f.goneOn == 0 {
		t.Error("no Job has tried again: that one pod had failed when an error came says nothing")
	}
	if t.Failed() {
		return
	}

	corrected := failing{name: "no-backup", source: f.seen(f.whole), more: "\n" + numbersAre("1,2,3,4")}
	f.configure(f.restores(corrected))
	f.cli.run("apply", "-input=false", "-auto-approve", "-no-color")
	for _, r := range all {
		if r.name != corrected.name {
			must(t, w.gone(r.name))
		}
	}
	if output, err := f.cli.try("destroy", "-input=false", "-auto-approve", "-no-color"); err == nil || !says("Database Is Protected", "deletion_protection").MatchString(output) {
		t.Errorf("the restore that holds data now is not protected: %v\n%s", err, output)
	}
	corrected.more += "\ndeletion_protection = false"
	f.configure(f.restores(corrected))
	f.cli.run("apply", "-input=false", "-auto-approve", "-no-color")
	f.cli.run("destroy", "-input=false", "-auto-approve", "-no-color")
	must(t, w.gone(corrected.name))
}

// all are the restores that fail: since a plan cannot see what is wrong, or since that is done after it.
func (f *failures) all() []failing {
	within := func(minutes string) string { return fmt.Sprintf("\ntimeouts = { create = %q }", minutes) }
	return []failing{
		{
			name: "no-backup", source: f.unseen(f.whole), more: targetAt(f.begin),
			says: says("no target backup found", "holds no base backup that ended before the target", "Choose a target within the recovery window"),
		},
		{
			name: "hole-before-apply", source: f.seen(f.hole), nothing: true,
			says: says("Restore Cannot Succeed", "source.object_store", "lies in a gap", f.segments[2], "Nothing was changed"),
		},
		{
			name: "headless", source: f.unseen(f.headless),
			says: says("object storage or file not found", "The first WAL segment that the base backup needs is not in the archive", "Choose another base backup"),
		},
		{
			name: "bucket-gone", source: f.seen(f.bucketGone),
			says: says("bucket", "The bucket does not exist", "Check destination_path"),
		},
		{
			name: "bucket-gone-before-apply", source: f.seen(f.vanished), nothing: true,
			says: says("Restore Cannot Succeed", "source.object_store", f.vanished.bucket, "Nothing was changed"),
		},
		{
			name: "wrong-keys", source: f.strangers(),
			says: says("InvalidAccessKeyId", "S3 refuses the keys with which the pods read the source's archive", "Check the keys in source.credentials_secret"),
		},
		{
			name: "taken", source: f.unseen(f.whole), more: fmt.Sprintf("\nbackup = { schedule = \"@yearly\", server_name = \"taken\", object_store = { %s } }", f.blind(f.whole)),
			says: says("Expected empty archive", "The folder that the new cluster would archive to holds WAL already", "Leave backup.server_name out"),
		},
		{
			name: "unschedulable", source: f.seen(f.whole), more: "\nscheduling = { node_selector = { \"example.com/of-no-node\" = \"none\" } }" + within("1m"), running: true,
			says: says("not done after 1m", "Unschedulable", "didn't match Pod's node affinity/selector", "No node takes the pod", "Change what the message names: scheduling", "The time in timeouts.create is over"),
		},
		{
			name: "no-image", source: f.seen(f.whole), more: imageIs("ghcr.io/cloudnative-pg/postgresql:17.99-of-nobody") + within("2m"), running: true,
			says: says("not done after 2m", "Image", "17.99-of-nobody", "The image cannot be pulled", "Check that image or postgres_version names one that exists", "The time in timeouts.create is over"),
		},
	}
}

// later are those that fail after the base backup was copied, or while it is.
func (f *failures) later() []failing {
	return []failing{
		{
			name: "past-end", source: f.unseen(f.whole), more: targetAt(f.end),
			says: says("recovery ended before configured recovery target was reached", "The WAL that could be fetched ends before the target", "Choose a target within the recovery window"),
		},
		{
			name: "hole-unseen", source: f.unseen(f.holed), more: targetAt(f.late),
			says: says("recovery ended before configured recovery target was reached", f.segments[2], "is not in the archive", "Choose a target"),
		},
		{ // between two of the segments that it needs
			name: "bucket-gone-on-the-way", source: f.seen(f.onTheWay), more: targetAt(f.late),
			says: says("WAL restore exception", "NoSuchBucket", "The bucket does not exist", "Check destination_path"),
		},
		{ // the latest state that the archive had is not what was restored
			name: "short", source: f.seen(f.short), more: "\ndeletion_protection = false", running: true,
			says: says("the recovery ended at", "before the WAL segment", "which the archive had when it began", "The database", "is restored and recorded in Terraform's state"),
		},
		{ // CloudNativePG makes what the archive does not have
			name: "wrong-database", source: f.seen(f.whole), more: "\ndeletion_protection = false\ndatabase_name = \"shop\"", running: true,
			says: says("Not the Source's Name", `no database "shop" was restored`, "What was restored: app (of app)", "The database", "recorded in Terraform's state"),
		},
		{
			name: "wrong-owner", source: f.seen(f.whole), more: "\ndeletion_protection = false\nowner = \"seller\"", running: true,
			says: says("Not the Source's Name", `belongs to a role "seller"`, "What was restored: app (of app)", "The database", "recorded in Terraform's state"),
		},
		{
			name: "other-major", source: f.unseen(f.whole), more: imageIs(env(f.t, "PGPLATFORM_POSTGRES_15")),
			says: says("The image runs another major version of PostgreSQL than the one that made the backup", "Set postgres_version or image"),
		},
		{
			name: "full-disk", source: f.unseen(f.whole), more: f.volume("200Mi"),
			says: says("No space left on device", "The volume is too small", "Set storage.size"),
		},
	}
}

func imageIs(image string) string { return fmt.Sprintf("\nimage = %q", image) }

func targetAt(at time.Time) string {
	return fmt.Sprintf("\ntarget_time = %q", at.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano))
}

// failures are an archive that is whole, and what becomes of copies of it.
type failures struct {
	*meddler
	cli  *workdir
	long bool // all of them

	goneOn int // how many pods have failed after the error of their restore had come

	image            string
	firstSegment     string    // that the base backup begins in
	segments         [4]string // that rows 1 to 4 were committed in
	begin, late, end time.Time // before there was a base backup, between rows 3 and 4, and when nothing was archived any more

	whole, holed, hole, headless, short, bucketGone, onTheWay, vanished place
}

// live lets a database live, with a base backup and rows in a segment of WAL each, and destroys it: its archive stays.
func (f *failures) live() {
	f.t.Helper()
	source := `
resource "pgplatform_database" "source" {
  name                = "source"
  tier                = "DEV"
  backup              = { schedule = "@yearly", immediate = false, data = { compression = "gzip" }, wal = { compression = "gzip" } }
  deletion_protection = false
}
`
	f.begin = time.Now()
	f.configure(source)
	f.cli.run("apply", "-input=false", "-auto-approve", "-no-color")
	_, err := f.query("source", "CREATE TABLE numbers (n int)")
	must(f.t, err)
	if f.long { // what fills the smallest volume, and no WAL
		_, err := f.query("source", "COPY (SELECT) TO PROGRAM 'head -c 300M /dev/zero > /var/lib/postgresql/data/pgdata/filler'")
		must(f.t, err)
	}
	f.row(1)
	f.configure(source + `
resource "pgplatform_backup" "base" {
  database = pgplatform_database.source.id
}
`)
	f.cli.run("apply", "-input=false", "-auto-approve", "-no-color")
	f.row(2)
	f.row(3)
	if f.long { // segments that take their time to be fetched
		_, err := f.query("source", "DO $$ BEGIN FOR i IN 1..16 LOOP PERFORM pg_logical_emit_message(false, '', ''), pg_switch_wal(); END LOOP; END $$")
		must(f.t, err)
	}
	f.late = time.Now()
	f.row(4)
	catalog, err := f.catalog("source")
	must(f.t, err)
	f.firstSegment = catalog.Backups[0].BeginWAL
	cluster, err := f.cluster("source")
	must(f.t, err)
	f.image = cluster.Status.Image
	f.cli.run("destroy", "-input=false", "-auto-approve", "-no-color")
	must(f.t, f.gone("source"))
}

// row commits a number, in a segment of its own that is archived then.
func (f *failures) row(n int) {
	f.t.Helper()
	_, err := f.query("source", fmt.Sprintf("INSERT INTO numbers VALUES (%d)", n))
	must(f.t, err)
	flushed, err := f.kubernetes.Flush(f.t.Context(), f.key("source"))
	must(f.t, err)
	f.segments[n-1] = flushed.Segment
	must(f.t, f.eventually(func() error { return f.hasSegment("source", f.segments[n-1]) }))
}

// copies copies the archive, and takes from some copies what a plan that sees them would miss.
func (f *failures) copies() {
	f.t.Helper()
	f.whole, f.holed, f.hole, f.headless, f.short = f.aside("whole"), f.aside("holed"), f.aside("hole"), f.aside("headless"), f.aside("short")
	f.bucketGone, f.onTheWay, f.vanished = f.ownBucket("gone"), f.ownBucket("on-the-way"), f.ownBucket("vanished")
	for _, to := range []place{f.whole, f.holed, f.hole, f.headless, f.short, f.bucketGone, f.onTheWay, f.vanished} {
		f.copyArchive(to, "source")
	}
	f.copyArchive(f.whole, "taken")
	f.end = time.Now()
	must(f.t, errors.Join(f.removeSegment(f.holed, f.segments[2]), f.removeSegment(f.headless, f.firstSegment)))
	_, err := f.core.Secrets(f.namespace).Create(f.t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "wrong-keys"},
		StringData: map[string]string{"ACCESS_KEY_ID": "nobody", "ACCESS_SECRET_KEY": "nobodys-secret-access-key-0000000001"},
	}, metav1.CreateOptions{})
	must(f.t, err)
}

// seen and unseen are a copy as this machine reaches it, and as it does not.
func (f *failures) seen(at place) string {
	return fmt.Sprintf("object_store = { destination_path = %q, server_name = \"source\" }", at)
}

func (f *failures) unseen(at place) string {
	return fmt.Sprintf("object_store = { %s, server_name = \"source\" }", f.blind(at))
}

// blind are the attributes of a store that only pods reach.
func (f *failures) blind(at place) string {
	return fmt.Sprintf("destination_path = %q, endpoint_url = %q, pod_endpoint_url = %q", at, nowhere, f.store.podEndpoint)
}

// strangers is an archive for which the pods have keys that nobody knows.
func (f *failures) strangers() string {
	s := strict(f.t)
	return fmt.Sprintf("object_store = { destination_path = \"s3://%s/%s\", endpoint_url = %q, pod_endpoint_url = %q, server_name = \"source\" }\n"+
		"credentials_secret = { name = \"wrong-keys\" }", s.bucket, f.namespace, nowhere, s.podEndpoint)
}

// volume is one with a limit.
func (f *failures) volume(size string) string {
	return fmt.Sprintf("\nstorage = { size = %q, storage_class = %q }", size, env(f.t, "PGPLATFORM_GROWING_STORAGE_CLASS"))
}

// configure lets the restores be the configuration.
func (f *failures) configure(restores string) {
	f.t.Helper()
	f.cli.write("main.tf", cliConfig(f.config(restores)))
}
