package cnpg

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// Kind is something around a Cluster that [Client.Observe] can watch.
type Kind int

// What can be watched: the object itself, and what carries the label cnpg.io/cluster.
const (
	KindCluster Kind = iota
	KindBackup
	KindJob
	KindPod
	KindVolume
	KindEvent
)

// Snapshot is what the watches know at one moment. Kinds that are not watched, or may not be, are empty.
type Snapshot struct {
	Cluster *cnpgv1.Cluster
	Backup  *cnpgv1.Backup
	Jobs    []batchv1.Job
	Pods    []corev1.Pod
	Volumes []corev1.PersistentVolumeClaim
	Events  []corev1.Event

	// certificateOf is the ObjectStore whose certificate the pods of Cluster are to mount; "" where that is not known, or none.
	certificateOf string
}

// unseen is what is lost where a kind may not be watched.
var unseen = map[Kind]string{
	KindJob:    "how often a recovery was tried is not known",
	KindPod:    "whether the pods are as they should be was not looked at, and errors say nothing of them",
	KindVolume: "whether the volumes are as they should be was not looked at, and errors say nothing of them",
	KindEvent:  "errors say nothing of what Kubernetes warns of",
}

// logsUnread is what is lost where logs may not be read.
const logsUnread = "what PostgreSQL and barman say in the logs of the pods was not read"

// refusals is how often in a row an API server has to say that it does not know who asks, before a watch takes that for
// an answer: a token that has expired is replaced when its first request is refused.
const refusals = 3

// Observe watches the object of that name (Cluster or Backup) and what belongs to it, and asks done about every change
// until it says true or returns an error. It begins with what is there. The watches come from client-go's informers,
// which list first, follow from there, and recover from closed channels, expired versions and server errors.
//
// Only the object itself must be readable: of the kinds around it, those that the credentials may not watch, or no longer,
// are empty.
// When ctx ends, its cause is returned.
func (c *Client) Observe(ctx context.Context, key Key, kinds []Kind, done func(*Snapshot) (bool, error)) error {
	watching, stop := context.WithCancelCause(ctx)
	defer stop(nil)

	changed := make(chan struct{}, 1)
	notify := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	var trouble atomic.Value // the last error of a watch that goes on
	seen := make(stores, len(kinds))
	var firstLists []func()
	var running sync.WaitGroup
	defer running.Wait()
	defer stop(nil)
	for _, kind := range kinds {
		informer := cache.NewSharedInformer(c.listWatch(kind, key), prototype(kind), 0)
		if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    func(any) { notify() },
			UpdateFunc: func(any, any) { notify() },
			DeleteFunc: func(any) { notify() },
		}); err != nil {
			return fmt.Errorf("watch around %s: %w", key, err)
		}
		store := &store{Store: informer.GetStore()}
		seen[kind] = store
		optional := kind != KindCluster && kind != KindBackup
		kindWatching, stopKind := context.WithCancel(watching)
		defer stopKind()
		refused, from := 0, ""
		if err := informer.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) {
			if version := informer.LastSyncResourceVersion(); version != from { // it was answered meanwhile
				refused, from = 0, version
			}
			if apierrors.IsUnauthorized(err) {
				refused++
			}
			switch {
			case apierrors.IsUnauthorized(err) && refused < refusals,
				!apierrors.IsForbidden(err) && !apierrors.IsUnauthorized(err) && !apierrors.IsNotFound(err):
				trouble.Store(err.Error())
			case optional:
				DoWithout(ctx, err, unseen[kind])
				store.lost.Store(true)
				stopKind()
				notify()
			default:
				stop(explain(err, "watch", key))
			}
		}); err != nil {
			return fmt.Errorf("watch around %s: %w", key, err)
		}
		running.Go(func() { informer.RunWithContext(kindWatching) })
		firstLists = append(firstLists, func() { cache.WaitFor(kindWatching, "", informer.HasSyncedChecker()) })
	}
	// Without its first list a store would say that nothing exists.
	for _, wait := range firstLists {
		wait()
	}

	tick := time.NewTicker(c.Graces.LookAgain)
	defer tick.Stop()
	for {
		if watching.Err() != nil {
			if text, ok := trouble.Load().(string); ok && ctx.Err() != nil {
				return fmt.Errorf("%w (a watch had trouble: %s)", context.Cause(watching), text)
			}
			return context.Cause(watching)
		}
		if ok, err := done(snapshot(seen, key)); ok || err != nil {
			return err
		}
		select {
		case <-watching.Done():
		case <-changed:
		case <-tick.C:
		}
	}
}

func (c *Client) listWatch(kind Kind, key Key) cache.ListerWatcher {
	byName := func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector("metadata.name", key.Name).String()
	}
	byLabel := func(o *metav1.ListOptions) { o.LabelSelector = LabelCluster + "=" + key.Name }
	of := func(client rest.Interface, resource string, narrow func(*metav1.ListOptions)) cache.ListerWatcher {
		return cache.NewFilteredListWatchFromClient(client, resource, key.Namespace, narrow)
	}
	switch kind {
	case KindBackup:
		return of(c.cnpg, backups, byName)
	case KindJob:
		return of(c.batch, "jobs", byLabel)
	case KindPod:
		return of(c.core, "pods", byLabel)
	case KindVolume:
		return of(c.core, "persistentvolumeclaims", byLabel)
	case KindEvent:
		// Events carry no labels; those of a Cluster's objects are found by name among the namespace's warnings.
		return of(c.core, "events", func(o *metav1.ListOptions) {
			o.FieldSelector = fields.OneTermEqualSelector("type", corev1.EventTypeWarning).String()
		})
	default:
		return of(c.cnpg, clusters, byName)
	}
}

func prototype(kind Kind) runtime.Object {
	switch kind {
	case KindBackup:
		return &cnpgv1.Backup{}
	case KindJob:
		return &batchv1.Job{}
	case KindPod:
		return &corev1.Pod{}
	case KindVolume:
		return &corev1.PersistentVolumeClaim{}
	case KindEvent:
		return &corev1.Event{}
	default:
		return &cnpgv1.Cluster{}
	}
}

// stores hold what the watches know.
type stores map[Kind]*store

type store struct {
	cache.Store

	lost atomic.Bool // what it holds is from before its kind could no longer be watched
}

func snapshot(seen stores, key Key) *Snapshot {
	s := &Snapshot{
		Jobs:    listed[batchv1.Job](seen[KindJob]),
		Pods:    listed[corev1.Pod](seen[KindPod]),
		Volumes: listed[corev1.PersistentVolumeClaim](seen[KindVolume]),
	}
	if all := listed[cnpgv1.Cluster](seen[KindCluster]); len(all) > 0 {
		s.Cluster = &all[0]
	}
	if all := listed[cnpgv1.Backup](seen[KindBackup]); len(all) > 0 {
		s.Backup = located(&all[0])
	}
	for _, event := range listed[corev1.Event](seen[KindEvent]) {
		if name := event.InvolvedObject.Name; name == key.Name || strings.HasPrefix(name, key.Name+"-") {
			s.Events = append(s.Events, event)
		}
	}
	slices.SortFunc(s.Jobs, func(a, b batchv1.Job) int { return oldestFirst(&a, &b) })
	slices.SortFunc(s.Pods, func(a, b corev1.Pod) int { return oldestFirst(&a, &b) })
	slices.SortFunc(s.Events, func(a, b corev1.Event) int { return a.LastTimestamp.Compare(b.LastTimestamp.Time) })
	return s
}

func oldestFirst(a, b metav1.Object) int {
	if order := a.GetCreationTimestamp().Compare(b.GetCreationTimestamp().Time); order != 0 {
		return order
	}
	return strings.Compare(a.GetName(), b.GetName())
}

func listed[T any](from *store) []T {
	if from == nil || from.lost.Load() {
		return nil
	}
	var all []T
	for _, item := range from.List() {
		if object, ok := item.(*T); ok {
			all = append(all, *object)
		}
	}
	return all
}
