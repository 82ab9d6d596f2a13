package workload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/cache"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
)

// release is a release manifest that a Go module carries.
type release struct {
	name            string // in the cache, before "-manifest"
	build           string // the folder under tools/platform/build whose module pins it
	module, version string
	pinned          bool   // by that module, else only the checksum database vouches for it
	path            string // in the module
}

func (w *Workload) releaseManifest(ctx context.Context, s *progress.Step, r release) ([]byte, error) {
	path, err := w.Cache.Get(ctx, r.name+"-manifest", cache.Key(r.version), func(ctx context.Context, path string) error {
		// Within the module that pins it, so that its checksum is known.
		module := r.module
		if !r.pinned {
			module += "@" + r.version
		}
		cmd := s.Command(ctx, "go", "mod", "download", "-json", module)
		cmd.Dir = filepath.Join(w.ModuleRoot, "build", r.build)
		cmd.Env = append(os.Environ(), "GOWORK=off")
		cmd.Stdout = nil
		out, err := cmd.Output()
		if err != nil {
			return progress.Explain(err, "go mod download "+module)
		}
		var got struct{ Dir, Version string }
		if err := json.Unmarshal(out, &got); err != nil {
			return err
		}
		if got.Version != r.version {
			return fmt.Errorf("build/%s pins %s of %s, not %s", r.build, got.Version, r.module, r.version)
		}
		b, err := os.ReadFile(filepath.Join(got.Dir, r.path))
		if err != nil {
			return err
		}
		return os.WriteFile(path, b, 0o644)
	})
	if err != nil {
		return nil, fmt.Errorf("get the release manifest of %s: %w", r.module, err)
	}
	return os.ReadFile(path)
}

// adaptDeployment makes a released Deployment of one container fit for one node. The image may be there already, an old pod
// goes before the new one comes, and no leader is elected: there is one pod, and after a crash it would wait for its own
// lease to end. change does the rest to the container.
func adaptDeployment(deployment *unstructured.Unstructured, image string, change func(container map[string]any) error) error {
	if err := unstructured.SetNestedField(deployment.Object, "Recreate", "spec", "strategy", "type"); err != nil {
		return err
	}
	at := []string{"spec", "template", "spec", "containers"}
	containers, found, err := unstructured.NestedSlice(deployment.Object, at...)
	if err != nil || !found || len(containers) != 1 {
		return fmt.Errorf("it does not have one container: %w", err)
	}
	container, ok := containers[0].(map[string]any)
	if !ok {
		return errors.New("its container is no object")
	}
	container["image"], container["imagePullPolicy"] = image, "IfNotPresent"
	args, _, err := unstructured.NestedStringSlice(container, "args")
	if err != nil {
		return err
	}
	args = slices.DeleteFunc(args, func(a string) bool { return a == "--leader-elect" })
	if err := unstructured.SetNestedStringSlice(container, args, "args"); err != nil {
		return err
	}
	if err := change(container); err != nil {
		return err
	}
	return unstructured.SetNestedSlice(deployment.Object, containers, at...)
}

// setEnv gives a variable that a container has a value.
func setEnv(container map[string]any, name, value string) error {
	env, _, err := unstructured.NestedSlice(container, "env")
	if err != nil {
		return err
	}
	i := slices.IndexFunc(env, func(e any) bool {
		variable, ok := e.(map[string]any)
		return ok && variable["name"] == name
	})
	if i < 0 {
		return fmt.Errorf("its container has no variable %s", name)
	}
	env[i] = map[string]any{"name": name, "value": value}
	container["env"] = env
	return nil
}
