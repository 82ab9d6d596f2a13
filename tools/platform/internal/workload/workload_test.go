package workload

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/workload/images"
	"github.com/pgplatform/terraform-provider-pgplatform/tools/platform/internal/workload/store"
)

func TestKeysStayTheSame(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys.json")
	made, err := loadCredentials(file)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, a := range []store.Account{made.LocalStack, made.StrictRoot, made.Strict, made.StrictOther} {
		for _, key := range []string{a.AccessKeyID, a.SecretAccessKey} {
			if len(key) < 16 || seen[key] {
				t.Errorf("%q is short or there twice", key)
			}
			seen[key] = true
		}
	}
	again, err := loadCredentials(file)
	if err != nil {
		t.Fatal(err)
	}
	if again != made {
		t.Error("the keys changed when they were read again")
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("others may read the keys: mode %o", info.Mode().Perm())
	}
}

func TestCertificatesStayTheSame(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "certificates.json")
	made, err := loadCertificates(file, "s3.local", "10.0.0.2")
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(made.Authority)) {
		t.Fatal("there is no authority")
	}
	pair, err := tls.X509KeyPair([]byte(made.Certificate), []byte(made.Key))
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"s3.local", "10.0.0.2"} {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: host}); err != nil {
			t.Errorf("as %s: %v", host, err)
		}
	}
	again, err := loadCertificates(file, "s3.local", "10.0.0.2")
	if err != nil {
		t.Fatal(err)
	}
	if again != made {
		t.Error("the certificates changed when they were read again")
	}
}

var clusterWide = []string{"Namespace", "ClusterRole", "ClusterRoleBinding", "StorageClass"}

func TestManifests(t *testing.T) {
	t.Parallel()
	for name, values := range map[string]map[string]any{
		loopVolumesName: {"Image": "registry/image:1", "Class": "c"},
		localStackName:  {"Image": "registry/image:1", "Port": 1, "NodePort": 2},
		versityName: {
			"Image": "registry/image:1", "Region": Region, "Servers": versityServers,
			"Root":         store.Account{AccessKeyID: "id", SecretAccessKey: "secret"},
			"Certificates": certificates{Authority: "a\nb", Certificate: "c", Key: "k"},
		},
	} {
		p, err := fromManifest(name, values)
		if err != nil {
			t.Fatal(err)
		}
		kinds := map[string]*unstructured.Unstructured{}
		for _, o := range p.objects {
			kinds[o.GetKind()] = o
			if namespaced := !slices.Contains(clusterWide, o.GetKind()); namespaced && o.GetNamespace() != p.namespace {
				t.Errorf("%s %s of %s is in the namespace %q", o.GetKind(), o.GetName(), name, o.GetNamespace())
			}
		}
		if d := kinds["Deployment"]; d == nil || d.GetName() != p.deployment || imageOf(t, d) != "registry/image:1" {
			t.Errorf("%s has no Deployment of that name and image: %v", name, d)
		}
		if kinds["Namespace"] == nil || kinds["Service"] == nil && kinds["StorageClass"] == nil {
			t.Errorf("%s lacks its Namespace or what it offers", name)
		}
	}
	if _, err := fromManifest(versityName, map[string]any{}); err == nil {
		t.Error("a manifest without its values is no error")
	}
}

// imageOf is the image of all its containers.
func imageOf(t *testing.T, deployment *unstructured.Unstructured) string {
	t.Helper()
	containers, _, err := unstructured.NestedSlice(deployment.Object, "spec", "template", "spec", "containers")
	if err != nil {
		t.Fatal(err)
	}
	images := map[string]bool{}
	for _, c := range containers {
		container, ok := c.(map[string]any)
		if !ok {
			t.Fatalf("the container is %v", c)
		}
		images[fmt.Sprint(container["image"])] = true
	}
	return strings.Join(slices.Collect(maps.Keys(images)), " ")
}

const operatorRelease = `
apiVersion: v1
kind: Namespace
metadata: {name: cnpg-system}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: cnpg-controller-manager, namespace: cnpg-system}
spec:
  template:
    spec:
      containers:
        - name: manager
          args: [controller, --leader-elect, --webhook-port=9443]
          image: upstream
          imagePullPolicy: Always
          env:
            - {name: OPERATOR_IMAGE_NAME, value: upstream}
            - {name: OTHER, value: kept}
          resources: {limits: {cpu: 100m, memory: 200Mi}}
`

func TestOperatorIsAdapted(t *testing.T) {
	t.Parallel()
	objects, err := operatorObjects([]byte(operatorRelease), images.Names{Operator: "ours", Postgres17: "pg"})
	if err != nil {
		t.Fatal(err)
	}
	if len(objects) != 3 {
		t.Fatalf("%d objects, want the two of the release and the ConfigMap", len(objects))
	}
	if got, _, _ := unstructured.NestedString(objects[2].Object, "data", "POSTGRES_IMAGE_NAME"); got != "pg" {
		t.Errorf("the default image is %q", got)
	}
	deployment := objects[1]
	if got := imageOf(t, deployment); got != "ours" {
		t.Errorf("the image is %q", got)
	}
	text, err := deployment.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{"leader-elect", "100m", "Always", "upstream"} {
		if strings.Contains(string(text), gone) {
			t.Errorf("%q is still there: %s", gone, text)
		}
	}
	for _, kept := range []string{"--webhook-port=9443", "200Mi", "kept", "Recreate"} {
		if !strings.Contains(string(text), kept) {
			t.Errorf("%q is not there: %s", kept, text)
		}
	}

	if _, err := operatorObjects([]byte("kind: Namespace"), images.Names{}); err == nil {
		t.Error("a release without the operator's Deployment is no error")
	}
}

func TestEnvHasEveryVariable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "s3-ca.crt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (&Workload{StateDir: dir}).noteNames(noted{Names: images.Names{
		Postgres15Old: "15.1", Postgres15: "15.2", Postgres17: "17.1", Postgres17Upgrade: "17.1-bookworm", LoopVolumes: "volumes", Plugin: "plugin",
	}}); err != nil {
		t.Fatal(err)
	}
	w := &Workload{StateDir: dir, Kubeconfig: "/state/kubeconfig", Context: "kind-pgplatform", Address: "10.213.77.2"}
	f, err := w.env(filepath.Join(dir, ".platform"), tools{kubectl: "/usr/bin/kubectl", cli: "/opt/tofu", openTofu: true}, "/clone/rc")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "env")
	if err := f.Write(path); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-eu", "-c", `. "$1"; env`, "sh", path)
	cmd.Env = []string{"PATH=/usr/bin:/bin"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got := map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		got[name] = value
	}
	for _, name := range []string{
		"PGPLATFORM_STATE", "KUBECONFIG", "KUBE_CONFIG_PATH", "KUBECACHEDIR", "AWS_ENDPOINT_URL_S3", "PGPLATFORM_POD_ENDPOINT_URL",
		"PGPLATFORM_TLS_ENDPOINT_URL", "PGPLATFORM_TLS_POD_ENDPOINT_URL", "PGPLATFORM_TLS_CA_CERTIFICATE_FILE",
		"PGPLATFORM_GROWING_STORAGE_CLASS", "PGPLATFORM_BACKUP_METHODS",
		"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "PGPLATFORM_BUCKET", "TF_CLI_CONFIG_FILE",
		"PGPLATFORM_STRICT_ENDPOINT_URL", "PGPLATFORM_STRICT_POD_ENDPOINT_URL", "PGPLATFORM_STRICT_BUCKET",
		"PGPLATFORM_STRICT_ACCESS_KEY_ID", "PGPLATFORM_STRICT_SECRET_ACCESS_KEY",
		"PGPLATFORM_STRICT_OTHER_ACCESS_KEY_ID", "PGPLATFORM_STRICT_OTHER_SECRET_ACCESS_KEY",
		"PGPLATFORM_STRICT_OTHER_BUCKET", "PGPLATFORM_POSTGRES_IMAGES", "PGPLATFORM_POSTGRES_15_OLD",
		"PGPLATFORM_POSTGRES_15", "PGPLATFORM_POSTGRES_17", "PGPLATFORM_POSTGRES_17_UPGRADE", "TF_ACC_TERRAFORM_PATH", "TF_ACC_PROVIDER_HOST",
		"TF_VAR_kube_config_path", "TF_VAR_kube_context", "TF_VAR_s3_endpoint_url", "TF_VAR_s3_pod_endpoint_url",
		"TF_VAR_s3_bucket", "TF_VAR_s3_region", "TF_VAR_s3_access_key_id", "TF_VAR_s3_secret_access_key",
	} {
		if got[name] == "" {
			t.Errorf("%s is not set", name)
		}
	}
	for name, want := range map[string]string{
		"AWS_ENDPOINT_URL_S3":         "http://10.213.77.2:4566",
		"PGPLATFORM_POD_ENDPOINT_URL": "http://localstack.localstack.svc.cluster.local:4566",
		"PGPLATFORM_BACKUP_METHODS":   "barmanObjectStore plugin",
		"PATH":                        filepath.Join(dir, ".platform", "bin") + ":/usr/bin:/bin",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
}

func TestToolsAreFoundOutsideOfOurFolder(t *testing.T) {
	clone := t.TempDir()
	bin := filepath.Join(clone, ".platform", "bin")
	elsewhere := t.TempDir()
	for _, dir := range []string{filepath.Join(t.TempDir(), ".platform", "bin"), elsewhere} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "tofu"), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	tofu := filepath.Join(elsewhere, "tofu")
	if err := (tools{kubectl: "/usr/bin/kubectl", cli: tofu, openTofu: true}).link(bin); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+elsewhere)
	if got := onPath("terraform"); got != "" {
		t.Errorf("terraform is found as %s, which is a link of ours", got)
	}
	if got := onPath("tofu"); got != tofu {
		t.Errorf("tofu is found as %q, want %q", got, tofu)
	}

	// Another CLI the next time: the link follows.
	if err := (tools{kubectl: "/usr/bin/kubectl", cli: "/opt/terraform"}).link(bin); err != nil {
		t.Fatal(err)
	}
	if got, err := os.Readlink(filepath.Join(bin, "terraform")); err != nil || got != "/opt/terraform" {
		t.Errorf("terraform leads to %q, %v", got, err)
	}
}

func TestTheCLIIsFoundByWhatItIs(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	for _, step := range []struct {
		name, prints string
		openTofu     bool
	}{
		{"tofu", "OpenTofu v1.12.6", true},
		{"terraform", "Terraform v1.11.4", false},
		{"terraform", "OpenTofu v1.12.6", true},
	} {
		path := filepath.Join(dir, step.name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\necho "+step.prints+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		if got, err := FindCLI(t.Context(), nil, nil, ""); err != nil || got != path {
			t.Errorf("found %q, %v; want %q", got, err, path)
		}
		if got, err := isOpenTofu(t.Context(), path); err != nil || got != step.openTofu {
			t.Errorf("%s, which prints %q, is OpenTofu: %t, %v", step.name, step.prints, got, err)
		}
	}
	// Neither is built where OpenTofu is there under either name.
	want := []string{filepath.Join(dir, "terraform"), filepath.Join(dir, "tofu")}
	if got, err := FindCLIs(t.Context(), nil, nil, ""); err != nil || !slices.Equal(got, want) {
		t.Errorf("all are %q, %v; want %q", got, err, want)
	}
}
