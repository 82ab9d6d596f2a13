package provider

import (
	"strings"
	"testing"
	"time"
)

func TestParseSize(t *testing.T) {
	t.Parallel()
	for _, valid := range []string{"1Mi", "500Mi", "10Gi", "1.5Gi", "1Ti", "1073741824", "2G", "1e9"} {
		if _, err := parseSize(valid); err != nil {
			t.Errorf("%q: %v", valid, err)
		}
	}
	for invalid, want := range map[string]string{
		"10": "a size needs a unit", "ten": "is no Kubernetes quantity", "-1Gi": "is not more than nothing", "0": "is not more than nothing",
		"": "is no Kubernetes quantity", "10 Gi": "is no Kubernetes quantity", "10gi": "is no Kubernetes quantity", "10GB": "is no Kubernetes quantity", "100m": "a size needs a unit",
	} {
		if _, err := parseSize(invalid); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "10Gi") {
			t.Errorf("%q: %v; want an error with %q that shows how to write it", invalid, err, want)
		}
	}
}

func TestParseCPU(t *testing.T) {
	t.Parallel()
	for _, valid := range []string{"1", "250m", "0.5", "2.5"} {
		if _, err := parseCPU(valid); err != nil {
			t.Errorf("%q: %v", valid, err)
		}
	}
	for _, invalid := range []string{"", "0", "-1", "two", "1 core"} {
		if _, err := parseCPU(invalid); err == nil || !strings.Contains(err.Error(), "250m") {
			t.Errorf("%q: %v", invalid, err)
		}
	}
}

func TestParseInstant(t *testing.T) {
	t.Parallel()
	for written, want := range map[string]time.Time{
		"2026-03-26T12:00:00Z":             time.Date(2026, 3, 26, 12, 0, 0, 0, time.UTC),
		"2026-03-26T13:00:00.123456+01:00": time.Date(2026, 3, 26, 12, 0, 0, 123456000, time.UTC),
		"2026-03-26T12:00:00.5Z":           time.Date(2026, 3, 26, 12, 0, 0, 500000000, time.UTC),
	} {
		if got, err := parseInstant(written); err != nil || !got.Equal(want) {
			t.Errorf("%q is %s, %v; want %s", written, got, err, want)
		}
	}
	for _, invalid := range []string{
		"", "yesterday", "2026-03-26", "2026-03-26T12:00:00", "2026-03-26 12:00:00Z", "2026-03-26 12:00:00+00", "2026-13-26T12:00:00Z",
		"2026-02-30T12:00:00Z", "2026-03-26T25:00:00Z", "1774526400", "2026-03-26T12:00:00.1234567Z",
	} {
		if got, err := parseInstant(invalid); err == nil {
			t.Errorf("%q was read as %s", invalid, got)
		}
	}
}

func TestSameMeaning(t *testing.T) {
	t.Parallel()
	tests := []struct {
		kind semanticKind
		a, b string
		same bool
	}{
		{kindSchedule, "0 2 * * *", "0 0 2 * * *", true},
		{kindSchedule, "0 1 * * 0", "0 1 * * 7", true},
		{kindSchedule, "0 2 * * *", "0 3 * * *", false},
		{kindSchedule, "0 2 * * *", "nonsense", false},
		{kindQuantity, "1000m", "1", true},
		{kindQuantity, "1Gi", "1024Mi", true},
		{kindQuantity, "1G", "1Gi", false},
		{kindQuantity, "ten", "ten", true},
		{kindQuantity, "ten", "10", false},
		{kindInstant, "2026-03-26T12:00:00Z", "2026-03-26T13:00:00.000+01:00", true},
		{kindInstant, "2026-03-26T12:00:00Z", "2026-03-26T12:00:00.000001Z", false},
		{"", "a", "b", false},
	}
	for _, test := range tests {
		if got := test.kind.same(test.a, test.b); got != test.same {
			t.Errorf("%s: %q and %q mean the same: %t, want %t", test.kind, test.a, test.b, got, test.same)
		}
		if got := test.kind.same(test.b, test.a); got != test.same {
			t.Errorf("%s: %q and %q the other way round: %t, want %t", test.kind, test.b, test.a, got, test.same)
		}
	}
}
