package kindcluster

import (
	"context"
	"fmt"
	"io"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Namespaces are those that a new cluster has pods in.
var Namespaces = []string{"kube-system", "local-path-storage"}

// RESTConfig is how to reach the cluster's API server.
func (c Cluster) RESTConfig() (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read the cluster's kubeconfig %s: %w", c.Kubeconfig, err)
	}
	// The only client of a cluster of its own: no reason to slow down.
	config.QPS, config.Burst = 200, 400
	return config, nil
}

func (c Cluster) client() (*kubernetes.Clientset, error) {
	config, err := c.RESTConfig()
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(config)
}

// WaitForAPI waits until the API server says that it is ready.
func (c Cluster) WaitForAPI(ctx context.Context, atMost time.Duration) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	return wait(ctx, atMost, io.Discard, func(ctx context.Context) string {
		if err := client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error(); err != nil {
			return fmt.Sprintf("the API server at %s is not ready: %v", c.Address, err)
		}
		return ""
	})
}

// WaitForSystem waits until the node and every pod of the cluster's own (DNS, network, storage, control plane)
// are ready. What it waits for goes to log.
func (c Cluster) WaitForSystem(ctx context.Context, atMost time.Duration, log io.Writer) error {
	return wait(ctx, atMost, log, func(ctx context.Context) string {
		notReady, err := c.NotReady(ctx, Namespaces...)
		if err != nil {
			// The API server may be away for a moment.
			return err.Error()
		}
		if len(notReady) > 0 {
			return fmt.Sprintf("not ready: %v", notReady)
		}
		return ""
	})
}

// NotReady lists the nodes and pods that are not ready, as "node/name" or "namespace/name: phase": pods of the
// namespaces, or of all where none is given. Pods that ran to their end are not counted.
func (c Cluster) NotReady(ctx context.Context, namespaces ...string) ([]string, error) {
	client, err := c.client()
	if err != nil {
		return nil, err
	}
	var all []string
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	if len(nodes.Items) == 0 {
		all = append(all, "no node yet")
	}
	for _, n := range nodes.Items {
		if !ready(n.Status.Conditions, func(c corev1.NodeCondition) bool {
			return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
		}) {
			all = append(all, "node/"+n.Name)
		}
	}
	if len(namespaces) == 0 {
		namespaces = []string{metav1.NamespaceAll}
	}
	for _, namespace := range namespaces {
		pods, err := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, fmt.Errorf("list pods: %w", err)
		}
		if len(pods.Items) == 0 {
			all = append(all, namespace+": no pod yet")
		}
		for _, p := range pods.Items {
			isReady := ready(p.Status.Conditions, func(c corev1.PodCondition) bool {
				return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
			})
			if !isReady && p.Status.Phase != corev1.PodSucceeded {
				all = append(all, fmt.Sprintf("%s/%s: %s", p.Namespace, p.Name, p.Status.Phase))
			}
		}
	}
	return all, nil
}

func ready[C any](conditions []C, isReady func(C) bool) bool {
	for _, c := range conditions {
		if isReady(c) {
			return true
		}
	}
	return false
}

// wait asks for a reason to go on waiting until there is none, atMost has passed or ctx ends. A new reason is logged.
func wait(ctx context.Context, atMost time.Duration, log io.Writer, reason func(context.Context) string) error {
	deadline := time.Now().Add(atMost)
	last := ""
	for {
		attempt, cancel := context.WithTimeout(ctx, 10*time.Second)
		why := reason(attempt)
		cancel()
		if why == "" {
			return nil
		}
		if why != last {
			fmt.Fprintln(log, why)
			last = why
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("after %s: %s", atMost, why)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
}
