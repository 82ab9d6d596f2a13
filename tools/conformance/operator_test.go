package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/cloudnative-pg/api/v1"
	"github.com/cloudnative-pg/cloudnative-pg/webhooks"
	barmancloudv1 "github.com/cloudnative-pg/plugin-barman-cloud/api/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	kjson "sigs.k8s.io/json"
)

// operator admits objects as an API server does on which CloudNativePG and its Barman Cloud plugin are installed: it decodes
// them strictly into their types, and applies the defaults and checks of schemas and of the operator's webhooks. The plugin
// has none.
type operator struct {
	definitions map[string]*definition
}

var cloudNativePG = sync.OnceValues(func() (*operator, error) {
	d, err := definitions()
	return &operator{definitions: d}, err
})

func newOperator(t *testing.T) *operator {
	t.Helper()
	o, err := cloudNativePG()
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// typed are the kinds that the provider sends.
var typed = map[string]func() runtime.Object{
	"Cluster":         func() runtime.Object { return &cnpgv1.Cluster{} },
	"ScheduledBackup": func() runtime.Object { return &cnpgv1.ScheduledBackup{} },
	"Backup":          func() runtime.Object { return &cnpgv1.Backup{} },
	"Secret":          func() runtime.Object { return &corev1.Secret{} },
}

// typedByPlugin are those of the plugin.
var typedByPlugin = map[string]func() runtime.Object{
	"ObjectStore": func() runtime.Object { return &barmancloudv1.ObjectStore{} },
}

// admit is an apitest.Admission.
func (o *operator) admit(object, old *unstructured.Unstructured) ([]string, error) {
	ctx := context.Background()
	defined := o.definitions[object.GetKind()]
	if defined == nil {
		_, err := decode(object)
		return nil, err
	}
	if err := defined.complete(object.Object); err != nil {
		return nil, err
	}
	wanted, err := decode(object)
	if err != nil {
		return nil, err
	}
	if typedByPlugin[object.GetKind()] != nil {
		return nil, defined.check(ctx, object.Object, content(old))
	}
	if err := webhooks.Default(ctx, wanted); err != nil {
		return nil, err
	}
	completed, err := runtime.DefaultUnstructuredConverter.ToUnstructured(wanted)
	if err != nil {
		return nil, err
	}
	overlay(object.Object, completed)
	if err := defined.complete(object.Object); err != nil { // the API server does so after each webhook
		return nil, err
	}
	var was runtime.Object
	if old != nil {
		if was, err = decode(old); err != nil {
			return nil, err
		}
	}
	if err := defined.check(ctx, object.Object, content(old)); err != nil {
		return nil, err
	}
	return webhooks.Validate(ctx, wanted, was)
}

// content is what an object says; nil of none.
func content(object *unstructured.Unstructured) map[string]any {
	if object == nil {
		return nil
	}
	return object.Object
}

// decode reads an object into the operator's or the plugin's type. What that does not have is an error.
func decode(object *unstructured.Unstructured) (runtime.Object, error) {
	blank := typed[object.GetKind()]
	if blank == nil {
		blank = typedByPlugin[object.GetKind()]
	}
	if blank == nil {
		return nil, fmt.Errorf("a %s is nothing that the provider sends", object.GetKind())
	}
	raw, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	into := blank()
	strict, err := kjson.UnmarshalStrict(raw, into)
	if err != nil || len(strict) > 0 {
		return nil, fmt.Errorf("decode %s %s strictly: %w", object.GetKind(), object.GetName(), errors.Join(append(strict, err)...))
	}
	return into, nil
}

// overlay brings what a webhook has completed into the object that was sent. It takes nothing away, as the patches of the
// operator's webhooks do not.
func overlay(object, completed map[string]any) {
	for key, value := range completed {
		inner, isMap := value.(map[string]any)
		there, wasMap := object[key].(map[string]any)
		switch {
		case isMap && wasMap:
			overlay(there, inner)
		case isMap && len(inner) == 0, value == nil: // what Go writes for a field that is not set
		case !reflect.DeepEqual(object[key], value):
			object[key] = value
		}
	}
}
