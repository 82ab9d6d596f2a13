package provider

import (
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/types"
)

func TestImageFor(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ version, running, want string }{
		"a new database":            {"17.5", "", "ghcr.io/cloudnative-pg/postgresql:17.5-system-trixie"},
		"any minor version":         {"17", "", "ghcr.io/cloudnative-pg/postgresql:17-system-trixie"},
		"keeps the Debian release":  {"15.20", "ghcr.io/cloudnative-pg/postgresql:15.18-system-bookworm", "ghcr.io/cloudnative-pg/postgresql:15.20-system-bookworm"},
		"keeps the flavour":         {"17.6", "ghcr.io/cloudnative-pg/postgresql:17.5-standard-bookworm", "ghcr.io/cloudnative-pg/postgresql:17.6-standard-bookworm"},
		"no flavour in the tag":     {"17.6", "ghcr.io/cloudnative-pg/postgresql:17.5", "ghcr.io/cloudnative-pg/postgresql:17.6"},
		"one build of an image":     {"17.6", "ghcr.io/cloudnative-pg/postgresql:17.5-202506020832-system-trixie", "ghcr.io/cloudnative-pg/postgresql:17.6-system-trixie"},
		"a digest":                  {"17.6", "ghcr.io/cloudnative-pg/postgresql:17.5-minimal-trixie@sha256:0123", "ghcr.io/cloudnative-pg/postgresql:17.6-minimal-trixie"},
		"somebody else's image":     {"17.6", "registry.example.com:5000/postgresql:17.5-ours", "ghcr.io/cloudnative-pg/postgresql:17.6-system-trixie"},
		"a tag without the version": {"17.6", "ghcr.io/cloudnative-pg/postgresql:edge", "ghcr.io/cloudnative-pg/postgresql:17.6-system-trixie"},
	}
	for name, test := range tests {
		if got := imageFor(test.version, test.running); got != test.want {
			t.Errorf("%s: image of %s is %s, want %s", name, test.version, got, test.want)
		}
	}
}

func TestImageVersion(t *testing.T) {
	t.Parallel()
	for image, want := range map[string]string{
		"ghcr.io/cloudnative-pg/postgresql:17.5-system-trixie":          "17.5",
		"ghcr.io/cloudnative-pg/postgresql:17-system-trixie":            "17",
		"registry.example.com:5000/postgresql:15.20":                    "15.20",
		"registry.example.com:5000/postgresql:16.3-7@sha256:0123456789": "16.3",
		"registry.example.com:5000/postgresql":                          "",
		"postgresql:latest":                                             "",
		"":                                                              "",
	} {
		if got := imageVersion(image); got.ValueString() != want || got.IsNull() != (want == "") {
			t.Errorf("version of %q is %s, want %q", image, got, want)
		}
	}
}

func TestPlanImage(t *testing.T) {
	t.Parallel()
	const bookworm = "ghcr.io/cloudnative-pg/postgresql:15.18-system-bookworm"
	const ours = "registry.example.com/postgresql:15.18-ours"
	null, unknown, s := types.StringNull(), types.StringUnknown(), types.StringValue
	created := imageModel{image: unknown, version: unknown}
	runs := func(image string) imageModel { return imageModel{image: s(image), version: imageVersion(image)} }
	tests := map[string]struct{ configured, before, want imageModel }{
		"nothing said, new":          {imageModel{null, null}, created, created},
		"nothing said":               {imageModel{null, null}, runs(bookworm), runs(bookworm)},
		"an image":                   {imageModel{s(ours), null}, runs(bookworm), imageModel{s(ours), s("15.18")}},
		"an image, new":              {imageModel{s(ours), null}, created, imageModel{s(ours), s("15.18")}},
		"a version, new":             {imageModel{null, s("17")}, created, imageModel{s("ghcr.io/cloudnative-pg/postgresql:17-system-trixie"), s("17")}},
		"the same version":           {imageModel{null, s("15.18")}, runs(bookworm), runs(bookworm)},
		"another version":            {imageModel{null, s("15.20")}, runs(bookworm), imageModel{s("ghcr.io/cloudnative-pg/postgresql:15.20-system-bookworm"), s("15.20")}},
		"the version of their image": {imageModel{null, s("15.18")}, runs(ours), imageModel{s("ghcr.io/cloudnative-pg/postgresql:15.18-system-trixie"), s("15.18")}},
		"an image not known yet":     {imageModel{unknown, null}, runs(bookworm), created},
		"a version not known yet":    {imageModel{null, unknown}, runs(bookworm), created},
	}
	for name, test := range tests {
		if got := planImage(test.configured, test.before); !got.image.Equal(test.want.image) || !got.version.Equal(test.want.version) {
			t.Errorf("%s: planned %s, %s; want %s, %s", name, got.image, got.version, test.want.image, test.want.version)
		}
	}
}
