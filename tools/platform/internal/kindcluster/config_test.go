package kindcluster

import (
	"os"
	"path/filepath"
	"testing"

	"sigs.k8s.io/yaml"
)

func TestConfigPublishesOnItsAddress(t *testing.T) {
	t.Parallel()
	c := Cluster{Dir: t.TempDir(), Address: "10.0.0.2"}
	config, err := c.config()
	if err != nil {
		t.Fatal(err)
	}
	if config.Networking.APIServerAddress != c.Address {
		t.Errorf("the API server listens on %q", config.Networking.APIServerAddress)
	}
	for _, p := range config.Nodes[0].ExtraPortMappings {
		if p.ListenAddress != c.Address {
			t.Errorf("port %d is published on %q", p.HostPort, p.ListenAddress)
		}
	}
}

// kubeadm ignores what it does not understand, so nobody else would notice.
func TestPatchesAreYAML(t *testing.T) {
	t.Parallel()
	c := Cluster{Dir: t.TempDir()}
	config, err := c.config()
	if err != nil {
		t.Fatal(err)
	}
	documents := config.KubeadmConfigPatches
	for name := range patches {
		b, err := os.ReadFile(filepath.Join(c.patchDir(), name))
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, string(b))
	}
	for _, d := range documents {
		var object map[string]any
		if err := yaml.UnmarshalStrict([]byte(d), &object); err != nil || len(object) == 0 {
			t.Errorf("%v in\n%s", err, d)
		}
	}
}
