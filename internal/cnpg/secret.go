package cnpg

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// LabelReload makes the instance managers read a changed Secret again without a restart.
const LabelReload = "cnpg.io/reload"

// ApplySecret writes a Secret by server-side apply. It is never read back: the answer is dropped.
func (c *Client) ApplySecret(ctx context.Context, secret *corev1.Secret) error {
	key := KeyOf(secret)
	secret = secret.DeepCopy()
	secret.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}
	fields, err := fieldsOf(secret)
	if err != nil {
		return err
	}
	// What is in a Secret of this name is the provider's by its very name, so it takes its fields over.
	err = apply(ctx, c.core, "secrets", key, fields, applyOptions{manager: FieldManager, force: true}, &corev1.Secret{})
	return explain(err, "Secret", key)
}

// DeleteSecret deletes a Secret; it is no error when it is gone already. One that belongs to another Cluster than that with
// the UID owner is left alone. Of the Secret only the metadata are read.
func (c *Client) DeleteSecret(ctx context.Context, key Key, owner types.UID) error {
	return explain(c.deleteOf(ctx, c.core, "secrets", key, owner), "Secret", key)
}
