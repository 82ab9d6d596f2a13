package provider_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
)

// reader follows a page to the letter: its configurations become files, and its commands are typed into a shell that stays open, in the
// folder of the files. At home there is a kubeconfig, whose context has the test's namespace; terraform init finds the provider of this
// commit in a mirror.
type reader struct {
	*terminal
	folder string
	code   []code
}

func newReader(w *world, variables map[string]string) *reader {
	w.t.Helper()
	r := &reader{folder: w.t.TempDir()}
	home := w.t.TempDir()
	environment := slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "KUBE_CONFIG_PATH=") || strings.HasPrefix(variable, "KUBECONFIG=")
	})
	environment = append(environment, "HOME="+home, "PATH="+pathWithCLI(w.t), "TF_CLI_CONFIG_FILE="+mirrorOf(w.t), "TF_CLI_ARGS=-no-color",
		"CHECKPOINT_DISABLE=1", "TF_VAR_kube_config_path="+w.homeConfig(home))
	for name, value := range variables {
		environment = append(environment, name+"="+value)
	}
	r.terminal = newTerminal(w.t, r.folder, environment)
	return r
}

// open opens a page. replaced are the words of it that are others here, such as a namespace: the old one, the new one, and so on.
func (r *reader) open(page string, replaced ...string) {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(root, page))
	must(r.t, err)
	r.code = codeIn(string(text))
	for i := 0; i < len(replaced); i += 2 {
		r.replace(replaced[i], replaced[i+1])
	}
}

// replace puts one word in the place of another, in all that is typed and written from now on.
func (r *reader) replace(before, after string) {
	r.t.Helper()
	found := false
	for i := range r.code {
		found = found || strings.Contains(r.code[i].text, before)
		r.code[i].text = strings.ReplaceAll(r.code[i].text, before, after)
	}
	if !found {
		r.t.Fatalf("the page has no %q, in the place of which there is to be %q", before, after)
	}
}

// homeConfig is the kubeconfig of somebody whose clusters are called prod, as the pages' are, and as the platform calls its own.
func (w *world) homeConfig(home string) string {
	w.t.Helper()
	config, err := clientcmd.LoadFromFile(env(w.t, "KUBE_CONFIG_PATH"))
	must(w.t, err)
	here := config.Contexts[config.CurrentContext]
	here.Namespace = w.namespace
	config.Contexts["prod"] = here
	file := filepath.Join(home, ".kube", "config")
	must(w.t, clientcmd.WriteToFile(*config, file))
	return file
}

var (
	headingLine = regexp.MustCompile(`(?m)^#+ +(.*?) *$`)
	fileNamed   = regexp.MustCompile("`([a-z]+\\.tf)`")
)

// under is the code of the page under a heading, up to the next one.
func (r *reader) under(title string) []code {
	r.t.Helper()
	var found []code
	at := ""
	for _, c := range r.code {
		if headings := headingLine.FindAllStringSubmatch(c.prose, -1); headings != nil {
			at = headings[len(headings)-1][1]
		}
		if at == title {
			found = append(found, c)
		}
	}
	if len(found) == 0 {
		r.t.Fatalf("the page has no code under %q", title)
	}
	return found
}

// follow does what the page says under a heading, and gives what its commands have printed, one after the other.
func (r *reader) follow(title string) []said {
	r.t.Helper()
	var all []said
	for _, c := range r.under(title) {
		switch {
		case c.shell():
			all = append(all, r.try(c.text))
		case c.language == "hcl", c.language == "terraform":
			r.write(c)
		}
	}
	return all
}

// write makes a file of a configuration, by the name that the page gives it.
func (r *reader) write(c code) {
	r.t.Helper()
	name := fmt.Sprintf("line-%d.tf", c.line)
	if named := fileNamed.FindAllStringSubmatch(c.prose, -1); named != nil {
		name = named[len(named)-1][1]
	}
	r.writeAs(name, c.text)
}

func (r *reader) writeAs(name, text string) {
	r.t.Helper()
	must(r.t, os.WriteFile(filepath.Join(r.folder, name), []byte(text), 0o600))
}

// worked is what was printed, when nothing has failed.
func (s said) worked(t *testing.T) string {
	t.Helper()
	if len(s.failed) > 0 {
		t.Fatalf("failed: %q in\n%s\n%s", s.failed, s.typed, s.output)
	}
	return s.output
}

// prints is an error unless something printed has each of the texts, in this order.
func (r *reader) prints(output string, texts ...string) {
	r.t.Helper()
	rest := output
	for _, text := range texts {
		_, following, found := strings.Cut(rest, text)
		if !found {
			r.t.Fatalf("%q is not where it belongs in\n%s", text, output)
		}
		rest = following
	}
}
