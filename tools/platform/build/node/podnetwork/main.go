// Command podnetwork connects the pods of all nodes: it writes the node's CNI configuration from the range of
// addresses that Kubernetes gave the node, keeps a route to each other node's range, and masquerades what
// leaves the pods' network. It runs on every node, in the node's network namespace; IPv4 only.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// checkAgain is how often everything is put right even though no node has changed: others may have
// flushed our rule or a route.
const checkAgain = 30 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		slog.Error("pod network", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	node := Node{Name: os.Getenv("NODE_NAME"), PodSubnet: os.Getenv("POD_SUBNET")}
	if node.Name == "" || node.PodSubnet == "" {
		return errors.New("NODE_NAME and POD_SUBNET must be set")
	}
	config, err := rest.InClusterConfig()
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}

	if err := waitForAPI(ctx, config.Host); err != nil {
		return err
	}
	changed := make(chan struct{}, 1)
	tell := func() {
		select {
		case changed <- struct{}{}:
		default: // one is waiting already
		}
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	nodes := factory.Core().V1().Nodes()
	if _, err := nodes.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { tell() },
		UpdateFunc: func(any, any) { tell() },
		DeleteFunc: func(any) { tell() },
	}); err != nil {
		return err
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())

	for {
		var all []*corev1.Node
		if all, err = nodes.Lister().List(labels.Everything()); err == nil {
			err = node.Connect(ctx, all)
		}
		wait := checkAgain
		if err != nil {
			slog.Error("pod network", "error", err)
			wait = time.Second
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-time.After(wait):
		}
	}
}

// waitForAPI waits until the API server can be reached: on a new node not before kube-proxy has made its
// rules. The informers would find out much later, because they wait longer after each failure.
func waitForAPI(ctx context.Context, host string) error {
	address, err := url.Parse(host)
	if err != nil {
		return fmt.Errorf("address of the API server: %w", err)
	}
	dialer := net.Dialer{Timeout: time.Second}
	for {
		conn, err := dialer.DialContext(ctx, "tcp", address.Host)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}
