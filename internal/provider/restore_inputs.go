package provider

import (
	"context"
	"encoding/json"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// restoreInputs are what a restore was configured with, as [cnpg.AnnotationRestore] keeps it: Kubernetes has no other place
// for the writing of a target, nor for how Terraform reaches the source's archive.
type restoreInputs struct {
	Database          *string       `json:"database,omitempty"`
	Backup            *string       `json:"backup,omitempty"`
	ObjectStore       *keptOverride `json:"object_store,omitempty"`
	ServerName        *string       `json:"server_name,omitempty"`
	CredentialsSecret *keptSecret   `json:"credentials_secret,omitempty"`
	TargetTime        *string       `json:"target_time,omitempty"`
	TargetLSN         *string       `json:"target_lsn,omitempty"`
	TargetXID         *string       `json:"target_xid,omitempty"`
	TargetName        *string       `json:"target_name,omitempty"`
	Exclusive         bool          `json:"exclusive,omitempty"`
	TargetTimeline    *int64        `json:"target_timeline,omitempty"`
	BackupID          *string       `json:"backup_id,omitempty"`
}

// keptSecret names a Secret, and where in it the keys stand.
type keptSecret struct {
	Name               string `json:"name"`
	AccessKeyIDKey     string `json:"access_key_id_key"`
	SecretAccessKeyKey string `json:"secret_access_key_key"`
}

func (i restoreInputs) annotation() string {
	text, err := json.Marshal(i)
	if err != nil {
		return "" // strings, numbers and booleans can always be encoded
	}
	return string(text)
}

// mean tells whether the inputs are the same ones, in whatever writing.
func (i restoreInputs) mean(other restoreInputs) bool {
	same := func(kind semanticKind, a, b **string) {
		if *a != nil && *b != nil && kind.same(**a, **b) {
			*b = *a
		}
	}
	same(kindInstant, &i.TargetTime, &other.TargetTime)
	same(kindLSN, &i.TargetLSN, &other.TargetLSN)
	if i.ObjectStore != nil && other.ObjectStore != nil {
		store := *other.ObjectStore
		same(kindLocation, &i.ObjectStore.DestinationPath, &store.DestinationPath)
		other.ObjectStore = &store
	}
	return i.annotation() == other.annotation()
}

// parseInputs are those of an annotation; one that cannot be read says nothing.
func parseInputs(annotation string) restoreInputs {
	var kept restoreInputs
	if annotation != "" && json.Unmarshal([]byte(annotation), &kept) != nil {
		return restoreInputs{}
	}
	return kept
}

func (m *restoreModel) inputs(ctx context.Context, diags *diag.Diagnostics) restoreInputs {
	source, store, _ := m.source(ctx, diags)
	inputs := restoreInputs{
		Database: source.Database.ValueStringPointer(), Backup: source.Backup.ValueStringPointer(),
		TargetTime: m.TargetTime.ValueStringPointer(), TargetLSN: m.TargetLSN.ValueStringPointer(),
		TargetXID: m.TargetXID.ValueStringPointer(), TargetName: m.TargetName.ValueStringPointer(),
		Exclusive: !m.TargetInclusive.ValueBool(), TargetTimeline: m.TargetTimeline.ValueInt64Pointer(), BackupID: m.BackupID.ValueStringPointer(),
	}
	if store != nil {
		kept := store.kept()
		inputs.ObjectStore, inputs.ServerName = &kept, store.ServerName.ValueStringPointer()
	}
	var secret credentialsSecretModel
	if diags.Append(optional(ctx, source.CredentialsSecret, &secret)...); secret.Name.ValueString() != "" {
		inputs.CredentialsSecret = &keptSecret{secret.Name.ValueString(), secret.AccessKeyIDKey.ValueString(), secret.SecretAccessKeyKey.ValueString()}
	}
	return inputs
}

// take makes the inputs those of the model; nothing where there are none.
func (m *restoreModel) take(i restoreInputs) {
	if i.Database == nil && i.Backup == nil && i.ObjectStore == nil {
		return
	}
	store, secret := types.ObjectNull(sourceStoreTypes), types.ObjectNull(credentialsSecretTypes)
	if i.ObjectStore != nil {
		attributes := i.ObjectStore.override().attributes()
		attributes["server_name"] = types.StringPointerValue(i.ServerName)
		store = types.ObjectValueMust(sourceStoreTypes, attributes)
	}
	if s := i.CredentialsSecret; s != nil {
		secret = types.ObjectValueMust(credentialsSecretTypes, map[string]attr.Value{
			"name": types.StringValue(s.Name), "access_key_id_key": types.StringValue(s.AccessKeyIDKey), "secret_access_key_key": types.StringValue(s.SecretAccessKeyKey),
		})
	}
	m.Source = types.ObjectValueMust(sourceTypes, map[string]attr.Value{
		"database": types.StringPointerValue(i.Database), "backup": types.StringPointerValue(i.Backup), "object_store": store, "credentials_secret": secret,
	})
	m.TargetTime, m.TargetLSN = instantType.pointer(i.TargetTime), lsnType.pointer(i.TargetLSN)
	m.TargetXID, m.TargetName, m.BackupID = types.StringPointerValue(i.TargetXID), types.StringPointerValue(i.TargetName), types.StringPointerValue(i.BackupID)
	m.TargetInclusive = types.BoolValue(!i.Exclusive)
	m.TargetTimeline = wholeNumber{Int64Value: types.Int64PointerValue(i.TargetTimeline)}
}
