package barmancloud_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
)

func store() *barmancloud.ObjectStore {
	at := metav1.NewTime(time.Date(2026, 3, 26, 12, 0, 0, 0, time.UTC))
	return &barmancloud.ObjectStore{
		ObjectMeta: metav1.ObjectMeta{Namespace: "myorg", Name: "my-db", Labels: map[string]string{"a": "b"}},
		Spec: barmancloud.ObjectStoreSpec{
			Configuration: cnpgv1.BarmanObjectStoreConfiguration{DestinationPath: "s3://backups", Tags: map[string]string{"a": "b"}},
		},
		Status: barmancloud.ObjectStoreStatus{ServerRecoveryWindow: map[string]barmancloud.RecoveryWindow{
			"my-db": {FirstRecoverabilityPoint: &at},
		}},
	}
}

func TestCopiesShareNothing(t *testing.T) {
	t.Parallel()
	list := &barmancloud.ObjectStoreList{Items: []barmancloud.ObjectStore{*store()}}
	copied, ok := list.DeepCopyObject().(*barmancloud.ObjectStoreList)
	if !ok || !reflect.DeepEqual(copied, list) {
		t.Fatalf("the copy is %v", copied)
	}
	o := &copied.Items[0]
	o.Labels["a"], o.Spec.Configuration.Tags["a"] = "changed", "changed"
	o.Status.ServerRecoveryWindow["my-db"].FirstRecoverabilityPoint.Time = time.Time{}
	o.Status.ServerRecoveryWindow["other"] = barmancloud.RecoveryWindow{}
	if !reflect.DeepEqual(&list.Items[0], store()) {
		t.Errorf("with its copy, the object became %v", list.Items[0])
	}
	if (*barmancloud.ObjectStore)(nil).DeepCopy() != nil {
		t.Error("a copy of nothing is something")
	}
}

// What is applied must not speak of a status, nor of a name of a server, which the plugin's schema refuses even when it is
// empty.
func TestNothingIsSaidOfWhatIsNotSet(t *testing.T) {
	t.Parallel()
	o := store()
	o.Status = barmancloud.ObjectStoreStatus{}
	raw, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	var sent map[string]any
	if err := json.Unmarshal(raw, &sent); err != nil {
		t.Fatal(err)
	}
	if want := (map[string]any{"configuration": map[string]any{
		"destinationPath": "s3://backups", "tags": map[string]any{"a": "b"},
	}}); !reflect.DeepEqual(sent["spec"], want) {
		t.Errorf("the spec is %v", sent["spec"])
	}
	if _, says := sent["status"]; says {
		t.Errorf("it says of its status %v", sent["status"])
	}
}
