package apitest

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	quantities "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/ptr"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
)

// The storage classes that Operate has, whose volumes can grow. StorageClass is the default one.
const (
	StorageClass     = "standard"
	FastStorageClass = "fast"
)

// Operate plays CNPG and its Barman Cloud plugin as long as all goes well: the webhook's defaults, healthy Clusters with a
// pod and a volume for each instance, working archives, and completed Backups. All of it is there when the request that
// asked for it is answered. A Cluster waits for the ObjectStores that it names, and for a recovery that a test plays, and says so while it
// needs a plugin that is not there ([Server.RemovePlugin]).
func (s *Server) Operate() {
	s.Admit(completeCluster)
	s.Admit(oneArchiver)
	s.Admit(externalClustersSayWhere)
	s.Admit(objectStoreRules)
	for _, class := range []string{StorageClass, FastStorageClass} {
		s.Put(&storagev1.StorageClass{
			ObjectMeta: metav1.ObjectMeta{Name: class}, Provisioner: "example.com/volumes", AllowVolumeExpansion: ptr.To(true),
		})
	}
	seen := &generations{}
	s.React(func(e Event) {
		if e.Type == watch.Deleted || e.Object.GetDeletionTimestamp() != nil {
			return
		}
		if c := As[cnpgv1.Cluster](e.Object); c != nil && s.mayRun(c) && seen.new(c) {
			s.run(c)
		}
		if o := As[barmancloud.ObjectStore](e.Object); o != nil {
			for _, c := range All[cnpgv1.Cluster](s) {
				if slices.Contains(stores(&c), keyOf(o)) && s.mayRun(&c) && seen.new(&c) {
					s.run(&c)
				}
			}
		}
		if b := As[cnpgv1.Backup](e.Object); b != nil && b.Status.Phase == "" {
			s.backUp(b)
		}
	})
}

// SidecarContainer is the container that archives where the plugin does: an init container that goes on running.
const SidecarContainer = "plugin-barman-cloud"

// archivesByPlugin tells whether the plugin archives the WAL of a Cluster.
func archivesByPlugin(c *cnpgv1.Cluster) bool {
	return slices.ContainsFunc(c.Spec.Plugins, func(p cnpgv1.PluginConfiguration) bool {
		return p.Name == barmancloud.PluginName && ptr.Deref(p.Enabled, true) && ptr.Deref(p.IsWALArchiver, false)
	})
}

// stores are the ObjectStores that a Cluster names: to archive to, and to be restored from.
func stores(c *cnpgv1.Cluster) []types.NamespacedName {
	plugins := slices.Clone(c.Spec.Plugins)
	for _, e := range c.Spec.ExternalClusters {
		if e.PluginConfiguration != nil {
			plugins = append(plugins, *e.PluginConfiguration)
		}
	}
	var named []types.NamespacedName
	for _, p := range plugins {
		if store := p.Parameters[barmancloud.ObjectStoreParameter]; p.Name == barmancloud.PluginName && store != "" {
			named = append(named, types.NamespacedName{Namespace: c.Namespace, Name: store})
		}
	}
	return named
}

// hasStores tells whether all ObjectStores are there that a Cluster names. The plugin lets CNPG do nothing for it before.
func (s *Server) hasStores(c *cnpgv1.Cluster) bool {
	return !slices.ContainsFunc(stores(c), func(store types.NamespacedName) bool {
		return Get[barmancloud.ObjectStore](s, store.Namespace, store.Name) == nil
	})
}

// mayRun tells whether CNPG gives a Cluster its instances: it needs to know the plugins that this names, the plugin to find the
// ObjectStores, and a recovery to have succeeded.
func (s *Server) mayRun(c *cnpgv1.Cluster) bool {
	switch {
	case len(stores(c)) == 0:
	case s.lacksPlugin():
		s.sayUnknownPlugin(c)
		return false
	case !s.hasStores(c):
		return false
	}
	return !s.isRecovering(c)
}

// isRecovering tells whether a Cluster has a recovery that has not succeeded, because it runs or because it has failed: its Job, or a pod
// of that.
func (s *Server) isRecovering(c *cnpgv1.Cluster) bool {
	of := func(part metav1.Object) bool {
		return part.GetLabels()["cnpg.io/jobRole"] == "full-recovery" &&
			slices.ContainsFunc(part.GetOwnerReferences(), func(owner metav1.OwnerReference) bool { return owner.UID == c.UID })
	}
	return slices.ContainsFunc(All[batchv1.Job](s), func(job batchv1.Job) bool { return of(&job) && job.Status.Succeeded == 0 }) ||
		slices.ContainsFunc(All[corev1.Pod](s), func(pod corev1.Pod) bool { return of(&pod) && pod.Status.Phase != corev1.PodSucceeded })
}

// generations are the specs of Clusters, and the ObjectStores that they note, that were seen already: what tests do to the status of one
// stays.
type generations struct{ seen sync.Map }

func (g *generations) new(c *cnpgv1.Cluster) bool {
	_, seen := g.seen.LoadOrStore(fmt.Sprint(c.UID, c.Generation, c.Annotations["pgplatform.io/object-stores"]), true)
	return !seen
}

// cnpgParameters are some of those that CNPG adds to what is configured.
var cnpgParameters = map[string]string{
	"archive_mode": "on", "archive_timeout": "5min", "full_page_writes": "on", "max_parallel_workers": "32",
	"wal_keep_size": "512MB", "wal_level": "logical", "wal_log_hints": "on",
}

// completeCluster does what CNPG's mutating webhook and the defaults of its schema do, as far as the provider could take
// it for configuration.
func completeCluster(object, _ *unstructured.Unstructured) ([]string, error) {
	if object.GetKind() != "Cluster" {
		return nil, nil
	}
	defaults := []struct {
		value any
		path  []string
	}{
		{"ghcr.io/cloudnative-pg/postgresql:17.5", []string{"spec", "imageName"}},
		{int64(26), []string{"spec", "postgresUID"}},
		{true, []string{"spec", "enablePDB"}},
		{"preferred", []string{"spec", "affinity", "podAntiAffinityType"}},
		{true, []string{"spec", "storage", "resizeInUseVolumes"}},
		{"info", []string{"spec", "logLevel"}},
	}
	if _, found, _ := unstructured.NestedMap(object.Object, "spec", "backup"); found {
		defaults = append(defaults, struct {
			value any
			path  []string
		}{"prefer-standby", []string{"spec", "backup", "target"}})
	}
	for name, value := range cnpgParameters {
		defaults = append(defaults, struct {
			value any
			path  []string
		}{value, []string{"spec", "postgresql", "parameters", name}})
	}
	if _, found, _ := unstructured.NestedMap(object.Object, "spec", "imageCatalogRef"); found {
		defaults = defaults[1:] // the catalogue has the image
	}
	for _, d := range defaults {
		if _, found, _ := unstructured.NestedFieldNoCopy(object.Object, d.path...); found {
			continue
		}
		if err := unstructured.SetNestedField(object.Object, d.value, d.path...); err != nil {
			return nil, err
		}
	}
	return nil, completePlugins(object)
}

// completePlugins gives what a Cluster says of plugins the defaults of the schema.
func completePlugins(object *unstructured.Unstructured) error {
	complete := func(plugin any) {
		if p, ok := plugin.(map[string]any); ok {
			for name, value := range map[string]any{"enabled": true, "isWALArchiver": false} {
				if _, said := p[name]; !said {
					p[name] = value
				}
			}
		}
	}
	for name, pluginOf := range map[string]func(item any) any{
		"plugins":          func(item any) any { return item },
		"externalClusters": func(item any) any { cluster, _ := item.(map[string]any); return cluster["plugin"] },
	} {
		list, found, err := unstructured.NestedSlice(object.Object, "spec", name)
		if err != nil || !found {
			continue // what is no list is refused elsewhere
		}
		for _, item := range list {
			complete(pluginOf(item))
		}
		if err := unstructured.SetNestedSlice(object.Object, list, "spec", name); err != nil {
			return err
		}
	}
	return nil
}

// HoldPods has CNPG get no further with Clusters than to say that it changes their pods, as in a rolling restart that takes its time or
// does not get on: those that are there stay as they are. [Server.ReleasePods] has it go on.
func (s *Server) HoldPods() { s.setPodsStay(true) }

// ReleasePods ends [Server.HoldPods].
func (s *Server) ReleasePods() {
	s.setPodsStay(false)
	for _, c := range All[cnpgv1.Cluster](s) {
		if c.Status.Phase == cnpgv1.PhaseUpgrade && s.mayRun(&c) {
			s.run(&c)
		}
	}
}

func (s *Server) setPodsStay(stay bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.podsStay = stay
}

func (s *Server) holdsPods() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.podsStay
}

// run brings a Cluster to the state that its spec asks for.
func (s *Server) run(c *cnpgv1.Cluster) {
	if s.holdsPods() {
		Edit(s, c.Namespace, c.Name, func(c *cnpgv1.Cluster) { c.Status.Phase = cnpgv1.PhaseUpgrade })
		return
	}
	for i := range c.Spec.Instances {
		name := fmt.Sprintf("%s-%d", c.Name, i+1)
		pod := &corev1.Pod{ObjectMeta: part(c, name, "cnpg.io/podRole", "instance"), Spec: corev1.PodSpec{
			Containers: []corev1.Container{{Name: "postgres", Image: c.Spec.ImageName, Resources: c.Spec.Resources}},
		}}
		if archivesByPlugin(c) {
			pod.Spec.InitContainers = []corev1.Container{{Name: SidecarContainer, RestartPolicy: ptr.To(corev1.ContainerRestartPolicyAlways)}}
			pod.Spec.Volumes = s.certificates(c)
		}
		pod.Status.Phase = corev1.PodRunning
		s.Put(pod, volume(c, name, "PG_DATA", &c.Spec.StorageConfiguration))
		if c.Spec.WalStorage != nil {
			s.Put(volume(c, name+"-wal", "PG_WAL", c.Spec.WalStorage))
		}
	}
	for i := c.Spec.Instances; Get[corev1.Pod](s, c.Namespace, fmt.Sprintf("%s-%d", c.Name, i+1)) != nil; i++ {
		name := fmt.Sprintf("%s-%d", c.Name, i+1)
		Delete[corev1.Pod](s, c.Namespace, name)
		Delete[corev1.PersistentVolumeClaim](s, c.Namespace, name)
		Delete[corev1.PersistentVolumeClaim](s, c.Namespace, name+"-wal")
	}
	Edit(s, c.Namespace, c.Name, Healthy)
}

// certificates is the volume with what the ObjectStores of a Cluster name, which the plugin mounts in its pods.
func (s *Server) certificates(c *cnpgv1.Cluster) []corev1.Volume {
	var sources []corev1.VolumeProjection
	for _, named := range stores(c) {
		store := Get[barmancloud.ObjectStore](s, named.Namespace, named.Name)
		if store == nil || store.Spec.Configuration.EndpointCA == nil {
			continue
		}
		ca := store.Spec.Configuration.EndpointCA
		sources = append(sources, corev1.VolumeProjection{Secret: &corev1.SecretProjection{
			LocalObjectReference: corev1.LocalObjectReference{Name: ca.Name},
			Items:                []corev1.KeyToPath{{Key: ca.Key, Path: named.Name + "/barman-ca.crt"}},
		}})
	}
	if len(sources) == 0 {
		return nil
	}
	return []corev1.Volume{{Name: "barman-certificates", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: sources}}}}
}

// part is the metadata of something that belongs to a Cluster.
func part(c *cnpgv1.Cluster, name, label, value string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: c.Namespace, Name: name, Labels: map[string]string{"cnpg.io/cluster": c.Name, label: value},
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(c, cnpgv1.SchemeGroupVersion.WithKind("Cluster"))},
	}
}

// volume is a volume that has grown to the size that is asked for.
func volume(c *cnpgv1.Cluster, name, role string, storage *cnpgv1.StorageConfiguration) *corev1.PersistentVolumeClaim {
	size := corev1.ResourceList{}
	if wanted, err := quantities.ParseQuantity(storage.Size); err == nil { // tests may put Clusters without one
		size[corev1.ResourceStorage] = wanted
	}
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: part(c, name, "cnpg.io/pvcRole", role)}
	claim.Spec.StorageClassName = storage.StorageClass
	if claim.Spec.StorageClassName == nil {
		claim.Spec.StorageClassName = ptr.To(StorageClass)
	}
	claim.Spec.Resources.Requests = size
	claim.Status.Phase, claim.Status.Capacity = corev1.ClaimBound, size
	return claim
}

// Healthy gives a Cluster the status of one whose instances all run and whose archive, where it has one, works.
func Healthy(c *cnpgv1.Cluster) {
	c.Status.Phase, c.Status.PhaseReason = cnpgv1.PhaseHealthy, ""
	c.Status.Instances, c.Status.ReadyInstances = c.Spec.Instances, c.Spec.Instances
	c.Status.CurrentPrimary = c.Name + "-1"
	before := c.Status.Conditions
	c.Status.Conditions = []metav1.Condition{holds(before, cnpgv1.ConditionClusterReady, "ClusterIsReady", "Cluster is Ready")}
	if c.Spec.Backup != nil || archivesByPlugin(c) {
		c.Status.Conditions = append(c.Status.Conditions,
			holds(before, cnpgv1.ConditionContinuousArchiving, "ContinuousArchivingSuccess", "Continuous archiving is working"))
	}
}

// holds is a condition that is true since now, unless it was before.
func holds(before []metav1.Condition, kind cnpgv1.ClusterConditionType, reason, message string) metav1.Condition {
	condition := metav1.Condition{
		Type: string(kind), Status: metav1.ConditionTrue, Reason: reason, Message: message,
		LastTransitionTime: metav1.NewTime(time.Now().Truncate(time.Second)),
	}
	if was := meta.FindStatusCondition(before, string(kind)); was != nil && was.Status == metav1.ConditionTrue {
		condition.LastTransitionTime = was.LastTransitionTime
	}
	return condition
}

// EndWAL is the segment that the Backups of Operate begin and end in.
const EndWAL = "000000010000000000000004"

// backUp ends a Backup at once: it is completed where its Cluster archives by its method.
func (s *Server) backUp(b *cnpgv1.Backup) {
	c := Get[cnpgv1.Cluster](s, b.Namespace, b.Spec.Cluster.Name)
	if b.Spec.Method == cnpgv1.BackupMethodPlugin {
		s.backUpByPlugin(b, c)
		return
	}
	var store cnpgv1.BarmanObjectStoreConfiguration
	if c != nil && c.Spec.Backup != nil && c.Spec.Backup.BarmanObjectStore != nil {
		store = *c.Spec.Backup.BarmanObjectStore
	} else if c != nil && archivesByPlugin(c) {
		s.failBackup(b, "no barmanObjectStore section defined on the target cluster")
		return
	}
	s.completeBackup(b, func(status *cnpgv1.BackupStatus) {
		status.ServerName, status.DestinationPath, status.EndpointURL = cmp.Or(store.ServerName, b.Spec.Cluster.Name), store.DestinationPath, store.EndpointURL
	})
}

func (s *Server) completeBackup(b *cnpgv1.Backup, more func(*cnpgv1.BackupStatus)) {
	Edit(s, b.Namespace, b.Name, func(b *cnpgv1.Backup) {
		begin := metav1.NewTime(time.Now().UTC().Truncate(time.Second))
		b.Status = cnpgv1.BackupStatus{
			Phase: cnpgv1.BackupPhaseCompleted, BackupID: begin.Format("20060102T150405"), BackupName: "backup-" + begin.Format("20060102150405"),
			StartedAt: &begin, StoppedAt: &begin,
			BeginWal: EndWAL, EndWal: EndWAL, BeginLSN: "0/4000028", EndLSN: "0/4000120",
		}
		more(&b.Status)
	})
}

func (s *Server) failBackup(b *cnpgv1.Backup, why string) {
	Edit(s, b.Namespace, b.Name, func(b *cnpgv1.Backup) {
		b.Status = cnpgv1.BackupStatus{Phase: cnpgv1.BackupPhaseFailed, Error: why}
	})
}
