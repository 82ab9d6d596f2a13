package provider_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	cnpgv1 "github.com/cloudnative-pg/api/pkg/api/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg"
	"github.com/pgplatform/terraform-provider-pgplatform/internal/cnpg/apitest"
)

// What the pages show as printed by the CLI is compared with what it prints of the same configuration on the fakes. Of errors, which it
// wraps as wide as its terminal, the words are compared; instants and the operator's random names are those of the run that a page has.

// printed are the blocks of a page that are no code: what was printed, or a file with its line numbers.
func printed(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	must(t, err)
	var blocks []string
	for _, c := range codeIn(string(text)) {
		if c.language == "" || c.language == "text" {
			blocks = append(blocks, strings.TrimRight(c.text, "\n"))
		}
	}
	return blocks
}

// printedWith is the one of the blocks that begins with a text.
func printedWith(t *testing.T, blocks []string, begin string) string {
	t.Helper()
	for _, block := range blocks {
		if strings.HasPrefix(strings.TrimSpace(block), begin) {
			return block
		}
	}
	t.Fatalf("no block begins with %q", begin)
	return ""
}

var (
	printedInstants = regexp.MustCompile(`\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?( UTC|Z|[+-]\d\d:\d\d)`)
	frame           = regexp.MustCompile(`(?m)^[╷│╵][ \t]*`)
)

// words are what an error says, however it is framed and wrapped, at whatever time.
func words(text string) string {
	text = strings.Join(strings.Fields(frame.ReplaceAllString(text, "")), " ")
	return printedInstants.ReplaceAllString(text, "INSTANT")
}

func TestREADMEShowsWhatIsPrinted(t *testing.T) {
	t.Parallel()
	must(t, findCLI())
	const name = "README.md"
	p, text := pageNamed(t, name)
	blocks := printed(t, name)

	w := newDocumentWorld(t, p)
	w.kube.AddNamespace("myorg")
	w.s3.CreateBucket("given")
	s := &pageConfig{blocks: []block{mustBlock(`provider "pgplatform" {
  namespace = "myorg"
  object_store = {
    destination_path  = "s3://given"
    region            = "us-east-1"
    access_key_id     = "a"
    secret_access_key = "b"
  }
}`)}}
	for _, f := range p.fences {
		if f.alone {
			s.blocks = append(s.blocks, f.blocks...)
		}
	}
	s.complete(exampleBlocks(t))
	folder := w.folder(s)

	output, err := w.run(folder, "plan", "-input=false", "-lock=false")
	if plan := printedWith(t, blocks, "# pgplatform_database.my_db will be created"); err != nil || !strings.Contains(output, plan) {
		t.Errorf("%v, and the plan is not\n\n%s\nbut\n\n%s", err, plan, output)
	}

	if output, err := w.run(folder, "apply", "-auto-approve", "-input=false"); err != nil {
		t.Fatal(output)
	}
	for _, cluster := range apitest.All[cnpgv1.Cluster](w.kube) {
		w.archive(&cluster)
	}
	file := regexp.MustCompile(`(?m)^\d  `).ReplaceAllString(printedWith(t, blocks, "1  resource"), "")
	target := regexp.MustCompile(`(target_time = ")[^"]*`)
	write := func(text string) { must(t, os.WriteFile(filepath.Join(folder, "pitr.tf"), []byte(text), 0o600)) }

	write(target.ReplaceAllString(file, "${1}2026-03-26T02:00:00+01:00")) // before the base backups of the fakes
	output, err = w.run(folder, "plan", "-input=false", "-lock=false")
	if refusal := printedWith(t, blocks, "Error: Restore Cannot Succeed"); err == nil || !strings.Contains(words(output), words(refusal)) {
		t.Errorf("%v, and the refusal is not\n\n%s\nbut\n\n%s", err, words(refusal), words(output))
	}

	lines := strings.Split(file, "\n")
	_, other, _ := strings.Cut(text, "its line 3 was\n`")
	lines[2], _, _ = strings.Cut(other, "`")
	write(strings.Join(append(lines[:3], lines[4:]...), "\n"))
	failure := printedWith(t, blocks, "Error: Unable to Restore Database")
	w.failsAsPrinted(failure)
	output, err = w.run(folder, "apply", "-auto-approve", "-input=false")
	if err == nil || !strings.Contains(words(output), words(failure)) {
		t.Errorf("%v, and the failure is not\n\n%s\nbut\n\n%s", err, words(failure), words(output))
	}
}

// failsAsPrinted has the recovery's pod say what a page has of it, and fail.
func (w *documentWorld) failsAsPrinted(failure string) {
	w.t.Helper()
	found := regexp.MustCompile(`\(pod (\S+)\): (.*?method\.)`).FindStringSubmatch(strings.Join(strings.Fields(failure), " "))
	if found == nil {
		w.t.Fatalf("no pod fails in %s", failure)
	}
	pod, said := found[1], found[2]
	w.kube.Put(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "myorg", Name: "read-keys"},
		Data:       map[string][]byte{"ACCESS_KEY_ID": []byte("a"), "ACCESS_SECRET_KEY": []byte("wrong")},
	})
	w.kube.Log("myorg", pod, "full-recovery", `{"level":"error","logger":"barman","msg":"Can't extract backup id","command":"barman-cloud-backup-list","stderr":"`+said+`\n","error":"exit status 4"}`)
	w.kube.React(func(e apitest.Event) {
		c := apitest.As[cnpgv1.Cluster](e.Object)
		if c == nil || c.Name != "my-db-pitr" || e.Type != watch.Added {
			return
		}
		failed := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: "myorg", Name: pod,
				Labels:          map[string]string{cnpg.LabelCluster: c.Name, "cnpg.io/jobRole": "full-recovery", "batch.kubernetes.io/job-name": c.Name + "-1-full-recovery"},
				OwnerReferences: []metav1.OwnerReference{{APIVersion: cnpgv1.SchemeGroupVersion.String(), Kind: "Cluster", Name: c.Name, UID: c.UID}},
			},
			Spec:   corev1.PodSpec{Containers: []corev1.Container{{Name: "full-recovery"}}},
			Status: corev1.PodStatus{Phase: corev1.PodFailed},
		}
		w.kube.Put(failed)
		apitest.Edit(w.kube, "myorg", c.Name, neverReady)
	})
}

// The restored database of the guide becomes an ordinary one by the plan that the guide shows.
func TestGuideAfterTheRestoreShowsItsPlan(t *testing.T) {
	t.Parallel()
	must(t, findCLI())
	const name = "templates/guides/after-the-restore.md"
	p, _ := pageNamed(t, name)
	stages := p.configs()
	w := newDocumentWorld(t, p)
	for _, s := range stages {
		s.complete(exampleBlocks(t))
	}
	must(t, w.make(stages[0]))
	folder := w.folder(stages[0])
	for _, args := range [][]string{{"-target=pgplatform_database.orders"}, nil} {
		if output, err := w.run(folder, append([]string{"apply", "-auto-approve", "-input=false"}, args...)...); err != nil {
			t.Fatal(output)
		}
		for _, cluster := range apitest.All[cnpgv1.Cluster](w.kube) {
			w.archive(&cluster)
		}
	}
	must(t, os.WriteFile(filepath.Join(folder, "page.tf"), []byte(stages[1].text()), 0o600))
	output, err := w.run(folder, "plan", "-input=false", "-lock=false")
	if plan := printedWith(t, printed(t, name), "# pgplatform_restore.orders_restored has moved"); err != nil || !strings.Contains(output, plan) {
		t.Errorf("%v, and the plan is not\n\n%s\nbut\n\n%s", err, plan, output)
	}
}

// A database of the old method goes over to the plugin by the plan that the guide shows, but for what that leaves out.
func TestGuideToThePluginShowsItsPlan(t *testing.T) {
	t.Parallel()
	must(t, findCLI())
	const name = "templates/guides/migrate-to-barman-cloud-plugin.md"
	p, _ := pageNamed(t, name)
	w := newDocumentWorld(t, p)
	s := p.configs()[0]
	s.complete(exampleBlocks(t))
	must(t, w.make(s))
	folder := w.folder(s)
	after := s.text()
	before := regexp.MustCompile(`(?m)^ *method += "plugin"\n`).ReplaceAllString(after, "")
	must(t, os.WriteFile(filepath.Join(folder, "page.tf"), []byte(before), 0o600))
	if output, err := w.run(folder, "apply", "-auto-approve", "-input=false", "-target=pgplatform_database.orders"); err != nil || before == after {
		t.Fatal(output)
	}
	for _, cluster := range apitest.All[cnpgv1.Cluster](w.kube) {
		w.archive(&cluster)
	}
	must(t, os.WriteFile(filepath.Join(folder, "page.tf"), []byte(after), 0o600))
	output, err := w.run(folder, "plan", "-input=false", "-lock=false")
	rest := output
	for line := range strings.Lines(printedWith(t, printed(t, name), "# pgplatform_database.orders will be updated in-place")) {
		if line = strings.TrimRight(line, "\n"); strings.TrimSpace(line) == "..." {
			continue
		}
		_, following, there := strings.Cut(rest, line+"\n")
		if !there {
			t.Errorf("%v, and the plan has no line\n\n%s\nwhere it belongs in\n\n%s", err, line, output)
		}
		rest = following
	}
}

// What is printed fits a terminal of 80 columns, but for the headings of a plan, which no CLI wraps.
func TestPrintedFits(t *testing.T) {
	t.Parallel()
	for _, name := range append(pageNames(t), "templates/guides/after-the-restore.md") {
		for _, block := range printed(t, name) {
			for line := range strings.Lines(block) {
				if width := len([]rune(strings.TrimRight(line, "\n"))); width > 80 && !strings.HasPrefix(line, "  # ") {
					t.Errorf("%s: %d columns: %s", name, width, line)
				}
			}
		}
	}
}
