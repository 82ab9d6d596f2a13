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
