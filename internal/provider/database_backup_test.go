package provider_test

import (
	"fmt"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"k8s.io/utils/ptr"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// backedUp is a database with more in its backup block.
func backedUp(more string) string {
	return database(unprotected + "  backup = {\n    schedule = \"0 2 * * *\"\n" + more + "\n  }")
}

func (f *fakes) barman() *cnpgv1.BarmanObjectStoreConfiguration { return cnpg.Archiver(f.cluster()) }

// Every attribute of the backup block reaches the Cluster, shows drift, and is read back by an import.
func TestBackupAttributes(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testBackupAttributes)
}

func testBackupAttributes(t *testing.T) {
	t.Parallel()
	kubectl := func(change func(*cnpgv1.Cluster)) func(*fakes) {
		return func(f *fakes) { f.edit("kubectl-edit", "my-db", change) }
	}
	tests := map[string]struct {
		block string
		same  string // another writing of the same
		is    func(f *fakes) string
		want  string
		drift func(*fakes)
		// theirs tells that what kubectl changes there is not the provider's.
		theirs bool
	}{
		"retention": {
			block: `retention_days = 30`,
			is:    func(f *fakes) string { return f.cluster().Spec.Backup.RetentionPolicy }, want: "30d",
			drift: kubectl(func(c *cnpgv1.Cluster) { c.Spec.Backup.RetentionPolicy = "7d" }),
		},
		"no retention": {
			is: func(f *fakes) string { return f.cluster().Spec.Backup.RetentionPolicy }, want: "",
			drift:  kubectl(func(c *cnpgv1.Cluster) { c.Spec.Backup.RetentionPolicy = "7d" }),
			theirs: true,
		},
		"archive_timeout unset": {
			same: `archive_timeout = "300s"`,
			is:   func(f *fakes) string { return f.cluster().Spec.PostgresConfiguration.Parameters["archive_timeout"] }, want: "5min",
			drift: kubectl(func(c *cnpgv1.Cluster) { c.Spec.PostgresConfiguration.Parameters["archive_timeout"] = "1h" }),
		},
		"archive_timeout": {
			block: `archive_timeout = "90"`, same: `archive_timeout = "1.5min"`,
			is: func(f *fakes) string { return f.cluster().Spec.PostgresConfiguration.Parameters["archive_timeout"] }, want: "90",
			drift: kubectl(func(c *cnpgv1.Cluster) { c.Spec.PostgresConfiguration.Parameters["archive_timeout"] = "5min" }),
		},
		"wal": {
			block: `wal = { compression = "zstd", encryption = "aws:kms", max_parallel = 4 }`,
			is:    func(f *fakes) string { return walText(f.barman().Wal) }, want: "zstd aws:kms 4",
			drift: kubectl(func(c *cnpgv1.Cluster) { c.Spec.Backup.BarmanObjectStore.Wal.MaxParallel = 8 }),
		},
		"wal in part": {
			block: `wal = { compression = "gzip" }`,
			is:    func(f *fakes) string { return walText(f.barman().Wal) }, want: "gzip  0",
			drift: kubectl(func(c *cnpgv1.Cluster) { c.Spec.Backup.BarmanObjectStore.Wal = nil }),
		},
		"wal without content": {
			block: `wal = {}`,
			is:    func(f *fakes) string { return walText(f.barman().Wal) }, want: "nothing",
			drift: kubectl(func(c *cnpgv1.Cluster) {
				c.Spec.Backup.BarmanObjectStore.Wal = &cnpgv1.WalBackupConfiguration{Compression: "lz4"}
			}),
			theirs: true,
		},
		"data": {
			block: `data = { compression = "bzip2", encryption = "AES256", jobs = 3 }`,
			is: func(f *fakes) string {
				data := f.barman().Data
				return fmt.Sprintf("%s %s %d", data.Compression, data.Encryption, *data.Jobs)
			}, want: "bzip2 AES256 3",
			drift: kubectl(func(c *cnpgv1.Cluster) { c.Spec.Backup.BarmanObjectStore.Data.Jobs = ptr.To[int32](1) }),
		},
		"a path of its own": {
			block: `object_store = { destination_path = "s3://elsewhere/pg" }`,
			is:    func(f *fakes) string { return f.barman().DestinationPath }, want: "s3://elsewhere/pg",
			drift: kubectl(func(c *cnpgv1.Cluster) { c.Spec.Backup.BarmanObjectStore.DestinationPath = "s3://backups/theirs" }),
		},
		"an endpoint of its own for the pods": {
			block: `object_store = { pod_endpoint_url = "https://s3.internal" }`,
			is:    func(f *fakes) string { return f.barman().EndpointURL }, want: "https://s3.internal",
			drift: kubectl(func(c *cnpgv1.Cluster) { c.Spec.Backup.BarmanObjectStore.EndpointURL = "http://theirs" }),
		},
		"a Secret of its own": {
			block: `credentials_secret = { name = "my-keys", access_key_id_key = "id" }`,
			is: func(f *fakes) string {
				aws := f.barman().AWS
				return strings.Join([]string{aws.AccessKeyIDReference.Name, aws.AccessKeyIDReference.Key, aws.SecretAccessKeyReference.Name, aws.SecretAccessKeyReference.Key}, " ")
			}, want: "my-keys id my-keys ACCESS_SECRET_KEY",
			drift: kubectl(func(c *cnpgv1.Cluster) { c.Spec.Backup.BarmanObjectStore.AWS.AccessKeyIDReference.Name = "theirs" }),
		},
		"server_name": {
			block: `server_name = "my-db-v1"`,
			is:    func(f *fakes) string { return f.barman().ServerName }, want: "my-db-v1",
			drift: kubectl(func(c *cnpgv1.Cluster) { c.Spec.Backup.BarmanObjectStore.ServerName = "theirs" }),
		},
		"server_name unset": {
			is: func(f *fakes) string { return f.barman().ServerName }, want: "my-db",
			drift: kubectl(func(c *cnpgv1.Cluster) { c.Spec.Backup.BarmanObjectStore.ServerName = "theirs" }),
		},
		"method": {
			block: `method = "barmanObjectStore"`,
			is:    func(f *fakes) string { return fmt.Sprint(f.barman() != nil) }, want: "true",
			drift: kubectl(func(c *cnpgv1.Cluster) { c.Spec.Backup = nil }),
		},
		"the provider's Secret": {
			is: func(f *fakes) string { return f.barman().AWS.RegionReference.Key }, want: "REGION",
			drift: kubectl(func(c *cnpgv1.Cluster) { c.Spec.Backup.BarmanObjectStore.AWS.RegionReference = nil }),
		},
		"a certificate of theirs": {
			is: func(f *fakes) string { return fmt.Sprint(f.barman().EndpointCA) }, want: "<nil>",
			drift: kubectl(func(c *cnpgv1.Cluster) {
				c.Spec.Backup.BarmanObjectStore.EndpointCA = &cnpgv1.SecretKeySelector{LocalObjectReference: cnpgv1.LocalObjectReference{Name: "theirs"}, Key: "ca.crt"}
			}),
			theirs: true,
		},
		"immediate": {
			block: `immediate = false`,
			is:    func(f *fakes) string { return fmt.Sprint(*f.schedule().Spec.Immediate) }, want: "false",
			drift: func(f *fakes) {
				apitest.EditAs(f.kube, "kubectl-edit", fakeNamespace, "my-db", func(s *cnpgv1.ScheduledBackup) { s.Spec.Immediate = ptr.To(true) })
			},
		},
		"schedule": {
			is: func(f *fakes) string { return f.schedule().Spec.Schedule }, want: "0 0 2 * * *",
			drift: func(f *fakes) {
				apitest.EditAs(f.kube, "kubectl-edit", fakeNamespace, "my-db", func(s *cnpgv1.ScheduledBackup) { s.Spec.Schedule = "0 0 4 * * *" })
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := operated(t)
			f.s3.CreateBucket("elsewhere")
			s := onStage(t, f)
			config := f.config(backedUp(test.block))
			s.apply(config)
			if got := test.is(f); got != test.want {
				t.Errorf("Kubernetes has %q, want %q", got, test.want)
			}
			if test.same != "" {
				s.planned(f.config(backedUp(test.same)), terraformtest.NoOp)
			}

			imported := onStage(t, f)
			imported.w.Write(config)
			if diags := imported.w.Import(t.Context(), db, "myorg/my-db"); diags.HasError() {
				t.Fatal(diags)
			}
			plan, _ := imported.plan(strings.Replace(config, unprotected, "", 1))
			if test.block != "wal = {}" && !plan.Empty() { // nothing in Kubernetes tells an empty block from none
				t.Errorf("after an import there is something to do:\n%s", plan)
			}

			test.drift(f)
			if test.theirs {
				s.planned(config, terraformtest.NoOp)
				s.apply(strings.Replace(config, "0 2 * * *", "0 3 * * *", 1)) // also when something else is changed
				return
			}
			s.planned(config, terraformtest.Update)
			s.apply(config)
			if got := test.is(f); got != test.want {
				t.Errorf("what was changed is %q, and not put back to %q", got, test.want)
			}
		})
	}
}

func walText(wal *cnpgv1.WalBackupConfiguration) string {
	if wal == nil {
		return "nothing"
	}
	return fmt.Sprintf("%s %s %d", wal.Compression, wal.Encryption, wal.MaxParallel)
}

func (f *fakes) schedule() *cnpgv1.ScheduledBackup {
	return apitest.Get[cnpgv1.ScheduledBackup](f.kube, fakeNamespace, "my-db")
}
