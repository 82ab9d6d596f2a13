package provider

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"k8s.io/apimachinery/pkg/api/resource"
)

func parseQuantity(s string) (resource.Quantity, error) {
	q, err := resource.ParseQuantity(s)
	if err != nil {
		return q, fmt.Errorf("%q is no Kubernetes quantity", s)
	}
	if q.Sign() <= 0 {
		return q, fmt.Errorf("%q is not more than nothing", s)
	}
	return q, nil
}

// parseSize reads a quantity of bytes. A bare number is refused: 10 would be ten bytes, and was meant as something else.
func parseSize(s string) (resource.Quantity, error) {
	q, err := parseQuantity(s)
	if err == nil && q.Value() < 1<<20 {
		err = fmt.Errorf("%q is less than 1Mi; a size needs a unit", s)
	}
	if err != nil {
		return q, fmt.Errorf("%w: write a size such as 10Gi or 500Mi", err)
	}
	return q, nil
}

func parseCPU(s string) (resource.Quantity, error) {
	q, err := parseQuantity(s)
	if err != nil {
		return q, fmt.Errorf("%w: write cores such as 2, 0.5 or 250m", err)
	}
	return q, nil
}

func parseInstant(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return t, fmt.Errorf("%q is no time in RFC 3339 with a zone: write it as 2026-03-26T12:00:00Z or 2026-03-26T13:00:00.123456+01:00", s)
	}
	if t.Nanosecond()%1000 != 0 {
		return t, errors.New("PostgreSQL's clock knows no fraction smaller than a microsecond: write at most six digits after the second")
	}
	return t, nil
}

// parses is a validator: the value must be accepted by a parser, whose error says what is wrong.
type parses struct {
	what  string
	parse func(string) error
}

func (v parses) Description(context.Context) string { return "must be " + v.what }

func (v parses) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

func (v parses) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	if err := v.parse(req.ConfigValue.ValueString()); err != nil {
		resp.Diagnostics.AddAttributeError(req.Path, "Invalid Attribute Value", fmt.Sprintf("Attribute %s: %s.", req.Path, err))
	}
}

func isSize() validator.String {
	return parses{"a size such as 10Gi", func(s string) error { _, err := parseSize(s); return err }}
}

func isCPU() validator.String {
	return parses{"cores such as 250m", func(s string) error { _, err := parseCPU(s); return err }}
}

func isInstant() validator.String {
	return parses{"a time in RFC 3339", func(s string) error { _, err := parseInstant(s); return err }}
}
