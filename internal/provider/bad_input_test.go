package provider_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

// The positive control of every nothingWritten.
func TestGoodInputIsWritten(t *testing.T) {
	t.Parallel()
	f := operated(t)
	unit(t, resource.TestStep{
		Config: f.config(goodDatabase),
		Check: check(func() error {
			if len(f.kube.Writes()) == 0 || len(apitest.All[cnpgv1.Cluster](f.kube)) != 1 {
				return errors.New("nothing was written")
			}
			return nil
		}),
	})
}

// What a look at the configuration alone refuses: each at its attribute, all in one run of the CLI.
func TestInvalidConfiguration(t *testing.T) {
	t.Parallel()
	database := func(attributes string) string { return "name = \"my-db\"\n" + attributes }
	restore := func(attributes string) string {
		return database("source = { database = \"myorg/my-db\" }\n" + attributes)
	}
	tests := []struct{ label, resource, body, at, want string }{
		{"name_long", "database", `name = "` + strings.Repeat("a", 51) + `"`, "name", "string length must be between 1 and 50"},
		{"name_capitals", "database", `name = "MyDB"`, "name", "must consist of lower case letters"},
		{"name_digit_first", "database", `name = "1db"`, "name", "begin with a letter"},
		{"namespace_capitals", "database", database(`namespace = "MyOrg"`), "namespace", "must consist of lower case letters"},
		{"org_id", "database", database(`org_id = "no/slash"`), "org_id", `"no/slash" is no value of a label`},
		{"database_type", "database", database(`database_type = "MYSQL"`), "database_type", `"POSTGRESQL"`},
		{"tier", "database", database(`tier = "GOLD"`), "tier", `"DEV" "STANDARD" "HA"`},
		{"instances", "database", database(`instances = 0`), "instances", "must be at least 1"},
		{"instances_fraction", "database", database(`instances = 1.5`), "instances", "1.5 is no whole number"},
		{"size_number", "database", database(`storage = { size = "10" }`), "storage.size", "a size needs a unit"},
		{"size_word", "database", database(`storage = { size = "ten" }`), "storage.size", `"ten" is no Kubernetes quantity`},
		{"size_negative", "database", database(`storage = { size = "-1Gi" }`), "storage.size", "is not more than nothing"},
		{"storage_class", "database", database(`storage = { storage_class = "Fast!" }`), "storage.storage_class", `"Fast!" is no name of a Kubernetes object`},
		{"wal_size_missing", "database", database(`wal_storage = { storage_class = "fast" }`), "wal_storage", `attribute "size" is required`},
		{"wal_size_number", "database", database(`wal_storage = { size = "2" }`), "wal_storage.size", "a size needs a unit"},
		{"cpu", "database", database(`resources = { cpu = "two" }`), "resources.cpu", "write cores such as 2, 0.5 or 250m"},
		{"memory", "database", database(`resources = { memory = "512" }`), "resources.memory", "a size needs a unit"},
		{"parameter", "database", database(`parameters = { archive_command = "true" }`), "parameters", `"archive_command" is set by CloudNativePG`},
		{"parameter_capitals", "database", database(`parameters = { Archive_Command = "true" }`), "parameters", `"Archive_Command" is set by CloudNativePG`},
		{"parameter_two_lines", "database", database(`parameters = { "work_mem = 1\nport" = "1" }`), "parameters", "is no name of a PostgreSQL parameter"},
		{"image_and_version", "database", database("image = \"postgres:17.5\"\npostgres_version = \"17.5\""), "postgres_version", `"image" cannot be specified when "postgres_version" is specified`},
		{"version_word", "database", database(`postgres_version = "latest"`), "postgres_version", "write it as 17 or 17.5"},
		{"version_three_parts", "database", database(`postgres_version = "17.5.1"`), "postgres_version", "write it as 17 or 17.5"},
		{"version_old", "database", database(`postgres_version = "9"`), "postgres_version", "CloudNativePG runs PostgreSQL 13 and later"},
		{"image_no_tag", "database", database(`image = "registry.example.com:5000/postgresql"`), "image", "has no tag that begins with PostgreSQL's version"},
		{"image_latest", "database", database(`image = "postgres:latest"`), "image", "has no tag that begins with PostgreSQL's version"},
		{"image_old", "database", database(`image = "postgres:11.2"`), "image", "CloudNativePG runs PostgreSQL 13 and later"},
		{"pull_secret", "database", database(`image_pull_secrets = ["Pull Secret"]`), "image_pull_secrets", "is no name of a Kubernetes object"},
		{"database_name_own", "database", database(`database_name = "postgres"`), "database_name", "is used by PostgreSQL or CloudNativePG itself"},
		{"database_name_long", "database", database(`database_name = "` + strings.Repeat("a", 64) + `"`), "database_name", "longer than the 63 bytes"},
		{"owner_own", "database", database(`owner = "pg_monitor"`), "owner", "is used by PostgreSQL or CloudNativePG itself"},
		{"owner_empty", "database", database(`owner = ""`), "owner", "a name cannot be empty"},
		{"label_key", "database", database(`labels = { "no key" = "a" }`), "labels", "is no qualified name"},
		{"label_value", "database", database(`labels = { team = "no/slash" }`), "labels", "is no value of a label"},
		{"label_of_others", "database", database(`labels = { "cnpg.io/cluster" = "other" }`), "labels", "belongs to the provider, CloudNativePG or kubectl"},
		{"label_org_id", "database", database(`labels = { "pgplatform.io/org-id" = "other" }`), "labels", "belongs to the provider, CloudNativePG or kubectl"},
		{"annotation_archiving", "database", database(`annotations = { "cnpg.io/skipWalArchiving" = "enabled" }`), "annotations", "belongs to the provider, CloudNativePG or kubectl"},
		{"label_null", "database", database(`labels = { team = null }`), "labels", "null"},
		{"status_set", "database", database(`status = "READY"`), "status", "read-only"},
		{"source_null", "restore", database(`source = null`), "source", "Must set a configuration value for the source attribute"},
		{"pull_secret_null", "database", database(`image_pull_secrets = [null]`), "image_pull_secrets", "null"},
		{"toleration_null", "database", database(`scheduling = { tolerations = [null] }`), "scheduling.tolerations", "null"},
		{"pg_hba_word", "database", database(`pg_hba = ["allow everybody"]`), "pg_hba", "is no line of pg_hba.conf"},
		{"pg_hba_two_lines", "database", database(`pg_hba = ["local all all peer\nhost all all all trust"]`), "pg_hba", "is more than one line"},
		{"node_selector", "database", database(`scheduling = { node_selector = { disk = "no/slash" } }`), "scheduling.node_selector", "is no value of a label"},
		{"topology_key", "database", database(`scheduling = { topology_key = "a zone" }`), "scheduling.topology_key", "is no qualified name"},
		{"toleration_operator", "database", database(`scheduling = { tolerations = [{ key = "a", operator = "Like" }] }`), "scheduling.tolerations[0].operator", `"Equal" "Exists"`},
		{"toleration_key", "database", database(`scheduling = { tolerations = [{ value = "a" }] }`), "scheduling.tolerations.key", "needs the operator Exists"},
		{"toleration_value", "database", database(`scheduling = { tolerations = [{ key = "a", operator = "Exists", value = "b" }] }`), "scheduling.tolerations.value", "compares no value"},
		{"toleration_effect", "database", database(`scheduling = { tolerations = [{ key = "a", effect = "Evict" }] }`), "scheduling.tolerations[0].effect", `"NoSchedule"`},
		{"toleration_seconds", "database", database(`scheduling = { tolerations = [{ key = "a", toleration_seconds = 5 }] }`), "scheduling.tolerations.toleration_seconds", "Only the effect NoExecute evicts pods"},
		{"toleration_seconds_fraction", "database", database(`scheduling = { tolerations = [{ operator = "Exists", effect = "NoExecute", toleration_seconds = 5.5 }] }`), "scheduling.tolerations[0].toleration_seconds", "5.5 is no whole number"},
		{"final_backup", "database", database(`final_backup = true`), "final_backup", "needs backups that are enabled"},
		{"schedule_four", "database", database(`backup = { schedule = "0 2 * *" }`), "backup.schedule", "has 4 fields"},
		{"schedule_61", "database", database(`backup = { schedule = "61 * * * *" }`), "backup.schedule", "is no schedule"},
		{"retention_zero", "database", database(`backup = { schedule = "@daily", retention_days = 0 }`), "backup.retention_days", "must be between 1 and 36500"},
		{"retention_negative", "database", database(`backup = { schedule = "@daily", retention_days = -1 }`), "backup.retention_days", "must be between 1 and 36500"},
		{"retention_fraction", "database", database(`backup = { schedule = "@daily", retention_days = 1.5 }`), "backup.retention_days", "1.5 is no whole number"},
		{"method_unknown", "database", database(`backup = { schedule = "@daily", method = "tape" }`), "backup.method", `"tape" is no method of taking backups`},
		{"archive_timeout_word", "database", database(`backup = { schedule = "@daily", archive_timeout = "often" }`), "backup.archive_timeout", `"often" is no duration`},
		{"archive_timeout_negative", "database", database(`backup = { schedule = "@daily", archive_timeout = "-5min" }`), "backup.archive_timeout", `"-5min" is no duration`},
		{"archive_timeout_long", "database", database(`backup = { schedule = "@daily", archive_timeout = "20000d" }`), "backup.archive_timeout", `is more than PostgreSQL takes`},
		{"archive_timeout_twice", "database", database(`parameters = { archive_timeout = "1min" }`), "parameters", `"archive_timeout" is set by backup.archive_timeout`},
		{"wal_compression", "database", database(`backup = { schedule = "@daily", wal = { compression = "zip" } }`), "backup.wal.compression", `"bzip2" "gzip" "lz4" "snappy" "xz" "zstd"`},
		{"wal_encryption", "database", database(`backup = { schedule = "@daily", wal = { encryption = "rot13" } }`), "backup.wal.encryption", `"AES256" "aws:kms"`},
		{"wal_max_parallel", "database", database(`backup = { schedule = "@daily", wal = { max_parallel = 0 } }`), "backup.wal.max_parallel", `must be between 1`},
		{"data_compression_lz4", "database", database(`backup = { schedule = "@daily", data = { compression = "lz4" } }`), "backup.data.compression", `barman cannot compress base backups with lz4`},
		{"data_compression_zstd", "database", database(`backup = { schedule = "@daily", data = { compression = "zstd" } }`), "backup.data.compression", `choose one of bzip2, gzip and snappy`},
		{"data_jobs", "database", database(`backup = { schedule = "@daily", data = { jobs = -1 } }`), "backup.data.jobs", `must be between 1`},
		{"data_jobs_fraction", "database", database(`backup = { schedule = "@daily", data = { jobs = 0.5 } }`), "backup.data.jobs", "0.5 is no whole number"},
		{"destination_path", "database", database(`backup = { schedule = "@daily", object_store = { destination_path = "my-bucket/pg" } }`), "backup.object_store.destination_path", `it must begin with s3://`},
		{"endpoint_url", "database", database(`backup = { schedule = "@daily", object_store = { endpoint_url = "s3.example.com" } }`), "backup.object_store.endpoint_url", `is no address such as`},
		{"pod_endpoint_url", "database", database(`backup = { schedule = "@daily", object_store = { pod_endpoint_url = "https://me:secret@s3.example.com" } }`), "backup.object_store.pod_endpoint_url", `it holds a user or a password`},
		{"ca_certificate", "database", database(`backup = { schedule = "@daily", object_store = { ca_certificate = "PEM" } }`), "backup.object_store.ca_certificate", `it holds no certificate in PEM form`},
		{"secret_name", "database", database(`backup = { schedule = "@daily", credentials_secret = { name = "My_Keys" } }`), "backup.credentials_secret.name", `is no name of a Kubernetes object`},
		{"secret_of_ours", "database", database(`backup = { schedule = "@daily", credentials_secret = { name = "my-db-backup-s3-creds" } }`), "backup.credentials_secret.name", `is one that the provider itself writes`},
		{"secret_key", "database", database(`backup = { schedule = "@daily", credentials_secret = { name = "keys", access_key_id_key = "a/b" } }`), "backup.credentials_secret.access_key_id_key", `is no key of a Secret`},
		{"server_name_path", "database", database(`backup = { schedule = "@daily", server_name = "a/b" }`), "backup.server_name", `cannot be the name of a folder`},
		{"server_name_up", "database", database(`backup = { schedule = "@daily", server_name = ".." }`), "backup.server_name", `cannot be the name of a folder`},
		{"backup_database", "backup", `database = "my-db"`, "database", "is not of the form namespace/name"},
		{"source_database", "restore", database(`source = { database = "a/b/c" }`), "source.database", "is not of the form namespace/name"},
		{"source_backup", "restore", database(`source = { backup = "first" }`), "source.backup", "is not of the form namespace/name"},
		{"source_number", "restore", database(`source = "myorg/my-db"`), "source", "object required"},
		{"source_secret_name", "restore", database(`source = { database = "myorg/my-db", credentials_secret = { name = "My_Keys" } }`), "source.credentials_secret.name", "is no name of a Kubernetes object"},
		{"source_secret_key", "restore", database(`source = { database = "myorg/my-db", credentials_secret = { name = "keys", secret_access_key_key = "a/b" } }`), "source.credentials_secret.secret_access_key_key", "is no key of a Secret"},
		{"source_secret_of_backups", "restore", database(`source = { database = "myorg/src", credentials_secret = { name = "my-db-backup-s3-creds" } }`), "source.credentials_secret.name", "is one that the provider itself writes"},
		{"source_secret_of_ours", "restore", database(`source = { database = "myorg/src", credentials_secret = { name = "my-db-origin-s3-creds" } }`), "source.credentials_secret.name", "is one that the provider itself writes"},
		{"source_path", "restore", database(`source = { object_store = { server_name = "a", destination_path = "bucket/pg" } }`), "source.object_store.destination_path", "it must begin with s3://"},
		{"source_endpoint", "restore", database(`source = { object_store = { server_name = "a", endpoint_url = "s3.example.com" } }`), "source.object_store.endpoint_url", "is no address such as"},
		{"source_pod_endpoint", "restore", database(`source = { object_store = { server_name = "a", pod_endpoint_url = "https://me:secret@s3.example.com" } }`), "source.object_store.pod_endpoint_url", "it holds a user or a password"},
		{"source_region", "restore", database(`source = { object_store = { server_name = "a", region = "" } }`), "source.object_store.region", "at least 1"},
		{"source_profile", "restore", database(`source = { object_store = { server_name = "a", profile = "" } }`), "source.object_store.profile", "at least 1"},
		{"source_role", "restore", database(`source = { object_store = { server_name = "a", assume_role = { session_name = "s" } } }`), "source", `attribute "role_arn" is required`},
		{"source_certificate", "restore", database(`source = { object_store = { server_name = "a", ca_certificate = "PEM" } }`), "source.object_store.ca_certificate", "it holds no certificate in PEM form"},
		{"source_folder", "restore", database(`source = { object_store = { server_name = "" } }`), "source.object_store.server_name", "cannot be the name of a folder"},
		{"target_lsn_word", "restore", restore(`target_lsn = "now"`), "target_lsn", "is no WAL location"},
		{"target_lsn_long", "restore", restore(`target_lsn = "1/123456789"`), "target_lsn", "is no WAL location"},
		{"target_xid_word", "restore", restore("backup_id = \"a\"\ntarget_xid = \"latest\""), "target_xid", "is no ID of a transaction"},
		{"target_xid_negative", "restore", restore("backup_id = \"a\"\ntarget_xid = \"-5\""), "target_xid", "is no ID of a transaction"},
		{"target_inclusive_word", "restore", restore(`target_inclusive = "maybe"`), "target_inclusive", "a bool is required"},
		{"target_timeline_word", "restore", restore(`target_timeline = "latest"`), "target_timeline", "a number is required"},
		{"target_timeline_negative", "restore", restore(`target_timeline = -1`), "target_timeline", "must be between 1 and 4294967295"},
		{"target_timeline_large", "restore", restore(`target_timeline = 4294967296`), "target_timeline", "must be between 1 and 4294967295"},
		{"flush_source_word", "restore", restore(`flush_source = "never"`), "flush_source", "a bool is required"},
		{"verify_no_expect", "restore", restore(`verify = { query = "SELECT 1" }`), "verify", `attribute "expect" is required`},
		{"verify_no_query", "restore", restore(`verify = { expect = "1" }`), "verify", `attribute "query" is required`},
		{"verify_database", "restore", restore(`verify = { query = "SELECT 1", expect = "1", database = "" }`), "verify.database", "at least 1"},
		{"restore_name", "restore", `name = "MyDB"` + "\nsource = { database = \"myorg/my-db\" }", "name", "must consist of lower case letters"},
		{"restore_tier", "restore", restore(`tier = "GOLD"`), "tier", `"DEV" "STANDARD" "HA"`},
		{"restore_instances", "restore", restore(`instances = 0`), "instances", "must be at least 1"},
		{"restore_size", "restore", restore(`storage = { size = "10" }`), "storage.size", "a size needs a unit"},
		{"restore_wal_size", "restore", restore(`wal_storage = { size = "2" }`), "wal_storage.size", "a size needs a unit"},
		{"restore_memory", "restore", restore(`resources = { memory = "512" }`), "resources.memory", "a size needs a unit"},
		{"restore_version", "restore", restore(`postgres_version = "latest"`), "postgres_version", "write it as 17 or 17.5"},
		{"restore_image", "restore", restore(`image = "postgres:latest"`), "image", "has no tag that begins with PostgreSQL's version"},
		{"restore_parameter", "restore", restore(`parameters = { restore_command = "true" }`), "parameters", `"restore_command" is set by CloudNativePG`},
		{"restore_owner", "restore", restore(`owner = "pg_monitor"`), "owner", "is used by PostgreSQL or CloudNativePG itself"},
		{"restore_pg_hba", "restore", restore(`pg_hba = ["allow everybody"]`), "pg_hba", "is no line of pg_hba.conf"},
		{"restore_toleration", "restore", restore(`scheduling = { tolerations = [{ value = "a" }] }`), "scheduling.tolerations.key", "needs the operator Exists"},
		{"restore_schedule", "restore", restore(`backup = { schedule = "0 2 * *" }`), "backup.schedule", "has 4 fields"},
		{"restore_server_name", "restore", restore(`backup = { schedule = "@daily", server_name = "a/b" }`), "backup.server_name", "cannot be the name of a folder"},
		{"restore_secret", "restore", restore(`backup = { schedule = "@daily", credentials_secret = { name = "my-db-origin-s3-creds" } }`), "backup.credentials_secret.name", "is one that the provider itself writes"},
		{"target_time_word", "restore", restore(`target_time = "yesterday"`), "target_time", "is no time in RFC 3339 with a zone"},
		{"target_time_no_zone", "restore", restore(`target_time = "2026-03-26T12:00:00"`), "target_time", "is no time in RFC 3339 with a zone"},
		{"target_time_nanos", "restore", restore(`target_time = "2026-03-26T12:00:00.123456789Z"`), "target_time", "at most six digits"},
		{"timeout", "database", database(`timeouts = { create = "soon" }`), "timeouts.create", `"soon" is no time to wait for`},
		{"timeout_without_unit", "restore", restore(`timeouts = { read = "30" }`), "timeouts.read", `"30" is no time to wait for`},
		{"timeout_negative", "backup", "database = \"myorg/my-db\"\ntimeouts = { create = \"-1m\" }", "timeouts.create", `"-1m" is no time to wait for`},
	}
	var config strings.Builder
	for _, test := range tests {
		fmt.Fprintf(&config, "resource \"pgplatform_%s\" %q {\n%s\n}\n", test.resource, test.label, test.body)
	}
	f := newFakes(t)
	var output string
	unitCase(t, resource.TestCase{
		ErrorCheck: func(err error) error {
			output = err.Error()
			return nil
		},
		Steps: []resource.TestStep{{Config: f.config(config.String()), PlanOnly: true}},
	})
	var summaries []string
	errorOf := map[string]string{}
	for _, text := range strings.Split(output, "Error: ")[1:] {
		summary, _, _ := strings.Cut(text, "\n")
		summaries = append(summaries, "Error: "+summary)
		if strings.Contains(text, ".<") {
			t.Errorf("the error names an attribute as nobody writes it:\n%s", text)
		}
		if at := regexp.MustCompile(`resource "pgplatform_\w+" "(\w+)"`).FindStringSubmatch(text); at != nil {
			errorOf[at[1]] += text
		}
	}
	for _, test := range tests {
		switch text := errorOf[test.label]; {
		case test.at == "" || test.want == "":
			t.Errorf("%s: the table does not say where the error is, and what it says", test.label)
		case text == "":
			t.Errorf("%s: no error", test.label)
		case !says(test.want).MatchString(text):
			t.Errorf("%s: the error does not say %q:\n%s", test.label, test.want, text)
		case !names(text, test.at):
			t.Errorf("%s: the error does not name %s:\n%s", test.label, test.at, text)
		}
	}
	onThePage(t, summaries)
	if len(errorOf) != len(tests) {
		t.Errorf("%d errors, want %d:\n%s", len(errorOf), len(tests), output)
	}
	f.nothingWritten(t)
	if all := len(f.kube.Requests()) + f.s3.Count(""); all != 0 {
		t.Errorf("%d requests for a configuration that is not valid", all)
	}
}

// names tells whether the line of the configuration that the CLI prints has the attribute or, since it prints none for
// attributes within others, whether the error's text has it.
func names(text, attribute string) bool {
	if strings.Contains(attribute, ".") {
		return strings.Contains(text, attribute)
	}
	return regexp.MustCompile(`\n[\s│]*\d+: +` + attribute + `\b`).MatchString(text)
}

// What looks like a mistake and is none, so that the refusals above are no wider than they say.
func TestUnusualConfiguration(t *testing.T) {
	t.Parallel()
	bodies := map[string]string{
		"sunday":        `backup = { schedule = "0 1 * * 0" }`,
		"sunday_seven":  `backup = { schedule = "0 1 * * 7" }`,
		"six_fields":    `backup = { schedule = "30 0 1 * * SUN" }`,
		"descriptor":    `backup = { schedule = "@every 6h" }`,
		"small_size":    `storage = { size = "1.5Gi" }`,
		"name_limit":    `name = "` + strings.Repeat("a", 50) + `"`,
		"any_minor":     `postgres_version = "17"`,
		"digest":        `image = "registry.example.com:5000/pg:17.5@sha256:0f4c2e0b"`,
		"extension":     `parameters = { "pg_stat_statements.max" = "1000" }`,
		"hibernation":   `annotations = { "cnpg.io/hibernation" = "on" }`,
		"owner_quoting": `owner = "Sales-Team \"A\""`,
		"every_taint":   `scheduling = { tolerations = [{ operator = "Exists" }] }`,
		"hba_comment":   `pg_hba = ["# ours"]`,
	}
	var config strings.Builder
	for label, body := range bodies {
		if !strings.HasPrefix(body, "name ") {
			body = fmt.Sprintf("name = %q\n", strings.ReplaceAll(label, "_", "-")) + body
		}
		fmt.Fprintf(&config, "resource \"pgplatform_database\" %q {\n%s\n}\n", label, body)
	}
	f := newFakes(t)
	unit(t, resource.TestStep{Config: f.config(config.String()), PlanOnly: true, ExpectNonEmptyPlan: true})
}

func TestInvalidProviderConfiguration(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		attribute string
		want      []string
	}{
		"destination_path without s3": {`object_store = { destination_path = "backups/pg" }`, []string{"object_store.destination_path", "must begin with s3://"}},
		"endpoint_url":                {`object_store = { endpoint_url = "localhost:4566" }`, []string{"object_store.endpoint_url", "is no address such as https://s3.example.com"}},
		"half of the keys":            {`object_store = { access_key_id = "A" }`, []string{"object_store.secret_access_key"}},
		"half of pod_credentials":     {`object_store = { pod_credentials = { access_key_id = "A" } }`, []string{`attribute "secret_access_key" is required`}},
		"namespace":                   {`namespace = "MyOrg"`, []string{`namespace = "MyOrg"`, "must consist of lower case letters, digits and hyphens"}},
		"namespace of nothing":        {`namespace = ""`, []string{`namespace = ""`, "string length must be between 1 and 63"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakes(t)
			unit(t, resource.TestStep{
				Config:      "provider \"pgplatform\" {\n" + test.attribute + "\n}\n" + goodDatabase,
				PlanOnly:    true,
				ExpectError: says(test.want...),
			})
			f.nothingWritten(t)
		})
	}
}

// What only a look at Kubernetes and S3 shows.
func TestBadSurroundings(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		prepare func(*fakes)
		config  func(*fakes) string
		apply   bool // what the plan cannot see yet
		want    *regexp.Regexp
	}{
		"API server unreachable": {
			config: func(f *fakes) string {
				return strings.Replace(f.config(goodDatabase), f.kubeconfig, f.deadKubeconfig(), 1)
			},
			want: says("Unable to Plan Database", "Cluster myorg/my-db", "connection refused"),
		},
		"kubeconfig missing": {
			config: func(f *fakes) string {
				return strings.Replace(f.config(goodDatabase), f.kubeconfig, "/does/not/exist", 1)
			},
			want: says("Unable to Plan Database", "provider attribute kubernetes.config_path", "/does/not/exist: no such file or directory"),
		},
		"unknown context": {
			config: func(f *fakes) string {
				return strings.Replace(f.config(goodDatabase), "config_path =", `config_context = "nope", config_path =`, 1)
			},
			want: says("provider attribute kubernetes.config_context", `context "nope" does not exist`),
		},
		"no right to read": {
			prepare: func(f *fakes) {
				f.kube.Fail(apitest.Each(apitest.VerbGet, "clusters", apitest.Fault{Status: 403, Message: `User "ci" cannot get resource "clusters"`}))
			},
			want: says("Unable to Plan Database", `User "ci" cannot get resource "clusters"`),
		},
		"CNPG not installed": {
			prepare: func(f *fakes) { f.kube.Remove("clusters") },
			want:    says("Unable to Plan Database", "is CloudNativePG installed in this cluster?"),
		},
		"namespace missing": {
			config: func(f *fakes) string {
				return f.config(strings.Replace(goodDatabase, `"my-db"`, `"my-db"`+"\n  namespace = \"nowhere\"", 1))
			},
			apply: true,
			want:  says("Unable to Create Database", `namespace = "nowhere"`, `The namespace "nowhere" does not exist. Nothing was created.`),
		},
		"bucket missing": {
			prepare: func(f *fakes) {
				f.s3.DeleteBucket(fakeBucket)
				f.s3.CreateBucket("another-bucket")
			},
			apply: true,
			want:  says("Unable to Create Database", `bucket "backups" does not exist`, "another-bucket", "Nothing was changed."),
		},
		"wrong keys": {
			config: func(f *fakes) string {
				return strings.Replace(f.config(goodDatabase), s3test.AccessKeyID, "WRONGACCESSKEY000001", 1)
			},
			apply: true,
			want:  says("Unable to Create Database", "the store does not know the access key ID", "Nothing was changed."),
		},
		"no object store": {
			config: func(f *fakes) string {
				return fmt.Sprintf("provider \"pgplatform\" {\n  namespace = %q\n  kubernetes = { config_path = %q }\n}\n", fakeNamespace, f.kubeconfig) + goodDatabase
			},
			want: says("No Object Store for Backups", "backup", "set destination_path in the provider's object_store"),
		},
		"no schedule": {
			config: func(f *fakes) string { return f.config(strings.Replace(goodDatabase, `schedule = "0 2 * * *"`, "", 1)) },
			want:   says("Missing Schedule", "needs backup.schedule"),
		},
		"keys that expire": {
			config: func(f *fakes) string { return f.provider(`session_token = "T"`) + goodDatabase },
			want:   says("No Keys for the Database Pods", "backup", "pod_credentials"),
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakes(t)
			if test.prepare != nil {
				test.prepare(f)
			}
			config := f.config(goodDatabase)
			if test.config != nil {
				config = test.config(f)
			}
			var steps []resource.TestStep
			if test.apply {
				// The plan goes through, so that it is the apply that fails.
				steps = append(steps, resource.TestStep{Config: config, PlanOnly: true, ExpectNonEmptyPlan: true})
			}
			steps = append(steps, resource.TestStep{Config: config, PlanOnly: !test.apply, ExpectError: test.want})
			unit(t, steps...)
			f.nothingWritten(t)
		})
	}
}

// A namespace that does not exist may be made by the same apply: the plan of what is to be in it warns.
func TestMissingNamespaceIsAWarningOfThePlan(t *testing.T) {
	t.Parallel()
	f, _ := withSource(t)
	f.kube.AddNamespace("somewhere")
	s := onStage(t, f)
	for address, resource := range map[string]string{
		db:   strings.Replace(goodDatabase, `"my-db"`, `"my-db"`+"\n  namespace = \"nowhere\"", 1),
		pitr: restoreOf("  namespace = \"nowhere\"\n"),
	} {
		plan, warnings := s.plan(f.config(resource))
		if plan.Action(address) != terraformtest.Create ||
			!says("Namespace Does Not Exist Yet", `AttributeName("namespace")`, `The namespace "nowhere" does not exist. Unless this apply makes it, creating the database will fail.`).MatchString(warnings) {
			t.Errorf("%s: the plan is %q, and warns\n%s", address, plan, warnings)
		}
		plan, warnings = s.plan(f.config(strings.Replace(resource, "nowhere", "somewhere", 1)))
		if strings.Contains(warnings, "Namespace Does Not Exist Yet") {
			t.Errorf("%s: of a namespace that exists the plan %q warns\n%s", address, plan, warnings)
		}
	}
}

// deadKubeconfig is a kubeconfig of a server that is not there.
func (f *fakes) deadKubeconfig() string {
	return f.file("dead-kubeconfig", `
apiVersion: v1
kind: Config
clusters: [{name: dead, cluster: {server: "http://127.0.0.1:1"}}]
contexts: [{name: dead, context: {cluster: dead, user: ""}}]
current-context: dead
`)
}
