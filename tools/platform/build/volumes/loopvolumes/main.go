// Command loopvolumes is the storage of volumes with real limits and real growth, on the one node that it runs on: a
// provisioner, and a controller that grows volumes while they are used. It runs privileged, in a pod that shares its
// mounts with the node.
package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := serve(ctx)
	stop()
	if err != nil {
		slog.Error("loop volumes", "error", err)
		os.Exit(1)
	}
}

// Failures are tried again soon: a test waits for the outcome.
const (
	retryFirst = time.Second
	retryMost  = 15 * time.Second
)

func serve(ctx context.Context) error {
	node, disks := os.Getenv("NODE_NAME"), Disks{Folder: os.Getenv("VOLUMES")}
	if node == "" || disks.Folder == "" {
		return errors.New("NODE_NAME and VOLUMES must be set")
	}
	// Before anything else: pods of a node that was started again wait for them.
	if err := disks.MountAll(); err != nil {
		return err
	}
	config, err := rest.InClusterConfig()
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}

	factory := informers.NewSharedInformerFactory(client, 0)
	claims, volumes := factory.Core().V1().PersistentVolumeClaims(), factory.Core().V1().PersistentVolumes()
	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: client.CoreV1().Events("")})
	r := &resizer{
		client: client, claims: claims.Lister(), volumes: volumes.Lister(), disks: disks,
		events: broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: provisionerName}),
		queue: workqueue.NewTypedRateLimitingQueue(
			workqueue.NewTypedItemExponentialFailureRateLimiter[cache.ObjectName](retryFirst, retryMost)),
	}
	if _, err := claims.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    r.enqueue,
		UpdateFunc: func(_, claim any) { r.enqueue(claim) },
	}); err != nil {
		return err
	}
	provision := controller.NewProvisionController(ctx, client, provisionerName, &provisioner{disks: disks, node: node},
		controller.ClaimsInformer(claims.Informer()),
		controller.VolumesInformer(volumes.Informer()),
		controller.RateLimiter(workqueue.NewTypedItemExponentialFailureRateLimiter[string](retryFirst, retryMost)),
		controller.FailedProvisionThreshold(0), controller.FailedDeleteThreshold(0), // no end to trying
		// There is one of it.
		controller.LeaderElection(false),
	)

	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	context.AfterFunc(ctx, r.queue.ShutDown)
	go r.work(ctx)
	provision.Run(ctx)
	return nil
}
