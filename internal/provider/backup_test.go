package provider_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

const bk = "pgplatform_backup.bk"

func backupOf(database, more string) string {
	return fmt.Sprintf("resource \"pgplatform_backup\" \"bk\" {\n  database = %q\n%s\n}\n", database, more)
}

// archived is a healthy Cluster that archives to the fakes' store.
func (f *fakes) archivedCluster() *cnpgv1.Cluster {
	cluster := &cnpgv1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "my-db", Labels: map[string]string{cnpg.LabelOrgID: "acme"}},
		Spec: cnpgv1.ClusterSpec{
			Instances: 1, ImageName: "ghcr.io/cloudnative-pg/postgresql:17.5",
			StorageConfiguration:  cnpgv1.StorageConfiguration{Size: "3Gi"},
			PostgresConfiguration: cnpgv1.PostgresConfiguration{Parameters: map[string]string{"work_mem": "8MB"}},
			Bootstrap:             &cnpgv1.BootstrapConfiguration{InitDB: &cnpgv1.BootstrapInitDB{Database: "shop", Owner: "seller"}},
			Backup: &cnpgv1.BackupConfiguration{
				RetentionPolicy:   "14d",
				BarmanObjectStore: &cnpgv1.BarmanObjectStoreConfiguration{DestinationPath: "s3://" + fakeBucket + "/pg", ServerName: "my-db-v1", EndpointURL: f.s3.URL},
			},
		},
	}
	apitest.Healthy(cluster)
	return cluster
}

func TestBackupLives(t *testing.T) {
	t.Parallel()
	f := operated(t)
	f.kube.Put(f.archivedCluster())
	var first string
	one := func() cnpgv1.Backup {
		all := apitest.All[cnpgv1.Backup](f.kube)
		if len(all) != 1 {
			t.Errorf("Backups: %v, want one", all)
			return cnpgv1.Backup{}
		}
		return all[0]
	}
	unitCase(t, resource.TestCase{
		CheckDestroy: check(func() error {
			if n := len(apitest.All[cnpgv1.Backup](f.kube)); n != 0 {
				return fmt.Errorf("%d Backups are left", n)
			}
			return nil
		}),
		Steps: []resource.TestStep{
			{
				Config: f.config(backupOf("myorg/my-db", `triggers = { release = "v41" }`)),
				ConfigStateChecks: []statecheck.StateCheck{
					statecheck.ExpectKnownValue(bk, tfjsonpath.New("type"), knownvalue.StringExact("MANUAL")),
					statecheck.ExpectKnownValue(bk, tfjsonpath.New("status"), knownvalue.StringExact("COMPLETED")),
					statecheck.ExpectKnownValue(bk, tfjsonpath.New("begin_wal"), knownvalue.StringExact("000000010000000000000004")),
					statecheck.ExpectKnownValue(bk, tfjsonpath.New("error"), knownvalue.Null()),
				},
				Check: check(func() error {
					b := one()
					first = b.Name
					if !strings.HasPrefix(b.Name, "my-db-backup-20") || b.Spec.Cluster.Name != "my-db" || b.Labels[cnpg.LabelOrgID] != "acme" || b.Labels[cnpg.LabelCluster] != "my-db" {
						return fmt.Errorf("the Backup is %+v", b.ObjectMeta)
					}
					return nil
				}),
			},
			{ // a refresh
				PreConfig: f.kube.Forget, RefreshState: true,
				Check: check(func() error { return f.requestsOf("get backups myorg/" + first)(nil) }),
			},
			{
				Config:           f.config(backupOf("myorg/my-db", `triggers = { release = "v42" }`)),
				ConfigPlanChecks: action(bk, plancheck.ResourceActionDestroyBeforeCreate),
				Check: check(func() error {
					if one().Name == "" {
						return errors.New("no Backup")
					}
					return nil
				}),
			},
			{ // retention has removed it
				PreConfig:        func() { apitest.Delete[cnpgv1.Backup](f.kube, fakeNamespace, one().Name) },
				Config:           f.config(backupOf("myorg/my-db", `triggers = { release = "v42" }`)),
				ConfigPlanChecks: action(bk, plancheck.ResourceActionCreate),
			},
		},
	})
}

func TestBackupThatFails(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		status cnpgv1.BackupStatus
		want   []string
		left   int
	}{
		"with an error": {
			status: cnpgv1.BackupStatus{Phase: cnpgv1.BackupPhaseFailed, Error: "exit status 3", InstanceID: &cnpgv1.InstanceID{PodName: "my-db-1"}},
			want:   []string{"Unable to Take Backup", "failed: exit status 3; 2026-03-26 ERROR: Access Denied", "stays and is recorded in Terraform's state"},
			left:   1,
		},
		"since WAL archiving fails": {
			status: cnpgv1.BackupStatus{Phase: cnpgv1.BackupPhaseWalArchivingFailing},
			want:   []string{"Unable to Take Backup", "walArchivingFailing", "was removed, since it would block every later backup"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakes(t)
			pod := &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "my-db-1"},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "postgres"}}},
			}
			f.kube.Put(f.archivedCluster(), pod)
			f.kube.Log(fakeNamespace, "my-db-1", "postgres", `{"level":"info","logger":"barman-cloud-backup","msg":"2026-03-26 ERROR: Access Denied"}`)
			f.kube.React(func(e apitest.Event) {
				if b := apitest.As[cnpgv1.Backup](e.Object); b != nil && e.Type == watch.Added {
					apitest.Edit(f.kube, b.Namespace, b.Name, func(b *cnpgv1.Backup) { b.Status = test.status })
				}
			})
			unit(t, resource.TestStep{Config: f.config(backupOf("myorg/my-db", "")), ExpectError: says(test.want...)},
				resource.TestStep{
					PreConfig: func() {
						if n := len(apitest.All[cnpgv1.Backup](f.kube)); n != test.left {
							t.Errorf("%d Backups are left, want %d", n, test.left)
						}
						f.kube.React(func(e apitest.Event) {
							if b := apitest.As[cnpgv1.Backup](e.Object); b != nil && e.Type == watch.Added {
								apitest.Edit(f.kube, b.Namespace, b.Name, func(b *cnpgv1.Backup) { b.Status.Phase = cnpgv1.BackupPhaseCompleted })
							}
						})
					},
					Config: f.config(backupOf("myorg/my-db", "")),
					Check:  resource.TestCheckResourceAttr(bk, "status", "COMPLETED"),
				})
			if n := len(apitest.All[cnpgv1.Backup](f.kube)); n != 0 {
				t.Errorf("%d Backups are left", n)
			}
		})
	}
}

func TestBackupRefused(t *testing.T) {
	t.Parallel()
	t.Run("the database archives nowhere", func(t *testing.T) {
		t.Parallel()
		f := newFakes(t)
		cluster := f.archivedCluster()
		cluster.Spec.Backup = nil
		f.kube.Put(cluster)
		unit(t, resource.TestStep{
			Config:      f.config(backupOf("myorg/my-db", "")),
			PlanOnly:    true,
			ExpectError: says("Database Has No Backups", `database = "myorg/my-db"`, "Give it a backup block first"),
		})
	})
	t.Run("the database does not exist", func(t *testing.T) {
		t.Parallel()
		f := newFakes(t)
		unit(t, resource.TestStep{
			Config:      f.config(backupOf("myorg/my-db", "")),
			ExpectError: says("Unable to Take Backup", `database = "myorg/my-db"`, "Cluster myorg/my-db: not found. Nothing was created."),
		})
		f.nothingWritten(t)
	})
}
