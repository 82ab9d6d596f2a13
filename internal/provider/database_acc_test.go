package provider_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
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

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

func TestAccDatabase_lifecycle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	database := func(schedule, workMem, protection string) string {
		return w.config(fmt.Sprintf(`
resource "pgplatform_database" "db" {
  name       = "db"
  org_id     = "acme"
  tier       = "DEV"
  parameters = { work_mem = %q }
  backup = {
    schedule       = %q
    retention_days = 30
  }
  deletion_protection = %s
}`, workMem, schedule, protection))
	}
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
					check(func() error { return w.eventually(2*time.Minute, func() error { return w.archived("db") }) }),
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
					scheduled, err := w.kubernetes.GetScheduledBackup(t.Context(), w.key("db"))
					if err != nil {
						return err
					}
					if got := scheduled.Spec.Schedule; got != "0 30 3 * * 0" {
						return fmt.Errorf("the schedule is %q", got)
					}
					return w.eventually(time.Minute, func() error { return w.setting("db", "work_mem", "16MB") })
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
			{
				Config: database("30 3 * * 7", "16MB", "false"),
				Check:  check(func() error { return w.setting("db", "work_mem", "16MB") }),
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

func TestAccDatabase_highAvailability(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories,
		CheckDestroy:             check(func() error { return w.gone("ha") }),
		Steps: []resource.TestStep{{
			// The tier's three instances; what is explicit beats the tier.
			Config: w.config(`
resource "pgplatform_database" "ha" {
  name                = "ha"
  tier                = "HA"
  resources           = { cpu = "0.05", memory = "256Mi" }
  deletion_protection = false
}`),
			Check: resource.ComposeAggregateTestCheckFunc(
				resource.TestCheckResourceAttr("pgplatform_database.ha", "instances", "3"),
				resource.TestCheckResourceAttr("pgplatform_database.ha", "storage.size", "20Gi"),
				resource.TestCheckResourceAttr("pgplatform_database.ha", "resources.cpu", "0.05"),
				resource.TestCheckResourceAttr("pgplatform_database.ha", "connection_info.read_only_host", "ha-ro."+w.namespace+".svc"),
				check(func() error {
					pods, err := w.core.Pods(w.namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "cnpg.io/podRole=instance"})
					if err != nil {
						return err
					}
					running := 0
					for _, pod := range pods.Items {
						if pod.Status.Phase == corev1.PodRunning {
							running++
						}
					}
					if running != 3 {
						return fmt.Errorf("%d pods run, not three", running)
					}
					replicas, err := w.query("ha", "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'")
					if err != nil || replicas != "2" {
						return fmt.Errorf("%s replicas stream, not two: %w", replicas, err)
					}
					return nil
				}),
			),
		}},
	})
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
	w := newWorld(t)
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
					return w.eventually(2*time.Minute, func() error { return w.archived("strict") })
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
