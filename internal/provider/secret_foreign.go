package provider

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// foreignSecretError is a Secret that has the name of one which the provider is to write, and is somebody else's.
type foreignSecretError struct {
	key cnpg.Key
	// mayForce tells that force_conflicts takes it over.
	mayForce bool
}

func (e *foreignSecretError) Error() string {
	return fmt.Sprintf("the Secret %s exists, and the provider has not made it", e.key)
}

// freeForSecret is a [foreignSecretError] where the name of a Secret of the provider's is taken: to write it would mix keys, and a
// destroy would delete what somebody else keeps there.
func freeForSecret(ctx context.Context, client *cnpg.Client, key cnpg.Key, mayForce bool) error {
	foreign, err := client.ForeignSecret(ctx, key)
	if err == nil && foreign {
		err = &foreignSecretError{key: key, mayForce: mayForce}
	}
	return err
}

// freeForSecret looks whether a database may have the Secret with its pods' keys, where it needs one and does not take it over.
func (a archiveLocation) freeForSecret(ctx context.Context, client *cnpg.Client, of *databaseModel) error {
	if a.store == nil || len(a.store.secretData()) == 0 || of.ForceConflicts.ValueBool() {
		return nil
	}
	key := of.key()
	return freeForSecret(ctx, client, cnpg.Key{Namespace: key.Namespace, Name: cnpg.CredentialsSecretName(key.Name)}, true)
}

// freeForSecret looks whether a restored database may have the Secret that it reads the archive with, where it needs one.
func (o *origin) freeForSecret(ctx context.Context, client *cnpg.Client, of cnpg.Key) error {
	if o.own || len(o.store.secretData()) == 0 {
		return nil
	}
	return freeForSecret(ctx, client, cnpg.Key{Namespace: of.Namespace, Name: originSecretName(of.Name)}, false)
}

// refuseOwnSecret refuses to read the pods' keys from a Secret that the provider itself writes for the database, and removes.
func refuseOwnSecret(ctx context.Context, database types.String, secret types.Object, at path.Path, diags *diag.Diagnostics) {
	var named credentialsSecretModel
	if !whole(ctx, secret, &named, diags) || !known(database) {
		return
	}
	if name := named.Name.ValueString(); name == cnpg.CredentialsSecretName(database.ValueString()) || name == originSecretName(database.ValueString()) {
		diags.AddAttributeError(at.AtName("name"), "Secret of the Provider's Own",
			fmt.Sprintf("%s.name: the Secret %s is one that the provider itself writes for this database, and removes. Give yours another name.", at, name))
	}
}
