package conformance

import (
	"reflect"
	"strings"
	"testing"
	"time"

	cnpgapi "github.com/cloudnative-pg/api/pkg/api/v1"
	cnpgv1 "github.com/cloudnative-pg/cloudnative-pg/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

const restored = "pgplatform_restore.pitr"

// withSource puts a database with an archive of two base backups and WAL of three hours, and a Backup of the first one.
func (f *fakes) withSource() {
	at := func(hour int) time.Time { return time.Date(2026, 3, 26, hour, 0, 0, 0, time.UTC) }
	store := &cnpgapi.BarmanObjectStoreConfiguration{DestinationPath: "s3://" + bucket + "/pg", ServerName: "source", EndpointURL: f.s3.URL}
	source := &cnpgapi.Cluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "source"},
		Spec: cnpgapi.ClusterSpec{
			Instances: 1, ImageName: "ghcr.io/cloudnative-pg/postgresql:17.5", StorageConfiguration: cnpgapi.StorageConfiguration{Size: "3Gi"},
			Bootstrap: &cnpgapi.BootstrapConfiguration{InitDB: &cnpgapi.BootstrapInitDB{Database: "shop", Owner: "seller"}},
			Backup:    &cnpgapi.BackupConfiguration{RetentionPolicy: "14d", BarmanObjectStore: store},
		},
	}
	apitest.Healthy(source)
	f.kube.Put(source, &cnpgapi.ScheduledBackup{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "source"},
		Spec:       cnpgapi.ScheduledBackupSpec{Schedule: "0 0 2 * * *", Cluster: cnpgapi.LocalObjectReference{Name: "source"}},
	}, &cnpgapi.Backup{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "first"},
		Spec:       cnpgapi.BackupSpec{Cluster: cnpgapi.LocalObjectReference{Name: "source"}, Method: cnpgapi.BackupMethodBarmanObjectStore},
		Status: cnpgapi.BackupStatus{
			Phase: cnpgapi.BackupPhaseCompleted, BackupID: "20260326T095900", ServerName: "source", DestinationPath: store.DestinationPath, EndpointURL: f.s3.URL,
		},
	})
	a := f.s3.Archive(bucket, "pg", "source")
	a.Backup("20260326T095900", at(10), s3test.Segment(1, 5), s3test.Segment(1, 5), nil)
	a.Backup("20260326T115900", at(12), s3test.Segment(1, 13), s3test.Segment(1, 13), nil)
	a.Segments(1, 5, 13, at(10), 15*time.Minute)
}

// TestRestores makes a restored database of each input of a recovery: the operator takes it, finds the target where it looks
// for it, and nothing that the operator has added is a difference.
func TestRestores(t *testing.T) {
	t.Parallel()
	const (
		first, last = "20260326T095900", "20260326T115900"
		database    = `source = { database = "myorg/source" }` + "\n"
		fromFirst   = "backup_id = \"" + first + "\"\n"
		gone        = `
source        = { object_store = { server_name = "source" } }
database_name = "shop"
owner         = "seller"
storage       = { size = "5Gi" }
backup        = { schedule = "0 0 3 * * *" }
`
	)
	for name, test := range map[string]struct {
		config string
		want   cnpgv1.RecoveryTarget
	}{
		"latest":              {database, cnpgv1.RecoveryTarget{BackupID: last}},
		"target_time":         {database + `target_time = "2026-03-26T12:30:00.123456+01:00"`, cnpgv1.RecoveryTarget{BackupID: first, TargetTime: "2026-03-26 11:30:00.123456+00:00"}},
		"target_lsn":          {database + `target_lsn = "0/b000100"`, cnpgv1.RecoveryTarget{BackupID: first, TargetLSN: "0/B000100"}},
		"target_xid":          {database + fromFirst + `target_xid = "1234"`, cnpgv1.RecoveryTarget{BackupID: first, TargetXID: "1234"}},
		"target_name":         {database + fromFirst + `target_name = "before the release"`, cnpgv1.RecoveryTarget{BackupID: first, TargetName: "before the release"}},
		"target_inclusive":    {database + fromFirst + "target_xid = \"1234\"\ntarget_inclusive = false", cnpgv1.RecoveryTarget{BackupID: first, TargetXID: "1234", Exclusive: new(true)}},
		"target_timeline":     {database + `target_timeline = 1`, cnpgv1.RecoveryTarget{BackupID: last, TargetTLI: "1"}},
		"backup_id":           {database + fromFirst, cnpgv1.RecoveryTarget{BackupID: first, TargetImmediate: new(true)}},
		"source.backup":       {`source = { backup = "myorg/first" }`, cnpgv1.RecoveryTarget{BackupID: first, TargetImmediate: new(true)}},
		"source.object_store": {gone, cnpgv1.RecoveryTarget{BackupID: last}},
		"source.credentials_secret": {
			`source = { database = "myorg/source", credentials_secret = { name = "readers", access_key_id_key = "id" } }`, cnpgv1.RecoveryTarget{BackupID: last},
		},
		"another store": {strings.Replace(gone, `server_name = "source"`, `server_name = "source", destination_path = "s3://backups/pg", region = "us-east-1", use_path_style = true`, 1), cnpgv1.RecoveryTarget{BackupID: last}},
		"not backed up": {database + `backup = { enabled = false }`, cnpgv1.RecoveryTarget{BackupID: last}},
		"all its own": {database + `
tier = "HA"
storage = { size = "30Gi" }
wal_storage = { size = "2Gi" }
parameters = { work_mem = "8MB" }
pg_hba = ["host all all 10.0.0.0/8 scram-sha-256"]
postgres_version = "17.6"
scheduling = { topology_key = "topology.kubernetes.io/zone" }
backup = { schedule = "@daily", retention_days = 7, server_name = "other" }`, cnpgv1.RecoveryTarget{BackupID: last}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, w := newFakes(t), newWorkspace(t)
			f.withSource()
			config := f.block + "resource \"pgplatform_restore\" \"pitr\" {\nname = \"pitr\"\nwait = false\ndeletion_protection = false\n" + test.config + "\n}\n"
			w.Write(config)
			if diags := w.Apply(t.Context()); diags.HasError() {
				t.Fatal(diags)
			}
			c := f.objects(t, namespace, "pitr").cluster
			if got := c.Spec.Bootstrap.Recovery.RecoveryTarget; !reflect.DeepEqual(*got, test.want) {
				t.Errorf("the target is %+v, want %+v", *got, test.want)
			}
			if external, found := c.ExternalCluster(c.Spec.Bootstrap.Recovery.Source); !found || external.BarmanObjectStore == nil || external.BarmanObjectStore.ServerName != "source" {
				t.Errorf("the operator looks for the archive in %+v", external)
			}
			f.noDifference(t, w, config)
			// A change leaves what it was made of.
			changed := strings.Replace(config, "wait = false", "wait = false\nlabels = { team = \"a\" }", 1)
			w.Write(changed)
			if diags := w.Apply(t.Context()); diags.HasError() {
				t.Fatal(diags)
			}
			after := f.objects(t, namespace, "pitr").cluster
			if after.Labels["team"] != "a" || !reflect.DeepEqual(after.Spec, c.Spec) {
				t.Errorf("a label changed\n%+v\nto\n%+v", c.Spec, after.Spec)
			}
			f.noDifference(t, w, changed)
		})
	}
}

func (f *fakes) noDifference(t *testing.T, w *terraformtest.Workspace, config string) {
	t.Helper()
	w.Write(config)
	plan, diags := w.Plan(t.Context())
	if diags.HasError() {
		t.Fatal(diags)
	}
	if action := plan.Action(restored); action != terraformtest.NoOp {
		c := plan.Change(restored)
		t.Errorf("after the apply, the plan is to %s:\n%#v\nto\n%#v", action, c.Before, c.After)
	}
}
