package provider_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// richSource is a database with everything that a restore takes over, as the provider makes it.
const richSource = `
resource "pgplatform_database" "db" {
  name                = "my-db"
  org_id              = "acme"
  tier                = "DEV"
  instances           = 2
  storage             = { size = "6Gi", storage_class = "fast" }
  wal_storage         = { size = "2Gi", storage_class = "fast" }
  resources           = { cpu = "300m", memory = "700Mi" }
  postgres_version    = "17.5"
  parameters          = { work_mem = "8MB", log_statement = "ddl" }
  pg_hba              = ["host all all 10.0.0.0/8 scram-sha-256"]
  image_pull_secrets  = ["registry"]
  scheduling          = {
    node_selector = { disk = "ssd" }
    tolerations   = [{ key = "dedicated", operator = "Exists" }]
    topology_key  = "topology.kubernetes.io/zone"
  }
  labels              = { team = "a" }
  annotations         = { "example.com/contact" = "shop" }
  database_name       = "shop"
  owner               = "seller"
  backup              = {
    schedule        = "0 2 * * *"
    retention_days  = 14
    immediate       = false
    archive_timeout = "1min"
    wal             = { compression = "gzip", max_parallel = 4 }
    data            = { compression = "bzip2", jobs = 2 }
    server_name     = "my-db-v1"
  }
  deletion_protection = false
}
`

// inherits says in lines what a Cluster and its schedule are that a restore can take over.
func (f *fakes) inherits(name string) string {
	c := apitest.Get[cnpgv1.Cluster](f.kube, fakeNamespace, name)
	spec := c.Spec
	line := func(name string, value any) string { return fmt.Sprintf("%s: %v\n", name, value) }
	var text strings.Builder
	text.WriteString(line("org", c.Labels[cnpg.LabelOrgID]) + line("tier", c.Annotations[cnpg.AnnotationTier]) + line("instances", spec.Instances))
	for name, v := range map[string]*cnpgv1.StorageConfiguration{"storage": &spec.StorageConfiguration, "wal": spec.WalStorage} {
		if v != nil {
			text.WriteString(line(name, v.Size+" "+ptr.Deref(v.StorageClass, "")))
		}
	}
	text.WriteString(line("resources", fmt.Sprint(spec.Resources.Requests.Cpu(), spec.Resources.Requests.Memory(), spec.Resources.Limits.Memory(), spec.Resources.Limits.Cpu())))
	text.WriteString(line("image", spec.ImageName) + line("hba", spec.PostgresConfiguration.PgHBA) + line("pull", spec.ImagePullSecrets))
	for _, name := range slices.Sorted(maps.Keys(spec.PostgresConfiguration.Parameters)) {
		text.WriteString(line("parameter "+name, spec.PostgresConfiguration.Parameters[name]))
	}
	text.WriteString(line("affinity", fmt.Sprint(spec.Affinity.NodeSelector, spec.Affinity.Tolerations, spec.Affinity.TopologyKey)))
	if bootstrap := spec.Bootstrap; bootstrap.Recovery != nil {
		text.WriteString(line("application", bootstrap.Recovery.Database+" of "+bootstrap.Recovery.Owner))
	} else {
		text.WriteString(line("application", bootstrap.InitDB.Database+" of "+bootstrap.InitDB.Owner))
	}
	if b := spec.Backup; b != nil {
		store := b.BarmanObjectStore
		text.WriteString(line("retention", b.RetentionPolicy) + line("archive", store.DestinationPath))
		settings, _ := json.Marshal([]any{store.Wal, store.Data}) // structs of strings and numbers
		text.WriteString(line("settings", string(settings)))
	}
	if scheduled := apitest.Get[cnpgv1.ScheduledBackup](f.kube, fakeNamespace, name); scheduled != nil {
		text.WriteString(line("schedule", scheduled.Spec.Schedule))
	}
	lines := strings.Split(text.String(), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// richStage is a stage with richSource, whose archive is that of withSource, and its configuration.
func richStage(t *testing.T) (*stage, string) {
	t.Helper()
	f := operated(t)
	f.kube.OnExec(func(string, string, []string) (string, string, error) { return flushAnswer(lastSegment), "", nil })
	s := onStage(t, f)
	s.apply(f.config(richSource))
	archiveOfSource(t, f.s3.Archive(fakeBucket, "pg", "my-db-v1"))
	return s, f.config(richSource)
}

// What the source asks for is asked for also where somebody has removed the source's limit, which the source's own plan calls drift.
func TestRestoreOfASourceWithoutItsLimitOfMemory(t *testing.T) {
	t.Parallel()
	s, _ := richStage(t)
	s.w.Forget(db)
	asked := s.cluster().Spec.Resources.Requests.Memory().String()
	apitest.EditAs(s.kube, apitest.Kubectl, fakeNamespace, "my-db", func(c *cnpgv1.Cluster) { delete(c.Spec.Resources.Limits, "memory") })
	s.apply(s.config(restoreOf("")))
	if is := s.restored().Spec.Resources; asked == "0" || is.Requests.Memory().String() != asked || is.Limits.Memory().String() != asked {
		t.Errorf("the source asks for %s of memory, the restored database for %v", asked, is)
	}
}

// Everything that is not configured is as it is in the source, whoever made that, and stays so.
func TestRestoreInheritsEverything(t *testing.T) {
	t.Parallel()
	for name, foreign := range map[string]bool{"of the provider": false, "of somebody else": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, source := richStage(t)
			if foreign { // the same Cluster, made by kubectl
				made := s.cluster()
				scheduled := s.schedule()
				made.ManagedFields, made.Annotations, made.ResourceVersion, scheduled.ManagedFields, scheduled.ResourceVersion = nil, map[string]string{cnpg.AnnotationTier: "DEV"}, "", nil, ""
				s.sourceGone()
				s.w.Forget(db)
				s.kube.Put(made, scheduled)
				source = s.config("")
			}
			want := s.inherits("my-db")
			plan, _ := s.plan(source + restoreOf(""))
			after := plan.Change(pitr).After
			for _, attribute := range []string{
				"org_id", "tier", "instances", "storage", "wal_storage", "resources", "image", "postgres_version", "parameters", "database_name", "owner", "image_pull_secrets", "pg_hba", "scheduling",
			} {
				if !after.GetAttr(attribute).IsWhollyKnown() || after.GetAttr(attribute).IsNull() {
					t.Errorf("planned is %s = %#v", attribute, after.GetAttr(attribute))
				}
			}
			s.apply(source + restoreOf(""))
			if got := s.inherits("my-db-pitr"); got != want {
				t.Errorf("restored is otherwise than the source: %s", unequal(got, want))
			}
			c := s.restored()
			if c.Labels["team"] != "" || c.Annotations["example.com/contact"] != "" {
				t.Errorf("it has the source's labels and annotations: %v %v", c.Labels, c.Annotations)
			}
			if server := c.Spec.Backup.BarmanObjectStore.ServerName; server != "my-db-pitr" || s.at("archive", "server_name") != server || s.at("backup", "server_name") != server {
				t.Errorf("it archives to %s", server)
			}
			if c.Spec.ExternalClusters[0].BarmanObjectStore.Wal.MaxParallel != 4 {
				t.Errorf("it reads %+v", c.Spec.ExternalClusters[0].BarmanObjectStore.Wal)
			}
			if immediate := apitest.Get[cnpgv1.ScheduledBackup](s.kube, fakeNamespace, "my-db-pitr").Spec.Immediate; immediate == nil || !*immediate {
				t.Error("its first backup waits for the schedule")
			}
		})
	}
}

// What is configured counts, and all else is the source's.
func TestRestoreOverrides(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		config string
		change map[string]string // lines of inherits, by their beginnings
		gone   []string
	}{
		"org_id":                {config: `org_id = "umbrella"`, change: map[string]string{"org": "umbrella"}},
		"instances":             {config: `instances = 1`, change: map[string]string{"instances": "1"}},
		"storage.size":          {config: `storage = { size = "9Gi" }`, change: map[string]string{"storage": "9Gi fast"}},
		"storage.storage_class": {config: `storage = { storage_class = "standard" }`, change: map[string]string{"storage": "6Gi standard"}},
		"storage":               {config: `storage = { size = "9Gi", storage_class = "standard" }`, change: map[string]string{"storage": "9Gi standard"}},
		"wal_storage":           {config: `wal_storage = { size = "3Gi" }`, change: map[string]string{"wal": "3Gi fast"}},
		"resources.cpu":         {config: `resources = { cpu = "1" }`, change: map[string]string{"resources": "1 700Mi 700Mi 0"}},
		"resources.memory":      {config: `resources = { memory = "2Gi" }`, change: map[string]string{"resources": "300m 2Gi 2Gi 0"}},
		"image": {
			config: `image = "registry.example.com/postgresql:17.9"`, change: map[string]string{"image": "registry.example.com/postgresql:17.9"},
		},
		"postgres_version": {
			config: `postgres_version = "17.9"`, change: map[string]string{"image": "ghcr.io/cloudnative-pg/postgresql:17.9-system-trixie"},
		},
		"parameters": {
			config: `parameters = { work_mem = "16MB" }`, change: map[string]string{"parameter work_mem": "16MB"}, gone: []string{"parameter log_statement"},
		},
		"no parameters":         {config: `parameters = {}`, gone: []string{"parameter log_statement", "parameter work_mem"}},
		"pg_hba":                {config: `pg_hba = ["host all all all reject"]`, change: map[string]string{"hba": "[host all all all reject]"}},
		"no pg_hba":             {config: `pg_hba = []`, change: map[string]string{"hba": "[]"}},
		"image_pull_secrets":    {config: `image_pull_secrets = ["mirror"]`, change: map[string]string{"pull": "[{mirror}]"}},
		"no image_pull_secrets": {config: `image_pull_secrets = []`, change: map[string]string{"pull": "[]"}},
		"scheduling":            {config: `scheduling = { topology_key = "rack" }`, change: map[string]string{"affinity": "map[] []rack"}},
		"tier with larger disk": {
			config: `tier = "HA"`,
			change: map[string]string{"tier": "HA", "instances": "3", "storage": "20Gi fast", "resources": "250m 2Gi 2Gi 0"},
		},
		"tier with smaller disk": {
			config: `tier = "DEV"`,
			change: map[string]string{"instances": "1", "resources": "100m 512Mi 512Mi 0"},
		},
		"tier, and sizes": {
			config: "tier = \"HA\"\ninstances = 2\nstorage = { size = \"6Gi\" }\nresources = { cpu = \"300m\" }",
			change: map[string]string{"tier": "HA", "resources": "300m 2Gi 2Gi 0"},
		},
		"backup": {
			config: `backup = { schedule = "@daily" }`,
			change: map[string]string{"settings": "[null,null]", "schedule": "@daily", "retention": "", "parameter archive_timeout": "5min"},
		},
		"no backup": {
			config: `backup = { enabled = false }`, gone: []string{"archive", "settings", "schedule", "retention"}, change: map[string]string{"parameter archive_timeout": "5min"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, source := richStage(t)
			var want []string
			for _, line := range strings.Split(s.inherits("my-db"), "\n") {
				name, _, _ := strings.Cut(line, ": ")
				if value, changed := test.change[name]; changed {
					line = name + ": " + value
				}
				if !slices.Contains(test.gone, name) {
					want = append(want, line)
				}
			}
			s.apply(source + restoreOf(test.config))
			if got := s.inherits("my-db-pitr"); got != strings.Join(want, "\n") {
				t.Errorf("restored is otherwise than expected: %s", unequal(got, strings.Join(want, "\n")))
			}
			// Without it in the configuration, what it said stays.
			version := s.restored().ResourceVersion
			plan, _ := s.plan(source + restoreOf(""))
			if action := plan.Action(pitr); action != terraformtest.NoOp {
				t.Errorf("without it the plan is to %s:\n%s", action, differences(plan.Change(pitr)))
			}
			if s.restored().ResourceVersion != version {
				t.Error("a plan has changed the Cluster")
			}
		})
	}
}

// unequal are the lines that only one of two texts has.
func unequal(got, want string) string {
	has, wants := strings.Split(got, "\n"), strings.Split(want, "\n")
	without := func(lines, others []string) []string {
		return slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return slices.Contains(others, line) })
	}
	return fmt.Sprintf("%q in place of %q", without(has, wants), without(wants, has))
}

// differences are the attributes that a change changes.
func differences(change *terraformtest.Change) string {
	var lines []string
	for name, before := range change.Before.AsValueMap() {
		if after := change.After.GetAttr(name); !after.RawEquals(before) {
			lines = append(lines, fmt.Sprintf("%s: %s to %s", name, ctyText(before), ctyText(after)))
		}
	}
	return strings.Join(lines, "\n")
}

// The image of a source that follows a catalogue comes from there, too, where the new database sees the catalogue.
func TestRestoreInheritsACatalogue(t *testing.T) {
	t.Parallel()
	const image = "ghcr.io/cloudnative-pg/postgresql:17.5"
	for name, test := range map[string]struct {
		kind, attributes, namespace string
		named, catalogued           bool
	}{
		"of the namespace":                    {kind: "ImageCatalog", catalogued: true},
		"of the namespace, in another one":    {kind: "ImageCatalog", attributes: "namespace = \"other\"\n", named: true},
		"of the cluster":                      {kind: "ClusterImageCatalog", catalogued: true},
		"of the cluster, in another one":      {kind: "ClusterImageCatalog", attributes: "namespace = \"other\"\n", catalogued: true},
		"of the cluster, with a version":      {kind: "ClusterImageCatalog", attributes: "postgres_version = \"17.6\"\n", named: true},
		"of the cluster, with the same image": {kind: "ClusterImageCatalog", attributes: "image = \"" + image + "\"\n", named: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := restoreStage(t)
			s.kube.AddNamespace("other")
			group := "postgresql.cnpg.io"
			apitest.Edit(s.kube, fakeNamespace, "my-db", func(c *cnpgv1.Cluster) {
				c.Spec.ImageName = ""
				c.Spec.ImageCatalogRef = &cnpgv1.ImageCatalogRef{TypedLocalObjectReference: corev1.TypedLocalObjectReference{APIGroup: &group, Kind: test.kind, Name: "images"}, Major: 17}
				c.Status.Image = image
			})
			s.kube.React(func(e apitest.Event) {
				if c := apitest.As[cnpgv1.Cluster](e.Object); c != nil && c.Spec.ImageCatalogRef != nil && c.Status.Image == "" {
					apitest.Edit(s.kube, c.Namespace, c.Name, func(c *cnpgv1.Cluster) { c.Status.Image = image })
				}
			})
			s.apply(s.config(restoreOf(test.attributes)))
			c := apitest.Get[cnpgv1.Cluster](s.kube, s.at("namespace"), "my-db-pitr")
			if ref := c.Spec.ImageCatalogRef; (ref != nil) != test.catalogued || ref != nil && (ref.Kind != test.kind || ref.Major != 17) || (c.Spec.ImageName != "") != test.named {
				t.Errorf("the image is %q of %+v", c.Spec.ImageName, ref)
			}
			// An update keeps it.
			s.apply(s.config(restoreOf(test.attributes + "parameters = { work_mem = \"16MB\" }")))
			updated := apitest.Get[cnpgv1.Cluster](s.kube, s.at("namespace"), "my-db-pitr")
			if (updated.Spec.ImageCatalogRef != nil) != test.catalogued || updated.Spec.ImageName != c.Spec.ImageName || updated.Spec.PostgresConfiguration.Parameters["work_mem"] != "16MB" {
				t.Errorf("updated, the image is %q of %+v", updated.Spec.ImageName, updated.Spec.ImageCatalogRef)
			}
		})
	}
}
