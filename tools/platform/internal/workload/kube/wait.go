package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const lookAgain = 250 * time.Millisecond

// Until calls try until it returns no error, atMost has passed or ctx ends; then the error is the last one of try.
func Until(ctx context.Context, atMost time.Duration, try func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	var last error
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		// What the end of the time cut short tells less than the error before.
		if ctx.Err() == nil || last == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("after %s: %w", atMost, last)
			}
			return ctx.Err()
		case <-time.After(lookAgain):
		}
	}
}

// WaitForDeployment waits until all replicas of the Deployment are available in their current form. Where that
// does not happen, what its pods and the namespace's events say is written to log.
func (c *Client) WaitForDeployment(ctx context.Context, namespace, name string, atMost time.Duration, log io.Writer) error {
	err := Until(ctx, atMost, func(ctx context.Context) error {
		d, err := c.typed.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if !rolledOut(d) {
			return fmt.Errorf("%d of %d pods are available", d.Status.AvailableReplicas, *d.Spec.Replicas)
		}
		return nil
	})
	if err == nil {
		return nil
	}
	err = fmt.Errorf("wait for Deployment %s/%s: %w", namespace, name, err)
	if why := c.describe(context.WithoutCancel(ctx), namespace, log); why != "" {
		err = fmt.Errorf("%w: %s", err, why)
	}
	return err
}

func rolledOut(d *appsv1.Deployment) bool {
	want := int32(1)
	if d.Spec.Replicas != nil {
		want = *d.Spec.Replicas
	}
	s := d.Status
	return s.ObservedGeneration >= d.Generation && s.UpdatedReplicas == want && s.Replicas == want &&
		s.AvailableReplicas == want
}

// describe writes the state of a namespace's pods and its warnings, and returns the first cause that it sees.
func (c *Client) describe(ctx context.Context, namespace string, log io.Writer) string {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cause := ""
	pods, err := c.typed.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		fmt.Fprintln(log, "list pods:", err)
		return ""
	}
	for _, p := range pods.Items {
		fmt.Fprintf(log, "pod %s/%s: %s\n", namespace, p.Name, p.Status.Phase)
		for _, s := range p.Status.ContainerStatuses {
			waiting := s.State.Waiting
			if waiting == nil {
				continue
			}
			fmt.Fprintf(log, "  container %s: %s: %s\n", s.Name, waiting.Reason, waiting.Message)
			if cause == "" {
				cause = waiting.Reason + " " + waiting.Message
			}
			c.tailLog(ctx, namespace, p.Name, s.Name, log)
		}
	}
	events, err := c.typed.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{FieldSelector: "type=" + corev1.EventTypeWarning})
	if err != nil {
		fmt.Fprintln(log, "list events:", err)
		return cause
	}
	for _, e := range events.Items {
		fmt.Fprintf(log, "event %s/%s: %s: %s\n", e.InvolvedObject.Kind, e.InvolvedObject.Name, e.Reason, e.Message)
	}
	return cause
}

func (c *Client) tailLog(ctx context.Context, namespace, pod, container string, log io.Writer) {
	lines := int64(20)
	text, err := c.typed.CoreV1().Pods(namespace).
		GetLogs(pod, &corev1.PodLogOptions{Container: container, TailLines: &lines}).DoRaw(ctx)
	if err == nil {
		fmt.Fprintf(log, "%s\n", text)
	}
}
