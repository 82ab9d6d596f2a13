package kube

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// The ConfigMap in which the platform notes what it has applied, so that it need not be applied again.
const (
	recordNamespace = "kube-system"
	recordName      = "pgplatform"
)

// Noted returns what was noted under key, empty where nothing was.
func (c *Client) Noted(ctx context.Context, key string) (string, error) {
	m, err := c.typed.CoreV1().ConfigMaps(recordNamespace).Get(ctx, recordName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read what was applied before: %w", err)
	}
	return m.Data[key], nil
}

// Note keeps value under key. Keys are noted one by one, by a field manager each.
func (c *Client) Note(ctx context.Context, key, value string) error {
	o := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": recordName, "namespace": recordNamespace},
		"data":     map[string]any{key: value},
	}}
	if err := c.applyAs(ctx, o, fieldManager+"-"+key); err != nil {
		return fmt.Errorf("note what was applied: %w", err)
	}
	return nil
}

// HasDeployment tells whether the Deployment exists.
func (c *Client) HasDeployment(ctx context.Context, namespace, name string) (bool, error) {
	_, err := c.typed.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// DryRun asks the API server, and the admission webhooks behind it, whether it would make the object.
func (c *Client) DryRun(ctx context.Context, o *unstructured.Unstructured) error {
	kind := o.GroupVersionKind()
	mapping, err := c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		// The kind may have been made since the mapper looked.
		c.mapper.Reset()
		return err
	}
	_, err = c.dynamic.Resource(mapping.Resource).Namespace(o.GetNamespace()).
		Create(ctx, o, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldManager: fieldManager})
	return err
}
