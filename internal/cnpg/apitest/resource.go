package apitest

import (
	"fmt"
	"strings"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
)

// resource is a kind of object that the server serves.
type resource struct {
	gvk        schema.GroupVersionKind
	plural     string
	namespaced bool
	// hasStatus: its status is a subresource, so that writes of the object itself leave it alone.
	hasStatus bool
	// selectable are the fields, beside name and namespace, that a field selector may name.
	selectable []string

	main   *managedfields.FieldManager
	status *managedfields.FieldManager
}

// blank is an object of the resource without fields.
func (r *resource) blank() *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(r.gvk)
	return object
}

// asUnstructured is what a field manager gives back: it was given objects of this type.
func asUnstructured(object runtime.Object, err error) (*unstructured.Unstructured, error) {
	if err != nil {
		return nil, err
	}
	u, ok := object.(*unstructured.Unstructured)
	if !ok {
		return nil, fmt.Errorf("apitest: a field manager gave a %T back", object)
	}
	return u, nil
}

var scheme = func() *runtime.Scheme {
	s := runtime.NewScheme()
	utilruntime.Must(cnpgv1.AddToScheme(s))
	utilruntime.Must(barmancloud.AddToScheme(s))
	utilruntime.Must(corev1.AddToScheme(s))
	utilruntime.Must(batchv1.AddToScheme(s))
	utilruntime.Must(storagev1.AddToScheme(s))
	return s
}()

var resources = []*resource{
	{gvk: cnpgv1.SchemeGroupVersion.WithKind("Cluster"), plural: "clusters", namespaced: true, hasStatus: true},
	{gvk: cnpgv1.SchemeGroupVersion.WithKind("Backup"), plural: "backups", namespaced: true, hasStatus: true},
	{gvk: cnpgv1.SchemeGroupVersion.WithKind("ScheduledBackup"), plural: "scheduledbackups", namespaced: true, hasStatus: true},
	{gvk: barmancloud.SchemeGroupVersion.WithKind("ObjectStore"), plural: "objectstores", namespaced: true, hasStatus: true},
	{gvk: corev1.SchemeGroupVersion.WithKind("Secret"), plural: "secrets", namespaced: true, selectable: []string{"type"}},
	{gvk: corev1.SchemeGroupVersion.WithKind("Pod"), plural: "pods", namespaced: true, hasStatus: true, selectable: []string{"status.phase", "spec.nodeName"}},
	{gvk: corev1.SchemeGroupVersion.WithKind("PersistentVolumeClaim"), plural: "persistentvolumeclaims", namespaced: true, hasStatus: true},
	{gvk: corev1.SchemeGroupVersion.WithKind("Event"), plural: "events", namespaced: true, selectable: []string{"type", "reason", "involvedObject.name", "involvedObject.kind"}},
	{gvk: corev1.SchemeGroupVersion.WithKind("Namespace"), plural: "namespaces", hasStatus: true},
	{gvk: batchv1.SchemeGroupVersion.WithKind("Job"), plural: "jobs", namespaced: true, hasStatus: true, selectable: []string{"status.successful"}},
	{gvk: storagev1.SchemeGroupVersion.WithKind("StorageClass"), plural: "storageclasses"},
}

func init() {
	for _, r := range resources {
		r.main, r.status = r.fieldManager(""), r.fieldManager("status")
	}
}

func (r *resource) fieldManager(subresource string) *managedfields.FieldManager {
	m, err := managedfields.NewDefaultCRDFieldManager(managedfields.NewDeducedTypeConverter(), oneVersion{}, noDefaults{}, empty{},
		r.gvk, r.gvk.GroupVersion(), subresource, nil)
	utilruntime.Must(err)
	return m
}

func (r *resource) groupResource() schema.GroupResource {
	return schema.GroupResource{Group: r.gvk.Group, Resource: r.plural}
}

func find(group, version, plural string) *resource {
	for _, r := range resources {
		if r.gvk.Group == group && r.gvk.Version == version && r.plural == plural {
			return r
		}
	}
	return nil
}

// resourceOf is the resource of a Go type.
func resourceOf(object runtime.Object) *resource {
	gvks, _, err := scheme.ObjectKinds(object)
	utilruntime.Must(err)
	for _, r := range resources {
		if r.gvk == gvks[0] {
			return r
		}
	}
	panic(fmt.Sprintf("apitest: %T is not served", object))
}

// selector tells which objects a list or a watch is about.
type selector struct {
	namespace string
	labels    labels.Selector
	fields    fields.Selector
}

func (r *resource) selector(request Request) (selector, error) {
	s := selector{namespace: request.Namespace}
	var err error
	if s.labels, err = labels.Parse(request.Query.Get("labelSelector")); err != nil {
		return s, err
	}
	if s.fields, err = fields.ParseSelector(request.Query.Get("fieldSelector")); err != nil {
		return s, err
	}
	for _, requirement := range s.fields.Requirements() {
		if !r.selects(requirement.Field) {
			return s, fmt.Errorf("field label not supported: %s", requirement.Field)
		}
	}
	return s, nil
}

func (r *resource) selects(field string) bool {
	if field == "metadata.name" || field == "metadata.namespace" {
		return true
	}
	for _, f := range r.selectable {
		if f == field {
			return true
		}
	}
	return false
}

func (s selector) matches(object *unstructured.Unstructured) bool {
	if object == nil || s.namespace != "" && object.GetNamespace() != s.namespace || !s.labels.Matches(labels.Set(object.GetLabels())) {
		return false
	}
	set := fields.Set{}
	for _, requirement := range s.fields.Requirements() {
		value, _, _ := unstructured.NestedFieldNoCopy(object.Object, strings.Split(requirement.Field, ".")...)
		if value != nil {
			set[requirement.Field] = fmt.Sprint(value)
		}
	}
	return s.fields.Matches(set)
}

// oneVersion is the conversion between versions where there is only one.
type oneVersion struct{}

func (oneVersion) Convert(_, _, _ any) error { return fmt.Errorf("apitest: no conversion") }

func (oneVersion) ConvertToVersion(in runtime.Object, _ runtime.GroupVersioner) (runtime.Object, error) {
	return in, nil
}

func (oneVersion) ConvertFieldLabel(_ schema.GroupVersionKind, label, value string) (string, string, error) {
	return label, value, nil
}

type noDefaults struct{}

func (noDefaults) Default(runtime.Object) {}

// empty creates objects without fields.
type empty struct{}

func (empty) New(kind schema.GroupVersionKind) (runtime.Object, error) {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(kind)
	return object, nil
}
