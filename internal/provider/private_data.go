package provider

import (
	"context"
	"encoding/json"

	"github.com/hashicorp/terraform-plugin-framework/diag"
)

// privateState is the private data that Terraform carries for a resource.
type privateState interface {
	GetKey(ctx context.Context, key string) ([]byte, diag.Diagnostics)
	SetKey(ctx context.Context, key string, value []byte) diag.Diagnostics
}

// leavePrivate leaves a value for a later call.
func leavePrivate(ctx context.Context, private privateState, key string, value any, diags *diag.Diagnostics) {
	text, err := json.Marshal(value)
	if err != nil {
		diags.AddError("Unable to Keep Private Data", sentence(err))
		return
	}
	diags.Append(private.SetKey(ctx, key, text)...)
}

// keptPrivate is what was left; the zero value, and false, where nothing was or where it cannot be read.
func keptPrivate[T any](ctx context.Context, private privateState, key string, diags *diag.Diagnostics) (kept T, ok bool) {
	text, d := private.GetKey(ctx, key)
	diags.Append(d...)
	if len(text) == 0 || json.Unmarshal(text, &kept) != nil {
		var none T
		return none, false
	}
	return kept, true
}
