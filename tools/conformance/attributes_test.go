package conformance

import (
	"testing"

	cnpgv1 "github.com/cloudnative-pg/cloudnative-pg/api/v1"
	corev1 "k8s.io/api/core/v1"
)

// attribute is a row of the table: some of the attributes of pgplatform_database that can be configured, and what comes
// of them in the operator's types.
type attribute struct {
	name   string
	config string
	// field and want are where it arrives, and as what. Without them it is not for Kubernetes: all stays as without it.
	field func(objects) any
	want  any

	// other is the name of the database, and its namespace, where config sets another one.
	other [2]string
	// createOnly: it cannot be changed. stays: it cannot be taken back. byDefault: it is so anyway.
	createOnly, stays, byDefault bool
	// environment is what the configuration refers to.
	environment func(*testing.T, *fakes)
}

var attributes = append(backupAttributes, []attribute{
	{
		name: "name", config: `name = "another"`, other: [2]string{namespace, "another"}, createOnly: true,
		field: func(o objects) any { return o.cluster.Name }, want: "another",
	},
	{
		name: "namespace", config: `namespace = "other"`, other: [2]string{"other", name}, createOnly: true,
		field: func(o objects) any { return o.cluster.Namespace }, want: "other",
	},
	{
		name: "org_id on the Cluster", config: `org_id = "acme"`,
		field: func(o objects) any { return o.cluster.Labels["pgplatform.io/org-id"] }, want: "acme",
	},
	{
		name: "org_id on the schedule", config: `org_id = "acme"`,
		field: func(o objects) any { return o.schedule.Labels["pgplatform.io/org-id"] }, want: "acme",
	},
	{
		name: "org_id on the Secret", config: `org_id = "acme"`,
		field: func(o objects) any { return o.secret.Labels["pgplatform.io/org-id"] }, want: "acme",
	},
	{name: "database_type", config: `database_type = "POSTGRESQL"`, byDefault: true},
	{
		name: "tier", config: `tier = "HA"`, stays: true,
		field: func(o objects) any { return []any{o.cluster.Spec.Instances, o.cluster.Spec.StorageConfiguration.Size} }, want: []any{3, "20Gi"},
	},
	{
		name: "instances", config: `instances = 2`,
		field: func(o objects) any { return o.cluster.Spec.Instances }, want: 2,
	},
	{
		name: "storage.size", config: `storage = { size = "12Gi" }`, stays: true,
		field: func(o objects) any { return o.cluster.Spec.StorageConfiguration.Size }, want: "12Gi",
	},
	{
		name: "storage.storage_class", config: `storage = { storage_class = "fast" }`, createOnly: true,
		field: func(o objects) any { return o.cluster.Spec.StorageConfiguration.StorageClass }, want: new("fast"),
	},
	{
		name: "wal_storage.size", config: `wal_storage = { size = "2Gi" }`, stays: true,
		field: func(o objects) any { return o.cluster.Spec.WalStorage }, want: &cnpgv1.StorageConfiguration{Size: "2Gi", ResizeInUseVolumes: new(true)},
	},
	{
		name: "wal_storage.storage_class", config: `wal_storage = { size = "2Gi", storage_class = "fast" }`, stays: true,
		field: func(o objects) any { return o.cluster.Spec.WalStorage },
		want:  &cnpgv1.StorageConfiguration{Size: "2Gi", StorageClass: new("fast"), ResizeInUseVolumes: new(true)},
	},
	{
		name: "resources.cpu", config: `resources = { cpu = "500m" }`,
		field: func(o objects) any { return o.cluster.Spec.Resources.Requests.Cpu().String() }, want: "500m",
	},
	{
		name: "resources.memory", config: `resources = { memory = "3Gi" }`,
		field: func(o objects) any {
			return []string{o.cluster.Spec.Resources.Requests.Memory().String(), o.cluster.Spec.Resources.Limits.Memory().String()}
		}, want: []string{"3Gi", "3Gi"},
	},
	{
		name: "postgres_version", config: `postgres_version = "18.99"`, stays: true,
		field: func(o objects) any { return o.cluster.Spec.ImageName }, want: "ghcr.io/cloudnative-pg/postgresql:18.99-system-trixie",
	},
	{
		name: "image", config: `image = "registry.example.com/postgresql:18.99"`, stays: true,
		field: func(o objects) any { return o.cluster.Spec.ImageName }, want: "registry.example.com/postgresql:18.99",
	},
	{
		name: "parameters", config: `parameters = { work_mem = "8MB" }`,
		field: func(o objects) any { return o.cluster.Spec.PostgresConfiguration.Parameters["work_mem"] }, want: "8MB",
	},
	{
		name: "a parameter for which CloudNativePG has a default", config: `parameters = { max_parallel_workers = "8" }`,
		field: func(o objects) any { return o.cluster.Spec.PostgresConfiguration.Parameters["max_parallel_workers"] }, want: "8",
	},
	{
		name: "database_name", config: `database_name = "shop"`, createOnly: true,
		field: func(o objects) any { return o.cluster.Spec.Bootstrap.InitDB.Database }, want: "shop",
	},
	{
		name: "owner", config: `owner = "shopkeeper"`, createOnly: true,
		field: func(o objects) any { return o.cluster.Spec.Bootstrap.InitDB.Owner }, want: "shopkeeper",
	},
	{
		name: "labels", config: `labels = { "example.com/team" = "shop" }`,
		field: func(o objects) any { return o.cluster.Labels["example.com/team"] }, want: "shop",
	},
	{
		name: "annotations", config: `annotations = { "example.com/contact" = "shop@example.com" }`,
		field: func(o objects) any { return o.cluster.Annotations["example.com/contact"] }, want: "shop@example.com",
	},
	{
		name: "image_pull_secrets", config: `image_pull_secrets = ["registry"]`,
		field: func(o objects) any { return o.cluster.Spec.ImagePullSecrets }, want: []cnpgv1.LocalObjectReference{{Name: "registry"}},
	},
	{
		name: "pg_hba", config: `pg_hba = ["host all all 10.0.0.0/8 scram-sha-256"]`,
		field: func(o objects) any { return o.cluster.Spec.PostgresConfiguration.PgHBA }, want: []string{"host all all 10.0.0.0/8 scram-sha-256"},
	},
	{
		name: "scheduling.node_selector", config: `scheduling = { node_selector = { disk = "ssd" } }`,
		field: func(o objects) any { return o.cluster.Spec.Affinity.NodeSelector }, want: map[string]string{"disk": "ssd"},
	},
	{
		name: "scheduling.tolerations", config: `scheduling = {
			tolerations = [{ key = "dedicated", operator = "Equal", value = "postgres", effect = "NoExecute", toleration_seconds = 60 }]
		}`,
		field: func(o objects) any { return o.cluster.Spec.Affinity.Tolerations },
		want: []corev1.Toleration{{
			Key: "dedicated", Operator: corev1.TolerationOpEqual, Value: "postgres", Effect: corev1.TaintEffectNoExecute, TolerationSeconds: new(int64(60)),
		}},
	},
	{
		name: "scheduling.topology_key", config: `scheduling = { topology_key = "topology.kubernetes.io/zone" }`,
		field: func(o objects) any { return o.cluster.Spec.Affinity.TopologyKey }, want: "topology.kubernetes.io/zone",
	},
	{name: "deletion_protection", config: `deletion_protection = true`},
	{name: "final_backup", config: `final_backup = true`},
	{name: "force_conflicts", config: `force_conflicts = true`},
	{name: "wait", config: `wait = true`},
	{name: "timeouts", config: `timeouts = { create = "1m", read = "1m", update = "1m", delete = "1m" }`},
}...)
