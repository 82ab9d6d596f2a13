package provider_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/terraformtest"
)

type providerFactories = terraformtest.Providers

// subject is the resource that stories are about, which stands for a Cluster.
type subject struct {
	address string // in Terraform
	cluster string // the Cluster's name, which begins the names of all that belongs to it
	// world is what Kubernetes has beside it; store is what S3 has, and what pods answer.
	world, store func(*scene)
	// made tells whether the Cluster was made in the way of the resource.
	made func(*cnpgv1.BootstrapConfiguration) bool
}

var theDatabase = &subject{
	address: db, cluster: "my-db", world: func(*scene) {}, store: func(*scene) {},
	made: func(b *cnpgv1.BootstrapConfiguration) bool { return b.InitDB != nil },
}

// scene is where a story happens: fakes with the database of before, and with what belongs to somebody else.
type scene struct {
	*fakes
	story     *story
	workspace *terraformtest.Workspace
	planned   *terraformtest.Change // what the story's plan has for the database
	told      terraformtest.Diagnostics

	made     atomic.Int64 // Clusters of its name
	unsaved  atomic.Int64 // times that one of them began to go without a finished Backup
	finished atomic.Int64 // Backups of them
	flushed  atomic.Int64 // times that the source of a restore was flushed

	mixed atomic.Bool // whether it ever archived to a folder that is not its own

	ctrlC sync.Mutex // held while it is pressed
	done  bool       // whether the story's apply is over
}

// cluster is that of the story's subject.
func (w *scene) cluster() *cnpgv1.Cluster {
	return w.clusterNamed(w.story.subject().cluster)
}

// begin makes the scenes of a story alike: what is there before it is applied once.
func (s *story) begin(t *testing.T) *scene {
	t.Helper()
	f := operated(t)
	f.kube.Put(
		&cnpgv1.Cluster{
			ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "theirs"},
			Spec:       cnpgv1.ClusterSpec{Instances: 1, StorageConfiguration: cnpgv1.StorageConfiguration{Size: "1Gi"}},
		},
		&cnpgv1.ScheduledBackup{ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "theirs"}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "theirs-backup-s3-creds"}},
		&barmancloud.ObjectStore{ObjectMeta: metav1.ObjectMeta{Namespace: fakeNamespace, Name: "theirs-backup"}},
	)
	w := &scene{fakes: f, story: s, workspace: terraformtest.New(t, onFakes)}
	s.subject().world(w)
	s.subject().store(w)
	if s.before == "" {
		return w
	}
	switch {
	case s.spoil != nil:
		s.spoil(w)
	case s.tainted:
		w.kube.Fail(apitest.Each(apitest.VerbApply, "scheduledbackups", apitest.Fault{Status: 403}))
	}
	w.workspace.Write(w.text(s.before, false))
	if diags := w.workspace.Apply(t.Context()); diags.HasError() != s.tainted {
		t.Fatalf("before: %s", diags)
	}
	if s.forgotten {
		w.workspace.Forget(s.subject().address)
	}
	return w
}

// copy is a scene of its own in which everything is as it is in this one.
func (w *scene) copy(t *testing.T, providers providerFactories) *scene {
	t.Helper()
	f := &fakes{t: t, kube: w.kube.Copy(t), s3: s3test.New(t), method: w.method}
	f.kubeconfig = f.kube.Kubeconfig(t)
	f.kube.Operate()
	f.s3.AnyKey()
	f.s3.CreateBucket(fakeBucket)
	for _, taken := range []string{"pg", "moved"} {
		f.s3.Archive(fakeBucket, taken, "theirs").WAL("000000010000000000000001", f.now())
	}
	c := &scene{fakes: f, story: w.story, workspace: w.workspace.Copy(t, providers)}
	f.kube.React(c.count)
	if w.story.taken != "" {
		f.kube.React(c.archivesTo())
	}
	c.story.subject().store(c)
	if c.story.prepare != nil {
		c.story.prepare(c)
	}
	return c
}

// archivesTo looks, after each write, at where the Cluster archives to: never where another database does.
func (w *scene) archivesTo() func(apitest.Event) {
	paths := map[string]string{} // of ObjectStores
	for _, o := range apitest.All[barmancloud.ObjectStore](w.kube) {
		paths[o.Name] = o.Spec.Configuration.DestinationPath
	}
	cluster := w.cluster()
	return func(e apitest.Event) {
		if o := apitest.As[barmancloud.ObjectStore](e.Object); o != nil {
			paths[o.Name] = o.Spec.Configuration.DestinationPath
		}
		if c := apitest.As[cnpgv1.Cluster](e.Object); c != nil && c.Name == w.story.subject().cluster {
			cluster = c
		}
		var at string
		if store := cnpg.Archiver(cluster); store != nil {
			at = store.DestinationPath + "/" + cnpg.ServerName(cluster)
		}
		for _, p := range cluster.Spec.Plugins {
			at = paths[p.Parameters[barmancloud.ObjectStoreParameter]] + "/" + p.Parameters[barmancloud.ServerNameParameter]
		}
		if at == w.story.taken {
			w.mixed.Store(true)
		}
	}
}

func (w *scene) count(e apitest.Event) {
	cluster, backup := apitest.As[cnpgv1.Cluster](e.Object), apitest.As[cnpgv1.Backup](e.Object)
	name := w.story.subject().cluster
	switch {
	case cluster != nil && cluster.Name == name && e.Type == watch.Added:
		w.made.Add(1)
	case cluster != nil && cluster.Name == name && cluster.DeletionTimestamp != nil && w.finished.Load() == 0:
		w.unsaved.Add(1)
	case backup != nil && backup.Status.Phase == cnpgv1.BackupPhaseCompleted && e.Type == watch.Modified:
		w.finished.Add(1)
	}
}

// do is the story's apply.
func (w *scene) do(t *testing.T) terraformtest.Diagnostics {
	t.Helper()
	defer func() {
		w.ctrlC.Lock()
		defer w.ctrlC.Unlock()
		w.done = true
	}()
	w.workspace.Write(w.text(w.story.config, true))
	plan, diags := w.workspace.Plan(t.Context())
	if diags.HasError() {
		return diags
	}
	w.planned = plan.Change(w.story.subject().address)
	w.told = slices.Concat(diags, w.workspace.ApplyPlan(t.Context(), plan))
	return w.told
}

// interrupt is Ctrl-C in the story's apply. On a busy machine whoever presses it may come late: not to interrupt what is run after that.
func (w *scene) interrupt() {
	w.ctrlC.Lock()
	defer w.ctrlC.Unlock()
	if !w.done {
		w.workspace.Interrupt()
	}
}

// view is the world at one moment.
type view struct {
	theirs   map[string]string // what is nobody's business: name to version
	files    []string          // in S3
	cluster  *cnpgv1.Cluster
	volumes  map[string]types.UID
	leftover []string // what belongs to the database beside the Cluster
	object   *terraformtest.Object
	made     int64
}

// folder is where the database archives; "" where it does not.
func (v *view) folder() string {
	if v.cluster == nil || cnpg.Archiver(v.cluster) == nil {
		return ""
	}
	return cnpg.ServerName(v.cluster)
}

func (w *scene) look() *view {
	v := &view{theirs: map[string]string{}, volumes: map[string]types.UID{}, files: w.s3.Keys(fakeBucket, "")}
	note := func(kind string, o metav1.Object) {
		if !strings.HasPrefix(o.GetName(), w.story.subject().cluster) {
			v.theirs[kind+" "+o.GetName()] = o.GetResourceVersion()
		} else if kind != "Cluster" {
			v.leftover = append(v.leftover, kind+" "+o.GetName())
		}
	}
	for _, o := range apitest.All[cnpgv1.Cluster](w.kube) {
		note("Cluster", &o)
	}
	for _, o := range apitest.All[cnpgv1.ScheduledBackup](w.kube) {
		note("ScheduledBackup", &o)
	}
	for _, o := range apitest.All[cnpgv1.Backup](w.kube) {
		note("Backup", &o)
	}
	for _, o := range apitest.All[corev1.Secret](w.kube) {
		note("Secret", &o)
	}
	for _, o := range apitest.All[barmancloud.ObjectStore](w.kube) {
		note("ObjectStore", &o)
	}
	for _, o := range apitest.All[corev1.PersistentVolumeClaim](w.kube) {
		note("PersistentVolumeClaim", &o)
		if _, others := v.theirs["PersistentVolumeClaim "+o.Name]; !others {
			v.volumes[o.Name] = o.UID
		}
	}
	v.cluster, v.object = w.cluster(), w.workspace.Object(w.story.subject().address)
	v.made = w.made.Load()
	return v
}

// check looks at what a fault has left. Everything it returns is a promise broken.
func (w *scene) check(before *view, diags terraformtest.Diagnostics) (broken []string) {
	tell := func(format string, args ...any) { broken = append(broken, fmt.Sprintf(format, args...)) }
	now := w.look()
	if !maps.Equal(before.theirs, now.theirs) || !slices.Equal(before.files, now.files) {
		tell("somebody else's objects were changed: %v, %v; before: %v, %v", now.theirs, now.files, before.theirs, before.files)
	}
	if w.mixed.Load() {
		tell("the database archived to %s, which is another one's", w.story.taken)
	}
	if strings.Contains(w.story.before, "final_backup = true") && w.unsaved.Load() > 0 {
		tell("the Cluster goes without its final backup")
	}
	for _, one := range diags {
		for _, key := range []string{s3test.AccessKeyID, s3test.SecretAccessKey, rotatedKey} {
			if strings.Contains(one.Summary+one.Detail, key) {
				tell("a message holds a key: %s", one.Summary)
			}
		}
	}
	for _, one := range diags.Errors() {
		if one.Detail == "" {
			tell("the error %q says nothing more", one.Summary)
		}
	}
	unknown := strings.Contains(diags.String(), "whether it exists now is not known")
	if now.cluster != nil && now.object == nil && !unknown && !w.story.forgotten {
		tell("the Cluster %s exists, and the state does not know it", now.cluster.Name)
	}
	if now.cluster == nil && now.object == nil && len(now.leftover) > 0 {
		tell("%v are left, and the state knows nothing", now.leftover)
	}
	if !diags.HasError() {
		return append(broken, w.reached()...)
	}
	if before.cluster != nil && !w.story.deletes() {
		if now.cluster == nil || now.cluster.UID != before.cluster.UID {
			tell("the Cluster is gone or another one: %v", now.cluster)
		}
		for name, uid := range before.volumes {
			if now.volumes[name] != uid {
				tell("the volume %s is gone or another one", name)
			}
		}
	}
	if strings.Contains(diags.String(), "Nothing was destroyed") && (now.cluster == nil || now.cluster.DeletionTimestamp != nil || !contains(now.leftover, before.leftover)) {
		tell("something was destroyed: %v is left of %v", now.leftover, before.leftover)
	}
	if before.object != nil && now.object != nil && now.object.Tainted && !before.object.Tainted && !w.story.deletes() {
		tell("the object is tainted now")
	}
	return broken
}

func contains(all, some []string) bool {
	return !slices.ContainsFunc(some, func(one string) bool { return !slices.Contains(all, one) })
}

// reached tells what is missing where the goal should be reached.
func (w *scene) reached() (missing []string) {
	tell := func(format string, args ...any) { missing = append(missing, fmt.Sprintf(format, args...)) }
	now := w.look()
	if w.story.config == "" {
		if now.cluster != nil || len(now.leftover) > 0 || now.object != nil {
			tell("it is not gone: %v, %v, %v", now.cluster, now.leftover, now.object)
		}
		return missing
	}
	if now.cluster == nil || now.object == nil || now.object.Tainted {
		return append(missing, fmt.Sprintf("there is no Cluster, or no object in the state, or it is tainted: %v, %v", now.cluster, now.object))
	}
	if status := now.object.Attribute("status"); status.IsNull() || status.AsString() != "READY" {
		tell("the status is %#v", status) // the operator of the fakes is done when a request is answered, so that waits change nothing
	}
	if now.cluster.Spec.Bootstrap == nil || !w.story.subject().made(now.cluster.Spec.Bootstrap) {
		tell("the bootstrap fields are gone")
	}
	if w.story.wanted != nil {
		if lacks := w.story.wanted(w); lacks != "" {
			tell("%s is lacking", lacks)
		}
	}
	if w.story.begins && w.finished.Load() == 0 {
		tell("there is no base backup to restore from")
	}
	name := w.story.subject().cluster
	scheduled := apitest.Get[cnpgv1.ScheduledBackup](w.kube, fakeNamespace, name)
	secret := apitest.Get[corev1.Secret](w.kube, fakeNamespace, name+"-backup-s3-creds")
	schedule := w.story.schedule()
	if schedule == "" {
		if told := strings.Contains(w.told.String(), "Secret Not Removed"); scheduled != nil || secret != nil && !told || now.cluster.Spec.Backup != nil {
			tell("it is still backed up, or its keys are left: %v, %v, %v", scheduled, secret, now.cluster.Spec.Backup)
		}
		return missing
	}
	key := s3test.AccessKeyID
	if w.story.rotated {
		key = rotatedKey
	}
	if scheduled == nil || scheduled.Spec.Schedule != "0 "+schedule {
		tell("the schedule is %v", scheduled)
	}
	if w.story.keys == "" && (secret == nil || string(secret.Data["ACCESS_KEY_ID"]) != key) {
		tell("the Secret is not there, or holds other keys")
	}
	method := w.story.method(w.fakes)
	var own []string
	for _, o := range apitest.All[barmancloud.ObjectStore](w.kube) {
		if strings.HasPrefix(o.Name, cnpg.ObjectStoreName(name)) {
			own = append(own, o.Name)
		}
	}
	var uses []string
	if method == cnpg.MethodPlugin {
		uses = []string{now.cluster.Spec.Plugins[0].Parameters[barmancloud.ObjectStoreParameter]}
	}
	told := strings.Contains(w.told.String(), "ObjectStore Not Removed")
	if is := cnpg.MethodOf(now.cluster); is != method || scheduled != nil && cnpg.ScheduleMethod(scheduled) != method || !slices.Equal(own, uses) && !told {
		tell("it archives by %s, with the schedule %v and the ObjectStores %v of its own, and uses %v", is, scheduled, own, uses)
	}
	store := cnpg.Archiver(now.cluster)
	if store == nil || store.ServerName == "" {
		return append(missing, fmt.Sprintf("the Cluster does not archive: %v", now.cluster.Spec.Backup))
	}
	if used := store.AWS.AccessKeyIDReference.Name; used != cmp.Or(w.story.keys, name+"-backup-s3-creds") {
		tell("the pods have the keys of %s", used)
	}
	return missing
}
