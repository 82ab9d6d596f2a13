package provider_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/defaults"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/provider"
)

// How descriptions say what the reader asks for. What an attribute is by default is in a sentence that begins with Default
// or Unset; what changing it does, in one that begins with Changing, Changed in place or It cannot be changed, of the attribute
// or of the one that it lies in.
var (
	saysDefault = regexp.MustCompile(`(^|[.:;] |, )(Default|Unset)\b|^Refused whatever it is`)
	saysChange  = regexp.MustCompile(`(^|[.;]\s+)(Changing (it|them|where)\b|Changed in place|[Ii]t cannot be changed)|^Refused whatever it is`)
	// saysUnit is what a number counts or, of a port and a timeline, whose number it is; unitOf is what the quantities that are texts
	// are in. A time is in hours, minutes and seconds.
	saysUnit = regexp.MustCompile(`(?i)\b(in bytes|in seconds|days|number of|how many|only so many|port of|timeline)\b`)
	unitOf   = map[string]*regexp.Regexp{
		"size":   regexp.MustCompile(`\bin bytes, with a suffix\b`),
		"memory": regexp.MustCompile(`\bin bytes, with a suffix\b`),
		"cpu":    regexp.MustCompile(`\bin cores\b`),
	}
	saysTime    = regexp.MustCompile(`\b[Ii]n hours, minutes and seconds\b`)
	saysReplace = regexp.MustCompile(`makes a new database|restores anew|takes another backup`)
)

// Each description tells the default, the unit of what is measured, and of what is kept in a state, what changing it does.
func TestDescriptions(t *testing.T) {
	t.Parallel()
	schemas := providerSchemas(t)
	told := 0
	each := func(of string, block *tfprotov6.SchemaBlock, changes bool) {
		if block.Description == "" {
			t.Errorf("%s has no description", of)
		}
		told += len(describe(t, of, block.Attributes, !changes))
	}
	each("provider", schemas.Provider.Block, true) // what it says is of every database
	for name, s := range schemas.ResourceSchemas {
		each(name, s.Block, true)
	}
	for name, s := range schemas.DataSourceSchemas {
		each("data."+name, s.Block, false)
	}
	for name, s := range schemas.EphemeralResourceSchemas {
		each("ephemeral."+name, s.Block, false)
	}
	if told < 200 {
		t.Errorf("only %d attributes were looked at", told)
	}
}

// describe checks the descriptions of attributes; changeTold says that what they lie in tells what a change does.
func describe(t *testing.T, at string, attributes []*tfprotov6.SchemaAttribute, changeTold bool) []string {
	t.Helper()
	var seen []string
	for _, a := range attributes {
		path := at + "." + a.Name
		seen = append(seen, path)
		for _, wrong := range wrongIn(at, a, changeTold) {
			t.Errorf("%s: %s: %s", path, wrong, a.Description)
		}
		if a.NestedType != nil {
			seen = append(seen, describe(t, path, a.NestedType.Attributes, changeTold || saysChange.MatchString(a.Description))...)
		}
	}
	return seen
}

// wrongIn is what the description of an attribute that lies at a path lacks.
func wrongIn(at string, a *tfprotov6.SchemaAttribute, changeTold bool) []string {
	var wrong []string
	if !strings.HasSuffix(a.Description, ".") {
		wrong = append(wrong, "no sentence")
	}
	if a.Optional && !saysDefault.MatchString(a.Description) {
		wrong = append(wrong, "no word on what it is by default")
	}
	unit := unitOf[a.Name]
	switch {
	case a.Type != nil && a.Type.Is(tftypes.Number):
		unit = saysUnit
	case strings.HasSuffix(at, ".timeouts"):
		unit = saysTime
	}
	if unit != nil && !unit.MatchString(a.Description) {
		wrong = append(wrong, "no word on its unit")
	}
	if (a.Optional || a.Required) && !changeTold && !saysChange.MatchString(a.Description) {
		wrong = append(wrong, "no word on what changing it does")
	}
	return wrong
}

// What is not said is found.
func TestDescriptionsThatAreWrong(t *testing.T) {
	t.Parallel()
	for description, want := range map[string]string{
		"":                           "no sentence, no word on what it is by default, no word on what changing it does",
		"Size.":                      "no word on what it is by default, no word on what changing it does",
		"Size. Default: the tier's.": "no word on what changing it does",
		"Size. Changed in place.":    "no word on what it is by default",
		"Size. Default: the tier's. Changed in place.":                                     "",
		"Size. Unset: none. Changing it makes a new database.":                             "",
		"Size, by Default. It may be Changing it":                                          "no sentence, no word on what it is by default, no word on what changing it does",
		"Size. Default `1Gi`. It cannot be changed: the plan is refused.":                  "",
		"Refused whatever it is: a key would be kept in Terraform's state.":                "",
		"Size. The default is 1Gi, and whoever is Changing it must know it. It is in GiB.": "no word on what it is by default, no word on what changing it does",
	} {
		got := strings.Join(wrongIn("resource", &tfprotov6.SchemaAttribute{Name: "a", Type: tftypes.String, Optional: true, Description: description}, false), ", ")
		if got != want {
			t.Errorf("%q: %q instead of %q", description, got, want)
		}
	}
}

// A unit that is not said is found.
func TestUnitsThatAreNotSaid(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		at, name    string
		of          tftypes.Type
		description string
		said        bool
	}{
		{"database", "max_parallel", tftypes.Number, "Segments at the same time.", false},
		{"database", "max_parallel", tftypes.Number, "How many segments at the same time.", true},
		{"database", "delay", tftypes.Number, "Delay before the second try.", false},
		{"database", "delay", tftypes.Number, "Delay, in seconds.", true},
		{"database.storage", "size", tftypes.String, "Size, such as `10Gi`.", false},
		{"database.storage", "size", tftypes.String, "Size in bytes, with a suffix such as in `10Gi`.", true},
		{"database.resources", "memory", tftypes.String, "Memory in cores.", false},
		{"database.resources", "memory", tftypes.String, "Memory in bytes, with a suffix such as in `1Gi`.", true},
		{"database.resources", "cpu", tftypes.String, "CPU, such as `500m`.", false},
		{"database.resources", "cpu", tftypes.String, "CPU in cores.", true},
		{"database.timeouts", "create", tftypes.String, "Default `30m`.", false},
		{"database.timeouts", "create", tftypes.String, "In hours, minutes and seconds. Default `30m`.", true},
		{"database", "create", tftypes.String, "Default `30m`.", true},
	} {
		attribute := &tfprotov6.SchemaAttribute{Name: c.name, Type: c.of, Computed: true, Description: c.description}
		want := "no word on its unit"
		if c.said {
			want = ""
		}
		if got := strings.Join(wrongIn(c.at, attribute, true), ", "); got != want {
			t.Errorf("%s.%s, %q: %q instead of %q", c.at, c.name, c.description, got, want)
		}
	}
}

// What a description says of a default and of a replacement is what the schema does.
func TestDescriptionsAreTrue(t *testing.T) {
	t.Parallel()
	var replaced, defaulted int
	for _, construct := range provider.New("test")().Resources(t.Context()) {
		var answer resource.SchemaResponse
		construct().Schema(t.Context(), resource.SchemaRequest{}, &answer)
		for _, name := range slices.Sorted(maps.Keys(answer.Schema.Attributes)) {
			replace, byDefault := isTrue(t, name, answer.Schema.Attributes[name])
			replaced += replace
			defaulted += byDefault
		}
	}
	if replaced < 10 || defaulted < 15 {
		t.Errorf("only %d replacements and %d defaults were looked at", replaced, defaulted)
	}
}

func isTrue(t *testing.T, path string, a schema.Attribute) (replaced, defaulted int) {
	t.Helper()
	var modifiers []planmodifier.Describer
	var value string
	var nested map[string]schema.Attribute
	switch a := a.(type) {
	case schema.StringAttribute:
		modifiers = describers(a.PlanModifiers)
		if a.Default != nil {
			var answer defaults.StringResponse
			a.Default.DefaultString(t.Context(), defaults.StringRequest{}, &answer)
			value = answer.PlanValue.ValueString()
		}
	case schema.BoolAttribute:
		modifiers = describers(a.PlanModifiers)
		if a.Default != nil {
			var answer defaults.BoolResponse
			a.Default.DefaultBool(t.Context(), defaults.BoolRequest{}, &answer)
			value = answer.PlanValue.String()
		}
	case schema.Int64Attribute:
		modifiers = describers(a.PlanModifiers)
	case schema.MapAttribute:
		modifiers = describers(a.PlanModifiers)
	case schema.ListAttribute:
		modifiers = describers(a.PlanModifiers)
	case schema.SingleNestedAttribute:
		modifiers, nested = describers(a.PlanModifiers), a.Attributes
	case schema.ListNestedAttribute:
		modifiers, nested = describers(a.PlanModifiers), a.NestedObject.Attributes
	default:
		t.Fatalf("%s is a %T, which this test does not know", path, a)
	}
	replaces := slices.ContainsFunc(modifiers, func(d planmodifier.Describer) bool {
		return strings.Contains(d.Description(t.Context()), "destroy and recreate")
	})
	description := a.GetMarkdownDescription()
	if replaces != saysReplace.MatchString(description) {
		t.Errorf("%s is replaced by a change: %t; its description: %s", path, replaces, description)
	}
	if want := fmt.Sprintf("Default `%s`", value); value != "" && !strings.Contains(description, want) {
		t.Errorf("%s: %q is not in its description: %s", path, want, description)
	}
	if replaces {
		replaced++
	}
	if value != "" {
		defaulted++
	}
	for name, inner := range nested {
		r, d := isTrue(t, path+"."+name, inner)
		replaced, defaulted = replaced+r, defaulted+d
	}
	return replaced, defaulted
}

func describers[M planmodifier.Describer](modifiers []M) []planmodifier.Describer {
	var all []planmodifier.Describer
	for _, m := range modifiers {
		all = append(all, m)
	}
	return all
}
