package cnpg

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// ErrNotTold says that the API server does not tell whether a method is installed: the credentials may not ask, or CNPG itself
// is not there.
var ErrNotTold = errors.New("it cannot be told whether")

// installations are what is known of the methods that a Kubernetes cluster has.
type installations struct{ inTree, plugin question }

// question is put to an API server once, whoever asks it: who asks while another does waits for that answer. Only that somebody may
// not ask is said of one namespace; any other error is not kept.
type question struct {
	mu     sync.Mutex
	known  bool
	answer bool
	denied map[string]error // by namespace
}

func (q *question) ask(namespace string, ask func() (bool, error)) (bool, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.known {
		return q.answer, nil
	}
	if err := q.denied[namespace]; err != nil {
		return false, err
	}
	answer, err := ask()
	switch {
	case err == nil:
		q.known, q.answer = true, answer
	case errors.Is(err, ErrForbidden):
		if q.denied == nil {
			q.denied = map[string]error{}
		}
		q.denied[namespace] = err
	}
	return answer, err
}

// Installed tells whether a Kubernetes cluster has what a method needs, by rights in one namespace alone. A client asks for each
// method once; [ErrNotTold] where there is no answer.
func (c *Client) Installed(ctx context.Context, method Method, namespace string) (bool, error) {
	if method == MethodPlugin {
		return c.installed.plugin.ask(namespace, func() (bool, error) { return c.hasObjectStores(ctx, namespace) })
	}
	return c.installed.inTree.ask(namespace, func() (bool, error) { return c.hasInTreeField(ctx, namespace) })
}

// hasInTreeField tells whether Clusters have the field of CNPG's own support for barman. An object that is to be created is first
// decoded, strictly. This one then is refused for naming another namespace than the request does, before webhooks, quotas and policies
// are asked about it: so nothing of theirs is taken for the answer, nobody's log has an object that nobody wants, and the namespace
// itself need not exist.
func (c *Client) hasInTreeField(ctx context.Context, namespace string) (bool, error) {
	body, err := json.Marshal(map[string]any{
		"apiVersion": ClusterTypeMeta.APIVersion, "kind": ClusterTypeMeta.Kind,
		"metadata": map[string]any{"name": "probe", "namespace": namespace + "-other"},
		"spec":     map[string]any{"backup": map[string]any{"barmanObjectStore": map[string]any{"destinationPath": "s3://probe"}}},
	})
	if err != nil {
		return false, err
	}
	err = c.cnpg.Post().Namespace(namespace).Resource(clusters).
		Param("dryRun", metav1.DryRunAll). // nothing is to come of it anyway
		Param("fieldValidation", metav1.FieldValidationStrict).
		SetHeader("Content-Type", runtime.ContentTypeJSON).
		Body(body).Do(ctx).Error()
	const what = "CloudNativePG has its own support for barman"
	switch {
	case err == nil:
		return true, nil
	case apierrors.IsBadRequest(err) && !unexpected(err):
		return !strings.Contains(err.Error(), `unknown field "spec.backup`), nil
	case apierrors.IsForbidden(err):
		return false, fmt.Errorf("%w %s: %w: %w", ErrNotTold, what, ErrForbidden, err)
	case apierrors.IsNotFound(err) && missesResource(err):
		return false, fmt.Errorf("%w %s: the API server knows no Clusters; is CloudNativePG installed in this cluster? (%w)", ErrNotTold, what, err)
	}
	return false, fmt.Errorf("ask whether %s: %w", what, err)
}

// hasObjectStores tells whether the kind is there that the Barman Cloud plugin brings.
func (c *Client) hasObjectStores(ctx context.Context, namespace string) (bool, error) {
	err := c.barman.Get().Namespace(namespace).Resource(objectStores).Param("limit", "1").Do(ctx).Error()
	const what = "the Barman Cloud plugin is installed"
	switch {
	case err == nil:
		return true, nil
	case apierrors.IsNotFound(err):
		return false, nil
	case apierrors.IsForbidden(err):
		return false, fmt.Errorf("%w %s: %w: %w", ErrNotTold, what, ErrForbidden, err)
	}
	return false, fmt.Errorf("ask whether %s: %w", what, err)
}
