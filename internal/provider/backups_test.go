package provider_test

import (
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

const listing = `
data "pgplatform_backups" "all" {
  database = "myorg/my-db"
}
`

func TestBackupsAreListed(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testBackupsAreListed)
}

func testBackupsAreListed(t *testing.T) {
	t.Parallel()
	f, a := withSource(t)
	a.Backup("20260326T125900", onTheDay(13, 0), "None", "None", map[string]string{"status": "FAILED", "error": "failure uploading data"})
	f.kube.Put(&cnpgv1.Backup{
		ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "my-db-backup-20260326-115900"},
		Spec:       cnpgv1.BackupSpec{Cluster: cnpgv1.LocalObjectReference{Name: "my-db"}},
		Status:     cnpgv1.BackupStatus{Phase: cnpgv1.BackupPhaseCompleted, BackupID: "20260326T115900"},
	})
	const all = "data.pgplatform_backups.all"
	entry := func(index int, name string) tfjsonpath.Path {
		return tfjsonpath.New("backups").AtSliceIndex(index).AtMapKey(name)
	}
	unit(t, resource.TestStep{
		PreConfig: f.kube.Forget,
		Config:    f.config(listing),
		ConfigStateChecks: []statecheck.StateCheck{
			statecheck.ExpectKnownValue(all, tfjsonpath.New("backups"), knownvalue.ListSizeExact(3)),
			statecheck.ExpectKnownValue(all, entry(0, "status"), knownvalue.StringExact("FAILED")),
			statecheck.ExpectKnownValue(all, entry(0, "error"), knownvalue.StringExact("failure uploading data")),
			statecheck.ExpectKnownValue(all, entry(1, "id"), knownvalue.StringExact("my-db-backup-20260326-115900")),
			statecheck.ExpectKnownValue(all, entry(1, "type"), knownvalue.StringExact("MANUAL")),
			statecheck.ExpectKnownValue(all, entry(1, "status"), knownvalue.StringExact("COMPLETED")),
			statecheck.ExpectKnownValue(all, entry(1, "postgres_version"), knownvalue.StringExact("17.5")),
			statecheck.ExpectKnownValue(all, entry(2, "id"), knownvalue.StringExact("20260326T095900")),
			statecheck.ExpectKnownValue(all, entry(2, "type"), knownvalue.Null()),
			statecheck.ExpectKnownValue(all, tfjsonpath.New("backup_enabled"), knownvalue.Bool(true)),
			statecheck.ExpectKnownValue(all, tfjsonpath.New("schedule"), knownvalue.StringExact("0 0 2 * * *")),
			statecheck.ExpectKnownValue(all, tfjsonpath.New("retention_days"), knownvalue.Int64Exact(14)),
			statecheck.ExpectKnownValue(all, tfjsonpath.New("server_name"), knownvalue.StringExact("my-db-v1")),
			statecheck.ExpectKnownValue(all, tfjsonpath.New("recovery_window").AtMapKey("earliest"), knownvalue.StringExact("2026-03-26T10:00:00Z")),
			statecheck.ExpectKnownValue(all, tfjsonpath.New("recovery_window").AtMapKey("latest"), knownvalue.StringExact("2026-03-26T13:00:00Z")),
			statecheck.ExpectKnownValue(all, tfjsonpath.New("latest_wal"), knownvalue.StringExact(lastSegment)),
		},
	})
	if writes := f.kube.Writes(); len(writes) != 0 {
		t.Errorf("a listing has written: %v", apitest.Summaries(writes))
	}
}

func TestBackupsThatCannotBeListed(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		prepare func(*fakes)
		want    []string
	}{
		"no such database": {
			func(f *fakes) { apitest.Delete[cnpgv1.Cluster](f.kube, fakeNamespace, "my-db") },
			[]string{"Unable to List Backups", `database = "myorg/my-db"`, "Cluster myorg/my-db: not found"},
		},
		"S3 cannot be reached": {
			func(f *fakes) { f.s3.Fail(func(s3test.Request) *s3test.Fault { return &s3test.Fault{Reset: true} }) },
			[]string{"Unable to List Backups", "The archive of the database myorg/my-db cannot be read", "my-db-v1 in s3://backups/pg", "cannot be reached", "Terraform's state keeps the data source as it was read last"},
		},
		"no right to list Backups": {
			func(f *fakes) { f.kube.Fail(apitest.Each(apitest.VerbList, "backups", apitest.Fault{Status: 403})) },
			[]string{"Unable to List Backups", "Backups of Cluster myorg/my-db: forbidden"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, _ := withSource(t)
			test.prepare(f)
			unit(t, resource.TestStep{Config: f.config(listing), ExpectError: says(test.want...)})
		})
	}
}

func TestBackupsOfADatabaseWithoutAny(t *testing.T) {
	t.Parallel()
	f := operated(t)
	cluster := f.archivedCluster()
	cluster.Spec.Backup = nil
	f.put(cluster)
	const all = "data.pgplatform_backups.all"
	unit(t, resource.TestStep{Config: f.config(listing), ConfigStateChecks: []statecheck.StateCheck{
		statecheck.ExpectKnownValue(all, tfjsonpath.New("backups"), knownvalue.ListSizeExact(0)),
		statecheck.ExpectKnownValue(all, tfjsonpath.New("backup_enabled"), knownvalue.Bool(false)),
		statecheck.ExpectKnownValue(all, tfjsonpath.New("recovery_window"), knownvalue.Null()),
		statecheck.ExpectKnownValue(all, tfjsonpath.New("server_name"), knownvalue.Null()),
	}})
	if n := f.s3.Count(""); n != 0 {
		t.Errorf("%d requests to S3 for a database without backups", n)
	}
}
