package workload

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/authority"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/progress"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/versions"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/workload/images"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/workload/kube"
)

const (
	pluginVersion = versions.BarmanCloudPlugin
	pluginModule  = "github.com/cloudnative-pg/plugin-barman-cloud"
	// pluginName is what Clusters call it.
	pluginName = "barman-cloud.cloudnative-pg.io"
	// pluginDeployment is its Deployment and its Service, in the operator's namespace.
	pluginDeployment = "barman-cloud"
	// The Secrets by which it and the operator know each other.
	pluginServerSecret = "barman-cloud-server-tls"
	pluginClientSecret = "barman-cloud-client-tls"
)

// pluginNote is noted, with the plugin's version, once the operator has talked to it.
const pluginNote = "plugin-answers"

func (w *Workload) deployPlugin(ctx context.Context, s *progress.Step, client *kube.Client, names images.Names) error {
	manifest, err := w.pluginManifest(ctx, s)
	if err != nil {
		return err
	}
	certificates, err := loadPluginCertificates(filepath.Join(w.StateDir, "plugin-certificates.json"))
	if err != nil {
		return err
	}
	objects, err := pluginObjects(manifest, names, certificates)
	if err != nil {
		return err
	}
	plugin := part{name: "plugin", namespace: operatorNamespace, deployment: pluginDeployment, objects: objects}
	if err := w.deployPart(ctx, client, plugin, s.Log); err != nil {
		return err
	}
	noted, err := client.Noted(ctx, pluginNote)
	if err != nil || noted == pluginVersion {
		return err
	}
	if err := operatorTalksToPlugin(ctx, client); err != nil {
		return err
	}
	return client.Note(ctx, pluginNote, pluginVersion)
}

// pluginManifest is the manifest of the plugin's module.
func (w *Workload) pluginManifest(ctx context.Context, s *progress.Step) ([]byte, error) {
	return w.releaseManifest(ctx, s, release{
		name: "plugin", build: "plugin", module: pluginModule, version: pluginVersion, pinned: true, path: "manifest.yaml",
	})
}

// pluginCertificates are those of the plugin and of the operator as its client, made up once for each platform: the
// operator does not look again at Secrets that change. Each is followed by the certificate of the authority, which is
// what the other side trusts.
type pluginCertificates struct {
	Server    string `json:"server"`
	ServerKey string `json:"serverKey"`
	Client    string `json:"client"`
	ClientKey string `json:"clientKey"`
}

func loadPluginCertificates(file string) (pluginCertificates, error) {
	return loadOnce(file, "the plugin's certificates", func() (pluginCertificates, error) {
		ca, err := authority.New("pgplatform-plugin")
		if err != nil {
			return pluginCertificates{}, err
		}
		server, err := ca.Server(pluginDeployment)
		if err != nil {
			return pluginCertificates{}, err
		}
		client, err := ca.Client("cnpg-operator")
		chain := func(p authority.Pair) string { return string(p.Certificate) + string(ca.Certificate()) }
		return pluginCertificates{
			Server: chain(server), ServerKey: string(server.Key), Client: chain(client), ClientKey: string(client.Key),
		}, err
	})
}

// pluginObjects are those of the manifest made fit for one node as the operator's are, with certificates of our own in the
// place of what asks cert-manager for them.
func pluginObjects(manifest []byte, names images.Names, c pluginCertificates) ([]*unstructured.Unstructured, error) {
	released, err := kube.Parse(manifest)
	if err != nil {
		return nil, err
	}
	objects := []*unstructured.Unstructured{
		tlsSecret(pluginServerSecret, c.Server, c.ServerKey), tlsSecret(pluginClientSecret, c.Client, c.ClientKey),
	}
	adapted := false
	for _, o := range released {
		switch {
		case o.GroupVersionKind().Group == "cert-manager.io":
			continue
		case o.GetKind() == "Secret":
			// The name of the sidecar's image, which is given as it is.
			continue
		case o.GetKind() == "Deployment" && o.GetName() == pluginDeployment:
			if err := adaptPlugin(o, names); err != nil {
				return nil, fmt.Errorf("adapt the plugin's Deployment: %w", err)
			}
			adapted = true
		}
		objects = append(objects, o)
	}
	if !adapted {
		return nil, errors.New("the plugin's manifest has no Deployment " + pluginDeployment)
	}
	return objects, nil
}

func adaptPlugin(deployment *unstructured.Unstructured, names images.Names) error {
	return adaptDeployment(deployment, names.Plugin, func(container map[string]any) error {
		// The manifest is one for the plugin's own tests: it tells of everything, and looks late and seldom whether it runs.
		args, _, err := unstructured.NestedStringSlice(container, "args")
		if err != nil {
			return err
		}
		for i, a := range args {
			if strings.HasPrefix(a, "--log-level=") {
				args[i] = "--log-level=info"
			}
		}
		if err := unstructured.SetNestedStringSlice(container, args, "args"); err != nil {
			return err
		}
		for field, value := range map[string]int64{"initialDelaySeconds": 0, "periodSeconds": 1} {
			if err := unstructured.SetNestedField(container, value, "readinessProbe", field); err != nil {
				return err
			}
		}
		// Without a share of the processors like the operator's it does not answer that in time where many databases are busy.
		for resource, amount := range map[string]string{"cpu": "100m", "memory": "48Mi"} {
			if err := unstructured.SetNestedField(container, amount, "resources", "requests", resource); err != nil {
				return err
			}
		}
		return setEnv(container, "SIDECAR_IMAGE", names.PluginSidecar)
	})
}

func tlsSecret(name, certificate, key string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
		"metadata": map[string]any{"name": name, "namespace": operatorNamespace},
		"data": map[string]any{
			"tls.crt": base64.StdEncoding.EncodeToString([]byte(certificate)),
			"tls.key": base64.StdEncoding.EncodeToString([]byte(key)),
		},
	}}
}

// operatorTalksToPlugin shows the operator a Cluster that uses the plugin and waits until it tells the plugin's version. The
// ObjectStore that the Cluster names is not there: before it is, the operator makes neither pods nor volumes.
func operatorTalksToPlugin(ctx context.Context, client *kube.Client) (err error) {
	cluster := pluginCluster()
	if err := kube.Until(ctx, answerAtMost, func(ctx context.Context) error {
		return client.Apply(ctx, []*unstructured.Unstructured{cluster})
	}); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, client.Delete(context.WithoutCancel(ctx), cluster))
	}()
	return kube.Until(ctx, answerAtMost, func(ctx context.Context) error {
		live, err := client.Get(ctx, cluster)
		if err != nil {
			return err
		}
		if version := versionOfPlugin(live); version != strings.TrimPrefix(pluginVersion, "v") {
			phase, _, _ := unstructured.NestedString(live.Object, "status", "phase")
			reason, _, _ := unstructured.NestedString(live.Object, "status", "phaseReason")
			return fmt.Errorf("the operator tells %q as the version of the plugin %s; %s: %s", version, pluginName, phase, reason)
		}
		return nil
	})
}

func pluginCluster() *unstructured.Unstructured {
	cluster := anyCluster()
	cluster.SetGenerateName("")
	cluster.SetName("plugin-answers")
	cluster.SetNamespace(operatorNamespace)
	_ = unstructured.SetNestedSlice(cluster.Object, []any{map[string]any{
		"name": pluginName, "parameters": map[string]any{"barmanObjectName": "none"},
	}}, "spec", "plugins")
	return cluster
}

// versionOfPlugin is what a Cluster's status says; nothing before the operator has asked the plugin.
func versionOfPlugin(cluster *unstructured.Unstructured) string {
	plugins, _, _ := unstructured.NestedSlice(cluster.Object, "status", "pluginStatus")
	for _, p := range plugins {
		if status, ok := p.(map[string]any); ok && status["name"] == pluginName {
			version, _ := status["version"].(string)
			return version
		}
	}
	return ""
}
