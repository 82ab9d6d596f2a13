package apitest

import (
	"regexp"
	"slices"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
)

// RemovePlugin has CNPG know no Barman Cloud plugin any more, whose kind stays behind: Clusters that need it say so, and nothing else
// is done for them. [Server.InstallPlugin] brings it back.
func (s *Server) RemovePlugin() {
	s.setPlugin(true)
	for _, c := range All[cnpgv1.Cluster](s) {
		if len(stores(&c)) > 0 {
			s.sayUnknownPlugin(&c)
		}
	}
}

// InstallPlugin brings the plugin back, and CNPG goes on with the Clusters that need it.
func (s *Server) InstallPlugin() {
	s.setPlugin(false)
	for _, c := range All[cnpgv1.Cluster](s) {
		if c.Status.Phase == cnpgv1.PhaseUnknownPlugin && s.hasStores(&c) {
			s.run(&c)
		}
	}
}

func (s *Server) setPlugin(removed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noPlugin = removed
}

func (s *Server) lacksPlugin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.noPlugin
}

// sayUnknownPlugin is CNPG's internal/controller/cluster_controller.go.
func (s *Server) sayUnknownPlugin(c *cnpgv1.Cluster) {
	if c.Status.Phase == cnpgv1.PhaseUnknownPlugin {
		return
	}
	Edit(s, c.Namespace, c.Name, func(c *cnpgv1.Cluster) {
		c.Status.Phase = cnpgv1.PhaseUnknownPlugin
		c.Status.PhaseReason = "Unknown plugin: '" + barmancloud.PluginName + "'. This may be caused by the plugin not being loaded correctly by the operator. " +
			"Check the operator and plugin logs for errors"
	})
}

// pluginOf is the entry that has the Barman Cloud plugin archive a Cluster's WAL; nil without one.
func pluginOf(c *cnpgv1.Cluster) *cnpgv1.PluginConfiguration {
	for i := range c.Spec.Plugins {
		if p := &c.Spec.Plugins[i]; p.Name == barmancloud.PluginName && ptr.Deref(p.Enabled, true) && ptr.Deref(p.IsWALArchiver, false) {
			return p
		}
	}
	return nil
}

// backUpByPlugin ends a Backup as the plugin does: where it lies, the status does not say.
func (s *Server) backUpByPlugin(b *cnpgv1.Backup, c *cnpgv1.Cluster) {
	if c == nil || pluginOf(c) == nil {
		s.failBackup(b, "cannot proceed with the backup as the cluster has no plugin configured")
		return
	}
	for _, pod := range All[corev1.Pod](s) {
		if metav1.IsControlledBy(&pod, c) && pod.Labels["cnpg.io/podRole"] == "instance" && !hasSidecar(&pod) {
			s.failBackup(b, "Unknown plugin: '"+barmancloud.PluginName+"'") // says the instance manager
			return
		}
	}
	parameters := pluginOf(c).Parameters
	store := Get[barmancloud.ObjectStore](s, c.Namespace, parameters[barmancloud.ObjectStoreParameter])
	if store == nil {
		s.failBackup(b, `rpc error: code = Unknown desc = objectstores.barmancloud.cnpg.io "`+parameters[barmancloud.ObjectStoreParameter]+`" not found`)
		return
	}
	server, named := parameters[barmancloud.ServerNameParameter]
	if !named {
		server = c.Name
	}
	var ended *metav1.Time
	s.completeBackup(b, func(status *cnpgv1.BackupStatus) {
		status.Method, ended = cnpgv1.BackupMethodPlugin, status.StoppedAt
		status.PluginMetadata = map[string]string{"clusterUID": string(c.UID), "pluginName": barmancloud.PluginName}
	})
	Edit(s, store.Namespace, store.Name, func(store *barmancloud.ObjectStore) {
		window := store.Status.ServerRecoveryWindow[server]
		if window.FirstRecoverabilityPoint == nil {
			window.FirstRecoverabilityPoint = ended
		}
		window.LastSuccessfulBackupTime = ended
		if store.Status.ServerRecoveryWindow == nil {
			store.Status.ServerRecoveryWindow = map[string]barmancloud.RecoveryWindow{}
		}
		store.Status.ServerRecoveryWindow[server] = window
	})
}

func hasSidecar(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Spec.InitContainers, func(c corev1.Container) bool { return c.Name == SidecarContainer })
}

// oneArchiver refuses what CNPG's webhook refuses of plugins.
func oneArchiver(object, _ *unstructured.Unstructured) ([]string, error) {
	if object.GetKind() != "Cluster" {
		return nil, nil
	}
	c := typedAs[cnpgv1.Cluster](object)
	var archivers []string
	for _, p := range c.Spec.Plugins {
		if ptr.Deref(p.Enabled, true) && ptr.Deref(p.IsWALArchiver, false) {
			archivers = append(archivers, p.Name)
		}
	}
	at, why := field.NewPath("spec", "plugins"), ""
	switch {
	case len(archivers) > 0 && c.Spec.Backup != nil && c.Spec.Backup.BarmanObjectStore != nil:
		why = "Cannot enable a WAL archiver plugin when barmanObjectStore is configured"
	case len(archivers) > 1:
		why = "Cannot enable more than one WAL archiver plugin"
	default:
		return nil, nil
	}
	return nil, invalid(object, field.Invalid(at, archivers, why))
}

// externalClustersSayWhere refuses what CNPG's webhook refuses of the clusters that a Cluster names.
func externalClustersSayWhere(object, _ *unstructured.Unstructured) ([]string, error) {
	if object.GetKind() != "Cluster" {
		return nil, nil
	}
	for i, e := range typedAs[cnpgv1.Cluster](object).Spec.ExternalClusters {
		if e.ConnectionParameters == nil && e.BarmanObjectStore == nil && e.PluginConfiguration == nil {
			return nil, invalid(object, field.Required(field.NewPath("spec", "externalClusters").Index(i),
				"one of connectionParameters, plugin and barmanObjectStore is required"))
		}
	}
	return nil, nil
}

var retentionPolicy = regexp.MustCompile(`^[1-9][0-9]*[dwm]$`)

// objectStoreRules are those of the plugin's schema.
func objectStoreRules(object, _ *unstructured.Unstructured) ([]string, error) {
	if object.GetKind() != "ObjectStore" {
		return nil, nil
	}
	at := field.NewPath("spec", "configuration")
	if name, has, _ := unstructured.NestedFieldNoCopy(object.Object, "spec", "configuration", "serverName"); has {
		return nil, invalid(object, field.Invalid(at.Child("serverName"), name, "use the 'serverName' plugin parameter in the Cluster resource"))
	}
	if path, _, _ := unstructured.NestedString(object.Object, "spec", "configuration", "destinationPath"); path == "" {
		return nil, invalid(object, field.Required(at.Child("destinationPath"), ""))
	}
	if policy, has, _ := unstructured.NestedString(object.Object, "spec", "retentionPolicy"); has && !retentionPolicy.MatchString(policy) {
		return nil, invalid(object, field.Invalid(field.NewPath("spec", "retentionPolicy"), policy, "should match '"+retentionPolicy.String()+"'"))
	}
	return nil, nil
}

func invalid(object *unstructured.Unstructured, problem *field.Error) error {
	return apierrors.NewInvalid(object.GroupVersionKind().GroupKind(), object.GetName(), field.ErrorList{problem})
}
