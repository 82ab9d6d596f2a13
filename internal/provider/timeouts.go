package provider

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
)

// timeoutsAttribute is the attribute of the field's own library, which says of a bad value not where it stands, and takes
// times that are over before anything begins.
func timeoutsAttribute(ctx context.Context, opts timeouts.Opts) schema.Attribute {
	all := timeouts.Attributes(ctx, opts)
	nested, ok := all.(schema.SingleNestedAttribute)
	if !ok {
		return all
	}
	nested.MarkdownDescription = "How long each operation may take, in hours, minutes and seconds, such as `1h30m`. Default: that of each. Changing them touches nothing in Kubernetes."
	for name, attribute := range nested.Attributes {
		if limit, ok := attribute.(schema.StringAttribute); ok {
			limit.Validators = []validator.String{isTimeout()}
			nested.Attributes[name] = limit
		}
	}
	return nested
}

func isTimeout() validator.String {
	return parses{"a time such as 45m", func(s string) error {
		if limit, err := time.ParseDuration(s); err != nil || limit <= 0 {
			return fmt.Errorf("%q is no time to wait for: write hours, minutes and seconds, such as 1h30m, 45m or 90s", s)
		}
		return nil
	}}
}
