package provider_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
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
	"k8s.io/apimachinery/pkg/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

func TestAccDatabase_lifecycle(t *testing.T) {
	t.Parallel()
	onPlatform(t, inShort, testAccDatabaseLifecycle)
}

func testAccDatabaseLifecycle(t *testing.T, w *world) {
	database := func(schedule, workMem, protection string, more ...string) string {
		return w.config(fmt.Sprintf(`
resource "pgplatform_database" "db" {
  name       = "db"
  %s
  org_id     = "acme"
  tier       = "DEV"
  parameters = { work_mem = %q }
  backup = {
    schedule       = %q
    retention_days = 30
  }
  deletion_protection = %s
}`, strings.Join(more, "\n"), workMem, schedule, protection))
	}
	const renamed = `database_name = "shop"`
	var uid types.UID
	at := tfjsonpath.New[string]
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories,
		CheckDestroy: check(func() error {
			// S3 keeps what was archived.
			return errors.Join(w.gone("db"), w.archived("db"))
		}),
		Steps: []resource.TestStep{
			{
				Config: database("0 2 * * *", "8MB", "true"),
				ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
					plancheck.ExpectKnownValue("pgplatform_database.db", at("instances"), knownvalue.Int64Exact(1)),
					plancheck.ExpectKnownValue("pgplatform_database.db", at("storage").AtMapKey("size"), knownvalue.StringExact("1Gi")),
				}},
				ConfigStateChecks: []statecheck.StateCheck{
					statecheck.ExpectKnownValue("pgplatform_database.db", at("id"), knownvalue.StringExact(w.namespace+"/db")),
					statecheck.ExpectKnownValue("pgplatform_database.db", at("status"), knownvalue.StringExact("READY")),
					statecheck.ExpectKnownValue("pgplatform_database.db", at("backup").AtMapKey("schedule"), knownvalue.StringExact("0 2 * * *")),
					statecheck.ExpectKnownValue("pgplatform_database.db", at("archive").AtMapKey("continuous_archiving"), knownvalue.Bool(true)),
					statecheck.ExpectKnownValue("pgplatform_database.db", at("archive").AtMapKey("server_name"), knownvalue.StringExact("db")),
					statecheck.ExpectKnownValue("pgplatform_database.db", at("connection_info").AtMapKey("host"), knownvalue.StringExact("db-rw."+w.namespace+".svc")),
					statecheck.ExpectKnownValue("pgplatform_database.db", at("connection_info").AtMapKey("read_only_host"), knownvalue.Null()),
				},
				Check: resource.ComposeAggregateTestCheckFunc(
					w.noSecrets,
					check(w.checkDevDatabase),
					check(func() error { return w.eventually(func() error { return w.archived("db") }) }),
				),
			},
			{ // another writing of the same schedule
				Config:             database("0 0 2 * * *", "8MB", "true"),
				PlanOnly:           true,
				ExpectNonEmptyPlan: false,
			},
			{
				Config: database("30 3 * * 7", "16MB", "true"),
				ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
					plancheck.ExpectResourceAction("pgplatform_database.db", plancheck.ResourceActionUpdate),
				}},
				Check: check(func() error {
					cluster, err := w.cluster("db")
					if err != nil {
						return err
					}
					uid = cluster.UID
					scheduled, err := w.kubernetes.GetScheduledBackup(t.Context(), w.key("db"))
					if err != nil {
						return err
					}
					if got := scheduled.Spec.Schedule; got != "0 30 3 * * 0" {
						return fmt.Errorf("the schedule is %q", got)
					}
					return w.eventually(func() error { return w.setting("db", "work_mem", "16MB") })
				}),
			},
			{
				ResourceName:            "pgplatform_database.db",
				ImportState:             true,
				ImportStateId:           w.namespace + "/db",
				ImportStateVerify:       true,
				ImportStateVerifyIgnore: []string{"timeouts", "backup.schedule"}, // the Cluster keeps it in six fields
			},
			{
				Config:      database("30 3 * * 7", "16MB", "true"),
				Destroy:     true,
				ExpectError: regexp.MustCompile(`Database Is Protected`),
			},
			{ // nor is it replaced by one with another name of its own
				Config:      database("30 3 * * 7", "16MB", "true", renamed),
				ExpectError: says("Database Is Protected", "deletion_protection"),
			},
			{
				Config: database("30 3 * * 7", "16MB", "false"),
				Check: check(func() error {
					now, err := w.cluster("db")
					if err == nil && now.UID != uid {
						err = errors.New("the Cluster is not the one of before")
					}
					return errors.Join(err, w.setting("db", "work_mem", "16MB"))
				}),
			},
			{ // unprotected it is; its archive is left as it is
				Config: database("30 3 * * 7", "16MB", "false", renamed),
				ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
					plancheck.ExpectResourceAction("pgplatform_database.db", plancheck.ResourceActionReplace),
				}},
				Check: resource.ComposeTestCheckFunc(
					resource.TestMatchResourceAttr("pgplatform_database.db", "archive.server_name", regexp.MustCompile(`^db-\d{8}t\d{6}$`)),
					check(func() error {
						now, err := w.cluster("db")
						if err == nil && now.UID == uid {
							err = errors.New("the Cluster is still the one of before")
						}
						return errors.Join(err, w.shows("db", map[string]string{
							"SELECT count(*) FROM pg_database WHERE datname = 'app'": "0",
							"SHOW work_mem": "16MB",
						}))
					}),
				),
			},
		},
	})
}

// checkDevDatabase looks at everything that a database of tier DEV with backups is made of.
func (w *world) checkDevDatabase() error {
	cluster, err := w.cluster("db")
	if err != nil {
		return err
	}
	store := cluster.Spec.Backup.BarmanObjectStore
	for what, ok := range map[string]bool{
		"instances":        cluster.Spec.Instances == 1,
		"storage":          cluster.Spec.StorageConfiguration.Size == "1Gi",
		"cpu request":      cluster.Spec.Resources.Requests.Cpu().String() == "100m",
		"no cpu limit":     cluster.Spec.Resources.Limits.Cpu().IsZero(),
		"memory request":   cluster.Spec.Resources.Requests.Memory().String() == "512Mi",
		"memory limit":     cluster.Spec.Resources.Limits.Memory().String() == "512Mi",
		"organisation":     cluster.Labels[cnpg.LabelOrgID] == "acme",
		"tier":             cluster.Annotations[cnpg.AnnotationTier] == "DEV",
		"retention":        cluster.Spec.Backup.RetentionPolicy == "30d",
		"destination path": store.DestinationPath == "s3://"+w.store.bucket+"/"+w.namespace,
		"pods' endpoint":   store.EndpointURL == w.store.podEndpoint,
		"server name":      store.ServerName == "db",
		"secret":           store.AWS.AccessKeyIDReference.Name == "db-backup-s3-creds",
		"bootstrap":        cluster.Spec.Bootstrap.InitDB.Database == "app",
	} {
		if !ok {
			return fmt.Errorf("Cluster: wrong %s", what)
		}
	}
	if !slices.ContainsFunc(cluster.ManagedFields, func(e metav1.ManagedFieldsEntry) bool {
		return e.Manager == cnpg.BootstrapManager && e.Operation == metav1.ManagedFieldsOperationApply
	}) {
		return fmt.Errorf("no field manager %s", cnpg.BootstrapManager)
	}
	scheduled, err := w.kubernetes.GetScheduledBackup(w.t.Context(), w.key("db"))
	if err != nil {
		return err
	}
	if scheduled.Spec.Schedule != "0 0 2 * * *" || scheduled.Spec.BackupOwnerReference != "cluster" ||
		scheduled.Spec.Immediate == nil || !*scheduled.Spec.Immediate || scheduled.Labels[cnpg.LabelOrgID] != "acme" {
		return fmt.Errorf("ScheduledBackup: %+v, labels %v", scheduled.Spec, scheduled.Labels)
	}
	secret, err := w.core.Secrets(w.namespace).Get(w.t.Context(), "db-backup-s3-creds", metav1.GetOptions{})
	if err != nil {
		return err
	}
	if string(secret.Data["ACCESS_KEY_ID"]) != w.store.accessKeyID || string(secret.Data["ACCESS_SECRET_KEY"]) != w.store.secretAccessKey ||
		secret.Labels[cnpg.LabelReload] != "true" || secret.Labels[cnpg.LabelOrgID] != "acme" {
		return fmt.Errorf("Secret: keys or labels %v are wrong", secret.Labels)
	}
	return w.setting("db", "work_mem", "8MB")
}

func (w *world) setting(name, parameter, want string) error {
	got, err := w.query(name, "SHOW "+parameter)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("%s is %s, not %s", parameter, got, want)
	}
	return nil
}

// A small database becomes one of three instances: the tier changes what the configuration leaves unset, and costs no row.
func TestAccDatabase_highAvailability(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	class := env(t, "PGPLATFORM_GROWING_STORAGE_CLASS")
	const ha = "pgplatform_database.ha"
	config := func(attributes string) string {
		return w.config(fmt.Sprintf(`
resource "pgplatform_database" "ha" {
  name                = "ha"
  storage             = { storage_class = %q }
  deletion_protection = false
  %s
}`, class, attributes))
	}
	const small = `resources = { cpu = "0.05", memory = "256Mi" }`
	update := resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
		plancheck.ExpectResourceAction(ha, plancheck.ResourceActionUpdate),
	}}
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories,
		CheckDestroy:             check(func() error { return w.gone("ha") }),
		Steps: []resource.TestStep{
			{
				Config: config("tier = \"DEV\"\n" + small),
				Check: resource.ComposeTestCheckFunc(
					resource.TestCheckNoResourceAttr(ha, "connection_info.read_only_host"),
					check(func() error {
						_, err := w.query("ha", "CREATE TABLE numbers AS SELECT 1 AS n")
						return errors.Join(err, w.sized("ha", "DEV: 1 with 1Gi, 50m of a CPU, 256Mi"))
					}),
				),
			},
			{
				Config:           config("tier = \"HA\"\n" + small),
				ConfigPlanChecks: update,
				Check: resource.ComposeAggregateTestCheckFunc(
					resource.TestCheckResourceAttr(ha, "instances", "3"),
					resource.TestCheckResourceAttr(ha, "storage.size", "20Gi"),
					resource.TestCheckResourceAttr(ha, "resources.cpu", "0.05"),
					resource.TestCheckResourceAttr(ha, "connection_info.read_only_host", "ha-ro."+w.namespace+".svc"),
					check(func() error {
						return errors.Join(w.sized("ha", "HA: 3 with 20Gi, 50m of a CPU, 256Mi"), w.eachPod("ha", 3, func(pod *corev1.Pod) error {
							volume, err := w.core.PersistentVolumeClaims(w.namespace).Get(t.Context(), pod.Name, metav1.GetOptions{})
							if err != nil {
								return err
							}
							if has := volume.Status.Capacity[corev1.ResourceStorage]; pod.Status.Phase != corev1.PodRunning || has.String() != "20Gi" {
								return fmt.Errorf("is %s and has %s", pod.Status.Phase, has.String())
							}
							return nil
						}))
					}),
					check(func() error {
						return w.eventually(func() error { // a new one streams when it has caught up
							replicas, err := w.query("ha", "SELECT count(*) || ' of ' || (SELECT n FROM numbers) FROM pg_stat_replication WHERE state = 'streaming'")
							if err != nil || replicas != "2 of 1" {
								return fmt.Errorf("replicas that stream, of rows: %q: %w", replicas, err)
							}
							return nil
						})
					}),
				),
			},
			{ // the tier's own resources, for which this machine need not have the room
				Config:           config("tier = \"HA\"\nwait = false"),
				ConfigPlanChecks: update,
				Check:            check(func() error { return w.sized("ha", "HA: 3 with 20Gi, 250m of a CPU, 2Gi") }),
			},
		},
	})
}

// sized compares what the Cluster itself says of a database's size with what is wanted.
func (w *world) sized(name, want string) error {
	cluster, err := w.cluster(name)
	if err != nil {
		return err
	}
	spec := cluster.Spec
	is := fmt.Sprintf("%s: %d with %s, %s of a CPU, %s", cluster.Annotations[cnpg.AnnotationTier], spec.Instances, spec.StorageConfiguration.Size,
		spec.Resources.Requests.Cpu(), spec.Resources.Requests.Memory())
	if is != want || !spec.Resources.Limits.Cpu().IsZero() || !spec.Resources.Limits.Memory().Equal(*spec.Resources.Requests.Memory()) {
		return fmt.Errorf("the Cluster is %s with the limits %v, not %s", is, spec.Resources.Limits, want)
	}
	return nil
}

// What exists is never taken over: neither at plan nor by the create itself.
func TestAccDatabase_exists(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	theirs, err := w.kubernetes.CreateCluster(t.Context(), &cnpgv1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "theirs"},
		Spec:       cnpgv1.ClusterSpec{Instances: 1, StorageConfiguration: cnpgv1.StorageConfiguration{Size: "1Gi"}},
	})
	must(t, err)
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories,
		CheckDestroy: check(func() error {
			now, err := w.cluster("theirs")
			if err != nil {
				return err
			}
			if now.UID != theirs.UID || now.Generation != theirs.Generation {
				return errors.New("the Cluster that was there before was changed")
			}
			return nil
		}),
		Steps: []resource.TestStep{{
			Config: w.config(`
resource "pgplatform_database" "theirs" {
  name = "theirs"
  tier = "HA"
}`),
			ExpectError: regexp.MustCompile(`(?s)Database Already Exists.*terraform untaint.*import \{`),
		}},
	})
	if _, err := w.kubernetes.CreateCluster(t.Context(), theirs); !errors.Is(err, cnpg.ErrAlreadyExists) {
		t.Errorf("a create of what exists says %v", err)
	}
}

// The S3 that is strict about keys: right ones archive, wrong ones are refused before anything is created.
func TestAccDatabase_strictObjectStore(t *testing.T) {
	t.Parallel()
	onPlatform(t, atLength, testAccDatabaseStrictObjectStore)
}

func testAccDatabaseStrictObjectStore(t *testing.T, w *world) {
	right := strict(t)
	w.use(right)
	database := `
resource "pgplatform_database" "strict" {
  name                = "strict"
  tier                = "DEV"
  backup              = { schedule = "@daily" }
  deletion_protection = false
}`
	nothing := func() error { return w.gone("strict") }
	wrongKeys, missingBucket := *w, *w
	wrongKeys.store.secretAccessKey = "0123456789abcdefghij"
	missingBucket.store.bucket = "no-such-bucket"
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories,
		CheckDestroy:             check(func() error { return errors.Join(nothing(), w.archived("strict")) }),
		Steps: []resource.TestStep{
			{
				Config:      wrongKeys.config(database),
				ExpectError: regexp.MustCompile(`(?s)Unable to Create Database.*secret\s+access\s+key\s+does\s+not\s+belong.*Nothing was changed`),
			},
			{
				PreConfig:   func() { must(t, nothing()) },
				Config:      missingBucket.config(database),
				ExpectError: regexp.MustCompile(`(?s)Unable to Create Database.*"no-such-bucket"\s+does\s+not\s+exist.*Nothing was changed`),
			},
			{
				PreConfig: func() { must(t, nothing()) },
				Config:    w.config(database),
				Check: check(func() error {
					return w.eventually(func() error { return w.archived("strict") })
				}),
			},
		},
	})
}

func TestAccDatabase_missingNamespace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories,
		Steps: []resource.TestStep{{
			Config: w.config(`
resource "pgplatform_database" "lost" {
  name      = "lost"
  namespace = "no-such-namespace"
}`),
			ExpectError: regexp.MustCompile(`(?s)namespace = "no-such-namespace".*does not exist\. Nothing was\s+created`),
		}},
	})
}
