package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const lookAgain = 250 * time.Millisecond

// errHopeless ends waiting before its time.
var errHopeless = errors.New("no use waiting")

// Until calls try until it returns no error, atMost has passed or ctx ends; then the error is the last one of try.
func Until(ctx context.Context, atMost time.Duration, try func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	var last error
	for {
		err := try(ctx)
		if err == nil || errors.Is(err, errHopeless) {
			return err
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

// WaitForDefinitions waits until the API server serves the kinds that the CustomResourceDefinitions define.
func (c *Client) WaitForDefinitions(ctx context.Context, definitions []*unstructured.Unstructured, atMost time.Duration) error {
	return Until(ctx, atMost, func(ctx context.Context) error {
		for _, d := range definitions {
			mapping, err := c.mapper.RESTMapping(d.GroupVersionKind().GroupKind(), d.GroupVersionKind().Version)
			if err != nil {
				return err
			}
			there, err := c.dynamic.Resource(mapping.Resource).Get(ctx, d.GetName(), metav1.GetOptions{})
			if err != nil {
				return fmt.Errorf("look for %s: %w", d.GetName(), err)
			}
			if !established(there) {
				return fmt.Errorf("%s is not established", d.GetName())
			}
		}
		return nil
	})
}

func established(definition *unstructured.Unstructured) bool {
	// What has no conditions yet is not.
	conditions, _, _ := unstructured.NestedSlice(definition.Object, "status", "conditions")
	return slices.ContainsFunc(conditions, func(c any) bool {
		condition, _ := c.(map[string]any)
		return condition["type"] == "Established" && condition["status"] == "True"
	})
}

// HasDeployment tells whether the Deployment exists.
func (c *Client) HasDeployment(ctx context.Context, namespace, name string) (bool, error) {
	_, err := c.typed.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// WaitForDeployment waits until all replicas of the Deployment are available in their current form. Where that
// does not happen, what its pods and the namespace's events say is written to log.
func (c *Client) WaitForDeployment(ctx context.Context, namespace, name string, atMost time.Duration, log io.Writer) error {
	refusals := 0
	err := Until(ctx, atMost, func(ctx context.Context) error {
		d, err := c.typed.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if !rolledOut(d) {
			if refused := c.imageRefused(ctx, namespace); refused == "" {
				refusals = 0
			} else if refusals++; refusals > patience {
				return fmt.Errorf("%w: %s", errHopeless, refused)
			}
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

// patience is how many looks in a row must see an image refused: registries have weak moments, and the kubelet
// tries again after ten seconds and then twenty.
const patience = int(45 * time.Second / lookAgain)

// imageRefused tells why an image of the namespace's pods cannot be had; nothing where none is refused or the pods
// cannot be seen.
func (c *Client) imageRefused(ctx context.Context, namespace string) string {
	pods, err := c.typed.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return ""
	}
	for _, p := range pods.Items {
		for _, s := range p.Status.ContainerStatuses {
			if w := s.State.Waiting; w != nil && (w.Reason == "ImagePullBackOff" || w.Reason == "ErrImagePull") {
				return fmt.Sprintf("the image %s cannot be pulled: %s", s.Image, w.Message)
			}
		}
	}
	return ""
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
