package cnpg

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// LabelReload makes the instance managers read a changed Secret again without a restart.
const LabelReload = "cnpg.io/reload"

// ApplySecret writes a Secret by server-side apply. It is never read back: the answer is dropped. A field that another
// manager owns is a [ConflictError], unless the Secret is one that [FieldManager] has applied before, which is its own, or
// force takes it over.
func (c *Client) ApplySecret(ctx context.Context, secret *corev1.Secret, force bool) error {
	key := KeyOf(secret)
	secret = secret.DeepCopy()
	secret.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}
	fields, err := fieldsOf(secret)
	if err != nil {
		return err
	}
	err = apply(ctx, c.core, "secrets", key, fields, applyOptions{manager: FieldManager, force: force}, &corev1.Secret{})
	if len(fieldConflicts(err)) > 0 {
		live, askErr := c.metadata(ctx, c.core, "secrets", key)
		if askErr == nil && Applied(live) {
			fields = atVersion(fields, live.ResourceVersion)
			err = apply(ctx, c.core, "secrets", key, fields, applyOptions{manager: FieldManager, force: true}, &corev1.Secret{})
		}
	}
	return explain(err, "Secret", key)
}

// ForeignSecret tells whether there is a Secret that [FieldManager] has never applied. One that may not be read counts as none.
func (c *Client) ForeignSecret(ctx context.Context, key Key) (bool, error) {
	live, err := c.metadata(ctx, c.core, "secrets", key)
	switch {
	case apierrors.IsNotFound(err), apierrors.IsForbidden(err):
		return false, nil
	case err != nil:
		return false, explain(err, "Secret", key)
	}
	return !Applied(live), nil
}

// DeleteSecret deletes a Secret that [FieldManager] has applied, and leaves that of anybody else; it is no error when it is
// gone already. One that belongs to another Cluster than that with the UID owner is left alone.
func (c *Client) DeleteSecret(ctx context.Context, key Key, owner types.UID) error {
	return explain(c.deleteApplied(ctx, c.core, "secrets", key, owner), "Secret", key)
}
