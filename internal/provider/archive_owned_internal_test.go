package provider

import (
	"slices"
	"strings"
	"testing"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
)

// What a configuration may leave alone of an archive is what an archive keeps of others when another object comes to say it.
func TestSettingsOfArchivesAreTheSame(t *testing.T) {
	t.Parallel()
	var have, want []string
	for _, setting := range cnpg.ArchiveSettings {
		have = append(have, strings.Join(setting, "."))
	}
	for _, field := range optionalFields {
		// The credentials are the provider's as a whole, and the retention policy is not said of the store.
		if setting, of := strings.CutPrefix(field.path, barmanFields); of && !strings.HasPrefix(setting, "s3Credentials.") {
			want = append(want, setting)
		}
	}
	slices.Sort(have)
	slices.Sort(want)
	if !slices.Equal(have, want) {
		t.Errorf("cnpg.ArchiveSettings are %v, want %v", have, want)
	}
}
