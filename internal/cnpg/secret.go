package cnpg

import (
	"context"
	"fmt"

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
	case apierrors.IsNotFound(err):
		return false, nil
	case apierrors.IsForbidden(err):
		DoWithout(ctx, err, fmt.Sprintf("whether there is a Secret %s of somebody else's was not looked at", key))
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

// Login is a role of PostgreSQL with its password.
type Login struct{ Username, Password string }

// String and GoString keep the password out of anything that prints the login.
func (l Login) String() string { return l.Username }

// GoString is String.
func (l Login) GoString() string { return l.String() }

// GetLogin reads a Secret of the form of Kubernetes' basic-auth, which is what CNPG takes a role's password from. [ErrNotFound]
// where there is none; it needs the right to get it.
func (c *Client) GetLogin(ctx context.Context, key Key) (Login, error) {
	secret := &corev1.Secret{}
	if err := c.get(ctx, c.core, "secrets", key, secret); err != nil {
		return Login{}, explain(err, "Secret", key)
	}
	for _, entry := range []string{corev1.BasicAuthUsernameKey, corev1.BasicAuthPasswordKey} {
		if len(secret.Data[entry]) == 0 {
			return Login{}, fmt.Errorf("Secret %s: it has no %s", key, entry)
		}
	}
	return Login{Username: string(secret.Data[corev1.BasicAuthUsernameKey]), Password: string(secret.Data[corev1.BasicAuthPasswordKey])}, nil
}
