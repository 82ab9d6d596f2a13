package main

import (
	"testing"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/versions"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/workload/images"
)

func TestVersionsOfOnesChoice(t *testing.T) {
	t.Setenv(envNodeImage, "")
	t.Setenv(versions.EnvCloudNativePG, "")
	if err := checkVersions(imagesBuilt); err != nil || pulledNode() != versions.NodeImage || versions.Operator() != versions.CloudNativePG {
		t.Errorf("without a choice: %v, %s, %s", err, pulledNode(), versions.Operator())
	}

	for name, choose := range map[string]struct {
		value string
		got   func() string
		want  string
	}{
		envNodeImage:              {"kindest/node:v1.35.0", pulledNode, "kindest/node:v1.35.0"},
		versions.EnvCloudNativePG: {"1.29.2", func() string { return images.Public().Operator }, "ghcr.io/cloudnative-pg/cloudnative-pg:1.29.2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, choose.value)
			if choose.got() != choose.want {
				t.Errorf("it leads to %s, want %s", choose.got(), choose.want)
			}
			if err := checkVersions(imagesPulled); err != nil {
				t.Error(err)
			}
			if err := checkVersions(imagesBuilt); err == nil {
				t.Error("it is ignored where images are built")
			}
		})
	}
}
