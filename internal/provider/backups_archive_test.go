package provider_test

import (
	"fmt"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

const (
	allBackups = "data.pgplatform_backups.all"
	listFails  = "Unable to List Backups"
)

// withoutKubernetes is a configuration of a provider that knows of no Kubernetes.
func (f *fakes) withoutKubernetes(resources string) string {
	return strings.Replace(f.config(resources), fmt.Sprintf("kubernetes = { config_path = %q }", f.kubeconfig), "", 1)
}

func inArchive(settings string) string {
	return fmt.Sprintf("data \"pgplatform_backups\" \"all\" {\n  object_store = {\n%s\n  }\n}\n", settings)
}

// ids checks the IDs of the listed backups, newest first.
func ids(want ...string) statecheck.StateCheck {
	list := make([]knownvalue.Check, len(want))
	for i, id := range want {
		list[i] = knownvalue.ObjectPartial(map[string]knownvalue.Check{"id": knownvalue.StringExact(id)})
	}
	return statecheck.ExpectKnownValue(allBackups, tfjsonpath.New("backups"), knownvalue.ListExact(list))
}

// An archive whose database and Kubernetes are gone is listed from S3 alone.
func TestBackupsOfAnArchive(t *testing.T) {
	t.Parallel()
	f, _ := withSource(t)
	f.s3.Archive(fakeBucket, "pg", "other").WAL(s3test.Segment(1, 1), f.now())
	f.s3.Put(fakeBucket, "pg/readme/notes.txt", []byte("foreign"), f.now())
	before := len(f.kube.Requests())
	unit(t,
		resource.TestStep{
			Config: f.withoutKubernetes(inArchive(`    server_name = "my-db-v1"`)),
			ConfigStateChecks: []statecheck.StateCheck{
				ids("20260326T115900", "20260326T095900"),
				statecheck.ExpectKnownValue(allBackups, tfjsonpath.New("server_name"), knownvalue.StringExact("my-db-v1")),
				statecheck.ExpectKnownValue(allBackups, tfjsonpath.New("servers"), knownvalue.ListExact([]knownvalue.Check{knownvalue.StringExact("my-db-v1"), knownvalue.StringExact("other")})),
				statecheck.ExpectKnownValue(allBackups, tfjsonpath.New("backup_enabled"), knownvalue.Null()),
				statecheck.ExpectKnownValue(allBackups, tfjsonpath.New("latest_wal"), knownvalue.StringExact(lastSegment)),
				statecheck.ExpectKnownValue(allBackups, tfjsonpath.New("backups").AtSliceIndex(0).AtMapKey("timestamp"), knownvalue.StringExact("2026-03-26T12:00:00Z")),
				statecheck.ExpectKnownValue(allBackups, tfjsonpath.New("backups").AtSliceIndex(0).AtMapKey("type"), knownvalue.Null()),
			},
		},
		resource.TestStep{ // which archives there are
			Config: f.withoutKubernetes(inArchive("")),
			ConfigStateChecks: []statecheck.StateCheck{
				ids(),
				statecheck.ExpectKnownValue(allBackups, tfjsonpath.New("servers"), knownvalue.ListSizeExact(2)),
				statecheck.ExpectKnownValue(allBackups, tfjsonpath.New("recovery_window"), knownvalue.Null()),
			},
		},
		resource.TestStep{ // another store than the provider's
			Config: strings.Replace(f.withoutKubernetes(inArchive(fmt.Sprintf(`
				destination_path = "s3://%s/pg"
				endpoint_url     = %q
				server_name      = "my-db-v1"`, fakeBucket, f.s3.URL))), "s3://"+fakeBucket+"/pg\"", "s3://elsewhere\"", 1),
			ConfigStateChecks: []statecheck.StateCheck{ids("20260326T115900", "20260326T095900")},
		},
	)
	if n := len(f.kube.Requests()) - before; n > 0 {
		t.Errorf("%d requests to Kubernetes for an archive", n)
	}
}

func TestBackupsFiltered(t *testing.T) {
	t.Parallel()
	f, a := withSource(t)
	a.Backup("20260326T125900", onTheDay(13, 0), "None", "None", map[string]string{"status": "FAILED", "error": "failure uploading data"})
	// What runs, and what was killed, has no name yet; what failed has the one that CNPG gave it.
	a.Backup("20260326T135901", onTheDay(14, 0), s3test.Segment(1, 17), "None", map[string]string{"status": "STARTED", "end_time": "None", "compression": "gzip"})
	a.Backup("20260326T142901", onTheDay(14, 30), "None", "None", map[string]string{"status": "FAILED", "error": "failure uploading data", "backup_name": "backup-20260326142900"})
	a.Backup("20260326T145902", onTheDay(15, 0), s3test.Segment(1, 17), "None", map[string]string{"status": "STARTED", "end_time": "None"})
	object := func(name, backupID, backupName string, phase cnpgv1.BackupPhase, labels map[string]string) *cnpgv1.Backup {
		return &cnpgv1.Backup{
			ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: name, Labels: labels, CreationTimestamp: metav1.NewTime(onTheDay(16, 0))},
			Spec:       cnpgv1.BackupSpec{Cluster: cnpgv1.LocalObjectReference{Name: "my-db"}},
			Status: cnpgv1.BackupStatus{
				Phase: phase, BackupID: backupID, BackupName: backupName,
				Error: map[cnpgv1.BackupPhase]string{cnpgv1.BackupPhaseFailed: "the pod is gone"}[phase],
			},
		}
	}
	scheduled := map[string]string{cnpg.LabelScheduledBackup: "my-db"}
	f.kube.Put(
		object("my-db-early", "20260326T115900", "backup-20260326115859", cnpgv1.BackupPhaseCompleted, nil),
		object("my-db-killed", "", "backup-20260326135900", cnpgv1.BackupPhaseFailed, nil),
		object("my-db-failed", "", "backup-20260326142900", cnpgv1.BackupPhaseFailed, nil),
		object("my-db-nightly", "", "backup-20260326145900", cnpgv1.BackupPhaseRunning, scheduled),
	)
	f.kube.Put(object("my-db-waiting", "", "", cnpgv1.BackupPhasePending, scheduled))
	filtered := func(filter string) string {
		return f.config(strings.Replace(listing, "}", filter+"\n}", 1))
	}
	step := func(filter string, want ...string) resource.TestStep {
		return resource.TestStep{Config: filtered(filter), ConfigStateChecks: []statecheck.StateCheck{
			ids(want...),
			statecheck.ExpectKnownValue(allBackups, tfjsonpath.New("latest_wal"), knownvalue.StringExact(lastSegment)),
		}}
	}
	const waiting, nightly, refused, killed, failed, early, first = "my-db-waiting", "my-db-nightly", "my-db-failed", "my-db-killed", "20260326T125900", "my-db-early", "20260326T095900"
	unit(t,
		step("", waiting, nightly, refused, killed, failed, early, first),
		step(`status = "COMPLETED"`, early, first),
		step(`status = "FAILED"`, refused, killed, failed),
		step(`status = "IN_PROGRESS"`, waiting, nightly),
		step(`type = "SCHEDULED"`, waiting, nightly),
		step(`type = "MANUAL"`, refused, killed, early),
		step(`started_after = "2026-03-26T12:30:00+01:00"`, waiting, nightly, refused, killed, failed, early),
		step(`started_before = "2026-03-26T12:30:00Z"`, early, first),
		step("started_after = \"2026-03-26T11:00:00Z\"\n  started_before = \"2026-03-26T13:30:00Z\"", failed, early),
		step("limit = 2", waiting, nightly),
		step("limit = 1\n  status = \"COMPLETED\"", early),
	)
}

// Nothing is read for entries that nobody wants.
func TestBackupsLimitReadsLittle(t *testing.T) {
	t.Parallel()
	f, a := withSource(t)
	const days = 100
	for day := range days {
		at := onTheDay(14, 0).AddDate(0, 0, day)
		a.Backup(at.Format("20060102T150405"), at, s3test.Segment(1, 17), s3test.Segment(1, 17), nil)
	}
	read := func(filter string) int {
		f.s3.Reset()
		unit(t, resource.TestStep{Config: f.config(strings.Replace(listing, "}", filter+"\n}", 1)), PlanOnly: true})
		return f.s3.Count("GetObject")
	}
	all := read("")
	plans := all / (days + 2) // that a step makes
	if plans == 0 || all%plans != 0 {
		t.Fatalf("%d backups were read", all)
	}
	// The window needs the oldest backup, and reading goes on in steps of 16 at once.
	for _, filter := range []string{"limit = 1", `started_after = "2026-06-30T00:00:00Z"`} {
		if n := read(filter) / plans; n < 2 || n > 20 {
			t.Errorf("%s: %d backups were read", filter, n)
		}
	}
}

func TestArchivesThatCannotBeListed(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		settings string
		fault    *s3test.Fault
		want     []string
	}{
		"no such server": {
			settings: `server_name = "your-db"`,
			want:     []string{listFails, "object_store.server_name: there is no archive your-db in s3://backups/pg. There are: my-db-v1."},
		},
		"no such bucket": {
			settings: "destination_path = \"s3://nowhere/pg\"\n    server_name = \"my-db-v1\"",
			want:     []string{listFails, "object_store.destination_path:", `bucket "nowhere" does not exist; these credentials see backups`},
		},
		"another region": {
			settings: "region = \"eu-central-1\"\n    server_name = \"my-db-v1\"",
			fault:    &s3test.Fault{Status: 301, Code: "PermanentRedirect", Region: "us-east-1"},
			want:     []string{listFails, "object_store.region:", `bucket "backups" is in region us-east-1, not in eu-central-1`},
		},
		"a missing right": {
			settings: `server_name = "my-db-v1"`,
			fault:    &s3test.Fault{Status: 403, Code: "AccessDenied"},
			want:     []string{listFails, "object_store:", "access denied: these credentials need s3:ListBucket"},
		},
		"nobody answers": {
			settings: "endpoint_url = \"http://127.0.0.1:1\"\n    server_name = \"my-db-v1\"",
			want:     []string{listFails, "object_store.endpoint_url:", "http://127.0.0.1:1 cannot be reached"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, _ := withSource(t)
			if test.fault != nil {
				f.s3.Fail(func(s3test.Request) *s3test.Fault { return test.fault })
			}
			unit(t, resource.TestStep{Config: f.withoutKubernetes(inArchive("    " + test.settings)), ExpectError: says(test.want...)})
		})
	}
	t.Run("a type, which only Backup objects tell", func(t *testing.T) {
		t.Parallel()
		f, _ := withSource(t)
		config := strings.Replace(inArchive(`    server_name = "my-db-v1"`), "object_store", "type = \"MANUAL\"\n  object_store", 1)
		unit(t, resource.TestStep{Config: f.config(config), ExpectError: says("Invalid Attribute Combination", `"type" cannot be specified when "object_store" is specified`)})
	})
	t.Run("neither database nor archive", func(t *testing.T) {
		t.Parallel()
		f, _ := withSource(t)
		unit(t, resource.TestStep{Config: f.config("data \"pgplatform_backups\" \"all\" {}\n"), ExpectError: says("Invalid Attribute Combination", "database", "object_store")})
	})
	t.Run("the database is gone", func(t *testing.T) {
		t.Parallel()
		f, _ := withSource(t)
		apitest.Delete[cnpgv1.Cluster](f.kube, fakeNamespace, "my-db")
		unit(t, resource.TestStep{Config: f.config(listing), ExpectError: says("Cluster myorg/my-db: not found", `object_store = { server_name = "my-db" }`)})
	})
}
