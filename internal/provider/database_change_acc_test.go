package provider_test

import (
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
)

// imageVersion is the version of PostgreSQL in an image of the platform.
func imageVersion(image string) string {
	return regexp.MustCompile(`:(\d+\.\d+)`).FindStringSubmatch(image)[1]
}

// What a database is changed to in place reaches PostgreSQL, its pods and volumes, and costs no row.
func TestAccDatabase_changes(t *testing.T) {
	t.Parallel()
	onPlatform(t, atLength, testAccDatabaseChanges)
}

func testAccDatabaseChanges(t *testing.T, w *world) {
	older, newer := env(t, "PGPLATFORM_POSTGRES_15_OLD"), imageVersion(env(t, "PGPLATFORM_POSTGRES_15"))
	config := func(attributes string) string {
		return w.config(fmt.Sprintf(`
resource "pgplatform_database" "db" {
  name                = "db"
  tier                = "DEV"
  database_name       = "shop"
  owner               = "seller"
  backup              = { schedule = "0 2 * * *" }
  deletion_protection = false
%s
}`, attributes))
	}
	const (
		first   = "  parameters = { work_mem = \"8MB\" }\n  labels = { team = \"a\" }\n"
		changed = `  org_id      = "acme"
  labels      = { team = "b" }
  annotations = { "example.com/note" = "noted" }
  pg_hba      = ["hostssl shop seller 10.11.12.0/24 scram-sha-256"]
  parameters  = { work_mem = "16MB", max_connections = "60" }
  instances   = 2
`
	)
	moved := changed + fmt.Sprintf(`  postgres_version = %q
  resources        = { cpu = "50m", memory = "384Mi" }
  image_pull_secrets = ["registry"]
  wal_storage      = { size = "1Gi" }
  scheduling = {
    node_selector = { "kubernetes.io/os" = "linux" }
    tolerations   = [{ key = "dedicated", value = "databases", effect = "NoSchedule" }]
    topology_key  = "topology.kubernetes.io/zone"
  }
`, newer)
	made := config(first + fmt.Sprintf("  image = %q\n", older))
	inPlace := resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
		plancheck.ExpectResourceAction("pgplatform_database.db", plancheck.ResourceActionUpdate),
	}}
	_, err := w.core.Secrets(w.namespace).Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "registry"}, Type: corev1.SecretTypeDockerConfigJson,
		StringData: map[string]string{corev1.DockerConfigJsonKey: `{"auths":{}}`},
	}, metav1.CreateOptions{})
	must(t, err)
	rows := 0
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories,
		CheckDestroy:             check(func() error { return w.gone("db") }),
		Steps: []resource.TestStep{
			{
				Config: made,
				ConfigStateChecks: []statecheck.StateCheck{
					statecheck.ExpectKnownValue("pgplatform_database.db", tfjsonpath.New("postgres_version"), knownvalue.StringExact(imageVersion(older))),
				},
				Check: check(func() error {
					return errors.Join(
						w.begun("db"),
						w.shows("db", map[string]string{
							"SHOW server_version": imageVersion(older) + " ",
							"SELECT datname || ' of ' || pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'shop'": "shop of seller",
							"SHOW work_mem": "8MB",
						}),
						w.addRow(&rows))
				}),
			},
			{ // an import protects; the plan of it changes nothing
				Config:       strings.Replace(made, "deletion_protection = false", "deletion_protection = true", 1),
				ResourceName: "pgplatform_database.db", ImportState: true, ImportStateKind: resource.ImportBlockWithID, ImportStateId: w.namespace + "/db",
			},
			{
				Config: made, ResourceName: "pgplatform_database.db", ImportState: true, ImportStateVerify: true,
				ImportStateVerifyIgnore: []string{"deletion_protection", "backup.schedule"}, // the Cluster keeps it in six fields
			},
			{
				Config:           config(changed + fmt.Sprintf("  image = %q\n", older)),
				ConfigPlanChecks: inPlace,
				Check: check(func() error {
					cluster, err := w.cluster("db")
					if err != nil {
						return err
					}
					if cluster.Labels["team"] != "b" || cluster.Labels[cnpg.LabelOrgID] != "acme" || cluster.Annotations["example.com/note"] != "noted" {
						return fmt.Errorf("labels %v, annotations %v", cluster.Labels, cluster.Annotations)
					}
					return errors.Join(
						w.becomes("db", map[string]string{
							"SHOW work_mem":        "16MB",
							"SHOW max_connections": "60",
							"SELECT auth_method FROM pg_hba_file_rules WHERE type = 'hostssl' AND user_name = '{seller}' AND address = '10.11.12.0'": "scram-sha-256",
							"SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'":                                                     "1",
						}),
						w.addRow(&rows))
				}),
			},
			{
				Config:           config(moved),
				ConfigPlanChecks: inPlace,
				Check: check(func() error {
					return errors.Join(
						w.shows("db", map[string]string{
							"SHOW server_version": newer + " ",
							"CREATE TEMP TABLE link (target text); COPY link FROM PROGRAM 'readlink pg_wal'; SELECT target FROM link": "/var/lib/postgresql/wal/pg_wal",
						}),
						w.becomes("db", map[string]string{ // it follows the new primary when it has found it
							"SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'": "1",
						}),
						w.eachPod("db", 2, func(pod *corev1.Pod) error {
							container := pod.Spec.Containers[slices.IndexFunc(pod.Spec.Containers, func(c corev1.Container) bool { return c.Name == "postgres" })]
							spread := pod.Spec.Affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution
							switch {
							case imageVersion(container.Image) != newer:
								return fmt.Errorf("runs %s", container.Image)
							case container.Resources.Requests.Cpu().String() != "50m" || container.Resources.Limits.Memory().String() != "384Mi":
								return fmt.Errorf("has %v", container.Resources)
							case !slices.Contains(pod.Spec.ImagePullSecrets, corev1.LocalObjectReference{Name: "registry"}):
								return fmt.Errorf("pulls its images with %v", pod.Spec.ImagePullSecrets)
							case pod.Spec.NodeSelector["kubernetes.io/os"] != "linux":
								return fmt.Errorf("selects the nodes %v", pod.Spec.NodeSelector)
							case !slices.ContainsFunc(pod.Spec.Tolerations, func(t corev1.Toleration) bool { return t.Key == "dedicated" && t.Value == "databases" }):
								return fmt.Errorf("tolerates %v", pod.Spec.Tolerations)
							case len(spread) != 1 || spread[0].PodAffinityTerm.TopologyKey != "topology.kubernetes.io/zone":
								return fmt.Errorf("is spread by %v", spread)
							}
							return nil
						}),
						w.addRow(&rows))
				}),
			},
			{ // what leaves the configuration leaves the database; its version, its WAL's volume and its name stay
				Config:           config("  wal_storage = { size = \"1024Mi\" }\n"),
				ConfigPlanChecks: inPlace,
				Check: check(func() error {
					return errors.Join(
						w.shows("db", map[string]string{"SHOW server_version": newer + " "}),
						w.becomes("db", map[string]string{
							"SHOW work_mem": "4MB",
							"SELECT count(*) FROM pg_hba_file_rules WHERE address = '10.11.12.0'": "0",
						}),
						w.withoutPullSecrets("db"),
						w.eachPod("db", 1, func(pod *corev1.Pod) error {
							if len(pod.Spec.NodeSelector) != 0 {
								return fmt.Errorf("selects the nodes %v", pod.Spec.NodeSelector)
							}
							return nil
						}),
						w.addRow(&rows),
						w.archives("db"))
				}),
			},
		},
	})
}

// begun waits for the base backup that the archive begins with. CNPG gives it up when PostgreSQL is restarted meanwhile, and
// looks only once a minute whether it can go on: as long no other database's begins.
func (w *world) begun(folder string) error {
	return w.eventually(func() error { return w.archived(folder) })
}

// becomes waits until a database shows what PostgreSQL reloads its configuration, or is restarted, for: an apply does not see
// when that is done, and waits for it only a while.
func (w *world) becomes(name string, answers map[string]string) error {
	return w.eventually(func() error { return w.shows(name, answers) })
}

// shows runs SQL in a database named shop. A wanted answer that ends with a space is only the answer's beginning.
func (w *world) shows(name string, answers map[string]string) error {
	var problems []error
	for sql, want := range answers {
		got, err := w.kubernetes.QueryPrimary(w.t.Context(), w.key(name), "shop", sql)
		begins := strings.HasSuffix(want, " ") && strings.HasPrefix(got, want)
		switch {
		case err != nil:
			problems = append(problems, err)
		case got != want && !begins:
			problems = append(problems, fmt.Errorf("%s: %q, not %q", sql, got, want))
		}
	}
	return errors.Join(problems...)
}

// addRow counts the rows that there are to be, and adds one.
func (w *world) addRow(rows *int) error {
	const sql = "CREATE TABLE IF NOT EXISTS orders (id int); INSERT INTO orders VALUES (1); SELECT count(*) FROM orders"
	*rows++
	return w.shows("db", map[string]string{sql: fmt.Sprint(*rows)})
}

// eachPod checks the pods of a database's instances, of which there are so many beside those that are going.
func (w *world) eachPod(name string, count int, check func(*corev1.Pod) error) error {
	pods, err := w.core.Pods(w.namespace).List(w.t.Context(), metav1.ListOptions{LabelSelector: "cnpg.io/podRole=instance,cnpg.io/cluster=" + name})
	if err != nil {
		return err
	}
	staying := slices.DeleteFunc(pods.Items, func(pod corev1.Pod) bool { return pod.DeletionTimestamp != nil })
	if len(staying) != count {
		return fmt.Errorf("%d pods, not %d", len(staying), count)
	}
	var problems []error
	for _, pod := range staying {
		if err := check(&pod); err != nil {
			problems = append(problems, fmt.Errorf("pod %s: %w", pod.Name, err))
		}
	}
	return errors.Join(problems...)
}

// withoutPullSecrets: nothing is said of how images are pulled.
func (w *world) withoutPullSecrets(name string) error {
	cluster, err := w.cluster(name)
	if err == nil && len(cluster.Spec.ImagePullSecrets) != 0 {
		err = fmt.Errorf("images are pulled with %v", cluster.Spec.ImagePullSecrets)
	}
	return err
}

// kubectl runs kubectl in the test's namespace, with a manifest on its standard input.
func (w *world) kubectl(manifest string, arguments ...string) error {
	command := exec.CommandContext(w.t.Context(), "kubectl", append([]string{"--namespace", w.namespace}, arguments...)...)
	command.Stdin = strings.NewReader(manifest)
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("kubectl %s: %w: %s", strings.Join(arguments, " "), err, output)
	}
	return nil
}

// kubectlArchives is what a manifest says of where the Cluster "theirs" archives, and of how its schedule takes backups. The ObjectStore
// of the plugin may be there later than the Cluster.
func (w *world) kubectlArchives() (ofCluster, ofSchedule string) {
	store := fmt.Sprintf(`destinationPath: s3://%s/%s/theirs
      endpointURL: %s
      s3Credentials:
        accessKeyId: {name: their-keys, key: id}
        secretAccessKey: {name: their-keys, key: secret}
        region: {name: their-keys, key: region}
      wal: {compression: gzip}`, w.store.bucket, w.namespace, w.store.podEndpoint)
	if methodOf(w.t) == cnpg.MethodInTree {
		return "  backup:\n    retentionPolicy: 14d\n    barmanObjectStore:\n      " + store, ""
	}
	return fmt.Sprintf(`  plugins:
  - {name: %[1]s, isWALArchiver: true, parameters: {%[2]s: their-store}}
---
apiVersion: %[3]s
kind: ObjectStore
metadata: {name: their-store}
spec:
    retentionPolicy: 14d
    configuration:
      %[4]s`, barmancloud.PluginName, barmancloud.ObjectStoreParameter, barmancloud.SchemeGroupVersion, store),
		fmt.Sprintf("  method: plugin\n  pluginConfiguration: {name: %s}", barmancloud.PluginName)
}

// A database that kubectl made is taken over as it is, whatever CNPG has added to it; its fields stay kubectl's until they
// are asked for.
func TestAccDatabase_adopted(t *testing.T) {
	t.Parallel()
	onPlatform(t, atLength, testAccDatabaseAdopted)
}

func testAccDatabaseAdopted(t *testing.T, w *world) {
	image := env(t, "PGPLATFORM_POSTGRES_15")
	archives, scheduled := w.kubectlArchives()
	must(t, w.kubectl(fmt.Sprintf(`
apiVersion: v1
kind: Secret
metadata: {name: their-keys}
stringData: {id: %q, secret: %q, region: us-east-1}
---
apiVersion: postgresql.cnpg.io/v1
kind: Cluster
metadata:
  name: theirs
  labels: {team: a}
  annotations: {example.com/note: noted}
spec:
  instances: 1
  imageName: %s
  storage: {size: 1Gi}
  resources:
    requests: {cpu: 100m, memory: 256Mi}
    limits: {memory: 256Mi}
  affinity: {nodeSelector: {kubernetes.io/os: linux}}
  postgresql:
    parameters: {work_mem: 8MB}
    pg_hba: ["hostssl shop seller 10.11.12.0/24 scram-sha-256"]
  bootstrap:
    initdb: {database: shop, owner: seller}
%s
---
apiVersion: postgresql.cnpg.io/v1
kind: ScheduledBackup
metadata: {name: theirs}
spec:
  schedule: 0 0 2 * * *
  immediate: true
  backupOwnerReference: cluster
  cluster: {name: theirs}
%s
`, w.store.accessKeyID, w.store.secretAccessKey, image, archives, scheduled), "apply", "-f", "-"))
	_, err := w.kubernetes.WaitReady(t.Context(), w.key("theirs"))
	must(t, err)
	before, err := w.cluster("theirs")
	must(t, err)

	config := func(workMem string, days int, more string) string {
		return w.config(fmt.Sprintf(`
resource "pgplatform_database" "theirs" {
  name             = "theirs"
  postgres_version = %q
  storage          = { size = "1024Mi" }
  resources        = { cpu = "0.1", memory = "256Mi" }
  parameters       = { work_mem = %q }
  pg_hba           = ["hostssl shop seller 10.11.12.0/24 scram-sha-256"]
  labels           = { team = "a" }
  annotations      = { "example.com/note" = "noted" }
  scheduling       = { node_selector = { "kubernetes.io/os" = "linux" } }
  database_name    = "shop"
  owner            = "seller"
  backup = {
    schedule           = "0 2 * * *"
    retention_days     = %d
    wal                = { compression = "gzip" }
    object_store       = { destination_path = "s3://%s/%s/theirs" }
    credentials_secret = { name = "their-keys", access_key_id_key = "id", secret_access_key_key = "secret" }
  }
%s
}

data "pgplatform_database" "theirs" {
  name = "theirs"
}`, imageVersion(image), workMem, days, w.store.bucket, w.namespace, more))
	}
	untouched := func() error {
		now, err := w.cluster("theirs")
		if err == nil && (now.UID != before.UID || now.Generation != before.Generation) {
			err = errors.New("the Cluster was changed")
		}
		return err
	}
	const theirs = "pgplatform_database.theirs"
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: factories,
		CheckDestroy:             check(func() error { return w.gone("theirs") }),
		Steps: []resource.TestStep{
			{ // fails unless the plan of the import changes nothing
				Config: config("8MB", 14, ""), ResourceName: theirs,
				ImportState: true, ImportStateKind: resource.ImportBlockWithID, ImportStateId: w.namespace + "/theirs",
			},
			{
				Config: config("8MB", 14, ""), ResourceName: theirs,
				ImportState: true, ImportStateId: w.namespace + "/theirs", ImportStatePersist: true,
			},
			{
				Config: config("8MB", 14, ""),
				ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
					plancheck.ExpectResourceAction(theirs, plancheck.ResourceActionNoop),
				}},
				Check: resource.ComposeTestCheckFunc(
					check(untouched),
					resource.TestCheckResourceAttr("data."+theirs, "status", "READY"),
					resource.TestCheckResourceAttr("data."+theirs, "image", image),
					resource.TestCheckResourceAttr("data."+theirs, "connection_info.username", "seller"),
				),
			},
			{
				Config:      config("16MB", 14, ""),
				ExpectError: regexp.MustCompile(`(?s)Unable to Update Database.*work_mem.*kubectl-client-side-apply.*force_conflicts`),
			},
			{
				PreConfig: func() { must(t, untouched()) },
				Config:    config("16MB", 15, "  force_conflicts = true\n  deletion_protection = false\n"),
				Check: check(func() error {
					now, err := w.cluster("theirs")
					if err == nil && now.Spec.Backup.RetentionPolicy != "15d" {
						err = fmt.Errorf("backups are kept for %s", now.Spec.Backup.RetentionPolicy)
					}
					return errors.Join(err, w.becomes("theirs", map[string]string{"SHOW work_mem": "16MB"}), w.archives("theirs"))
				}),
			},
		},
	})
}
