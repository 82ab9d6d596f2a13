package provider_test

import (
	"fmt"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// A bucket that the same apply makes is no obstacle to a plan, of a new database or of one that moves.
func TestDatabaseWithUnknownObjectStore(t *testing.T) {
	t.Parallel()
	configs := map[string]func(f *fakes, days int) string{
		"of the database": func(f *fakes, days int) string {
			return f.config(backedUp(fmt.Sprintf("retention_days = %d\nobject_store = { destination_path = terraform_data.bucket.output }", days)))
		},
		"of the provider": func(f *fakes, days int) string {
			return strings.Replace(f.provider(""), `"s3://backups/pg"`, "terraform_data.bucket.output", 1) + backedUp(fmt.Sprintf("retention_days = %d", days))
		},
	}
	for name, config := range configs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := operated(t)
			f.s3.CreateBucket("elsewhere")
			step := func(bucket string, days, backups int) resource.TestStep {
				return resource.TestStep{
					Config: config(f, days) + fmt.Sprintf("resource \"terraform_data\" \"bucket\" { input = %q }\n", bucket),
					Check: check(func() error {
						if got := f.barman().DestinationPath; got != bucket {
							return fmt.Errorf("it archives to %s, want %s", got, bucket)
						}
						if n := len(apitest.All[cnpgv1.Backup](f.kube)); n != backups {
							return fmt.Errorf("%d base backups that begin a folder, want %d", n, backups)
						}
						return nil
					}),
				}
			}
			unit(t, step("s3://elsewhere/one", 7, 0), step("s3://elsewhere/two", 14, 1))
		})
	}
}

// A Cluster that was made with kubectl, with everything that can be configured of its backups.
func TestDatabaseImportedWithBackups(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testDatabaseImportedWithBackups)
}

func testDatabaseImportedWithBackups(t *testing.T) {
	t.Parallel()
	selector := func(name, key string) *cnpgv1.SecretKeySelector {
		return &cnpgv1.SecretKeySelector{LocalObjectReference: cnpgv1.LocalObjectReference{Name: name}, Key: key}
	}
	store := func() *cnpgv1.BarmanObjectStoreConfiguration {
		s := &cnpgv1.BarmanObjectStoreConfiguration{
			DestinationPath: "s3://elsewhere/theirs/", EndpointURL: "https://s3.internal", ServerName: "v7",
			Wal: &cnpgv1.WalBackupConfiguration{Compression: "gzip", MaxParallel: 2}, Data: &cnpgv1.DataBackupConfiguration{Compression: "snappy"},
		}
		s.AWS = &cnpgv1.S3Credentials{AccessKeyIDReference: selector("theirs", "id"), SecretAccessKeyReference: selector("theirs", "key")}
		return s
	}
	tests := map[string]struct {
		change   func(*cnpgv1.Cluster)
		provider string
		block    string
	}{
		"keys of a Secret": {
			change: func(*cnpgv1.Cluster) {},
			block: `credentials_secret = { name = "theirs", access_key_id_key = "id", secret_access_key_key = "key" }
    server_name = "v7"`,
		},
		"region and certificate of Secrets": {
			change: func(c *cnpgv1.Cluster) {
				c.Spec.Backup.BarmanObjectStore.AWS.RegionReference = selector("theirs", "region")
				c.Spec.Backup.BarmanObjectStore.EndpointCA = selector("ca", "ca.crt")
			},
			block: `credentials_secret = { name = "theirs", access_key_id_key = "id", secret_access_key_key = "key" }`,
		},
		"a role": {
			change: func(c *cnpgv1.Cluster) {
				c.Spec.Backup.BarmanObjectStore.AWS = &cnpgv1.S3Credentials{InheritFromIAMRole: true}
				c.Spec.ServiceAccountTemplate = &cnpgv1.ServiceAccountTemplate{Metadata: cnpgv1.Metadata{Annotations: map[string]string{"eks.amazonaws.com/role-arn": podRole}}}
			},
			provider: `pod_iam_role_arn = "` + podRole + `"`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := operated(t)
			theirs := &cnpgv1.Cluster{
				ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "my-db"},
				Spec: cnpgv1.ClusterSpec{
					Instances: 1, StorageConfiguration: cnpgv1.StorageConfiguration{Size: "7Gi"},
					PostgresConfiguration: cnpgv1.PostgresConfiguration{Parameters: map[string]string{"archive_timeout": "2min"}},
					Backup:                &cnpgv1.BackupConfiguration{RetentionPolicy: "4w", BarmanObjectStore: store()},
				},
			}
			test.change(theirs)
			f.kube.Put(theirs, &cnpgv1.ScheduledBackup{
				ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "my-db"},
				Spec:       cnpgv1.ScheduledBackupSpec{Schedule: "0 0 2 * * *", Cluster: cnpgv1.LocalObjectReference{Name: "my-db"}},
			})
			s := onStage(t, f)
			config := f.provider(test.provider) + database("storage = { size = \"7Gi\" }\nbackup = {"+`
    schedule        = "0 2 * * *"
    immediate       = false
    retention_days  = 28
    archive_timeout = "120s"
    wal             = { compression = "gzip", max_parallel = 2 }
    data            = { compression = "snappy" }
    object_store    = { destination_path = "s3://elsewhere/theirs/", pod_endpoint_url = "https://s3.internal" }
    `+test.block+"\n  }")
			s.w.Write(config)
			if diags := s.w.Import(t.Context(), db, "myorg/my-db"); diags.HasError() {
				t.Fatal(diags)
			}
			if plan, warnings := s.plan(config); !plan.Empty() || warnings != "" {
				t.Errorf("there is something to do: %s\n%s", plan, warnings)
			}
			if writes := f.kube.Writes(); len(writes) != 0 {
				t.Errorf("an import has written %v", writes)
			}
			if moved, warnings := s.plan(strings.Replace(config, "s3://elsewhere/theirs/", "s3://elsewhere/ours/", 1)); moved.Action(db) != terraformtest.Update || !strings.Contains(warnings, gap) {
				t.Errorf("another path is %q with %q", moved.Action(db), warnings)
			}
		})
	}
}

// What reads the archive of a database finds it where the database has it.
func TestDatabaseInAnotherStore(t *testing.T) {
	t.Parallel()
	f := operated(t)
	other := s3test.New(t)
	other.CreateBucket("elsewhere")
	config := f.config(backedUp(fmt.Sprintf(`object_store = { destination_path = "s3://elsewhere", endpoint_url = %q }`, other.URL)))
	unit(t,
		resource.TestStep{Config: config, Check: check(func() error {
			if store := f.barman(); store.EndpointURL != other.URL || store.DestinationPath != "s3://elsewhere" {
				return fmt.Errorf("it archives to %+v", store)
			}
			a := other.Archive("elsewhere", "", "my-db")
			a.Backup("20260326T095900", onTheDay(10, 0), s3test.Segment(1, 5), s3test.Segment(1, 5), nil)
			a.Segments(1, 5, 3, onTheDay(10, 0), 0)
			return nil
		})},
		resource.TestStep{
			Config: config + listing,
			Check:  resource.TestCheckResourceAttr("data.pgplatform_backups.all", "backups.0.backup_id", "20260326T095900"),
		},
	)
	if n := f.s3.Count(""); n != 0 {
		t.Errorf("%d requests to the provider's store", n)
	}
}
