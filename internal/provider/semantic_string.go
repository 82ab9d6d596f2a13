package provider

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/recovery"
)

// semanticStringType is a string of which several writings mean the same: a schedule in five or six fields, a quantity,
// an instant, a duration, a WAL location, a path in S3. The writing of the configuration is kept, whatever the writing that Kubernetes keeps.
type semanticStringType struct {
	basetypes.StringType
	kind semanticKind
}

// semanticKind names a way to tell whether two writings mean the same.
type semanticKind string

const (
	kindSchedule semanticKind = "schedule"
	kindQuantity semanticKind = "quantity"
	kindInstant  semanticKind = "instant"
	kindDuration semanticKind = "duration"
	kindLSN      semanticKind = "lsn"
	kindLocation semanticKind = "location"
)

// The types of attributes whose values may be written in several ways.
var (
	scheduleType = semanticStringType{kind: kindSchedule}
	quantityType = semanticStringType{kind: kindQuantity}
	instantType  = semanticStringType{kind: kindInstant}
	durationType = semanticStringType{kind: kindDuration}
	lsnType      = semanticStringType{kind: kindLSN}
	locationType = semanticStringType{kind: kindLocation}
)

var (
	_ basetypes.StringTypable                    = semanticStringType{}
	_ basetypes.StringValuableWithSemanticEquals = semanticString{}
)

// same tells whether two writings mean the same. A writing that is not valid equals only itself.
func (k semanticKind) same(a, b string) bool {
	if a == b {
		return true
	}
	switch k {
	case kindSchedule:
		x, errX := renderSchedule(a)
		y, errY := renderSchedule(b)
		return errX == nil && errY == nil && x == y
	case kindQuantity:
		x, errX := parseQuantity(a)
		y, errY := parseQuantity(b)
		return errX == nil && errY == nil && x.Cmp(y) == 0
	case kindInstant:
		x, errX := parseInstant(a)
		y, errY := parseInstant(b)
		return errX == nil && errY == nil && x.Equal(y)
	case kindDuration:
		x, errX := parseDuration(a)
		y, errY := parseDuration(b)
		return errX == nil && errY == nil && x.Cmp(y) == 0
	case kindLSN:
		x, errX := recovery.ParseLSN(a)
		y, errY := recovery.ParseLSN(b)
		return errX == nil && errY == nil && x == y
	case kindLocation:
		return sameLocation(a, b)
	}
	return false
}

func (t semanticStringType) Equal(o attr.Type) bool {
	other, ok := o.(semanticStringType)
	return ok && t.kind == other.kind
}

func (t semanticStringType) String() string { return "provider." + string(t.kind) }

func (t semanticStringType) ValueType(context.Context) attr.Value {
	return semanticString{kind: t.kind}
}

func (t semanticStringType) ValueFromString(_ context.Context, v basetypes.StringValue) (basetypes.StringValuable, diag.Diagnostics) {
	return semanticString{StringValue: v, kind: t.kind}, nil
}

func (t semanticStringType) ValueFromTerraform(ctx context.Context, in tftypes.Value) (attr.Value, error) {
	v, err := t.StringType.ValueFromTerraform(ctx, in)
	if err != nil {
		return nil, err
	}
	s, ok := v.(basetypes.StringValue)
	if !ok {
		return nil, fmt.Errorf("unexpected value type %T", v)
	}
	return semanticString{StringValue: s, kind: t.kind}, nil
}

func (t semanticStringType) value(s string) semanticString {
	return semanticString{StringValue: basetypes.NewStringValue(s), kind: t.kind}
}

// pointer is null for nil.
func (t semanticStringType) pointer(s *string) semanticString {
	return semanticString{StringValue: basetypes.NewStringPointerValue(s), kind: t.kind}
}

func (t semanticStringType) null() semanticString {
	return semanticString{StringValue: basetypes.NewStringNull(), kind: t.kind}
}

func (t semanticStringType) unknown() semanticString {
	return semanticString{StringValue: basetypes.NewStringUnknown(), kind: t.kind}
}

// typed gives the zero value of a semantic string its kind.
func typed(v semanticString, t semanticStringType) semanticString {
	v.kind = t.kind
	return v
}

type semanticString struct {
	basetypes.StringValue
	kind semanticKind
}

func (v semanticString) Type(context.Context) attr.Type { return semanticStringType{kind: v.kind} }

func (v semanticString) Equal(o attr.Value) bool {
	other, ok := o.(semanticString)
	return ok && v.kind == other.kind && v.StringValue.Equal(other.StringValue)
}

func (v semanticString) StringSemanticEquals(_ context.Context, o basetypes.StringValuable) (bool, diag.Diagnostics) {
	other, ok := o.(semanticString)
	return ok && v.same(other), nil
}

// same is false for what is not there or not known.
func (v semanticString) same(other semanticString) bool {
	for _, s := range []semanticString{v, other} {
		if s.IsNull() || s.IsUnknown() {
			return false
		}
	}
	return v.kind.same(v.ValueString(), other.ValueString())
}

// keepSameMeaning plans no change where the configuration is only written differently from what is in state.
type keepSameMeaning struct{ kind semanticKind }

func (m keepSameMeaning) Description(context.Context) string {
	return "Another writing of the same value is no change."
}

func (m keepSameMeaning) MarkdownDescription(ctx context.Context) string { return m.Description(ctx) }

func (m keepSameMeaning) PlanModifyString(_ context.Context, req planmodifier.StringRequest, resp *planmodifier.StringResponse) {
	if req.StateValue.IsNull() || req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	if m.kind.same(req.StateValue.ValueString(), req.ConfigValue.ValueString()) {
		resp.PlanValue = req.StateValue
	}
}
