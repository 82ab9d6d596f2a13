package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/util/yaml"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
)

// definition is a custom resource's as the API server uses it.
type definition struct {
	structural *schema.Structural
	schema     validation.SchemaValidator
	rules      *cel.Validator
}

// definitions are those of the release manifests of the operator and its plugin, by kind.
func definitions() (map[string]*definition, error) {
	found := map[string]*definition{}
	for module, path := range map[string]func(version string) string{
		"github.com/cloudnative-pg/cloudnative-pg": func(version string) string {
			return filepath.Join("releases", "cnpg-"+version+".yaml")
		},
		"github.com/cloudnative-pg/plugin-barman-cloud": func(string) string { return "manifest.yaml" },
	} {
		manifest, err := releaseManifest(module, path)
		if err != nil {
			return nil, err
		}
		if err := readDefinitions(manifest, found); err != nil {
			return nil, fmt.Errorf("read the release manifest of %s: %w", module, err)
		}
	}
	return found, nil
}

// readDefinitions adds those of a manifest.
func readDefinitions(manifest []byte, found map[string]*definition) error {
	for documents := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifest), 4096); ; {
		var crd apiextensionsv1.CustomResourceDefinition
		err := documents.Decode(&crd)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if crd.Kind != "CustomResourceDefinition" {
			continue
		}
		if found[crd.Spec.Names.Kind], err = define(crd); err != nil {
			return fmt.Errorf("the definition of %s: %w", crd.Name, err)
		}
	}
}

// releaseManifest is the one that a Go module carries, at a path in it that may depend on its version.
func releaseManifest(name string, path func(version string) string) ([]byte, error) {
	out, err := exec.CommandContext(context.Background(), "go", "list", "-m", "-json", name).Output()
	if err != nil {
		return nil, fmt.Errorf("find the module %s: %w", name, err)
	}
	var module struct{ Dir, Version string }
	if err := json.Unmarshal(out, &module); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(module.Dir, path(module.Version[1:])))
}

func define(crd apiextensionsv1.CustomResourceDefinition) (*definition, error) {
	if len(crd.Spec.Versions) != 1 {
		return nil, fmt.Errorf("it has %d versions", len(crd.Spec.Versions))
	}
	var internal apiextensions.JSONSchemaProps
	err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(crd.Spec.Versions[0].Schema.OpenAPIV3Schema, &internal, nil)
	if err != nil {
		return nil, err
	}
	d := &definition{}
	if d.structural, err = schema.NewStructural(&internal); err != nil {
		return nil, err
	}
	if d.schema, _, err = validation.NewSchemaValidator(&internal); err != nil {
		return nil, err
	}
	d.rules = cel.NewValidator(d.structural, true, celconfig.PerCallLimit)
	return d, nil
}

// complete fills in the schema's defaults, and refuses fields that the schema does not have.
func (d *definition) complete(object map[string]any) error {
	unknown := pruning.PruneWithOptions(object, d.structural, true, schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	if len(unknown) > 0 {
		return fmt.Errorf("the schema does not have %v", unknown)
	}
	defaulting.Default(object, d.structural)
	return nil
}

// check refuses what the schema does not allow. before is nil for a new object.
func (d *definition) check(ctx context.Context, object, before map[string]any) error {
	errs := validation.ValidateCustomResource(nil, object, d.schema)
	var old any // no typed nil: that would be an object
	if before != nil {
		old = before
	}
	broken, _ := d.rules.Validate(ctx, nil, d.structural, object, old, celconfig.RuntimeCELCostBudget)
	return append(errs, broken...).ToAggregate()
}
