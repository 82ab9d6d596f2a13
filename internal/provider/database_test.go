package provider_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

const db = "pgplatform_database.db"

// database is the configuration of a database with more attributes.
func database(attributes string) string {
	return fmt.Sprintf("resource \"pgplatform_database\" \"db\" {\n  name = \"my-db\"\n%s\n}\n", attributes)
}

const unprotected = "  deletion_protection = false\n"

func action(address string, a plancheck.ResourceActionType) resource.ConfigPlanChecks {
	return resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(address, a)}}
}

// requestsOf checks the requests since the fakes' record was last forgotten, whatever their order, and forgets them.
func (f *fakes) requestsOf(want ...string) resource.TestCheckFunc {
	return check(func() error {
		got := apitest.Summaries(f.kube.Requests())
		f.kube.Forget()
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			return fmt.Errorf("requests:\n%q\nwant:\n%q", got, want)
		}
		return nil
	})
}

// awaitRequests blocks until each of the resources was asked for with a verb.
func (f *fakes) awaitRequests(t *testing.T, verb string, resources ...string) {
	t.Helper()
	asked := func(name string) bool {
		return slices.ContainsFunc(f.kube.Requests(), func(r apitest.Request) bool { return r.Is(verb, name) })
	}
	err := wait.PollUntilContextTimeout(t.Context(), time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		return !slices.ContainsFunc(resources, func(name string) bool { return !asked(name) }), nil
	})
	if err != nil {
		t.Errorf("%s of %q: %v", verb, resources, err)
	}
}

func (f *fakes) cluster() *cnpgv1.Cluster {
	return f.clusterNamed("my-db")
}

func TestDatabaseCreate(t *testing.T) {
	t.Parallel()
	f := operated(t)
	unitCase(t, resource.TestCase{
		CheckDestroy: check(func() error {
			if left := len(apitest.All[cnpgv1.Cluster](f.kube)) + len(apitest.All[cnpgv1.ScheduledBackup](f.kube)) +
				len(apitest.All[corev1.Secret](f.kube)) + len(apitest.All[corev1.PersistentVolumeClaim](f.kube)); left > 0 {
				return fmt.Errorf("%d objects are left", left)
			}
			return nil
		}),
		Steps: []resource.TestStep{
			{
				Config: f.config(database(unprotected + `
  org_id     = "acme"
  parameters = { work_mem = "8MB" }
  backup     = { schedule = "0 2 * * *", retention_days = 30 }`)),
				ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{noKeys{}}},
				Check:            check(f.checkCreated),
				ConfigStateChecks: []statecheck.StateCheck{
					noKeys{},
					statecheck.ExpectKnownValue(db, tfjsonpath.New("id"), knownvalue.StringExact("myorg/my-db")),
					statecheck.ExpectKnownValue(db, tfjsonpath.New("status"), knownvalue.StringExact("READY")),
					statecheck.ExpectKnownValue(db, tfjsonpath.New("phase"), knownvalue.StringExact(cnpgv1.PhaseHealthy)),
					statecheck.ExpectKnownValue(db, tfjsonpath.New("parameters"), knownvalue.MapExact(map[string]knownvalue.Check{"work_mem": knownvalue.StringExact("8MB")})),
					statecheck.ExpectKnownValue(db, tfjsonpath.New("backup").AtMapKey("schedule"), knownvalue.StringExact("0 2 * * *")),
					statecheck.ExpectKnownValue(db, tfjsonpath.New("archive").AtMapKey("server_name"), knownvalue.StringExact("my-db")),
					statecheck.ExpectKnownValue(db, tfjsonpath.New("archive").AtMapKey("continuous_archiving"), knownvalue.Bool(true)),
					statecheck.ExpectKnownValue(db, tfjsonpath.New("connection_info").AtMapKey("host"), knownvalue.StringExact("my-db-rw.myorg.svc")),
					statecheck.ExpectKnownValue(db, tfjsonpath.New("connection_info").AtMapKey("read_only_host"), knownvalue.Null()),
				},
			},
			{ // the same in other words is no change
				Config: f.config(database(unprotected + `
  org_id     = "acme"
  parameters = { work_mem = "8MB" }
  tier       = "STANDARD"
  storage    = { size = "10240Mi" }
  resources  = { cpu = "0.25" }
  backup     = { schedule = "0 0 2 * * *", retention_days = 30 }`)),
				PlanOnly: true,
			},
			{ // a refresh
				PreConfig:    f.kube.Forget,
				RefreshState: true,
				Check:        f.requestsOf("get clusters myorg/my-db", "get scheduledbackups myorg/my-db"),
			},
			{
				ResourceName: db, ImportState: true, ImportStateVerify: true,
				// An import protects, and reads the schedule as CNPG writes it.
				ImportStateVerifyIgnore: []string{"deletion_protection", "backup.schedule"},
			},
		},
	})
}

// checkCreated looks at what TestDatabaseCreate has made.
func (f *fakes) checkCreated() error {
	cluster := f.cluster()
	spec := cluster.Spec
	store := spec.Backup.BarmanObjectStore
	switch {
	case spec.Instances != 1 || spec.StorageConfiguration.Size != "10Gi":
		return fmt.Errorf("%d instances with %s", spec.Instances, spec.StorageConfiguration.Size)
	case spec.Resources.Requests.Cpu().String() != "250m" || spec.Resources.Limits.Memory().String() != "1Gi" || !spec.Resources.Limits.Cpu().IsZero():
		return fmt.Errorf("resources are %v", spec.Resources)
	case cluster.Labels[cnpg.LabelOrgID] != "acme" || cluster.Annotations[cnpg.AnnotationTier] != "STANDARD":
		return fmt.Errorf("labels %v, annotations %v", cluster.Labels, cluster.Annotations)
	case spec.Bootstrap.InitDB.Database != "app" || spec.Bootstrap.InitDB.Owner != "app":
		return fmt.Errorf("bootstrap is %+v", spec.Bootstrap.InitDB)
	case store.DestinationPath != "s3://backups/pg" || store.ServerName != "my-db" || store.EndpointURL != f.s3.URL || spec.Backup.RetentionPolicy != "30d":
		return fmt.Errorf("backup is %+v to %+v", spec.Backup, store)
	}
	secret := apitest.Get[corev1.Secret](f.kube, fakeNamespace, store.AWS.AccessKeyIDReference.Name)
	switch {
	case secret == nil:
		return fmt.Errorf("there is no Secret %s", store.AWS.AccessKeyIDReference.Name)
	case string(secret.Data[store.AWS.AccessKeyIDReference.Key]) != s3test.AccessKeyID || string(secret.Data[store.AWS.SecretAccessKeyReference.Key]) != s3test.SecretAccessKey:
		return errors.New("the Secret holds other keys")
	case string(secret.Data[store.AWS.RegionReference.Key]) != s3test.Region:
		return errors.New("the Secret holds another region")
	case secret.Labels[cnpg.LabelReload] != "true" || secret.Labels[cnpg.LabelOrgID] != "acme":
		return fmt.Errorf("the Secret's labels are %v", secret.Labels)
	}
	scheduled := apitest.Get[cnpgv1.ScheduledBackup](f.kube, fakeNamespace, "my-db")
	if scheduled.Spec.Schedule != "0 0 2 * * *" || scheduled.Spec.Cluster.Name != "my-db" || scheduled.Spec.BackupOwnerReference != "cluster" || !*scheduled.Spec.Immediate || scheduled.Labels[cnpg.LabelOrgID] != "acme" {
		return fmt.Errorf("the ScheduledBackup is %+v", scheduled.Spec)
	}
	return nil
}

// The plan shows what a tier stands for.
func TestDatabaseTiers(t *testing.T) {
	t.Parallel()
	f := operated(t)
	planned := func(a plancheck.ResourceActionType, instances int64, size, cpu, memory string) resource.ConfigPlanChecks {
		return resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
			plancheck.ExpectResourceAction(db, a),
			plancheck.ExpectKnownValue(db, tfjsonpath.New("instances"), knownvalue.Int64Exact(instances)),
			plancheck.ExpectKnownValue(db, tfjsonpath.New("storage").AtMapKey("size"), knownvalue.StringExact(size)),
			plancheck.ExpectKnownValue(db, tfjsonpath.New("resources").AtMapKey("cpu"), knownvalue.StringExact(cpu)),
			plancheck.ExpectKnownValue(db, tfjsonpath.New("resources").AtMapKey("memory"), knownvalue.StringExact(memory)),
		}}
	}
	unit(t,
		resource.TestStep{
			Config:           f.config(database(unprotected + `tier = "DEV"`)),
			ConfigPlanChecks: planned(plancheck.ResourceActionCreate, 1, "1Gi", "100m", "512Mi"),
		},
		resource.TestStep{
			Config:           f.config(database(unprotected + `tier = "HA"`)),
			ConfigPlanChecks: planned(plancheck.ResourceActionUpdate, 3, "20Gi", "250m", "2Gi"),
			Check:            resource.TestCheckResourceAttr(db, "connection_info.read_only_host", "my-db-ro.myorg.svc"),
		},
		resource.TestStep{ // volumes do not shrink with the tier
			Config: f.config(database(unprotected + `
  tier      = "DEV"
  resources = { memory = "1Gi" }`)),
			ConfigPlanChecks: planned(plancheck.ResourceActionUpdate, 1, "20Gi", "100m", "1Gi"),
		},
		resource.TestStep{
			Config:      f.config(database(unprotected + `storage = { size = "10Gi" }`)),
			ExpectError: says("Storage Cannot Shrink", "storage.size: the volumes have 20Gi; 10Gi is less."),
			PlanOnly:    true,
		},
		resource.TestStep{
			Config:      f.config(database(unprotected + `storage = { storage_class = "fast" }`)),
			ExpectError: says("Storage Class Cannot Change", "storage.storage_class:"),
			PlanOnly:    true,
		},
	)
}

func TestDatabaseBackupsComeAndGo(t *testing.T) {
	t.Parallel()
	f := operated(t)
	unit(t,
		resource.TestStep{
			Config: f.config(database(unprotected)),
			Check: resource.ComposeTestCheckFunc(
				resource.TestCheckNoResourceAttr(db, "archive.server_name"),
				check(func() error {
					if n := len(apitest.All[corev1.Secret](f.kube)) + len(apitest.All[cnpgv1.ScheduledBackup](f.kube)) + f.s3.Count(""); n != 0 {
						return fmt.Errorf("%d objects and requests for backups that nobody asked for", n)
					}
					return nil
				})),
		},
		resource.TestStep{
			Config: f.config(database(unprotected + `backup = { schedule = "@daily" }`)),
			Check:  resource.TestCheckResourceAttr(db, "archive.server_name", "my-db"),
		},
		resource.TestStep{
			Config: f.config(database(unprotected + `backup = { schedule = "30 4 * * *", retention_days = 7 }`)),
			Check: check(func() error {
				if s := apitest.Get[cnpgv1.ScheduledBackup](f.kube, fakeNamespace, "my-db").Spec.Schedule; s != "0 30 4 * * *" {
					return fmt.Errorf("schedule is %q", s)
				}
				if p := f.cluster().Spec.Backup.RetentionPolicy; p != "7d" {
					return fmt.Errorf("retention is %q", p)
				}
				return nil
			}),
		},
		resource.TestStep{
			Config: f.config(database(unprotected + `backup = { enabled = false, schedule = "30 4 * * *" }`)),
			Check: resource.ComposeTestCheckFunc(
				resource.TestCheckNoResourceAttr(db, "archive.server_name"),
				check(func() error {
					if f.cluster().Spec.Backup != nil || len(apitest.All[cnpgv1.ScheduledBackup](f.kube)) != 0 {
						return errors.New("the backups go on")
					}
					return nil
				})),
		},
	)
}

// A refresh costs two requests for each database, and nothing else.
// A folder that holds something already is not written to.
func TestDatabaseArchivesToAFreshFolder(t *testing.T) {
	t.Parallel()
	f := operated(t)
	f.s3.Archive(fakeBucket, "pg", "my-db").WAL("000000010000000000000001", f.now())
	unit(t, resource.TestStep{
		Config: f.config(goodDatabase),
		Check: check(func() error {
			if name := f.cluster().Spec.Backup.BarmanObjectStore.ServerName; !strings.HasPrefix(name, "my-db-") {
				return fmt.Errorf("archives to %q", name)
			}
			return nil
		}),
	})
}

// A rotated key shows up in the plan, and reaches the Secret that the pods read.
func TestDatabaseKeyRotation(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testDatabaseKeyRotation)
}

func testDatabaseKeyRotation(t *testing.T) {
	t.Parallel()
	f := operated(t)
	f.s3.AnyKey()
	var before, after string
	rotated := strings.NewReplacer(s3test.AccessKeyID, "ROTATEDACCESSKEY0001").Replace(f.config(goodDatabase))
	unit(t,
		resource.TestStep{
			Config: f.config(goodDatabase),
			Check: resource.TestCheckResourceAttrWith(db, "archive.credentials_fingerprint", func(v string) error {
				before = v
				f.kube.Forget()
				return nil
			}),
		},
		resource.TestStep{
			Config:           rotated,
			ConfigPlanChecks: action(db, plancheck.ResourceActionUpdate),
			Check: resource.ComposeTestCheckFunc(
				resource.TestCheckResourceAttrWith(db, "archive.credentials_fingerprint", func(v string) error {
					if after = v; after == before {
						return errors.New("the fingerprint did not change")
					}
					return nil
				}),
				check(func() error {
					if key := apitest.Get[corev1.Secret](f.kube, fakeNamespace, "my-db-backup-s3-creds").Data["ACCESS_KEY_ID"]; string(key) != "ROTATEDACCESSKEY0001" {
						return errors.New("the Secret holds the old key")
					}
					return nil
				})),
		},
		resource.TestStep{Config: rotated, PlanOnly: true},
	)
}

func TestDatabaseProtection(t *testing.T) {
	t.Parallel()
	f := operated(t)
	protected, open := f.config(database("")), f.config(database(unprotected))
	unit(t,
		resource.TestStep{Config: protected, Check: check(func() error { f.kube.Forget(); return nil })},
		resource.TestStep{Config: protected, Destroy: true, ExpectError: says("Database Is Protected", "first apply deletion_protection = false")},
		resource.TestStep{
			Config:      strings.Replace(protected, `"my-db"`, `"my-db-2"`, 1),
			PlanOnly:    true,
			ExpectError: says("Database Is Protected", "This change would destroy the database myorg/my-db"),
		},
		resource.TestStep{ // the resource is no longer in the configuration
			Config:      f.config(""),
			ExpectError: says("Database Is Protected"),
		},
		resource.TestStep{ // Terraform's own settings: no request but those of the refreshes, and no wait
			PreConfig: func() {
				if writes := f.kube.Writes(); len(writes) != 0 {
					t.Errorf("written for a protected database: %v", writes)
				}
				f.kube.Forget()
			},
			Config:           open,
			ConfigPlanChecks: action(db, plancheck.ResourceActionUpdate),
			Check: check(func() error {
				for _, r := range f.kube.Requests() {
					if r.Verb != apitest.VerbGet {
						return fmt.Errorf("%s for a setting of Terraform's own", r)
					}
				}
				return nil
			}),
		},
		resource.TestStep{
			Config:           strings.Replace(open, `"my-db"`, `"my-db-2"`, 1),
			ConfigPlanChecks: action(db, plancheck.ResourceActionDestroyBeforeCreate),
			Check: check(func() error {
				if f.cluster() != nil || apitest.Get[cnpgv1.Cluster](f.kube, fakeNamespace, "my-db-2") == nil {
					return errors.New("the database was not replaced")
				}
				return nil
			}),
		},
	)
}

// triggered is a database that is replaced when the release changes.
func (f *fakes) triggered(release int, attributes, lifecycle string) string {
	return f.config(fmt.Sprintf("resource \"terraform_data\" \"release\" {\n  input = %d\n}\n", release) +
		database(attributes+"  lifecycle {\n    replace_triggered_by = [terraform_data.release]\n"+lifecycle+"  }\n"))
}

// A replacement that something else asks for deletes first, unless protection stops it.
func TestDatabaseReplacedUnderItsName(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testDatabaseReplacedUnderItsName)
}

func testDatabaseReplacedUnderItsName(t *testing.T) {
	t.Parallel()
	f := operated(t)
	var before string
	unit(t,
		resource.TestStep{
			Config: f.triggered(1, "", ""),
			Check: check(func() error {
				before = string(f.cluster().UID)
				return nil
			}),
		},
		resource.TestStep{Config: f.triggered(2, "", ""), PlanOnly: true, ExpectError: says("Database Is Protected")},
		resource.TestStep{Config: f.triggered(1, unprotected, "")},
		resource.TestStep{
			Config:           f.triggered(2, unprotected, ""),
			ConfigPlanChecks: action(db, plancheck.ResourceActionDestroyBeforeCreate),
			Check: check(func() error {
				if string(f.cluster().UID) == before {
					return errors.New("the database was not replaced")
				}
				return nil
			}),
		},
	)
}

// With create_before_destroy the same name is taken: the apply fails, and the database stays, known to the state.
func TestDatabaseCreateBeforeDestroy(t *testing.T) {
	t.Parallel()
	f := operated(t)
	const createFirst = "    create_before_destroy = true\n"
	var before *cnpgv1.Cluster
	unitCase(t, resource.TestCase{
		CheckDestroy: check(func() error {
			if f.cluster() != nil {
				return errors.New("the Cluster was not known to the state")
			}
			return nil
		}),
		Steps: []resource.TestStep{
			{
				Config: f.triggered(1, unprotected, createFirst),
				Check: check(func() error {
					before = f.cluster()
					return nil
				}),
			},
			{
				Config:      f.triggered(2, unprotected, createFirst),
				ExpectError: says("Cluster myorg/my-db exists already"),
			},
			{ // whatever the next plan says, nothing has happened to the database
				PreConfig: func() {
					if after := f.cluster(); after == nil || after.UID != before.UID || after.ResourceVersion != before.ResourceVersion {
						t.Errorf("the database was changed: %v", after)
					}
				},
				Config: f.triggered(2, unprotected, createFirst), PlanOnly: true, ExpectError: says("Cluster myorg/my-db exists already"),
			},
		},
	})
}

func TestDatabaseThatExists(t *testing.T) {
	t.Parallel()
	existing := &cnpgv1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "my-db"},
		Spec:       cnpgv1.ClusterSpec{Instances: 2, StorageConfiguration: cnpgv1.StorageConfiguration{Size: "7Gi"}},
	}
	bothWays := says("terraform untaint pgplatform_database.NAME", "import {", "to = pgplatform_database.NAME", `id = "myorg/my-db"`)
	t.Run("at plan", func(t *testing.T) {
		t.Parallel()
		f := operated(t)
		f.kube.Put(existing)
		unit(t, resource.TestStep{Config: f.config(database(unprotected)), PlanOnly: true, ExpectError: bothWays})
		if f.cluster().Spec.Instances != 2 || len(f.kube.Writes()) != 0 {
			t.Errorf("the Cluster was changed: %v", f.kube.Writes())
		}
	})
	t.Run("made between plan and apply", func(t *testing.T) {
		t.Parallel()
		f := operated(t)
		f.kube.Fail(apitest.First(apitest.VerbApply, "clusters", apitest.Fault{Before: func() { f.kube.Put(existing) }}))
		unit(t, resource.TestStep{Config: f.config(database(unprotected)), ExpectError: bothWays})
		if f.cluster().Spec.Instances != 2 {
			t.Errorf("the Cluster was changed: %+v", f.cluster().Spec)
		}
	})
	t.Run("imported", func(t *testing.T) {
		t.Parallel()
		f := operated(t)
		f.kube.Put(existing)
		matching := f.config(database(unprotected + `
  instances = 2
  storage   = { size = "7Gi" }`))
		unit(t,
			resource.TestStep{Config: matching, ResourceName: db, ImportState: true, ImportStateId: "myorg/my-db", ImportStatePersist: true},
			resource.TestStep{
				Config: matching,
				ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
					plancheck.ExpectKnownValue(db, tfjsonpath.New("tier"), knownvalue.Null()),
				}},
			},
			resource.TestStep{Config: matching, PlanOnly: true},
		)
	})
}

// A Cluster that may exist is never called nothing.
func TestDatabaseWithUnknownOutcome(t *testing.T) {
	t.Parallel()
	f := operated(t)
	f.kube.Fail(apitest.First(apitest.VerbApply, "clusters", apitest.Fault{ResetAfter: true, After: func() {
		f.kube.Fail(apitest.Each("", "clusters", apitest.Fault{Status: 403}))
	}}))
	config := f.config(database(unprotected))
	unit(t,
		resource.TestStep{Config: config, ExpectError: says("Unable to Create Database", "whether it exists now is not known", "the next plan finds it")},
		resource.TestStep{
			PreConfig:   func() { f.kube.Fail(nil) },
			Config:      config,
			PlanOnly:    true,
			ExpectError: says("Database Already Exists", "import {"),
		},
	)
}

// Whatever Create meets after the Cluster exists, it is in the state, and the next plan goes on or names the way out.
func TestDatabaseThatFailsAfterCreation(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		prepare func(*fakes)
		mend    func(*fakes)
		want    []string
	}{
		"CNPG gives up": {
			prepare: func(f *fakes) {
				f.kube.React(func(e apitest.Event) {
					if c := apitest.As[cnpgv1.Cluster](e.Object); c != nil && e.Type == watch.Added {
						apitest.Edit(f.kube, c.Namespace, c.Name, func(c *cnpgv1.Cluster) {
							c.Status.Phase, c.Status.PhaseReason = cnpgv1.PhaseUnrecoverable, "Instance creation failed"
						})
					}
				})
			},
			mend: func(f *fakes) { apitest.Edit(f.kube, fakeNamespace, "my-db", apitest.Healthy) },
			want: []string{"Cluster myorg/my-db: Cluster is unrecoverable and needs manual intervention: Instance creation failed"},
		},
		"the time is over": {
			mend: func(f *fakes) { apitest.Edit(f.kube, fakeNamespace, "my-db", apitest.Healthy) },
			want: []string{"not done after 2s", "has the CloudNativePG operator seen it?", "The time in timeouts.create is over"},
		},
		"the keys cannot be written": {
			prepare: func(f *fakes) {
				f.kube.Operate()
				f.kube.Fail(apitest.Each(apitest.VerbApply, "secrets", apitest.Fault{Status: 403, Message: `User "ci" cannot patch resource "secrets"`}))
			},
			mend: func(f *fakes) { f.kube.Fail(nil) },
			want: []string{`User "ci" cannot patch resource "secrets"`},
		},
		"the second half of the creation fails": {
			prepare: func(f *fakes) {
				f.kube.Operate()
				f.kube.Fail(func(r apitest.Request) *apitest.Fault {
					if r.Is(apitest.VerbApply, "clusters") && r.Query.Get("fieldManager") == cnpg.BootstrapManager {
						return &apitest.Fault{Status: 500}
					}
					return nil
				})
			},
			mend: func(f *fakes) { f.kube.Fail(nil) },
			want: []string{"Internal Server Error"},
		},
	}
	config := database(unprotected + `
  backup   = { schedule = "0 2 * * *" }
  timeouts = { create = "2s" }`)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakes(t)
			if test.prepare != nil {
				test.prepare(f)
			}
			unitCase(t, resource.TestCase{
				CheckDestroy: check(func() error {
					if f.cluster() != nil {
						return errors.New("the Cluster was not known to the state")
					}
					return nil
				}),
				Steps: []resource.TestStep{
					{
						Config: f.config(config),
						ExpectError: says(append(append([]string{"Unable to Create Database"}, test.want...),
							"The Cluster myorg/my-db exists and is recorded in Terraform's state, marked as tainted", "terraform untaint pgplatform_database.NAME")...),
					},
					{ // tainted: the plan is to destroy it and to make it anew, which is refused
						PreConfig:   func() { test.mend(f) },
						Config:      f.config(config),
						PlanOnly:    true,
						ExpectError: says("Database Already Exists", "terraform untaint pgplatform_database.NAME"),
					},
				},
			})
		})
	}
}

func TestDatabaseUpdateThatFails(t *testing.T) {
	t.Parallel()
	f := operated(t)
	unit(t,
		resource.TestStep{Config: f.config(database(unprotected + `parameters = { work_mem = "8MB" }`))},
		resource.TestStep{ // somebody else has taken a field over
			PreConfig: func() {
				apitest.ApplyAs(f.kube, "flux", &cnpgv1.Cluster{
					ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "my-db"}, Spec: cnpgv1.ClusterSpec{Instances: 2},
				})
			},
			Config:      f.config(database(unprotected + `parameters = { work_mem = "16MB" }`)),
			ExpectError: says("Unable to Update Database", `.spec.instances (owned by "flux")`, "set force_conflicts = true", "the next plan shows what is still to be done"),
		},
		resource.TestStep{
			Config:   f.config(database(unprotected + `parameters = { work_mem = "16MB" }`)),
			PlanOnly: true, ExpectNonEmptyPlan: true,
		},
		resource.TestStep{ // the wait fails when the change is made
			PreConfig: func() {
				f.kube.React(func(e apitest.Event) {
					c := apitest.As[cnpgv1.Cluster](e.Object)
					if c != nil && c.Spec.PostgresConfiguration.Parameters["work_mem"] == "32MB" && c.Status.Phase == cnpgv1.PhaseHealthy {
						apitest.Edit(f.kube, fakeNamespace, "my-db", func(c *cnpgv1.Cluster) { c.Status.Phase = cnpgv1.PhaseDefinitionInvalid })
					}
				})
			},
			Config:      f.config(database(unprotected + "instances = 2\n" + `parameters = { work_mem = "32MB" }`)),
			ExpectError: says("Unable to Update Database", cnpgv1.PhaseDefinitionInvalid),
		},
		resource.TestStep{ // what was changed is in the state, so that only the status is still to come
			Config:   f.config(database(unprotected + "instances = 2\n" + `parameters = { work_mem = "32MB" }`)),
			PlanOnly: true,
		},
	)
}

// Drift in what is configured shows up; what CNPG and others add does not.
func TestDatabaseDrift(t *testing.T) {
	t.Parallel()
	f := operated(t)
	config := f.config(database(unprotected + `parameters = { work_mem = "8MB" }`))
	unit(t,
		resource.TestStep{Config: config},
		resource.TestStep{
			PreConfig: func() {
				f.edit("kubectl-edit", "my-db", func(c *cnpgv1.Cluster) {
					c.Spec.PostgresConfiguration.Parameters["log_statement"] = "all"
					c.Spec.LogLevel = "debug"
					metav1.SetMetaDataLabel(&c.ObjectMeta, "team", "theirs")
				})
			},
			Config: config, PlanOnly: true,
		},
		resource.TestStep{
			PreConfig: func() {
				f.edit("kubectl-edit", "my-db", func(c *cnpgv1.Cluster) {
					c.Spec.PostgresConfiguration.Parameters["work_mem"] = "1GB"
				})
			},
			Config: config, PlanOnly: true, ExpectNonEmptyPlan: true,
		},
		resource.TestStep{ // gone: made anew
			PreConfig:        func() { apitest.Delete[cnpgv1.Cluster](f.kube, fakeNamespace, "my-db") },
			Config:           config,
			ConfigPlanChecks: action(db, plancheck.ResourceActionCreate),
		},
	)
}

// A provider whose configuration the same apply makes is no obstacle to a plan.
func TestDatabaseWithUnknownProviderConfiguration(t *testing.T) {
	t.Parallel()
	f := operated(t)
	config := strings.Replace(f.config(goodDatabase), fmt.Sprintf("%q", f.kubeconfig), "terraform_data.cluster.output", 1)
	config = strings.Replace(config, fmt.Sprintf("%q", f.s3.URL), "terraform_data.s3.output", 1) + fmt.Sprintf(`
resource "terraform_data" "cluster" { input = %q }
resource "terraform_data" "s3" { input = %q }
`, f.kubeconfig, f.s3.URL)
	unit(t,
		resource.TestStep{Config: config, PlanOnly: true, ExpectNonEmptyPlan: true},
		resource.TestStep{
			PreConfig: func() {
				if n := len(f.kube.Requests()) + f.s3.Count(""); n > 0 {
					t.Errorf("%d requests while the configuration is not known", n)
				}
			},
			Config: config,
			Check:  resource.TestCheckResourceAttr(db, "status", "READY"),
		},
	)
}
