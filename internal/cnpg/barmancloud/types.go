// Package barmancloud is the API of the Barman Cloud plugin of CloudNativePG (barmancloud.cnpg.io/v1) as far as the provider
// uses it. The plugin's own module would bring the operator with it; tools/conformance compares the two.
package barmancloud

import (
	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	// PluginName is what a Cluster, a Backup and a ScheduledBackup call the plugin.
	PluginName = "barman-cloud.cloudnative-pg.io"

	// ObjectStoreParameter is the parameter of a Cluster's plugin that names the ObjectStore.
	ObjectStoreParameter = "barmanObjectName"
	// ServerNameParameter is the one that names the folder of the archive. Without it the plugin takes the Cluster's name.
	ServerNameParameter = "serverName"
)

// SchemeGroupVersion is the version of the API.
var SchemeGroupVersion = schema.GroupVersion{Group: "barmancloud.cnpg.io", Version: "v1"}

// AddToScheme makes a scheme know the types of this package.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(SchemeGroupVersion, &ObjectStore{}, &ObjectStoreList{})
	metav1.AddToGroupVersion(scheme, SchemeGroupVersion)
	return nil
}

// ObjectStore is where Clusters of its namespace archive to, or are restored from.
type ObjectStore struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec   ObjectStoreSpec   `json:"spec"`
	Status ObjectStoreStatus `json:"status,omitzero"`
}

// ObjectStoreList is a list of them.
type ObjectStoreList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`

	Items []ObjectStore `json:"items"`
}

// ObjectStoreSpec is what an ObjectStore is asked to be.
type ObjectStoreSpec struct {
	// Configuration is what a Cluster has in spec.backup.barmanObjectStore. Its serverName must not be set: the folder is
	// the Cluster's choice ([ServerNameParameter]).
	Configuration cnpgv1.BarmanObjectStoreConfiguration `json:"configuration"`
	// RetentionPolicy is what a Cluster has in spec.backup.retentionPolicy.
	RetentionPolicy string `json:"retentionPolicy,omitempty"`
	// InstanceSidecarConfiguration is how the plugin's container is configured in the pods. It is never the provider's.
	InstanceSidecarConfiguration map[string]any `json:"instanceSidecarConfiguration,omitempty"`
}

// ObjectStoreStatus is what the plugin says of the archives in the store.
type ObjectStoreStatus struct {
	// ServerRecoveryWindow is by the name of the folder.
	ServerRecoveryWindow map[string]RecoveryWindow `json:"serverRecoveryWindow,omitempty"`
}

// RecoveryWindow is what the plugin says of one archive. It is as old as its last look there: up to five minutes, unless the
// sidecar is configured otherwise.
type RecoveryWindow struct {
	FirstRecoverabilityPoint *metav1.Time `json:"firstRecoverabilityPoint,omitempty"`
	LastSuccessfulBackupTime *metav1.Time `json:"lastSuccessfulBackupTime,omitempty"`
	LastFailedBackupTime     *metav1.Time `json:"lastFailedBackupTime,omitempty"`
}

// DeepCopyObject is for runtime.Object.
func (o *ObjectStore) DeepCopyObject() runtime.Object { return o.DeepCopy() }

// DeepCopyObject is for runtime.Object.
func (l *ObjectStoreList) DeepCopyObject() runtime.Object {
	c := *l
	l.DeepCopyInto(&c.ListMeta)
	c.Items = nil
	for i := range l.Items {
		c.Items = append(c.Items, *l.Items[i].DeepCopy())
	}
	return &c
}

// DeepCopy is a copy that shares nothing.
func (o *ObjectStore) DeepCopy() *ObjectStore {
	if o == nil {
		return nil
	}
	c := *o
	o.DeepCopyInto(&c.ObjectMeta)
	o.Spec.Configuration.DeepCopyInto(&c.Spec.Configuration)
	c.Spec.InstanceSidecarConfiguration = runtime.DeepCopyJSON(o.Spec.InstanceSidecarConfiguration)
	c.Status.ServerRecoveryWindow = nil
	for name, w := range o.Status.ServerRecoveryWindow {
		if c.Status.ServerRecoveryWindow == nil {
			c.Status.ServerRecoveryWindow = map[string]RecoveryWindow{}
		}
		c.Status.ServerRecoveryWindow[name] = RecoveryWindow{
			FirstRecoverabilityPoint: w.FirstRecoverabilityPoint.DeepCopy(),
			LastSuccessfulBackupTime: w.LastSuccessfulBackupTime.DeepCopy(),
			LastFailedBackupTime:     w.LastFailedBackupTime.DeepCopy(),
		}
	}
	return &c
}
