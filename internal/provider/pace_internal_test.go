package provider

import (
	"testing"
	"time"
)

// The plugin takes what it has read for fresh while its age in whole seconds is not above ten (ExtendedClient of its sidecar).
func TestSettlingOutlastsThePluginsCache(t *testing.T) {
	t.Parallel()
	if defaultPace.settle <= 11*time.Second {
		t.Errorf("after %s the plugin may still have keys of before", defaultPace.settle)
	}
}
