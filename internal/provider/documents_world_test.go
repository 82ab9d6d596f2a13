package provider_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/archive/s3test"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/barmancloud"
)

// documentWorld is what a page takes for granted: the buckets and namespaces that it names; the objects of its Kubernetes
// manifests; the databases, backups and restores that it imports, reads or restores from. They are on the fakes, to which
// the provider that serves the page is led, whatever the page says of how they are reached.
type documentWorld struct {
	*fakes
	t           *testing.T
	page        *page
	cli         string
	environment []string
}

func newDocumentWorld(t *testing.T, p *page) *documentWorld {
	t.Helper()
	w := &documentWorld{t: t, fakes: operated(t), page: p, cli: os.Getenv("TF_ACC_TERRAFORM_PATH")}
	w.s3.AnyKey()
	w.logins("given")
	w.kube.OnExecWithInput(podAnswers)
	sts := s3test.NewSTS(t, w.s3)
	folder := t.TempDir()
	self, err := os.Executable()
	must(t, err)
	must(t, os.Symlink(self, filepath.Join(folder, "terraform-provider-pgplatform")))
	sources := []string{"pgplatform/pgplatform"}
	for program, other := range standIns {
		must(t, os.Symlink(self, filepath.Join(folder, program)))
		sources = append(sources, other.source)
	}
	var overrides strings.Builder
	for _, source := range sources {
		for _, registry := range []string{"registry.terraform.io", "registry.opentofu.org"} {
			fmt.Fprintf(&overrides, "    %q = %q\n", registry+"/"+source, folder)
		}
	}
	must(t, os.WriteFile(filepath.Join(folder, "cli.tfrc"), fmt.Appendf(nil, "provider_installation {\n  dev_overrides {\n%s  }\n  direct {}\n}\n", overrides.String()), 0o600))
	w.environment = []string{
		"TF_CLI_CONFIG_FILE=" + filepath.Join(folder, "cli.tfrc"),
		serveDocuments + "=" + w.kubeconfig + " " + w.s3.URL,
		"AWS_ENDPOINT_URL_S3=" + w.s3.URL, "AWS_REGION=" + s3test.Region, "AWS_ACCESS_KEY_ID=" + s3test.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + s3test.SecretAccessKey,
		"AWS_ENDPOINT_URL_STS=" + sts.URL, "AWS_EC2_METADATA_DISABLED=true",
	}
	return w
}

var (
	bucketNames    = regexp.MustCompile(`s3://([a-z0-9.-]+)`)
	namespaceNames = regexp.MustCompile(`\bnamespace\s*[:=]\s*"?([a-z0-9-]+)`)
)

// make makes all that a configuration takes for granted.
func (w *documentWorld) make(s *pageConfig) error {
	text := s.text() + strings.Join(w.page.yaml, "\n")
	for _, found := range bucketNames.FindAllStringSubmatch(text, -1) {
		w.s3.CreateBucket(found[1])
	}
	for _, value := range s.given() {
		if value, ok := value.(string); ok {
			w.s3.CreateBucket(strings.Split(strings.TrimPrefix(value, "s3://"), "/")[0])
			w.kube.AddNamespace(value)
		}
	}
	for _, found := range namespaceNames.FindAllStringSubmatch(text, -1) {
		w.kube.AddNamespace(found[1])
	}
	if err := w.manifests(); err != nil {
		return err
	}
	if err := w.existing(s); err != nil {
		return err
	}
	return w.archives(s)
}

// manifests makes the objects of the page's Kubernetes manifests, as kubectl apply would.
func (w *documentWorld) manifests() error {
	known := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{cnpgv1.AddToScheme, barmancloud.AddToScheme, corev1.AddToScheme} {
		if err := add(known); err != nil {
			return err
		}
	}
	decoder := serializer.NewCodecFactory(known, serializer.EnableStrict).UniversalDeserializer()
	for _, text := range w.page.yaml {
		for documents := yaml.NewDocumentDecoder(io.NopCloser(strings.NewReader(text))); ; {
			document, err := readDocument(documents)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			object, _, err := decoder.Decode(document, nil, nil)
			switch {
			case runtime.IsNotRegisteredError(err), runtime.IsMissingKind(err): // the fakes have no such objects
			case err != nil:
				return fmt.Errorf("%w in\n%s", err, document)
			default:
				w.kube.Put(object)
			}
		}
	}
	return nil
}

func readDocument(documents io.Reader) ([]byte, error) {
	buffer := make([]byte, 1<<16)
	n, err := documents.Read(buffer)
	return buffer[:n], err
}

// existing makes what the configuration imports, reads, and restores from, by applies of its own.
func (w *documentWorld) existing(s *pageConfig) error {
	var databases, others []block
	made := map[string]bool{}
	for _, cluster := range apitest.All[cnpgv1.Cluster](w.kube) {
		made[cluster.Namespace+"/"+cluster.Name] = true
	}
	database := func(id string) {
		namespace, name, ok := strings.Cut(id, "/")
		if ok && !made[id] {
			made[id] = true
			w.kube.AddNamespace(namespace)
			databases = append(databases, mustBlock(fmt.Sprintf(
				"resource \"pgplatform_database\" %q {\n  namespace = %q\n  name = %q\n  backup = { schedule = \"0 2 * * *\" }\n}", name, namespace, name)))
		}
	}
	declared := map[string]block{}
	for _, b := range s.blocks {
		declared[b.key()] = b
	}
	for _, b := range s.blocks {
		if b.Type != "import" {
			continue
		}
		of, id := declared[traversal(b.Body.Attributes["to"])], importedID(b)
		switch {
		case made[id] || of.Block == nil: // validate says that there is nothing to import to
		case of.Labels[0] == "pgplatform_backup":
			namespace, name, _ := strings.Cut(id, "/")
			defer w.kube.Put(completedBackup(namespace, name))
		case of.Labels[0] == "pgplatform_restore":
			made[id] = true
			others = append(others, literally(of, declared))
		default:
			made[id] = true
			databases = append(databases, literally(of, declared))
		}
	}
	for _, b := range s.blocks {
		if b.Type == "data" && b.Labels[0] == "pgplatform_database" && literal(b.Body.Attributes["name"]) != "" {
			database(b.id())
		}
		for _, reference := range namedDatabases.FindAllStringSubmatch(b.text, -1) {
			database(reference[1])
		}
	}
	settings := &pageConfig{}
	for _, b := range s.blocks {
		if b.Type != "resource" && b.Type != "data" && b.Type != "import" && b.Type != "output" && b.Type != "moved" && b.Type != "removed" {
			settings.blocks = append(settings.blocks, b)
		}
	}
	for _, more := range [][]block{databases, others} {
		if len(more) == 0 {
			continue
		}
		settings.blocks = append(settings.blocks, more...)
		if output, err := w.run(w.folder(settings), "apply", "-auto-approve", "-input=false"); err != nil && !strings.Contains(output, "exists already") {
			return errors.New(output)
		}
		for _, cluster := range apitest.All[cnpgv1.Cluster](w.kube) {
			w.archive(&cluster)
		}
		settings.blocks = settings.blocks[:len(settings.blocks)-len(more)]
	}
	return nil
}

// namedDatabases are databases that are named as a string, to be backed up, listed or restored.
var namedDatabases = regexp.MustCompile(`\bdatabase\s*= "([a-z0-9-]+/[a-z0-9-]+)"`)

func importedID(b block) string {
	if id := literal(b.Body.Attributes["id"]); id != "" || b.Body.Attributes["identity"] == nil {
		return id
	}
	identity, diags := b.Body.Attributes["identity"].Expr.Value(nil)
	if diags.HasErrors() {
		return ""
	}
	return identity.GetAttr("namespace").AsString() + "/" + identity.GetAttr("name").AsString()
}

// literally is a resource that names databases where it refers to them, and that looks at nothing in the database.
func literally(b block, declared map[string]block) block {
	text := b.text
	for key, other := range declared {
		if other.Block != nil && other.Type == "resource" {
			text = strings.ReplaceAll(text, key+".id", fmt.Sprintf("%q", other.id()))
		}
	}
	file, _ := hclwrite.ParseConfig([]byte(text), "", hcl.InitialPos) // it was parsed before
	file.Body().Blocks()[0].Body().RemoveAttribute("verify")
	return mustBlock(strings.TrimSpace(string(file.Bytes())))
}

// archive fills the archive of a Cluster with base backups of 26 March 2026, and WAL up to 13:00.
func (w *documentWorld) archive(cluster *cnpgv1.Cluster) {
	if cluster.Spec.Backup == nil || cluster.Spec.Backup.BarmanObjectStore == nil {
		return
	}
	store := cluster.Spec.Backup.BarmanObjectStore
	w.archiveAt(store.DestinationPath, store.ServerName)
}

func (w *documentWorld) archiveAt(destination, server string) {
	bucket, prefix, _ := strings.Cut(strings.Trim(strings.TrimPrefix(destination, "s3://"), "/"), "/")
	if folder := filepath.Join(prefix, server); len(w.s3.Keys(bucket, folder+"/base/")) == 0 {
		archiveOfSource(w.t, w.s3.Archive(bucket, prefix, server))
	}
}

// archives fills those that the configuration restores from or lists without a database.
func (w *documentWorld) archives(s *pageConfig) error {
	values := map[string]cty.Value{}
	for name, value := range s.given() {
		if value, ok := value.(string); ok {
			values[name] = cty.StringVal(value)
		}
	}
	scope := &hcl.EvalContext{Variables: map[string]cty.Value{"var": cty.ObjectVal(values)}}
	destination := ""
	for _, b := range s.blocks {
		if b.Type == "provider" && b.Labels[0] == "pgplatform" {
			destination = attributeIn(b.Body.Attributes["object_store"], "destination_path", scope)
		}
	}
	for _, b := range s.blocks {
		var store hclsyntax.Expression
		switch {
		case b.Type == "data" && b.Labels[0] == "pgplatform_backups" && b.Body.Attributes["object_store"] != nil:
			store = b.Body.Attributes["object_store"].Expr
		case b.Type == "resource" && b.Labels[0] == "pgplatform_restore" && b.Body.Attributes["source"] != nil:
			store = itemIn(b.Body.Attributes["source"].Expr, "object_store")
		}
		server := stringIn(store, "server_name", scope)
		if server == "" {
			continue
		}
		at := destination
		if own := stringIn(store, "destination_path", scope); own != "" {
			at = own
		}
		w.archiveAt(at, server)
	}
	return nil
}

func attributeIn(a *hclsyntax.Attribute, name string, scope *hcl.EvalContext) string {
	if a == nil {
		return ""
	}
	return stringIn(a.Expr, name, scope)
}

// itemIn is the expression of an item in an object that is written out; nil where there is none.
func itemIn(object hclsyntax.Expression, name string) hclsyntax.Expression {
	written, ok := object.(*hclsyntax.ObjectConsExpr)
	if !ok {
		return nil
	}
	for _, item := range written.Items {
		if hcl.ExprAsKeyword(item.KeyExpr) == name {
			return item.ValueExpr
		}
	}
	return nil
}

func stringIn(object hclsyntax.Expression, name string, scope *hcl.EvalContext) string {
	item := itemIn(object, name)
	if item == nil {
		return ""
	}
	return evaluated(&hclsyntax.Attribute{Expr: item}, scope)
}

// completedBackup is one of the database whose name its own begins with.
func completedBackup(namespace, name string) *cnpgv1.Backup {
	of, _, _ := strings.Cut(name, "-backup-")
	return &cnpgv1.Backup{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       cnpgv1.BackupSpec{Cluster: cnpgv1.LocalObjectReference{Name: of}},
		Status:     cnpgv1.BackupStatus{Phase: cnpgv1.BackupPhaseCompleted, BackupID: "20260326T115900", ServerName: of},
	}
}
