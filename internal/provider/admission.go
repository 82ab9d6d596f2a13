package provider

import (
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// attributeOfField is the attribute that a field of an object stands for.
type attributeOfField struct {
	field string
	at    path.Path
}

// attributesOfFields are those of CNPG's objects, by their kind, the narrower field before the wider one.
var attributesOfFields = map[string][]attributeOfField{
	"Cluster": {
		{"metadata.name", path.Root("name")},
		{"metadata.namespace", path.Root("namespace")},
		{"metadata.labels", path.Root("labels")},
		{"metadata.annotations", path.Root("annotations")},
		{"spec.instances", path.Root("instances")},
		{"spec.storage.size", path.Root("storage").AtName("size")},
		{"spec.storage.storageClass", path.Root("storage").AtName("storage_class")},
		{"spec.storage", path.Root("storage")},
		{"spec.walStorage.size", path.Root("wal_storage").AtName("size")},
		{"spec.walStorage.storageClass", path.Root("wal_storage").AtName("storage_class")},
		{"spec.walStorage", path.Root("wal_storage")},
		{"spec.resources.requests.cpu", path.Root("resources").AtName("cpu")},
		{"spec.resources.requests.memory", path.Root("resources").AtName("memory")},
		{"spec.resources.limits.memory", path.Root("resources").AtName("memory")},
		{"spec.resources", path.Root("resources")},
		{"spec.imageName", path.Root("image")},
		{"spec.imagePullSecrets", path.Root("image_pull_secrets")},
		{"spec.postgresql.parameters.archive_timeout", path.Root("backup").AtName("archive_timeout")},
		{"spec.postgresql.parameters", path.Root("parameters")},
		{"spec.postgresql.pg_hba", path.Root("pg_hba")},
		{"spec.affinity.nodeSelector", path.Root("scheduling").AtName("node_selector")},
		{"spec.affinity.tolerations", path.Root("scheduling").AtName("tolerations")},
		{"spec.affinity.topologyKey", path.Root("scheduling").AtName("topology_key")},
		{"spec.affinity", path.Root("scheduling")},
		{"spec.bootstrap.initdb.database", path.Root("database_name")},
		{"spec.bootstrap.initdb.owner", path.Root("owner")},
		{"spec.backup.retentionPolicy", path.Root("backup").AtName("retention_days")},
		{"spec.backup.barmanObjectStore.serverName", path.Root("backup").AtName("server_name")},
		{"spec.backup.barmanObjectStore.wal", path.Root("backup").AtName("wal")},
		{"spec.backup.barmanObjectStore.data", path.Root("backup").AtName("data")},
		{"spec.backup", path.Root("backup")},
	},
	"ScheduledBackup": {
		{"spec.schedule", path.Root("backup").AtName("schedule")},
	},
}

// refusedAttribute is the attribute of the first field that was refused and that one stands for.
func refusedAttribute(refused *cnpg.AdmissionError) (at path.Path, ok bool) {
	for _, field := range refused.Fields {
		for _, known := range attributesOfFields[refused.Kind] {
			rest, below := strings.CutPrefix(field, known.field)
			switch key, isKey := strings.CutPrefix(rest, "."); {
			case !below || rest != "" && !isKey && !strings.HasPrefix(rest, "["):
				continue
			case isKey && known.field == "spec.postgresql.parameters":
				return known.at.AtMapKey(key), true
			}
			return known.at, true
		}
	}
	return at, false
}
