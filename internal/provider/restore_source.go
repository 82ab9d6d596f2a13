package provider

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/objectplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// sourceModel is what a restore is made from: exactly one of the first three.
type sourceModel struct {
	Database          types.String `tfsdk:"database"`
	Backup            types.String `tfsdk:"backup"`
	ObjectStore       types.Object `tfsdk:"object_store"`
	CredentialsSecret types.Object `tfsdk:"credentials_secret"`
}

// sourceStore names an archive by its place.
type sourceStore struct {
	storeOverride
	ServerName types.String `tfsdk:"server_name"`
}

var sourceStoreTypes = func() map[string]attr.Type {
	all := map[string]attr.Type{"server_name": types.StringType}
	for name, kind := range storeOverrideTypes {
		all[name] = kind
	}
	return all
}()

var sourceTypes = map[string]attr.Type{
	"database":           types.StringType,
	"backup":             types.StringType,
	"object_store":       types.ObjectType{AttrTypes: sourceStoreTypes},
	"credentials_secret": types.ObjectType{AttrTypes: credentialsSecretTypes},
}

func sourceAttribute() schema.SingleNestedAttribute {
	store := storeOverrideAttribute(keysOfSource)
	store.MarkdownDescription = "The archive of a database that may be gone, by its place in S3, which need not be the one that the new database archives to. " +
		"What is not set here is the provider's, as in `backup.object_store`. Nothing is known of that database but what its backups tell, " +
		"so `database_name`, `owner`, `backup` and `storage` (or `tier`) must be set. Default: none."
	store.Attributes["server_name"] = schema.StringAttribute{
		Required: true, MarkdownDescription: "Folder of the archive under `destination_path`.", Validators: []validator.String{isServerName()},
	}
	secret := credentialsSecretAttribute()
	secret.MarkdownDescription = "An existing Secret in the new database's namespace with the S3 keys that its pods read the archive with, where these are others than those that they write with. " +
		"It is never read or written here. Default: the keys that they write with."
	return schema.SingleNestedAttribute{
		Required:            true,
		MarkdownDescription: "What is restored: exactly one of `database`, `backup` and `object_store`. Changing it restores anew.",
		PlanModifiers:       []planmodifier.Object{objectplanmodifier.RequiresReplace()},
		Attributes: map[string]schema.Attribute{
			"database": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "A living database, `namespace/name`: the `id` of a `pgplatform_database` or `pgplatform_restore`. Default: none.",
				Validators:          []validator.String{isKey()},
			},
			"backup": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "A base backup, `namespace/name`: the `id` of a `pgplatform_backup`. Without a target, exactly that backup is restored. " +
					"The database that it was taken of may be gone. Default: none.",
				Validators: []validator.String{isKey()},
			},
			"object_store":       store,
			"credentials_secret": secret,
		},
		Validators: []validator.Object{oneSource{}},
	}
}

// oneSource holds a source to exactly one of what a restore can be made from.
type oneSource struct{}

func (oneSource) Description(context.Context) string {
	return "must have exactly one of database, backup and object_store"
}

func (v oneSource) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

// ValidateObject waits for what is not known yet, which may turn out as null.
func (oneSource) ValidateObject(_ context.Context, req validator.ObjectRequest, resp *validator.ObjectResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	var set []string
	known := true
	for _, name := range []string{"database", "backup", "object_store"} {
		switch value := req.ConfigValue.Attributes()[name]; {
		case value.IsUnknown():
			known = false
		case !value.IsNull():
			set = append(set, name)
		}
	}
	switch {
	case len(set) > 1:
		resp.Diagnostics.AddAttributeError(req.Path, "Invalid Source",
			fmt.Sprintf("Attribute %s has %s, and a restore is made from one source: leave only one of them.", req.Path, strings.Join(set, " and ")))
	case len(set) == 0 && known:
		resp.Diagnostics.AddAttributeError(req.Path, "Invalid Source",
			fmt.Sprintf("Attribute %s does not say what is restored: set exactly one of database, backup and object_store in it.", req.Path))
	}
}

// source is what the configuration restores from; unknown tells that a part of it is not known yet.
func (m *restoreModel) source(ctx context.Context, diags *diag.Diagnostics) (source sourceModel, store *sourceStore, ok bool) {
	if !whole(ctx, m.Source, &source, diags) {
		return source, nil, false
	}
	if !source.ObjectStore.IsNull() {
		store = &sourceStore{}
		diags.Append(optional(ctx, source.ObjectStore, store)...)
	}
	return source, store, !diags.HasError()
}
