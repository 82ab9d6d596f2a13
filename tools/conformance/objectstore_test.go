package conformance

import (
	"reflect"
	"strings"
	"testing"
	"time"

	cnpgapi "github.com/cloudnative-pg/api/pkg/api/v1"
	barmanv1 "github.com/cloudnative-pg/barman-cloud/pkg/api"
	barmancloudv1 "github.com/cloudnative-pg/plugin-barman-cloud/api/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
)

// wholeStore is an ObjectStore in the provider's type in which everything is set that a database can ask for.
func wholeStore() *barmancloud.ObjectStore {
	at := metav1.NewTime(time.Date(2026, 3, 26, 12, 0, 0, 0, time.UTC))
	return &barmancloud.ObjectStore{
		TypeMeta: metav1.TypeMeta{
			APIVersion: barmancloudv1.GroupVersion.String(), Kind: "ObjectStore",
		},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: barmancloud.ObjectStoreSpec{
			Configuration: cnpgapi.BarmanObjectStoreConfiguration{
				BarmanCredentials: barmanv1.BarmanCredentials{AWS: &barmanv1.S3Credentials{
					AccessKeyIDReference: secretKey("keys", "id"), SecretAccessKeyReference: secretKey("keys", "secret"),
					RegionReference: secretKey("keys", "region"), SessionToken: secretKey("keys", "token"),
				}},
				DestinationPath: "s3://backups/pg", EndpointURL: "https://s3.internal", EndpointCA: secretKey("keys", "ca.crt"),
				Wal: &barmanv1.WalBackupConfiguration{
					Compression: barmanv1.CompressionTypeZstd, Encryption: barmanv1.EncryptionTypeNoneAWSKMS, MaxParallel: 4,
				},
				Data: &barmanv1.DataBackupConfiguration{
					Compression: barmanv1.CompressionTypeBzip2, Encryption: barmanv1.EncryptionTypeAES256, Jobs: new(int32(3)),
				},
			},
			RetentionPolicy: "30d",
		},
		Status: barmancloud.ObjectStoreStatus{ServerRecoveryWindow: map[string]barmancloud.RecoveryWindow{
			name: {FirstRecoverabilityPoint: &at, LastSuccessfulBackupTime: &at, LastFailedBackupTime: &at},
		}},
	}
}

func unstructuredStore(t *testing.T) *unstructured.Unstructured {
	t.Helper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(wholeStore())
	if err != nil {
		t.Fatal(err)
	}
	return &unstructured.Unstructured{Object: content}
}

// TestObjectStore: the plugin's schema and its own type take the provider's type, and what comes back is the same.
func TestObjectStore(t *testing.T) {
	t.Parallel()
	if barmancloud.SchemeGroupVersion != barmancloudv1.GroupVersion {
		t.Fatalf("the provider asks for %s, the plugin has %s", barmancloud.SchemeGroupVersion, barmancloudv1.GroupVersion)
	}
	sent := unstructuredStore(t)
	taken := sent.DeepCopy()
	if _, err := newOperator(t).admit(taken, nil); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(taken, sent) {
		t.Errorf("the schema makes of\n%v\nthis:\n%v", sent, taken)
	}
	decoded, err := decode(taken)
	if err != nil {
		t.Fatal(err)
	}
	theirs, ok := decoded.(*barmancloudv1.ObjectStore)
	if !ok {
		t.Fatalf("it is a %T", decoded)
	}
	// What others set for the plugin's container comes back as they set it.
	theirs.Spec.InstanceSidecarConfiguration.Env = []corev1.EnvVar{{Name: "AWS_REQUEST_CHECKSUM_CALCULATION", Value: "when_required"}}
	back, err := runtime.DefaultUnstructuredConverter.ToUnstructured(theirs)
	if err != nil {
		t.Fatal(err)
	}
	ours := &barmancloud.ObjectStore{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(back, ours); err != nil {
		t.Fatal(err)
	}
	want := wholeStore()
	want.Spec.InstanceSidecarConfiguration = map[string]any{"env": []any{map[string]any{
		"name": "AWS_REQUEST_CHECKSUM_CALCULATION", "value": "when_required",
	}}, "resources": map[string]any{}}
	if !equality.Semantic.DeepEqual(ours, want) {
		t.Errorf("the plugin's ObjectStore reads as\n%v\nnot as\n%v", ours, want)
	}
}

// TestPluginRefuses is its control: what the plugin does not know or does not allow is refused, for new objects and for old
// ones.
func TestPluginRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		path  string
		value any
		says  string
	}{
		"a field that it does not have":          {"spec.configuration.bucket", "b", "spec.configuration.bucket"},
		"the name of a server":                   {"spec.configuration.serverName", "my-db", "use the 'serverName' plugin parameter in the Cluster resource"},
		"even an empty one":                      {"spec.configuration.serverName", "", "use the 'serverName' plugin parameter in the Cluster resource"},
		"a value that its schema does not allow": {"spec.retentionPolicy", "1y", "spec.retentionPolicy: Invalid value"},
		"a value of another type":                {"spec.configuration.wal.maxParallel", "4", "maxParallel"},
		"a log level that it does not have":      {"spec.instanceSidecarConfiguration.logLevel", "loud", "logLevel: Unsupported value"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before, object := unstructuredStore(t), unstructuredStore(t)
			if err := unstructured.SetNestedField(object.Object, test.value, strings.Split(test.path, ".")...); err != nil {
				t.Fatal(err)
			}
			for _, old := range []*unstructured.Unstructured{nil, before} {
				if _, err := newOperator(t).admit(object.DeepCopy(), old); err == nil || !strings.Contains(err.Error(), test.says) {
					t.Errorf("where there was %v before: %v", old != nil, err)
				}
			}
		})
	}
}
