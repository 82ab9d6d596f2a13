package conformance

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	barmanv1 "github.com/cloudnative-pg/barman-cloud/pkg/api"
	cnpgv1 "github.com/cloudnative-pg/cloudnative-pg/api/v1"
	machineryv1 "github.com/cloudnative-pg/machinery/pkg/api"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
)

// scheduled is a block backup with one more setting.
func scheduled(setting string) string { return "backup = {\n" + schedule + "\n" + setting + "\n}" }

const schedule = `schedule = "0 2 * * *"`

// backupAttributes are the rows of the block backup.
var backupAttributes = []attribute{
	{
		name: "backup.enabled", config: `backup = { enabled = false }`,
		field: func(o objects) any { return []any{o.cluster.Spec.Backup == nil, o.schedule == nil} }, want: []any{true, true},
	},
	{
		name: "backup.schedule", config: `backup = { schedule = "30 4 * * 7" }`,
		field: func(o objects) any { return o.schedule.Spec.Schedule }, want: "0 30 4 * * 0",
	},
	{
		name: "backup.retention_days", config: scheduled(`retention_days = 30`),
		field: func(o objects) any { return o.cluster.Spec.Backup.RetentionPolicy }, want: "30d",
	},
	{
		name: "backup.immediate", config: scheduled(`immediate = false`),
		field: func(o objects) any { return o.schedule.Spec.Immediate }, want: new(false),
	},
	{
		name: "backup.method", config: scheduled(`method = "barmanObjectStore"`), byDefault: true,
		field: func(o objects) any { return o.schedule.Spec.Method }, want: cnpgv1.BackupMethodBarmanObjectStore,
	},
	{
		// Where nobody waits for the pods, the base backup of the change is left to the next apply.
		name: "backup.method", config: scheduled(`method = "plugin"`) + "\nwait = true", stays: true,
		field: func(o objects) any {
			return []any{o.schedule.Spec.Method, o.cluster.Spec.Backup != nil && o.cluster.Spec.Backup.BarmanObjectStore != nil, len(o.cluster.Spec.Plugins)}
		},
		want: []any{cnpgv1.BackupMethodPlugin, false, 1},
	},
	{
		name: "backup.archive_timeout", config: scheduled(`archive_timeout = "1min"`),
		field: func(o objects) any { return o.cluster.Spec.PostgresConfiguration.Parameters["archive_timeout"] }, want: "1min",
	},
	{
		name: "backup.wal", config: scheduled(`wal = { compression = "zstd", encryption = "aws:kms", max_parallel = 4 }`),
		field: func(o objects) any { return archive(o).Wal },
		want:  &barmanv1.WalBackupConfiguration{Compression: barmanv1.CompressionTypeZstd, Encryption: barmanv1.EncryptionTypeNoneAWSKMS, MaxParallel: 4},
	},
	{
		name: "backup.data", config: scheduled(`data = { compression = "bzip2", encryption = "AES256", jobs = 3 }`),
		field: func(o objects) any { return archive(o).Data },
		want:  &barmanv1.DataBackupConfiguration{Compression: barmanv1.CompressionTypeBzip2, Encryption: barmanv1.EncryptionTypeAES256, Jobs: new(int32(3))},
	},
	{
		name: "backup.object_store.destination_path", config: scheduled(`object_store = { destination_path = "s3://elsewhere/pg" }`),
		field: func(o objects) any { return archive(o).DestinationPath }, want: "s3://elsewhere/pg",
	},
	{
		name: "backup.object_store.endpoint_url", config: scheduled(`object_store = { endpoint_url = "http://127.0.0.1:1" }`),
		field: func(o objects) any { return archive(o).EndpointURL }, want: "http://127.0.0.1:1",
	},
	{
		name: "backup.object_store.pod_endpoint_url", config: scheduled(`object_store = { pod_endpoint_url = "https://s3.internal" }`),
		field: func(o objects) any { return archive(o).EndpointURL }, want: "https://s3.internal",
	},
	{
		name: "backup.object_store.region", config: scheduled(`object_store = { region = "eu-west-1" }`),
		field: func(o objects) any { return string(o.secret.Data["REGION"]) }, want: "eu-west-1",
	},
	{
		name: "backup.object_store.use_path_style", config: scheduled(`object_store = { use_path_style = true }`),
		field: keptOverride, want: `{"use_path_style":true}`,
	},
	{
		name: "backup.object_store.ca_certificate", config: scheduled(`object_store = { ca_certificate = ` + strconv.Quote(certificate) + ` }`),
		field: func(o objects) any { return []any{archive(o).EndpointCA, string(o.secret.Data["ca.crt"])} },
		want:  []any{secretKey(name+"-backup-s3-creds", "ca.crt"), certificate},
	},
	{
		name:   "backup.object_store.profile",
		config: scheduled(`object_store = { profile = "nightly" }, credentials_secret = { name = "keys" }`),
		field:  keptOverride, want: `{"profile":"nightly"}`,
		environment: func(t *testing.T, _ *fakes) {
			t.Helper()
			file := filepath.Join(t.TempDir(), "config")
			profile := "[profile nightly]\naws_access_key_id = " + s3test.AccessKeyID + "\naws_secret_access_key = " + s3test.SecretAccessKey + "\n"
			if err := os.WriteFile(file, []byte(profile), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Setenv("AWS_CONFIG_FILE", file)
		},
	},
	{
		name: "backup.object_store.assume_role",
		config: scheduled(`object_store = {
			assume_role = { role_arn = "arn:aws:iam::123456789012:role/reader", session_name = "nightly", external_id = "ours" }
		}`),
		field: keptOverride, want: `{"assume_role":{"role_arn":"arn:aws:iam::123456789012:role/reader","session_name":"nightly","external_id":"ours"}}`,
		environment: func(t *testing.T, f *fakes) {
			t.Helper()
			t.Setenv("AWS_ENDPOINT_URL_STS", s3test.NewSTS(t, f.s3).URL)
		},
	},
	{
		name:   "backup.credentials_secret",
		config: scheduled(`credentials_secret = { name = "keys", access_key_id_key = "id", secret_access_key_key = "secret" }`),
		field: func(o objects) any {
			return []any{archive(o).AWS.AccessKeyIDReference, archive(o).AWS.SecretAccessKeyReference}
		}, want: []any{secretKey("keys", "id"), secretKey("keys", "secret")},
	},
	{
		name: "backup.server_name", config: scheduled(`server_name = "my-db-v1"`), stays: true,
		field: func(o objects) any { return archive(o).ServerName }, want: "my-db-v1",
	},
}

// archive is where a Cluster archives; nothing where it has none.
func archive(o objects) barmanv1.BarmanObjectStoreConfiguration {
	if o.cluster.Spec.Backup == nil || o.cluster.Spec.Backup.BarmanObjectStore == nil {
		return barmanv1.BarmanObjectStoreConfiguration{}
	}
	return *o.cluster.Spec.Backup.BarmanObjectStore
}

// keptOverride is what the provider keeps of a database's own object_store that the operator has no field for.
func keptOverride(o objects) any { return o.cluster.Annotations["pgplatform.io/object-store"] }

func secretKey(name, key string) *machineryv1.SecretKeySelector {
	return &machineryv1.SecretKeySelector{LocalObjectReference: machineryv1.LocalObjectReference{Name: name}, Key: key}
}

// certificate is one of an authority, in PEM form.
var certificate = func() string {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
}()
