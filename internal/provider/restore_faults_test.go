package provider_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
)

// What TestDatabaseSurvivesEveryFault is for databases, this is for restores. Beside that, nothing of the source is changed,
// and it is flushed once at most for each attempt to create.
func TestRestoreSurvivesEveryFault(t *testing.T) {
	t.Parallel()
	surviveEveryFault(t, restoreStories)
}

func init() {
	for _, s := range restoreStories {
		s.of = theRestore
	}
}

// theRestore is one of myorg/my-db, which lives, archives, and belongs to somebody else.
var theRestore = &subject{
	address: pitr, cluster: "my-db-pitr", world: (*scene).putSource, store: (*scene).stockSource,
	made: func(b *cnpgv1.BootstrapConfiguration) bool { return b.Recovery != nil && b.Recovery.Source == "origin" },
}

func (w *scene) putSource() {
	source := w.archivedCluster()
	source.Spec.Backup.BarmanObjectStore.EndpointURL = "http://s3.test" // the same in all scenes
	w.put(sourceObjects(source)...)
}

// stockSource is what S3 has of the source, and what the pods answer: a flush ends the last segment that S3 has.
func (w *scene) stockSource() {
	archiveOfSource(w.t, w.s3.Archive(fakeBucket, "pg", "my-db-v1"))
	w.kube.OnExecWithInput(func(pod, _ string, command []string, stdin string) (string, string, error) {
		switch {
		case strings.Contains(stdin, "pg_stat_archiver"): // where S3 cannot be seen
			return lastSegment + "\n", "", nil
		case pod == "my-db-1":
			w.flushed.Add(1)
			return flushAnswer(lastSegment), "", nil
		case strings.Contains(stdin, "pg_shdepend"):
			return restoredAnswer, "", nil
		case strings.Contains(strings.Join(command, " "), "shop"):
			return "42\n", "", nil
		}
		return "", "", nil
	})
}

const (
	withinTheWindow = "target_time = \"2026-03-26T11:30:00Z\"\n"
	nightly         = "backup = { schedule = \"0 2 * * *\" }\n"
	notBackedUp     = "backup = { enabled = false }\n"
)

// archiveAlone restores from what S3 has of myorg/my-db, whoever wrote it.
func archiveAlone(attributes string) string {
	return strings.Replace(restoreOf(unprotected+withinTheWindow+"database_name = \"shop\"\nowner = \"seller\"\ntier = \"DEV\"\n"+attributes),
		`{ database = "myorg/my-db" }`, `{ object_store = { server_name = "my-db-v1" } }`, 1)
}

var restoreStories = []*story{
	{
		name:   "restore the latest state",
		config: restoreOf(unprotected + nightly),
		makes: []string{
			"get pods/exec myorg/my-db-1", "ListObjects pg/my-db-v1/wals/", "GetObject pg/my-db-v1/base/", "ListObjects pg/my-db-pitr/",
			"apply clusters", "apply secrets", "apply scheduledbackups", "watch clusters", "watch jobs", "watch pods",
		},
		wanted: wantsFlushes(1),
		sample: 8,
	},
	{
		name:   "restore from an archive alone",
		config: archiveAlone(nightly),
		makes:  []string{"apply clusters", "apply secrets", "apply scheduledbackups", "watch clusters", "GetObject pg/my-db-v1/base/", "get pods/exec myorg/my-db-pitr-1"},
		wanted: wantsFlushes(0),
		sample: 12,
	},
	{
		name:    "restore with a Secret for the archive alone",
		config:  archiveAlone(notBackedUp),
		prepare: (*scene).recoversWithItsSecret,
		makes:   []string{"apply clusters", "apply secrets myorg/my-db-pitr-origin-s3-creds", "watch clusters"},
		wanted:  wantsOriginSecret,
		sample:  12,
	},
	{
		name:   "restore to a time without a flush, and verify",
		config: restoreOf(unprotected + nightly + withinTheWindow + "flush_source = false\nverify = { query = \"SELECT count(*) FROM orders\", expect = \"42\" }\n"),
		makes:  []string{"apply clusters", "watch clusters", "get pods/exec myorg/my-db-pitr-1"},
		wanted: wantsFlushes(0),
		sample: 12,
	},
	{
		name:   "restore without waiting",
		config: restoreOf(unprotected + nightly + withinTheWindow + "wait = false\n"),
		makes:  []string{"apply clusters", "apply secrets", "apply scheduledbackups"},
		sample: 12,
	},
	{
		name:   "change parameters of a restored database",
		before: restoreOf(unprotected + nightly + withinTheWindow),
		config: restoreOf(unprotected + nightly + withinTheWindow + "parameters = { work_mem = \"16MB\" }\n"),
		makes:  []string{"get clusters", "apply clusters", "watch clusters"},
		wanted: wantsParameter("16MB"),
		sample: 8,
	},
	{
		name:      "import a restored database",
		before:    restoreOf(unprotected + nightly + withinTheWindow),
		forgotten: true,
		config:    restoreOf(unprotected+nightly+withinTheWindow) + "import {\n  to = " + pitr + "\n  id = \"myorg/my-db-pitr\"\n}\n",
		makes:     []string{"get clusters"},
		sample:    4,
	},
	{
		name:   "restore anew to another time",
		before: restoreOf(unprotected + nightly + withinTheWindow),
		config: restoreOf(unprotected + nightly + "target_time = \"2026-03-26T12:30:00Z\"\n"),
		makes:  []string{"delete clusters", "delete scheduledbackups", "apply clusters", "watch clusters"},
		wanted: wantsTarget("2026-03-26 12:30:00"),
		sample: 12,
	},
	{
		name:    "restore anew what has failed",
		before:  restoreOf(nightly + "target_time = \"2026-03-26T12:59:59Z\"\n"),
		tainted: true,
		spoil:   (*scene).recoveryFails,
		config:  restoreOf(nightly + withinTheWindow),
		makes:   []string{"delete clusters", "apply clusters", "watch clusters"},
		wanted:  wantsTarget("2026-03-26 11:30:00"),
		sample:  8,
	},
	{
		name:   "destroy a restored database",
		before: restoreOf(unprotected + nightly + withinTheWindow),
		makes:  []string{"delete clusters", "delete scheduledbackups", "get secrets", "watch persistentvolumeclaims"},
		sample: 4,
	},
	{
		name:    "destroy a restore that has failed",
		before:  restoreOf(notBackedUp + withinTheWindow),
		tainted: true,
		spoil:   (*scene).recoveryFails,
		makes:   []string{"delete clusters", "get secrets myorg/my-db-pitr-origin-s3-creds", "watch persistentvolumeclaims"},
		sample:  4,
	},
}

func wantsTarget(at string) func(*scene) string {
	return func(w *scene) string {
		if b := w.cluster().Spec.Bootstrap; b.Recovery == nil || !strings.HasPrefix(b.Recovery.RecoveryTarget.TargetTime, at) {
			return "the new target"
		}
		return ""
	}
}

func wantsOriginSecret(w *scene) string {
	if apitest.Get[corev1.Secret](w.kube, fakeNamespace, "my-db-pitr-origin-s3-creds") == nil {
		return "the Secret that the archive is read with"
	}
	return ""
}

// wantsFlushes allows the source so many flushes for each attempt to create.
func wantsFlushes(most int64) func(*scene) string {
	return func(w *scene) string {
		if n := w.flushed.Load(); n > 2*most { // the story's attempt and the one on its way out
			return fmt.Sprintf("restraint: the source was flushed %d times", n)
		}
		return ""
	}
}

// recoversWithItsSecret plays a recovery that waits for the Secret that its pods read the archive with, and is done when it is
// there.
func (w *scene) recoversWithItsSecret() {
	secret := "my-db-pitr-origin-s3-creds"
	if w.story.schedule() != "" { // they archive with the same keys
		secret = "my-db-pitr-backup-s3-creds"
	}
	w.recovering(func(pod *corev1.Pod, _ *batchv1.Job) {
		pod.Status.Phase = corev1.PodPending
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "full-recovery", State: corev1.ContainerState{
			Waiting: &corev1.ContainerStateWaiting{Reason: "CreateContainerConfigError", Message: "secret " + secret + " not found"},
		}}}
	})
	w.kube.React(func(e apitest.Event) {
		if s := apitest.As[corev1.Secret](e.Object); s != nil && e.Type == watch.Added && s.Name == secret {
			w.recovered()
		}
	})
}

// recovered plays the end of a recovery.
func (w *scene) recovered() {
	cluster := w.cluster()
	apitest.Delete[batchv1.Job](w.kube, cluster.Namespace, cluster.Name+"-1-full-recovery")
	apitest.Delete[corev1.Pod](w.kube, cluster.Namespace, cluster.Name+"-1-full-recovery-x7x7x")
	w.kube.Put(&corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: cluster.Namespace, Name: cluster.Name + "-1", Labels: map[string]string{cnpg.LabelCluster: cluster.Name, "cnpg.io/podRole": "instance"},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(cluster, cnpgv1.SchemeGroupVersion.WithKind("Cluster"))},
		},
		Spec:   corev1.PodSpec{Containers: []corev1.Container{{Name: "postgres", Image: cluster.Spec.ImageName, Resources: cluster.Spec.Resources}}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning},
	})
	apitest.Edit(w.kube, cluster.Namespace, cluster.Name, apitest.Healthy)
}

// recoveryFails plays a recovery that fails at once, as CNPG leaves it.
func (w *scene) recoveryFails() {
	w.recovering(func(pod *corev1.Pod, job *batchv1.Job) {
		pod.Status.Phase, job.Status.Failed = corev1.PodFailed, 1
		w.kube.Log(fakeNamespace, pod.Name, "full-recovery",
			`{"level":"info","logger":"postgres","msg":"record","record":{"error_severity":"FATAL","message":"recovery ended before configured recovery target was reached"}}`)
	})
}

// recovering plays a recovery that goes on in a Job, as far as change has it: of each Cluster that is made from now on, and by the plugin
// as soon as the ObjectStores are there that the Cluster names.
func (w *scene) recovering(change func(*corev1.Pod, *batchv1.Job)) {
	var begun sync.Map // the UIDs of Clusters
	if standing := w.cluster(); standing != nil {
		begun.Store(standing.UID, true)
	}
	w.kube.React(func(e apitest.Event) {
		if e.Type != watch.Added || apitest.As[cnpgv1.Cluster](e.Object) == nil && apitest.As[barmancloud.ObjectStore](e.Object) == nil {
			return // what the operator of the fakes makes it is not done with
		}
		c := w.cluster()
		if c == nil || len(cnpg.MissingStores(c)) > 0 {
			return
		}
		if _, again := begun.LoadOrStore(c.UID, true); again {
			return
		}
		part := metav1.ObjectMeta{
			Namespace: c.Namespace, Name: c.Name + "-1-full-recovery",
			Labels:          map[string]string{cnpg.LabelCluster: c.Name, "cnpg.io/jobRole": "full-recovery", "batch.kubernetes.io/job-name": c.Name + "-1-full-recovery"},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(c, cnpgv1.SchemeGroupVersion.WithKind("Cluster"))},
		}
		pod, job := &corev1.Pod{ObjectMeta: part}, &batchv1.Job{ObjectMeta: part}
		pod.Name += "-x7x7x"
		pod.Spec.Containers = []corev1.Container{{Name: "full-recovery"}}
		pod.Status.Phase = corev1.PodRunning
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "full-recovery", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
		change(pod, job)
		w.kube.Put(pod, job)
		apitest.Delete[corev1.Pod](w.kube, c.Namespace, c.Name+"-1")
		apitest.Edit(w.kube, c.Namespace, c.Name, func(c *cnpgv1.Cluster) {
			c.Status = cnpgv1.ClusterStatus{Phase: cnpgv1.PhaseFirstPrimary, TargetPrimary: c.Name + "-1"}
		})
	})
}
