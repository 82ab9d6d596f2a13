package workload

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"text/template"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/cache"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/workload/kube"
)

//go:embed manifests/*.yaml
var manifests embed.FS

var templates = template.Must(template.New("").Option("missingkey=error").ParseFS(manifests, "manifests/*.yaml"))

const (
	// startAtMost is how long a part may take until it runs: pulling its image included.
	startAtMost = 5 * time.Minute
	// answerAtMost is how long a part that runs may take until it answers.
	answerAtMost = time.Minute
)

// part is a set of objects around one Deployment.
type part struct {
	name                  string // identifies it among the parts
	namespace, deployment string
	objects               []*unstructured.Unstructured
}

// deployPart applies the part, unless it is still there and was applied before just so or is kept, and waits until it
// runs.
func (w *Workload) deployPart(ctx context.Context, client *kube.Client, p part, log io.Writer) error {
	content, err := json.Marshal(p.objects)
	if err != nil {
		return err
	}
	recipe := cache.Key(string(content))
	noted, err := client.Noted(ctx, p.name)
	if err != nil {
		return err
	}
	there, err := client.HasDeployment(ctx, p.namespace, p.deployment)
	if err != nil {
		return fmt.Errorf("look for %s: %w", p.name, err)
	}
	if !there || noted != recipe && !w.Keep {
		fmt.Fprintf(log, "applying %d objects\n", len(p.objects))
		if err := client.Apply(ctx, p.objects); err != nil {
			return err
		}
		if err := client.Note(ctx, p.name, recipe); err != nil {
			return err
		}
	}
	return client.WaitForDeployment(ctx, p.namespace, p.deployment, startAtMost, log)
}

// fromManifest is a part whose objects are those of a manifest of the folder manifests, filled in with values.
// Its namespace and its Deployment have the part's name.
func fromManifest(name string, values any) (part, error) {
	var manifest bytes.Buffer
	if err := templates.ExecuteTemplate(&manifest, name+".yaml", values); err != nil {
		return part{}, fmt.Errorf("render the manifest of %s: %w", name, err)
	}
	objects, err := kube.Parse(manifest.Bytes())
	return part{name: name, namespace: name, deployment: name, objects: objects}, err
}
