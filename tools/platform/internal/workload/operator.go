package workload

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/versions"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/workload/images"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/workload/kube"
)

const (
	operatorModule     = "github.com/cloudnative-pg/cloudnative-pg"
	operatorNamespace  = "cnpg-system"
	operatorDeployment = "cnpg-controller-manager"
	// operatorConfig is the ConfigMap that the operator's manifest makes it read.
	operatorConfig = "cnpg-controller-manager-config"
)

func (w *Workload) deployOperator(ctx context.Context, s *progress.Step, client *kube.Client, names images.Names) error {
	manifest, err := w.operatorManifest(ctx, s)
	if err != nil {
		return err
	}
	objects, err := operatorObjects(manifest, names)
	if err != nil {
		return err
	}
	operator := part{
		name: "operator", namespace: operatorNamespace, deployment: operatorDeployment, objects: objects,
	}
	if err := w.deployPart(ctx, client, operator, s.Log); err != nil {
		return err
	}
	return kube.Until(ctx, answerAtMost, func(ctx context.Context) error {
		if err := client.DryRun(ctx, anyCluster()); err != nil {
			return fmt.Errorf("the operator's webhooks do not answer: %w", err)
		}
		return nil
	})
}

// Define makes the kinds of CloudNativePG and its plugin known to the cluster, with nothing that acts on their objects, and
// waits until it serves them.
func (w *Workload) Define(ctx context.Context, s *progress.Step) error {
	var definitions []*unstructured.Unstructured
	for _, read := range []func(context.Context, *progress.Step) ([]byte, error){w.operatorManifest, w.pluginManifest} {
		manifest, err := read(ctx, s)
		if err != nil {
			return err
		}
		objects, err := kube.Parse(manifest)
		if err != nil {
			return err
		}
		definitions = append(definitions, slices.DeleteFunc(objects, func(o *unstructured.Unstructured) bool {
			return o.GetKind() != "CustomResourceDefinition"
		})...)
	}
	client, err := kube.Connect(w.Kubeconfig)
	if err != nil {
		return err
	}
	if err := client.Apply(ctx, definitions); err != nil {
		return err
	}
	return client.WaitForDefinitions(ctx, definitions, answerAtMost)
}

// operatorManifest is the release manifest of the operator.
func (w *Workload) operatorManifest(ctx context.Context, s *progress.Step) ([]byte, error) {
	version := versions.Operator()
	return w.releaseManifest(ctx, s, release{
		name: "cnpg", build: "kubernetes", module: operatorModule, version: "v" + version, pinned: version == versions.CloudNativePG,
		path: filepath.Join("releases", "cnpg-"+version+".yaml"),
	})
}

// operatorObjects are those of the release manifest, with its configuration, made fit for one node:
//   - the image may be there already;
//   - no limit on processor time: with the manifest's tenth of a processor every reconciliation is slow;
//   - no election of a leader: there is one operator, and after a crash it would wait for its own lease to end.
func operatorObjects(manifest []byte, names images.Names) ([]*unstructured.Unstructured, error) {
	objects, err := kube.Parse(manifest)
	if err != nil {
		return nil, err
	}
	adapted := false
	for _, o := range objects {
		if o.GetKind() == "Deployment" && o.GetName() == operatorDeployment {
			if err := adaptOperator(o, names.Operator); err != nil {
				return nil, fmt.Errorf("adapt the operator's Deployment: %w", err)
			}
			adapted = true
		}
	}
	if !adapted {
		return nil, errors.New("the operator's manifest has no Deployment " + operatorDeployment)
	}
	return append(objects, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": operatorConfig, "namespace": operatorNamespace},
		// What a Cluster runs that names no image.
		"data": map[string]any{"POSTGRES_IMAGE_NAME": names.Postgres17},
	}}), nil
}

func adaptOperator(deployment *unstructured.Unstructured, image string) error {
	return adaptDeployment(deployment, image, func(container map[string]any) error {
		unstructured.RemoveNestedField(container, "resources", "limits", "cpu")
		// Instances take their manager from it.
		return setEnv(container, "OPERATOR_IMAGE_NAME", image)
	})
}

// anyCluster is a Cluster that passes every check. It is never made.
func anyCluster() *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster",
		"metadata": map[string]any{"generateName": "webhooks-answer-", "namespace": "default"},
		"spec":     map[string]any{"instances": int64(1), "storage": map[string]any{"size": "1Gi"}},
	}}
}
