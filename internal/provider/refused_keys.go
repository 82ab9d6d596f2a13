package provider

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// refusedKeys are keys of S3 in a resource or data source, which would come into the state. Terraform drops without a word what an
// object has and its schema does not, so there are attributes for them that take no value. They are null in every model.
type refusedKeys struct {
	AccessKeyID     types.String `tfsdk:"access_key_id"`
	SecretAccessKey types.String `tfsdk:"secret_access_key"`
	SessionToken    types.String `tfsdk:"session_token"`
}

var refusedKeyTypes = map[string]attr.Type{"access_key_id": types.StringType, "secret_access_key": types.StringType, "session_token": types.StringType}

// refusedKeyDescription is that of each of them.
const refusedKeyDescription = "Refused whatever it is: a key would be kept in Terraform's state."

// refusesKey is a validator of an attribute that takes no value; instead is what to do.
type refusesKey struct{ instead string }

func (v refusesKey) Description(context.Context) string { return "must not be set" }

func (v refusesKey) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

// ValidateString refuses what is not known yet too: it would be by the time that it comes into the state.
func (v refusesKey) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() {
		return
	}
	resp.Diagnostics.AddAttributeError(req.Path, "Key in the Configuration of a Resource or Data Source",
		fmt.Sprintf("Attribute %s: no key is taken here, since Terraform keeps in its state what resources and data sources are configured with. %s.", req.Path, v.instead))
}

// What to do instead of naming a key.
const (
	keysOfBackups = "The pods have the keys of the Secret that backup.credentials_secret names, or those of the provider's object_store; " +
		"Terraform itself has the provider's, or those of profile or assume_role here"
	keysOfSource = "Terraform reads the archive with the keys of the provider's object_store, where a second provider block with an alias may have others, " +
		"or with profile or assume_role here; the pods have those of the Secret that source.credentials_secret names"
	keysOfList = "The archive is listed with the keys of the provider's object_store, where a second provider block with an alias may have others, " +
		"or with profile or assume_role here"
)
