package provider_test

import (
	"encoding/json"
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
	apiresource "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// Each attribute reaches the Cluster, changes in place, is read back as it was written, is imported, and leaves the Cluster
// when it leaves the configuration. What kubectl changes of it is put back or, where that cannot be, refused with who did it
// and how to take it over.
func TestDatabaseAttributes(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		before, after string // what the configuration says
		look          func(*cnpgv1.Cluster) any
		made, changed string // what the Cluster then has, as JSON
		left          string // and when the attribute is gone; "" where it cannot go
		drift         func(*cnpgv1.Cluster)
		refused       []string // what a plan says that cannot put it back
		taken         string   // and the attribute that takes it over
	}{
		"org_id": {
			before: `org_id = "acme"`, after: `org_id = "other"`,
			look: func(c *cnpgv1.Cluster) any { return c.Labels },
			made: `{"pgplatform.io/org-id":"acme"}`, changed: `{"pgplatform.io/org-id":"other"}`, left: `null`,
			drift: func(c *cnpgv1.Cluster) { c.Labels[cnpg.LabelOrgID] = "theirs" },
		},
		"labels": {
			before: `labels = { team = "a", "example.com/tier" = "" }`, after: `labels = { team = "b" }`,
			look: func(c *cnpgv1.Cluster) any { return c.Labels },
			made: `{"example.com/tier":"","team":"a"}`, changed: `{"team":"b"}`, left: `null`,
			drift: func(c *cnpgv1.Cluster) { delete(c.Labels, "team") },
		},
		"annotations": {
			before: `annotations = { "example.com/owner" = "A, B", "cnpg.io/hibernation" = "off" }`, after: `annotations = { "example.com/owner" = "C" }`,
			look: func(c *cnpgv1.Cluster) any {
				return map[string]string{"owner": c.Annotations["example.com/owner"], "hibernation": c.Annotations["cnpg.io/hibernation"]}
			},
			made: `{"hibernation":"off","owner":"A, B"}`, changed: `{"hibernation":"","owner":"C"}`, left: `{"hibernation":"","owner":""}`,
			drift: func(c *cnpgv1.Cluster) { c.Annotations["example.com/owner"] = "theirs" },
		},
		"image_pull_secrets": {
			before: `image_pull_secrets = ["one", "two"]`, after: `image_pull_secrets = ["two"]`,
			look: func(c *cnpgv1.Cluster) any { return c.Spec.ImagePullSecrets },
			made: `[{"name":"one"},{"name":"two"}]`, changed: `[{"name":"two"}]`, left: `null`,
			drift: func(c *cnpgv1.Cluster) { c.Spec.ImagePullSecrets = []cnpgv1.LocalObjectReference{{Name: "theirs"}} },
		},
		"pg_hba": {
			before: `pg_hba = ["host all app 10.0.0.0/8 md5", "hostssl all all all cert"]`, after: `pg_hba = ["hostssl all all all cert"]`,
			look: func(c *cnpgv1.Cluster) any { return c.Spec.PostgresConfiguration.PgHBA },
			made: `["host all app 10.0.0.0/8 md5","hostssl all all all cert"]`, changed: `["hostssl all all all cert"]`, left: `null`,
			drift: func(c *cnpgv1.Cluster) { c.Spec.PostgresConfiguration.PgHBA = nil },
		},
		"scheduling": {
			before: `scheduling = {
    node_selector = { disk = "ssd" }
    tolerations   = [{ key = "dedicated", value = "db", effect = "NoExecute", toleration_seconds = 60 }, { operator = "Exists" }]
    topology_key  = "topology.kubernetes.io/zone"
  }`,
			after: `scheduling = { node_selector = { disk = "nvme" } }`,
			look: func(c *cnpgv1.Cluster) any {
				affinity := c.Spec.Affinity
				affinity.PodAntiAffinityType = "" // CNPG's
				return affinity
			},
			made: `{"topologyKey":"topology.kubernetes.io/zone","nodeSelector":{"disk":"ssd"},` +
				`"tolerations":[{"key":"dedicated","value":"db","effect":"NoExecute","tolerationSeconds":60},{"operator":"Exists"}]}`,
			changed: `{"nodeSelector":{"disk":"nvme"}}`, left: `{}`,
			drift: func(c *cnpgv1.Cluster) { c.Spec.Affinity.NodeSelector["disk"] = "hdd" },
		},
		"scheduling.tolerations": {
			before: `scheduling = { tolerations = [{ operator = "Exists" }] }`, after: `scheduling = { tolerations = [{ key = "dedicated", operator = "Exists" }] }`,
			look: func(c *cnpgv1.Cluster) any { return c.Spec.Affinity.Tolerations },
			made: `[{"operator":"Exists"}]`, changed: `[{"key":"dedicated","operator":"Exists"}]`, left: `null`,
			drift: func(c *cnpgv1.Cluster) { c.Spec.Affinity.Tolerations[0].Key = "theirs" },
		},
		"scheduling.topology_key": {
			before: `scheduling = { topology_key = "example.com/rack" }`, after: `scheduling = { topology_key = "example.com/room" }`,
			look: func(c *cnpgv1.Cluster) any { return c.Spec.Affinity.TopologyKey },
			made: `"example.com/rack"`, changed: `"example.com/room"`, left: `""`,
			drift: func(c *cnpgv1.Cluster) { c.Spec.Affinity.TopologyKey = "theirs" },
		},
		"tier": {
			before: `tier = "DEV"`, after: `tier = "HA"`,
			look: func(c *cnpgv1.Cluster) any { return c.Annotations[cnpg.AnnotationTier] },
			made: `"DEV"`, changed: `"HA"`, left: `"HA"`,
			drift: func(c *cnpgv1.Cluster) { c.Annotations[cnpg.AnnotationTier] = "STANDARD" },
		},
		"storage": {
			before: `storage = { size = "2Gi", storage_class = "fast" }`, after: `storage = { size = "3Gi", storage_class = "fast" }`,
			look: func(c *cnpgv1.Cluster) any {
				return []any{c.Spec.StorageConfiguration.Size, c.Spec.StorageConfiguration.StorageClass}
			},
			made: `["2Gi","fast"]`, changed: `["3Gi","fast"]`,
			drift:   func(c *cnpgv1.Cluster) { c.Spec.StorageConfiguration.Size = "5Gi" },
			refused: []string{"Storage Cannot Shrink", "storage.size: the volumes have 5Gi; 3Gi is less", `spec.storage.size was set by "kubectl-edit", not by Terraform`, `storage.size = "5Gi"`},
			taken:   `storage = { size = "5Gi", storage_class = "fast" }`,
		},
		"wal_storage": {
			before: `wal_storage = { size = "1024Mi", storage_class = "fast" }`, after: `wal_storage = { size = "2Gi", storage_class = "fast" }`,
			look: func(c *cnpgv1.Cluster) any { return []any{c.Spec.WalStorage.Size, c.Spec.WalStorage.StorageClass} },
			made: `["1024Mi","fast"]`, changed: `["2Gi","fast"]`,
			drift:   func(c *cnpgv1.Cluster) { c.Spec.WalStorage.Size = "5Gi" },
			refused: []string{"Storage Cannot Shrink", "wal_storage.size: the volumes have 5Gi; 2Gi is less", `spec.walStorage.size was set by "kubectl-edit", not by Terraform`, `wal_storage.size = "5Gi"`},
			taken:   `wal_storage = { size = "5Gi", storage_class = "fast" }`,
		},
		"instances": {
			before: `instances = 2`, after: `instances = 3`,
			look: func(c *cnpgv1.Cluster) any { return c.Spec.Instances },
			made: `2`, changed: `3`, left: `1`,
			drift: func(c *cnpgv1.Cluster) { c.Spec.Instances = 1 },
		},
		"resources": {
			before: `resources = { cpu = "500m", memory = "512Mi" }`, after: `resources = { cpu = "2", memory = "1Gi" }`,
			look: func(c *cnpgv1.Cluster) any { return c.Spec.Resources },
			made: `{"limits":{"memory":"512Mi"},"requests":{"cpu":"500m","memory":"512Mi"}}`, changed: `{"limits":{"memory":"1Gi"},"requests":{"cpu":"2","memory":"1Gi"}}`,
			left:  `{"limits":{"memory":"512Mi"},"requests":{"cpu":"100m","memory":"512Mi"}}`,
			drift: func(c *cnpgv1.Cluster) { c.Spec.Resources.Requests[corev1.ResourceCPU] = apiresource.MustParse("3") },
		},
		"resources.memory of requests": {
			before: `resources = { memory = "512Mi" }`, after: `resources = { memory = "1Gi" }`,
			look: func(c *cnpgv1.Cluster) any { return c.Spec.Resources.Requests.Memory() },
			made: `"512Mi"`, changed: `"1Gi"`, left: `"512Mi"`,
			drift: func(c *cnpgv1.Cluster) {
				c.Spec.Resources.Requests[corev1.ResourceMemory] = apiresource.MustParse("256Mi")
			},
		},
		"resources.memory of limits": {
			before: `resources = { memory = "512Mi" }`, after: `resources = { memory = "1Gi" }`,
			look: func(c *cnpgv1.Cluster) any { return c.Spec.Resources.Limits.Memory() },
			made: `"512Mi"`, changed: `"1Gi"`, left: `"512Mi"`,
			drift: func(c *cnpgv1.Cluster) { c.Spec.Resources.Limits[corev1.ResourceMemory] = apiresource.MustParse("4Gi") },
		},
		"parameters": {
			before: `parameters = { work_mem = "8MB", max_connections = "50" }`, after: `parameters = { work_mem = "16MB" }`,
			look: func(c *cnpgv1.Cluster) any {
				return []string{c.Spec.PostgresConfiguration.Parameters["work_mem"], c.Spec.PostgresConfiguration.Parameters["max_connections"]}
			},
			made: `["8MB","50"]`, changed: `["16MB",""]`, left: `["",""]`,
			drift: func(c *cnpgv1.Cluster) { c.Spec.PostgresConfiguration.Parameters["work_mem"] = "1GB" },
		},
		"postgres_version": {
			before: `postgres_version = "17.5"`, after: `postgres_version = "17.6"`,
			look: func(c *cnpgv1.Cluster) any { return c.Spec.ImageName },
			made: `"ghcr.io/cloudnative-pg/postgresql:17.5-system-trixie"`, changed: `"ghcr.io/cloudnative-pg/postgresql:17.6-system-trixie"`,
			left:    `"ghcr.io/cloudnative-pg/postgresql:17.6-system-trixie"`, // what the database runs stays
			drift:   func(c *cnpgv1.Cluster) { c.Spec.ImageName = "ghcr.io/cloudnative-pg/postgresql:17.7-system-trixie" },
			refused: []string{"PostgreSQL Cannot Be Downgraded", "runs PostgreSQL 17.7; 17.6 is older", `spec.imageName was set by "kubectl-edit", not by Terraform`, `postgres_version = "17.7"`},
			taken:   `postgres_version = "17.7"`,
		},
		"image": {
			before: `image = "registry.example.com/postgresql:16.3-ours"`, after: `image = "registry.example.com/postgresql:16.4-ours"`,
			look: func(c *cnpgv1.Cluster) any { return c.Spec.ImageName },
			made: `"registry.example.com/postgresql:16.3-ours"`, changed: `"registry.example.com/postgresql:16.4-ours"`,
			left:    `"registry.example.com/postgresql:16.4-ours"`,
			drift:   func(c *cnpgv1.Cluster) { c.Spec.ImageName = "registry.example.com/postgresql:16.5-theirs" },
			refused: []string{"PostgreSQL Cannot Be Downgraded", "runs PostgreSQL 16.5; 16.4 is older", `spec.imageName was set by "kubectl-edit", not by Terraform`, `image = "registry.example.com/postgresql:16.5-theirs"`},
			taken:   `image = "registry.example.com/postgresql:16.5-theirs"`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := operated(t)
			config := func(attribute string) string {
				if name != "tier" {
					attribute = "tier = \"DEV\"\n  " + attribute
				}
				return f.config(database(unprotected + "  " + attribute))
			}
			has := func(want string) resource.TestCheckFunc {
				return check(func() error {
					got, err := json.Marshal(test.look(f.cluster()))
					if err == nil && string(got) != want {
						err = fmt.Errorf("the Cluster has\n%s, want\n%s", got, want)
					}
					return err
				})
			}
			imported := resource.TestStep{
				ResourceName: db, ImportState: true, ImportStateVerify: true, ImportStateVerifyIgnore: []string{"deletion_protection"},
			}
			steps := []resource.TestStep{
				{Config: config(test.before), Check: has(test.made)},
				imported,
				{Config: config(test.after), ConfigPlanChecks: action(db, plancheck.ResourceActionUpdate), Check: has(test.changed)},
				imported,
			}
			if test.left != "" {
				steps = append(steps, resource.TestStep{Config: config(""), Check: has(test.left)})
			}
			unit(t, steps...)
		})
		t.Run("drift of "+name, func(t *testing.T) {
			t.Parallel()
			s := onStage(t, operated(t))
			config := func(attribute string) string {
				if name != "tier" {
					attribute = "tier = \"DEV\"\n  " + attribute
				}
				return s.config(database(unprotected + "  " + attribute))
			}
			s.apply(config(test.after))
			apitest.EditAs(s.kube, "kubectl-edit", fakeNamespace, "my-db", test.drift)
			if len(test.refused) > 0 {
				s.refused(config(test.after), test.refused...)
				s.planned(config(test.taken), terraformtest.NoOp)
				return
			}
			s.planned(config(test.after), terraformtest.Update)
			s.apply(config(test.after))
			if got, err := json.Marshal(test.look(s.cluster())); err != nil || string(got) != test.changed {
				t.Errorf("what was changed is %s, and not put back to %s: %v", got, test.changed, err)
			}
		})
	}
}

// What is empty in the configuration is read back empty, and is no change of the Cluster.
func TestDatabaseEmptyAttributes(t *testing.T) {
	t.Parallel()
	f := operated(t)
	const empty = `
  labels             = {}
  annotations        = {}
  parameters         = {}
  image_pull_secrets = []
  pg_hba             = []
  scheduling         = { node_selector = {}, tolerations = [] }`
	unit(t,
		resource.TestStep{Config: f.config(database(unprotected + empty))},
		resource.TestStep{
			PreConfig: f.kube.Forget,
			Config:    f.config(database(unprotected)),
			Check: check(func() error {
				if writes := f.kube.Writes(); len(writes) > 0 {
					return fmt.Errorf("written although nothing changes: %v", apitest.Summaries(writes))
				}
				return nil
			}),
		},
		resource.TestStep{Config: f.config(database(unprotected + "scheduling = {}"))},
	)
}

// What other managers add to what is not configured stays theirs; a change of what is configured is put back.
func TestDatabaseFieldsOfOthers(t *testing.T) {
	t.Parallel()
	f := operated(t)
	config := f.config(database(unprotected + `
  labels      = { team = "ours" }
  annotations = { note = "ours" }
  pg_hba      = ["local all all peer"]
  scheduling  = { node_selector = { disk = "ssd" } }`))
	edited := func(change func(*cnpgv1.Cluster)) func() {
		return func() { f.edit("kubectl-edit", "my-db", change) }
	}
	unit(t,
		resource.TestStep{Config: config},
		resource.TestStep{
			PreConfig: edited(func(c *cnpgv1.Cluster) {
				metav1.SetMetaDataLabel(&c.ObjectMeta, "more", "theirs")
				metav1.SetMetaDataLabel(&c.ObjectMeta, cnpg.LabelOrgID, "theirs")
				metav1.SetMetaDataAnnotation(&c.ObjectMeta, "more", "theirs")
				c.Spec.ImagePullSecrets = []cnpgv1.LocalObjectReference{{Name: "theirs"}}
				c.Spec.WalStorage = &cnpgv1.StorageConfiguration{Size: "2Gi"}
				c.Spec.Affinity.NodeSelector["more"] = "theirs"
				c.Spec.Affinity.TopologyKey = "theirs"
				c.Spec.Affinity.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
			}),
			Config: config, PlanOnly: true,
		},
		resource.TestStep{
			PreConfig: edited(func(c *cnpgv1.Cluster) {
				c.Labels["team"], c.Annotations["note"] = "theirs", "theirs"
				c.Spec.PostgresConfiguration.PgHBA = []string{"host all all all trust"}
				c.Spec.Affinity.NodeSelector["disk"] = "hdd"
			}),
			Config:           config,
			ConfigPlanChecks: action(db, plancheck.ResourceActionUpdate),
			Check: check(func() error {
				c := f.cluster()
				if c.Labels["team"] != "ours" || c.Annotations["note"] != "ours" || c.Spec.PostgresConfiguration.PgHBA[0] != "local all all peer" || c.Spec.Affinity.NodeSelector["disk"] != "ssd" {
					return fmt.Errorf("not put back: %v, %v, %+v", c.Labels, c.Annotations, c.Spec)
				}
				if c.Labels["more"] != "theirs" || c.Annotations["more"] != "theirs" || len(c.Spec.ImagePullSecrets) != 1 || c.Spec.Affinity.TopologyKey != "theirs" {
					return fmt.Errorf("taken from others: %v, %v, %+v", c.Labels, c.Annotations, c.Spec)
				}
				return nil
			}),
		},
	)
}

func TestDatabaseOwnerAndName(t *testing.T) {
	t.Parallel()
	f := operated(t)
	named := func(more string) string {
		return f.config(database("database_name = \"shop\"\nowner = \"seller\"\n" + more))
	}
	renamed := func(more string) string { return strings.Replace(named(more), "seller", "buyer", 1) }
	unit(t,
		resource.TestStep{
			Config: named(""),
			ConfigStateChecks: []statecheck.StateCheck{
				statecheck.ExpectKnownValue(db, tfjsonpath.New("connection_info").AtMapKey("database"), knownvalue.StringExact("shop")),
				statecheck.ExpectKnownValue(db, tfjsonpath.New("connection_info").AtMapKey("username"), knownvalue.StringExact("seller")),
			},
			Check: check(func() error {
				if b := f.cluster().Spec.Bootstrap.InitDB; b.Database != "shop" || b.Owner != "seller" {
					return fmt.Errorf("bootstrap is %+v", b)
				}
				return nil
			}),
		},
		resource.TestStep{ResourceName: db, ImportState: true, ImportStateVerify: true},
		resource.TestStep{Config: renamed(""), PlanOnly: true, ExpectError: says("Database Is Protected", "This change would destroy the database myorg/my-db")},
		resource.TestStep{Config: named(unprotected)},
		resource.TestStep{
			Config:           renamed(unprotected),
			ConfigPlanChecks: action(db, plancheck.ResourceActionDestroyBeforeCreate),
			Check: check(func() error {
				if b := f.cluster().Spec.Bootstrap.InitDB; b.Owner != "buyer" {
					return fmt.Errorf("bootstrap is %+v", b)
				}
				return nil
			}),
		},
	)
}

// What cannot be done to a database that exists is refused at plan, at its attribute.
func TestDatabaseRefusedChanges(t *testing.T) {
	t.Parallel()
	f := operated(t)
	config := func(attributes string) string { return f.config(database(unprotected + attributes)) }
	refused := func(attributes string, want ...string) resource.TestStep {
		return resource.TestStep{Config: config(attributes), PlanOnly: true, ExpectError: says(want...)}
	}
	const wal, image = "\n  wal_storage = { size = \"2Gi\" }", "\n  image = \"registry.example.com/postgresql:15.18\""
	unit(t,
		resource.TestStep{Config: config(image)},
		resource.TestStep{Config: config(image + wal), Check: check(func() error { // it may be added
			if f.cluster().Spec.WalStorage == nil {
				return fmt.Errorf("there is no WAL storage")
			}
			f.kube.Forget()
			return nil
		})},
		refused(image, "WAL Storage Cannot Be Removed", "wal_storage: a database"),
		refused(image+strings.Replace(wal, "2Gi", "1Gi", 1), "Storage Cannot Shrink", "wal_storage.size: the volumes have 2Gi; 1Gi is less."),
		refused(image+strings.Replace(wal, "}", ", storage_class = \"fast\" }", 1), "Storage Class Cannot Change", "wal_storage.storage_class:"),
		refused(wal+strings.Replace(image, "15.18", "15.17", 1), "PostgreSQL Cannot Be Downgraded", "image", "runs PostgreSQL 15.18; 15.17 is older"),
		refused(wal+"\n  postgres_version = \"14\"", "PostgreSQL Cannot Be Downgraded", "postgres_version", "runs PostgreSQL 15.18; 14 is older"),
		resource.TestStep{
			PreConfig: func() {
				if writes := f.kube.Writes(); len(writes) > 0 {
					t.Errorf("written: %v", apitest.Summaries(writes))
				}
			},
			Config: config(image + wal), PlanOnly: true,
		},
	)
}

func TestDatabaseUpgradeBelow16(t *testing.T) {
	t.Parallel()
	f := operated(t)
	unit(t,
		resource.TestStep{Config: f.config(database(unprotected + `postgres_version = "14.1"`))},
		resource.TestStep{
			Config: f.config(database(unprotected + `postgres_version = "15.1"`)), PlanOnly: true,
			ExpectError: says("Unsupported Upgrade", "only if that is 16 or later"),
		},
	)
}

// A major upgrade begins a new archive; one that failed can be taken back.
func TestDatabaseMajorUpgrade(t *testing.T) {
	t.Parallel()
	f := operated(t)
	config := func(version string) string {
		return strings.Replace(f.config(goodDatabase), "backup  ", fmt.Sprintf("postgres_version = %q\n  backup  ", version), 1)
	}
	var folder string
	folderChanged := func(version string) resource.TestCheckFunc {
		return check(func() error {
			if now := cnpg.ServerName(f.cluster()); now == folder {
				return fmt.Errorf("PostgreSQL %s archives to the folder of the version before, %s", version, now)
			}
			if image := f.cluster().Spec.ImageName; !strings.HasSuffix(image, ":"+version+"-system-trixie") {
				return fmt.Errorf("the image is %s", image)
			}
			folder = cnpg.ServerName(f.cluster())
			return nil
		})
	}
	unit(t,
		resource.TestStep{Config: config("16.2"), Check: check(func() error {
			folder = cnpg.ServerName(f.cluster())
			f.s3.Archive(fakeBucket, "pg", folder).WAL("000000010000000000000001", f.now())
			return nil
		})},
		resource.TestStep{Config: config("16.3"), Check: check(func() error { // a minor one keeps it
			if now := cnpg.ServerName(f.cluster()); now != folder {
				return fmt.Errorf("archives to %s", now)
			}
			return nil
		})},
		resource.TestStep{Config: config("17.1"), Check: folderChanged("17.1")},
		resource.TestStep{Config: config("16.3"), PlanOnly: true, ExpectError: says("PostgreSQL Cannot Be Downgraded")},
		resource.TestStep{
			PreConfig: func() { // CNPG could not upgrade
				f.s3.Archive(fakeBucket, "pg", folder).WAL("000000010000000000000002", f.now())
				apitest.Edit(f.kube, fakeNamespace, "my-db", func(c *cnpgv1.Cluster) {
					c.Status.PGDataImageInfo = &cnpgv1.ImageInfo{Image: "ghcr.io/cloudnative-pg/postgresql:16.3-system-trixie", MajorVersion: 16}
				})
			},
			Config: config("16.3"), Check: folderChanged("16.3"),
		},
	)
}

// A Cluster that kubectl made is taken over without a change, whatever CNPG has added to it.
func TestDatabaseImportOfAnothersCluster(t *testing.T) {
	t.Parallel()
	byEachMethod(t, testDatabaseImportOfAnothersCluster)
}

func testDatabaseImportOfAnothersCluster(t *testing.T) {
	t.Parallel()
	f := operated(t)
	f.kube.Put(&cnpgv1.Cluster{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: fakeNamespace, Name: "my-db", Labels: map[string]string{"team": "a"},
			Annotations: map[string]string{"kubectl.kubernetes.io/last-applied-configuration": "{}", "example.com/note": "n"},
		},
		Spec: cnpgv1.ClusterSpec{
			Instances:            2,
			ImageName:            "ghcr.io/cloudnative-pg/postgresql:15.18-system-bookworm",
			StorageConfiguration: cnpgv1.StorageConfiguration{Size: "7Gi"},
			WalStorage:           &cnpgv1.StorageConfiguration{Size: "2Gi"},
			ImagePullSecrets:     []cnpgv1.LocalObjectReference{{Name: "pull"}},
			Affinity:             cnpgv1.AffinityConfiguration{NodeSelector: map[string]string{"disk": "ssd"}},
			PostgresConfiguration: cnpgv1.PostgresConfiguration{
				Parameters: map[string]string{"work_mem": "8MB"}, PgHBA: []string{"local all all peer"},
			},
			Bootstrap: &cnpgv1.BootstrapConfiguration{InitDB: &cnpgv1.BootstrapInitDB{Database: "shop", Owner: "seller"}},
		},
	})
	matching := f.config(database(`
  instances          = 2
  postgres_version   = "15.18"
  storage            = { size = "7Gi" }
  wal_storage        = { size = "2048Mi" }
  parameters         = { work_mem = "8MB" }
  pg_hba             = ["local all all peer"]
  labels             = { team = "a" }
  annotations        = { "example.com/note" = "n" }
  image_pull_secrets = ["pull"]
  scheduling         = { node_selector = { disk = "ssd" } }
  database_name      = "shop"
  owner              = "seller"`))
	version := f.cluster().ResourceVersion
	unit(t,
		resource.TestStep{Config: matching, ResourceName: db, ImportState: true, ImportStateId: "myorg/my-db", ImportStatePersist: true},
		resource.TestStep{Config: matching, ConfigPlanChecks: action(db, plancheck.ResourceActionNoop), Check: check(func() error {
			if now := f.cluster().ResourceVersion; now != version {
				return fmt.Errorf("the Cluster was changed")
			}
			return nil
		})},
		resource.TestStep{ // what is theirs stays theirs, and is no longer looked at
			Config: f.config(database(unprotected + `
  instances     = 2
  storage       = { size = "7Gi" }
  wal_storage   = { size = "2Gi" }
  database_name = "shop"
  owner         = "seller"`)),
			Check: check(func() error {
				if c := f.cluster(); c.Labels["team"] != "a" || c.Spec.PostgresConfiguration.Parameters["work_mem"] != "8MB" {
					return fmt.Errorf("labels %v, parameters %v", c.Labels, c.Spec.PostgresConfiguration.Parameters)
				}
				return nil
			}),
		},
	)
}
