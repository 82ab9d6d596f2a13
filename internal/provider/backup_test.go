package provider_test

import (
	"errors"
	"fmt"
	"net/http"
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
	"k8s.io/utils/ptr"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

const bk = "pgplatform_backup.bk"

func backupOf(database, more string) string {
	return fmt.Sprintf("resource \"pgplatform_backup\" \"bk\" {\n  database = %q\n%s\n}\n", database, more)
}

// backedUpFakes are fakes with a database whose Backups reach S3.
func backedUpFakes(t *testing.T) *fakes {
	t.Helper()
	f := operated(t)
	f.put(f.archivedCluster())
	f.kube.React(func(e apitest.Event) {
		if b := apitest.As[cnpgv1.Backup](e.Object); b != nil && b.Status.Phase == cnpgv1.BackupPhaseCompleted && e.Type == watch.Modified && b.DeletionTimestamp == nil {
			f.s3.Archive(fakeBucket, "pg", b.Status.ServerName).Backup(b.Status.BackupID, b.Status.StoppedAt.Time, apitest.EndWAL, apitest.EndWAL, nil)
		}
	})
	return f
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
	f := backedUpFakes(t)
	// The watches of a wait begin beside one another, and what one tells may end the wait before another one has begun.
	f.kube.Fail(apitest.First(apitest.VerbWatch, "backups", apitest.Fault{Before: func() { f.awaitRequests(t, apitest.VerbWatch, "clusters", "events") }}))
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
					statecheck.ExpectKnownValue(bk, tfjsonpath.New("destination_path"), knownvalue.StringExact("s3://"+fakeBucket+"/pg")),
					statecheck.ExpectKnownValue(bk, tfjsonpath.New("server_name"), knownvalue.StringExact("my-db-v1")),
					statecheck.ExpectKnownValue(bk, tfjsonpath.New("size_bytes"), knownvalue.Int64Exact(23453191)),
					statecheck.ExpectKnownValue(bk, tfjsonpath.New("postgres_version"), knownvalue.StringExact("17.5")),
				},
				Check: check(func() error {
					b := one()
					first = b.Name
					if !strings.HasPrefix(b.Name, "my-db-backup-20") || b.Spec.Cluster.Name != "my-db" || b.Labels[cnpg.LabelOrgID] != "acme" || b.Labels[cnpg.LabelCluster] != "my-db" {
						return fmt.Errorf("the Backup is %+v", b.ObjectMeta)
					}
					if n := f.s3.Count(""); n != 1 {
						return fmt.Errorf("%d requests to S3: %+v", n, f.s3.Requests())
					}
					// The first two are the plans'.
					return f.requestsOf("get clusters myorg/my-db", "get clusters myorg/my-db", "get clusters myorg/my-db",
						"list backups myorg", "create backups myorg", "watch backups myorg", "watch clusters myorg", "watch events myorg")(nil)
				}),
			},
			{ // a refresh
				PreConfig: func() { f.kube.Forget(); f.s3.Reset() }, RefreshState: true,
				Check: check(func() error {
					if n := f.s3.Count(""); n != 1 {
						return fmt.Errorf("%d requests to S3 for a refresh", n)
					}
					return f.requestsOf("get backups myorg/" + first)(nil)
				}),
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
			{ // the plan of what only Terraform keeps asks nobody for anything
				Config:           f.config(backupOf("myorg/my-db", "triggers = { release = \"v42\" }\n  wait = false")),
				ConfigPlanChecks: action(bk, plancheck.ResourceActionUpdate),
			},
			{
				ResourceName: bk, ImportState: true, ImportStateVerify: true, ImportStateVerifyIgnore: []string{"triggers", "wait"},
			},
		},
	})
}

// What retention removed is kept in the state, so that no plan takes it again.
func TestBackupExpires(t *testing.T) {
	t.Parallel()
	begin := func(t *testing.T) (s *stage, config string, object *cnpgv1.Backup) {
		t.Helper()
		s = onStage(t, backedUpFakes(t))
		config = s.config(backupOf("myorg/my-db", ""))
		s.apply(config)
		s.status("COMPLETED")
		return s, config, &apitest.All[cnpgv1.Backup](s.kube)[0]
	}
	expire := func(s *stage, b *cnpgv1.Backup) {
		for _, key := range s.s3.Keys(fakeBucket, "pg/my-db-v1/base/"+b.Status.BackupID+"/") {
			s.s3.Delete(fakeBucket, key)
		}
	}
	remove := func(s *stage, b *cnpgv1.Backup) { apitest.Delete[cnpgv1.Backup](s.kube, b.Namespace, b.Name) }

	t.Run("with its object, as CNPG's retention removes it", func(t *testing.T) {
		t.Parallel()
		s, config, b := begin(t)
		expire(s, b)
		remove(s, b)
		if warnings := s.apply(config); warnings != "" {
			t.Errorf("warnings: %s", warnings)
		}
		s.status("EXPIRED")
		s.w.Write(s.config(""))
		if diags := s.w.Apply(t.Context()); diags.HasError() {
			t.Errorf("it cannot be destroyed: %s", diags)
		}
	})
	t.Run("without its object", func(t *testing.T) {
		t.Parallel()
		s, config, b := begin(t)
		expire(s, b)
		s.apply(config)
		s.status("EXPIRED")
	})
	t.Run("not when only its object is gone", func(t *testing.T) {
		t.Parallel()
		s, config, b := begin(t)
		remove(s, b)
		s.apply(config)
		s.status("COMPLETED")
	})
	t.Run("not where the pods write elsewhere", func(t *testing.T) {
		t.Parallel()
		f := operated(t) // nothing of its Backups reaches S3
		f.put(f.archivedCluster())
		s := onStage(t, f)
		s.w.Write(s.config(backupOf("myorg/my-db", "")))
		if diags := s.w.Apply(t.Context()); !says("Backup Not Seen in S3", "pod_endpoint_url").MatchString(diags.Warnings().String()) {
			t.Errorf("diagnostics: %s", diags)
		}
		s.status("COMPLETED")
	})
	t.Run("no less where S3 does not answer", func(t *testing.T) {
		t.Parallel()
		s, config, b := begin(t)
		expire(s, b)
		s.apply(config)
		s.s3.Fail(func(s3test.Request) *s3test.Fault { return &s3test.Fault{Status: 403, Code: "AccessDenied"} })
		s.apply(config)
		s.status("EXPIRED")
	})
	t.Run("not where the database archives elsewhere by now", func(t *testing.T) {
		t.Parallel()
		s, config, b := begin(t)
		other := s3test.New(t)
		other.CreateBucket(fakeBucket)
		apitest.Edit(s.kube, fakeNamespace, "my-db", func(c *cnpgv1.Cluster) { c.Spec.Backup.BarmanObjectStore.EndpointURL = other.URL })
		config = strings.ReplaceAll(config, s.s3.URL, other.URL)
		s.w.Write("")
		elsewhere := onStage(t, s.fakes)
		elsewhere.w.Write(config)
		if diags := elsewhere.w.Import(t.Context(), bk, cnpg.KeyOf(b).String()); diags.HasError() {
			t.Fatal(diags)
		}
		elsewhere.apply(config)
		elsewhere.status("COMPLETED")
	})
	t.Run("not with the database", func(t *testing.T) {
		t.Parallel()
		s, config, b := begin(t)
		remove(s, b)
		apitest.Delete[cnpgv1.Cluster](s.kube, fakeNamespace, "my-db")
		s.apply(config)
		s.status("COMPLETED")
	})
	t.Run("not where S3 does not answer", func(t *testing.T) {
		t.Parallel()
		s, config, b := begin(t)
		remove(s, b)
		s.s3.Fail(func(s3test.Request) *s3test.Fault { return &s3test.Fault{Status: 403, Code: "AccessDenied"} })
		plan, warnings := s.plan(config)
		if !plan.Empty() || !says("Backup Not Looked Up", "taken as it was seen last: COMPLETED").MatchString(warnings) {
			t.Errorf("the plan is %s\nwarnings: %s", plan, warnings)
		}
	})
}

// A backup that nobody waits for is followed by refreshes.
func TestBackupWithoutWaiting(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status  cnpgv1.BackupStatus
		want    string
		reason  string
		warning string
	}{
		"completed": {
			status: cnpgv1.BackupStatus{Phase: cnpgv1.BackupPhaseCompleted, BackupID: "20260326T142040", ServerName: "my-db-v1", DestinationPath: "s3://" + fakeBucket + "/pg"},
			want:   "COMPLETED",
		},
		"failed": {
			status: cnpgv1.BackupStatus{Phase: cnpgv1.BackupPhaseFailed, Error: "exit status 3", InstanceID: &cnpgv1.InstanceID{PodName: "my-db-1"}},
			want:   "FAILED", reason: "exit status 3; 2026-03-26 ERROR: Access Denied",
		},
		"given up": {
			status: cnpgv1.BackupStatus{Phase: cnpgv1.BackupPhaseWalArchivingFailing},
			want:   "FAILED", reason: "CNPG gives no reason", warning: "Backup Blocks Later Ones",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakes(t)
			f.put(f.archivedCluster(), failingPod())
			f.kube.Log(fakeNamespace, "my-db-1", "postgres", accessDenied)
			s := onStage(t, f)
			config := f.config(backupOf("myorg/my-db", "wait = false\n  target = \"primary\""))
			s.apply(config)
			s.status("IN_PROGRESS")
			b := apitest.All[cnpgv1.Backup](f.kube)[0]
			if b.Spec.Target != cnpgv1.BackupTargetPrimary {
				t.Errorf("its target is %q", b.Spec.Target)
			}
			apitest.Edit(f.kube, b.Namespace, b.Name, func(b *cnpgv1.Backup) {
				b.Status = test.status
				b.Status.StoppedAt = ptr.To(metav1.NewTime(f.now()))
			})
			if test.status.BackupID != "" {
				f.s3.Archive(fakeBucket, "pg", "my-db-v1").Backup(test.status.BackupID, f.now(), apitest.EndWAL, apitest.EndWAL, nil)
			}
			plan, warnings := s.plan(config)
			if !plan.Empty() || (test.warning != "") != strings.Contains(warnings, "Blocks") || !strings.Contains(warnings, test.warning) {
				t.Errorf("the plan is %s\nwarnings: %s", plan, warnings)
			}
			s.apply(config)
			s.status(test.want)
			if reason := s.backupAttribute("error"); reason != test.reason {
				t.Errorf("error = %q, want %q", reason, test.reason)
			}
		})
	}
}

// backupAttribute is a string in the backup's state; "" for null.
func (s *stage) backupAttribute(name string) string {
	s.t.Helper()
	value := s.w.Object(bk).Attribute(name)
	if value.IsNull() {
		return ""
	}
	return value.AsString()
}

func (s *stage) status(want string) {
	s.t.Helper()
	if got := s.backupAttribute("status"); got != want {
		s.t.Errorf("the backup's status is %q, want %q", got, want)
	}
}

// failingPod is the pod whose log has accessDenied.
func failingPod() *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "my-db-1"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "postgres"}}},
	}
}

const accessDenied = `{"level":"info","logger":"barman-cloud-backup","msg":"2026-03-26 ERROR: Access Denied"}`

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
			want:   []string{"Unable to Take Backup", "walArchivingFailing", "The Backup object myorg/my-db-backup-", "was removed, since it would block every later backup of the database", "Terraform's state holds no backup: the next apply takes one"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakes(t)
			f.put(f.archivedCluster(), failingPod())
			f.kube.Log(fakeNamespace, "my-db-1", "postgres", accessDenied)
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

// What an error leaves in Kubernetes and in the state is said.
func TestBackupThatCannotBeRemoved(t *testing.T) {
	t.Parallel()
	denied := apitest.Each(apitest.VerbDelete, "backups", apitest.Fault{Status: http.StatusForbidden})
	t.Run("one that blocks others", func(t *testing.T) {
		t.Parallel()
		f := newFakes(t)
		f.put(f.archivedCluster())
		f.kube.React(func(e apitest.Event) {
			if b := apitest.As[cnpgv1.Backup](e.Object); b != nil && e.Type == watch.Added {
				apitest.Edit(f.kube, b.Namespace, b.Name, func(b *cnpgv1.Backup) { b.Status.Phase = cnpgv1.BackupPhaseWalArchivingFailing })
			}
		})
		f.kube.Fail(denied)
		s := onStage(t, f)
		s.fails(f.config(backupOf("myorg/my-db", "")), "Unable to Take Backup", "The Backup object myorg/my-db-backup-", "blocks every later backup", "could not be removed", "forbidden",
			"recorded in Terraform's state", "the next apply removes it and takes another")
		s.status("FAILED")
	})
	t.Run("one that is destroyed", func(t *testing.T) {
		t.Parallel()
		f := backedUpFakes(t)
		s := onStage(t, f)
		s.apply(f.config(backupOf("myorg/my-db", "")))
		f.kube.Fail(denied)
		s.fails(f.config(""), "Unable to Remove Backup", "Backup myorg/my-db-backup-", "forbidden", "stays, and so does its entry in Terraform's state", "terraform state rm")
		s.status("COMPLETED")
	})
	t.Run("one that cannot be read", func(t *testing.T) {
		t.Parallel()
		f := backedUpFakes(t)
		s := onStage(t, f)
		config := f.config(backupOf("myorg/my-db", ""))
		s.apply(config)
		f.kube.Fail(apitest.Each(apitest.VerbGet, "backups", apitest.Fault{Status: http.StatusForbidden}))
		s.refused(config, "Unable to Read Backup", "Backup myorg/my-db-backup-", "forbidden", "Terraform's state keeps it as it was seen last")
	})
}

func TestBackupRefused(t *testing.T) {
	t.Parallel()
	t.Run("the database archives nowhere", func(t *testing.T) {
		t.Parallel()
		f := newFakes(t)
		cluster := f.archivedCluster()
		cluster.Spec.Backup = nil
		f.put(cluster)
		unit(t, resource.TestStep{
			Config:      f.config(backupOf("myorg/my-db", "")),
			PlanOnly:    true,
			ExpectError: says("Database Has No Backups", `database = "myorg/my-db"`, "Give it a backup block first"),
		})
	})
	t.Run("the database is hibernated", func(t *testing.T) {
		t.Parallel()
		f := newFakes(t)
		cluster := f.archivedCluster()
		cluster.Annotations = map[string]string{cnpg.AnnotationHibernation: "on"}
		f.put(cluster)
		onStage(t, f).refused(f.config(backupOf("myorg/my-db", "")), "Database Is Hibernated", "database", "Wake it up first", "take it out there", "cnpg.io/hibernation=off")
	})
	t.Run("it would wait behind another for ever", func(t *testing.T) {
		t.Parallel()
		f := newFakes(t)
		f.put(f.archivedCluster(), &cnpgv1.Backup{
			ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "given-up"},
			Spec:       cnpgv1.BackupSpec{Cluster: cnpgv1.LocalObjectReference{Name: "my-db"}},
			Status:     cnpgv1.BackupStatus{Phase: cnpgv1.BackupPhaseWalArchivingFailing},
		})
		onStage(t, f).fails(f.config(backupOf("myorg/my-db", "")), "Unable to Take Backup", "the Backup myorg/given-up", "holds every later one back: delete it first", "Nothing was created")
		if writes := f.kube.Writes(); len(writes) > 0 {
			t.Errorf("written: %v", apitest.Summaries(writes))
		}
	})
	t.Run("its backups come with the same apply", func(t *testing.T) {
		t.Parallel()
		f := backedUpFakes(t)
		other := func(attributes string) string {
			return strings.ReplaceAll(f.config(database(unprotected+attributes)), "my-db", "other")
		}
		unit(t,
			resource.TestStep{Config: other("")},
			resource.TestStep{
				Config: other("\n  backup = { schedule = \"0 2 * * *\" }") + strings.Replace(backupOf("", ""), `""`, "pgplatform_database.db.id", 1),
				Check:  resource.TestCheckResourceAttr(bk, "status", "COMPLETED"),
			},
		)
	})
	t.Run("the database is deleted meanwhile", func(t *testing.T) {
		t.Parallel()
		f := newFakes(t)
		f.put(f.archivedCluster())
		f.kube.React(func(e apitest.Event) {
			if b := apitest.As[cnpgv1.Backup](e.Object); b != nil && e.Type == watch.Added {
				apitest.Delete[cnpgv1.Cluster](f.kube, fakeNamespace, "my-db")
			}
		})
		s := onStage(t, f)
		s.fails(f.config(backupOf("myorg/my-db", "")), "Unable to Take Backup", "Cluster myorg/my-db: not found", "stays and is recorded in Terraform's state")
		s.status("IN_PROGRESS")
	})
	t.Run("the database does not run", func(t *testing.T) {
		t.Parallel()
		f := newFakes(t)
		cluster := f.archivedCluster()
		cluster.Status.Phase = "Not enough disk space"
		f.put(cluster)
		onStage(t, f).fails(f.config(backupOf("myorg/my-db", "")), "Database Cannot Be Backed Up", "Not enough disk space", "Nothing was created")
	})
	t.Run("it does not end in time", func(t *testing.T) {
		t.Parallel()
		f := newFakes(t)
		f.put(f.archivedCluster())
		s := onStage(t, f)
		s.fails(f.config(backupOf("myorg/my-db", `timeouts = { create = "100ms" }`)), "Unable to Take Backup", "timeouts", "create", "recorded in Terraform's state")
		s.status("IN_PROGRESS")
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
